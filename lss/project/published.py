"""Settings as they may be passed on: names of folders and files that the user chose are kept in params.yaml alone."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from lss.project import layout

PRIVATE = frozenset({"root", "experts", "table", "slices", "pseudonym_key_file", "file"})
"""Settings that name files of the user's own: a path may say which hospital, project or patient they are of."""


def published(settings: dict[str, Any]) -> dict[str, Any]:
    """Return settings with a short hash in place of each value of `PRIVATE`: a changed one can be told, not what it
    was.

    >>> published({"cohort": {"name": "lss", "root": "/data/Smith", "table": None}})
    {'cohort': {'name': 'lss', 'root': 'as in params.yaml (75b5e168)', 'table': None}}
    """
    return {name: _public(name, value) for name, value in settings.items()}


def publish_path(path: Path | str, settings: dict[str, Any]) -> str:
    """Return the path of a file as it may be passed on: of one that a setting of `PRIVATE` names, its short hash.

    >>> publish_path("/home/Smith/split.csv", {"file": "/home/Smith/split.csv"})
    'as in params.yaml (883a49d6)'
    >>> publish_path("data/interim/rejects/batch-00.parquet", {"file": "/home/Smith/split.csv"})
    'data/interim/rejects/batch-00.parquet'
    """
    return _hidden(path) if str(path) in private_paths(settings).values() else str(path)


def private_paths(settings: dict[str, Any]) -> dict[str, str]:
    """Return the paths that settings of `PRIVATE` hold, by the short hashes that stand in their place."""
    private: dict[str, str] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            private |= private_paths(value)
        elif isinstance(value, list):  # of sections, as external cohorts are
            private |= {hidden: path for part in value if isinstance(part, dict)
                        for hidden, path in private_paths(part).items()}  # fmt: skip
        elif name in PRIVATE and value not in (None, layout.PHANTOM):
            private[_hidden(value)] = str(value)
    return private


def _public(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return published(value)
    if isinstance(value, list):
        return [published(part) if isinstance(part, dict) else part for part in value]
    if name not in PRIVATE or value in (None, layout.PHANTOM):
        return value
    return _hidden(value)


def _hidden(value: object) -> str:
    return f"as in params.yaml ({hashlib.sha256(str(value).encode('utf-8', 'surrogateescape')).hexdigest()[:8]})"

"""Settings as they may be passed on: names of folders and files that the user chose are kept in params.yaml alone."""

from __future__ import annotations

import hashlib
from typing import Any

from lss.project import layout

PRIVATE = frozenset({"root", "experts", "table", "slices", "pseudonym_key_file", "file"})
"""Settings that name files of the user's own: a path may say which hospital, project or patient they are of."""


def published(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings with a short hash in place of each value of `PRIVATE`: a changed one can be told, not what it was.

    >>> published({"cohort": {"name": "lss", "root": "/data/Smith", "table": None}})
    {'cohort': {'name': 'lss', 'root': 'as in params.yaml (75b5e168)', 'table': None}}
    """
    return {name: _public(name, value) for name, value in settings.items()}


def _public(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return published(value)
    if name not in PRIVATE or value in (None, layout.PHANTOM):
        return value
    return f"as in params.yaml ({hashlib.sha256(str(value).encode('utf-8', 'surrogateescape')).hexdigest()[:8]})"

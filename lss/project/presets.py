"""Writing settings into params.yaml, comments and all other settings kept: presets, and pinned revisions."""

from __future__ import annotations

import io
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml import YAML

from lss.errors import LssError
from lss.project.code import ROOT
from lss.project.layout import PARAMS
from lss.project.params import Params, check_params, load_params
from lss.storage.io import write_text

FOLDER = Path(__file__).parent.parent / "presets"

Setting = tuple[tuple[str, ...], Any]
"""Path of keys, and the value."""


def apply_preset(name: str, path: Path) -> list[str]:
    """Write the settings of preset `name` into the params file at `path`; return one line per changed setting.

    Raises LssError on an unknown preset, or if the result would not be valid.
    """
    settings = preset_settings(name).items()
    return write_settings(settings, path, f"preset {name}") or [f"{path} holds the preset '{name}' already"]


def preset_settings(name: str) -> dict[tuple[str, ...], Any]:
    """Return settings of a preset by path of keys, laid over those of the preset that it `extends`.

    Raises LssError on an unknown preset.
    """
    file = FOLDER / f"{name}.yaml"
    if not file.is_file():
        known = ", ".join(sorted(preset.stem for preset in FOLDER.glob("*.yaml")))
        raise LssError(f"preset '{name}': there is no such preset. There are: {known}.")
    document = _round_trip().load(file.read_text(encoding="utf-8"))
    base = document.pop("extends", None)
    return (preset_settings(base) if base else {}) | dict(_leaves(document))


def preset_params(name: str) -> Params:
    """Return the settings of a preset, as `apply_preset` writes them into the project's own params.yaml."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(ROOT / PARAMS, folder))
        apply_preset(name, path)
        return load_params(path)


def write_settings(settings: Iterable[Setting], path: Path, what: str) -> list[str]:
    """Write `settings` into the params file at `path`; return one line per changed one.

    Raises LssError if the result, called "`path` with `what`", would not be valid; the file then stays as it was.
    """
    round_trip = _round_trip()
    document = round_trip.load(path.read_text(encoding="utf-8"))
    changes = []
    for keys, value in settings:
        section = document
        for key in keys[:-1]:
            section = section[key]
        if section[keys[-1]] != value:
            changes.append(f"{'.'.join(keys)}: {section[keys[-1]]} -> {value}")
            section[keys[-1]] = value
    buffer = io.StringIO()
    round_trip.dump(document, buffer)
    check_params(yaml.safe_load(buffer.getvalue()), f"{path} with {what}")
    write_text(path, buffer.getvalue())
    return changes


def _round_trip() -> YAML:
    round_trip = YAML()  # keeps comments, order and the spelling of numbers
    round_trip.width = 4096
    round_trip.representer.add_representer(
        type(None), lambda representer, _: representer.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return round_trip


def _leaves(settings: dict[str, Any], keys: tuple[str, ...] = ()) -> Iterator[Setting]:
    """Yield (path of keys, value) for every setting that is not a section."""
    for key, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*keys, key))
        else:
            yield (*keys, key), value

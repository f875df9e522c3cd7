"""A cache of the slices that an interrupted run of the same command has read, so that none is read twice.

Each slice is one small file in a hidden folder beside the output, which goes when the reading is whole. A file is named
by everything that its content depends on: pixels, spacing, level, models, settings and version.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lss import __version__
from lss.errors import LssError
from lss.read.ground import Statement
from lss.read.reading import Mask, SliceReading
from lss.storage.io import read_json, sole_user, write_json


class SliceCache:
    """The folder of slices read so far.

    Attributes:
        folder: made by the first slice that is stored, or by `locked`.
        reused: number of slices that an earlier run had read.
    """

    def __init__(self, output: Path, settings: dict[str, Any]) -> None:
        """Store slices beside `output`; `settings` is what all slices depend on (models, settings), as JSON values."""
        self.folder = output.parent / f".{output.name}-unfinished"
        self.reused = 0
        self._output = output
        self._settings = json.dumps([settings, __version__], sort_keys=True, default=str)

    def _path(self, one: SliceReading) -> Path:
        item = one.item
        digest = hashlib.sha256(self._settings.encode())
        for part in (item.pixels.shape, item.row_spacing_mm, item.column_spacing_mm, one.level.level, one.number):
            digest.update(f"{part} ".encode())
        if item.geometry is not None:
            digest.update(item.geometry.orientation_6.tobytes())
        digest.update(np.ascontiguousarray(item.pixels).tobytes())
        return self.folder / f"{digest.hexdigest()[:32]}.json"

    def restore(self, one: SliceReading) -> bool:
        """Fill `one` from its stored file; return false where there is none, or a damaged one."""
        path = self._path(one)
        if not path.is_file():
            return False
        try:
            stored = read_json(path)
            mask = _decode_mask(stored.pop("mask"))
            statements = [Statement(**statement) for statement in stored.pop("statements")]
        except (LssError, ValueError, KeyError, AttributeError, TypeError):
            return False
        for name, value in stored.items():
            setattr(one, name, value)
        one.mask, one.statements = mask, statements
        self.reused += 1
        return True

    def store(self, one: SliceReading) -> None:
        """Store the models' predictions of `one`."""
        record = {
            name: getattr(one, name) for name in ("probabilities", "grade", "area_percent", "report", "unfamiliarity")
        }
        record |= {"disagreements": one.disagreements, "mask": _encode_mask(one.mask)}
        record["statements"] = [asdict(statement) for statement in one.statements]
        write_json(self._path(one), record)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Lock the folder while the block runs. Raises LssError where another process reads into the same output."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with sole_user(self.folder, self._output):
            try:
                yield
            finally:
                with suppress(OSError):  # it holds slices for the next run, or has gone
                    self.folder.rmdir()

    def clear(self) -> None:
        """Remove the folder after the reading was written."""
        shutil.rmtree(self.folder, ignore_errors=True)


def _encode_mask(mask: Mask | None) -> str | None:
    if mask is None:
        return None
    return base64.b64encode(cv2.imencode(".png", mask.astype(np.uint8))[1].tobytes()).decode("ascii")


def _decode_mask(text: str | None) -> Mask | None:
    if text is None:
        return None
    decoded = cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_UNCHANGED)
    if decoded is None:
        raise ValueError("no PNG")
    return decoded > 0

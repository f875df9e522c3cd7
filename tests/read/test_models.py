"""Which models read a study together: the report's mask is the one that the page shows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from lss.errors import LssError
from lss.model.saved import CONFIG
from lss.read.models import _masker_of
from lss.storage.io import sha256_file


def test_the_mask_is_drawn_by_the_model_that_the_report_model_was_trained_upon(tmp_path: Path) -> None:
    candidates = [tmp_path / f"segmentation-{loss}" for loss in ("cross_entropy", "pid_tversky", "tversky")]
    for folder in candidates:
        folder.mkdir()
        (folder / CONFIG).write_text(folder.name)

    def writer_upon(sha256: str) -> SimpleNamespace:
        card = SimpleNamespace(made_from={"segmentation": sha256})
        return SimpleNamespace(folder=tmp_path / "report-focal", card=card)

    assert _masker_of(None, candidates) == candidates[0]
    for folder in candidates:
        assert _masker_of(writer_upon(sha256_file(folder / CONFIG)), candidates) == folder  # type: ignore[arg-type]
    with pytest.raises(LssError, match=r"report-focal: was trained upon a segmentation model that is not in"):
        _masker_of(writer_upon("0" * 64), candidates)  # type: ignore[arg-type]

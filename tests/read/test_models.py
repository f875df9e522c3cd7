"""Which models read a study together: the report's mask is the one that the page shows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from lss.errors import LssError
from lss.inference.bundle import load_bundle
from lss.model.saved import CONFIG
from lss.read.models import Models, _masker_of
from lss.read.reading import Reading
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


def test_the_report_model_draws_the_masks_of_its_segmentation_model(models: Models, reading: Reading) -> None:
    """Loaded once, within the report model: the same tensors and the same masks as loaded by itself."""
    alone = load_bundle(models.masker.folder, weights=models.folder.parent / "weights", device="cpu")
    assert models.writer is not None
    assert models.masker.network is models.writer.network.segmentation
    own, other = models.masker.network.state_dict(), alone.network.state_dict()
    assert other.keys() <= own.keys()  # it has its text tower too
    assert all(torch.equal(own[name], tensor) for name, tensor in other.items())
    prepared = [one.prepared for one in reading.slices[:2] if one.prepared is not None]
    masks, expected = (bundle.predict(bundle.batch(prepared)) for bundle in (models.masker, alone))
    for one, another in zip(masks, expected, strict=True):
        assert (one.mask == another.mask).all() and one.area_percent == another.area_percent

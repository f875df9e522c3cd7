"""Pictures of other things under a harmless header: no report on any of them, and reports on lumbar spines."""

from __future__ import annotations

import io
import shutil
from pathlib import Path

import numpy as np
import pytest
from dicom_files import dataset
from other_bodies import ALTERED, DRAWN, SPACING_MM
from small_readers import read_all

from lss.model.familiarity import NEAREST, REFERENCES, Familiarity, features
from lss.read.models import Models
from lss.read.reading import Reading
from lss.read.run import Settings
from lss.read.study import RefusedError


def write_study(folder: Path, pictures: list[np.ndarray], spacing: float = SPACING_MM) -> Path:
    """Axial T2 slices 4.4 mm apart, as the header says."""
    folder.mkdir()
    for index, pixels in enumerate(pictures, start=1):
        stream = io.BytesIO()
        dataset(
            pixels, PixelSpacing=[spacing, spacing], InstanceNumber=index, SOPInstanceUID=f"1.2.3.{index}",
            ImagePositionPatient=[-110.0, -110.0, -4.4 * index], SliceThickness=4.0,
        ).save_as(stream, enforce_file_format=True)  # fmt: skip
        (folder / f"{index}.dcm").write_bytes(stream.getvalue())
    return folder


@pytest.mark.parametrize("kind", DRAWN)
def test_a_drawn_body_part_gets_no_report(kind: str, models: Models, settings: Settings, tmp_path: Path) -> None:
    study = write_study(tmp_path / "study", [DRAWN[kind](seed) for seed in range(5)])
    with pytest.raises(RefusedError, match="slices"):
        read_all(study, models, settings)


@pytest.mark.parametrize("kind", ALTERED)
def test_an_altered_lumbar_spine_gets_no_report(
    kind: str, reading: Reading, models: Models, settings: Settings, tmp_path: Path
) -> None:
    study = write_study(tmp_path / "study", [ALTERED[kind](one.item.pixels) for one in reading.slices])
    with pytest.raises(RefusedError, match="slices"):
        read_all(study, models, settings)


@pytest.mark.parametrize("kind", ["sagittal_t2", "localizer"])
def test_real_slices_of_another_plane_get_no_report(
    kind: str, shared: Path, models: Models, settings: Settings, tmp_path: Path
) -> None:
    """Named axial T2 slices, which they are not."""
    (tmp_path / "axial_t2").mkdir()
    for path in sorted((shared / "data/mendeley-lss-png" / kind).glob("*.png"))[:10]:
        shutil.copy(path, tmp_path / "axial_t2")
    with pytest.raises(RefusedError, match="slices"):
        read_all(tmp_path / "axial_t2", models, settings, spacing=0.6875)


def test_real_mid_sagittals_of_another_archive_get_no_report(
    shared: Path, models: Models, settings: Settings, tmp_path: Path
) -> None:
    (tmp_path / "axial_t2").mkdir()
    for path in sorted((shared / "data/spider-midsagittal").glob("*.png"))[:12]:
        shutil.copy(path, tmp_path / "axial_t2")
    with pytest.raises(RefusedError, match="slices"):
        read_all(tmp_path / "axial_t2", models, settings, spacing=0.6875)


def test_lumbar_phantoms_of_other_seeds_are_read(reading: Reading) -> None:
    assert sum(one.unfamiliar for one in reading.slices) <= len(reading.slices) // 3
    for one in reading.slices:
        assert one.unfamiliarity is not None
        assert (one.report is None) == one.unfamiliar and bool(one.problem) == one.unfamiliar


def test_one_unfamiliar_slice_is_a_line_and_the_others_are_read(
    reading: Reading, models: Models, settings: Settings, tmp_path: Path
) -> None:
    pictures = [one.item.pixels for one in reading.slices[:4]]
    result = read_all(write_study(tmp_path / "study", [*pictures, DRAWN["abdomen"](1)]), models, settings)
    last = result.slices[-1]
    assert last.unfamiliar and last.report is None and "looks unlike" in str(last.problem)
    assert sum(one.report is not None for one in result.slices[:4]) >= 3


def test_distance_against_a_plain_computation() -> None:
    draw = np.random.default_rng(0)
    reference = draw.normal(3, [0.5] * 4 + [5.0] * 4, (REFERENCES, 8)).astype(np.float32)
    images = draw.normal(3, 2, (6, 9, 4)).astype(np.float32)
    import torch

    judge = Familiarity(4)
    assert not judge.fitted
    judge.fit(torch.from_numpy(reference), torch.from_numpy(reference[:50] + 0.1))
    pooled = np.concatenate([images.mean(axis=1), images.std(axis=1, ddof=1)], axis=1)
    assert np.allclose(features(torch.from_numpy(images)), pooled, atol=1e-5)
    spread = reference.std(axis=0, ddof=1)
    away = np.sort(np.linalg.norm((pooled[:, None] - reference[None]) / spread, axis=2), axis=1)[:, NEAREST - 1]
    result = judge(torch.from_numpy(images))
    assert np.allclose(result * judge.threshold, away, rtol=1e-3)
    assert judge.beyond(torch.from_numpy(reference[:50] + 0.1)).float().mean() == pytest.approx(0.02, abs=0.001)
    with pytest.raises(ValueError, match="references"):
        judge.fit(torch.from_numpy(reference[:9]), torch.from_numpy(reference))


def test_the_model_says_how_often_it_would_refuse_its_validation_part(models: Models) -> None:
    facts = models.grader.card.facts["familiarity"]
    assert facts["validation_patients"] == 2 and facts["validation_patients_refused"] == 0
    assert 0 < facts["validation_slices_beyond"] <= 0.05

"""The variants are Algorithm 1 with one part exchanged: compared with the algorithm itself and with its parts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy import ndimage

from lss.imaging import pseudo_mask as algorithm
from lss.imaging.mask_variants import AS_BUILT, VARIANTS, dice_table, variants
from lss.imaging.pseudo_mask import steps
from lss.imaging.roi import region_of_interest
from lss.imaging.settings import PseudoMaskParams
from lss.project.params import load_params

MM = (0.6875, 0.6875)


@pytest.fixture
def settings(project_root: Path) -> PseudoMaskParams:
    return load_params(project_root / "params.yaml").pseudo_mask


@pytest.mark.parametrize("grade", ["A", "BC", "D", None])
@pytest.mark.parametrize("t1", [False, True])
def test_as_built_is_the_algorithm(draw_axial, settings: PseudoMaskParams, grade: str | None, t1: bool) -> None:
    image, weighting = draw_axial(t1=t1).image, "T1" if t1 else "T2"
    masks, roi = variants(image, MM, weighting, grade, settings)
    expected = steps(image, region_of_interest(image, *MM, weighting), grade, weighting=weighting, grade_a="refine")
    assert tuple(masks) == VARIANTS and roi.detected
    assert np.array_equal(masks[AS_BUILT], expected.mask) and masks[AS_BUILT].any()
    same = "large kernel for all grades" if grade == "D" else "small kernel for all grades"
    assert np.array_equal(masks[same], expected.mask)


def test_settings_reach_the_parts(draw_axial, settings: PseudoMaskParams) -> None:
    image = draw_axial().image
    masks, roi = variants(image, MM, "T2", "D", settings)
    _, wide_roi = variants(image, MM, "T2", "D", settings.model_copy(update={"roi_margin_mm": 8.0}))
    assert wide_roi.region.sum() > roi.region.sum()
    small, _ = variants(image, MM, "T2", "D", settings.model_copy(update={"kernel_severe": 3, "kernel_small": 3}))
    assert small[AS_BUILT].sum() < masks[AS_BUILT].sum()
    square, _ = variants(image, MM, "T2", "D", settings.model_copy(update={"roi_size_mm": 20.0}))
    assert square["region: image centre"].sum() < masks["region: image centre"].sum()


def test_what_is_left_out(draw_axial, settings: PseudoMaskParams) -> None:
    image = draw_axial().image
    masks, roi = variants(image, MM, "T2", "BC", settings)
    assert np.array_equal(masks["without Otsu and Canny: the found canal's ellipse"], roi.core)
    parts = steps(image, roi, "BC")
    assert np.array_equal(masks["without morphology"], ndimage.binary_fill_holes(parts.at_canal) & roi.region)
    for name, initial in (("without Otsu", parts.edges), ("without Canny", parts.otsu)):
        rest = algorithm.refine_mild(algorithm.at_canal(initial, roi.core), 3)
        assert np.array_equal(masks[name], algorithm.final_mask(rest, roi.region)), name
    assert not np.array_equal(masks["without Canny"], masks[AS_BUILT])


def test_table_by_hand() -> None:
    scores = {"one": {"BC": [0.5, 0.25], "A": [1.0]}, "two": {"BC": [0.0, 0.5], "A": [0.125]}}
    lines = [[cell.strip() for cell in line.split("|")[1:-1]] for line in dice_table(scores, "truth").splitlines()]
    assert lines[0] == ["mean Dice against truth", "A (1)", "B&C (2)"]
    assert lines[2:] == [["one", "1.000", "0.375"], ["two", "0.125", "0.250"]]

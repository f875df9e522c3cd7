"""The mask encoder and what goes into f_r."""

from __future__ import annotations

import pytest
import torch

from lss.domain.grades import GRADES
from lss.model.mask_encoder import COVERAGE_SIZE, TOKENS_PER_SIDE, MaskEncoder, mask_coverage
from lss.model.report_encoder import CELLS, Evidence, ReportEncoder, area_digits, grade_index, join, pool_patches
from lss.model.severity import Thresholds, grade_by_area


@pytest.mark.parametrize("size", [32, 64, 100, 128, 256])
def test_coverage_keeps_the_share_that_is_covered(size):
    mask = (torch.rand(3, 1, size, size, generator=torch.Generator().manual_seed(size)) > 0.7).float()
    coverage = mask_coverage(mask)
    assert coverage.shape == (3, 1, COVERAGE_SIZE, COVERAGE_SIZE)
    if size % COVERAGE_SIZE == 0 or COVERAGE_SIZE % size == 0:
        torch.testing.assert_close(coverage.mean(dim=(1, 2, 3)), mask.mean(dim=(1, 2, 3)))


def test_mask_tokens_lie_where_the_mask_lies():
    torch.manual_seed(0)
    encoder = MaskEncoder(16)
    empty, corner = torch.zeros(2, 1, COVERAGE_SIZE, COVERAGE_SIZE)[:, None].unbind(0)
    corner = corner.clone()
    corner[..., :4, -4:] = 1
    change = (encoder(corner) - encoder(empty)).abs().sum(dim=-1)[0].reshape(TOKENS_PER_SIDE, TOKENS_PER_SIDE)
    assert change.argmax() == TOKENS_PER_SIDE - 1  # first row, last column
    assert change[2:, :2].max() == 0


def test_pooling_equals_slicing_where_the_grid_divides():
    patches = torch.randn(2, 64, 5, generator=torch.Generator().manual_seed(0))
    pooled = pool_patches(patches, (8, 8))
    cell = patches.reshape(2, 8, 8, 5)[:, 2:4, 6:8].reshape(2, 4, 5)  # row 1, column 3 of the cells
    torch.testing.assert_close(pooled[:, 7], torch.cat([cell.mean(dim=1), cell.amax(dim=1)], dim=-1))


@pytest.mark.parametrize(
    ("area", "digits"), [(0.0, (0, 0, 0)), (9.96, (1, 0, 0)), (31.26, (3, 1, 3)), (100, (10, 0, 0))]
)
def test_digits_are_those_a_report_states(area, digits):
    assert area_digits(area) == digits


@pytest.mark.parametrize("thresholds", [Thresholds(10.0, 25.0), Thresholds(0.3, 0.3), Thresholds(-1.0, 101.0)])
def test_grade_of_areas_on_the_device_is_that_of_the_template(thresholds):
    areas = [0.0, 0.3, 0.30000000001, 9.999999999, 10.0, 25.0, 25.000000001, 100.0]
    result = grade_index(torch.tensor(areas, dtype=torch.float64), torch.tensor(thresholds, dtype=torch.float64))
    assert [GRADES[index] for index in result.tolist()] == [grade_by_area(area, thresholds) for area in areas]


def _evidence(area: float, level: str | None = "L4-L5") -> Evidence:
    visual, coverage = torch.zeros(1, CELLS, 8), torch.zeros(1, 1, COVERAGE_SIZE, COVERAGE_SIZE)
    return Evidence(visual, coverage, torch.zeros(1, 0, 0), [area], [None], [None], [level])


def test_f_r_holds_area_template_and_level():
    torch.manual_seed(0)
    encoder = ReportEncoder(4, 16, torch.randn(3, 6))
    encoder.set_thresholds(Thresholds(1.0, 2.0))
    assert encoder.thresholds == (1.0, 2.0)
    tokens, logits = encoder(join([_evidence(area) for area in (1.2, 1.3, 2.3)] + [_evidence(1.2, "L5-S1")]))
    assert tokens.shape == (4, encoder.tokens, 16) and logits.shape == (4, 3)
    same = [torch.equal(tokens[0, token], other[token]) for other in tokens for token in range(encoder.tokens)]
    differs = {place for place, equal in enumerate(same) if not equal}
    tenths, ones, template, level = CELLS + 2, CELLS + 1, CELLS + 3, CELLS + 4
    row = encoder.tokens
    assert differs == {row + tenths, 2 * row + ones, 2 * row + tenths, 2 * row + template, 3 * row + level}

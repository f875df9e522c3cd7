"""f_r, the input of the report writer (section 3.6): visual features, mask, affected area, severity template, level.

Shapes: B images, N patches, D width of the patches, G cells per side, M = G * G cells, R tokens of f_r,
L width of f_r, K = 3 grades, W width of a prompt embedding.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from lss.domain.grades import GRADES, LEVELS
from lss.model.mask_encoder import TOKENS_PER_SIDE, MaskEncoder
from lss.model.severity import PAPER_THRESHOLDS, Thresholds
from lss.runtime.torch_setup import to_device

CELLS = TOKENS_PER_SIDE**2


@dataclass(frozen=True)
class Location:
    """Where an image was taken.

    Attributes:
        level: disc level, or None.
        region_share: size of eq. 10's target region, in fields of view.
        canal_column: of the found canal's centre, from 0 (left edge of the image) to 1; None where none was found.
        sides: the patient's at the image's left and right edge, "RL"; None where they are not known.
    """

    level: str | None
    region_share: float = 1.0
    canal_column: float | None = None
    sides: str | None = None

    @classmethod
    def of_sample(cls, row: dict[str, Any]) -> Location:
        """Read a location from a row of a shard (lss.storage.schemas.SHARD)."""
        return cls(row["level"], row["region_share"], row["canal_column"], row["sides"])


@dataclass(frozen=True)
class Evidence:
    """Evidence of the frozen segmentation network on a batch of images; small enough to be cached for all.

    Attributes:
        visual_BMV: f_v on a G x G grid, (B, M, 2 D): mean and maximum of the attended patches of a cell.
        coverage_B1SS: predicted mask, `lss.model.mask_encoder.mask_coverage`.
        projected_BML: the image as the published projector puts it before the backbone's language model
            (`pool_projected`); no part of f_r. (B, 0, 0) where the backbone has none.
        area_percent: of the predicted mask at its full size (eq. 10), one per image.
        mask_sides: the patient's side on which that mask clearly lies (`lss.model.severity.lateral_side`), or None; no
            part of f_r, for checks of the text.
        view_sides: the patient's sides at the image's left and right edge (`Location.sides`); no part of f_r, texts are
            translated by them (`lss.notes.sides`).
        levels: disc level of each image, or None; where it was taken, not what is seen on it.
    """

    visual_BMV: Tensor
    coverage_B1SS: Tensor
    projected_BML: Tensor
    area_percent: list[float]
    mask_sides: list[str | None]
    view_sides: list[str | None]
    levels: list[str | None]

    def __len__(self) -> int:
        return len(self.area_percent)

    def at(self, places: list[int]) -> Evidence:
        """Return the evidence of these images, in this order."""
        return Evidence(
            self.visual_BMV[places],
            self.coverage_B1SS[places],
            self.projected_BML[places],
            [self.area_percent[place] for place in places],
            [self.mask_sides[place] for place in places],
            [self.view_sides[place] for place in places],
            [self.levels[place] for place in places],
        )


def join(parts: list[Evidence]) -> Evidence:
    """Return one batch of several."""
    return Evidence(
        torch.cat([part.visual_BMV for part in parts]),
        torch.cat([part.coverage_B1SS for part in parts]),
        torch.cat([part.projected_BML for part in parts]),
        [area for part in parts for area in part.area_percent],
        [side for part in parts for side in part.mask_sides],
        [sides for part in parts for sides in part.view_sides],
        [level for part in parts for level in part.levels],
    )


def pool_patches(patches_BND: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return patches of any grid on G x G cells: (B, M, 2 D), mean and maximum over each cell."""
    map_BDYX = patches_BND.transpose(1, 2).unflatten(-1, grid)
    size = (TOKENS_PER_SIDE, TOKENS_PER_SIDE)
    mean, maximum = nn.AdaptiveAvgPool2d(size)(map_BDYX), nn.AdaptiveMaxPool2d(size)(map_BDYX)
    return torch.cat([mean, maximum], dim=1).flatten(2).transpose(1, 2)


def pool_projected(projected_BPL: Tensor, grid: tuple[int, int]) -> Tensor:
    """Return projected patches on G x G cells: (B, M, L), mean over each cell; (B, 0, 0) stays as it is.

    Pooled after the projector, they stay in the space that the language model knows, and a prefix of 16 is short
    beside 576 (average pooling of projected patches as in PLLaVA, Xu et al. 2024).
    """
    if not projected_BPL.shape[1]:
        return projected_BPL
    map_BLYX = projected_BPL.transpose(1, 2).unflatten(-1, grid)
    return nn.AdaptiveAvgPool2d((TOKENS_PER_SIDE, TOKENS_PER_SIDE))(map_BLYX).flatten(2).transpose(1, 2)


class ReportEncoder(nn.Module):
    """Encodes evidence as the tokens f_r, and reads its grade.

    Tokens: G x G cells (f_v and f_m of a cell side by side), the affected area digit by digit, the severity
    template that the area stands for, the disc level, and the grade read from the cells.
    """

    templates_KW: Tensor
    thresholds_2: Tensor

    def __init__(self, patch_width: int, width: int, templates_KW: Tensor) -> None:
        """Build the encoder; `templates_KW` holds the text tower's embedding of each grade's severity template."""
        super().__init__()
        self.mask_encoder = MaskEncoder(64)
        self.join = nn.Sequential(
            nn.LayerNorm(2 * patch_width), nn.Linear(2 * patch_width, 64), nn.GELU(), nn.Linear(64, 64)
        )
        self.cells = nn.Linear(128, width)
        self.grade_head = nn.Sequential(nn.Linear(256, 64), nn.GELU(), nn.Linear(64, len(GRADES)))
        self.area_digits = nn.ModuleList([nn.Embedding(count, width) for count in (11, 10, 10)])
        self.template = nn.Linear(templates_KW.shape[1], width)
        self.level = nn.Embedding(len(LEVELS) + 1, width)
        self.grade = nn.Linear(len(GRADES), width)
        self.place = nn.Parameter(torch.randn(self.tokens, width) * 0.02)
        self.norm = nn.LayerNorm(width)
        # standardised over grades: embeddings of three similar sentences differ little
        spread = templates_KW - templates_KW.mean(dim=0)
        self.register_buffer("templates_KW", spread / spread.std().clamp_min(1e-6))
        self.register_buffer("thresholds_2", torch.tensor(PAPER_THRESHOLDS, dtype=torch.float64))

    @property
    def tokens(self) -> int:
        """R, the number of tokens of f_r."""
        return CELLS + 6

    @property
    def thresholds(self) -> Thresholds:
        """Areas that choose the severity template: the paper's, until others are set."""
        return Thresholds(*self.thresholds_2.tolist())

    def set_thresholds(self, thresholds: Thresholds) -> None:
        """Take calibrated thresholds in place of the paper's; they are saved with the weights."""
        self.thresholds_2.copy_(torch.tensor(thresholds))

    def forward(self, evidence: Evidence) -> tuple[Tensor, Tensor]:
        """Return f_r (B, R, L), float32, and the logits of the grades (B, K)."""
        cells_BMC = torch.cat(
            [self.join(evidence.visual_BMV.float()), self.mask_encoder(evidence.coverage_B1SS.float())], dim=-1
        )
        logits_BK = self.grade_head(torch.cat([cells_BMC.mean(dim=1), cells_BMC.amax(dim=1)], dim=-1))
        device = cells_BMC.device
        areas_B = to_device(torch.tensor(evidence.area_percent, dtype=torch.float64), device)
        digits_B3 = to_device(torch.tensor([area_digits(area) for area in evidence.area_percent]), device)
        levels_B = level_index(evidence.levels, device)
        tokens_BRL = torch.cat(
            [
                self.cells(cells_BMC),
                torch.stack([digit(digits_B3[:, place]) for place, digit in enumerate(self.area_digits)], dim=1),
                self.template(self.templates_KW[grade_index(areas_B, self.thresholds_2)])[:, None],
                self.level(levels_B)[:, None],
                # detached: the head learns from the grade, not from what is easier to write
                self.grade(logits_BK.detach().softmax(dim=-1))[:, None],
            ],
            dim=1,
        )
        return self.norm(tokens_BRL + self.place), logits_BK


def grade_index(areas_B: Tensor, thresholds_2: Tensor) -> Tensor:
    """Return `lss.model.severity.grade_by_area` as index into GRADES, int64 (B,), on the device of the areas.

    Args:
        areas_B: percent, float64.
        thresholds_2: mild and severe, float64, mild <= severe.

    >>> grade_index(torch.tensor([9.9, 10.0, 25.0, 25.1]), torch.tensor([10.0, 25.0])).tolist()
    [0, 1, 1, 2]
    """
    return (areas_B >= thresholds_2[0]).long() + (areas_B > thresholds_2[1]).long()


def level_index(levels: list[str | None], device: torch.device) -> Tensor:
    """Return each disc level's index in LEVELS, from 1 on, int64 (B,) on the device; 0 where it is unknown."""
    return to_device(torch.tensor([LEVELS.index(level) + 1 if level in LEVELS else 0 for level in levels]), device)


def area_digits(area_percent: float) -> tuple[int, int, int]:
    """Return tens (0-10), ones and tenths of a percentage, rounded as a report states it.

    >>> area_digits(31.25), area_digits(100.0)
    ((3, 1, 2), (10, 0, 0))
    """
    tenths = int(f"{area_percent:.1f}".replace(".", ""))
    return tenths // 100, tenths // 10 % 10, tenths % 10

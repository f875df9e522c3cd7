"""Findings that an image supports, and a report without the sentences that it does not support.

A generator writes what reports of such images usually say, and so states findings that this image does not show. The
head reads the findings from the image alone, so that a sentence can be checked before it is written.

Shapes: B images, M cells, D width of the patches, L disc levels and "unknown", F statements.
"""

from __future__ import annotations

import re

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lss.domain.grades import LEVELS
from lss.metrics.report_score import HALF
from lss.model.report_encoder import CELLS, Evidence, level_index
from lss.notes.findings import SIDED, STRUCTURES, Finding, findings_part, read_findings

SIDES = ("left", "right", "both", "central")
STATEMENTS: tuple[tuple[str, bool, str | None], ...] = (
    *((structure, negated, None) for structure in STRUCTURES for negated in (False, True)),
    *((structure, False, side) for structure in SIDED for side in SIDES),
)
"""Structure, whether denied, side (None: any): the statements that get a probability."""
_PLACE = {statement: place for place, statement in enumerate(STATEMENTS)}
_SWAPPED = {"left": "right", "right": "left"}
OTHER_SIDE = [_PLACE[structure, negated, _SWAPPED.get(side or "", side)] for structure, negated, side in STATEMENTS]
"""Place of each statement's mirror image in `STATEMENTS`."""
MASK_CELLS = 8
"""Cells per side in which the head sees the mask."""


def statements_of(report: str, level: str | None) -> Tensor:
    """Return what a report says of an image's own level and of the whole spine: 0 or 1 for each of `STATEMENTS`,
    float32.
    """
    stated_F = torch.zeros(len(STATEMENTS))
    for finding in read_findings(report, level):
        if finding.level in (None, level):
            stated_F[[_PLACE[key] for key in _keys(finding)]] = 1.0
    return stated_F


class FindingHead(nn.Module):
    """Logits of `STATEMENTS` from f_v and mask, cell by cell, and the disc level; it shares nothing with the writer."""

    def __init__(self, patch_width: int) -> None:
        """Build the head for patches of width `patch_width` (D)."""
        super().__init__()
        self.cell = nn.Sequential(nn.LayerNorm(2 * patch_width), nn.Linear(2 * patch_width, 32), nn.GELU())
        self.read = nn.Sequential(
            nn.Dropout(0.5), nn.Linear(CELLS * 32 + MASK_CELLS**2 + len(LEVELS) + 1, 64), nn.GELU(), nn.Dropout(0.3),
            nn.Linear(64, len(STATEMENTS)),
        )  # fmt: skip

    def forward(self, evidence: Evidence) -> Tensor:
        """Return logits (B, F), float32."""
        coverage_B1XX = nn.functional.adaptive_avg_pool2d(evidence.coverage_B1SS.float(), MASK_CELLS)
        # a row of the unit matrix: fake tensors (lss plan) cannot run one_hot
        level_BL = torch.eye(len(LEVELS) + 1, device=coverage_B1XX.device)[
            level_index(evidence.levels, coverage_B1XX.device)
        ]
        cells_BMC = self.cell(evidence.visual_BMV.float())
        return self.read(torch.cat([cells_BMC.flatten(1), coverage_B1XX.flatten(1), level_BL], dim=1))


def expected_score(text: str, level: str | None, chances_F: NDArray[np.float64]) -> float:
    """Return a text's expected report score (`lss.metrics.report_score`) under the head's probabilities.

    A finding earns half a point times the probability that the reference states it, and half times the probability that
    it states it for the same side; the number of the reference's findings is the sum of the probabilities. Findings at
    another level earn nothing. In [0, 1], 1 for no findings where none is expected.
    """
    findings = read_findings(text, level)
    own_level = [finding for finding in findings if finding.level in (None, level)]
    earned = sum(HALF * (chances_F[_keys_at(f)[0]] + chances_F[_keys_at(f)[-1]]) for f in own_level)
    expected = float(chances_F[: 2 * len(STRUCTURES)].sum())
    return float(2 * earned / (len(findings) + expected)) if findings or expected > 0 else 1.0


def supported(report: str, level: str | None, chances_F: NDArray[np.float64]) -> tuple[str, list[str]]:
    """Return the report without the sentences that its image does not support, and those sentences, in that order.

    One sentence after the other is left out, as long as the rest is expected to score better; first the one whose
    absence gains most. Nothing is put in their place. The severity sentence stays, and at least one other.
    """
    findings = findings_part(report)
    opening = report[: len(report) - len(findings)]
    sentences = re.split(r"(?<=\.)\s+", findings)
    best = expected_score(findings, level, chances_F)
    left_out = []
    while len(sentences) > 1:
        shorter = [sentences[:place] + sentences[place + 1 :] for place in range(len(sentences))]
        scores = [expected_score(" ".join(sentences_left), level, chances_F) for sentences_left in shorter]
        if max(scores) <= best:
            break
        place = int(np.argmax(scores))
        left_out.append(sentences[place])
        best, sentences = scores[place], shorter[place]
    return opening + " ".join(sentences), left_out


def finding_chance(finding: Finding, chances_F: NDArray[np.float64]) -> float:
    """Return the probability of a finding by the head, of the side that it names; 0 for one that the head knows not."""
    places = _keys_at(finding)
    return float(chances_F[places[-1]]) if places else 0.0


def _keys(finding: Finding) -> list[tuple[str, bool, str | None]]:
    """Return the statement whichever the side, and the one with its side, if it names one."""
    keys = [(finding.structure, finding.negated, None), (finding.structure, finding.negated, finding.side)]
    return [key for key in dict.fromkeys(keys) if key in _PLACE]


def _keys_at(finding: Finding) -> list[int]:
    return [_PLACE[key] for key in _keys(finding)]

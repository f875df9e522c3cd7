"""The kinds of report generator that benchmarks/report_generator.py compares: what each adds to the one of `lss`.

Shapes: B images, R patch tokens of the disc, D their width, M cells, L width of f_r.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from torch import Tensor, nn

from lss.losses.focal import IGNORED
from lss.model.batch import Batch
from lss.model.report_encoder import Evidence, Location, ReportEncoder
from lss.model.report_generator import ReportGenerator
from lss.model.report_text import state_area
from lss.notes.findings import findings_part
from lss.notes.sides import swap_sides, translate_sides
from lss.runtime.seeding import generator
from lss.training.report_task import ReportTask, build
from lss.training.task import Setup

FIELD_MM = 88.0
FRONT_MM, BACK_MM, SIDE_MM = 26.0, 18.0, 26.0
"""Of the disc tokens about the canal's centre: the disc's back half, facets, flavum and both foramina."""
MARGIN = 0.2
"""By how many nats per token a report of another patient of the same level and grade should be less likely."""


@dataclass(frozen=True)
class Arm:
    """What is added to the generator as it is."""

    name: str
    disc_tokens: bool = False
    slices: bool = False
    ranking: float = 0.0


ARMS = {
    arm.name: arm
    for arm in (
        Arm("as is"),
        Arm("disc tokens", disc_tokens=True),
        Arm("ranking", ranking=1.0),
        Arm("slices", slices=True),
        Arm("disc tokens, slices", disc_tokens=True, slices=True),
        Arm("disc tokens, slices, ranking", disc_tokens=True, slices=True, ranking=1.0),
    )
}


@dataclass(frozen=True)
class Seen:
    """All that the frozen network found in the images of one subset, by sample key."""

    rows: dict[str, dict[str, Any]]
    evidence: dict[str, Evidence]
    disc: dict[str, Tensor]  # (R, D)
    mates: dict[str, list[str]]  # samples of the same disc and side, itself among them


@dataclass(frozen=True)
class MoreEvidence(Evidence):
    """Evidence with the tokens of the disc, (B, R, D), and f_v averaged over the slices of the disc, (B, M, 2 D)."""

    disc_BRD: Tensor
    slices_BMV: Tensor


def disc_places(grid: tuple[int, int]) -> list[int]:
    """Places in a grid of patch tokens that lie at the disc and canal, row by row."""
    rows, columns = grid
    result = []
    for row in range(rows):
        for column in range(columns):
            down = ((row + 0.5) / rows - 0.5) * FIELD_MM
            across = ((column + 0.5) / columns - 0.5) * FIELD_MM
            if -FRONT_MM <= down <= BACK_MM and abs(across) <= SIDE_MM:
                result.append(row * columns + column)
    return result


@torch.no_grad()
def look(network: ReportGenerator, batches: Iterable[Batch]) -> Seen:
    """Look at every image once, as the generator does, and keep the disc's own patch tokens too."""
    rows, evidence, disc = dict[str, dict[str, Any]](), dict[str, Evidence](), dict[str, Tensor]()
    places = disc_places(network.backbone.grid)
    mates: dict[tuple[Any, ...], list[str]] = defaultdict(list)
    kept: list[Tensor] = []
    tokens_of = network.backbone.patch_tokens

    def watched(image_B3HW: Tensor) -> Tensor:
        kept.append(tokens_of(image_B3HW))
        return kept[-1]

    network.backbone.patch_tokens = watched  # type: ignore[method-assign]
    for batch in batches:
        kept.clear()
        result = network.look(batch.image_B1YX, batch.grade_B, [Location.of_sample(row) for row in batch.rows])
        disc_BRD = torch.cat(kept)[:, places]
        for place, row in enumerate(batch.rows):
            key = row["sample_key"]
            rows[key] = {**row, "report": batch.report[place]}
            evidence[key], disc[key] = result.at([place]), disc_BRD[place]
            mates[row["patient_key"], row["level"], row["flipped"]].append(key)
    network.backbone.patch_tokens = tokens_of  # type: ignore[method-assign]
    by_key = {key: group for group in mates.values() for key in group}
    return Seen(rows, evidence, disc, by_key)


class WiderEncoder(nn.Module):
    """`ReportEncoder` with tokens of the disc, and of all its slices, behind f_r."""

    def __init__(self, plain: ReportEncoder, arm: Arm, width: int, patch_width: int, places: int, cells: int) -> None:
        super().__init__()
        self.plain, self.arm = plain, arm
        if arm.disc_tokens:
            self.disc = nn.Sequential(nn.LayerNorm(patch_width), nn.Linear(patch_width, width))
            self.disc_place = nn.Parameter(torch.randn(places, width) * 0.02)
        if arm.slices:
            self.slices = nn.Sequential(
                nn.LayerNorm(2 * patch_width), nn.Linear(2 * patch_width, 64), nn.GELU(), nn.Linear(64, width)
            )
            self.slices_place = nn.Parameter(torch.randn(cells, width) * 0.02)
        self.norm = nn.LayerNorm(width)

    @property
    def thresholds(self) -> Any:
        return self.plain.thresholds

    @property
    def place(self) -> Tensor:
        return self.plain.place

    def forward(self, evidence: MoreEvidence) -> tuple[Tensor, Tensor]:
        tokens_BRL, logits_BK = self.plain(evidence)
        parts = [tokens_BRL]
        if self.arm.disc_tokens:
            parts.append(self.norm(self.disc(evidence.disc_BRD.float()) + self.disc_place))
        if self.arm.slices:
            parts.append(self.norm(self.slices(evidence.slices_BMV.float()) + self.slices_place))
        return torch.cat(parts, dim=1), logits_BK


class ArmTask(ReportTask):
    """`ReportTask` on evidence that is there already; validated by the likelihood alone, without writing."""

    def __init__(self, task: ReportTask, setup: Setup, arm: Arm, seen: dict[str, Seen]) -> None:
        network = task.module
        if arm.disc_tokens or arm.slices:
            places = len(disc_places(network.backbone.grid))
            encoder = network.encoder
            network.encoder = WiderEncoder(  # type: ignore[assignment]
                encoder, arm, encoder.place.shape[1], network.backbone.width, places, encoder.tokens - 6
            ).to(setup.device)
        super().__init__(network, setup)
        self.arm, self.seen, self.seed = arm, seen, setup.seed
        self.of_key = {key: subset for subset in seen.values() for key in subset.rows}
        self.epoch = 0
        self.others: dict[tuple[Any, ...], list[tuple[str, str]]] = defaultdict(list)
        for row in seen["train"].rows.values():
            self.others[row["level"], row["grade"]].append((row["patient_key"], row["report"]))

    @property
    def known(self) -> set[str]:  # type: ignore[override]
        return set(self.of_key)

    def evidence_of(self, keys: list[str]) -> MoreEvidence:
        parts = [self.of_key[key].evidence[key] for key in keys]
        mean = [torch.cat([self.of_key[k].evidence[mate].visual_BMV for mate in self.of_key[k].mates[k]]).mean(dim=0)
                for k in keys] if self.arm.slices else [torch.zeros(0, 0)] * len(keys)  # fmt: skip
        return MoreEvidence(
            torch.cat([part.visual_BMV for part in parts]),
            torch.cat([part.coverage_B1SS for part in parts]),
            torch.cat([part.projected_BML for part in parts]),
            [part.area_percent[0] for part in parts],
            [part.mask_sides[0] for part in parts],
            [part.view_sides[0] for part in parts],
            [part.levels[0] for part in parts],
            torch.stack([self.of_key[key].disc[key] for key in keys]),
            torch.stack(mean),
        )

    def loss(self, batch: Batch) -> Tensor:
        evidence = self.evidence_of([row["sample_key"] for row in batch.rows])
        loss = self._loss(evidence, batch.report, batch.grade_B, self.gamma, self.settings.grade_weight)
        loss = loss + self.module.finding_loss(evidence, batch.report)
        return loss + self.arm.ranking * self.ranking(evidence, batch) if self.arm.ranking else loss

    def ranking(self, evidence: MoreEvidence, batch: Batch) -> Tensor:
        """Hinge: mean NLL per token of the own report must lie MARGIN below that of another patient's, same level and
        grade, whose findings differ. The stated area is the image's own in both."""
        pairs = []
        for place, row in enumerate(batch.rows):
            own = findings_part(batch.report[place])
            alike = (own, swap_sides(own))
            other = [
                text for patient, text in self.others[row["level"], row["grade"]]
                if patient != row["patient_key"] and findings_part(text) not in alike
            ]  # fmt: skip
            if other:
                draw = generator(self.seed, "ranking", row["sample_key"], self.epoch)
                pairs.append((place, other[int(draw.integers(len(other)))]))
        if not pairs:
            return torch.zeros(())
        places = [place for place, _ in pairs]
        chosen: dict[str, Any] = {
            name: [of[p] for p in places] if isinstance(of, list) else of[places] for name, of in vars(evidence).items()
        }  # fmt: skip
        part = MoreEvidence(**chosen)
        own_B = self.nll(part, [batch.report[place] for place in places])
        other_B = self.nll(part, [text for _, text in pairs])
        return (own_B - other_B + MARGIN).clamp_min(0).mean()

    def nll(self, evidence: MoreEvidence, reports: list[str]) -> Tensor:
        """Mean negative log-likelihood per token of each report, (B,)."""
        stated = [
            translate_sides(state_area(report, area), sides)
            for report, area, sides in zip(reports, evidence.area_percent, evidence.view_sides, strict=True)
        ]
        ids_BT, target_BT = self.module.teacher_forcing_ids(stated)
        features_BRL, _ = self.module.encoder(evidence)
        context_BRL = self.module.writer.context(features_BRL, evidence.projected_BML)
        logits_BTV = self.module.writer.teacher_forced(context_BRL, ids_BT).float()
        nll_BT = nn.functional.cross_entropy(
            logits_BTV.transpose(1, 2), target_BT, reduction="none", ignore_index=IGNORED
        )
        return nll_BT.sum(dim=1) / (target_BT != IGNORED).sum(dim=1)

    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        rows = self.seen["val"].rows
        if self._calibrated is None:
            grades = [row["grade"] for row in rows.values()]
            encoder = self.module.encoder
            self.module.encoder = getattr(encoder, "plain", encoder)
            self._calibrate([of.area_percent[0] for of in self.seen["val"].evidence.values()], grades)
            self.module.encoder = encoder
        keys = list(rows)
        nll = torch.cat([
            self.nll(self.evidence_of(keys[first : first + 16]), [rows[k]["report"] for k in keys[first : first + 16]])
            for first in range(0, len(keys), 16)
        ])  # fmt: skip
        self.epoch += 1
        return {"score": math.exp(-float(nll.mean())), "nll": float(nll.mean())}


def build_arm(setup: Setup, arm: Arm, seen: dict[str, Seen]) -> ArmTask:
    """The generator of `lss` on its trained segmentation model, with what the arm adds."""
    return ArmTask(build(setup), setup, arm, seen)

"""Report generation as a task of the training loop."""

from __future__ import annotations

import math
import re
from collections.abc import Container, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from lss.backbones import qlora
from lss.backbones.base import Backbone
from lss.domain.grades import GRADES
from lss.errors import LssError
from lss.metrics.language import cider_d
from lss.model.batch import Batch
from lss.model.network import network_config
from lss.model.report_encoder import Evidence, Location, join
from lss.model.report_generator import Decoding, ReportGenerator, build_generator
from lss.model.report_text import state_area
from lss.model.saved import ADAPTER, check_files, load_tensors, read_card
from lss.model.severity import PAPER_THRESHOLDS, Thresholds, calibrate_thresholds, unreached_grades
from lss.notes.report_consistency import check_report
from lss.runtime.torch_setup import to_device
from lss.training.task import Setup, Task, split_parameters

FITTED_ON = "predicted masks of the validation part"
"""What calibrated area thresholds rest on: images that neither network was trained on."""

WRITTEN = 128
"""Reports written and read at each validation, at most."""


class EvidenceCache:
    """Cache of the frozen network's evidence by sample: computed once, held in memory as float16.

    About 20 kB each, and of a language model 32 bytes per unit of its width: 131 kB for the 7B.
    """

    def __init__(self, network: ReportGenerator) -> None:
        self.network = network
        self.cached: dict[str, tuple[Tensor, Tensor, Tensor, float, str | None]] = {}  # by sample key

    def __call__(self, batch: Batch) -> Evidence:
        """Return the evidence of a batch, on its device."""
        keys = [row["sample_key"] for row in batch.rows]
        new = [index for index, key in enumerate(keys) if key not in self.cached]
        if new:
            images, grades = batch.image_B1YX, batch.grade_B
            if len(new) < len(keys):
                images, grades = images[new], grades[new]
            evidence = self.network.look(images, grades, [Location.of_sample(batch.rows[index]) for index in new])
            tensors = (evidence.visual_BMV, evidence.coverage_B1SS, evidence.projected_BML)
            visual, coverage, projected = (tensor.half().cpu() for tensor in tensors)
            for place, index in enumerate(new):
                self.cached[keys[index]] = (
                    visual[place],
                    coverage[place],
                    projected[place],
                    evidence.area_percent[place],
                    evidence.mask_sides[place],
                )
        visual_, coverage_, projected_, areas, mask_sides = zip(*(self.cached[key] for key in keys), strict=True)
        device = batch.image_B1YX.device
        return Evidence(
            to_device(torch.stack(visual_), device),
            to_device(torch.stack(coverage_), device),
            to_device(torch.stack(projected_), device),
            list(areas),
            list(mask_sides),
            [row["sides"] for row in batch.rows],
            [row["level"] for row in batch.rows],
        )


class ReportTask(Task):
    """Trains the encoder of f_r and the writer on reference reports."""

    module: ReportGenerator

    def __init__(self, network: ReportGenerator, setup: Setup) -> None:
        self.module = network
        self.backbone = setup.backbone
        self.settings = setup.params.report
        self.write_batch_size = setup.execution.write_batch_size
        self.gamma = self.settings.focal_gamma if setup.loss == "focal" else 0.0
        self._look = EvidenceCache(network)
        self._calibrated: Thresholds | None = None
        self._unreached: list[str] = []  # grades that the calibrated thresholds give to no image
        self._cut: dict[str, int] = {"train": 0, "val": 0}  # reports longer than max_tokens
        self._cut_here = 0  # of the first epoch's reports that this process has seen

    @property
    def known(self) -> Container[str]:
        """Samples that the frozen network has looked at."""
        return self._look.cached

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return adapters of the language model (none where a decoder writes), and everything new."""
        adapters, new = split_parameters(self.module, self.backbone)
        common = {"lr": self.settings.learning_rate, "weight_decay": self.settings.weight_decay}
        groups = [{"name": "language", "params": adapters, **common}, {"name": "report", "params": new, **common}]
        return [group for group in groups if group["params"]]

    def loss(self, batch: Batch) -> Tensor:
        """Return loss of the reports, each stating the area of the mask that was predicted, and of the finding head."""
        evidence = self._look(batch)
        if self._calibrated is None:  # the first epoch
            self._cut_here += sum(map(self.module.is_cut, batch.report))
        words = self._loss(evidence, batch.report, batch.grade_B, self.gamma, self.settings.grade_weight)
        # without a weight: the finding head shares no parameter with the rest, and AdamW's steps have no scale
        return words + self.module.finding_loss(evidence, batch.report)

    def _loss(
        self, evidence: Evidence, reports: list[str], grade_B: Tensor, gamma: float, grade_weight: float
    ) -> Tensor:
        stated = [state_area(*pair) for pair in zip(reports, evidence.area_percent, strict=True)]
        return self.module.loss(evidence, stated, grade_B, gamma, grade_weight)

    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Return scores of the validation part.

        `score` is the mean of `right_reports` and of exp(-`nll`), the geometric mean of the tokens' probabilities.
        A report is right when it states the true grade and contradicts nothing that it was written from
        (`ReportCheck.contradicts`; the grade of the mask's area is left out, as the true one is known); reports are
        written greedily for at most `WRITTEN` samples, evenly spaced. `nll` (all samples) makes the score
        smooth; by itself it hardly notices one wrong word for the grade. `cider_d` is for the record: on so few
        reports it jumps between epochs, because which findings a note names cannot be told from the image.
        `head_grade`: share of right grades by the head on f_r. `finding_loss`: of the finding head.
        """
        seen, areas = list[Batch](), list[float]()
        for batch in batches:
            areas += self._look(batch).area_percent  # kept in the host's memory; neither that nor the pixels here
            seen.append(replace(batch, image_B1YX=batch.image_B1YX.new_empty(len(batch), 1, 0, 0)))
        grades = [GRADES[index] for batch in seen for index in batch.grade_B.tolist()]
        reports = [report for batch in seen for report in batch.report]
        if self._calibrated is None:
            self._calibrate(areas, grades)
        places = np.linspace(0, len(reports) - 1, min(len(reports), WRITTEN)).astype(int).tolist()
        nll, findings, right, first, chosen = 0.0, 0.0, 0, 0, list[Evidence]()
        for batch in seen:
            evidence = self._look(batch)
            nll += self._loss(evidence, batch.report, batch.grade_B, 0.0, 0.0).item() * len(batch)
            findings += self.module.finding_loss(evidence, batch.report).item() * len(batch)
            right += int((self.module.encoder(evidence)[1].argmax(dim=-1) == batch.grade_B).sum())
            if here := [place - first for place in places if first <= place < first + len(batch)]:
                chosen.append(evidence.at(here))
            first += len(batch)
        self._cut["val"] = sum(map(self.module.is_cut, reports))
        evidence = join(chosen)
        written = self._write(evidence)
        checks = [
            check_report(text, area_percent=area, mask_grade=None, level=level, mask_side=side)
            for text, area, level, side in zip(
                written, evidence.area_percent, evidence.levels, evidence.mask_sides, strict=True
            )
        ]
        states_grade = [check.text_grade == grades[place] for check, place in zip(checks, places, strict=True)]
        right_reports = [grade and not check.contradicts for grade, check in zip(states_grade, checks, strict=True)]
        words = [plain_words(text) for text in written], [plain_words(reports[place]) for place in places]
        mean_nll = nll / len(reports)
        return {
            "score": (float(np.mean(right_reports)) + math.exp(-mean_nll)) / 2,
            "right_reports": float(np.mean(right_reports)),
            "text_grade": float(np.mean(states_grade)),
            "cider_d": float(cider_d(*words).mean()),
            "nll": mean_nll,
            "finding_loss": findings / len(reports),
            "head_grade": right / len(reports),
            "threshold_mild": self.module.encoder.thresholds.mild,
            "threshold_severe": self.module.encoder.thresholds.severe,
        }

    def _write(self, evidence: Evidence) -> list[str]:
        """Write reports greedily, so many at once that the plan's memory holds; return them."""
        at_once = self.write_batch_size
        parts = [list(range(len(evidence)))[first : first + at_once] for first in range(0, len(evidence), at_once)]
        return [text for part in parts for text in self.module.write(evidence.at(part), Decoding())]

    def _calibrate(self, areas: list[float], grades: list[str]) -> None:
        """Fit area thresholds on the masks predicted for the validation part, on which the segmenter was not trained.

        With `train.report.thresholds: calibrated` they choose the severity template from then on, which is from the
        second epoch.
        """
        self._calibrated = calibrate_thresholds(np.array(areas), grades)
        self._unreached = unreached_grades(self._calibrated, areas)
        if self.settings.thresholds == "calibrated":
            self.module.encoder.set_thresholds(self._calibrated)

    def counts(self) -> int:
        """Return how many reports of the first epoch were cut."""
        return self._cut_here

    def load_counts(self, counts: list[int]) -> None:
        """Go on from the sum of what some processes counted."""
        self._cut_here = sum(counts)

    def end_epoch(self, counts: list[int]) -> dict[str, float]:
        """Add up what the processes counted in the first epoch; there is nothing to add in a later one."""
        self._cut["train"] += sum(counts)
        self._cut_here = 0
        return {}

    def facts(self) -> dict[str, Any]:
        """Return area thresholds in percent, which of them the model uses, what they rest on; how many reports were too
        long.

        `unreached` names the grades that the calibrated thresholds give to no image of the validation part.
        """
        calibrated = self._calibrated or PAPER_THRESHOLDS
        areas = {"paper": list(PAPER_THRESHOLDS), "calibrated": list(calibrated), "used": self.settings.thresholds,
                 "fitted_on": FITTED_ON, "unreached": self._unreached}  # fmt: skip
        return {"area_thresholds": areas, "reports_cut": self._cut}

    def state(self) -> dict[str, Any]:
        """Return what came of the first epoch."""
        return {"calibrated": self._calibrated, "unreached": self._unreached, "cut": self._cut}

    def load_state(self, state: dict[str, Any]) -> None:
        """Restore what `state` gave."""
        self._calibrated = None if state["calibrated"] is None else Thresholds(*state["calibrated"])
        self._unreached = state["unreached"]
        self._cut = state["cut"]


def plain_words(text: str) -> str:
    """Return words in lower case without punctuation, joined by spaces: like PTB tokens, without starting Java."""
    return " ".join(re.findall(r"[\w%-]+(?:\.\d+)?", text.lower()))


def build(setup: Setup) -> ReportTask:
    """Return the task on a trained segmentation model, which is taken over and frozen.

    Raises LssError when there is none, or when it does not fit the settings.
    """
    if setup.segmentation is None:
        raise LssError("train: segmentation: a report is written from a mask; name the model that draws it.")
    card = read_card(setup.segmentation)
    if card.task != "segmentation" or card.network_config != network_config(setup.params):
        raise LssError(
            f"{setup.segmentation}: model.json: is not a segmentation model of the settings in params.yaml (train). "
            "Rerun its training."
        )
    check_files(setup.segmentation, card)
    network = build_network(setup)
    load_tensors(network.segmentation, setup.segmentation)
    _take_adapters(setup.backbone, setup.segmentation / ADAPTER)
    return ReportTask(network, setup)


def build_network(setup: Setup) -> ReportGenerator:
    """Return a generator whose segmentation network is frozen, nothing of it loaded yet: fresh encoder and writer, new
    adapters of the language model, if there is one, and frozen ones of the vision tower.
    """
    backbone, settings = setup.backbone, setup.params.report
    network = build_generator(backbone, network_config(setup.params), settings.decoder_width, settings.max_tokens)
    network.requires_grad_(False)
    network.encoder.requires_grad_(True)
    network.finding_head.requires_grad_(True)
    network.writer.requires_grad_(True)
    qlora.add_adapters(
        backbone,
        ("vision",) if backbone.language_model is None else ("vision", "language"),
        rank=setup.params.qlora.rank,
        alpha=setup.params.qlora.alpha,
        dropout=setup.params.qlora.dropout,
        train_token_embeddings=settings.train_token_embeddings and backbone.language_model is not None,
    )
    for parameter in _vision_adapters(backbone).values():
        parameter.requires_grad_(False)
    return network.to(setup.device)


def _vision_adapters(backbone: Backbone) -> dict[str, nn.Parameter]:
    """Return adapters of the vision tower by the names they are saved under."""
    prefix = backbone.tower_prefixes["vision"]
    return {
        name.replace(".default.", "."): parameter
        for name, parameter in backbone.model.named_parameters()
        if name.startswith(prefix) and ".lora_" in name
    }


def _take_adapters(backbone: Backbone, trained: Path) -> None:
    """Give the vision tower the adapters that the segmentation model was trained with."""
    own = _vision_adapters(backbone)
    path = trained / "adapter_model.safetensors"
    saved = {name.removeprefix("base_model.model."): tensor for name, tensor in load_file(path).items()}
    if {name: tensor.shape for name, tensor in saved.items()} != {name: part.shape for name, part in own.items()}:
        raise LssError(f"{path}: adapters of other layers or another rank than train.qlora. Rerun its training.")
    with torch.no_grad():
        for name, parameter in own.items():
            parameter.copy_(saved[name])

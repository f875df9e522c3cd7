"""Reports of a trained generator, checked against what they were written from."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from lss.inference.prediction import refuse_not_finite
from lss.inference.settings import PredictParams
from lss.model.batch import Batch
from lss.model.consistent_writing import Written, settle
from lss.model.finding_head import supported
from lss.model.report_encoder import Evidence, Location
from lss.model.report_generator import Decoding, ReportGenerator
from lss.model.severity import grade_by_area
from lss.notes.reference import severity_sentence
from lss.notes.report_consistency import check_report
from lss.runtime.seeding import generator


@dataclass(frozen=True)
class ReportPrediction:
    """Report of an image.

    Attributes:
        written: the text that counts, and how it came about.
        left_out: sentences removed from it (`predict.unsupported`).
        area_percent: affected area of the mask it was written from, eq. 10.
        mask_grade: grade that this area stands for, by the model's own thresholds.
        mask_side: the patient's side that the mask clearly lies on: "left", "right" or None.
        chances: probabilities of `lss.model.finding_head.STATEMENTS` by the finding head, float64 (F,).
    """

    written: Written
    left_out: list[str]
    area_percent: float
    mask_grade: str
    mask_side: str | None
    chances: NDArray[np.float64]


@torch.no_grad()
def predict_reports(
    network: ReportGenerator, batch: Batch, device: torch.device, bf16: bool, params: PredictParams, seed: int
) -> list[ReportPrediction]:
    """Write the reports of a batch.

    Args:
        network: in eval mode.
        batch: `rows` have the columns slice_key, level, region_share, canal_column and sides.
        device: where the network lies.
        bf16: autocast to bfloat16.
        params: how reports are decoded and what becomes of those that contradict their mask.
        seed: of params.yaml; used where reports are sampled or written anew.

    Raises LssError where the network's output is not finite.
    """
    on_device = batch.to(device)
    places = [Location.of_sample(row) for row in batch.rows]
    with torch.autocast(device.type, torch.bfloat16, enabled=bf16):
        evidence = network.look(on_device.image_B1YX, on_device.grade_B, places)
        refuse_not_finite(evidence.visual_BMV, batch)
        grades = [grade_by_area(area, network.encoder.thresholds) for area in evidence.area_percent]
        written = write(network, evidence, grades, params, seed, [row["slice_key"] for row in batch.rows])
        chances_BF = network.finding_chances(evidence)
    return [
        ReportPrediction(
            report,
            left_out,
            evidence.area_percent[place],
            grades[place],
            evidence.mask_sides[place],
            chances_BF[place],
        )
        for place, (report, left_out) in enumerate(written)
    ]


def write(
    network: ReportGenerator, evidence: Evidence, grades: list[str], params: PredictParams, seed: int, keys: list[str]
) -> list[tuple[Written, list[str]]]:
    """Return reports on the evidence, and the sentences removed from each (`predict.unsupported`).

    What becomes of contradictions is `predict.on_contradiction`.

    Args:
        grades: that the masks' areas stand for.
        keys: of the slices; each draws from its own stream, so that a report does not depend on its batch.
    """

    chances_BF = network.finding_chances(evidence)
    left_out: dict[tuple[int, str], list[str]] = {}  # by report and what is left of it

    def drop_unsupported(rows: Iterable[int], texts: list[str]) -> list[str]:
        if params.unsupported == "keep":
            return texts
        texts_left = []
        for row, text in zip(rows, texts, strict=True):
            shorter, sentences = supported(text, evidence.levels[row], chances_BF[row])
            left_out[row, shorter] = sentences
            texts_left.append(shorter)
        return texts_left

    def contradicts(row: int, text: str) -> bool:
        return check_report(
            text,
            area_percent=evidence.area_percent[row],
            mask_grade=grades[row],
            level=evidence.levels[row],
            mask_side=evidence.mask_sides[row],
        ).contradicts

    def rewrite(rows: list[int], attempt: int) -> list[str]:
        streams = [generator(seed, "report", keys[row], attempt) for row in rows]
        how = Decoding("sample", temperature=params.temperature)
        return drop_unsupported(rows, network.write(evidence.at(rows), how, streams))

    how = Decoding(params.decoding, params.beams, params.temperature)
    first = network.write(evidence, how, [generator(seed, "report", key) for key in keys])
    settled = settle(
        drop_unsupported(range(len(evidence)), first),
        on_contradiction=params.on_contradiction,
        attempts=params.attempts,
        contradicts=contradicts,
        rewrite=rewrite,
        template=lambda row: severity_sentence(grades[row], evidence.area_percent[row]),
    )
    return [(written, left_out.get((row, written.report), [])) for row, written in enumerate(settled)]

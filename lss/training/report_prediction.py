"""Reports of a trained generator, checked against what they were written from."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch

from lss.backbones import qlora
from lss.model.consistent_writing import Written, settle
from lss.model.finding_head import supported
from lss.model.report_encoder import Evidence, Location
from lss.model.report_generator import Decoding, ReportGenerator
from lss.model.saved import ADAPTER, ModelCard, load_frozen, load_tensors
from lss.model.severity import grade_by_area
from lss.notes.reference import severity_sentence
from lss.notes.report_consistency import check_report
from lss.project.params import PredictParams
from lss.runtime.seeding import generator
from lss.training.report_task import untrained
from lss.training.task import Batch


def predict(
    card: ModelCard,
    model: Path,
    weights: Path,
    params: PredictParams,
    seed: int,
    device: torch.device,
    batches: Iterable[Batch],
) -> Iterator[dict[str, Any]]:
    """Rows of lss.storage.schemas.REPORT, one per sample, from the model folder and the backbone's checkpoint."""
    backbone = load_frozen(card, weights, device)
    trained = card.train["report"]
    network = untrained(backbone, card.network_config, trained["decoder_width"], trained["max_tokens"])
    qlora.load_adapters(backbone, model / ADAPTER)
    load_tensors(network, model)
    network.to(device).eval().requires_grad_(False)
    for batch in batches:
        there = batch.to(device)
        places = [Location.of_sample(row) for row in batch.rows]
        with torch.autocast(device.type, torch.bfloat16, enabled=card.bf16):
            evidence = network.look(there.image_B1YX, there.grade_B, places)
            grades = [grade_by_area(area, network.encoder.thresholds) for area in evidence.area_percent]
            written = write(network, evidence, grades, params, seed, [row["slice_key"] for row in batch.rows])
        for place, (row, (report, left_out)) in enumerate(zip(batch.rows, written, strict=True)):
            yield {name: row[name] for name in ("slice_key", "patient_key", "level", "grade")} | {
                "report": report.report,
                "reference": row["report"],
                "area_percent": evidence.area_percent[place],
                "mask_grade": grades[place],
                "mask_side": evidence.mask_sides[place],
                "origin": report.origin,
                "attempts": report.attempts,
                "first_report": report.first_report,
                "left_out": left_out,
            }


def write(
    network: ReportGenerator, evidence: Evidence, grades: list[str], params: PredictParams, seed: int, keys: list[str]
) -> list[tuple[Written, list[str]]]:
    """Reports on what was found, and the sentences that each was relieved of (`predict.unsupported`).

    What becomes of contradictions is `predict.on_contradiction`.

    Args:
        grades: that the masks' areas stand for.
        keys: of the slices; each draws from its own stream, so that a report does not depend on its batch.
    """

    chances_BF = network.finding_chances(evidence)
    left_out: dict[tuple[int, str], list[str]] = {}  # by report and what is left of it

    def relieved(rows: Iterable[int], texts: list[str]) -> list[str]:
        if params.unsupported == "keep":
            return texts
        kept = []
        for row, text in zip(rows, texts, strict=True):
            shorter, sentences = supported(text, evidence.levels[row], chances_BF[row])
            left_out[row, shorter] = sentences
            kept.append(shorter)
        return kept

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
        return relieved(rows, network.write(evidence.at(rows), how, streams))

    how = Decoding(params.decoding, params.beams, params.temperature)
    first = network.write(evidence, how, [generator(seed, "report", key) for key in keys])
    settled = settle(
        relieved(range(len(evidence)), first),
        on_contradiction=params.on_contradiction,
        attempts=params.attempts,
        contradicts=contradicts,
        rewrite=rewrite,
        template=lambda row: severity_sentence(grades[row], evidence.area_percent[row]),
    )
    return [(written, left_out.get((row, written.report), [])) for row, written in enumerate(settled)]

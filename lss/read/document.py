"""The content of study.json, by the schema beside this module (`study.schema.json`)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from pydicom.uid import RE_VALID_UID

from lss import __version__
from lss.calibration.model_calibration import SHOWN, Calibration
from lss.evaluation.summary import RESEARCH_ONLY
from lss.measures.cutoffs import (
    AREA_CUTOFFS,
    DIAMETER_CUTOFFS,
    OBLIQUE_DEGREES,
    Change,
    Cutoff,
    change,
    crossed,
)
from lss.measures.sac import VALID_FOR, Interval
from lss.read.models import Models
from lss.read.reading import DiscReading, Reading, SliceReading, look_first

SCHEMA_VERSION = 2
"""Raised by the first change of a field after a release: 1 was that of lss 0.3.0."""


def load_schema() -> dict[str, Any]:
    """Return the JSON Schema of study.json."""
    return dict(json.loads(files("lss.read").joinpath("study.schema.json").read_text(encoding="utf-8")))


def study_document(
    reading: Reading, models: Models, prior: Reading | None, objects: Mapping[str, str]
) -> dict[str, Any]:
    """Return a reading as JSON values.

    Args:
        reading: of the study.
        models: that read it.
        prior: of an earlier study, measured only; None where there is none.
        objects: kind of each DICOM object that was written, by its file.
    """
    own_name, study = reading.study.tree.own_name, reading.slices[0].item.study
    before = {disc.level: disc for disc in prior.discs if disc.level} if prior else {}
    return {
        "schema_version": SCHEMA_VERSION,
        "research_only": RESEARCH_ONLY,
        "software": {"name": "lss", "version": __version__, "model": models.name, "weights": models.weights},
        "study": {
            "patient_id": reading.study.person or None,
            "study_instance_uid": study if re.fullmatch(RE_VALID_UID, study) else None,  # else a folder
        },
        "notes": [*reading.study.notes, *_not_judged(reading, models)],
        "spine": None if reading.spine is None else {
            "file": own_name(reading.spine.file),
            "discs": [disc.level for disc in reading.spine.discs],
            "doubts": list(reading.spine.doubts),
        },
        "certainty": _certainty(models.grader.calibration, models.grader.card.made_from.get("cohort")),
        "intervals": VALID_FOR,
        "look_first": [place + 1 for place in look_first(reading.discs, models.grader.calibration)],
        "discs": [_disc(disc, before.get(disc.level) if disc.level else None) for disc in reading.discs],
        "slices": [_slice(one, reading) for one in reading.slices],
        "left_out": [
            {"file": own_name(reject.file), "reason": reject.reason, "detail": reject.detail, "remedy": reject.remedy}
            for reject in reading.study.rejects
        ],
        "dicom": dict(objects),
    }  # fmt: skip


def _not_judged(reading: Reading, models: Models) -> list[str]:
    if all(one.unfamiliarity is None for one in reading.slices):
        return [
            f"whether these images are like those of the training was not judged: {models.grader.folder.name} holds no "
            "threshold (trained on several GPUs, each with a part of the model)"
        ]
    return []


def _certainty(calibration: Calibration | None, cohort: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return the coverage that the sets of grades promise, and the patients on which they were fitted.

    Args:
        calibration: of the grading model; None where it has none.
        cohort: `made_from["cohort"]` of its card; None in a card of an earlier version.
    """
    if calibration is None:
        return None
    name = (cohort or {}).get("name") or "not stated"
    of = f"{name} (images and notes made by this program)" if name == "phantom" else name
    return {
        "coverage": SHOWN,
        "patients": calibration.patients,
        "temperature": round(calibration.temperature, 4),
        "fitted_on": f"validation part of the cohort that the model was trained on: {of}",
    }


def _disc(disc: DiscReading, before: DiscReading | None) -> dict[str, Any]:
    smallest = disc.smallest
    measure = smallest.measure if smallest else None
    oblique = max((one.oblique_degrees for one in disc.slices if one.oblique_degrees is not None), default=None)
    return {
        "block": disc.block,
        "level": disc.level,
        "level_by_blocks": disc.slices[0].level.by_blocks,
        "level_by_anatomy": disc.slices[0].level.by_anatomy,
        "level_reason": disc.level_reason,
        "grade": disc.grade,
        "probabilities": disc.probabilities,
        "grade_set": disc.grade_set,
        "reasons": disc.reasons,
        "slices": [one.number for one in disc.slices],
        "smallest_slice": smallest.number if smallest else None,
        "area_mm2": _measure(measure.area_mm2 if measure else None, AREA_CUTOFFS),
        "diameter_mm": _measure(measure.diameter_mm if measure else None, DIAMETER_CUTOFFS),
        "oblique_degrees": None if oblique is None else round(oblique, 1),
        "oblique": oblique is not None and oblique > OBLIQUE_DEGREES,
        "change": _change(disc, before),
    }


def _measure(measure: Interval | None, cutoffs: tuple[Cutoff, ...]) -> dict[str, Any] | None:
    if measure is None:
        return None
    cutoff, open_question = crossed(measure, cutoffs)
    return {
        "value": round(measure.value, 1),
        "low": round(measure.low, 1),
        "high": round(measure.high, 1),
        "cutoff": None if cutoff is None else {"below": cutoff.limit, "name": cutoff.name, "source": cutoff.source},
        "cutoff_uncertain": open_question,
    }


def _change(disc: DiscReading, before: DiscReading | None) -> dict[str, Any] | None:
    if before is None or before.smallest is None or disc.smallest is None:
        return None
    now, then = disc.smallest.measure, before.smallest.measure
    if now is None or then is None:
        return None
    changed: Change = change(now.area_mm2, then.area_mm2)
    return {
        "area_mm2": {key: round(getattr(changed.difference, key), 1) for key in ("value", "low", "high")},
        "words": changed.words,
    }


def _slice(one: SliceReading, reading: Reading) -> dict[str, Any]:
    measure = one.measure
    return {
        "number": one.number,
        "file": reading.study.tree.own_name(one.item.file),
        "instance": one.item.instance,
        "block": one.block,
        "level": one.level.level,
        "level_reason": one.level.reason,
        "grade": one.grade,
        "probabilities": one.probabilities,
        "affected_area_percent": one.area_percent,
        "area_mm2": _measure(measure.area_mm2 if measure else None, AREA_CUTOFFS),
        "diameter_mm": _measure(measure.diameter_mm if measure else None, DIAMETER_CUTOFFS),
        "oblique_degrees": None if one.oblique_degrees is None else round(one.oblique_degrees, 1),
        "unfamiliarity": None if one.unfamiliarity is None else round(one.unfamiliarity, 3),
        "report": one.report,
        "statements": [asdict(statement) for statement in one.statements],
        "disagreements": list(one.disagreements),
        "overlay": None if one.prepared is None else f"overlays/slice-{one.number:03d}.png",
        "problem": one.problem,
    }

"""The reading of a study: measures and predictions of each axial slice, pooled over each disc."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lss.calibration.hand_over import reasons_of, urgency
from lss.calibration.model_calibration import Calibration
from lss.cohorts.base import RawSlice
from lss.cohorts.blocks import MAX_BLOCK_MM, along, find_blocks, length, normal
from lss.domain.grades import GRADES
from lss.errors import LssError
from lss.inference.bundle import Bundle
from lss.inference.prediction import GradePrediction, MaskPrediction
from lss.inference.preparation import Preparation, PreparedSlice, SliceImage, prepare_slice
from lss.inference.report_writing import ReportPrediction
from lss.inference.settings import PredictParams
from lss.levels.axial import SliceLevel, compare_levels
from lss.levels.spine import Spine, find_spine
from lss.measures.cutoffs import obliquity
from lss.measures.outline import SacOutline, find_sac
from lss.measures.sac import SacMeasure, error_at, measure_sac
from lss.model.familiarity import MAX_BEYOND
from lss.notes.report_consistency import check_report
from lss.read.ground import Statement, ground_of
from lss.read.models import Models
from lss.read.study import RefusedError, Study
from lss.runtime.progress import progress

if TYPE_CHECKING:
    from lss.read.resume import SliceCache

MIN_CANAL_SHARE = 0.5
"""Where the spinal canal is found on fewer of the slices, the pictures are not taken for a lumbar spine."""

REPORTS_PER_DISC = 5
"""Of a stack with more slices through a disc, so many evenly spread ones get a report; a block has 4 or 5 slices."""

Mask = NDArray[np.bool_]


@dataclass
class SliceReading:
    """One axial slice: its place, measures and predictions. `problem` gives the reason where these are missing."""

    number: int
    item: RawSlice
    block: int
    level: SliceLevel
    prepared: PreparedSlice | None = None
    probabilities: dict[str, float] = field(default_factory=dict)
    grade: str | None = None
    mask: Mask | None = None  # of the whole slice
    area_percent: float | None = None
    report: str | None = None
    disagreements: list[str] = field(default_factory=list)
    statements: list[Statement] = field(default_factory=list)  # of the report, one per sentence
    sac: SacOutline | None = None
    measure: SacMeasure | None = None
    unfamiliarity: float | None = None  # distance from the training's images, beyond the threshold above 1
    oblique_degrees: float | None = None
    problem: str | None = None

    @property
    def unfamiliar(self) -> bool:
        """Whether the picture looks unlike those of the training, so that no report is written of it."""
        return self.unfamiliarity is not None and self.unfamiliarity > 1


@dataclass(frozen=True)
class DiscReading:
    """The slices through one disc: its level, pooled grade, and the slice at which the sac is smallest.

    `grade_set` are the grades that its probabilities leave open, [] where the model was not calibrated; `reasons` say
    why a reader is asked to look at it first.
    """

    block: int
    level: str | None
    level_reason: str
    slices: list[SliceReading]
    grade: str | None
    probabilities: dict[str, float]
    smallest: SliceReading | None
    grade_set: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reading:
    """The reading of a whole study."""

    study: Study
    spine: Spine | None
    slices: list[SliceReading]
    discs: list[DiscReading]


def read_slices(
    study: Study,
    preparation: Preparation,
    models: Models | None,
    writing: PredictParams,
    seed: int,
    batch_size: int,
    *,
    cache: SliceCache | None = None,
    reports: bool = True,
    shown: bool = True,
) -> Reading:
    """Read every axial slice of a study.

    Args:
        study: as opened.
        preparation: settings by which slices are denoised and the canal is sought.
        models: None measures only, as for a prior study.
        writing: how reports are decoded.
        seed: of the draws where reports are sampled.
        batch_size: slices that the networks see at a time.
        cache: stores slices that were read, should this run be interrupted; None stores none.
        reports: whether reports are written.
        shown: whether progress is shown.

    Raises RefusedError where the pictures are not taken for a lumbar spine.
    """
    spine = find_spine(study.slices)
    levels = compare_levels(study.axial, spine)
    blocks = _blocks(study.axial)
    slices = [
        SliceReading(number, item, blocks[number - 1], level)
        for number, (item, level) in enumerate(zip(study.axial, levels, strict=True), start=1)
    ]
    for one in progress(slices, "slices prepared", unit="slice", shown=shown):
        _prepare(one, preparation, spine)
    _refuse_other_pictures(slices)
    discs = pooled(slices)
    if models is not None:
        _predict(models, slices, discs, writing, seed, batch_size, cache=cache, reports=reports, shown=shown)
    calibration = models.grader.calibration if models else None
    return Reading(study, spine, slices, [_disc(own, calibration) for own in discs])


def _predict(
    models: Models,
    slices: list[SliceReading],
    discs: list[list[SliceReading]],
    writing: PredictParams,
    seed: int,
    batch_size: int,
    *,
    cache: SliceCache | None,
    reports: bool,
    shown: bool,
) -> None:
    """Fill in the models' predictions. Raises RefusedError for unfamiliar pictures, before any report is written."""
    pending = [one for one in slices if one.prepared is not None and not (cache and cache.restore(one))]
    batches = [pending[start : start + batch_size] for start in range(0, len(pending), batch_size)]
    for batch in progress(batches, "batches graded", unit="batch", shown=shown):
        _read_batch(batch, models.grader, models, writing, seed)
    _refuse_unfamiliar(slices)
    pictures = [one for one in slices if one.item.geometry is None]  # without a position each stands by itself
    described = {one.number for own in [pictures, *map(_described, discs)] for one in own if not one.unfamiliar}
    for batch in progress(batches, "batches outlined and described", unit="batch", shown=shown):
        _read_batch(batch, models.masker, models, writing, seed)
        own = [one for one in batch if one.number in described]
        if models.writer is not None and reports and own:
            _read_batch(own, models.writer, models, writing, seed)
        if cache is not None:
            for one in batch:
                cache.store(one)


def _described(own: list[SliceReading]) -> list[SliceReading]:
    """Return the slices of a disc of which a report is written: all of a block, `REPORTS_PER_DISC` of
    a longer stack.
    """
    ready = [one for one in own if one.prepared is not None]
    if len(ready) <= REPORTS_PER_DISC:
        return ready
    return [ready[round(place)] for place in np.linspace(0, len(ready) - 1, REPORTS_PER_DISC)]


def _blocks(axial: list[RawSlice]) -> list[int]:
    """Return the number of the block of each slice, from the head, from 1; slices without a position are one block."""
    placed = [item for item in axial if item.geometry is not None]
    number = {id(item): count for count, block in enumerate(reversed(find_blocks(placed)), start=1) for item in block}
    unplaced = len(set(number.values())) + 1
    return [number.get(id(item), unplaced) for item in axial]


def pooled(slices: list[SliceReading]) -> list[list[SliceReading]]:
    """Return the slices of each disc: a block, or in a stack too long for one disc those of each level.

    Slices of such a stack, or without a position, belong to no disc and are not pooled where their level is unknown.
    """
    groups: dict[tuple[int, str], list[SliceReading]] = defaultdict(list)
    for block in sorted({one.block for one in slices}):
        own = [one for one in slices if one.block == block]
        placed = all(one.item.geometry is not None for one in own)
        ordered = sorted(own, key=lambda one: along(one.item, normal(own[0].item))) if placed else []
        is_block = placed and length([one.item for one in ordered]) <= MAX_BLOCK_MM
        for one in own:
            if is_block or one.level.level is not None:
                groups[block, "" if is_block else str(one.level.level)].append(one)
    return list(groups.values())


def _prepare(one: SliceReading, preparation: Preparation, spine: Spine | None) -> None:
    """Denoise a slice, find its canal, measure its sac; `problem` gives the reason where it cannot be prepared."""
    item = one.item
    spacing = item.row_spacing_mm, item.column_spacing_mm
    geometry = item.geometry
    source = SliceImage(
        str(one.number),  # not the file's name: a study in another form gets the same draws
        item.pixels,
        spacing,
        "T2",
        one.level.level,
        None if geometry is None else [float(value) for value in geometry.orientation_6],
    )
    try:
        one.prepared = prepare_slice(source, preparation)
    except (LssError, ValueError, ArithmeticError) as error:
        one.problem = f"cannot be prepared: {error}"
        return
    one.sac = (
        find_sac(one.prepared.denoised.image, one.prepared.region, spacing) if one.prepared.region.detected else None
    )
    if one.sac is not None:
        one.measure = measure_sac(one.sac.mask, spacing, error_at(one.sac.brightness))
    if spine is not None and geometry is not None and spine.discs:
        nearest = min(
            spine.discs, key=lambda disc: float(np.abs((disc.centre_3 - geometry.centre_3) @ geometry.normal_3))
        )
        one.oblique_degrees = obliquity(geometry.normal_3, nearest.normal_3)


def _refuse_other_pictures(slices: list[SliceReading]) -> None:
    detected = [one.prepared.region.detected for one in slices if one.prepared is not None]
    if not detected:
        raise RefusedError(f"no slice can be prepared: {slices[0].problem}")
    share = float(np.mean(detected))
    if share < MIN_CANAL_SHARE:
        raise RefusedError(
            f"a spinal canal is found on {sum(detected)} of {len(detected)} slices: these are not taken for axial T2 "
            "slices of a lumbar spine (another body part, upside down, noise, metal, or a field of view beside "
            "the spine)."
        )


def _refuse_unfamiliar(slices: list[SliceReading]) -> None:
    """Mark slices that look unlike the training's; raise RefusedError where most of the study's do."""
    judged = [one for one in slices if one.unfamiliarity is not None]
    beyond = [one for one in judged if one.unfamiliar]
    for one in beyond:
        one.problem = (
            f"looks unlike the images of the training (distance {one.unfamiliarity:.2f} times the threshold): "
            "no report is written"
        )
    if judged and len(beyond) > MAX_BEYOND * len(judged):
        raise RefusedError(
            f"{len(beyond)} of {len(judged)} slices look unlike the images that the model was trained on (another body "
            "part, upside down, metal, another contrast, or another kind of scanner): nothing is read from them."
        )


def _read_batch(batch: list[SliceReading], bundle: Bundle, models: Models, writing: PredictParams, seed: int) -> None:
    """Fill in the predictions of one model for some slices."""
    prepared = [_prepared_for(one, bundle, models) for one in batch]
    for one, prediction in zip(batch, bundle.predict(bundle.batch(prepared), writing=writing, seed=seed), strict=True):
        if isinstance(prediction, GradePrediction):
            one.probabilities = _calibrated(prediction.probabilities, models.grader.calibration)
            one.grade = most_probable(one.probabilities)
            one.unfamiliarity = prediction.unfamiliarity
        elif isinstance(prediction, MaskPrediction):
            if one.prepared is not None:
                one.mask = one.prepared.view.mask_from_grid(prediction.mask, one.item.pixels.shape)
            one.area_percent = prediction.area_percent
        elif isinstance(prediction, ReportPrediction):
            one.report = prediction.written.report
            checked = check_report(
                prediction.written.report, area_percent=prediction.area_percent, mask_grade=prediction.mask_grade,
                level=one.level.level, mask_side=prediction.mask_side, head_grade=one.grade,
            )  # fmt: skip
            one.disagreements = list(checked.disagreements)
            one.statements = ground_of(
                prediction.written.report, level=one.level.level, area_percent=prediction.area_percent,
                contradictions=checked.contradictions, chances_F=prediction.chances,
                sac=one.measure.area_mm2 if one.measure else None,
            )  # fmt: skip


def _prepared_for(one: SliceReading, bundle: Bundle, models: Models) -> PreparedSlice:
    """Return the slice prepared as for this model's training; the one at hand where the settings agree."""
    if one.prepared is None:
        raise ValueError(f"slice {one.number} is not prepared")
    same = bundle.preparation == models.grader.preparation
    return one.prepared if same else prepare_slice(one.prepared.source, bundle.preparation)


def _calibrated(of_head: dict[str, float], calibration: Calibration | None) -> dict[str, float]:
    """Return probabilities by grade at the natural prevalence; the head's own where the model was not calibrated."""
    if calibration is None:
        return of_head
    [probabilities] = calibration.probabilities(np.array([[of_head[grade] for grade in GRADES]])).tolist()
    return dict(zip(GRADES, probabilities, strict=True))


def most_probable(probabilities: dict[str, float]) -> str:
    """Return the most probable grade; of equally probable ones the worse."""
    return max(GRADES, key=lambda name: (probabilities[name], GRADES.index(name)))


def look_first(discs: list[DiscReading], calibration: Calibration | None) -> list[int]:
    """Return indices of the discs that a reader is asked to look at, the most urgent first."""

    def key(place: int) -> tuple[bool, int, float]:
        read = discs[place].probabilities
        return urgency(list(read.values()), calibration) if calibration and read else (False, -len(GRADES), 0.0)

    return sorted((place for place, disc in enumerate(discs) if disc.reasons), key=key)


def _disc(own: list[SliceReading], calibration: Calibration | None) -> DiscReading:
    """Pool a disc's slices: the level most of its slices have, the highest mean probability, the smallest sac."""
    level = Counter(one.level.level for one in own).most_common(1)[0][0]
    reason = next(one.level.reason for one in own if one.level.level == level)
    read = [one.probabilities for one in own if one.probabilities]
    pooled = {grade: float(np.mean([of[grade] for of in read])) for grade in GRADES} if read else {}
    grade = most_probable(pooled) if pooled else None
    measured = [one for one in own if one.measure is not None]
    smallest = min(measured, key=lambda one: one.measure.area_mm2.value if one.measure else 0.0, default=None)
    grade_set = calibration.grade_set(list(pooled.values())) if calibration and pooled else []
    reasons = reasons_of(list(pooled.values()), calibration) if calibration and pooled else []
    if level is None:
        reasons.insert(0, "its level is uncertain")
    return DiscReading(own[0].block, level, reason, own, grade, pooled, smallest, grade_set, reasons)

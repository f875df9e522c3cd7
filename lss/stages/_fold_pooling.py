"""The other half of the stage evaluate: all folds and repeats pooled, beside tables that know no image."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from lss.domain.grades import GRADES
from lss.evaluation.ablation import CrossedBootstrap
from lss.evaluation.cases import TestCases, aligned, decode_mask
from lss.evaluation.cross_validation import (
    CORRECTED,
    INTERVAL,
    Folds,
    Quotient,
    System,
    grade_quotients,
    mean_over,
    measure,
)
from lss.evaluation.disc_pooling import DiscPart, disc_part, pool_answers
from lss.evaluation.grades import Answers, answers_of_head, answers_of_text
from lss.evaluation.settings import EvaluateParams
from lss.imaging.geometry import resample_mask
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.report_baselines import most_frequent_by
from lss.metrics.report_score import score_findings
from lss.metrics.segmentation import overlap, pixel_counts
from lss.notes.grading import grade_report
from lss.project.manifest import write_manifest
from lss.project.models import Run, Trial
from lss.runtime.progress import progress
from lss.stages._evaluation_inputs import TrainingPart, read_cases
from lss.storage.io import read_parquet, write_json
from lss.storage.schemas import PREDICTIONS, SEGMENTATION
from lss.storage.shards import ShardReader
from lss.training.registry import task_record

Rows = list[dict[str, Any]]
Masks = list[NDArray[np.bool_]]
NO_FOLDS: dict[str, Any] = {"about": {"folds": 1, "repeats": 1}, "measures": []}
"""What is left where one fold was trained from one seed."""


class Fold(NamedTuple):
    """The test part of one fold, and what tables made from its training part answer on it.

    Attributes:
        cases: the test part.
        grades, reports: the commonest of the slice's level in the training part.
        masks: empty where that grade is A; elsewhere one mask, of the pixels that most training masks cover.
        train_patients: number of patients of the training part.
    """

    cases: TestCases
    grades: list[str]
    reports: list[str]
    masks: Masks
    train_patients: int

    def at(self, places: list[int]) -> Fold:
        """Return these cases alone, in this order."""
        return Fold(
            self.cases.at(places),
            [self.grades[place] for place in places],
            [self.reports[place] for place in places],
            [self.masks[place] for place in places],
            self.train_patients,
        )


def pool_folds(
    params: EvaluateParams,
    seed: int,
    *,
    predictions: dict[tuple[Trial, Run], Path],
    shards: dict[int, dict[str, list[Path]]],
    truth: Path,
    comparison: Path,
    manifest: Path,
) -> None:
    """Pool the test parts of all folds; of one fold and one repeat nothing is to be pooled, and nothing is given.

    Args:
        params: the evaluate section, for draws and confidence of the intervals.
        seed: of params.yaml; of the bootstrap.
        predictions: table per trial and model.
        shards: by fold, paths of the subsets train and test.
        truth: true masks and grades of the phantom; a table without rows for other cohorts.
        comparison: gets `about` and `measures` (lss.evaluation.cross_validation.measure), as JSON without times.
        manifest: gets the stage's manifest.

    Raises LssError on missing or foreign files.
    """
    started = datetime.now(UTC)
    pooled = _pool(params, seed, predictions, shards, truth) if predictions else NO_FOLDS
    write_json(comparison, pooled)
    write_manifest(
        manifest,
        "evaluate",
        inputs=[
            *predictions.values(),
            *(path for of_fold in shards.values() for paths in of_fold.values() for path in paths),
            *([truth] if predictions else []),
        ],
        outputs=[comparison],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={
            "folds": pooled["about"]["folds"],
            "repeats": pooled["about"]["repeats"],
            "measures": len(pooled["measures"]),
        },
    )


def _pool(
    params: EvaluateParams,
    seed: int,
    predictions: dict[tuple[Trial, Run], Path],
    shards: dict[int, dict[str, list[Path]]],
    truth: Path,
) -> dict[str, Any]:
    """Return what was pooled, and the measures."""
    size = mask_size((model, path) for (_, model), path in predictions.items())
    by_fold = {fold: read_fold(of_fold, truth, size) for fold, of_fold in shards.items()}
    cases = TestCases(*([value for fold in by_fold.values() for value in getattr(fold.cases, field.name)]
                        for field in fields(TestCases)))  # fmt: skip
    repeats = sorted({trial.repeat for trial, _ in predictions})
    of_case = np.repeat(list(by_fold), [len(fold.cases) for fold in by_fold.values()])
    folds = Folds(cases.patients, of_case, [fold.train_patients for fold in by_fold.values()])
    draws = params.bootstrap_draws, params.confidence, seed
    bootstrap = CrossedBootstrap(cases.patients, len(repeats), *draws, strata=of_case)
    discs = disc_part(cases, PatientBootstrap(cases.patients, *draws, "percentile"))
    resampled = {"image": (bootstrap, folds)}
    if discs:
        resampled["disc"] = of_discs(folds, discs, len(repeats), draws)
    measures: Rows = []
    models = list(dict.fromkeys(model for _, model in predictions))
    for model in progress(models, "pool folds", unit="model"):
        answers = [
            [
                row
                for fold, of_fold in by_fold.items()
                for row in read_predictions(predictions[Trial(fold, repeat), model], model, of_fold.cases)
            ]
            for repeat in repeats
        ]
        for unit, own, table in QUOTIENTS[model.task](answers, cases, list(by_fold.values()), discs):
            for source, quotients in (
                ("model", own),
                ("table", table),
                ("difference", [mine.minus(other) for mine, other in zip(own, table, strict=True)]),
            ):
                system = System(model.task, model.backbone, model.loss, source, unit)
                measures += [measure(system, of, *resampled[unit], params.confidence) for of in quotients]
    about = {
        "folds": len(by_fold),
        "repeats": len(repeats),
        "images": len(cases),
        "patients": len(set(cases.patients)),
        "confidence": params.confidence,
        "interval": f"{INTERVAL}, {params.bootstrap_draws} draws",
        "interval_of_trainings": CORRECTED,
    }
    return {"about": about, "measures": measures}


def read_predictions(path: Path, model: Run, cases: TestCases) -> Rows:
    """Return a model's predictions in the order of the cases. Raises LssError where they are of other cases."""
    return aligned(read_parquet(path, PREDICTIONS[task_record(model.task).predicts]).to_pylist(), cases.keys, str(path))


def mask_size(predictions: Iterable[tuple[Run, Path]]) -> tuple[int, int]:
    """Return rows and columns of the predicted masks."""
    path = next(path for model, path in predictions if model.task == "segmentation")
    rows, columns = decode_mask(read_parquet(path, SEGMENTATION, columns=["mask"])["mask"][0].as_py()["bytes"]).shape
    return rows, columns


def read_fold(shards: dict[str, list[Path]], truth: Path | None, size: tuple[int, int]) -> Fold:
    """Return a test part, and what tables made from the training part answer on it.

    Args:
        shards: paths of the subsets train and test.
        truth: true masks and grades of the phantom; None where they are not asked for.
        size: of the predicted masks.
    """
    train = TrainingPart(shards["train"])
    cases = read_cases(shards["test"], truth, size, train.grade_a_empty)
    grades = most_frequent_by(train.grades, train.levels, cases.levels)
    reader = ShardReader(shards["train"], ["copy", "patient_key", "mask"])
    first = [row for row in reader.iterate(range(len(reader))) if row["copy"] == 1]
    masks = np.stack([resample_mask(decode_mask(row["mask"]["bytes"]), size) for row in first])
    common = commonest_mask(masks)
    return Fold(
        cases,
        grades,
        most_frequent_by(train.reports, train.levels, cases.levels),
        [np.zeros_like(common) if grade == "A" else common for grade in grades],
        len({row["patient_key"] for row in first}),
    )


def commonest_mask(masks_NYX: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the one mask most like all that are not empty: pixels that at least a share of them covers, (Y, X).

    The share is that of 0.1, 0.2, ... 0.9 with the highest mean Dice over them; nothing where all are empty.
    """
    drawn_NYX = masks_NYX[masks_NYX.any(axis=(1, 2))]
    if not len(drawn_NYX):
        return np.zeros(masks_NYX.shape[1:], dtype=bool)
    shares_YX = drawn_NYX.mean(axis=0)
    candidates = [shares_YX >= share for share in np.arange(1, 10) / 10]
    return max(candidates, key=lambda mask: float(_dice(np.broadcast_to(mask, drawn_NYX.shape), drawn_NYX).mean()))


def _dice(predicted: NDArray[np.bool_], reference: NDArray[np.bool_]) -> NDArray[np.float64]:
    return overlap(pixel_counts(predicted, reference))["dice"]


Compared = Iterator[tuple[str, list[Quotient], list[Quotient]]]
"""Unit (image or disc), measures of the model, the same of the table."""


def _classification(answers: list[Rows], cases: TestCases, folds: list[Fold], discs: DiscPart | None) -> Compared:
    tables = [answers_of_text([grade for fold in folds for grade in fold.grades])] * len(answers)
    own = [
        answers_of_head(np.array([[row[f"p_{grade}"] for grade in GRADES] for row in rows], dtype=np.float64))
        for rows in answers
    ]
    yield "image", _grade_quotients(own, cases.classes), _grade_quotients(tables, cases.classes)
    if discs:
        of_own, of_tables = ([pool_answers(answer, discs.places) for answer in of] for of in (own, tables))
        yield "disc", _grade_quotients(of_own, discs.classes), _grade_quotients(of_tables, discs.classes)


def _grade_quotients(answers: list[Answers], true_N: NDArray[np.intp]) -> list[Quotient]:
    return grade_quotients(np.stack([of.classes for of in answers]), true_N, GRADES)


def _segmentation(answers: list[Rows], cases: TestCases, folds: list[Fold], discs: DiscPart | None) -> Compared:
    stacks = {"pseudo_mask": np.stack(cases.pseudo_masks)}
    if cases.has_truth:
        stacks["true_mask"] = np.stack([mask for mask in cases.true_masks if mask is not None])
    references = {name: (masks, np.array([mask.any() for mask in masks])) for name, masks in stacks.items()}
    own = [np.stack([decode_mask(row["mask"]["bytes"]) for row in rows]) for rows in answers]
    tables = [np.stack([mask for fold in folds for mask in fold.masks])] * len(own)
    of_model, of_table = (
        [
            mean_over("dice", name, np.stack([_dice(masks, reference) for masks in of]), drawn_N)
            for name, (reference, drawn_N) in references.items()
        ]
        for of in (own, tables)
    )
    yield "image", of_model, of_table


def _report(answers: list[Rows], cases: TestCases, folds: list[Fold], discs: DiscPart | None) -> Compared:
    own = [[row["report"] for row in rows] for rows in answers]
    tables = [[text for fold in folds for text in fold.reports]] * len(own)
    everything = np.ones(len(cases), dtype=bool)
    of_model, of_table = (
        [
            mean_over("finding_score", "all", np.stack([_finding_scores(texts, cases) for texts in of]), everything),
            _stated_grades(of, cases),
        ]
        for of in (own, tables)
    )
    yield "image", of_model, of_table


def _stated_grades(reports: list[list[str]], cases: TestCases) -> Quotient:
    """Return the accuracy of the grades that reports state."""
    stated = [answers_of_text([grade_report(text) for text in texts]) for texts in reports]
    return _grade_quotients(stated, cases.classes)[0]


def _finding_scores(texts: list[str], cases: TestCases) -> NDArray[np.float64]:
    return score_findings(texts, cases.reports, cases.levels)["finding_score"]


QUOTIENTS: dict[str, Callable[[list[Rows], TestCases, list[Fold], DiscPart | None], Compared]] = {
    "classification": _classification,
    "segmentation": _segmentation,
    "report": _report,
}


def of_discs(
    folds: Folds, discs: DiscPart, repeats: int, draws: tuple[int, float, int]
) -> tuple[CrossedBootstrap, Folds]:
    """Return folds and bootstrap of the discs, by the first slice of each."""
    first = [places[0] for places in discs.places]
    patients, of_disc = [folds.patients[place] for place in first], folds.fold[first]
    return CrossedBootstrap(patients, repeats, *draws, strata=of_disc), Folds(patients, of_disc, folds.train_patients)

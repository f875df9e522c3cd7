"""A further half of the stage evaluate: external cohorts, which no model was trained on, and single archives of
several that are one cohort, beside the test part.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lss.domain.grades import GRADES
from lss.evaluation.ablation import CrossedBootstrap
from lss.evaluation.cases import TestCases
from lss.evaluation.cross_validation import Folds, Quotient, System, measure
from lss.evaluation.disc_pooling import disc_part
from lss.evaluation.grades import Answers, answers_of_head, answers_of_text
from lss.evaluation.measures import rounded
from lss.evaluation.settings import EvaluateParams
from lss.evaluation.vocabulary import TEST_PART
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.classification import cohen_kappa, one_hot_confusion
from lss.project.manifest import write_manifest
from lss.project.models import Run
from lss.runtime.progress import progress
from lss.stages._fold_pooling import QUOTIENTS, Fold, Rows, mask_size, of_discs, read_fold, read_predictions
from lss.storage.io import read_parquet, write_json
from lss.storage.schemas import SLICES

_KEPT = ("task", "backbone", "loss", "source", "unit", "metric", "stratum", "value", "low", "high", "n", "patients",
         "interval")  # fmt: skip


def compare_external(
    params: EvaluateParams,
    seed: int,
    *,
    predictions: dict[str, dict[Run, Path]],
    shards: dict[str, dict[str, list[Path]]],
    comparison: Path,
    manifest: Path,
    slices: Sequence[Path] = (),
) -> None:
    """Measure the same models on the test part and on every external cohort, each beside a table that sees no image.

    Of a cohort of several archives the test part is measured as a whole, and then the patients of each archive.

    Args:
        params: the evaluate section, for draws and confidence of the intervals.
        seed: of params.yaml; of the bootstrap.
        predictions: by cohort (`TEST_PART` or a label) table per model.
        shards: by cohort, paths of the subsets train (the same for all) and test.
        comparison: gets `about` and `measures`, as JSON without times. A measure is a row of
            `lss.evaluation.cross_validation.measure` without what is of trainings, with its cohort.
        manifest: gets the stage's manifest.
        slices: slice tables of a cohort of several archives, which say whose patient each is; none of a single one.

    Raises LssError on missing or foreign files.
    """
    started = datetime.now(UTC)
    draws = params.bootstrap_draws, params.confidence, seed
    archive_of = {
        row["patient_key"]: row["cohort"]
        for path in slices
        for row in read_parquet(path, SLICES, columns=["patient_key", "cohort"]).to_pylist()
    }
    measures: Rows = []
    cohorts: dict[str, dict[str, int]] = {}
    for cohort, of_models in progress(predictions.items(), "external cohorts", len(predictions), "cohort"):
        part = read_fold(shards[cohort], None, mask_size(of_models.items()))
        answers = {model: read_predictions(path, model, part.cases) for model, path in of_models.items()}
        places_of = {cohort: list(range(len(part.cases)))}
        if cohort == TEST_PART:
            archives = [archive_of[patient] for patient in part.cases.patients] if slices else []
            for label in sorted(set(archives)):
                places_of[of_archive(label)] = [place for place, of in enumerate(archives) if of == label]
        for name, places in places_of.items():
            own = {model: [rows[place] for place in places] for model, rows in answers.items()}
            cases = part.cases.at(places)
            cohorts[name] = {"patients": len(set(cases.patients)), "images": len(cases)}
            measures += [{"cohort": name} | row for row in _measures(part.at(places), own, draws)]
    about = {
        "cohorts": cohorts,
        "confidence": params.confidence,
        "interval": f"percentile bootstrap over patients, {params.bootstrap_draws} draws",
    }
    write_json(comparison, {"about": about, "measures": measures})
    inputs = [path for of_models in predictions.values() for path in of_models.values()]
    inputs += [path for subsets in shards.values() for paths in subsets.values() for path in paths]
    inputs += slices
    write_manifest(
        manifest,
        "evaluate",
        inputs=list(dict.fromkeys(inputs)),
        outputs=[comparison],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={"cohorts": cohorts, "measures": len(measures)},
    )


def of_archive(label: str) -> str:
    """Return the name of the patients of one archive in the test part of several.

    >>> of_archive("rsna")
    'test part, of rsna'
    """
    return f"{TEST_PART}, of {label}"


def _measures(part: Fold, answers: dict[Run, Rows], draws: tuple[int, float, int]) -> Rows:
    """Return the measures of all models, of the table of the level, and their differences on these cases."""
    cases = part.cases
    folds = Folds(cases.patients, np.zeros(len(cases), dtype=np.intp), [part.train_patients])
    bootstrap = PatientBootstrap(cases.patients, *draws, "percentile")
    discs = disc_part(cases, bootstrap)
    resampled = {"image": (CrossedBootstrap(cases.patients, 1, *draws), folds)}
    if discs:
        resampled["disc"] = of_discs(folds, discs, 1, draws)
    measures: Rows = []
    for model, rows in answers.items():
        for unit, own, table in QUOTIENTS[model.task]([rows], cases, [part], discs):
            compared: dict[str, list[Quotient]] = {
                "model": own,
                "table": table,
                "difference": [mine.minus(other) for mine, other in zip(own, table, strict=True)],
            }
            for source, quotients in compared.items():
                system = System(model.task, model.backbone, model.loss, source, unit)
                rows_of = [measure(system, of, *resampled[unit], draws[1]) for of in quotients]
                measures += [{name: row[name] for name in _KEPT} for row in rows_of]
        if model.task == "classification":
            measures += _kappas(model, rows, cases, part.grades, bootstrap)
    return measures


def _kappas(model: Run, rows: Rows, cases: TestCases, grades: list[str], bootstrap: PatientBootstrap) -> Rows:
    """Return Cohen's kappa, unweighted, of the model, of the table of the level, and their difference."""
    head = answers_of_head(np.array([[row[f"p_{grade}"] for grade in GRADES] for row in rows], dtype=np.float64))
    sums_SP = [_confusions(answers, cases, bootstrap) for answers in (head, answers_of_text([*grades]))]

    def statistics(weights_DP: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
        own, table = (cohen_kappa(np.tensordot(weights_DP, of, axes=1)) for of in sums_SP)
        return {"model": own, "table": table, "difference": own - table}

    kappas: list[dict[str, Any]] = []
    for source, estimate in bootstrap.estimates(statistics).items():
        of: dict[str, Any] = {**model._asdict(), "source": source, "unit": "image"}
        of |= {"metric": "kappa", "stratum": "all", "n": estimate.n, "patients": estimate.patients}
        values = {name: rounded(getattr(estimate, name)) for name in ("value", "low", "high")}
        kappas.append(of | values | {"interval": estimate.interval})
    return kappas


def _confusions(answers: Answers, cases: TestCases, bootstrap: PatientBootstrap) -> NDArray[np.float64]:
    """Return each patient's confusion matrix [true][answered, last: none]."""
    return bootstrap.per_patient(one_hot_confusion(cases.classes, answers.classes, len(GRADES)))

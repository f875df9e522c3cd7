"""Stage evaluate: score all predictions of the test part.

Which files it reads and writes: `workflow/rules/evaluate.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from lss.calibration.model_calibration import Calibration
from lss.calibration.probabilities import Prevalence
from lss.domain.grades import GRADES
from lss.errors import LssError
from lss.evaluation import mask_scores as segmentation
from lss.evaluation.agreement import evaluate_agreement
from lss.evaluation.attention import measure_attention
from lss.evaluation.cases import CASE_SCHEMAS, TestCases, aligned, decode_mask
from lss.evaluation.collected import Collected
from lss.evaluation.comparisons import compare_all
from lss.evaluation.disc_pooling import DiscPart, disc_part, pool_answers
from lss.evaluation.grade_sets import LevelShares, calibrations_of, level_shares, measure_sets
from lss.evaluation.grade_sources import AreaThresholds, all_answers, area_thresholds, grade_rows, probabilities_of
from lss.evaluation.grades import evaluate_answers
from lss.evaluation.measures import Key, Measure, curve_name, rounded
from lss.evaluation.prompt_exchange import EXCHANGES, measure_exchange
from lss.evaluation.report_checks import masks_by_stated_grade
from lss.evaluation.run_comparison import compare_runs
from lss.evaluation.settings import EvaluateParams
from lss.evaluation.summary import caveats, summarise
from lss.metrics.bootstrap import METHOD_NAMES, NOT_SAMPLED, PatientBootstrap
from lss.model.severity import PAPER_THRESHOLDS
from lss.project.manifest import read_manifest, write_manifest
from lss.runtime.progress import progress
from lss.stages._evaluation_inputs import (
    TrainingPart,
    pseudo_mask_thresholds,
    read_cases,
    validation_slices,
)
from lss.stages._evaluation_reports import evaluate_texts, reports_of_baselines
from lss.stages._external_comparison import compare_external as compare_external
from lss.stages._fold_pooling import NO_FOLDS
from lss.stages._fold_pooling import pool_folds as pool_folds  # for `lss evaluate --folds`
from lss.storage.io import read_json, read_parquet, write_json, write_parquet
from lss.storage.schemas import PREDICTIONS
from lss.tools.kept_runs import kept_files, read_kept
from lss.training.registry import task_record

Run = tuple[str, str, str]
Rows = list[dict[str, Any]]


def run(
    params: EvaluateParams,
    seed: int,
    *,
    predictions: dict[Run, Path],
    shards: dict[str, list[Path]],
    truth: Path,
    cases: dict[str, Path],
    metrics: Path,
    statistics: Path,
    manifest: Path,
    manifests: Sequence[Path] = (),
    kept_run: Path | None = None,
    folds: Path | None = None,
    external: Path | None = None,
) -> None:
    """Score all predictions: per-case tables, measures with intervals, curves, tests.

    Args:
        params: the evaluate section.
        seed: of params.yaml; of the bootstrap and of the controls with other references.
        predictions: table per (backbone, task, loss).
        shards: paths per subset; train gives baselines, val area thresholds, test the references.
        truth: true masks and grades of the phantom; a table without rows for other cohorts.
        cases: gets a table per task, columns of lss.evaluation.cases.
        metrics: gets the few numbers that `dvc metrics` compares, as JSON.
        statistics: gets everything the tables and figures print, as JSON; no times, so equal runs give equal bytes.
        manifest: gets the stage's manifest.
        manifests: of the stages cohort and train, for caveats (weights, leak) and the report models' area thresholds.
        kept_run: folder of the run to compare with (`lss.tools.kept_runs`), or None.
        folds: what `pool_folds` left, for the table of all folds; None where nothing was pooled.
        external: what `compare_external` left, for the table of external cohorts; None where there are none.

    Raises LssError on missing or foreign files, ImpossibleMetricsError where numbers contradict each other.
    """
    started = datetime.now(UTC)
    other = read_kept(kept_run) if kept_run else None
    tables = {
        model: read_parquet(path, PREDICTIONS[task_record(model[1]).predicts]).to_pylist()
        for model, path in predictions.items()
    }
    segmenters = [model for model in predictions if model[1] == "segmentation"]
    if not segmenters:
        raise LssError("evaluate: predictions: there is no segmentation model. See train.segmentation.losses.")
    size = decode_mask(tables[segmenters[0]][0]["mask"]["bytes"]).shape
    train = TrainingPart(shards["train"])
    test = read_cases(shards["test"], truth, (size[0], size[1]), train.grade_a_empty)
    tables = {model: aligned(rows, test.keys, str(predictions[model])) for model, rows in tables.items()}
    bootstrap = PatientBootstrap(test.patients, params.bootstrap_draws, params.confidence, seed, params.interval)
    known = [read_manifest(path) for path in manifests]
    thresholds = area_thresholds([model[0] for model in segmenters], known, pseudo_mask_thresholds(shards["val"]))

    findings, discs = Collected(), disc_part(test, bootstrap)
    calibrations = calibrations_of(known)
    rows = {"segmentation": _segmentation(tables, segmenters, test, bootstrap, findings)}
    rows["classification"] = _classification(tables, test, bootstrap, thresholds, train.prevalence, discs, findings)
    if discs:
        findings.measures += _grade_sets(
            tables, calibrations, level_shares(train.slices, validation_slices(shards["val"])), test, discs
        )
    baselines = reports_of_baselines(tables, rows["classification"], thresholds, test, train, shards)
    rows["report"] = evaluate_texts(tables, rows["classification"], baselines, test, bootstrap, discs, seed, findings)
    findings.measures += _at_bounds(known)
    findings.measures += masks_by_stated_grade(rows["report"], rows["segmentation"], bootstrap)

    about = _about(params, test, thresholds, train.prevalence, bootstrap, known)
    about["calibration"] = {"/".join(name): of.to_json() for name, of in calibrations.items()}
    for task, path in cases.items():
        write_parquet(path, rows[task], CASE_SCHEMAS[task])
    write_json(metrics, summarise(findings.measures))
    comparison = None
    if other:
        comparison = compare_runs(rows, other.cases, bootstrap, other.name) | {"settings": other.settings}
    write_json(
        statistics,
        {
            "about": about,
            "caveats": caveats(about) + findings.caveats,
            "models": [list(model) for model in predictions],
            "measures": findings.measures,
            "curves": findings.curves,
            "tests": findings.tests,
            "empty_masks": findings.empty_masks,
            "comparison": comparison,
            "folds": read_json(folds) if folds else NO_FOLDS,
            **({"external": read_json(external)} if external else {}),
        },
    )
    write_manifest(
        manifest,
        "evaluate",
        inputs=[
            *predictions.values(),
            *(path for paths in shards.values() for path in paths),
            truth,
            *manifests,
            *(kept_files(kept_run) if kept_run else ()),
            *([folds] if folds else []),
            *([external] if external else []),
        ],
        outputs=[*cases.values(), metrics, statistics],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={"images": len(test), "patients": bootstrap.patients, "measures": len(findings.measures)},
    )


def _segmentation(
    tables: dict[Run, Rows], models: list[Run], test: TestCases, bootstrap: PatientBootstrap, findings: Collected
) -> Rows:
    """Score every segmentation model against pseudo-masks and true masks, and the pseudo-masks against
    the true ones.
    """
    references = {"pseudo_mask": test.pseudo_masks}
    if test.has_truth:
        references["true_mask"] = [mask for mask in test.true_masks if mask is not None]
    systems = [
        (backbone, loss, "mask", [decode_mask(row["mask"]["bytes"]) for row in tables[backbone, task, loss]])
        for backbone, task, loss in models
    ]
    systems.append(("", "", "pseudo_mask", test.pseudo_masks))
    all_rows: Rows = []
    dice = {}
    for backbone, loss, source, predicted in progress(systems, "score masks", unit="model"):
        for name, reference in references.items():
            if name == source:
                continue
            rows = segmentation.score_masks(predicted, reference, test, (backbone, loss, name))
            key: Key = {"task": "segmentation", "backbone": backbone, "loss": loss, "source": source, "reference": name}
            measures, empty = segmentation.evaluate_masks(key, rows, test.named, bootstrap)
            findings.measures += measures
            findings.empty_masks.append({**key, **empty})
            if source == "mask":
                all_rows += rows
                dice[name, backbone, loss] = np.array([row["dice"] for row in rows])
    canals = [canal for canal in test.canals if canal is not None]
    for backbone, task, loss in models if test.has_truth else ():
        rows = tables[backbone, task, loss]
        if rows[0]["attention"] is not None:  # a U-Net has none
            key = {"task": task, "backbone": backbone, "loss": loss, "source": "attention", "reference": "true_canal"}
            findings.measures += measure_attention(key, rows, canals, test, bootstrap)
    for backbone, task, loss in models:
        rows = tables[backbone, task, loss]
        own = [decode_mask(row["mask"]["bytes"]) for row in rows]
        for words in EXCHANGES if rows[0][f"mask_said_{EXCHANGES[0]}"] is not None else ():  # a U-Net has no prompts
            exchanged = [decode_mask(row[f"mask_said_{words}"]["bytes"]) for row in rows]
            key = {"task": task, "backbone": backbone, "loss": loss, "source": f"said_{words}",
                   "reference": "pseudo_mask"}  # fmt: skip
            findings.measures += measure_exchange(key, own, exchanged, test.pseudo_masks, test.grades, bootstrap)
    losses = list(dict.fromkeys(loss for _, _, loss in models))
    for name in references:
        of = {f"{backbone} {loss}": values for (ref, backbone, loss), values in dice.items() if ref == name}
        first = {f"{backbone} {losses[0]}": of[f"{backbone} {losses[0]}"] for backbone, _, _ in models}
        findings.tests += compare_all(f"Dice against {name}, backbones", first, bootstrap)
        pairs = [(f"{b} {losses[0]}", f"{b} {loss}") for b, _, loss in models if loss != losses[0]]
        findings.tests += compare_all(f"Dice against {name}, losses", of, bootstrap, pairs)
    return all_rows


def _at_bounds(manifests: list[dict[str, Any]]) -> list[Measure]:
    """Return the share of the epochs that each adaptive loss spent at a bound of its weights; n are epochs."""
    return [
        {
            "task": facts["task"],
            "backbone": facts["backbone"],
            "loss": facts["loss"],
            "source": "mask",
            "reference": "pseudo_mask",
            "metric": "epochs_at_bound",
            "stratum": "all",
            "value": rounded(facts["epochs_at_bound"] / facts["epochs"]),
            "low": None,
            "high": None,
            "n": facts["epochs"],
            "patients": None,
            "undefined_draws": 0.0,
            "interval": NOT_SAMPLED,
        }
        for facts in (entry["facts"] for entry in manifests)
        if "epochs_at_bound" in facts
    ]


def _classification(
    tables: dict[Run, Rows],
    test: TestCases,
    bootstrap: PatientBootstrap,
    thresholds: dict[str, AreaThresholds],
    prevalence: Prevalence,
    discs: DiscPart | None,
    findings: Collected,
) -> Rows:
    """Return grades by head, by area under both thresholds, by text, against the notes' grades, the true ones, each
    other.
    """
    references = {"note_grade": test.classes}
    if None not in test.true_grades:
        references["true_grade"] = np.array([GRADES.index(grade) for grade in test.true_grades if grade])
    all_rows: Rows = []
    right: dict[str, dict[str, np.ndarray]] = {}
    for backbone in progress(thresholds, "score grades", unit="model"):
        answers_of = all_answers(tables, backbone, thresholds[backbone], prevalence)
        for (source, loss), answers in answers_of.items():
            for name, true in references.items():
                key: Key = {"task": "classification", "backbone": backbone, "loss": loss, "source": source,
                            "reference": name}  # fmt: skip
                measures, curves = evaluate_answers(key, answers, true, test.named, bootstrap)
                findings.measures += measures
                if name == "note_grade":
                    findings.curves.setdefault(curve_name(backbone, source), curves)
                    right.setdefault(source, {}).setdefault(backbone, answers.classes == true)
            if discs:
                key = {**key, "task": "disc", "reference": "note_grade"}
                pooled = pool_answers(answers, discs.places)
                findings.measures += evaluate_answers(key, pooled, discs.classes, discs.named, discs.bootstrap)[0]
        findings.measures += evaluate_agreement(backbone, answers_of, bootstrap)
        all_rows += grade_rows(tables, backbone, answers_of, thresholds[backbone], test)
    for source, columns in right.items():
        findings.tests += compare_all(f"grades by {source}", columns, bootstrap)
    for backbone in dict.fromkeys(backbone for columns in right.values() for backbone in columns):
        by_source = {
            source: right[source][backbone]
            for source in ("head", "area_calibrated", "text")
            if backbone in right.get(source, {})
        }
        findings.tests += compare_all(f"ways of grading, {backbone}", by_source, bootstrap)
    return all_rows


def _grade_sets(
    tables: dict[Run, Rows],
    calibrations: dict[tuple[str, str], Calibration],
    shares: LevelShares,
    test: TestCases,
    discs: DiscPart,
) -> list[Measure]:
    """Return coverage and size of the sets of grades of every classification model that was calibrated."""
    measured = []
    for (backbone, task, loss), rows in tables.items():
        if task == "classification" and (backbone, loss) in calibrations:
            key: Key = {"task": "sets", "backbone": backbone, "loss": loss, "source": "grade_sets",
                        "reference": "note_grade"}  # fmt: skip
            calibration = calibrations[backbone, loss]
            measured += measure_sets(key, probabilities_of(rows), calibration, shares, test, discs)
    return measured


def _about(
    params: EvaluateParams,
    test: TestCases,
    thresholds: dict[str, AreaThresholds],
    prevalence: Prevalence,
    bootstrap: PatientBootstrap,
    manifests: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return what was evaluated on what, by which conventions."""
    trained = [entry["facts"] for entry in manifests if entry["stage"] == "train"]
    cohort = next((entry for entry in manifests if entry["stage"] == "cohort"), None)
    archives = {label: of["cohort"] for label, of in cohort["facts"].get("parts", {}).items()} if cohort else {}
    name = cohort["params"]["name"] if cohort else None
    return {
        "cohort": " + ".join(archives) or name,
        **({"archives": archives} if archives else {}),
        "cohort_caveat": cohort["facts"].get("caveat") if cohort else None,
        "phantom": test.has_truth,
        "images": len(test),
        "patients": bootstrap.patients,
        "images_by_grade": dict(sorted(Counter(test.grades).items())),
        "images_by_level": dict(sorted(Counter(level or "unknown" for level in test.levels).items())),
        "prevalence": {
            "natural": [rounded(share) for share in prevalence.natural],
            "trained": [rounded(share) for share in prevalence.trained],
            "of": "the training part's slices, before they were balanced",
        },
        "empty_references": sum(not mask.any() for mask in test.pseudo_masks),
        "interval": f"{METHOD_NAMES[params.interval]} over patients, {params.bootstrap_draws} draws",
        "confidence": params.confidence,
        "thresholds_percent": {
            "paper": list(PAPER_THRESHOLDS),
            "calibrated": {name: [rounded(value) for value in of.calibrated] for name, of in thresholds.items()},
            "fitted_on": {name: of.fitted_on for name, of in thresholds.items()},
            "used": {name: of.used for name, of in thresholds.items()},
            "unreached": {name: of.unreached for name, of in thresholds.items()},
        },
        "weights": {fact["backbone"]: fact["weights"].get("source") for fact in trained},
        "leak": sorted("/".join((f["backbone"], f["task"], f["loss"])) for f in trained if f["leak"]),
    }

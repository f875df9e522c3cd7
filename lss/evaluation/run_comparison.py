"""This run against a kept one: the same slices, the same references, other settings. Plain functions on case tables."""

from __future__ import annotations

from typing import Any

import numpy as np

from lss.errors import LssError
from lss.evaluation.comparisons import compare_all
from lss.evaluation.measures import rounded
from lss.metrics.bootstrap import PatientBootstrap

Rows = list[dict[str, Any]]
Model = tuple[str, ...]  # backbone, loss, and for masks the reference

SETTINGS_OF = (
    "cohort",
    "ingest",
    "split",
    "denoise",
    "pseudo_mask",
    "shards",
    "weights",
    "train",
    "predict",
    "evaluate",
)
"""Stages whose settings the numbers depend on."""

_SOURCES = ("head", "area_calibrated", "text")
_SCORES = {"segmentation": ("dice", "hd95_mm"), "report": ("cider_d", "rouge_l", "meteor_1_5")}
_SHOWN_CASES = {"segmentation": "dice", "report": "cider_d"}
_CASES_OF_TASK = 6


def settings_of(manifests: list[dict[str, Any]]) -> dict[str, Any]:
    """Return seed and settings of a run from its manifests, whatever params.yaml says now."""
    settings: dict[str, Any] = {}
    for entry in manifests:
        if entry["stage"] in SETTINGS_OF:
            settings.setdefault("seed", entry["seed"])
            params = entry["params"]
            section = dict(params.get(entry["stage"], params))  # ingest lists two sections
            section.pop("compare_with", None)
            settings[entry["stage"]] = _joined(settings.get(entry["stage"], {}), section)
    return settings


def _joined(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Return settings of two jobs of a stage: each training states what it read, which others may not."""
    both = {name: _joined(one[name], other[name]) for name in one.keys() & other.keys() if isinstance(one[name], dict)}
    return other | one | both


def changed_settings(own: dict[str, Any], kept: dict[str, Any]) -> list[dict[str, str]]:
    """Return settings that differ between two runs: setting (train.gamma), here, there; those of one
    only are "absent".
    """
    ours, others = _flat(own), _flat(kept)
    return [
        {"setting": name, "here": ours.get(name, "absent"), "there": others.get(name, "absent")}
        for name in sorted(ours.keys() | others.keys())
        if ours.get(name) != others.get(name)
    ]


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, str]:
    flat: dict[str, str] = {}
    for name, value in settings.items():
        flat |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {f"{prefix}{name}": str(value)}
    return flat


def compare_runs(own: dict[str, Rows], kept: dict[str, Rows], bootstrap: PatientBootstrap, name: str) -> dict[str, Any]:
    """Return every model of both runs, case by case.

    Args:
        own, kept: case tables by task, as `lss.evaluation.cases` has them.
        bootstrap: over the patients of the test part, its cases in the order of the rows of `here`.
        name: of the other run, for messages.

    Returns:
        tests: rows of `compare_all` (first: here, second: there) with task, model, metric and the means here and there,
        a family per metric; only_here, only_there: models of one run only; cases: the largest changes.

    Raises LssError where the two rest on other slices or other references: their difference would mean nothing.
    """
    tests: Rows = []
    cases: Rows = []
    only_here, only_there = [], []
    for task in own:
        ours, others = _by_model(own[task]), _by_model(kept.get(task, []))
        only_here += [[task, *model] for model in ours if model not in others]
        only_there += [[task, *model] for model in others if model not in ours]
        pairs = {model: (ours[model], _aligned(ours[model], others[model], name)) for model in ours if model in others}
        for metric, columns in _columns(task, pairs).items():
            tests += _compare(task, metric, columns, bootstrap)
        if task in _SHOWN_CASES:
            cases += _largest_changes(task, _SHOWN_CASES[task], pairs)
    return {"with": name, "tests": tests, "cases": cases, "only_here": only_here, "only_there": only_there}


def _by_model(rows: Rows) -> dict[Model, Rows]:
    """Return rows of each model, in their order; of masks, of each model and reference."""
    by_model: dict[Model, Rows] = {}
    for row in rows:
        reference = (row["reference"],) if "tp" in row else ()
        by_model.setdefault((row["backbone"], row["loss"], *reference), []).append(row)
    return by_model


def _aligned(ours: Rows, others: Rows, name: str) -> Rows:
    """Return the other run's rows in our order; LssError where slices or references differ."""
    by_key = {row["slice_key"]: row for row in others}
    if by_key.keys() != {row["slice_key"] for row in ours}:
        raise LssError(
            f"evaluate.compare_with: {name} was tested on other slices than this run: the two cannot be compared. Keep "
            "a run with the same cohort, split and seed, or set it to null."
        )
    aligned = [by_key[row["slice_key"]] for row in ours]
    for row, other in zip(ours, aligned, strict=True):
        if _reference(row) != _reference(other):
            raise LssError(
                f"evaluate.compare_with: {name} has another reference (grade, mask or report) for slice "
                f"{row['slice_key']} than this run: the two cannot be compared. Keep a run with the same ingest, "
                "pseudo_mask, shards and mask size, or set it to null."
            )
    return aligned


def _reference(row: dict[str, Any]) -> tuple[Any, ...]:
    """Return what a row was scored against, as far as a case table states it: patient, grades, size of mask and image,
    report.
    """
    of_mask = (row["tp"] + row["fn"], row["tp"] + row["fp"] + row["fn"] + row["tn"]) if "tp" in row else ()
    return row["patient_key"], row["grade"], row["true_grade"], row.get("reference"), *of_mask


def _columns(task: str, pairs: dict[Model, tuple[Rows, Rows]]) -> dict[str, dict[Model, list[np.ndarray]]]:
    """Return each metric's column of this run and of the other one, by metric and model."""
    columns: dict[str, dict[Model, list[np.ndarray]]] = {}
    for model, runs in pairs.items():
        if task == "classification":
            for source in _SOURCES:
                if all(any(row[source] is not None for row in rows) for rows in runs):
                    right = [np.array([row[source] == row["grade"] for row in rows]) for rows in runs]
                    columns.setdefault(f"grades by {source}", {})[model] = right
        else:
            for metric in _SCORES[task]:
                scores = [np.array([row[metric] for row in rows], dtype=np.float64) for rows in runs]
                against = f" against {model[2]}" if task == "segmentation" else ""
                columns.setdefault(metric + against, {})[model] = scores
    return columns


def _compare(task: str, metric: str, columns: dict[Model, list[np.ndarray]], bootstrap: PatientBootstrap) -> Rows:
    """Return tests of one family, here against there."""
    flat = {f"{side} {model}": column for model, runs in columns.items()
            for side, column in zip(("here", "there"), runs, strict=True)}  # fmt: skip
    rows = compare_all(metric, flat, bootstrap, [(f"here {model}", f"there {model}") for model in columns])
    return [
        row | {"task": task, "first": "here", "second": "there", "backbone": model[0], "loss": model[1],
               "here": rounded(float(runs[0].mean())), "there": rounded(float(runs[1].mean()))}
        for row, (model, runs) in zip(rows, columns.items(), strict=True)
    ]  # fmt: skip


def _largest_changes(task: str, metric: str, pairs: dict[Model, tuple[Rows, Rows]]) -> Rows:
    """Return cases whose score changed most, over all models; masks against the pseudo-masks. Ties go by slice_key."""
    changes = [
        {
            "task": task,
            "metric": metric,
            **{name: row[name] for name in ("backbone", "loss", "slice_key", "patient_key", "grade", "level")},
            "here": rounded(row[metric]),
            "there": rounded(other[metric]),
        }
        for model, runs in pairs.items()
        for row, other in zip(*runs, strict=True)
        if "true_mask" not in model and row[metric] != other[metric]
    ]
    changes.sort(
        key=lambda case: (-abs(case["here"] - case["there"]), case["slice_key"], case["backbone"], case["loss"])
    )
    return changes[:_CASES_OF_TASK]

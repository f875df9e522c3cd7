"""The few numbers that `dvc metrics` compares, and the caveats that stand beside all numbers."""

from __future__ import annotations

from typing import Any

from lss.domain.grades import GRADE_LABELS
from lss.evaluation.measures import Measure

_SUMMARY = {
    ("classification", "note_grade"): {"accuracy": "all", "f1": "macro", "kappa": "all", "ece": "all"},
    ("segmentation", "pseudo_mask"): {"dice": "non_empty", "iou": "non_empty", "hd95_mm": "non_empty"},
    ("segmentation", "true_mask"): {"dice": "non_empty"},
    ("report", "report"): {"cider_d": "all", "bleu_4": "all", "grade_agreement": "all", "distinct_reports": "all",
                           "contradicts": "all"},
}  # fmt: skip

SIMULATED_COVERAGE = {5: (0.80, 0.84), 9: (0.87, 0.89), 15: (0.89, 0.92), 20: (0.91, 0.93), 30: (0.92, 0.93)}
"""Patients in the test part to the share of nominal 95 % BCa intervals that held the truth, least and greatest of mean
Dice, pooled Dice, accuracy and AUC (benchmarks/coverage.py); over 60 and 100 patients it is 0.93 to 0.95."""

_ENOUGH_PATIENTS = 60

RESEARCH_ONLY = (
    "Research software, not a medical device: nothing here may be used for a patient's care. "
    "A radiologist reads the images and decides."
)


def summarise(measures: list[Measure]) -> dict[str, Any]:
    """Return nested numbers: task, backbone, source or loss, metric; values only."""
    summary: dict[str, Any] = {}
    for row in measures:
        wanted = _SUMMARY.get((row["task"], row["reference"]), {})
        if not row["backbone"] or wanted.get(row["metric"]) != row["stratum"] or row["source"].startswith("above_"):
            continue
        name = row["metric"]
        branch = summary.setdefault(row["task"], {}).setdefault(row["backbone"], {})
        if row["task"] == "segmentation":
            branch = branch.setdefault(row["loss"], {})
            name = f"{name}_{row['reference']}"
        else:
            branch = branch.setdefault(row["source"], {})
        branch.setdefault(name, row["value"])
    return summary


def caveats(about: dict[str, Any]) -> list[str]:
    """Return the caveats on the numbers."""
    texts = [RESEARCH_ONLY]
    if about["cohort_caveat"]:
        texts.append(about["cohort_caveat"])
    if about["phantom"]:
        texts.append(
            "The cohort is the phantom: images and notes made by a program. The numbers show that the chain works; "
            "they say nothing about patients, and are not comparable with the paper's."
        )
    elif drawn := [label for label, kind in about.get("archives", {}).items() if kind == "phantom"]:
        texts.append(
            f"Of the cohort's archives {', '.join(drawn)}: phantom, images and notes made by a program. Numbers over "
            "all archives say nothing about patients."
        )
    tiny = sorted(backbone for backbone, source in about["weights"].items() if source == "tiny")
    if tiny:
        texts.append(
            f"The backbones {', '.join(tiny)} are tiny and started from random weights: the classes are those of the "
            "published models, the knowledge is not."
        )
    if about["leak"]:
        texts.append(
            f"Leak: {', '.join(about['leak'])} were given the prompt of the true grade (train.prompt: oracle), which "
            "hands them the answer."
        )
    if about["patients"] < _ENOUGH_PATIENTS:
        texts.append(_few_patients(about["patients"]))
    texts.append(
        "Reference masks are pseudo-masks made by rules, not by experts; reference grades are read from notes."
    )
    substitutes = [name for name, of in about["thresholds_percent"]["fitted_on"].items() if of.startswith("pseudo")]
    if substitutes:
        texts.append(
            f"Area thresholds of {', '.join(substitutes)} were fitted on the validation part's pseudo-masks, since no "
            "report model states its own."
        )
    for name, grades in about["thresholds_percent"]["unreached"].items():
        if grades:
            texts.append(
                f"Calibrated area thresholds of {name} leave out {' and '.join(GRADE_LABELS[g] for g in grades)}: none "
                "of the images they were fitted on has an area that stands for it."
            )
    return texts


def _few_patients(patients: int) -> str:
    """Return what the simulation says of intervals over so few patients."""
    sentence = f"Only {patients} patients are in the test part, and intervals over so few are too narrow"
    simulated = [count for count in SIMULATED_COVERAGE if count <= patients]
    if not simulated:
        return f"{sentence}: over 5 patients, in a simulation, nominal 95 % intervals held the truth in about 80 %."
    low, high = SIMULATED_COVERAGE[simulated[-1]]
    return (
        f"{sentence}: over {simulated[-1]} patients, in a simulation, nominal 95 % intervals held the truth in "
        f"{100 * low:.0f} to {100 * high:.0f} %."
    )

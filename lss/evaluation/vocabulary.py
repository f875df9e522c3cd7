"""The names by which measures are found, and how each is printed: what is measured of what, by what, against what.

A measure is filed under seven names (`lss.evaluation.measures.KEY`). Each stands here once; a name that does not is
refused where a measure is made and where one is asked for, with the nearest name that does.
"""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches

from lss.calibration.model_calibration import PERCENT
from lss.domain.grades import GRADE_LABELS, LEVELS
from lss.errors import LssError
from lss.metrics.language import METRICS as LANGUAGE
from lss.notes.findings import STRUCTURES
from lss.notes.report_consistency import CONTRADICTIONS
from lss.training import registry

TASKS = {record.name: record.label for record in registry.TASKS} | {
    "disc": "grades of discs",
    "disc_report": "reports of discs",
    "agreement": "ways of grading held against each other",
    "sets": "sets of grades of discs",
}

TEST_PART = "test part"
"""Name, beside the labels of external cohorts, of the part of the cohort trained on that no training has seen."""

SOURCES: dict[str, str] = {
    "head": "grade head",
    "area_paper": "mask area, the paper's thresholds",
    "area_calibrated": "mask area, calibrated thresholds",
    "text": "generated report",
    "mask": "predicted mask",
    "attention": "attention",
    "true_canal": "true canal",
    "said_A": "all prompts say normal",
    "said_D": "all prompts say severe",
    "said_shuffled": "prompts of the grades exchanged",
    "said_empty": "prompts without words",
    "pseudo_mask": "pseudo-mask",
    "note_grade": "note",
    "true_mask": "true mask",
    "report": "generated report",
    "shuffled": "another patient's reference",
    "shuffled_level": "another patient's reference of the level",
    "shuffled_level_grade": "another patient's reference of level and grade",
    "above_shuffled": "own minus another patient's",
    "above_shuffled_level": "own minus another patient's of the level",
    "above_shuffled_level_grade": "own minus another patient's of level and grade",
    "above_template": "own minus template",
    "above_most_frequent": "own minus most frequent",
    "above_nearest_image": "own minus nearest image",
    "above_most_frequent_level": "own minus most frequent of the level",
    "above_level_grade": "own minus most frequent of level and grade",
    "above_central": "own minus central of level and grade",
    "above_nearest_level": "own minus nearest image of the level",
    "grade_sets": "set of grades",
    "share_sets": "set by the level's shares, without an image",
    "above_share_sets": "set of grades minus that of the shares",
    "top_grade": "most probable grade alone",
    "all_grades": "all three grades",
    "head_calibrated": "probabilities, prevalence and temperature",
    "head_prevalence": "probabilities, prevalence alone",
    "head_alone": "probabilities as the head gives them",
    "level_shares": "shares of the grades at the level",
    "most_frequent_level": "most frequent report of the level",
    "level_grade": "most frequent report of level and the head's grade",
    "central": "central report of level and the head's grade",
    "nearest_level": "nearest training image of the level",
    "most_frequent": "most frequent report",
    "nearest_image": "nearest training image",
    "template": "template from the mask",
}
"""What answered, or what its answers are compared with."""

REFERENCES = {
    name: SOURCES.get(name, name.replace("_", " "))
    for name in (
        *("note_grade", "true_grade", "pseudo_mask", "true_mask", "true_canal", "report"),
        *("head", "area_paper", "area_calibrated", "text"),
    )
}
"""References of the answers; of an agreement the other source of grades."""

FINDINGS_METRICS = ("bleu_4", "rouge_l", "meteor_1_5", "cider_d")
"""Text metrics that are also computed on reports and references without their severity sentence (`NAME_findings`): that
sentence is this program's, and nearly half of a reference's words."""

METRICS: dict[str, str] = {
    "precision": "Precision",
    "recall": "Recall",
    "specificity": "Specificity",
    "f1": "F1",
    "auc": "AUC",
    "accuracy": "Accuracy",
    "kappa": "Cohen's kappa",
    "accuracy_corrected": "Accuracy at the natural prevalence",
    "ece": "Calibration error",
    "ece_uncorrected": "Calibration error, uncorrected",
    "dice": "Dice",
    "false_masks": "Masks drawn on normal slices",
    "epochs_at_bound": "Epochs with beta at a bound",
    "iou": "IoU",
    "hausdorff_mm": "Hausdorff, mm",
    "hd95_mm": "HD95, mm",
    "hausdorff_px": "Hausdorff, px",
    "hd95_px": "HD95, px",
    "grade_agreement": "Grade agreement",
    "agreement": "Agreement",
    "contradicts": "Contradicts",
    "contradicts_grade": "Contradicts area's grade",
    "finding_score": "Report score",
    "finding_precision": "Findings, precision",
    "finding_recall": "Findings, recall",
    "finding_f1": "Findings, F1",
    "invented": "Invented findings",
    "contradicted": "Contradicted findings",
    "regenerated": "Written anew",
    "template": "Template instead",
    "attention_inside": "Attention inside the canal",
    "dice_change": "Change of Dice",
    "pixels_changed": "Share of mask pixels that change",
    "area_change": "Change of area, % of the view",
    "canal_share": "Canal's share of the image",
    "attention_ratio": "Attention by the canal's share",
    "covered": "Grade is in the set",
    "set_size": "Grades in the set",
    **{f"covered_{percent}": f"Grade is in the set of {percent} %" for percent in PERCENT},
    **{f"set_size_{percent}": f"Grades in the set of {percent} %" for percent in PERCENT},
    "handed_over": "Discs handed to the reader first",
    "right_kept": "Most probable grade is right, other discs",
    "right_handed_over": "Most probable grade is right, discs handed over",
    "log_loss": "Log loss",
    "brier": "Brier score",
} | {name: metric.label for name, metric in LANGUAGE.items()}
METRICS |= {f"{name}_findings": f"{LANGUAGE[name].label}, findings alone" for name in FINDINGS_METRICS}
METRICS |= {name: f"Contradicts: {kind}" for kind in CONTRADICTIONS if (name := f"contradicts_{kind}") not in METRICS}

STRATA = {
    **GRADE_LABELS,
    **dict(zip(LEVELS, LEVELS, strict=True)),
    **dict(zip(STRUCTURES, STRUCTURES, strict=True)),
    "all": "all",
    "empty": "empty reference",
    "non_empty": "non-empty reference",
    "named": "disc named by the note",
    "pooled": "pooled pixels",
    "macro": "macro mean",
    "balanced": "balanced",
}
"""Which images a measure is over: all, a grade's, a level's; of findings the structure that it is about."""

_KINDS: dict[str, Mapping[str, str]] = {
    "task": TASKS, "source": SOURCES, "reference": REFERENCES, "metric": METRICS, "stratum": STRATA,
}  # fmt: skip


def check_names(**names: str) -> None:
    """Refuse names of a measure that do not stand here; backbone and loss are those of the settings.

    Raises LssError that names the nearest one.

    >>> check_names(task="segmentation", metric="dice")
    >>> check_names(metric="dise")
    Traceback (most recent call last):
    ...
    lss.errors.LssError: no measure has the metric 'dise'. Did you mean 'dice'? All: lss/evaluation/vocabulary.py
    """
    for kind, name in names.items():
        known = _KINDS.get(kind)
        if known is None and kind not in ("backbone", "loss"):
            raise LssError(f"measures are not filed under '{kind}': task, backbone, loss, {', '.join([*_KINDS][1:])}")
        if known is not None and name not in known:
            near = get_close_matches(name, known, n=1, cutoff=0.0)[0]
            raise LssError(
                f"no measure has the {kind} '{name}'. Did you mean '{near}'? All: lss/evaluation/vocabulary.py"
            )

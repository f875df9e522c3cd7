"""How codes are printed."""

from __future__ import annotations

import re

from lss.backbones.registry import BACKBONES as REGISTERED
from lss.domain.grades import GRADE_LABELS
from lss.evaluation.reports import FINDINGS_METRICS
from lss.losses.registry import loss_labels
from lss.metrics.language import METRICS

BACKBONES = {**{record.name: record.label for record in REGISTERED}, "unet": "U-Net"}

FUSIONS = {
    "spatial": "spatial fusion",
    "broadcast": "broadcast fusion",
    "none": "no prompts",
    "learned": "learned queries",
    "shuffled": "shuffled prompts",
    "empty": "empty text",
}

COHORTS = {
    "phantom": "phantom (images and notes made by this program)",
    "lss": "Lumbar Spine MRI Dataset, the paper's archive",
    "rsna": "RSNA 2024 Lumbar Spine Degenerative Classification",
    "folder": "a folder of the user's own",
}

LOSSES = loss_labels()

SOURCES = {
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
    "most_frequent_level": "most frequent report of the level",
    "level_grade": "most frequent report of level and the head's grade",
    "central": "central report of level and the head's grade",
    "nearest_level": "nearest training image of the level",
    "most_frequent": "most frequent report",
    "nearest_image": "nearest training image",
    "template": "template from the mask",
}

METRIC_LABELS = {
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
} | {name: metric.label for name, metric in METRICS.items()}
METRIC_LABELS |= {f"{name}_findings": f"{METRICS[name].label}, findings alone" for name in FINDINGS_METRICS}

STRATA = GRADE_LABELS | {
    "all": "all",
    "empty": "empty reference",
    "non_empty": "non-empty reference",
    "named": "disc named by the note",
    "pooled": "pooled pixels",
    "macro": "macro mean",
    "balanced": "balanced",
}


def model_name(backbone: str) -> str:
    """Printed name of a backbone; what no backbone had a part in is "no model"."""
    return BACKBONES.get(backbone, backbone or "no model")


def spell_out(text: str) -> str:
    """A text with every code in it replaced by its printed name.

    >>> spell_out("Dice against true_mask: biomedclip pid_tversky")
    'Dice against true mask: BiomedCLIP PID-Tversky'
    """
    names = BACKBONES | LOSSES | SOURCES
    return re.sub(r"[a-z]+(?:_[a-z]+)+|" + "|".join(BACKBONES), lambda word: names.get(word[0], word[0]), text)

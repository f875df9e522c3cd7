"""How codes are printed."""

from __future__ import annotations

import re
from typing import Any

from lss.backbones.registry import BACKBONES as REGISTERED
from lss.evaluation.vocabulary import METRICS as METRIC_LABELS
from lss.evaluation.vocabulary import SOURCES, STRATA
from lss.losses.registry import loss_labels

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
    "several": "several archives, trained on as one",
}

LOSSES = loss_labels()

__all__ = ["METRIC_LABELS", "SOURCES", "STRATA"]  # of measures, as they are printed


def cohort_name(facts: dict[str, Any], otherwise: str) -> str:
    """Return the cohort in words, with each of its archives where they are several.

    Args:
        facts: of the manifest of the stage cohort.
        otherwise: its name, where they lack it.
    """
    name = facts.get("cohort") or otherwise
    archives = [f"{label}: {COHORTS.get(of['cohort'], of['cohort'])}" for label, of in facts.get("parts", {}).items()]
    return COHORTS.get(name, name) + (f" ({'; '.join(archives)})" if archives else "")


def model_name(backbone: str) -> str:
    """Return printed name of a backbone; what no backbone had a part in is "no model"."""
    return BACKBONES.get(backbone, backbone or "no model")


def spell_out(text: str) -> str:
    """Return a text with every code in it replaced by its printed name.

    >>> spell_out("Dice against true_mask: biomedclip pid_tversky")
    'Dice against true mask: BiomedCLIP PID-Tversky'
    """
    names = BACKBONES | LOSSES | SOURCES
    return re.sub(r"[a-z]+(?:_[a-z]+)+|" + "|".join(BACKBONES), lambda word: names.get(word[0], word[0]), text)

"""Marks beside a generated report: which grades agree, what it contradicts, how it came about."""

from __future__ import annotations

from typing import Any

from lss.domain.grades import GRADE_LABELS
from lss.evaluation.report_findings import finding_name
from lss.notes.findings import read_findings

SUPPORT = {
    "reference": "✓ in the reference",
    "image": "≈ not in the reference, fits the mask's grade",
    "neither": "✗ neither in the reference nor shown by the image",
    "missed": "– in the reference, not in the report",
}
"""The support of a finding, and its mark."""


def agreement_marks(report: dict[str, Any], grades: dict[str, Any]) -> list[str]:
    """Return grade by text, mask area and head, whether each is the note's; then every disagreement, what is
    invented, the text's origin.

    Args:
        report: row of the report case table; grades: row of the classification case table of the same image.
    """
    grade_of = {"text": report["text_grade"], "mask area": report["mask_grade"], "head": grades["head"]}
    parts = [
        f"{source} {GRADE_LABELS[grade] if grade else 'none'} {'✓' if grade == report['grade'] else '✗'}"
        for source, grade in grade_of.items()
    ]
    marks = ["Grade by " + ", ".join(parts), *(f"! {sentence}" for sentence in report["disagreements"])]
    marks += [f"! {sentence}" for sentence in unsupported(report)]
    return marks + ([origin(report)] if origin(report) else [])


def finding_marks(report: dict[str, Any]) -> list[tuple[str, str, str]]:
    """Return every finding that a report states, then those of its reference that it does not.

    Each with a key of SUPPORT and its words; of a contradiction it is added how the texts contradict each other.

    Args:
        report: row of the report case table.
    """
    stated = [
        finding_name(finding.structure, finding.level)
        for finding in read_findings(report["report"], report["level"])
        if not finding.negated
    ]
    support = dict.fromkeys(stated, "reference")
    support |= dict.fromkeys(report["invented"], "image") | dict.fromkeys(report["unsupported"], "neither")
    support |= dict.fromkeys(report["missed"], "missed")
    against = {
        name: "another side or severity" if support[name] == "reference" else "the other text denies it"
        for name in report["contradicted"]
    }
    return [
        (name, kind, f"{SUPPORT[kind]}; {against[name]}" if name in against else SUPPORT[kind])
        for name, kind in support.items()
    ]


def unsupported(report: dict[str, Any]) -> list[str]:
    """Return a sentence on the findings that neither the reference nor the image (its grade, its mask) supports, if
    any.
    """
    if not report["unsupported"]:
        return []
    return [f"Neither the reference nor the image supports: {', '.join(report['unsupported'])}."]


def origin(report: dict[str, Any]) -> str:
    """Say how a report came about, as a sentence; "" where it stands as it was first written."""
    if report["origin"] == "regenerated":
        return f"Written anew, attempt {report['attempts']}: the first text contradicted its mask or image."
    if report["origin"] == "template":
        return "Template in place of the generator's text, which contradicted its mask or image."
    return ""

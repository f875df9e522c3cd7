"""The page of a reading: a line per disc, the sagittal slice, then the slices."""

from __future__ import annotations

from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from lss.domain.grades import GRADE_LABELS


def study_page(document: dict[str, Any], sagittal: str | None) -> str:
    """Return the page as HTML; `sagittal` is the path of the sagittal picture beside it."""
    environment = Environment(
        loader=PackageLoader("lss.read"), autoescape=select_autoescape(["j2"]), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    template = environment.get_template("study.html.j2")
    return template.render(document=document, sagittal=sagittal, labels=GRADE_LABELS, measure=measure_text)


def measure_text(measure: dict[str, Any] | None) -> str:
    """Return a measure in words.

    >>> measure_text({"value": 88.4, "low": 80.0, "high": 97.0, "cutoff_uncertain": False,
    ...               "cutoff": {"below": 100.0, "name": "relative stenosis", "source": "S"}})
    '88 (80 to 97), below 100: relative stenosis'
    >>> measure_text(None)
    'not measured'
    """
    if measure is None:
        return "not measured"
    digits = 0 if measure["value"] >= 30 else 1
    text = f"{measure['value']:.{digits}f} ({measure['low']:.{digits}f} to {measure['high']:.{digits}f})"
    if measure["cutoff"] is not None:
        text += f", below {measure['cutoff']['below']:.0f}: {measure['cutoff']['name']}"
    return text + (", the interval crosses a cut-off" if measure["cutoff_uncertain"] else "")

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
    >>> measure_text({"value": 11.7, "low": 0.0, "high": 80.7, "cutoff_uncertain": True,
    ...               "cutoff": {"below": 75.0, "name": "absolute stenosis", "source": "S"}})
    'at most 81, the interval crosses a cut-off'
    >>> measure_text(None)
    'not measured'
    """
    if measure is None:
        return "not measured"
    text, cutoff = interval_text(measure), measure["cutoff"]
    if cutoff is not None and not (measure["low"] == 0 and measure["cutoff_uncertain"]):
        text += f", below {cutoff['below']:.0f}: {cutoff['name']}"
    return text + (", the interval crosses a cut-off" if measure["cutoff_uncertain"] else "")


def interval_text(measure: dict[str, Any]) -> str:
    """Return a measure's value and interval in words; an interval that reaches zero bounds it from above alone.

    >>> interval_text({"value": 11.7, "low": 0.0, "high": 80.7})
    'at most 81'
    >>> interval_text({"value": 9.4, "low": 5.2, "high": 13.6})
    '9.4 (5.2 to 13.6)'
    """
    bound = measure["low"] == 0
    digits = 0 if (measure["high"] if bound else measure["value"]) >= 30 else 1
    if bound:
        return f"at most {measure['high']:.{digits}f}"
    return f"{measure['value']:.{digits}f} ({measure['low']:.{digits}f} to {measure['high']:.{digits}f})"

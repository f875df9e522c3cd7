"""Cards: what a model or a cohort is, as headed lists of facts, in Markdown and (through the template) on the page."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lss.domain.grades import GRADE_LABELS
from lss.evaluation.measures import Measure
from lss.metrics.bootstrap import NO_INTERVAL
from lss.project.layout import SUBSETS

NOT_STATED = "not stated"
_WORDS = {"qlora": "QLoRA", "roi": "ROI", "pid": "PID", "bf16": "bfloat16", "t2": "T2", "val": "validation"}
_MARKUP = re.compile(r"[\\`*\[\]<]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])")

Manifest = dict[str, Any]
Facts = list[tuple[str, str]]


@dataclass(frozen=True)
class Card:
    """One card.

    Attributes:
        title: of the page's and the file's heading.
        sections: headings, each with (name, text) pairs.
    """

    title: str
    sections: list[tuple[str, Facts]]


def to_markdown(card: Card) -> str:
    """Return the card as a Markdown file."""
    parts = [f"# {card.title}"]
    for heading, facts in card.sections:
        parts.append(f"## {heading}")
        lines = ((escape_markdown(name), escape_markdown(" ".join(text.split()))) for name, text in facts)
        parts.append("\n".join(f"- **{name}**: {text}" for name, text in lines))
    return "\n\n".join(parts) + "\n"


def escape_markdown(text: str) -> str:
    r"""Return a text as Markdown prints it: no markup, link or HTML of its own (CommonMark 0.31, 2.4 and 2.5).

    >>> print(escape_markdown("encoder.layers.* <b> &amp; a_b"))
    encoder.layers.\* \<b> \&amp; a_b
    """
    return _MARKUP.sub(r"\\\g<0>", text)


def printed(value: Any) -> str:
    """Return a value of a manifest in print; what is missing says so.

    >>> printed({"A": 1200, "BC": None}), printed(True), printed([])
    ('A: 1,200, B&C: not stated', 'yes', 'none')
    """
    if value is None or value == "":
        return NOT_STATED
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, dict):
        parts = [f"{GRADE_LABELS.get(str(name), readable(str(name)))}: {_nested(part)}" for name, part in value.items()]
        return ", ".join(parts) or "none"
    if isinstance(value, list | tuple):
        return ", ".join(printed(part) for part in value) or "none"
    return str(value)


def _nested(value: Any) -> str:
    return f"({printed(value)})" if isinstance(value, dict) else printed(value)


def readable(name: str) -> str:
    """Return a key as words.

    >>> readable("roi_margin_mm")
    'ROI margin mm'
    """
    return " ".join(_WORDS.get(word, word) for word in name.split("_"))


def listed(values: dict[str, Any], names: Iterable[str] | None = None) -> Facts:
    """Return facts or settings of a manifest as pairs: those named, in that order, or all.

    One that is missing is "not stated"; one that is null is "none".
    """
    chosen = list(values) if names is None else list(names)
    return [(_heading(name), entry(values, name)) for name in chosen]


def entry(values: dict[str, Any], name: str) -> str:
    """Return one value of a manifest in print."""
    return "none" if name in values and values[name] is None else printed(values.get(name))


def _heading(name: str) -> str:
    words = readable(name)
    return words[0].upper() + words[1:]


def first(manifests: list[Manifest], stage: str) -> Manifest:
    """Return the first manifest of a stage; empty where there is none."""
    return next((entry for entry in manifests if entry["stage"] == stage), {"facts": {}, "params": {}})


def in_order(subsets: dict[str, Any]) -> dict[str, Any]:
    """Return parts of the cohort in their order: train, val, test."""
    return {name: subsets[name] for name in SUBSETS if name in subsets}


def estimate(measure: Measure | None) -> str:
    """Return a measure with its interval and what it rests on."""
    if measure is None or measure["value"] is None:
        return NOT_STATED
    interval = f" ({measure['interval']})" if measure["interval"] in NO_INTERVAL else ""
    if measure["low"] is not None:
        interval = f" ({measure['low']:.3f} to {measure['high']:.3f})"
    return f"{measure['value']:.3f}{interval}; {measure['n']:,} images of {measure['patients']:,} patients"

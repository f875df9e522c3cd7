"""Which map can be believed: every method against the strongest of the maps that look at no network.

A method passes a test where the 95 % interval, over patients, of a difference lies above 0:

- `deletion`, `insertion`, `road`: its score is better than that of the strongest rival (the one with the best mean);
- `weights`: its map is more like itself under a little noise than like that of the network with shuffled weights;
- `shortcut`: of a network that goes by a planted mark, it shows that mark more than the one that tells nothing.

It is called faithful where it passes all of them. How much of it lies in the canal is no test: a network that goes by
something else is shown truly by a map that lies elsewhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lss.errors import LssError
from lss.metrics.bootstrap import Estimate, PatientBootstrap
from lss.storage.io import read_json

LABELS = {
    "occlusion": "occlusion",
    "integrated_gradients": "integrated gradients",
    "grad_cam": "Grad-CAM",
    "attention": "attention of the grade's prompts (grading model)",
    "mask_attention": "attention of the grade's prompts (mask model)",
    "centre": "a Gaussian in the middle",
    "edges": "edges of the image",
    "noise": "smooth noise",
}
RIVALS = ("centre", "edges", "noise")
TESTS = ("deletion", "insertion", "road", "weights", "shortcut")

_BETTER = {"deletion": -1, "insertion": 1, "road": 1}
"""Whether a high score is good."""

SCORES = ("deletion", "insertion", "road", "inside", "repeated", "randomised", "shortcut")
"""Columns of the scores of one map; see `lss.explanations.scores`. `inside` is its share in the canal, `repeated` its
similarity to that of the image with a little noise, `randomised` to that of the network with shuffled weights."""

RECORD = "explanations.json"
"""File beside a backbone's models that says which of their maps can be believed."""


@dataclass(frozen=True)
class Judged:
    """One method, or rival.

    Attributes:
        name: of `LABELS`.
        scores: by name of SCORES; a rival has no weights, so no `randomised`.
        differences: by name of TESTS, what has to be above 0; {} of a rival.
    """

    name: str
    scores: dict[str, Estimate]
    differences: dict[str, Estimate]

    @property
    def passed(self) -> list[str]:
        """Names of the tests that it passes."""
        return [name for name in TESTS if name in self.differences and self.differences[name].low > 0]


def judge(rows: Sequence[dict[str, Any]], draws: int = 2000, seed: int = 1) -> list[Judged]:
    """Return all methods, the best first (most tests passed, then the highest ROAD), then the rivals.

    Args:
        rows: one per image and method: `patient`, `slice`, `method`, and SCORES; NaN where a rival has none.
        draws: of the bootstrap over patients.
        seed: of the bootstrap.

    Raises ValueError where a method lacks an image that another has.
    """
    images = list(dict.fromkeys((row["patient"], row["slice"]) for row in rows))
    names = list(dict.fromkeys(row["method"] for row in rows))
    by_key = {(row["method"], row["patient"], row["slice"]): row for row in rows}
    if len(by_key) != len(names) * len(images):
        raise ValueError(f"{len(by_key)} scores of {len(names)} methods on {len(images)} images: need one of each")
    # percentiles: BCa follows a single patient of few, and lets pass what that one alone carries
    bootstrap = PatientBootstrap([str(patient) for patient, _ in images], draws, 0.95, seed, "percentile")

    def column(name: str, score: str) -> np.ndarray:
        return np.array([float(by_key[name, *image][score]) for image in images])

    def scores(name: str) -> dict[str, Estimate]:
        columns = {score: column(name, score) for score in SCORES}
        return bootstrap.means({score: of for score, of in columns.items() if not np.isnan(of).any()})

    rivals = [name for name in names if name in RIVALS]
    strongest = {}
    for score, sign in _BETTER.items():
        means = {name: sign * float(column(name, score).mean()) for name in rivals}
        strongest[score] = max(means, key=means.__getitem__)

    def differences(name: str) -> dict[str, Estimate]:
        of = {s: sign * (column(name, s) - column(strongest[s], s)) for s, sign in _BETTER.items()}
        of["weights"] = column(name, "repeated") - column(name, "randomised")
        of["shortcut"] = column(name, "shortcut")
        return bootstrap.means(of)

    judged = [Judged(name, scores(name), differences(name)) for name in names if name not in RIVALS]
    judged.sort(key=lambda one: (-len(one.passed), -one.scores["road"].value))
    return judged + [Judged(name, scores(name), {}) for name in rivals]


def table(judged: Sequence[Judged]) -> list[str]:
    """Return two Markdown tables: the scores of all, and the tests of the methods, with 95 % intervals."""
    lines = [
        "| map | deletion (low: good) | insertion | ROAD | in canal | with noise | shuffled weights | planted mark |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    for one in judged:
        cells = [_text(one.scores.get(score)) for score in SCORES]
        lines.append(f"| {LABELS[one.name]} | " + " | ".join(cells) + " |")
    lines += ["", "| map | tests passed | " + " | ".join(TESTS) + " |", "| --- | --- |" + " --- |" * len(TESTS)]
    for one in judged:
        if one.differences:
            cells = [f"**{_text(of)}**" if name in one.passed else _text(of) for name, of in one.differences.items()]
            lines.append(f"| {LABELS[one.name]} | {len(one.passed)} of {len(TESTS)} | " + " | ".join(cells) + " |")
    return lines


def record_of(judged: Sequence[Judged], made: dict[str, Any]) -> dict[str, Any]:
    """Return what a page needs to know of the scoreboard, as JSON; `made` says from which model, images and commit."""
    methods = [{"name": one.name, "passed": one.passed} for one in judged if one.differences]
    return {**made, "tests": list(TESTS), "methods": methods}


def load_record(models: Path) -> dict[str, Any] | None:
    """Return the scoreboard of the models in a folder; None where they were not tested.

    Raises LssError where the file beside the models is no such record.
    """
    own = models / RECORD
    if not own.is_file():
        return None
    record = read_json(own)
    try:
        names = [method["name"] for method in record["methods"] if isinstance(method["passed"], list)]
        _ = record["model"], record["tests"], record["patients"], record["cohort"]
    except (KeyError, TypeError) as error:
        raise LssError(f"{own}: is no scoreboard of explanations ({error}). Make it anew, or remove it.") from error
    if unknown := set(names) - set(LABELS):
        raise LssError(f"{own}: methods: {', '.join(sorted(unknown))} are not known to this version. Make it anew.")
    if not names:
        raise LssError(f"{own}: methods: none was tested. Make it anew, or remove it.")
    return dict(record)


def verdict(record: dict[str, Any] | None, model: str) -> str:
    """Return in words how far the maps of `model` (`lss.read.models.Models.name`) can be believed."""
    if record is None:
        return (
            "No map can be taken for the reason of the grade: those of this model were not tested. "
            "`python benchmarks/explanations.py` tests them."
        )
    faithful = [LABELS[one["name"]] for one in record["methods"] if len(one["passed"]) == len(record["tests"])]
    measured = f"on {record['patients']} patients ({record['cohort']})"
    if record["model"] != model:
        measured += f" with another model ({record['model']}); the maps of this one were not tested"
    if faithful:
        return f"{_capital(_listed(faithful))} passed all {len(record['tests'])} tests of faithfulness {measured}."
    first = record["methods"][0]
    lacks = _listed([name for name in record["tests"] if name not in first["passed"]])
    return (
        f"No map can be taken for the reason of the grade: none passed all {len(record['tests'])} tests of "
        f"faithfulness {measured}. The best, {LABELS[first['name']]}, failed: {lacks}."
    )


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _text(estimate: Estimate | None) -> str:
    if estimate is None:
        return ""
    if np.isnan(estimate.low):
        return f"{estimate.value:.2f} ({estimate.interval})"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"

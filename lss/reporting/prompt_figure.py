"""Figure 11: image, prompt, map; what a network draws with its own prompts and with other words."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from numpy.typing import NDArray

from lss.domain.grades import GRADE_LABELS
from lss.evaluation.prompt_exchange import EXCHANGES
from lss.metrics.segmentation import overlap, pixel_counts
from lss.notes.prompts import GRADE_PROMPTS, PROMPT_CONTENTS, TEST_WORDING
from lss.reporting.names import SOURCES
from lss.reporting.rgb_pictures import RGB, grey, outcome, outline, tint
from lss.reporting.style import FALSE_NEGATIVE, FALSE_POSITIVE, REFERENCE, TRUE_POSITIVE
from lss.reporting.view_marks import View, mark_view

Mask = NDArray[np.bool_]

_SIDE = 384
_SHOWN = 0.5  # of the view's side, around the masks
_COLUMNS = ("image", "own", *EXCHANGES)
_HEIGHT, _EDGES = 1.95, 1.5  # inches: of a row, of title and legend
_CHARACTERS = 27  # of a line of a heading


@dataclass(frozen=True)
class PromptCase:
    """What one row of the figure shows: a slice and one network's masks of it.

    Attributes:
        image: stored grey levels (Y, X), how it lies in `view`.
        reference, own: bool, equal shapes; own: with the network's own prompts.
        exchanged: masks under exchanged prompts, by the names of EXCHANGES.
        slice_row: grade, level, patient_key of the slice; name: the network's printed name.
    """

    image: NDArray[np.uint16]
    view: View
    reference: Mask
    own: Mask
    exchanged: dict[str, Mask]
    slice_row: dict[str, Any]
    name: str


def draw_prompts(cases: list[PromptCase], title: str) -> Figure:
    """Draw per case: image with the reference, the own mask, and its changes under every exchange of the prompts."""
    if not cases:
        figure = Figure(figsize=(7.2, 1.6))
        figure.text(0.5, 0.5, "No network with prompts was trained", ha="center", va="center")
        return figure
    figure = Figure(figsize=(11.2, _HEIGHT * len(cases) + _EDGES), layout="constrained")
    figure.suptitle(title, fontsize=10)
    grid = figure.subplots(len(cases), len(_COLUMNS), squeeze=False)
    for axes, case in zip(grid, cases, strict=True):
        _draw_row(axes, case)
    for panel, column in zip(grid[0], _COLUMNS, strict=True):
        panel.set_title(_heading(column), fontsize=7.5)
    figure.legend(
        handles=[
            Patch(color=TRUE_POSITIVE, label="in both masks"),
            Patch(color=FALSE_POSITIVE, label="only with the other words"),
            Patch(color=FALSE_NEGATIVE, label="only with the own prompts"),
            Patch(edgecolor=REFERENCE, facecolor="none", label="outline: reference"),
        ],
        loc="upper center",
        bbox_to_anchor=(0.5, 0.0),
        ncols=4,
        frameon=False,
    )  # fmt: skip  (as in Figure 4)
    return figure


def _draw_row(axes: NDArray[Any], case: PromptCase) -> None:
    place = f"{GRADE_LABELS[case.slice_row['grade']]}, {case.slice_row['level'] or 'level unknown'}"
    seen = _window([case.reference, case.own, *case.exchanged.values()])
    picture = grey(case.image, _SIDE)
    axes[0].set_ylabel(f"{case.name}\ngrade {place}", fontsize=8)
    outlined = tint(picture, outline(case.reference, _SIDE), REFERENCE, 1.0)
    _show(axes[0], outlined, seen, f"patient {case.slice_row['patient_key']}")
    own = tint(picture, case.own, TRUE_POSITIVE, 0.75)
    _show(axes[1], own, seen, f"Dice {_dice(case.own, case.reference):.3f}\n{case.own.sum():,} px")
    for panel, words in zip(axes[2:], EXCHANGES, strict=True):
        mask = case.exchanged[words]
        changed, either = int((mask ^ case.own).sum()), int((mask | case.own).sum())
        share = f" of {either:,}" if either else ""
        text = f"Dice {_dice(mask, case.reference):.3f}\n{changed:,}{share} px change"
        _show(panel, outcome(picture, mask, case.own), seen, text)
    for panel in axes:
        mark_view(panel, case.view, _SIDE)


def _heading(column: str) -> str:
    """Return what a column shows, and the words of the first prompt where all prompts speak alike."""
    if column == "image":
        return "image and reference"
    if column == "own":
        return f"own prompts:\n{len(GRADE_PROMPTS)} texts,\nfrom normal to severe"
    lines = [f"{SOURCES[f'said_{column}']}:"]
    if column == "shuffled":
        source = {GRADE_PROMPTS[k].grade: GRADE_PROMPTS[other].grade for k, other in enumerate(PROMPT_CONTENTS[column])}
        lines += [", ".join(f"{GRADE_LABELS[own]} says {GRADE_LABELS[other]}" for own, other in source.items())]
    elif column == "empty":
        lines += ['"" in place of all texts']
    else:
        lines += textwrap.wrap(f'"{GRADE_PROMPTS[PROMPT_CONTENTS[column][0]].wordings[TEST_WORDING]} ..."', _CHARACTERS)
    return "\n".join(lines)


def _window(masks: list[Mask]) -> tuple[float, float, float, float]:
    """Return left, right, bottom, top of what is shown of a picture, pixels: a square around the middle of all masks.

    Without a mask around the picture's middle; always within the picture.
    """
    rows, columns = np.nonzero(np.any(masks, axis=0))
    side = _SHOWN * _SIDE
    height, width = masks[0].shape
    y, x = ((rows.mean() + 0.5) / height, (columns.mean() + 0.5) / width) if len(rows) else (0.5, 0.5)
    top, left = (float(np.clip(middle * _SIDE - side / 2, 0, _SIDE - side)) - 0.5 for middle in (y, x))
    return left, left + side, top + side, top


def _show(axes: Axes, picture: RGB, seen: tuple[float, float, float, float], text: str) -> None:
    axes.imshow(picture, interpolation="nearest")
    axes.set(xlim=seen[:2], ylim=seen[2:], xticks=[], yticks=[])
    axes.set_xlabel(text, fontsize=7.5)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _dice(mask: Mask, reference: Mask) -> float:
    return float(overlap(pixel_counts(mask, reference))["dice"])

"""Sides and scale on shown slices: a bar of 10 mm of the picture's own pixels, letters by the header, or none."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lss.imaging.geometry import edge_letters
from lss.reporting.view_marks import UNKNOWN_SIDES, View, mark_view


def marked(view: View, seen: tuple[float, float]) -> Axes:
    axes = Figure(figsize=(4, 4)).add_axes((0, 0, 1, 1))
    axes.imshow(np.zeros((200, 200)))
    axes.set(xlim=seen, ylim=(seen[1], seen[0]))
    mark_view(axes, view, 200)
    return axes


@pytest.mark.parametrize("seen", [(-0.5, 199.5), (49.5, 149.5)])
def test_the_bar_is_10_mm_long_whatever_part_is_seen(seen: tuple[float, float]) -> None:
    axes = marked(View(("R", "L"), 80.0), seen)  # 0.4 mm per pixel: 25 pixels
    (bar,) = axes.lines
    ends = axes.transData.inverted().transform(bar.get_transform().transform(np.array(bar.get_data()).T))[:, 0]
    assert ends[1] - ends[0] == pytest.approx(25)
    assert seen[0] < ends[0] and ends[1] < seen[1] and axes.get_xlim() == seen
    assert [text.get_text() for text in axes.texts] == ["R", "L", "10 mm"]


def test_the_scale_s_letters_stay_within_a_small_picture() -> None:
    """A bar of 10 mm on a picture of 2.5 cm is shorter than its letters."""
    figure = Figure(figsize=(1, 1))
    axes = figure.add_axes((0, 0, 1, 1))
    axes.imshow(np.zeros((200, 200)))
    mark_view(axes, View(("R", "L"), 160.0), 200)
    right = axes.texts[-1].get_window_extent(FigureCanvasAgg(figure).get_renderer()).x1
    assert right <= axes.bbox.x1


def test_sides_that_are_not_known_are_not_guessed() -> None:
    assert [text.get_text() for text in marked(View(None, 80.0), (0, 200)).texts] == [UNKNOWN_SIDES, "10 mm"]


@pytest.mark.parametrize(
    ("row_direction", "letters"),
    [
        ((1, 0, 0), ("R", "L")),  # axial and coronal, as radiologists look: from the feet, or from in front
        ((-1, 0, 0), ("L", "R")),
        ((0, 1, 0), ("A", "P")),  # sagittal
        ((0, 0, -1), ("H", "F")),
        ((0.8, 0.5, -0.33), ("R", "L")),
    ],
)
def test_letters_by_the_direction_of_a_row(row_direction: tuple[float, ...], letters: tuple[str, str]) -> None:
    assert edge_letters([*row_direction, 0, 0, 0]) == letters


def test_no_header_no_letters() -> None:
    assert edge_letters(None) is None

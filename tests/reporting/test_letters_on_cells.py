"""Letters that are read: counts on the shades of a confusion matrix, numbers without a minus before zero."""

from __future__ import annotations

import numpy as np
from matplotlib import colormaps
from matplotlib.figure import Figure

from lss.reporting.grade_figures import draw_confusion
from lss.reporting.page import with_code
from lss.reporting.table_grid import value_cell


def _luminance(colour: tuple[float, ...]) -> float:
    rgb = np.array(colour[:3])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_counts_have_contrast_on_every_shade() -> None:
    """WCAG AA: 4.5 to 1, for shares of 0 to 100 %."""
    for count in range(0, 101, 2):
        axes = Figure().subplots()
        draw_confusion(axes, np.array([[count, 100 - count, 0, 0], [0, 100, 0, 0], [0, 0, 100, 0]]), "")
        ground = _luminance(colormaps["Blues"](count / 100))
        letters = 1.0 if axes.texts[0].get_color() == "white" else 0.0
        light, dark = sorted((ground, letters), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, count


def test_a_zero_has_no_minus() -> None:
    cell = value_cell(-0.0002, -0.0004, 0.0001, 3)
    assert cell.text == "0.000" and "-0.000" not in cell.small
    assert value_cell(-0.0006, None, None, 3).text == "-0.001"


def test_backticks_become_code_and_nothing_else_is_markup() -> None:
    assert str(with_code("run `a < b`, <b>")) == "run <code>a &lt; b</code>, &lt;b&gt;"
    assert str(with_code("one ` alone")) == "one ` alone"

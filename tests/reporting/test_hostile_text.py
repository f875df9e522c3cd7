"""Texts that are markup, formulas or control characters: figures stay well-formed and show them as they are."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from lss.reporting.style import save, sign, style

ABOUT = {"phantom": False, "cohort": "folder", "weights": {}, "cohort_caveat": None}


@pytest.mark.parametrize(
    "hostile",
    [
        "<!--<script>alert(1)</script> --> ]]> &amp; \"quoted\" 'so'",
        "costs $\\frac{$ and $x^{$",
        "bell \x07 escape \x1b null \x00 not a character \ufffe",
        "a -- b --- c -->",
        "100 % \\textbf{x} \\",
    ],
)
def test_a_figure_is_well_formed_and_shows_the_text(hostile: str, tmp_path: Path) -> None:
    with style():
        figure = Figure()
        axes = figure.subplots()
        axes.text(0, 0, hostile)
        sign(figure, ABOUT | {"cohort_caveat": hostile})
        shown = [text.get_text() for text in figure.findobj(Text)]
        assert any(hostile in text for text in shown)
        assert not any(text.get_parse_math() for text in figure.texts + axes.texts)
        png, svg, dark = save(figure, tmp_path / "figure", 60, dark=True)
    root = ElementTree.parse(svg).getroot()
    assert not [element for element in root.iter() if str(element.tag).endswith("script")]
    for picture in (png, dark):
        with Image.open(picture) as opened:
            opened.load()

"""Stage figures."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from synthetic_results import SEED, Evaluated

from lss.params import FigureParams
from lss.stages import figures


def draw(evaluated: Evaluated, outputs: dict[int, Path]) -> None:
    params = FigureParams(dpi=60, cases_per_grade=1, reports_per_grade=2)
    figures.run(params, SEED, statistics=evaluated.statistics_path, cases=evaluated.cases,
                predictions=evaluated.inputs.predictions, shards=evaluated.inputs.shards["test"], outputs=outputs,
                manifest=outputs[2].parent / "figures.json")  # fmt: skip


@pytest.fixture(scope="module")
def drawn(evaluated: Evaluated) -> dict[int, Path]:
    draw(evaluated, evaluated.figures)
    return evaluated.figures


def test_every_figure_is_a_picture_with_something_on_it(drawn: dict[int, Path]) -> None:
    for stem in drawn.values():
        with Image.open(f"{stem}.png") as image:
            pixels = np.asarray(image.convert("RGB"))
        assert min(pixels.shape[:2]) > 150
        assert (pixels < 250).any(axis=2).mean() > 0.02
        assert ElementTree.parse(f"{stem}.svg").getroot().tag.endswith("svg")


def test_same_bytes_again(evaluated: Evaluated, drawn: dict[int, Path], tmp_path: Path) -> None:
    again = {number: tmp_path / stem.name for number, stem in drawn.items()}
    draw(evaluated, again)
    for number, stem in again.items():
        for suffix in ("png", "svg"):
            assert Path(f"{stem}.{suffix}").read_bytes() == Path(f"{drawn[number]}.{suffix}").read_bytes()


def test_no_date_or_version_in_the_files(drawn: dict[int, Path]) -> None:
    for stem in drawn.values():
        assert b"matplotlib" not in Path(f"{stem}.png").read_bytes()[:400].lower()
        assert "<dc:date>" not in Path(f"{stem}.svg").read_text()

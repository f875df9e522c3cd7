"""Stage figures."""

from __future__ import annotations

import csv
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from matplotlib.figure import Figure
from PIL import Image
from synthetic_results import Evaluated, draw_figures

from lss.errors import LssError
from lss.reporting.calibration_figures import ACTING, draw_decision, draw_reliability
from lss.reporting.case_data import CaseData
from lss.reporting.mask_figure import MaskCase, draw_masks
from lss.reporting.style import save, sign, style
from lss.reporting.view_marks import View

Epochs = dict[tuple[str, str, str], Path]


def test_every_figure_is_a_picture_with_something_on_it(drawn: Evaluated) -> None:
    for stem in drawn.figures.values():
        with Image.open(f"{stem}.png") as image:
            pixels = np.asarray(image.convert("RGB"))
        assert min(pixels.shape[:2]) > 150
        assert (pixels < 250).any(axis=2).mean() > 0.02
        assert ElementTree.parse(f"{stem}.svg").getroot().tag.endswith("svg")


def test_same_bytes_again(drawn: Evaluated, epochs: Epochs, tmp_path: Path) -> None:
    again = {number: tmp_path / stem.name for number, stem in drawn.figures.items()}
    draw_figures(drawn, again, {name: tmp_path / path.name for name, path in drawn.plots.items()}, epochs)
    for number, stem in again.items():
        for suffix in ("png", "svg"):
            assert Path(f"{stem}.{suffix}").read_bytes() == Path(f"{drawn.figures[number]}.{suffix}").read_bytes()


def test_no_date_or_version_in_the_files(drawn: Evaluated) -> None:
    for stem in drawn.figures.values():
        assert b"matplotlib" not in Path(f"{stem}.png").read_bytes()[:400].lower()
        assert "<dc:date>" not in Path(f"{stem}.svg").read_text()


def test_training_curves_for_dvc_name_the_model_whatever_was_trained(drawn: Evaluated) -> None:
    with drawn.plots["segmentation"].open() as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], row["epoch"], float(row["fn"])) for row in rows] == [
        ("SmolVLM, PID-Tversky", "1", 9),
        ("SmolVLM, PID-Tversky", "2", 6),
        ("SmolVLM, cross-entropy", "1", 2),
    ]
    assert drawn.plots["pid_controller"].read_text().splitlines() == [
        "epoch,model,beta", '1,"SmolVLM, PID-Tversky",0.7', '2,"SmolVLM, PID-Tversky",0.72']  # fmt: skip
    assert drawn.plots["report"].read_text() == "epoch,model,train_loss,val_score\n"


def test_missing_training_curve_is_named(evaluated: Evaluated, tmp_path: Path) -> None:
    missing = {("smolvlm", "report", "focal"): tmp_path / "epochs.csv"}
    with pytest.raises(LssError, match=r"epochs.csv: cannot be read.*Rerun the stage train"):
        draw_figures(evaluated, evaluated.figures, evaluated.plots, missing)


def test_a_user_s_caveat_stands_under_every_figure() -> None:
    caveat = "Notes and images were paired at random; 5 $ were paid. " * 5
    about = {"phantom": False, "cohort": "folder", "weights": {}, "cohort_caveat": caveat}
    with style():
        figure = Figure(figsize=(5, 3))
        sign(figure, about)
        figure.canvas.draw()
        (text,) = figure.texts
        box = text.get_window_extent()
    message = " ".join(text.get_text().replace("\\$", "$").split())
    assert message == f"Cohort folder. Research software: a radiologist decides. {caveat.strip()}"
    assert box.x0 >= 0 and box.x1 <= figure.bbox.width


def test_the_line_under_a_figure_lies_below_its_legend(tmp_path: Path) -> None:
    """As saved: trimming the edges moves what is bound to them."""
    mask = np.zeros((64, 64), dtype=bool)
    mask[20:40, 20:40] = True
    scores = {"grade": "D", "level": None, "patient_key": "P", "tp": 1, "fp": 2, "fn": 3, "dice": 0.5, "iou": 0.3,
              "empty": "none"}  # fmt: skip
    drawn_at = {}
    with style():
        figure = draw_masks(
            [MaskCase(np.eye(64, dtype=np.uint16), View(("R", "L"), 88.0), mask, mask, 79.3, 61.0, scores, 0.5, 0.9)],
            "title",
        )
        sign(figure, {"phantom": True, "cohort": "phantom", "weights": {}, "cohort_caveat": None})
        for name, artist in (("legend", figure.legends[0]), ("line", figure.texts[-1])):

            def draw(renderer: Any, name: str = name, artist: Any = artist, original: Any = artist.draw) -> None:
                original(renderer)
                drawn_at[name] = artist.get_window_extent(renderer)

            artist.draw = draw  # type: ignore[method-assign]
        save(figure, tmp_path / "figure", 80)
    assert drawn_at["line"].y1 <= drawn_at["legend"].y0
    # areas are those of the tables (eq. 10), not the share of the picture, which would be 9.8 %
    assert [axes.get_xlabel().splitlines()[0] for axes in figure.axes[1:3]] == ["area 79.3 % (400 px)",
                                                                              "area 61.0 % (400 px)"]  # fmt: skip


def test_areas_shown_are_those_of_the_shards_and_predictions(evaluated: Evaluated) -> None:
    data = CaseData(evaluated.cases, evaluated.inputs.predictions, evaluated.inputs.shards["test"])
    for row in pq.read_table(evaluated.inputs.shards["test"][0]).to_pylist()[:6]:
        assert data.reference_area(row["slice_key"]) == row["area_percent"]


def test_reliability_and_decision_curve_show_a_panel_per_model(evaluated: Evaluated) -> None:
    statistics = evaluated.statistics
    for draw in (draw_reliability, draw_decision):
        assert [axes.get_title() for axes in draw(statistics).axes] == [
            "(a) BiomedCLIP",
            "(b) SmolVLM",
            "(c) LLaVA-Med",
        ]
    (line,) = [line for line in draw_decision(statistics).axes[0].lines if line.get_label() == ACTING]
    expected = statistics["curves"]["biomedclip/head"]["decision"]["model"]
    np.testing.assert_array_equal(line.get_ydata(), expected)
    statistics["curves"] = {}
    assert draw_decision(statistics).axes == [] and draw_reliability(statistics).axes == []

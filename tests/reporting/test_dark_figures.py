"""Figures for dark pages: ink and paper are turned round, colours and what is written on a picture are not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from PIL import Image

from lss.reporting.style import DARK, save, style


def drawn() -> Figure:
    figure = Figure(figsize=(3, 2))
    graph, picture = figure.subplots(1, 2)
    graph.plot([0, 1], color="#0072B2")
    graph.plot([1, 0], color="0.4")
    graph.set_title("graph")
    graph.annotate("9", (0.5, 0.5), bbox={"facecolor": "white", "edgecolor": "none"})
    picture.imshow(np.full((8, 8, 3), 90, dtype=np.uint8))
    picture.text(2, 2, "upon it", color="black")
    return figure


def test_ink_and_paper_are_turned_round(tmp_path: Path) -> None:
    with style():
        figure = drawn()
        paths = save(figure, tmp_path / "f", 60, dark=True)
        save(drawn(), tmp_path / "again", 60, dark=True)
    assert [path.name for path in paths] == ["f.png", "f.svg", f"f{DARK}.png"]
    light, dark = (np.asarray(Image.open(path).convert("RGB")).astype(int) for path in (paths[0], paths[2]))
    assert light.shape == dark.shape
    assert light[0, 0].tolist() == [255] * 3 and dark[0, 0].tolist() == [0x14, 0x18, 0x1D]
    in_picture = (light == 90).all(axis=2)
    assert in_picture.sum() > 1000 and ((dark == 90).all(axis=2) & in_picture).sum() > 0.99 * in_picture.sum()
    assert (dark[~in_picture].max(axis=1) > 200).any()  # letters
    graph, picture = figure.axes
    assert graph.lines[0].get_color() == "#0072B2" and graph.lines[1].get_color() != "0.4"
    ink, paper = (
        np.mean(to_rgb(colour))
        for colour in (graph.texts[0].get_color(), graph.texts[0].get_bbox_patch().get_facecolor())
    )
    assert ink > 0.8 and paper < 0.2
    assert picture.texts[0].get_color() == "black" and graph.title.get_color() != "black"
    for suffix in (".png", ".svg", f"{DARK}.png"):
        assert Path(tmp_path / f"f{suffix}").read_bytes() == Path(tmp_path / f"again{suffix}").read_bytes()

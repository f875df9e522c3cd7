"""Stage page: everything on one self-contained HTML page."""

from __future__ import annotations

import csv
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from lss.io import read_json, write_text
from lss.manifest import read_manifest, write_manifest
from lss.params import PageParams
from lss.reporting.calibration_figure import draw_calibration
from lss.reporting.case_data import CaseData
from lss.reporting.overview import overview
from lss.reporting.page import data_uri, figure_uri, render_page
from lss.reporting.page_cases import choose_cases, page_cases
from lss.reporting.style import style
from lss.reporting.tables import build_tables
from lss.reporting.training_figure import Course, draw_training

Run = tuple[str, str, str]
_DIGITS, _DPI = 3, 110


def run(
    params: PageParams,
    seed: int,
    *,
    statistics: Path,
    tables: dict[int, Path],
    figures: dict[int, Path],
    cases: dict[str, Path],
    predictions: dict[Run, Path],
    shards: list[Path],
    manifests: list[Path],
    page: Path,
    manifest: Path,
) -> None:
    """Write the page. It works offline: styles, scripts and images are inside.

    Args:
        params: the page section.
        seed: of params.yaml; draws the random cases.
        statistics, cases: of the evaluate stage.
        tables, figures: number to the stem of the files; the CSV and the PNG are taken in.
        predictions: tables by (backbone, task, loss).
        shards: of the test part.
        manifests: of all stages before; what they tell is shown, and training curves are read from the
            epochs.csv that the train manifests list.
        page: gets the HTML.
        manifest: gets the stage's manifest.

    Raises LssError on missing or broken files.
    """
    started = datetime.now(UTC)
    found = read_json(statistics)
    known = [read_manifest(path) for path in manifests]
    data = CaseData(cases, predictions, shards)
    built = build_tables(found)
    csv_files = {number: Path(f"{stem}.csv") for number, stem in tables.items()}
    png_files = {number: Path(f"{stem}.png") for number, stem in figures.items()}
    pictures = [(f"figure{number}", data_uri("image/png", path.read_bytes())) for number, path in png_files.items()]
    with style():
        pictures.append(("calibration", figure_uri(draw_calibration(found), _DPI)))
        if courses := _courses(known):
            pictures.append(("training", figure_uri(draw_training(courses), _DPI)))
    html = render_page(
        title=params.title,
        statistics=found,
        about=overview(known, found),
        tables=[(built[number], path.name, path.read_bytes()) for number, path in csv_files.items()],
        figures=pictures,
        cases=page_cases(data, choose_cases(data, params.cases, seed)),
        digits=_DIGITS,
    )
    write_text(page, html)
    write_manifest(
        manifest,
        "page",
        inputs=[statistics, *csv_files.values(), *png_files.values(), *cases.values(), *predictions.values(), *shards,
                *manifests],
        outputs=[page],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
    )  # fmt: skip


def _courses(manifests: list[dict[str, Any]]) -> dict[Run, Course]:
    """Epochs of every trained model, from the files its manifest lists; a model without epochs is left out."""
    courses: dict[Run, Course] = {}
    for entry in manifests:
        for name in entry["outputs"] if entry["stage"] == "train" else ():
            if Path(name).name == "epochs.csv" and Path(name).is_file():
                with Path(name).open(encoding="utf-8", newline="") as file:
                    course = [
                        {column: float(value) for column, value in row.items() if value} for row in csv.DictReader(file)
                    ]
                if course:
                    facts = entry["facts"]
                    courses[facts["backbone"], facts["task"], facts["loss"]] = course
    return courses

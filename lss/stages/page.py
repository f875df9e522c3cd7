"""Stage page: everything on one self-contained HTML page; model cards and data sheet.

Which files it reads and writes: `workflow/rules/page.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from lss.evaluation.run_comparison import settings_of
from lss.project.manifest import read_manifest, write_manifest
from lss.reporting.cards import to_markdown
from lss.reporting.case_data import CaseData
from lss.reporting.comparison_grid import comparison_sections
from lss.reporting.data_sheet import data_sheet as make_data_sheet
from lss.reporting.figures import figure_records
from lss.reporting.model_cards import model_card
from lss.reporting.overview import overview
from lss.reporting.page import Picture, data_uri, render_page
from lss.reporting.page_cases import choose_cases, page_cases
from lss.reporting.results import Results
from lss.reporting.settings import PageParams
from lss.reporting.style import DARK
from lss.reporting.tables import build_tables
from lss.storage.io import read_json, write_text

Run = tuple[str, str, str]
_DIGITS = 3


def run(
    params: PageParams,
    seed: int,
    *,
    statistics: Path,
    ablation: Path,
    tables: dict[int, Path],
    figures: dict[int, Path],
    cases: dict[str, Path],
    predictions: dict[Run, Path],
    shards: list[Path],
    manifests: list[Path],
    page: Path,
    model_cards: dict[Run, Path],
    data_sheet: Path,
    manifest: Path,
) -> None:
    """Write the page, a card per trained model and a data sheet. The page works offline: everything is inside.

    Args:
        params: the page section.
        seed: of params.yaml; draws the random cases.
        statistics, cases: of the evaluate stage.
        ablation: comparison of the ablation stage.
        tables, figures: number to the stem of the files; the CSV and the PNG are taken in.
        predictions: tables by (backbone, task, loss).
        shards: of the test part.
        manifests: of all stages before, shown on the page.
        page: gets the HTML.
        model_cards: by (backbone, task, loss); data_sheet: get Markdown, which the page holds too.
        manifest: gets the stage's manifest.

    Raises LssError on missing or broken files.
    """
    started = datetime.now(UTC)
    numbers = read_json(statistics)
    known = [read_manifest(path) for path in manifests]
    data = CaseData(cases, predictions, shards)
    results = Results(numbers, read_json(ablation))
    built = build_tables(results)
    csv_files = {number: Path(f"{stem}.csv") for number, stem in tables.items()}
    png_files = {number: (Path(f"{stem}.png"), Path(f"{stem}{DARK}.png")) for number, stem in figures.items()}
    shown = {number: record for number, record in figure_records().items() if record.shown(results)}
    pictures = {
        number: Picture(*(data_uri("image/png", path.read_bytes()) for path in png_files[number])) for number in shown
    }
    trained = {
        (m["facts"]["backbone"], m["facts"]["task"], m["facts"]["loss"]): m for m in known if m["stage"] == "train"
    }
    cards = {data_sheet: make_data_sheet(known, numbers)}
    cards |= {path: model_card(trained[model], known, numbers) for model, path in model_cards.items()}
    for path, card in cards.items():
        write_text(path, to_markdown(card))
    comparison = numbers["comparison"]
    changed = [case["slice_key"] for case in comparison["cases"]] if comparison else []
    html = render_page(
        title=params.title,
        statistics=numbers,
        about=overview(known, numbers),
        tables=[(built[number], path.name, path.read_bytes()) for number, path in csv_files.items()],
        figures=[(number, shown[number], picture) for number, picture in pictures.items()],
        cases=page_cases(data, choose_cases(data, params.cases, seed, changed)),
        comparison=comparison_sections(comparison, settings_of(known), _DIGITS) if comparison else None,
        cards=[(path.name, card) for path, card in cards.items()],
        digits=_DIGITS,
    )
    write_text(page, html)
    write_manifest(
        manifest,
        "page",
        inputs=[statistics, ablation, *csv_files.values(), *(path for pair in png_files.values() for path in pair),
                *cases.values(), *predictions.values(), *shards, *manifests],
        outputs=[page, *cards],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
    )  # fmt: skip

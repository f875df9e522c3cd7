"""The page: one self-contained HTML file without requests."""

from __future__ import annotations

import base64
import json
from importlib.resources import files
from typing import Any, NamedTuple

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup, escape

from lss.domain.grades import GRADE_LABELS
from lss.evaluation.summary import RESEARCH_ONLY
from lss.reporting.cards import Card
from lss.reporting.figure_record import FigureRecord
from lss.reporting.names import METRIC_LABELS, spell_out
from lss.reporting.table_grid import Cell, grid_of, remarks
from lss.reporting.table_rows import Table
from lss.reporting.view_marks import BAR_MM, UNKNOWN_SIDES

_SECTIONS = {
    "run": "What was run",
    "trust": "How far to trust it",
    "tables": "Tables",
    "comparison": "Other run",
    "figures": "Figures",
    "left-out": "Left out",
    "cases": "Single cases",
    "cards": "Cards",
    "made-with": "Made with",
}

_DISTANCES = {METRIC_LABELS[f"{name}_{unit}"] for name in ("hausdorff", "hd95") for unit in ("mm", "px")}

_LINES_UNFOLDED = 8
"""Tables of at most as many lines are not folded."""


class Picture(NamedTuple):
    """Data URIs of a figure for light and for dark pages."""

    light: str
    dark: str


def with_code(text: str) -> Markup:
    """Return the text for HTML, what stands between backticks as code.

    >>> str(with_code("a < b, `lss plan`"))
    'a &lt; b, <code>lss plan</code>'
    """
    parts = [escape(part) for part in text.split("`")]
    if len(parts) % 2 == 0:  # a backtick without a second one is itself
        return escape(text)
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def render_page(
    *,
    title: str,
    statistics: dict[str, Any],
    about: dict[str, Any],
    tables: list[tuple[Table, str, bytes]],
    figures: list[tuple[int, FigureRecord, Picture]],
    cases: list[dict[str, Any]],
    comparison: dict[str, Any] | None,
    cards: list[tuple[str, Card]],
    digits: int,
) -> str:
    """Return the page's HTML.

    Args:
        statistics: of the evaluate stage.
        about: of lss.reporting.overview.
        tables: table, name of its CSV file, and that file's bytes; those without rows are named below the others.
        figures: number, record and picture of those that are shown.
        cases: of lss.reporting.page_cases.
        comparison: of lss.reporting.comparison_grid, or None where no run is compared with.
        cards: name of each card's file, and the card.
        digits: of the tables' values.
    """
    environment = Environment(
        loader=PackageLoader("lss.reporting"), autoescape=select_autoescape(["j2"]), undefined=StrictUndefined,
        trim_blocks=True, lstrip_blocks=True,
    )  # fmt: skip
    environment.filters["with_code"] = with_code
    templates = files("lss.reporting").joinpath("templates")
    return environment.get_template("page.html.j2").render(
        title=title,
        first=opening_case(cases),
        phantom=statistics["about"]["phantom"],
        research_only=RESEARCH_ONLY,
        sections={anchor: name for anchor, name in _SECTIONS.items() if comparison or anchor != "comparison"},
        about=about,
        grades=list(GRADE_LABELS.values()),
        caveats=[spell_out(caveat) for caveat in dict.fromkeys([*statistics["caveats"], *about["caveats"]])],
        tables=[_table(*table, digits) for table in tables if table[0].rows],
        not_run=[table for table, *_ in tables if not table.rows],
        figures=[_figure(*figure) for figure in figures],
        left_out=[("Files and notes that could not be used", about["rejects"]),
                  ("Set aside as it should be: no faults", about["set_aside"]),
                  ("Slices read, but not of the kind in question", about["unused"])],
        backbones=[model["name"] for model in cases[0]["models"]] if cases else [],
        cases=cases,
        unknown_sides=UNKNOWN_SIDES,
        bar=f"{BAR_MM:.0f} mm",
        reasons=list(dict.fromkeys(case["why"] for case in cases)),
        comparison=comparison,
        cards=cards,
        cases_json=script_json(cases),
        css=templates.joinpath("page.css").read_text(encoding="utf-8"),
        js=templates.joinpath("page.js").read_text(encoding="utf-8"),
    )  # fmt: skip


def opening_case(cases: list[dict[str, Any]]) -> dict[str, Any] | None:
    """Return the one case at the top: the first one drawn at random that has a mask, not chosen by how well it went.

    Without such a one the first case, and None where there is none at all.
    """
    drawn = [
        case for case in cases if case["why"] == "random" and case["models"][0]["empty"] not in ("both", "reference")
    ]
    return next(iter(drawn or cases), None)


def script_json(value: object) -> str:
    """Return a value as JSON that may stand inside a script element: `<` and `>` as escapes.

    A text holding "<!--<script>" would otherwise keep the browser from seeing the element's end (HTML standard,
    4.12.1.3).
    """
    return json.dumps(value, ensure_ascii=False).replace("<", "\\u003c").replace(">", "\\u003e")


def data_uri(kind: str, content: bytes) -> str:
    """Return bytes as a data URI of a media type."""
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def _table(table: Table, name: str, content: bytes, digits: int) -> dict[str, Any]:
    grid = grid_of(table, digits)
    return {
        "number": table.number,
        "title": table.title,
        "grid": grid,
        "main": _main_lines(grid.lines),
        "distances": any(cell.text in _DISTANCES for line in grid.lines for cell in line if cell.kind == "label"),
        "notes": [*table.notes, *remarks(table)],
        "file": name,
        "csv": data_uri("text/csv", content),
    }


def _main_lines(lines: list[list[Cell]]) -> list[bool]:
    """Return which lines a folded table shows: of all images, masks on normal ones, and what the paper has a number
    for.

    Where it has none, the first lines.
    """
    whole = {"all", "empty reference"}
    of_paper = [any(cell.kind == "paper" and cell.text for cell in line) for line in lines]
    labels = [{cell.text for cell in line if cell.kind == "label"} for line in lines]
    main = [paper or bool(names & whole) for paper, names in zip(of_paper, labels, strict=True)]
    if len(lines) <= _LINES_UNFOLDED:
        return [True] * len(lines)
    return main if any(of_paper) else [index < _LINES_UNFOLDED for index in range(len(lines))]


def _figure(number: int, record: FigureRecord, picture: Picture) -> dict[str, Any]:
    title = f"Figure {number}. {record.title}"
    return {"id": f"figure{number}", "title": title, "caption": record.caption, "alt": f"{title} {record.caption}",
            "uris": picture}  # fmt: skip

"""The comparison of two runs as the page shows it: changed settings, models side by side, largest changes."""

from __future__ import annotations

from typing import Any

from lss.domain.grades import GRADE_LABELS
from lss.evaluation.run_comparison import changed_settings
from lss.reporting.names import LOSSES, METRIC_LABELS, SOURCES, model_name, spell_out
from lss.reporting.table_grid import P_HEADINGS, WINS_HEADING, Cell, Grid, count_text, p_cells, value_cell, wins_cell


def comparison_sections(comparison: dict[str, Any], settings: dict[str, Any], digits: int) -> dict[str, Any]:
    """Return the grid for the page.

    Args:
        comparison: of statistics.json.
        settings: of this run, by `lss.evaluation.run_comparison.settings_of`.
        digits: decimals of the values.

    Returns:
        with: name of the other run; settings: what differs; grid: of the models; only_here, only_there: model names;
        cases: rows of the largest changes.
    """
    return {
        "with": comparison["with"],
        "settings": changed_settings(settings, comparison["settings"]),
        "grid": _grid(comparison["tests"], digits),
        "only_here": [_model(*model[1:3]) for model in comparison["only_here"]],
        "only_there": [_model(*model[1:3]) for model in comparison["only_there"]],
        "cases": [
            {
                "key": case["slice_key"],
                "model": model_name(case["backbone"]),
                "name": _model(case["backbone"], case["loss"]),
                "what": f"{METRIC_LABELS[case['metric']]}, grade {GRADE_LABELS[case['grade']]}, "
                f"{case['level'] or 'level unknown'}, patient {case['patient_key']}",
                "here": f"{case['here']:.{digits}f}",
                "there": f"{case['there']:.{digits}f}",
            }
            for case in comparison["cases"]
        ],
    }


def _grid(tests: list[dict[str, Any]], digits: int) -> Grid:
    headings = [Cell("Compared", kind="label"), Cell("Model", kind="label"), Cell("n", "patients", "count"),
                Cell("This run"), Cell("Other run"), Cell("Difference"), WINS_HEADING, *P_HEADINGS]  # fmt: skip
    lines = []
    for test in tests:
        family, model = _family(test["family"]), _model(test["backbone"], test["loss"])
        lines.append(
            [
                Cell(family, kind="label", sort=family),
                Cell(model, kind="label", sort=model),
                Cell(count_text(test), kind="count", sort=test["n"]),
                *(Cell(f"{test[side]:.{digits}f}", sort=test[side]) for side in ("here", "there")),
                value_cell(test["difference"], test["low"], test["high"], digits, test["interval"]),
                wins_cell(test),
                *p_cells(test),
            ]
        )
    return Grid(headings, lines)


def _family(family: str) -> str:
    """Return a family of tests in print: "dice against true_mask" as "Dice against true mask"."""
    metric, _, rest = family.partition(" ")
    if metric == "grades":
        return f"Right grades, {SOURCES[rest.removeprefix('by ')]}"
    return f"{METRIC_LABELS[metric]} {spell_out(rest)}".strip()


def _model(backbone: str, loss: str) -> str:
    return f"{model_name(backbone)}, {LOSSES.get(loss, loss)}" if loss else model_name(backbone)

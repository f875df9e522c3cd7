"""The main numbers of a finished run as one Markdown page, for docs and for people: nothing in it is typed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lss.evaluation.summary import RESEARCH_ONLY
from lss.reporting.names import METRIC_LABELS, spell_out
from lss.reporting.overview import overview
from lss.reporting.results import Results
from lss.reporting.table_text import to_markdown
from lss.reporting.tables import build_tables, table_records


def results_text(statistics: dict[str, Any], ablation: dict[str, Any], manifests: list[dict[str, Any]]) -> str:
    """Return the page: the result in a sentence, what was run on what, caveats, and the main rows of the main tables.

    Args:
        statistics: of the evaluate stage.
        ablation: comparison of the ablation stage; its table is left out where nothing was compared.
        manifests: of all stages of the run.
    """
    about = overview(manifests, statistics)
    days = dict.fromkeys(m["finished"][:10] for m in manifests if m["stage"] == "evaluate" and m.get("finished"))
    evaluated = [f"Evaluated on {day}" for day in days]
    facts = [
        *about["made"],
        *evaluated,
        f"Machine: {about['platform']}",
        *(f"{name}: {text}" for name, text in about["facts"]),
    ]
    weights = sorted({f"{model['backbone']}: {model['weights']}" for model in about["models"]})
    caveats = [spell_out(caveat) for caveat in dict.fromkeys([*statistics["caveats"], *about["caveats"]])]
    results = Results(statistics, ablation)
    tables = build_tables(results)
    records = {number: record for number, record in table_records().items() if record.made_of != "ablation"}
    parts = [
        "# Results of a run\n",
        f"Written by `lss results` from the finished run; all rows stand in `results/tables/`. {RESEARCH_ONLY}\n",
        f"{about['opening']}\n",
        "".join(f"- {fact}\n" for fact in [*facts, "Weights: " + "; ".join(weights)]),
        "## How far to trust it\n",
        "".join(f"- {caveat}\n" for caveat in caveats),
    ]
    for number, record in records.items():
        labels = {METRIC_LABELS[metric] for metric in record.main}
        rows = [row for row in tables[number].rows if row.get("metric") in labels]
        if rows:
            parts.append("#" + to_markdown(replace(tables[number], rows=rows), 3, []))
    if results.was_compared:
        parts += ["#" + to_markdown(table, 3, []) for number, table in tables.items() if number not in records]
    left = ", ".join(str(number) for number, record in records.items() if not record.main)
    parts.append(f"Not on this page: tables {left}, and the other rows of those above.\n")
    return "\n".join(parts)

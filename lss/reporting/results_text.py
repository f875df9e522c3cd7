"""The main numbers of a finished run as one Markdown page, for docs and for people: nothing in it is typed by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from lss.evaluation.summary import RESEARCH_ONLY
from lss.reporting.ablation_table import ablation_table
from lss.reporting.names import METRIC_LABELS, spell_out
from lss.reporting.overview import overview
from lss.reporting.table_rows import build_tables
from lss.reporting.table_text import to_markdown

SHOWN: dict[int, tuple[str, ...]] = {
    1: ("accuracy", "accuracy_corrected", "f1", "kappa", "ece"),
    2: ("dice", "false_masks", "hd95_mm"),
    3: ("dice", "attention_ratio"),
    4: (
        "cider_d",
        "cider_d_findings",
        "finding_score",
        "finding_precision",
        "finding_recall",
        "invented",
        "grade_agreement",
        "contradicts",
    ),
    6: ("dice", "false_masks", "epochs_at_bound"),
    8: ("accuracy", "f1"),
    12: ("dice_change", "pixels_changed", "area_change"),
    13: ("accuracy", "kappa", "grade_agreement", "finding_score", "invented", "cider_d_findings"),
}
"""Number of each table on the page, and which of its metrics."""


def results_text(statistics: dict[str, Any], ablation: dict[str, Any], manifests: list[dict[str, Any]]) -> str:
    """The page: the result in a sentence, what was run on what, caveats, and the main rows of the main tables.

    Args:
        statistics: of the evaluate stage.
        ablation: comparison of the ablation stage; its table is left out where nothing was compared.
        manifests: of all stages of the run.
    """
    about = overview(manifests, statistics)
    evaluated = [
        f"Evaluated on {m['finished'][:10]}" for m in manifests if m["stage"] == "evaluate" and m.get("finished")
    ]
    facts = [
        *about["made"],
        *evaluated,
        f"Machine: {about['platform']}",
        *(f"{name}: {text}" for name, text in about["facts"]),
    ]
    weights = sorted({f"{model['backbone']}: {model['weights']}" for model in about["models"]})
    caveats = [spell_out(caveat) for caveat in dict.fromkeys([*statistics["caveats"], *about["caveats"]])]
    tables = build_tables(statistics)
    parts = [
        "# Results of a run\n",
        f"Written by `lss results` from the finished run; all rows stand in `results/tables/`. {RESEARCH_ONLY}\n",
        f"{about['opening']}\n",
        "".join(f"- {fact}\n" for fact in [*facts, "Weights: " + "; ".join(weights)]),
        "## How far to trust it\n",
        "".join(f"- {caveat}\n" for caveat in caveats),
    ]
    for number, metrics in SHOWN.items():
        labels = {METRIC_LABELS[metric] for metric in metrics}
        rows = [row for row in tables[number].rows if row["metric"] in labels]
        if rows:
            parts.append("#" + to_markdown(replace(tables[number], rows=rows), 3, []))
    if ablation["measures"]:
        parts.append("#" + to_markdown(ablation_table(ablation, statistics), 3, []))
    left = ", ".join(str(number) for number in sorted(set(tables) - set(SHOWN)))
    parts.append(f"Not on this page: tables {left}, and the other rows of those above.\n")
    return "\n".join(parts)

"""Stage tables: tables 1-6 of the paper from the statistics, with its values beside, and those it has not.

Which files it reads and writes: `workflow/rules/tables.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from lss.project.manifest import write_manifest
from lss.reporting.names import spell_out
from lss.reporting.results import Results
from lss.reporting.settings import TableParams
from lss.reporting.table_text import to_csv, to_latex, to_markdown
from lss.reporting.tables import build_tables
from lss.storage.io import read_json, write_text


def run(
    params: TableParams,
    seed: int,
    *,
    statistics: Path,
    ablation: Path,
    outputs: dict[int, Path],
    manifest: Path,
) -> None:
    """Write every table as CSV (long, full precision), Markdown and LaTeX.

    Args:
        params: the tables section.
        seed: of params.yaml; nothing is drawn here, it is recorded only.
        statistics: of the evaluate stage.
        ablation: comparison of the ablation stage.
        outputs: number of the table to the stem of its files.
        manifest: gets the stage's manifest.

    Raises LssError where the statistics are missing or broken.
    """
    started = datetime.now(UTC)
    results = Results(read_json(statistics), read_json(ablation))
    tables = build_tables(results)
    caveats = [spell_out(caveat) for caveat in results.statistics["caveats"]]
    written = []
    for number, stem in outputs.items():
        texts = {
            "csv": to_csv(tables[number]),
            "md": to_markdown(tables[number], params.digits, caveats),
            "tex": to_latex(tables[number], params.digits, caveats),
        }
        for suffix, text in texts.items():
            written.append(Path(f"{stem}.{suffix}"))
            write_text(written[-1], text)
    write_manifest(
        manifest,
        "tables",
        inputs=[statistics, ablation],
        outputs=written,
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts={"rows": {str(number): len(tables[number].rows) for number in outputs}},
    )

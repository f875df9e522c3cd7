"""Stage figures: figures 2-6 of the paper, and our own; the training curves also for `dvc plots`.

Which files it reads and writes: `workflow/rules/figures.smk`; their names: `lss/project/layout.py`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from lss.errors import LssError
from lss.project.manifest import write_manifest
from lss.reporting.case_data import CaseData
from lss.reporting.figure_record import Drawn
from lss.reporting.figures import figure_records
from lss.reporting.plot_data import Course, plot_tables, read_course
from lss.reporting.results import Results
from lss.reporting.settings import FigureParams
from lss.reporting.style import save, sign, style
from lss.storage.io import read_json, write_text

Run = tuple[str, str, str]


def run(
    params: FigureParams,
    seed: int,
    *,
    statistics: Path,
    cases: dict[str, Path],
    predictions: dict[Run, Path],
    shards: list[Path],
    epochs: dict[Run, Path],
    ablation: Path,
    outputs: dict[int, Path],
    plots: dict[str, Path],
    manifest: Path,
) -> None:
    """Draw every figure as PNG (for light and for dark pages) and SVG; equal inputs give equal files.

    Args:
        params: the figures section.
        seed: of params.yaml; nothing is drawn at random here, it is recorded only.
        statistics, cases: of the evaluate stage.
        predictions: tables by (backbone, task, loss).
        shards: of the test part.
        epochs: epochs.csv by (backbone, task, loss).
        ablation: comparison of the ablation stage.
        outputs: number of the figure to the stem of its files.
        plots: name of the table of training curves to its file.
        manifest: gets the stage's manifest.

    Raises LssError on missing or broken files.
    """
    started, records = datetime.now(UTC), figure_records()
    results = Results(read_json(statistics), read_json(ablation))
    data = CaseData(cases, predictions, shards)
    courses = {model: _course(path) for model, path in epochs.items()}
    written = list(plots.values())
    for name, text in plot_tables(courses).items():
        write_text(plots[name], text)
    with style():
        drawn = Drawn(params, results, data, courses)
        for number, stem in outputs.items():
            figure = records[number].draw(drawn)
            sign(figure, results.about)
            written += save(figure, stem, params.dpi, dark=True)
    write_manifest(
        manifest,
        "figures",
        inputs=[statistics, *cases.values(), *predictions.values(), *shards, *epochs.values(), ablation],
        outputs=written,
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
    )


def _course(path: Path) -> Course:
    """Return epochs of a training; LssError where the file is missing."""
    try:
        return read_course(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise LssError(f"{path}: cannot be read ({error.strerror}). Rerun the stage train.") from error

"""Stage figures: figures 2-6 of the paper, and our own; the training curves also for `dvc plots`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from matplotlib.figure import Figure

from lss.errors import LssError
from lss.project.manifest import write_manifest
from lss.reporting.ablation_figure import draw_ablation
from lss.reporting.calibration_figures import draw_decision, draw_reliability
from lss.reporting.case_data import CaseData
from lss.reporting.grade_figures import draw_grades
from lss.reporting.mask_figure import MaskCase, draw_masks
from lss.reporting.names import LOSSES, model_name
from lss.reporting.plot_data import Course, plot_tables, read_course
from lss.reporting.prompt_figure import PromptCase, draw_prompts
from lss.reporting.report_figure import ReportCase, draw_reports
from lss.reporting.selection import typical_cases
from lss.reporting.settings import FigureParams
from lss.reporting.style import save, sign, style
from lss.reporting.training_figure import draw_training
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
    started = datetime.now(UTC)
    results = read_json(statistics)
    data = CaseData(cases, predictions, shards)
    courses = {model: _course(path) for model, path in epochs.items()}
    written = list(plots.values())
    for name, text in plot_tables(courses).items():
        write_text(plots[name], text)
    with style():
        figures = {
            2: draw_grades(results, ("head",)),
            3: draw_grades(results, ("area_paper", "area_calibrated")),
            4: _figure4(data, params.cases_per_grade),
            5: draw_grades(results, ("text",)),
            6: _figure6(data, params.reports_per_grade),
            7: draw_reliability(results),
            8: draw_decision(results),
            9: draw_training(courses),
            10: draw_ablation(read_json(ablation)),
            11: _figure11(data, params.cases_per_grade),
        }
        for number, stem in outputs.items():
            sign(figures[number], results["about"])
            written += save(figures[number], stem, params.dpi, dark=True)
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


def _figure4(data: CaseData, per_grade: int) -> Figure:
    """Return masks of the first backbone, as in the paper."""
    backbone = data.backbones[0]
    loss = data.first_loss(backbone, "segmentation")
    shown = []
    for row in typical_cases(data.of_model("segmentation", backbone, loss), "dice", per_grade):
        key = row["slice_key"]
        prediction = data.segmentation(backbone, key)
        predicted = data.predicted_mask(backbone, key)
        reference = data.reference_mask(key, predicted.shape)
        confidence = prediction["mean_confidence"], prediction["max_confidence"]
        areas = data.reference_area(key), prediction["area_percent"]
        shown.append(MaskCase(data.image(key), data.view(key), reference, predicted, *areas, row, *confidence))
    name = LOSSES.get(loss or "", loss)
    return draw_masks(shown, f"{model_name(backbone)}, {name}: cases nearest to their grade's median Dice")


def _figure11(data: CaseData, per_grade: int) -> Figure:
    """Return masks under other prompts: the cases of Figure 4, for each backbone that has prompts."""
    first = data.backbones[0]
    chosen = typical_cases(
        data.of_model("segmentation", first, data.first_loss(first, "segmentation")), "dice", per_grade
    )
    shown = []
    for row in chosen:
        key = row["slice_key"]
        for backbone in data.backbones:
            own, exchanged = data.predicted_mask(backbone, key), data.exchanged_masks(backbone, key)
            if exchanged:
                reference = data.reference_mask(key, own.shape)
                name = model_name(backbone)
                shown.append(PromptCase(data.image(key), data.view(key), reference, own, exchanged, row, name))
    return draw_prompts(shown, "What the networks draw when their prompts say something else")


def _figure6(data: CaseData, per_grade: int) -> Figure:
    """Return reports of the second backbone (SmolVLM in the paper), or of the only one."""
    with_reports = [backbone for backbone in data.backbones if data.first_loss(backbone, "report")]
    if not with_reports:
        return draw_reports([], "No report generator was trained")
    backbone = with_reports[min(1, len(with_reports) - 1)]
    rows = data.of_model("report", backbone, data.first_loss(backbone, "report"))
    grades = data.grades(backbone)
    shown = [
        ReportCase(data.image(key), data.view(key), data.predicted_mask(backbone, key), row, grades[key])
        for row in typical_cases(rows, "cider_d", per_grade)
        for key in [row["slice_key"]]
    ]
    return draw_reports(shown, f"{model_name(backbone)}: cases nearest to their grade's median CIDEr-D")

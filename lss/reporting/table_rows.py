"""The tables: long rows with the paper's values beside. How they are laid out is `lss.reporting.table_grid`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from lss.evaluation.measures import Measure
from lss.metrics.bootstrap import FEWEST_PATIENTS
from lss.reporting.names import LOSSES, METRIC_LABELS, SOURCES, STRATA, model_name, spell_out
from lss.reporting.paper_values import impossible_in_paper, paper_values
from lss.reporting.table_choice import CHOOSE

COLUMNS = ("model", "loss", "system", "reference", "metric", "stratum", "estimate", "ci_low", "ci_high",
           "interval", "n", "patients", "undefined_draws", "paper_value", "paper_ci_low", "paper_ci_high",
           "cohort", "weights", "leak", "note", "caveat")  # fmt: skip
"""Of the CSV files; `caveat` is what the owner of the cohort says of it (cohort.caveat)."""

TEST_COLUMNS = ("family", "first", "second", "n", "patients", "first_better", "second_better", "ties", "difference",
                "ci_low", "ci_high", "interval", "test", "p", "p_holm", "p_patients", "p_patients_holm", "cohort",
                "caveat")  # fmt: skip
"""Of the table of tests."""

TESTS = 10
"""Number of the table of tests."""

_EMPTY = "an image whose two masks are both empty counts 1, one empty mask 0; see the rows of non-empty references"


@dataclass(frozen=True)
class Table:
    """One table.

    Attributes:
        number, title: 1 to 6 as in the paper.
        notes: sentences under it.
        row_fields: fields of the long rows that name a line of the grid, the first one a group of lines.
        column_field: field that names the grid's columns; "" where each long row is a line by itself.
        rows: long rows; their keys are the columns of the CSV file.
        show_n: the grid has a column for the number of images behind a line.
    """

    number: int
    title: str
    notes: list[str]
    row_fields: tuple[str, ...]
    column_field: str = "model"
    rows: list[dict[str, Any]] = field(default_factory=list)
    show_n: bool = True

    @property
    def columns(self) -> tuple[str, ...]:
        """Of the CSV file."""
        return COLUMNS if self.column_field else TEST_COLUMNS


def build_tables(statistics: dict[str, Any]) -> dict[int, Table]:
    """All tables from the statistics of the evaluate stage; a model that was not run has no rows."""
    tables = _empty_tables(statistics["about"])
    for number, table in tables.items():
        if number == TESTS:
            table.rows.extend(_test_row(test, statistics["about"]) for test in statistics["tests"])
        else:
            chosen = CHOOSE[number](statistics["measures"])
            table.rows.extend(_row(number, measure, statistics["about"]) for measure in chosen)
    return tables


def _empty_tables(about: dict[str, Any]) -> dict[int, Table]:
    kind = f"{100 * about['confidence']:.0f} % interval"
    interval = (
        f"In brackets the {kind}: {about['interval']}. n: images (their patients). Too few patients: fewer than "
        f"{FEWEST_PATIENTS}, no interval is given. No spread: all draws are equal."
    )
    undefined = "A dash: undefined (no such case)."
    truth = "True masks are known for the phantom only; they are empty at true grade A where the pseudo-masks are."
    balanced = (
        "Balanced: mean over the grades of each grade's mean, as on a test set with as many images of each. The "
        "paper's values are such means (its Table 3 gives them back), so they stand beside these rows."
    )
    by_grade = ("metric", "stratum")
    return {table.number: table for table in (
        Table(1, "Classification by the grade head", [
            "Grades are those read from the radiologist's notes. Balanced: every grade re-weighted to the same "
            "prevalence, the counterpart of the paper's balanced test set, whose averages therefore stand there. Its "
            "precision and F1 of single grades are of that set too.",
            "AUC is one grade against the rest; its n is that of the side with fewer patients. Calibration error: of "
            "the head's probabilities at the natural prevalence of the grades (the training part's slices before they "
            "were balanced), uncorrected: as the head gives them, trained on balanced grades; so is the accuracy. The "
            "error grows with the noise of few cases, and resampling adds to that: its interval is that of draws "
            "shifted by their bias.", interval, undefined],
            by_grade),
        Table(2, "Segmentation", [
            f"Mean over images: {_EMPTY}.", balanced,
            "Distances between borders; where one mask is empty, the image's diagonal.", truth, interval, undefined],
            ("reference", "stratum", "metric")),
        Table(3, "Segmentation by grade, against the pseudo-masks", [
            "At grade A the reference is empty: Dice 1 means that nothing was drawn, not that something was outlined.",
            "Attention: mean over heads and prompts, its share inside the phantom's true canal (also at grade A), and "
            "that share divided by the canal's share of the image. Attention that knows nothing of the canal has 1.",
            interval, undefined], by_grade),
        Table(4, "Report generation", [
            "CIDEr-D runs from 0 to 10, all others from 0 to 1; the paper does not say the scale of its CIDEr, nor "
            "which METEOR it is.",
            "Another patient's reference: the control in which each report is compared with the reference of "
            "another patient's image. A generator that ignores the image scores the same there; one that knows no more "
            "than the disc level, as against references of the level; no more than level and grade, as against those.",
            "Findings alone: of reports and references without the severity sentence, which is this program's.",
            "Report score: F1 of the findings (structure, level, side, severity, denied or not) read from the text and "
            "its reference; side or severity that differs earns half, a contradiction nothing. Precision and recall: "
            "of the stated findings of all reports. Invented and contradicted findings: number in a report, which may "
            "exceed 1. See lss.metrics.report_score.",
            "Own minus: the generator's value less the other system's, on the same draws; where the interval lies "
            "above 0 the generator is better.",
            "Grade agreement: share of reports that state the grade of the note. Contradicts: share of reports that "
            "contradict themselves, their mask or their image; area's grade: that state another grade than the mask's "
            "area stands for. Written anew, template instead: what became of them (predict.on_contradiction).",
            interval], ("system", "loss", "metric")),
        Table(5, "Severity stated by the reports, and the masks they were written from", [
            "Grades are read back out of the generated text. Dice and IoU: mean over the images whose report states "
            "that grade, of the mask it was written from against the pseudo-mask. The paper does not say how its own "
            "were made. n differs between models there, and stands in their order.",
            "Agreement: share of images on which two ways of grading say the same, right or wrong.",
            interval, undefined], ("system", "reference", "loss", "metric", "stratum")),
        Table(6, "Losses compared, segmentation", [
            f"Mean over images: {_EMPTY}.", balanced,
            "Epochs with beta at a bound: share of the training's epochs (n) in which PID-Tversky was a Tversky loss "
            "with fixed weights; where it is large, the controller cannot be credited.", interval, undefined],
            ("loss", "stratum", "metric")),
        Table(8, "Grades by the predicted mask's area", [
            "With the paper's thresholds (10 % and 25 %) and with thresholds calibrated on the validation part.",
            "The score of B&C is the nearness to the middle between the thresholds, so its AUC depends on them; those "
            "of A and D do not. The paper's AUCs are those of its Figure 3.", interval, undefined],
            ("system", "metric", "stratum")),
        Table(9, "Segmentation by level", [f"Mean over images: {_EMPTY}.", truth, interval],
              ("reference", "stratum", "metric")),
        Table(11, "Findings of the reports, one by one", [
            "A finding is found when text and reference state the same structure at the same disc level; what is "
            "denied does not count. Invented: stated by the report and not by its reference, number per report.",
            "n: images; a finding that no text and no reference states has no row.", interval, undefined],
            ("system", "stratum", "metric"), show_n=False),
        Table(12, "What the prompts change in the masks", [
            "The same images and networks with other prompts: all speak of a normal canal, or all of a severe "
            "stenosis; the grades' prompts exchanged (A says what D does, B&C what A, D what B&C); no words, the empty "
            "text. Change of Dice and of the area (percent of the field of view): with those prompts less with the "
            "model's own. Pixels that change: of those in either mask. 0 where a network does not heed its prompts.",
            interval, undefined], ("system", "metric", "stratum")),
        Table(13, "Discs of a patient beside single images", [
            "A disc's grade is pooled from the slices through it: the grade of the highest mean probability (head) or "
            "of the most votes (mask area, report), the worse of equals. Its report is the one whose findings agree "
            "best with those of its other slices; no reference is looked at. Slices of unknown level are in no disc.",
            "Named by the note: where the note says nothing of a disc, its grade A follows from the silence; such "
            "discs are left out of these rows.", interval, undefined], ("system", "metric", "stratum")),
        Table(TESTS, "Tests between models, losses and ways of grading", [
            "Paired on the same images, two-sided; Holm: corrected within each group. Difference: mean of the first "
            f"minus the second over all images, with its {kind} ({about['interval']}).",
            "p takes images as independent (McNemar for right and wrong, Wilcoxon's signed rank for scores, zero "
            "differences by Pratt's rule), which images of one patient are not. p by patient flips the signs of a "
            "patient's differences together (permutation test): it is the one to read. Few patients bound it from "
            f"below: with {about['patients']} it cannot be less than {_least_p(about['patients']):.2g}.",
        ], ("family", "first", "second"), ""),
    )}  # fmt: skip


def _least_p(patients: int) -> float:
    """The least p of the permutation by patient."""
    return max(2.0 ** (1 - patients), 1 / 20_001)


def _row(number: int, measure: Measure, about: dict[str, Any]) -> dict[str, Any]:
    """Long row of a measure, with the paper's value and the caveats of this run."""
    paper_key = _paper_key(number, measure)
    paper = paper_values().get(paper_key)
    return {
        "model": _model(measure),
        "loss": LOSSES.get(measure["loss"], measure["loss"]),
        "system": SOURCES[measure["source"]],
        "reference": SOURCES.get(measure["reference"], measure["reference"].replace("_", " ")),
        "metric": METRIC_LABELS[measure["metric"]],
        "stratum": STRATA.get(measure["stratum"], measure["stratum"]),
        "estimate": measure["value"],
        "ci_low": measure["low"],
        "ci_high": measure["high"],
        "interval": measure["interval"],
        "n": measure["n"],
        "patients": measure["patients"],
        "undefined_draws": measure["undefined_draws"],
        "paper_value": paper.printed if paper else None,
        "paper_ci_low": paper.low if paper else None,
        "paper_ci_high": paper.high if paper else None,
        "cohort": _cohort(about),
        "weights": about["weights"].get(measure["backbone"]),
        "leak": any(name.startswith(f"{measure['backbone']}/") for name in about["leak"]),
        "note": impossible_in_paper().get(paper_key, ""),
        "caveat": about["cohort_caveat"],
    }


def _test_row(test: dict[str, Any], about: dict[str, Any]) -> dict[str, Any]:
    """Long row of a test."""
    row = {name: test.get(name) for name in TEST_COLUMNS}
    row |= {name: spell_out(test[name]) for name in ("family", "first", "second")}
    return row | {"ci_low": test["low"], "ci_high": test["high"], "cohort": _cohort(about),
                  "caveat": about["cohort_caveat"]}  # fmt: skip


def _model(measure: Measure) -> str:
    if measure["source"] == "pseudo_mask":
        return "pseudo-masks"
    return model_name(measure["backbone"])


def _cohort(about: dict[str, Any]) -> str | None:
    return "phantom" if about["phantom"] else about["cohort"]


def _paper_key(number: int, row: Measure) -> tuple[str, ...]:
    """Where the paper's counterpart of a measure stands; such a key may have none.

    Its averages are of a balanced test set, so their counterparts are our balanced rows, not those of all images.
    """
    source, loss, stratum = row["source"], row["loss"], row["stratum"]
    if number in (1, 8):
        loss = ""
    if number in (1, 2, 6):
        whole = "macro" if row["task"] == "classification" and row["metric"] != "accuracy" else "all"
        stratum = {"balanced": whole, "all": "", "macro": ""}.get(stratum, stratum)
    table = f"table{number}"
    if number == 8:
        table, source = "figure3", {"area_paper": "area"}.get(source, "")
    if row["reference"] not in ("note_grade", "pseudo_mask", "report"):
        table = ""
    return table, row["backbone"], loss, source, row["metric"], stratum

"""Inputs of the evaluate stage besides predictions: training part, test part, truth, baselines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np

from lss.calibration.probabilities import prevalence_of
from lss.domain.grades import GRADES
from lss.errors import LssError
from lss.evaluation.cases import TestCases, decode_mask
from lss.evaluation.grade_sets import Slices
from lss.evaluation.grade_sources import AreaThresholds
from lss.imaging.geometry import FieldOfView, resample_mask
from lss.metrics.report_baselines import (
    central_by,
    most_frequent_by,
    most_frequent_report,
    nearest_reports,
    template_reports,
    thumbnail_features,
)
from lss.model.severity import calibrate_thresholds, unreached_grades
from lss.storage.io import read_parquet
from lss.storage.schemas import TRUTH
from lss.storage.shards import ShardReader, decode_image

Rows = list[dict[str, Any]]


class TrainingPart:
    """What the evaluation takes from the training part: one augmented copy per slice.

    Attributes:
        reports: reference reports, one per slice.
        levels, grades: of the slices with these reports.
        slices: patient, level, grade (index) of each.
        prevalence: natural shares of the grades (over different slices) and those of the balanced samples.
        grade_a_empty: whether all its masks of grade A are empty.

    Raises LssError where there is no slice.
    """

    def __init__(self, shards: list[Path]) -> None:
        reader = ShardReader(shards, ["copy", "slice_key", "patient_key", "level", "grade", "area_percent", "report"])
        samples = list(reader.iterate(range(len(reader))))
        rows = [row for row in samples if row["copy"] == 1]
        if not rows:
            raise LssError("evaluate: the training shards hold no slice. Rerun shards.")
        self.reports = [row["report"] for row in rows]
        self.levels = [row["level"] for row in rows]
        self.grades = [row["grade"] for row in rows]
        self.slices = _patients_levels_grades(rows)
        slices = {row["slice_key"]: row["grade"] for row in samples}
        self.prevalence = prevalence_of(list(slices.values()), [row["grade"] for row in samples])
        of_a = [row["area_percent"] for row in rows if row["grade"] == "A"]
        self.grade_a_empty = bool(of_a) and max(of_a) == 0


def validation_slices(shards: list[Path]) -> Slices:
    """Patient, level, grade (index) of each slice of the validation part."""
    return _patients_levels_grades(list(_originals(shards, ["patient_key", "level", "grade"])))


def _patients_levels_grades(rows: Rows) -> Slices:
    classes = np.array([GRADES.index(row["grade"]) for row in rows], dtype=np.intp)
    return [row["patient_key"] for row in rows], [row["level"] for row in rows], classes


def pseudo_mask_thresholds(shards: list[Path]) -> AreaThresholds:
    """Return the area thresholds for want of a report model's own, fitted on the pseudo-masks of the validation part's
    originals.

    Raises LssError where it holds no slice.
    """
    rows = list(_originals(shards, ["grade", "area_percent"]))
    if not rows:
        raise LssError("evaluate: the validation shards hold no slice. Rerun shards, or look at split.fractions.")
    areas = [row["area_percent"] for row in rows]
    thresholds = calibrate_thresholds(np.array(areas), [row["grade"] for row in rows])
    fitted_on = "pseudo-masks of the validation part, for want of a report model's own"
    return AreaThresholds(thresholds, "calibrated", fitted_on, unreached_grades(thresholds, areas))


def _originals(shards: list[Path], columns: list[str]) -> Iterator[dict[str, Any]]:
    """Return rows of the validation or test part, which hold no augmented copies; some `columns` of them."""
    reader = ShardReader(shards, columns)
    return reader.iterate(range(len(reader)))


def _first_copies(shards: list[Path], columns: list[str]) -> Rows:
    """Return one row per slice of the training part, all of which are augmented copies."""
    reader = ShardReader(shards, ["copy", *columns])
    return [row for row in reader.iterate(range(len(reader))) if row["copy"] == 1]


def read_cases(shards: list[Path], truth: Path | None, size: tuple[int, int], grade_a_empty: bool) -> TestCases:
    """Return the test part with its references in the size of the predicted masks.

    Args:
        truth: table of the phantom's truth, joined by the source file's hash; may have no rows, or be None.
        grade_a_empty: pseudo-masks of grade A are empty, and so are the true masks then.

    Raises LssError where there is no slice.
    """
    columns = ["slice_key", "patient_key", "level", "level_named", "grade", "report", "mask", "row_spacing_mm",
               "column_spacing_mm", "source_sha256", "crop_row", "crop_column"]  # fmt: skip
    known = {row["source_sha256"]: row for row in read_parquet(truth, TRUTH).select(
        ["source_sha256", "grade", "canal_mask"]).to_pylist()} if truth else {}  # fmt: skip
    test = TestCases(*([] for _ in fields(TestCases)))
    for row in _originals(shards, columns):
        mask = decode_mask(row["mask"]["bytes"])
        test.keys.append(row["slice_key"])
        test.patients.append(row["patient_key"])
        test.levels.append(row["level"])
        test.grades.append(row["grade"])
        test.named.append(bool(row["level_named"]))
        test.reports.append(row["report"])
        test.pseudo_masks.append(resample_mask(mask, size))
        test.spacings.append(
            (row["row_spacing_mm"] * mask.shape[0] / size[0], row["column_spacing_mm"] * mask.shape[1] / size[1])
        )
        true = known.get(row["source_sha256"])
        test.true_grades.append(true["grade"] if true else None)
        canal = _true_canal(true, row, mask.shape) if true else None
        test.canals.append(canal)
        nothing_to_draw = grade_a_empty and true is not None and true["grade"] == "A"
        drawn = np.zeros(size, dtype=bool) if nothing_to_draw else canal
        test.true_masks.append(None if drawn is None else resample_mask(drawn, size))
    if not len(test):
        raise LssError("evaluate: the test shards hold no slice. Rerun shards, or look at split.fractions.")
    return test


def _true_canal(true: dict[str, Any], row: dict[str, Any], shape: tuple[int, ...]) -> np.ndarray:
    """Return the true canal in the field of view."""
    view = FieldOfView(row["crop_row"], row["crop_column"], shape[0], shape[1])
    return view.crop(decode_mask(true["canal_mask"]["bytes"]))


def baseline_reports(
    by_backbone: dict[str, Rows],
    thresholds: dict[str, AreaThresholds],
    test: TestCases,
    train: TrainingPart,
    shards: dict[str, list[Path]],
) -> dict[tuple[str, str], list[str]]:
    """Return reports of the systems that a generator has to beat: (name, backbone or "") to a report per case.

    Args:
        by_backbone: rows of the classification case table; their areas fill the template.
        thresholds: of each backbone; its own choose the template's grade.

    The tables of level and grade go by the grade that the backbone's own head gives, never by the true one.
    """
    seen = _first_copies(shards["train"], ["image", "report"])
    stored = [row["report"] for row in seen]
    features = {
        subset: np.stack([thumbnail_features(decode_image(row["image"]["bytes"])) for row in rows])
        for subset, rows in (("train", seen), ("test", _originals(shards["test"], ["image"])))
    }
    reports = {
        ("most_frequent", ""): [most_frequent_report(train.reports)] * len(test),
        ("most_frequent_level", ""): most_frequent_by(train.reports, train.levels, test.levels),
        ("nearest_image", ""): nearest_reports(features["train"], stored, features["test"]),
        ("nearest_level", ""): nearest_reports(features["train"], stored, features["test"], train.levels, test.levels),
    }
    disc_and_grade = list(zip(train.levels, train.grades, strict=True))
    for backbone, rows in by_backbone.items():
        areas = [row["area_percent"] for row in rows]
        if all(row["head"] for row in rows):
            pairs = [(level, row["head"]) for level, row in zip(test.levels, rows, strict=True)]
            reports["level_grade", backbone] = most_frequent_by(train.reports, disc_and_grade, pairs)
            reports["central", backbone] = central_by(train.reports, disc_and_grade, pairs)
        reports["template", backbone] = template_reports(areas, thresholds[backbone].own)
    return reports

"""The test cases, and the columns of the per-case tables (results/cases/*.parquet)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from lss.domain.grades import GRADES
from lss.errors import LssError
from lss.imaging.codec import decode_png

_KEYS = [
    ("backbone", pa.string()),
    ("loss", pa.string()),
    ("slice_key", pa.string()),
    ("patient_key", pa.string()),
    ("level", pa.string()),
    ("grade", pa.string()),  # from the note
    ("true_grade", pa.string()),  # phantom only; null otherwise
]

CLASSIFICATION_CASES = pa.schema(
    [
        *_KEYS,
        ("p_A", pa.float32()),
        ("p_BC", pa.float32()),
        ("p_D", pa.float32()),
        ("area_percent", pa.float32()),  # of the predicted mask
        ("head", pa.string()),  # grade by each source: A, BC, D
        ("area_paper", pa.string()),
        ("area_calibrated", pa.string()),
        ("area_own", pa.string()),  # the one of these two that the backbone's report model goes by
        ("text", pa.string()),  # null where the report states none
        ("agree", pa.bool_()),  # head, area_own and text
    ]
)

SEGMENTATION_CASES = pa.schema(
    [
        *_KEYS,
        ("reference", pa.string()),  # pseudo_mask or true_mask
        *((name, pa.int64()) for name in ("tp", "fp", "fn", "tn")),  # pixels
        *((name, pa.float64()) for name in ("dice", "iou", "precision", "recall", "specificity")),
        ("hausdorff_mm", pa.float64()),
        ("hd95_mm", pa.float64()),
        ("hausdorff_px", pa.float64()),
        ("hd95_px", pa.float64()),
        ("empty", pa.string()),  # which masks are: both, prediction, reference, none
    ]
)

REPORT_CASES = pa.schema(
    [
        *_KEYS,
        ("report", pa.string()),
        ("reference", pa.string()),
        *(
            (name, pa.float64())
            for name in ("bleu_1", "bleu_2", "bleu_3", "bleu_4", "rouge_1", "rouge_2", "rouge_l", "meteor_1_5",
                         "cider_d", "jaccard", "tfidf_cosine")
        ),
        ("finding_score", pa.float64()),  # lss.metrics.report_score, 0 to 1
        ("invented", pa.list_(pa.string())),  # findings that the reference does not state
        ("missed", pa.list_(pa.string())),  # findings that only the reference states
        ("contradicted", pa.list_(pa.string())),  # findings that it denies where the reference states them, and so on
        ("unsupported", pa.list_(pa.string())),  # of those invented, what grade and mask do not show either
        ("text_grade", pa.string()),
        ("area_percent", pa.float32()),  # of the mask the report was written from
        ("mask_grade", pa.string()),  # that this area stands for, by the model's own thresholds
        ("area_stated", pa.float32()),  # percent, in the text; null where it states none
        ("agrees_with_mask", pa.bool_()),  # null where there is nothing to compare
        ("agrees_with_head", pa.bool_()),
        ("contradictions", pa.list_(pa.string())),  # kinds, of lss.notes.report_consistency.CONTRADICTIONS
        ("disagreements", pa.list_(pa.string())),  # sentences for the reader, those on contradictions first
        ("origin", pa.string()),  # first, regenerated, template
        ("attempts", pa.int32()),  # texts the generator wrote for it
        ("first_report", pa.string()),  # the text that was replaced; null where origin is first
        ("left_out", pa.list_(pa.string())),  # sentences removed from the report: see predict.unsupported
    ]
)  # fmt: skip

CASE_SCHEMAS = {
    "classification": CLASSIFICATION_CASES,
    "segmentation": SEGMENTATION_CASES,
    "report": REPORT_CASES,
}


@dataclass(frozen=True)
class TestCases:
    """The test part: N slices, in the order of the shards.

    Attributes:
        keys, patients, levels, grades: slice_key, patient_key, level (or None), grade from the note.
        named: whether the note (or the labels) names the slice's disc; else its grade follows from their silence.
        reports: reference reports.
        pseudo_masks: reference masks, bool (Y, X) in the size of the predictions.
        spacings: mm per pixel of those masks, rows and columns.
        true_grades, true_masks: of the phantom; None per case where there is no truth.
        canals: the phantom's true canal at the resolution of the image, not emptied at grade A; None likewise.
    """

    __test__ = False  # not a test, whatever its name suggests to pytest

    keys: list[str]
    patients: list[str]
    levels: list[str | None]
    grades: list[str]
    named: list[bool]
    reports: list[str]
    pseudo_masks: list[NDArray[np.bool_]]
    spacings: list[tuple[float, float]]
    true_grades: list[str | None]
    true_masks: list[NDArray[np.bool_] | None]
    canals: list[NDArray[np.bool_] | None]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def classes(self) -> NDArray[np.intp]:
        """Index of each case's grade."""
        return np.array([GRADES.index(grade) for grade in self.grades], dtype=np.intp)

    @property
    def has_truth(self) -> bool:
        """Whether every case's true mask and grade are known, as in the phantom."""
        return all(mask is not None for mask in self.true_masks)

    def at(self, places: list[int]) -> TestCases:
        """Return these cases alone, in this order."""
        columns = {column.name: getattr(self, column.name) for column in fields(self)}
        return TestCases(**{name: [values[place] for place in places] for name, values in columns.items()})

    def identity(self, index: int, backbone: str, loss: str) -> dict[str, Any]:
        """Return first columns of the case tables."""
        return {
            "backbone": backbone,
            "loss": loss,
            "slice_key": self.keys[index],
            "patient_key": self.patients[index],
            "level": self.levels[index],
            "grade": self.grades[index],
            "true_grade": self.true_grades[index],
        }


def aligned(rows: list[dict[str, Any]], cases: list[str], source: str) -> list[dict[str, Any]]:
    """Return rows of a predictions table in the order of the cases' keys; LssError where the two do not cover each
    other.
    """
    by_key = {row["slice_key"]: row for row in rows}
    if len(by_key) != len(rows) or set(by_key) != set(cases):
        raise LssError(f"{source}: holds other slices than the test shards. Rerun predict.")
    return [by_key[key] for key in cases]


def decode_mask(data: bytes) -> NDArray[np.bool_]:
    """Return a PNG of 0 and 255 as a mask."""
    return decode_png(data) > 0

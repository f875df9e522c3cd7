"""Files as the evaluate stage reads them, at the size of the paper's test part, made by a rule: no images of anyone."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lss.domain.grades import GRADES, LEVELS
from lss.imaging.codec import encode_png
from lss.notes.reference import reference_report
from lss.storage.io import write_parquet
from lss.storage.schemas import CLASSIFICATION, REPORT, SEGMENTATION, SHARD, TRUTH

SIDE, IMAGES_PER_PATIENT = 256, 12
BACKBONES = ("biomedclip", "smolvlm", "llava_med")
RADII = {"A": 0.0, "BC": 50.0, "D": 80.0}
NOTES = [
    "Diffuse disc bulge mildly compressing the thecal sac.",
    "No evidence of disc herniation.",
    "Large disc protrusion severely compressing the thecal sac and both exiting nerve roots.",
    "Disc desiccation. Bilateral facet arthropathy.",
]


@dataclass(frozen=True)
class EvaluationInputs:
    """Paths as the stage takes them."""

    shards: dict[str, list[Path]]
    truth: Path
    predictions: dict[tuple[str, str, str], Path]


def ellipse(radius: float, shift: float = 0.0) -> np.ndarray:
    y, x = np.mgrid[:SIDE, :SIDE] - SIDE / 2 - shift
    return (y / 0.7) ** 2 + x**2 < radius**2


def png(pixels: np.ndarray) -> dict[str, Any]:
    return {"bytes": encode_png(pixels), "path": None}


def make_inputs(folder: Path, images: int) -> EvaluationInputs:
    """Test part of `images`, training part of three times as many, true masks, 12 prediction tables."""
    random = np.random.default_rng(0)
    truth: list[dict[str, Any]] = []
    shards = {}
    for subset, count in (("train", 3 * images), ("val", 0), ("test", images)):
        rows = [_shard_row(f"{subset}{index}", index, random, truth if subset == "test" else None)
                for index in range(count)]  # fmt: skip
        shards[subset] = [folder / f"{subset}-00.parquet"]
        write_parquet(shards[subset][0], rows, SHARD, 64)
    write_parquet(folder / "truth.parquet", truth, TRUTH)
    predictions = {}
    for backbone in BACKBONES:
        for task, loss in (("classification", "cross_entropy"), ("segmentation", "pid_tversky"),
                           ("segmentation", "cross_entropy"), ("report", "focal")):  # fmt: skip
            path = folder / f"{backbone}-{task}-{loss}.parquet"
            schema = {"classification": CLASSIFICATION, "segmentation": SEGMENTATION, "report": REPORT}[task]
            write_parquet(path, [_prediction(task, row, rows, random) for row in rows], schema)
            predictions[backbone, task, loss] = path
    return EvaluationInputs(shards, folder / "truth.parquet", predictions)


def _shard_row(key: str, index: int, random: np.random.Generator, truth: list[dict[str, Any]] | None) -> dict[str, Any]:
    grade = GRADES[random.choice(3, p=[0.5, 0.42, 0.08])]
    mask = ellipse(RADII[grade] * random.uniform(0.9, 1.1))
    level = LEVELS[index % len(LEVELS)]
    image = (random.normal(400, 40, (64, 64)).repeat(4, 0).repeat(4, 1) + 600 * mask).clip(0, 4095)
    if truth is not None:
        seen = {"source_sha256": key, "level": level, "grade": grade, "rows": SIDE, "columns": SIDE, "clean": None}
        truth.append(seen | {"canal_mask": png(ellipse(RADII[grade] or 40.0))})
    return {
        "image": png(image.astype(np.uint16)), "mask": png(mask), "sample_key": key, "slice_key": key,
        "patient_key": f"p{index // IMAGES_PER_PATIENT:04d}", "level": level, "grade": grade,
        "report": reference_report(grade, 100 * mask.mean(), NOTES[random.integers(4)], level),
        "area_percent": 100 * mask.mean(), "row_spacing_mm": 0.34, "column_spacing_mm": 0.34, "copy": 0,
        "flipped": False, "canal_found": True, "source_sha256": key, "crop_row": 0, "crop_column": 0,
    }  # fmt: skip


def _prediction(
    task: str, row: dict[str, Any], rows: list[dict[str, Any]], random: np.random.Generator
) -> dict[str, Any]:
    """Right in about eight cases of ten."""
    case = {name: row[name] for name in ("slice_key", "patient_key", "level", "grade")}
    grade = row["grade"] if random.random() < 0.8 else GRADES[random.integers(3)]
    if task == "classification":
        chances = random.dirichlet([1, 1, 1]) + 1.5 * np.eye(3)[GRADES.index(grade)]
        chances /= chances.sum()
        return case | {f"p_{g}": p for g, p in zip(GRADES, chances, strict=True)} | {"predicted": grade}
    mask = ellipse(RADII[grade] * random.uniform(0.9, 1.1), 2.0)
    area = 100 * float(mask.mean())
    if task == "segmentation":
        attention = np.full(196, 1 / 196, dtype="<f2").tobytes()
        confidence = 0.9 if mask.any() else None
        return case | {"mask": png(mask), "area_percent": area, "mean_confidence": confidence,
                       "max_confidence": confidence, "attention": attention, "grid_rows": 14,
                       "grid_columns": 14}  # fmt: skip
    text = row["report"] if grade == row["grade"] else rows[random.integers(len(rows))]["report"]
    return case | {"report": text, "reference": row["report"], "area_percent": area, "mask_grade": grade,
                   "mask_side": None, "origin": "first", "attempts": 1, "first_report": None}  # fmt: skip

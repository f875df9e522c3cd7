"""Shards small enough to train on within a test: a bright canal that narrows from grade A to D."""

from pathlib import Path

import cv2
import numpy as np

from lss.inference.preparation import with_settings
from lss.project.params import check_params, load_params
from lss.storage.io import write_parquet
from lss.storage.schemas import SHARD, TRUTH

GRADES = ("A", "BC", "D")
SETTINGS = load_params(Path(__file__).parents[2] / "params.yaml").model_dump(mode="json")
PREPARED_SHARD = with_settings(SHARD, {stage: SETTINGS[stage] for stage in ("denoise", "pseudo_mask", "shards")})


def png(pixels):
    return {"bytes": cv2.imencode(".png", pixels)[1].tobytes(), "path": None}


def sample(index, canal_too=False):
    """Grade A has a wide canal and an empty mask."""
    draw = np.random.default_rng(index)
    grade = GRADES[index % 3]
    image = draw.normal(400, 60, (96, 96)).clip(0)
    canal = np.zeros((96, 96), np.uint8)
    centre = tuple(int(value) for value in draw.integers(40, 56, 2))
    cv2.ellipse(canal, centre, {"A": (26, 20), "BC": (17, 13), "D": (9, 7)}[grade], 0, 0, 360, 255, -1)
    image[canal > 0] += 1500
    mask = canal if grade != "A" else np.zeros_like(canal)
    if canal_too:
        return canal, grade
    return {name: None for name in SHARD.names} | {
        "image": png(image.astype(np.uint16)),
        "mask": png(mask),
        "sample_key": f"S{index}",
        "slice_key": f"S{index}",
        "patient_key": f"P{index // 3}",
        "level": "L4-L5",
        "grade": grade,
        "report": f"Findings of grade {grade}.",
        "area_percent": 100 * float((mask > 0).mean()),
        "region_share": 1.0,
        "canal_column": (centre[0] + 0.5) / 96,
        "row_spacing_mm": 0.9,
        "column_spacing_mm": 0.9,
        "copy": int(index < 1000),  # the training part
        "flipped": False,
        "canal_found": True,
        "source_sha256": f"sha-{index}",
        "crop_row": 0,
        "crop_column": 0,
    }


def write_truth(path, test=15):
    """The drawn canals of the test part, also at grade A."""
    rows = []
    for index in range(2000, 2000 + test):
        canal, grade = sample(index, canal_too=True)
        known = {"source_sha256": f"sha-{index}", "level": "L4-L5", "grade": grade, "rows": 96, "columns": 96}
        rows.append(known | {"canal_mask": png(canal), "clean": None})
    write_parquet(path, rows, TRUTH)
    return path


def write_shards(folder, train=48, val=12, test=15):
    """Paths by subset; two files of train."""
    spans = {"train": (0, train), "val": (1000, 1000 + val), "test": (2000, 2000 + test)}
    paths = {subset: [folder / f"{subset}-00.parquet", folder / f"{subset}-01.parquet"] for subset in spans}
    for subset, (first, last) in spans.items():
        middle = (first + last) // 2
        write_parquet(paths[subset][0], [sample(index) for index in range(first, middle)], PREPARED_SHARD, 16)
        write_parquet(paths[subset][1], [sample(index) for index in range(middle, last)], PREPARED_SHARD, 16)
    return paths


def params(project_root, **changes):
    """The settings of params.yaml with `task__key=value` changes in the train section, `execution__key` in that one."""
    raw = load_params(project_root / "params.yaml").model_dump(mode="json")
    for name, value in changes.items():
        *tasks, key = name.split("__")
        section = raw["train"] if tasks[:1] != ["execution"] else raw
        section = section[tasks[0]] if tasks else section
        section[key] = value
    return check_params(raw)

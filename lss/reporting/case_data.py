"""Images, masks and texts of chosen cases, read from shards, predictions and case tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lss.evaluation.cases import CASE_SCHEMAS, decode_mask
from lss.evaluation.prompt_exchange import EXCHANGES
from lss.imaging.geometry import resample_mask
from lss.reporting.view_marks import View
from lss.storage.io import read_parquet
from lss.storage.schemas import REPORT, SEGMENTATION
from lss.storage.shards import ShardReader, decode_image

Run = tuple[str, str, str]
Rows = list[dict[str, Any]]


class CaseData:
    """Everything a figure or the page shows of single cases.

    Args:
        cases: per-case tables by task.
        predictions: tables by (backbone, task, loss).
        shards: of the test part.
    """

    def __init__(self, cases: dict[str, Path], predictions: dict[Run, Path], shards: list[Path]) -> None:
        self.rows: dict[str, Rows] = {
            task: read_parquet(path, CASE_SCHEMAS[task]).to_pylist() for task, path in cases.items()
        }
        self._predictions: dict[Run, dict[str, dict[str, Any]]] = {}
        for model, path in predictions.items():
            if model[1] != "classification":
                schema = SEGMENTATION if model[1] == "segmentation" else REPORT
                table = read_parquet(path, schema).to_pylist()
                self._predictions[model] = {row["slice_key"]: row for row in table}
        self._reader = ShardReader(shards, ["slice_key", "image", "mask", "area_percent", "sides", "column_spacing_mm"])
        self._place = {key: index for index, key in enumerate(self._reader.column("slice_key"))}

    @property
    def backbones(self) -> list[str]:
        """In the order of the settings."""
        return list(dict.fromkeys(model[0] for model in self._predictions))

    def first_loss(self, backbone: str, task: str) -> str | None:
        """Return the loss of a backbone's first model of a task, or None where it has none."""
        return next((model[2] for model in self._predictions if model[:2] == (backbone, task)), None)

    def of_model(self, task: str, backbone: str, loss: str | None) -> Rows:
        """Return case rows of one model; for segmentation against the pseudo-masks."""
        return [
            row
            for row in self.rows[task]
            if (row["backbone"], row["loss"]) == (backbone, loss)
            and (task != "segmentation" or row["reference"] == "pseudo_mask")
        ]

    def grades(self, backbone: str) -> dict[str, dict[str, Any]]:
        """Return rows of the classification case table of a backbone, by slice_key."""
        return {row["slice_key"]: row for row in self.rows["classification"] if row["backbone"] == backbone}

    def segmentation(self, backbone: str, slice_key: str) -> dict[str, Any]:
        """Return prediction row of a backbone's first segmentation model."""
        return self._predictions[backbone, "segmentation", self.first_loss(backbone, "segmentation") or ""][slice_key]

    def predicted_mask(self, backbone: str, slice_key: str) -> NDArray[np.bool_]:
        """Return mask of a backbone's first segmentation model."""
        return decode_mask(self.segmentation(backbone, slice_key)["mask"]["bytes"])

    def exchanged_masks(self, backbone: str, slice_key: str) -> dict[str, NDArray[np.bool_]]:
        """Return masks under exchanged prompts, by the names of EXCHANGES; empty without prompts."""
        row = self.segmentation(backbone, slice_key)
        stored = {words: row[f"mask_said_{words}"] for words in EXCHANGES}
        return {words: decode_mask(mask["bytes"]) for words, mask in stored.items() if mask is not None}

    def image(self, slice_key: str) -> NDArray[np.uint16]:
        """Return stored grey levels of a test slice's field of view."""
        return decode_image(self._reader[self._place[slice_key]]["image"]["bytes"])

    def view(self, slice_key: str) -> View:
        """Return how a test slice's field of view lies, and its width."""
        row = self._reader[self._place[slice_key]]
        width = decode_image(row["image"]["bytes"]).shape[1]
        return View((row["sides"][0], row["sides"][1]) if row["sides"] else None, width * row["column_spacing_mm"])

    def reference_area(self, slice_key: str) -> float:
        """Return the affected area of a test slice's pseudo-mask, percent (eq. 10)."""
        return float(self._reader[self._place[slice_key]]["area_percent"])

    def reference_mask(self, slice_key: str, shape: tuple[int, ...]) -> NDArray[np.bool_]:
        """Return pseudo-mask of a test slice in the size of the predictions."""
        mask = decode_mask(self._reader[self._place[slice_key]]["mask"]["bytes"])
        return resample_mask(mask, (shape[0], shape[1]))

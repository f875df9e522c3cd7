"""Preparing a slice for the models: denoise, find the region of interest, crop to the field of view.

The stages denoise, pseudo_mask and shards call these functions one by one; `prepare_slice` calls them one after the
other. Both ways give the same bytes.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError

from lss.errors import LssError
from lss.imaging.denoise import Denoised, denoise, denoise_batch
from lss.imaging.denoise_gpu import cuda_available
from lss.imaging.geometry import FieldOfView, edge_letters, field_of_view
from lss.imaging.pseudo_mask import Steps, steps
from lss.imaging.roi import Roi, region_of_interest
from lss.imaging.settings import DenoiseParams, PseudoMaskParams, ShardParams
from lss.runtime.settings import Device
from lss.storage.parquet_files import TableReader

_METADATA = b"lss"
"""Key of a table's Parquet metadata under which it keeps the settings that its images went through."""


@dataclass(frozen=True)
class Preparation:
    """Settings of the three stages between a slice as it was read and an image as the models see it."""

    denoise: DenoiseParams
    pseudo_mask: PseudoMaskParams
    shards: ShardParams

    @classmethod
    def of(cls, settings: dict[str, Any], source: Path) -> Preparation:
        """Check settings by stage that were read from `source`. Raises LssError where one is missing or wrong."""
        try:
            return cls(
                DenoiseParams.model_validate(settings["denoise"]),
                PseudoMaskParams.model_validate(settings["pseudo_mask"]),
                ShardParams.model_validate(settings["shards"]),
            )
        except (KeyError, TypeError, ValidationError) as error:
            raise LssError(
                f"{source}: does not say how its images were prepared, or says it as another version would "
                f"({_first_line(error)}). Rerun the stages denoise, pseudo_mask, shards and train."
            ) from error


class Canal(NamedTuple):
    """What later stages know of a region of interest: columns of lss.storage.schemas.PSEUDO_MASKS.

    Attributes:
        found: whether the canal was found in the image; else the centre is the image's.
        row, column: of its centre, pixels of the slice, in float32 precision as the table keeps them.
        region_pixels: size of the region of interest.
    """

    detected: bool
    row: float
    column: float
    region_pixels: int

    @classmethod
    def of_region(cls, region: Roi) -> Canal:
        """Return the columns that a table of pseudo-masks stores of `region`."""
        row, column = np.float32(region.centre_row), np.float32(region.centre_column)
        return cls(region.detected, float(row), float(column), int(region.region.sum()))

    @classmethod
    def of_row(cls, row: dict[str, Any]) -> Canal:
        """Read a canal from a row of lss.storage.schemas.PSEUDO_MASKS."""
        return cls(row["canal_found"], row["centre_row"], row["centre_column"], row["region_pixels"])


@dataclass(frozen=True)
class SliceImage:
    """One axial slice as the cohorts' readers give it.

    Attributes:
        key: names it in messages, and seeds the draws of its report.
        pixels: stored grey levels (rows, columns).
        spacing_mm: of rows and of columns.
        weighting: "T1" or "T2".
        level: disc level such as "L4-L5"; None where it is not known.
        orientation: direction cosines as in DICOM, six numbers; None where they are not known.
    """

    key: str
    pixels: NDArray[np.uint16]
    spacing_mm: tuple[float, float]
    weighting: str = "T2"
    level: str | None = None
    orientation: list[float] | None = None


@dataclass(frozen=True)
class PreparedSlice:
    """A slice as the models see it.

    Attributes:
        image: grey levels of the field of view (rows, columns).
        view: where it lies in the slice.
        canal: what is known of the spinal canal, in pixels of the slice.
        region_share: size of eq. 10's target region, in fields of view; float32 precision, as in a shard.
        canal_column: of the canal's centre, from 0 (left edge of `image`) to 1; None where it was not found.
        sides: the patient's sides at the left and right edge, such as "RL"; None where they are not known.
        source: what it was made from.
        denoised, region: what the steps between gave, of the whole slice.
    """

    image: NDArray[np.uint16]
    view: FieldOfView
    canal: Canal
    region_share: float
    canal_column: float | None
    sides: str | None
    source: SliceImage
    denoised: Denoised
    region: Roi


def prepare_slice(source: SliceImage, settings: Preparation, device: Device = "auto") -> PreparedSlice:
    """Take one slice through all steps; `device` is that of `denoise_images`."""
    denoised = denoise_images([source.pixels], settings.denoise, device)[0]
    region = find_region(denoised.image, source.spacing_mm, source.weighting, settings.pseudo_mask)
    canal = Canal.of_region(region)
    view = place_view(denoised.image.shape, source.spacing_mm, canal, settings.shards)
    column = (canal.column - view.column + 0.5) / view.columns
    return PreparedSlice(
        image=view.crop(denoised.image),
        view=view,
        canal=canal,
        region_share=float(np.float32(region_share(view, canal, settings.shards))),
        canal_column=float(np.float32(column)) if canal.detected else None,
        sides="".join(edge_letters(source.orientation) or ()) or None,
        source=source,
        denoised=denoised,
        region=region,
    )


def denoise_images(images: list[NDArray[np.uint16]], params: DenoiseParams, device: Device) -> list[Denoised]:
    """Denoise slices of any sizes; with `device` auto on a CUDA device where there is one."""
    settings = params.model_dump()
    if denoises_on_gpu(params, device):
        settings.pop("method")
        return denoise_batch(images, **settings)
    return [denoise(image, **settings) for image in images]


def denoises_on_gpu(params: DenoiseParams, device: Device) -> bool:
    """Return whether torch on a CUDA device does the work. Raises LssError where it should and there is none."""
    if params.method != "nlm" or device == "cpu":
        return False
    has_gpu = cuda_available()
    if device == "cuda" and not has_gpu:
        raise LssError(
            "params.yaml: execution.device: 'cuda' is set, but torch finds no CUDA device. Set it to 'auto'."
        )
    return has_gpu


def find_region(
    denoised: NDArray[np.uint16], spacing_mm: tuple[float, float], weighting: str, params: PseudoMaskParams
) -> Roi:
    """Find the region of interest of a denoised slice (rows, columns)."""
    return region_of_interest(denoised, *spacing_mm, weighting, params.roi, params.roi_size_mm, params.roi_margin_mm)


def draw_mask(
    denoised: NDArray[np.uint16], region: Roi, grade: str | None, weighting: str, params: PseudoMaskParams
) -> Steps:
    """Draw the pseudo-mask of a slice by Algorithm 1, with its intermediate images. Needs the grade: not inference."""
    return steps(
        denoised,
        region,
        grade,
        weighting=weighting,
        canny_sigma=params.canny_sigma,
        kernel_severe=params.kernel_severe,
        kernel_small=params.kernel_small,
        grade_a=params.grade_a,
    )


def place_view(
    shape: tuple[int, ...], spacing_mm: tuple[float, float], canal: Canal, params: ShardParams
) -> FieldOfView:
    """Place the models' field of view on a slice of `shape`."""
    centre = (canal.row, canal.column) if params.crop == "canal" else None
    return field_of_view(shape, spacing_mm, centre, None if params.crop == "none" else params.crop_mm)


def region_share(view: FieldOfView, canal: Canal, params: ShardParams) -> float:
    """Return the size of the target region of eq. 10 in fields of view."""
    return canal.region_pixels / (view.rows * view.columns) if params.area_of == "region" else 1.0


def with_settings(schema: pa.Schema, settings: dict[str, Any]) -> pa.Schema:
    """Add settings by stage to a table's schema, so that the table says what its images went through."""
    text = json.dumps(settings, sort_keys=True).encode()
    return schema.with_metadata({**(schema.metadata or {}), _METADATA: text})


def read_settings_of(path: Path) -> dict[str, Any]:
    """Return settings by stage that a table of images keeps in its metadata; {} where it keeps none.

    Raises LssError when the file is missing, damaged or no Parquet table.
    """
    with TableReader(path) as table:
        return json.loads(table.metadata.get(_METADATA, b"{}"))


def read_preparation(shards: list[Path]) -> dict[str, Any]:
    """Return settings by stage that all `shards` were made with. Raises LssError where they lack them or differ."""
    first = read_settings_of(shards[0])
    Preparation.of(first, shards[0])
    for path in shards[1:]:
        if read_settings_of(path) != first:
            raise LssError(f"{path}: was prepared with other settings than {shards[0]}. Rerun the stages up to shards.")
    return first


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).splitlines()[0]}"

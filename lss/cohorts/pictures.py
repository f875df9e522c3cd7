"""PNG and TIFF slices and NIfTI volumes: pixels with their depth kept, from bytes."""

from __future__ import annotations

import gzip
import io
import warnings
from dataclasses import dataclass

import nibabel
import numpy as np
from PIL import Image, UnidentifiedImageError

from lss.cohorts.base import UnusableError
from lss.cohorts.contrast import plane_from_normal

MAX_PIXELS = 4096 * 4096
MAX_VOXELS = 2**28
THICK_RATIO = 1.5
"""A volume whose largest voxel side exceeds its smallest by more was scanned in slices across that side."""


def read_picture(data: bytes) -> tuple[np.ndarray, int]:
    """A grey PNG or TIFF as (rows, columns) uint16, and its bits (8 or 16).

    RGB with three equal channels counts as grey.

    Raises UnusableError.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(data), formats=["PNG", "TIFF"])
            if picture.width * picture.height > MAX_PIXELS:
                raise UnusableError("image too large", f"{picture.height} x {picture.width} pixels", "Scale it down.")
            if (pages := getattr(picture, "n_frames", 1)) > 1:
                raise UnusableError("several pages", f"{pages} pages in one file", "Save one file a slice.")
            mode = picture.mode
            pixels = np.asarray(picture.convert("L") if mode in ("1", "P", "LA") else picture)
    except UnidentifiedImageError as error:
        raise UnusableError("not an image", "no PNG or TIFF inside", "Remove it, or export it again.") from error
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise UnusableError("truncated file", "ends inside the pixels", "Copy or fetch it again.") from error
    if pixels.ndim == 3:
        colour = pixels[..., :3]
        if (colour != colour[..., :1]).any():
            raise UnusableError("colour image", "its channels differ", "Save it as a grey image.")
        pixels = colour[..., 0]
    if pixels.dtype.kind not in "ui" or int(pixels.min()) < 0 or int(pixels.max()) > 65535:
        raise UnusableError("unsupported depth", f"pixels of type {pixels.dtype}", "Save it with 8 or 16 bits.")
    if int(pixels.min()) == int(pixels.max()):
        raise UnusableError("blank image", "all pixels are equal", "Remove it from the cohort.")
    return pixels.astype(np.uint16), 8 if pixels.dtype == np.uint8 else 16


@dataclass(frozen=True)
class VolumeSlice:
    """One slice of a volume, shown as radiologists do: the patient's right on the left, front (or head) on top."""

    pixels: np.ndarray
    index: int
    position_mm: float
    row_spacing_mm: float
    column_spacing_mm: float


def read_volume(data: bytes) -> tuple[list[VolumeSlice], int, str, str]:
    """A 3-D NIfTI volume as slices.

    The slices are axial, unless the voxels show that the volume was scanned in other slices
    (`THICK_RATIO`): then these are given, as cutting across them would show steps, not anatomy.

    Args:
        data: the file's bytes, gzipped or not.

    Returns:
        slices that are not blank, bits (of the largest value, or 12 where floating-point values were scaled to
        0..4095), plane, reason of the plane.

    Raises UnusableError.
    """
    try:
        if data[:2] == b"\x1f\x8b":
            with gzip.open(io.BytesIO(data)) as file:
                data = file.read(4 * MAX_VOXELS + 1)
            if len(data) > 4 * MAX_VOXELS:
                raise UnusableError("image too large", "more than 1 GiB unpacked", "Crop it to the lumbar spine.")
        image = nibabel.as_closest_canonical(nibabel.Nifti1Image.from_bytes(data))
        shape = tuple(size for size in image.shape if size != 1) if len(image.shape) > 3 else image.shape
        if len(shape) != 3 or not 0 < np.prod(shape) <= MAX_VOXELS:
            raise UnusableError("not a 3-D volume", f"its shape is {image.shape}", "Bring one 3-D volume a file.")
        values_XYZ = np.asanyarray(image.dataobj).reshape(shape)
    except UnusableError:
        raise
    except Exception as error:  # those of nibabel, gzip and zlib share no base class
        raise UnusableError("broken NIfTI", type(error).__name__, "Copy, fetch or convert it again.") from error
    spacing_3 = np.asarray(image.header.get_zooms()[:3], float)
    if not (np.isfinite(spacing_3).all() and (spacing_3 > 0.01).all()):
        raise UnusableError("missing pixel spacing", "its voxel sizes are not positive", "Set pixdim in the header.")
    thick = spacing_3.max() > THICK_RATIO * spacing_3.min()
    axis = int(np.argmax(spacing_3)) if thick else 2
    normal_3 = image.affine[:3, axis] / np.linalg.norm(image.affine[:3, axis])
    plane, reason, _ = plane_from_normal(normal_3 * np.array([-1.0, -1.0, 1.0]))  # NIfTI's x, y against DICOM's
    reason += ", across the thickest voxel side" if thick else ", cut from a volume of nearly cubic voxels"
    levels_XYZ, bits = _to_grey_levels(values_XYZ)
    slices = []
    for index in range(shape[axis]):
        pixels = _radiological(np.take(levels_XYZ, index, axis), axis)
        if pixels.min() == pixels.max():
            continue
        across, down = [side for side in range(3) if side != axis]
        corner = np.zeros(3)
        corner[axis] = index
        slices.append(
            VolumeSlice(
                pixels=pixels,
                index=index + 1,
                position_mm=float(normal_3 @ nibabel.affines.apply_affine(image.affine, corner)),
                row_spacing_mm=float(spacing_3[down]),
                column_spacing_mm=float(spacing_3[across]),
            )
        )
    if not slices:
        raise UnusableError("blank image", "every slice is blank", "Remove it from the cohort.")
    return slices, bits, plane, reason


def _radiological(plane_UV: np.ndarray, axis: int) -> np.ndarray:
    """Turn a slice of a right-front-head array so that rows run downwards (or backwards), columns as shown.

    Sagittal (axis 0): front on the left. Coronal and axial: the patient's right on the left.
    """
    return np.ascontiguousarray(plane_UV.T[::-1, ::-1])


def _to_grey_levels(values: np.ndarray) -> tuple[np.ndarray, int]:
    """Voxels as uint16 and the bits they need; negative values are shifted to start at 0."""
    if not np.isfinite(values).all():
        raise UnusableError("unsupported depth", "values that are no numbers", "Write finite voxel values.")
    low, high = float(values.min()), float(values.max())
    shift = min(low, 0.0)
    whole = values.dtype.kind in "ui" or bool((values == np.rint(values)).all())
    if whole and high - shift <= 65535:
        return (values - shift).astype(np.uint16), max(1, int(high - shift).bit_length())
    return np.rint((values - low) / max(high - low, 1e-12) * 4095).astype(np.uint16), 12

"""Cut NIfTI volumes into slices in radiological view, from bytes, one slice in memory at a time beside the file."""

from __future__ import annotations

import gzip
import io
import logging
from dataclasses import dataclass

import nibabel
import numpy as np

from lss.cohorts.base import UnusableError
from lss.cohorts.contrast import plane_from_normal
from lss.cohorts.label_masks import refuse_label_mask

MAX_VOXELS = 2**26
"""512 x 512 x 256: a larger volume is no lumbar MRI, and would not fit into a stage's memory."""

THICK_RATIO = 1.5
"""A volume whose largest voxel side exceeds its smallest by more was scanned in slices across that side."""

MIN_SPACING_MM, MAX_SPACING_MM = 0.1, 20.0
"""Credible sides of a voxel."""

MAX_OFFSET = 16 * 2**20
"""Bytes of header extensions before the voxels."""

# what is wrong with a header is said in the table of rejects
logging.getLogger("nibabel.global").setLevel(logging.CRITICAL)

_LPS = np.array([-1.0, -1.0, 1.0])  # NIfTI's x and y point right and front, DICOM's left and back
_AGAIN = "Copy, fetch or convert it again."


@dataclass(frozen=True)
class VolumeSlice:
    """One slice of a volume, shown as radiologists do: the patient's right on the left, front (or head) on top."""

    pixels: np.ndarray
    index: int  # from 1, towards the right, front or head
    centre_3: np.ndarray  # of the image, mm in DICOM's axes
    row_spacing_mm: float
    column_spacing_mm: float


@dataclass(frozen=True)
class Volume:
    """A volume's slices and what they have in common."""

    slices: list[VolumeSlice]  # those that are not blank
    blank: int  # how many are
    bits: int  # of the largest value, or 12 where values were scaled to 0..4095
    plane: str
    plane_reason: str
    normal_3: np.ndarray  # unit normal of the slices, to the left, back or head
    orientation_6: np.ndarray  # unit vectors along a row and down a column of every slice, mm in DICOM's axes


@dataclass(frozen=True)
class _Voxels:
    """Voxels in right-front-head order (a view of the file's bytes) and how they are to be read."""

    stored_XYZ: np.ndarray
    scale: tuple[float, float] | None  # slope and intercept
    affine: np.ndarray
    spacing_3: np.ndarray
    placed_nowhere: bool  # the stored affine is the identity

    def slice_at(self, axis: int, index: int) -> np.ndarray:
        """Return values of one slice, across the two other axes in order."""
        stored = self.stored_XYZ[(slice(None),) * axis + (index,)]
        return stored if self.scale is None else stored * self.scale[0] + self.scale[1]


def read_volume(data: bytes) -> Volume:
    """Return a 3-D NIfTI volume as slices.

    The slices are axial, unless the voxels show that the volume was scanned in other slices
    (`THICK_RATIO`): then these are given, as cutting across them would show steps, not anatomy.

    Args:
        data: the file's bytes, gzipped or not.

    Raises UnusableError.
    """
    try:
        voxels = _voxels(data)
    except UnusableError:
        raise
    except Exception as error:  # those of nibabel, gzip and zlib share no base class
        raise UnusableError("broken NIfTI", type(error).__name__, _AGAIN) from error
    spacing_3 = voxels.spacing_3
    if not (np.isfinite(spacing_3).all() and (spacing_3 > 0).all()):
        raise UnusableError("missing pixel spacing", "its voxel sizes are not positive", "Set pixdim in the header.")
    if spacing_3.min() < MIN_SPACING_MM or spacing_3.max() > MAX_SPACING_MM:
        detail = f"voxels of {' x '.join(f'{side:g}' for side in spacing_3)} mm"
        raise UnusableError("spacing out of range", detail, "Set pixdim and the affine in mm.")
    thick = spacing_3.max() > THICK_RATIO * spacing_3.min()
    axis = int(np.argmax(spacing_3)) if thick else 2
    directions_33 = voxels.affine[:3, :3] / np.linalg.norm(voxels.affine[:3, :3], axis=0) * _LPS[:, None]
    plane, reason, normal_3 = plane_from_normal(directions_33[:, axis])
    reason += ", across the thickest voxel side" if thick else ", cut from a volume of nearly cubic voxels"
    if voxels.placed_nowhere:
        reason += "; doubtful: the affine is the identity, as programs write it that know no position"
    across, down = (side for side in range(3) if side != axis)
    count = voxels.stored_XYZ.shape[axis]
    low, high, whole = _range(voxels, axis)
    refuse_label_mask(voxels.slice_at(axis, index) for index in range(count))
    slices = []
    for index in range(count):
        pixels = _to_grey_levels(voxels.slice_at(axis, index), low, high, whole)
        if pixels.min() == pixels.max():
            continue
        middle = (np.array(voxels.stored_XYZ.shape) - 1) / 2
        middle[axis] = index
        slices.append(
            VolumeSlice(
                pixels=np.ascontiguousarray(pixels.T[::-1, ::-1]),
                index=index + 1,
                centre_3=nibabel.affines.apply_affine(voxels.affine, middle) * _LPS,
                row_spacing_mm=float(spacing_3[down]),
                column_spacing_mm=float(spacing_3[across]),
            )
        )
    if not slices:
        raise UnusableError("blank image", "every slice is blank", "Remove it from the cohort.")
    bits = max(1, int(high - min(low, 0.0)).bit_length()) if whole else 12
    orientation_6 = -np.concatenate([directions_33[:, across], directions_33[:, down]])  # slices are shown turned
    return Volume(slices, count - len(slices), bits, plane, reason, normal_3, orientation_6)


def _voxels(data: bytes) -> _Voxels:
    """Return the header and voxels of a file; no more is unpacked than its header announces."""
    stream: io.IOBase = gzip.open(io.BytesIO(data)) if data[:2] == b"\x1f\x8b" else io.BytesIO(data)  # type: ignore[assignment]
    with stream:
        kind, start = _header_of(stream)
        header = kind(start)
        shape, dtype, offset = header.get_data_shape(), header.get_data_dtype(), int(header.get_data_offset())
        if len(shape) < 3 or any(size != 1 for size in shape[3:]):
            raise UnusableError("not a 3-D volume", f"its shape is {shape}", "Bring one 3-D volume a file.")
        if not 0 < np.prod(shape, dtype=float) <= MAX_VOXELS:
            detail = f"{' x '.join(map(str, shape[:3]))} voxels, at most {MAX_VOXELS}"
            raise UnusableError("image too large", detail, "Crop it to the lumbar spine.")
        if dtype.kind not in "uif":
            raise UnusableError("unsupported depth", f"voxels of type {dtype}", "Convert it to whole numbers.")
        if offset > MAX_OFFSET:
            raise UnusableError("broken NIfTI", f"voxels said to begin at byte {offset}", _AGAIN)
        _check_orientation(header)
        stream.read(max(0, offset - kind.sizeof_hdr))
        size = int(np.prod(shape)) * dtype.itemsize
        stored = np.frombuffer(stream.read(size), dtype).reshape(shape[:3], order="F")
    slope, intercept = header.get_slope_inter()
    scale = None if slope is None or (slope, intercept or 0.0) == (1.0, 0.0) else (slope, intercept or 0.0)
    affine = header.get_best_affine()
    orientation = nibabel.io_orientation(affine)  # per stored axis: which of right, front, head, and whether backwards
    source = [int(np.flatnonzero(orientation[:, 0] == side)[0]) for side in range(3)]
    backwards = [slice(None, None, int(orientation[axis, 1])) for axis in source]
    return _Voxels(
        stored.transpose(source)[tuple(backwards)],
        scale,
        affine @ nibabel.orientations.inv_ornt_aff(orientation, shape[:3]),
        np.asarray(header.get_zooms()[:3], float)[source],
        placed_nowhere=np.array_equal(affine, np.eye(4)),
    )


def _header_of(stream: io.IOBase) -> tuple[type[nibabel.Nifti1Header], bytes]:
    """Return the class of a file's header, of NIfTI-1 or NIfTI-2, and its bytes."""
    start = stream.read(nibabel.Nifti1Header.sizeof_hdr)  # type: ignore[attr-defined]
    size = nibabel.Nifti2Header.sizeof_hdr
    if size in (int.from_bytes(start[:4], "little"), int.from_bytes(start[:4], "big")):
        return nibabel.Nifti2Header, start + stream.read(size - len(start))  # type: ignore[attr-defined]
    return nibabel.Nifti1Header, start


def _check_orientation(header: nibabel.Nifti1Header) -> None:
    """Raise UnusableError where the header says no orientation, or two that contradict each other."""
    remedy = "Convert the DICOM files again (dcm2niix), or correct qform and sform."
    codes = int(header["qform_code"]), int(header["sform_code"])
    if codes[0] <= 0 and codes[1] <= 0:
        raise UnusableError("missing orientation", "qform and sform are not set", remedy)
    if codes[0] > 0 and codes[1] > 0:
        forms = header.get_qform(), header.get_sform()
        turn_33, other_33 = (form[:3, :3] / np.linalg.norm(form[:3, :3], axis=0) for form in forms)
        if not np.allclose(turn_33, other_33, atol=0.2):
            raise UnusableError("conflicting orientation", "qform and sform differ", remedy)
    affine = header.get_best_affine()
    if not np.isfinite(affine).all():
        raise UnusableError("missing orientation", "an affine with values that are no numbers", remedy)
    sides_3 = np.linalg.norm(affine[:3, :3], axis=0)
    if not np.allclose(sides_3, header.get_zooms()[:3], rtol=0.05):
        raise UnusableError("conflicting spacing", "pixdim and the affine give different voxel sizes", remedy)


def _range(voxels: _Voxels, axis: int) -> tuple[float, float, bool]:
    """Return the lowest and highest value, and whether all values are whole numbers that fit into 16 bits."""
    low, high, whole = np.inf, -np.inf, True
    for index in range(voxels.stored_XYZ.shape[axis]):
        values = voxels.slice_at(axis, index)
        if not np.isfinite(values).all():
            raise UnusableError("unsupported depth", "values that are no numbers", "Write finite voxel values.")
        low, high = min(low, float(values.min())), max(high, float(values.max()))
        whole = whole and (values.dtype.kind in "ui" or bool((values == np.rint(values)).all()))
    return low, high, whole and high - min(low, 0.0) <= 65535


def _to_grey_levels(values: np.ndarray, low: float, high: float, whole: bool) -> np.ndarray:
    """Return values as uint16: whole ones shifted to start at 0 where some are negative, others scaled to 0..4095."""
    if whole:
        return (values - min(low, 0.0)).astype(np.uint16)
    return np.rint((values - low) / max(high - low, 1e-12) * 4095).astype(np.uint16)

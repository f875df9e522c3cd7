"""Plane and weighting of a slice, from header and names, each with the reason it was taken for."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from lss.cohorts.series_names import plainly, weighting_from_name

OBLIQUE_DEGREES = 45.0
"""A plane whose normal is further than this from every body axis is called oblique.

The axial block of the last disc follows the sacrum and may be tilted further: `lss.cohorts.planes` looks at its study.
"""

STEEPEST_DEGREES = 75.0
"""No axial block is tilted further about the left-right axis; what is, is coronal."""

NO_ANATOMY = frozenset({"localizer", "derived", "other"})
"""Weightings that are no T1 or T2 series to work on: for planning, computed from other images, of another kind."""

CORRECTIONS = frozenset({"DIS2D", "DIS3D", "NORM", "FIL"})
"""Values of ImageType by which a scanner marks a corrected copy (distortion, shading, filter) of a series."""

T2_MIN_ECHO_MS, T2_MIN_REPETITION_MS = 60.0, 1500.0
T1_MAX_ECHO_MS, T1_MAX_REPETITION_MS = 30.0, 1200.0
"""Spin-echo weighting by echo and repetition time (usual ranges at 1.5 T; between them lies proton density)."""

PD_MAX_ECHO_MS = 45.0
"""A spin echo no longer than this, at a T2's repetition time and without an inversion, is a proton density image: the
first echo of a series "PD/T2" carries the same name as the second."""

_AXES = (("sagittal", "left-right"), ("coronal", "front-back"), ("axial", "head-foot"))
_TYPES = (
    ("localizer", frozenset({"LOCALIZER", "SCOUT", "SURVEY"})),
    ("derived", frozenset({"ADC", "MIP", "MINIP", "MNIP", "MPR", "SUB", "SUBTRACT", "SUBTRACTION", "PROJECTION",
                           "PROJECTION IMAGE", "MAX_IP", "MIN_IP", "CURVED_MPR", "VOLUME_RENDER", "MAXIMUM", "MINIMUM",
                           "MEAN", "STD_DEVIATION", "QUANTITY", "ADC_UNSPECIFIED", "REFORMATTED",
                           "SCREEN SAVE", "SCREENSAVE", "SCREENSHOT", "FA", "REF",
                           "FAT", "F", "OP", "OPP_PHASE", "OUT_PHASE", "OUT OF PHASE", "OPPOSED_PHASE",
                           "FAT_FRACTION", "PHASE", "P", "PHASE MAP", "IMAGINARY", "T1 MAP", "T2 MAP",
                           "T2_STAR MAP", "R2_STAR MAP", "T1_MAP", "T2_MAP"})),
    ("other", frozenset({"DIFFUSION", "TRACEW", "DWI", "EPI", "FMRI", "PERFUSION", "T2_STAR", "FLOW_ENCODED",
                         "TAGGING", "TOF"})),
)  # fmt: skip
_INVERSION = re.compile(r"stir|tirm|flair|(?<![a-z])t?ir(?![a-z])")
_SHARED_PHASE = frozenset({"WATER", "W", "IN_PHASE", "INPHASE", "IP"})
"""Values of ImageType of a Dixon scan's images that show water as the plain scan does."""


def plane_from_orientation(orientation_6: Sequence[float] | None) -> tuple[str, str, np.ndarray | None]:
    """Return the plane from ImageOrientationPatient (direction cosines of the rows, then of the columns).

    Returns:
        plane (axial, sagittal, coronal, oblique, unknown), the reason, and the unit normal (3,) that points
        left, back or to the head; None where the orientation is missing or no pair of perpendicular unit vectors.
    """
    if orientation_6 is None or len(orientation_6) != 6:
        return "unknown", "no ImageOrientationPatient", None
    row_3, column_3 = np.asarray(orientation_6, float).reshape(2, 3)
    unit = np.isfinite([row_3, column_3]).all() and np.allclose(
        [np.linalg.norm(row_3), np.linalg.norm(column_3)], 1, atol=0.02
    )
    if not unit or abs(float(row_3 @ column_3)) > 0.02:
        return "unknown", "ImageOrientationPatient is no pair of perpendicular unit vectors", None
    normal_3 = np.cross(row_3, column_3)
    return plane_from_normal(normal_3 / np.linalg.norm(normal_3))


def plane_from_normal(normal_3: np.ndarray) -> tuple[str, str, np.ndarray]:
    """Return the same as `plane_from_orientation`, from the unit normal."""
    axis = int(np.argmax(np.abs(normal_3)))
    if normal_3[axis] < 0:
        normal_3 = -normal_3
    angle = float(np.degrees(np.arccos(min(1.0, float(normal_3[axis])))))
    plane, name = _AXES[axis]
    reason = f"normal {angle:.0f} degrees from {name}"
    return (plane if angle <= OBLIQUE_DEGREES else "oblique"), reason, normal_3


def plane_without_position(plane: str, reason: str, normal_3: np.ndarray, named_plane: str) -> tuple[str, str]:
    """Return plane and reason of a slice whose header gives an orientation and no position.

    Where the angle leaves open if it is axial or coronal (`lss.cohorts.planes`) no study can be asked: the name
    decides, and without one the plane is doubtful.
    """
    degrees = float(np.degrees(np.arccos(min(1.0, abs(float(normal_3[2]))))))
    if plane not in ("coronal", "oblique") or degrees > STEEPEST_DEGREES:
        return plane, reason
    if named_plane in ("axial", "coronal"):
        return named_plane, f"normal {degrees:.0f} degrees from head-foot, name says {named_plane}"
    return plane, f"{reason}; doubtful: between axial and coronal, without a position"


def kind_from_header(
    image_type: frozenset[str], scanning: frozenset[str] = frozenset(), sequence: str = "", *, lossy: bool = False
) -> tuple[str, str] | None:
    """Return weighting (localizer, derived, other) of what the header says is no T1 or T2 series; None otherwise.

    Args:
        image_type: values of ImageType, upper case. DERIVED with nothing but a correction (`CORRECTIONS`) is the scan
            itself, and so are a Dixon scan's water and in-phase images, and one derived because it was compressed.
        scanning: values of ScanningSequence.
        sequence: SequenceName.
        lossy: whether LossyImageCompression says 01.
    """
    for kind, values in _TYPES:
        if matches := sorted(image_type & values):
            return kind, f"ImageType says {matches[0]}"
    if "SECONDARY" in image_type and not lossy:
        return "derived", "ImageType says SECONDARY"
    if "DERIVED" in image_type and not lossy and not image_type & (CORRECTIONS | _SHARED_PHASE):
        return "derived", "ImageType says DERIVED"
    if "EP" in scanning:
        return "other", "ScanningSequence says EP (echo-planar)"
    if re.match(r"\*?(ep|re_b|h2d|hst)", sequence, re.IGNORECASE):
        return "other", "SequenceName is of an echo-planar, diffusion or single-shot sequence"
    return None


def is_gradient_echo(scanning: frozenset[str], image_type: frozenset[str] = frozenset(), sequence: str = "") -> bool:
    """Return whether the header names a gradient echo, and no spin echo: what it calls T2 is T2*, or neither.

    Vendors say so in ScanningSequence (GR), in ImageType (FFE), or in SequenceName (fl, me, de, ci, fi).
    """
    named = re.match(r"\*?(t?f[il]|me|de|ci)[23]d", sequence, re.IGNORECASE)
    gradient = "GR" in scanning or bool(named) or not image_type.isdisjoint({"FFE", "M_FFE"})
    return gradient and "SE" not in scanning


def weighting_from_times(echo_ms: float | None, repetition_ms: float | None) -> tuple[str, str]:
    """Return weighting (T1, T2, unknown) of a spin echo from echo and repetition time in ms."""
    if not echo_ms or not repetition_ms:
        return "unknown", "no echo and repetition time"
    times = f"TE {echo_ms:g} ms, TR {repetition_ms:g} ms"
    if echo_ms >= T2_MIN_ECHO_MS and repetition_ms >= T2_MIN_REPETITION_MS:
        return "T2", times
    if echo_ms <= T1_MAX_ECHO_MS and repetition_ms <= T1_MAX_REPETITION_MS:
        return "T1", times
    return "unknown", f"{times} fit neither T1 nor T2"


def weighting(
    names: Sequence[str],
    echo_ms: float | None = None,
    repetition_ms: float | None = None,
    scanning: frozenset[str] = frozenset(),
    *,
    gradient: bool = False,
) -> tuple[str, str]:
    """Return weighting from names (the first that says something) and times.

    What is no T1 or T2 series (`NO_ANATOMY`) is known by name alone: a localizer's short times look like T1. Where
    name and times contradict each other the times are believed, as they made the contrast, and the reason says
    "doubtful". `scanning` are the values of ScanningSequence; `gradient` says that it is a gradient echo
    (`is_gradient_echo`), whose times tell nothing.
    """
    by_name, name_reason = "unknown", "no weighting in the name"
    for name in names:
        by_name, name_reason = weighting_from_name(name)
        if by_name != "unknown":
            break
    if gradient and by_name not in NO_ANATOMY:
        return by_name if by_name == "T1" else "other", f"{name_reason}, and the header says gradient echo"
    by_times, times_reason = weighting_from_times(echo_ms, repetition_ms)
    inversion = "IR" in scanning or any(_INVERSION.search(plainly(name)) for name in names)
    if by_name == "T2" and not inversion and _is_proton_density(echo_ms, repetition_ms):
        return "unknown", f"{name_reason}, but TE {echo_ms:g} ms, TR {repetition_ms:g} ms are of proton density"
    if by_name in NO_ANATOMY or by_times == "unknown":
        return by_name, f"{name_reason}; {times_reason}"
    if by_name not in ("unknown", by_times):
        return by_times, f"doubtful: {name_reason}, but {times_reason}"
    return by_times, f"{name_reason}; {times_reason}"


def _is_proton_density(echo_ms: float | None, repetition_ms: float | None) -> bool:
    if not echo_ms or not repetition_ms:
        return False
    return echo_ms <= PD_MAX_ECHO_MS and repetition_ms >= T2_MIN_REPETITION_MS

"""The discs of the sagittal images as a second opinion on the count of axial blocks, at ingest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lss.cohorts.base import RawSlice
from lss.levels.axial import REACH_MM, level_on_spine
from lss.levels.spine import Spine, find_spine


@dataclass(frozen=True)
class SecondOpinion:
    """The undoubted spine on a study's sagittal T2 images, put beside axial slices of one frame of reference.

    `assumed` says that the images' headers name another frame than the axial ones', and one was assumed for both.
    """

    spine: Spine
    assumed: bool

    def on(self, block: Sequence[RawSlice], counted: str) -> tuple[bool, str]:
        """Return whether the images confirm the counted level of a block, and the doubt that they raise, or "".

        They say nothing of a block above the discs that they show. Where one frame of reference was assumed they
        contradict, but confirm nothing: the patient may have been laid anew.

        Args:
            block: neighbouring parallel slices in their order, with positions; the middle one is looked at.
            counted: level by the count of the blocks.
        """
        geometry, highest = block[len(block) // 2].geometry, self.spine.discs[0]
        if geometry is None or (geometry.centre_3 - highest.centre_3) @ highest.normal_3 > REACH_MM:
            return False, ""
        level, reason = level_on_spine(geometry, self.spine)
        if level == counted:
            return not self.assumed, ""
        words = f"the sagittal images say {level or reason}"
        if self.assumed:
            words += " (one frame of reference was assumed for both series, whose headers name two)"
        return False, words


def second_opinion(slices: Sequence[RawSlice], study: str, frame: str) -> SecondOpinion | None:
    """Return what the sagittal T2 images say of the axial slices of a study and frame; None where they show no spine,
    or one whose names are doubtful: of those half were wrong on phantom patients (`benchmarks/levels.py`).

    Images of the same frame come first. Without them those of another frame are taken, unless they have several.

    Args:
        slices: all slices of the patient.
        study: the study that both series belong to.
        frame: the frame of reference of the axial slices.
    """
    sagittal = [s for s in slices if s.study == study and s.plane == "sagittal" and s.geometry and s.weighting == "T2"]
    own = [s for s in sagittal if s.geometry and s.geometry.frame == frame]
    if not own and len({s.geometry.frame for s in sagittal if s.geometry}) > 1:
        return None
    spine = find_spine(own or sagittal)
    return SecondOpinion(spine, assumed=not own) if spine is not None and not spine.doubts else None

"""Reader of the expert label images of the Lumbar Spine MRI Dataset (Mendeley Data zbf6b4pttk), folder or zip.

    05_Final_Ground_Truth_Data/Label_Images/L1_<patient>_D<disc>.png       50 disc, 100 posterior element,
                                                                           150 thecal sac, 200 area between anterior
                                                                           and posterior elements, 250 other, rarely 0
    05_Final_Ground_Truth_Data/Composite_Images/C1_<patient>_D<disc>.png   the picture that was labelled
    04_Intermediary_Ground_Truth_Data/T2_Output/T2_<patient>_D<disc>.png   the slice it was made of, stretched in
    04_Intermediary_Ground_Truth_Data/T1_Output/T1_<patient>_D<disc>.png   contrast (where a copy has these folders)

Discs: D3 L3-L4, D4 L4-L5, D5 L5-S1. The labels were drawn on T1 slices, to which the T2 slices had been registered.
"""

from __future__ import annotations

import re
from pathlib import Path, PurePosixPath

import cv2
import numpy as np
from numpy.typing import NDArray

from lss.cohorts.base import Reject, UnusableError, natural_key, patient_number
from lss.cohorts.file_tree import FolderTree, Tree, ZipTree
from lss.cohorts.picture_files import read_picture
from lss.errors import LssError
from lss.fetch.sources import EXPERTS_REMEDY

THECAL_SAC = 150
VALUES = (0, 50, 100, THECAL_SAC, 200, 250)
LEVEL_OF_DISC = {"3": "L3-L4", "4": "L4-L5", "5": "L5-S1"}
_NAME = re.compile(r"(?P<kind>[LC]1|T[12])_(?P<patient>\d+)_D(?P<disc>\d)\.png", re.IGNORECASE)
_FOLDER_OF_KIND = {"L1": "label_images", "C1": "composite_images", "T1": "t1_output", "T2": "t2_output"}

Key = tuple[str, str]
"""Patient number and disc level."""


class ExpertMasks:
    """The label images below a folder or in a zip archive.

    Raises LssError where there are none.
    """

    def __init__(self, path: Path) -> None:
        self._tree = _open(path)
        self._files: dict[str, dict[Key, str]] = {kind: {} for kind in _FOLDER_OF_KIND}
        self._rejects = self._tree.rejects()
        for file in self._tree.files():
            self._sort_in(file)
        if not self._files["L1"]:
            raise LssError(
                f"{path}: cohort.experts: holds no Label_Images/L1_0001_D3.png or its like. {EXPERTS_REMEDY}"
            )

    def keys(self) -> list[Key]:
        """Return patient number and level of every label, in natural order."""
        return sorted(self._files["L1"], key=lambda key: (natural_key(key[0]), key[1]))

    def thecal_sac(self, key: Key) -> NDArray[np.bool_]:
        """Return the labelled sac (rows, columns).

        Raises UnusableError for a broken file, unknown values, or a label without a thecal sac.
        """
        values, _ = read_picture(self._tree.read(self._files["L1"][key]))
        unknown = sorted(set(np.unique(values).tolist()) - set(VALUES))
        if unknown:
            raise UnusableError("unexpected values", f"{unknown[:5]}; labels are {VALUES}", "Is it a label image?")
        sac = values == THECAL_SAC
        if not sac.any():
            raise UnusableError("no thecal sac", f"no pixel has the value {THECAL_SAC}", "Nothing to do: not scored.")
        return sac

    def picture(self, key: Key, weighting: str) -> NDArray[np.uint8] | None:
        """Return the picture by which the labelled slice of a weighting (T1, T2) is found; None without one.

        The slice itself where the copy holds it, else the composite picture (rows, columns, channels).

        Raises UnusableError for a broken file.
        """
        for kind in (weighting, "C1"):
            if file := self._files.get(kind, {}).get(key):
                picture = cv2.imdecode(np.frombuffer(self._tree.read(file), np.uint8), cv2.IMREAD_UNCHANGED)
                if picture is None:
                    raise UnusableError("not an image", f"the picture of kind {kind}", "Fetch the archive again.")
                return picture.astype(np.uint8)
        return None

    def rejects(self) -> list[Reject]:
        """Return label files that could not even be assigned."""
        return list(self._rejects)

    def _sort_in(self, file: str) -> None:
        path = PurePosixPath(file)
        folder = path.parent.name.lower()
        if folder not in _FOLDER_OF_KIND.values():
            return
        match = _NAME.fullmatch(path.name)
        level = LEVEL_OF_DISC.get(match["disc"]) if match else None
        if not match or level is None or _FOLDER_OF_KIND[match["kind"].upper()] != folder:
            if folder == "label_images":
                remedy = "Names are L1_<patient>_D3.png, D4 or D5: rename it, or leave it out."
                self._rejects.append(Reject(file, "unknown label name", "cannot be assigned to a slice", remedy))
            return
        key = (patient_number(match["patient"]), level)
        if self._files[match["kind"].upper()].setdefault(key, file) != file:
            self._rejects.append(Reject(file, "duplicate label", "a second file of this patient and disc", "Keep one."))


def _open(path: Path) -> Tree:
    if path.is_file():
        return ZipTree(path)
    if not path.is_dir():
        raise LssError(f"{path}: cohort.experts: no such folder or archive. {EXPERTS_REMEDY}")
    archives = sorted(path.glob("*.zip"))
    if archives and not any(entry.is_dir() for entry in path.iterdir()):
        if len(archives) > 1:
            raise LssError(f"{path}: cohort.experts: holds {len(archives)} archives. Name the one to use.")
        return ZipTree(archives[0])
    return FolderTree(path)

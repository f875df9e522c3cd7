"""Reading with the small models of conftest.py, and phantom studies in other forms than the archive's."""

from __future__ import annotations

import io
from collections import defaultdict
from pathlib import Path

import numpy as np
import pydicom
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import EnhancedMRImageStorage

from lss.read.models import Models
from lss.read.reading import Reading, read_slices
from lss.read.run import Settings
from lss.read.study import open_study


def read_all(
    path: Path, models: Models | None, settings: Settings, like: Models | None = None, spacing: float | None = None
) -> Reading:
    """Open and read a study; without `models` only measured, slices prepared as those of `like`."""
    preparation = (models or like).grader.preparation  # type: ignore[union-attr]
    return read_slices(open_study(path, spacing), preparation, models, settings.writing, 0, 8, shown=False)


def series_of(study: Path) -> dict[str, list[pydicom.FileDataset]]:
    """The study's DICOM files by series folder, in order of their instance numbers."""
    result = defaultdict(list)
    for path in sorted(study.rglob("*.ima")):
        result[path.parent.name].append(pydicom.dcmread(path))
    return {name: sorted(files, key=lambda data: int(data.InstanceNumber)) for name, files in result.items()}


def _item(**values: object) -> Sequence:
    item = Dataset()
    for name, value in values.items():
        setattr(item, name, value)
    return Sequence([item])


def as_enhanced(files: list[pydicom.FileDataset]) -> bytes:
    """A series of single images as one Enhanced MR file (PS3.3 A.36), with what is each frame's in its groups."""
    made = pydicom.dcmread(io.BytesIO(_bytes(files[0])))
    for name in ("ImagePositionPatient", "ImageOrientationPatient", "PixelSpacing", "EchoTime", "RepetitionTime",
                 "SliceLocation", "SliceThickness", "SpacingBetweenSlices"):  # fmt: skip
        if name in made:
            delattr(made, name)
    made.SOPClassUID = made.file_meta.MediaStorageSOPClassUID = EnhancedMRImageStorage
    made.SOPInstanceUID = made.file_meta.MediaStorageSOPInstanceUID = f"1.2.3.{files[0].SeriesNumber}"
    made.NumberOfFrames, made.InstanceNumber = len(files), 1
    frames = []
    for data in files:
        frame = Dataset()
        frame.PlanePositionSequence = _item(ImagePositionPatient=data.ImagePositionPatient)
        frame.PlaneOrientationSequence = _item(ImageOrientationPatient=data.ImageOrientationPatient)
        frame.PixelMeasuresSequence = _item(PixelSpacing=data.PixelSpacing, SliceThickness=data.SliceThickness)
        frame.MREchoSequence = _item(EffectiveEchoTime=float(data.EchoTime))
        frame.MRTimingAndRelatedParametersSequence = _item(RepetitionTime=data.RepetitionTime)
        frame.MRImageFrameTypeSequence = _item(FrameType=data.ImageType)
        frames.append(frame)
    made.PerFrameFunctionalGroupsSequence = Sequence(frames)
    made.SharedFunctionalGroupsSequence = Sequence([Dataset()])
    made.PixelData = np.concatenate([data.pixel_array for data in files]).astype("<u2").tobytes()
    return _bytes(made)


def _bytes(data: pydicom.FileDataset) -> bytes:
    stream = io.BytesIO()
    data.save_as(stream, enforce_file_format=True)
    return stream.getvalue()

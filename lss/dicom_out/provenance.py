"""The provenance of an object: its maker, its algorithm, and its unique identifiers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import highdicom as hd
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import UID, generate_uid

from lss import __version__
from lss.runtime.seeding import derive_seed

MANUFACTURER = "lss project"
MODEL = "lss"
ALGORITHM = "lss lumbar stenosis"
RESEARCH = "Research software: a radiologist decides"


@dataclass(frozen=True)
class Provenance:
    """The run that makes the objects of one study.

    Attributes:
        study: StudyInstanceUID of the source images.
        model: name and hash of the model; another model gives other identifiers.
        seed: the seed of the run.
        timestamp: date and time written into the objects; nothing else in them depends on the clock.
    """

    study: str
    model: str
    seed: int
    timestamp: datetime

    def uid(self, *names: object) -> UID:
        """Return the identifier of the object called `names`: the same for the same study, model, version and seed."""
        number = derive_seed(self.seed, "dicom", self.study, self.model, __version__, *names)
        return generate_uid(entropy_srcs=["lss", self.study, str(number), *map(str, names)])

    @property
    def serial_number(self) -> str:
        """Return the model's name as DeviceSerialNumber, since software has none; 64 characters at most."""
        return self.model[:64] or "none"

    def algorithm(self) -> hd.AlgorithmIdentificationSequence:
        """Return the identification of the algorithm that drew the segments."""
        return hd.AlgorithmIdentificationSequence(
            ALGORITHM, codes.DCM.ArtificialIntelligence, __version__, parameters={"model": self.model, "use": RESEARCH}
        )

    def stamp(self, dataset: Dataset) -> None:
        """Replace, in place, values that the library draws or reads from the clock: a study gives the same bytes twice.

        `dataset` is the object to write.
        """
        organisation = self.uid("dimensions", dataset.SOPInstanceUID)
        values = {
            **dict.fromkeys(_DATES, self.timestamp.strftime("%Y%m%d")),
            **dict.fromkeys(_TIMES, self.timestamp.strftime("%H%M%S")),
            "ContributionDateTime": self.timestamp.strftime("%Y%m%d%H%M%S"),
            "DimensionOrganizationUID": organisation,
        }

        def replace(holder: Dataset, element: Any) -> None:
            if element.keyword in values:
                setattr(holder, element.keyword, values[element.keyword])

        dataset.walk(replace)


_DATES = ("InstanceCreationDate", "ContentDate", "SeriesDate", "DateOfSecondaryCapture")
_TIMES = ("InstanceCreationTime", "ContentTime", "SeriesTime", "TimeOfSecondaryCapture")

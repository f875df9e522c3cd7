"""Who made an object, by which algorithm, and under which unique identifiers."""

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
        when: date and time written into the objects; nothing else in them depends on the clock.
    """

    study: str
    model: str
    seed: int
    when: datetime

    def uid(self, *names: object) -> UID:
        """Return the identifier of the object called `names`: the same for the same study, model, version and seed."""
        number = derive_seed(self.seed, "dicom", self.study, self.model, __version__, *names)
        return generate_uid(entropy_srcs=["lss", self.study, str(number), *map(str, names)])

    @property
    def serial_number(self) -> str:
        """DeviceSerialNumber: software has none, so the model stands for it."""
        return self.model[:64] or "none"

    def algorithm(self) -> hd.AlgorithmIdentificationSequence:
        """Return the algorithm, for segments."""
        return hd.AlgorithmIdentificationSequence(
            ALGORITHM, codes.DCM.ArtificialIntelligence, __version__, parameters={"model": self.model, "use": RESEARCH}
        )

    def stamp(self, made: Dataset) -> None:
        """Set what the library draws or reads from the clock, in place, so that a study gives the same bytes twice."""
        organisation = self.uid("dimensions", made.SOPInstanceUID)
        values = {
            **dict.fromkeys(_DATES, self.when.strftime("%Y%m%d")),
            **dict.fromkeys(_TIMES, self.when.strftime("%H%M%S")),
            "ContributionDateTime": self.when.strftime("%Y%m%d%H%M%S"),
            "DimensionOrganizationUID": organisation,
        }

        def replace(holder: Dataset, element: Any) -> None:
            if element.keyword in values:
                setattr(holder, element.keyword, values[element.keyword])

        made.walk(replace)


_DATES = ("InstanceCreationDate", "ContentDate", "SeriesDate", "DateOfSecondaryCapture")
_TIMES = ("InstanceCreationTime", "ContentTime", "SeriesTime", "TimeOfSecondaryCapture")

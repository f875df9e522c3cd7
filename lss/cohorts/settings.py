"""Settings of the stages cohort, ingest and split: which raw files, what is read from them, who trains on them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer, model_validator

from lss.cohorts.labels import unlabelled
from lss.phantom.settings import PhantomParams
from lss.project.section import Fraction, Names, Section

ArchiveName = Literal["phantom", "lss", "rsna", "folder"]
"""What kind of files an archive holds, and so who reads it."""


class FolderParams(Section):
    """Columns of a user's own table of notes or grades, and a table of single files (`lss.cohorts.slice_table`)."""

    table: str | None
    patient_column: str
    note_column: str | None
    grade_column: str | None
    plane_column: str | None
    weighting_column: str | None
    slices: str | None = None  # settings written before version 0.3 lack it


class ArchiveParams(Section):
    """An archive with a label: one of several that are trained on as one, or one that models are only tested on."""

    label: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,30}$")]
    name: ArchiveName
    root: Path
    phantom: PhantomParams = PhantomParams(patients=48, unusual=0.0)
    folder: FolderParams = FolderParams(
        table=None,
        patient_column="patient_id",
        note_column="note",
        grade_column=None,
        plane_column=None,
        weighting_column=None,
    )

    def as_cohort(self, batches: int) -> CohortParams:
        """Return the section `cohort` that its stages read, with so many batches of patients."""
        return CohortParams(
            name=self.name,
            root=self.root,
            batches=batches,
            caveat=None,
            experts=None,
            phantom=self.phantom,
            folder=self.folder,
        )


SEVERAL = "several"
"""In place of the name of a cohort: its `parts` are one."""


class CohortParams(Section):
    """Which raw files."""

    name: Literal[ArchiveName, "several"]
    root: Path
    batches: Annotated[int, Field(ge=1, le=100)]
    caveat: str | None
    experts: Path | None
    phantom: PhantomParams
    folder: FolderParams
    parts: list[ArchiveParams] = Field(default=[])  # settings written before version 0.4 lack it

    @model_validator(mode="after")
    def _has_parts(self) -> CohortParams:
        if self.name == SEVERAL and not self.parts:
            raise ValueError("name is several, and parts names no archive. List {label, name, root} of each there")
        return self

    @model_serializer(mode="wrap")
    def _without_parts_of_nothing(self, write: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out parts that no stage reads: what was made before there was such a setting is of the same ones."""
        settings: dict[str, Any] = write(self)
        if self.name != SEVERAL:
            settings.pop("parts", None)
        return settings

    @property
    def archives(self) -> dict[str, CohortParams]:
        """The archives that the files lie in, by label: one, whose label is "", or those of `parts`."""
        if self.name != SEVERAL:
            return {"": self}
        return {part.label: part.as_cohort(self.batches) for part in self.parts}

    @property
    def labels(self) -> list[str]:
        """Labels of the archives that are one; none of a single archive."""
        return [part.label for part in self.parts] if self.name == SEVERAL else []

    @property
    def title(self) -> str:
        """The name; of several archives with label and name of each."""
        archives = ", ".join(f"{part.label}: {part.name}" for part in self.parts)
        return f"{self.name} ({archives})" if self.labels else self.name

    def archive_of(self, name: str) -> CohortParams:
        """Return the archive that a patient or a file is of, by the label before its name (`lss.cohorts.labels`)."""
        return self.archives.get(unlabelled(name, self.archives)[0], self)


def reading_settings(cohort: CohortParams) -> dict[str, Any]:
    """Return what ingest reads of the section `cohort`, as JSON values: not how a phantom is made, and no caveat."""
    return cohort.model_dump(
        mode="json", exclude={"phantom": True, "caveat": True, "experts": True, "parts": {"__all__": {"phantom"}}}
    )


class IngestParams(Section):
    """From raw files to the slice table."""

    unnamed_level: Literal["A", "note", "none"]
    unknown_level: Literal["note", "none"]
    assumed_spacing_mm: Annotated[float, Field(ge=0.1, le=10)] | None
    pseudonym_key_file: Path | None


class FractionParams(Section):
    """Shares of the patients."""

    train: Fraction
    val: Fraction
    test: Fraction

    @model_validator(mode="after")
    def _sum_to_one(self) -> FractionParams:
        if abs(self.train + self.val + self.test - 1) > 1e-9:
            raise ValueError(f"train + val + test must be 1, not {self.train + self.val + self.test:g}")
        return self


ALL = "all"
"""In place of a fold: every fold is the test part once."""


class SplitParams(Section):
    """Who trains, who validates, who tests."""

    plane: Literal["axial", "sagittal", "coronal"]
    weighting: Annotated[Names[Literal["T1", "T2"]], Field(min_length=1)]
    fractions: FractionParams
    file: Path | None
    folds: Annotated[int, Field(ge=3)] | None
    fold: Annotated[int, Field(ge=0)] | Literal["all"]
    min_usable_share: Fraction
    duplicate_bits: Annotated[int, Field(ge=0, le=64)]

    @model_validator(mode="after")
    def _one_way_to_split(self) -> SplitParams:
        if self.file is not None and self.folds is not None:
            raise ValueError("file and folds are both set. Set one of them to null: either your split or k-fold")
        if self.folds is None and self.fold:
            raise ValueError(f"fold is {self.fold}, but folds is null. Set folds to their number (k), or fold to 0")
        if self.folds is not None and self.first_fold >= self.folds:
            raise ValueError(f"fold ({self.fold}) must be below folds ({self.folds}): the first is 0")
        shares = self.fractions.model_dump()
        if (
            self.file is None
            and self.folds is None
            and (empty := [name for name, share in shares.items() if not share])
        ):
            raise ValueError(
                f"fractions: {', '.join(empty)} must be above 0: stages learn from train, choose by val, report on test"
            )
        return self

    @property
    def first_fold(self) -> int:
        """The fold that tables and figures are of; of `all` the first. The others are pooled by `cross_validation`."""
        return self.fold if isinstance(self.fold, int) else 0

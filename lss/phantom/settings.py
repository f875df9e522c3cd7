"""Settings of the embedded phantom cohort."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lss.project.section import Fraction, Section


class PhantomParams(Section):
    """The embedded cohort; `unusual` is the share of patients whose levels are wrong if counted by axial blocks."""

    patients: Annotated[int, Field(ge=3)]
    unusual: Fraction

"""Settings of the stages tables, figures and page."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from lss.project.section import Count, Section


class TableParams(Section):
    """Tables."""

    digits: Annotated[int, Field(ge=1, le=8)]


class FigureParams(Section):
    """Figures."""

    dpi: Annotated[int, Field(ge=50, le=1200)]
    cases_per_grade: Count
    reports_per_grade: Count


class PageParams(Section):
    """The result page."""

    title: str
    cases: Count

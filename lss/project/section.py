"""What the settings of every part are built from: a strict section, and kinds of values.

Each room holds the sections that it reads in its `settings.py`; `lss.project.params` puts them together.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationInfo, field_validator

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


def odd(value: int) -> int:
    """Return the value of a window's side. Raises ValueError where it is even."""
    if value % 2 == 0:
        raise ValueError(f"must be odd, so that it has a centre pixel: {value - 1 or 1} or {value + 1}")
    return value


Odd = Annotated[Count, AfterValidator(odd)]
"""The side of a window, in pixels."""


def named(names: Callable[[], list[str]]) -> AfterValidator:
    """Return a name among those that a registry holds when the settings are read."""

    def check(value: str) -> str:
        if value not in (allowed := names()):
            *first, last = map(repr, allowed)
            raise ValueError(f"Input should be {', '.join(first)} or {last}" if first else f"Input should be {last}")
        return value

    return AfterValidator(check)


T = TypeVar("T")


def _each_once(values: list[T]) -> list[T]:
    twice = [value for index, value in enumerate(values) if value in values[:index]]
    if twice:
        raise ValueError(f"names {twice[0]!r} twice")
    return values


Names = Annotated[list[T], AfterValidator(_each_once)]
"""A list that names everything once."""


class Section(BaseModel):
    """A section of settings that refuses unknown keys, NaN and infinity."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Refuse true for a number: Python takes it for 1, and `epochs: yes` would train for one epoch."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("is no switch (yes, no, on, off, true, false); text of that name needs quotes")
        return value

"""How the modules of `lss.reporting.tables` choose their measures."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from lss.evaluation.measures import Key, Measure, key_of, matches, names_of
from lss.evaluation.vocabulary import check_names

OVERLAP = ("dice", "iou", "precision", "recall", "specificity")
REPORT_SYSTEMS = (
    "report", "level_grade", "above_level_grade", "central", "above_central", "shuffled", "above_shuffled",
    "shuffled_level", "above_shuffled_level", "shuffled_level_grade", "above_shuffled_level_grade",
    "template", "above_template", "most_frequent", "above_most_frequent", "most_frequent_level",
    "above_most_frequent_level", "nearest_image", "above_nearest_image", "nearest_level", "above_nearest_level",
)  # fmt: skip


class FiledMeasures(list[Measure]):
    """All measures of a run, filed once under their names; a table asks for thousands of them."""

    @cached_property
    def by_key(self) -> dict[tuple[str, ...], Measure]:
        """The first measure under each key."""
        return {key_of(row): row for row in reversed(self)}

    @cached_property
    def keys(self) -> list[Key]:
        """What the measures are of, each once, in their order."""
        first: dict[tuple[str, ...], Key] = {}
        for row in self:
            first.setdefault(names_of(row), _key(row))
        return list(first.values())


def select(
    measures: FiledMeasures, keys: list[Key], names: tuple[str, ...], strata: tuple[str, ...]
) -> Iterator[Measure]:
    """Yield the measures of each key, all strata of a metric together; what was not measured is left out.

    Raises LssError for a metric or a stratum that no measure can have (`lss.evaluation.vocabulary`).
    """
    for metric in names:
        check_names(metric=metric)
    for stratum in strata:
        check_names(stratum=stratum)
    for key in keys:
        for metric in names:
            for stratum in strata:
                row = measures.by_key.get((*names_of(key), metric, stratum))
                if row is not None:
                    yield row


def models(measures: FiledMeasures, **names: str) -> list[Key]:
    """Return the keys that occur, in their order, of those with the names given (of `Key`).

    Raises LssError for a name that no measure can have.
    """
    check_names(**names)
    return [key for key in measures.keys if matches(key, names)]


def _key(row: Key) -> Key:
    """Return the key of a measure."""
    return {"task": row["task"], "backbone": row["backbone"], "loss": row["loss"], "source": row["source"],
            "reference": row["reference"]}  # fmt: skip


def first_losses(keys: list[Key]) -> list[Key]:
    """Return the models of each backbone trained with its first loss: the one its reports build on."""
    first: dict[str, str] = {}
    for key in keys:
        first.setdefault(key["backbone"], key["loss"])
    return [key for key in keys if first[key["backbone"]] == key["loss"]]

"""How the modules of `lss.reporting.tables` choose their measures."""

from __future__ import annotations

from collections.abc import Iterator

from lss.evaluation.measures import Key, Measure, key_of, matches, names_of
from lss.evaluation.vocabulary import check_names

OVERLAP = ("dice", "iou", "precision", "recall", "specificity")
REPORT_SYSTEMS = (
    "report", "level_grade", "above_level_grade", "central", "above_central", "shuffled", "above_shuffled",
    "shuffled_level", "above_shuffled_level", "shuffled_level_grade", "above_shuffled_level_grade",
    "template", "above_template", "most_frequent", "above_most_frequent", "most_frequent_level",
    "above_most_frequent_level", "nearest_image", "above_nearest_image", "nearest_level", "above_nearest_level",
)  # fmt: skip


def select(
    measures: list[Measure], keys: list[Key], names: tuple[str, ...], strata: tuple[str, ...]
) -> Iterator[Measure]:
    """Yield the measures of each key, all strata of a metric together; what was not measured is left out.

    Raises LssError for a metric or a stratum that no measure can have (`lss.evaluation.vocabulary`).
    """
    for metric in names:
        check_names(metric=metric)
    for stratum in strata:
        check_names(stratum=stratum)
    by_key = {key_of(row): row for row in reversed(measures)}  # the first of equals
    for key in keys:
        for metric in names:
            for stratum in strata:
                row = by_key.get((*names_of(key), metric, stratum))
                if row is not None:
                    yield row


def models(measures: list[Measure], **key: str) -> list[Key]:
    """Return the keys that occur, in their order, of those with the names given.

    Raises LssError for a name that no measure can have.
    """
    check_names(**key)
    keys: dict[tuple[str, ...], Key] = {}
    for row in measures:
        if matches(row, key):
            keys.setdefault(names_of(row), _key(row))
    return list(keys.values())


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

"""How the modules of `lss.reporting.tables` choose their measures."""

from __future__ import annotations

from collections.abc import Iterator

from lss.evaluation.measures import KEY, Measure

OVERLAP = ("dice", "iou", "precision", "recall", "specificity")
REPORT_SYSTEMS = (
    "report", "level_grade", "above_level_grade", "central", "above_central", "shuffled", "above_shuffled",
    "shuffled_level", "above_shuffled_level", "shuffled_level_grade", "above_shuffled_level_grade",
    "template", "above_template", "most_frequent", "above_most_frequent", "most_frequent_level",
    "above_most_frequent_level", "nearest_image", "above_nearest_image", "nearest_level", "above_nearest_level",
)  # fmt: skip

Key = dict[str, str]


def select(
    measures: list[Measure], keys: list[Key], names: tuple[str, ...], strata: tuple[str, ...]
) -> Iterator[Measure]:
    """Measures of each key, all strata of a metric together; what was not measured is left out."""
    by_key = {tuple(row[name] for name in KEY): row for row in reversed(measures)}  # the first of equals
    for key in keys:
        for metric in names:
            for stratum in strata:
                wanted = key | {"metric": metric, "stratum": stratum}
                row = by_key.get(tuple(wanted[name] for name in KEY))
                if row is not None:
                    yield row


def models(measures: list[Measure], **key: str) -> list[Key]:
    """Keys (task, backbone, loss, source, reference) that occur, in their order."""
    names = ("task", "backbone", "loss", "source", "reference")
    found = dict.fromkeys(
        tuple(row[name] for name in names) for row in measures if all(row[name] == value for name, value in key.items())
    )
    return [dict(zip(names, values, strict=True)) for values in found]


def first_losses(keys: list[Key]) -> list[Key]:
    """Of each backbone, the models trained with its first loss: the one its reports build on."""
    first: dict[str, str] = {}
    for key in keys:
        first.setdefault(key["backbone"], key["loss"])
    return [key for key in keys if first[key["backbone"]] == key["loss"]]

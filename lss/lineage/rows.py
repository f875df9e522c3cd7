"""Which inputs a row of a table depends on: the models that it is about, and nothing of the others."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lss.errors import LssError
from lss.evaluation.measures import Measure
from lss.project import layout
from lss.project.models import Run, ablation_arms, base_run, model_runs
from lss.project.params import Params
from lss.reporting.names import BACKBONES, LOSSES, SOURCES, model_name
from lss.reporting.table_choice import FiledMeasures
from lss.reporting.tables import table_records
from lss.storage.io import read_json


@dataclass(frozen=True)
class Scope:
    """Which files a question is about.

    Attributes:
        left_out: beginnings of the paths of those it is not about.
        about: the models it is about, in words; empty where it is about all.
    """

    left_out: tuple[str, ...] = ()
    about: list[str] = field(default_factory=list)

    def keeps(self, path: str) -> bool:
        """Return whether the answer covers the file at `path`."""
        return not path.startswith(self.left_out) if self.left_out else True


def scope_of_rows(
    table: str, params: Params, *, row: int | None = None, where: dict[str, str] | None = None, root: Path = Path()
) -> Scope:
    """Return what some rows of a table depend on.

    Args:
        table: path of the table's CSV file from the project's folder `root`.
        params: the settings of the run.
        row: number of a row, from 1, the header not counted.
        where: values that rows must have, by column; `backbone` and `loss` also take the names of params.yaml.

    Raises LssError where there is no such row or column, or the file is no table of this run.
    """
    number = next((number for number, stem in layout.TABLES.items() if f"{stem}.csv" == table), None)
    if number is None:
        raise LssError(f"{table}: --row and --where choose rows of a table, a file results/tables/table*.csv.")
    try:
        with (root / table).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except OSError as error:
        raise LssError(f"{table}: cannot be read ({error.strerror}). `snakemake --cores 8 tables` writes it.") from None
    chosen = _chosen(table, rows, row, where or {})
    record = table_records()[number]
    if record.made_of == "ablation":
        names = {rows[index]["model"] for index in chosen}
        arms = [arm for arm in ablation_arms(params.ablation) if model_name(arm.backbone) in names]
        return _scope([], [arm._asdict() for arm in arms], params)
    if not record.choose and record.made_of != "tests":  # made of all numbers together
        return Scope()
    statistics = read_json(root / layout.STATISTICS)
    runs = (
        [_runs_of_measure(measure, params) for measure in record.choose(FiledMeasures(statistics["measures"]))]
        if record.choose
        else [_runs_of_test(test, params) for test in statistics["tests"]]
    )
    if len(runs) != len(rows):
        raise LssError(f"{table}: is not of {layout.STATISTICS} as it is now. Run `snakemake --cores 8 tables`.")
    return _scope(list(dict.fromkeys(run for index in chosen for run in runs[index])), [], params)


def _chosen(table: str, rows: list[dict[str, str]], row: int | None, where: dict[str, str]) -> list[int]:
    """Return places of the rows asked for, from 0."""
    if row is not None and not 1 <= row <= len(rows):
        raise LssError(f"{table}: --row {row}: there is no such row, it has {len(rows)} (the header is not counted).")
    places = [row - 1] if row is not None else list(range(len(rows)))
    for column, value in where.items():
        named = "model" if column == "backbone" else column
        if rows and named not in rows[0]:
            raise LssError(f"{table}: --where {column}={value}: no such column. There are: {', '.join(rows[0])}.")
        printed = {value, (BACKBONES if named == "model" else LOSSES if named == "loss" else {}).get(value, value)}
        places = [place for place in places if rows[place][named] in printed]
        if not places:
            values = sorted({row[named] for row in rows})
            raise LssError(f"{table}: --where {column}={value}: no such row. Values there: {', '.join(values[:12])}.")
    return places


def _runs_of_measure(measure: Measure, params: Params) -> list[Run]:
    """Return models that a measure was taken of. A control that takes the grade from the head needs the grade's model
    too.
    """
    backbone, loss, task = measure["backbone"], measure["loss"], measure["task"]
    of_backbone = [run for run in model_runs(params.train) if run.backbone == backbone]
    own = [run for run in of_backbone if run.loss == loss]
    own = [run for run in own if run.task == task] or own or of_backbone
    source = measure["source"].removeprefix("above_")
    by_head = [run for run in of_backbone if run.task == "classification"] if "head" in SOURCES.get(source, "") else []
    return [*own, *by_head]


def _runs_of_test(test: dict[str, Any], params: Params) -> list[Run]:
    """Return models that a test compares: those whose names stand in it."""
    words = set(re.findall(r"\w+", " ".join(test[name] for name in ("family", "first", "second"))))
    runs = [run for run in model_runs(params.train) if run.backbone in words]
    return [run for run in runs if run.loss in words] or runs


def _scope(runs: list[Run], arms: list[dict[str, Any]], params: Params) -> Scope:
    """Return everything but what belongs to other models than `runs` (and those that they build on) and other arms."""
    wanted = {*runs, *filter(None, (base_run(params.train, run) for run in runs))}
    left_out: list[str] = []
    for run in model_runs(params.train):
        if run not in wanted:
            names = run._asdict()
            left_out += [layout.PREDICTIONS.format(**names), f"{layout.MODEL.format(**names)}/"]
            left_out += [layout.MANIFEST.format(name=f"{stage}/{'-'.join(run)}") for stage in ("train", "predict")]
    for arm in ablation_arms(params.ablation):
        if arm._asdict() not in arms:
            left_out += [pattern.format(**arm._asdict()) for pattern in (layout.ABLATION_CASES, layout.ABLATION_EPOCHS)]
    if not arms:
        left_out += [layout.ABLATION]
    about = [
        *(" ".join(run) for run in model_runs(params.train) if run in wanted),
        *(" ".join(map(str, arm.values())) for arm in arms),
    ]
    return Scope(tuple(left_out), about or ["no model"])

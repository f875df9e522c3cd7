"""params.yaml as typed sections, checked before anything runs.

A wrong key or value raises LssError with the key, the value found and the values allowed. A section is defined in the
`settings.py` of the room that reads it; here they are put together, and what holds between them is checked.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, Field, ValidationError, model_validator

from lss.backbones.settings import WeightParams
from lss.cohorts.settings import ArchiveParams, CohortParams, IngestParams, SplitParams
from lss.errors import LssError
from lss.evaluation.settings import AblationParams, EvaluateParams
from lss.imaging.settings import DenoiseParams, PseudoMaskParams, ShardParams
from lss.inference.settings import PredictParams
from lss.model.settings import UNET_SMALLEST
from lss.project import layout
from lss.project.plan_settings import settings_path
from lss.project.section import Section
from lss.project.settings_file import Lines, read_settings
from lss.reporting.settings import FigureParams, PageParams, TableParams
from lss.runtime.settings import ExecutionParams
from lss.training.settings import TrainParams


class Params(Section):
    """The whole of params.yaml."""

    preset: Literal["phantom", "paper", "paper-literal"]
    seed: Annotated[int, Field(ge=0)]
    execution: ExecutionParams
    cohort: CohortParams
    external: list[ArchiveParams] = Field(default=[])  # settings written before version 0.4 lack it
    ingest: IngestParams
    split: SplitParams
    denoise: DenoiseParams
    pseudo_mask: PseudoMaskParams
    shards: ShardParams
    weights: WeightParams
    train: TrainParams
    predict: PredictParams
    evaluate: EvaluateParams
    ablation: AblationParams
    tables: TableParams
    figures: FigureParams
    page: PageParams

    @model_validator(mode="after")
    def _sections_fit_together(self) -> Params:
        strange = sorted(set(self.ablation.backbones) - set(self.train.backbones))
        if self.ablation.repeats and strange:
            raise ValueError(
                f"ablation.backbones: {', '.join(strange)} must be among train.backbones "
                f"({', '.join(self.train.backbones)}), whose weights are made"
            )
        if self.ablation.repeats and self.ablation.unet_losses and self.train.mask_size < UNET_SMALLEST:
            raise ValueError(
                f"train.mask_size ({self.train.mask_size}) must be at least {UNET_SMALLEST} for the U-Net of "
                "ablation.unet_losses; [] leaves it out"
            )
        train, processes = self.train, self.execution.processes
        if train.batch_size % (train.micro_batch_size * processes):
            raise ValueError(
                f"train.batch_size ({train.batch_size}) must be a multiple of train.micro_batch_size "
                f"({train.micro_batch_size}) times execution.processes ({processes})"
            )
        patients = self.cohort.phantom.patients
        if self.cohort.name == "phantom" and self.split.folds is not None and self.split.folds > patients:
            raise ValueError(f"split.folds ({self.split.folds}) must not exceed cohort.phantom.patients ({patients})")
        labels = [*self.cohort.labels, *(external.label for external in self.external)]
        where = "cohort.parts and external" if self.cohort.labels else "external"
        if twice := {label for label in labels if labels.count(label) > 1}:
            raise ValueError(f"{where}: the label {min(twice)} is given twice. Each cohort needs one of its own")
        own = [archive.root.resolve() for archive in self.cohort.archives.values()]
        roots = [*own, *(external.root.resolve() for external in self.external)]
        if len(set(roots)) < len(roots):
            raise ValueError(
                f"{where}: two cohorts lie in one folder (root). An external cohort must not be the one that is "
                "trained on, nor stand twice"
            )
        if any(first in second.parents for first in own for second in own):
            raise ValueError("cohort.parts: one archive lies in the folder (root) of another. Move it out of there")
        return self


def load_params(path: Path | str | None = None) -> Params:
    """Read and check the settings in `path`; where not given, in params.yaml or, in a job, as its plan had them.

    Raises LssError that lists every wrong key or value with its line and the allowed ones.
    """
    path = path or settings_path()
    raw, lines = read_settings(path)
    return check_params(raw, str(path), lines)


def check_params(raw: dict[str, Any], source: str = layout.PARAMS, lines: Lines | None = None) -> Params:
    """Check settings that were read already (Snakemake's `config`); see `load_params`."""
    try:
        return Params.model_validate(raw)
    except ValidationError as error:
        problems = [_explain(dict(problem), lines or {}) for problem in error.errors()]
        raise LssError(f"{source}: {len(problems)} wrong setting(s)\n  " + "\n  ".join(problems)) from None


def _explain(problem: dict[str, Any], lines: Lines) -> str:
    """Return one line on one wrong setting."""
    loc = tuple(map(str, problem["loc"]))
    key = ".".join(loc) or "(top level)"
    line = next((lines[loc[:depth]] for depth in range(len(loc), 0, -1) if loc[:depth] in lines), None)
    if line is not None:
        key = f"line {line}: {key}"
    if problem["type"] == "extra_forbidden":
        return f"{key}: no such setting. {_allowed_keys(problem['loc'][:-1])}"
    if problem["type"] == "missing":
        return f"{key}: is missing"
    message = problem["msg"].removeprefix("Value error, ")
    if isinstance(problem["input"], dict):  # a rule over a section, which says itself what it found
        return f"{key}: {message}" if problem["loc"] else message
    return f"{key}: {message} (found {problem['input']!r})"


def _allowed_keys(loc: tuple[Any, ...]) -> str:
    model: type[BaseModel] | None = Params
    for name in loc:
        model = _section(model.model_fields[name].annotation) if model and name in model.model_fields else model
    return f"Allowed here: {', '.join(model.model_fields)}" if model else ""


def _section(annotation: Any) -> type[BaseModel] | None:
    """Return the section in the type of a setting, such as `TowerParams | None`."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((section for part in get_args(annotation) if (section := _section(part))), None)

"""params.yaml as typed sections, checked before anything runs.

A wrong key or value raises LssError with the key, the value found and the values allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    create_model,
    field_validator,
    model_validator,
)

from lss.backbones.registry import BACKBONES, backbone_names
from lss.errors import LssError
from lss.losses.registry import loss_names
from lss.project import layout
from lss.project.plan_settings import settings_path
from lss.project.settings_file import Lines, read_settings

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]
Device = Literal["auto", "cpu", "cuda"]
Fusion = Literal["spatial", "broadcast", "none"]
PromptMode = Literal["predicted", "bank", "oracle"]
Queries = Literal["text", "learned", "shuffled", "empty"]
Guidance = Literal["spatial", "broadcast", "none", "learned", "shuffled", "empty"]
"""What the ablation compares: a fusion of the texts, or `spatial` with a control in the texts' place."""

UNET_SMALLEST = 32
"""Pixels: a U-Net halves its image four times, and normalises over more than one pixel at the bottom."""


def _named(names: Callable[[], list[str]]) -> AfterValidator:
    """A name among those that a registry holds when the settings are read."""

    def check(value: str) -> str:
        if value not in (allowed := names()):
            *first, last = map(repr, allowed)
            raise ValueError(f"Input should be {', '.join(first)} or {last}" if first else f"Input should be {last}")
        return value

    return AfterValidator(check)


Backbone = Annotated[str, _named(backbone_names)]
MaskLoss = Annotated[str, _named(partial(loss_names, "segmentation"))]


T = TypeVar("T")


def _each_once(values: list[T]) -> list[T]:
    twice = [value for index, value in enumerate(values) if value in values[:index]]
    if twice:
        raise ValueError(f"names {twice[0]!r} twice")
    return values


Names = Annotated[list[T], AfterValidator(_each_once)]
"""A list that names everything once."""


class Section(BaseModel):
    """A section refuses keys it does not know, and numbers that are none."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        """Python takes true for 1: `epochs: yes` would train for one epoch."""
        if isinstance(value, bool) and cls.model_fields[str(info.field_name)].annotation is not bool:
            raise ValueError("is no switch (yes, no, on, off, true, false); text of that name needs quotes")
        return value


class PhantomParams(Section):
    """The embedded cohort; `unusual` is the share of patients of whom counting axial blocks makes wrong levels."""

    patients: Annotated[int, Field(ge=3)]
    unusual: Fraction


class FolderParams(Section):
    """Columns of a user's own table of notes or grades, and a table of single files (`lss.cohorts.slice_table`)."""

    table: str | None
    patient_column: str
    note_column: str | None
    grade_column: str | None
    plane_column: str | None
    weighting_column: str | None
    slices: str | None = None  # settings written before version 0.3 lack it


class CohortParams(Section):
    """Which raw files."""

    name: Literal["phantom", "lss", "rsna", "folder"]
    root: Path
    batches: Annotated[int, Field(ge=1, le=100)]
    caveat: str | None
    experts: Path | None
    phantom: PhantomParams
    folder: FolderParams


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


class SplitParams(Section):
    """Who trains, who validates, who tests."""

    plane: Literal["axial", "sagittal", "coronal"]
    weighting: Annotated[Names[Literal["T1", "T2"]], Field(min_length=1)]
    fractions: FractionParams
    file: Path | None
    folds: Annotated[int, Field(ge=3)] | None
    fold: Annotated[int, Field(ge=0)]
    min_usable_share: Fraction
    duplicate_bits: Annotated[int, Field(ge=0, le=64)]

    @model_validator(mode="after")
    def _one_way_to_split(self) -> SplitParams:
        if self.file is not None and self.folds is not None:
            raise ValueError("file and folds are both set. Set one of them to null: either your split or k-fold")
        if self.folds is None and self.fold:
            raise ValueError(f"fold is {self.fold}, but folds is null. Set folds to their number (k), or fold to 0")
        if self.folds is not None and self.fold >= self.folds:
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


def _odd(value: int) -> int:
    if value % 2 == 0:
        raise ValueError(f"must be odd, so that it has a centre pixel: {value - 1 or 1} or {value + 1}")
    return value


class DenoiseParams(Section):
    """Non-local means."""

    method: Literal["nlm", "skimage", "skimage_slow", "none"]
    patch_size: Annotated[int, Field(ge=1, le=31), AfterValidator(_odd)]
    search_radius: Annotated[int, Field(ge=1, le=50)]
    h_factor: Positive
    rician: bool


class PseudoMaskParams(Section):
    """Algorithm 1."""

    roi: Literal["canal", "centre", "none"]
    roi_margin_mm: Positive
    roi_size_mm: Positive
    canny_sigma: Positive
    kernel_severe: Annotated[Count, AfterValidator(_odd)]
    kernel_small: Annotated[Count, AfterValidator(_odd)]
    grade_a: Literal["empty", "refine"]


class ShardParams(Section):
    """Field of view, augmentation, balance, Parquet."""

    crop: Literal["canal", "centre", "none"]
    crop_mm: Positive
    area_of: Literal["region", "view"]
    balance: bool
    rotation_deg: Annotated[float, Field(ge=0, le=45)]
    zoom: Annotated[float, Field(ge=0, lt=1)]
    contrast: Annotated[float, Field(ge=0, lt=1)]
    flip: bool
    row_group_size: Count


class HubParams(Section):
    """A repository on the hub, at a commit, branch or tag."""

    hub_id: str
    revision: str


class CheckpointParams(HubParams):
    """Where a backbone's published weights come from; `companion` is what they need beside."""

    folder: Path | None
    companion: HubParams | None


class TowerParams(CheckpointParams):
    """And which vision tower it gets: the one within its own files, or the companion's."""

    vision_tower: Literal["checkpoint", "clip"]


class WeightSource(Section):
    """Where the backbones' checkpoints come from."""

    source: Literal["tiny", "published"]

    def of(self, backbone: str) -> CheckpointParams:
        """The sub-section of a backbone."""
        found: CheckpointParams = getattr(self, backbone)
        return found


if TYPE_CHECKING:
    WeightParams = WeightSource
else:  # and a sub-section for every backbone
    WeightParams = create_model(
        "WeightParams",
        __base__=WeightSource,
        **{
            record.name: (TowerParams if record.chooses_vision_tower else CheckpointParams, ...) for record in BACKBONES
        },
    )


class AugmentParams(Section):
    """A change of every training image in every epoch."""

    rotation_deg: Annotated[float, Field(ge=0, le=45)]
    zoom: Annotated[float, Field(ge=0, lt=1)]
    contrast: Annotated[float, Field(ge=0, lt=1)]


class QloraParams(Section):
    """4-bit base, low-rank adapters."""

    quantise: bool
    rank: Count
    alpha: Positive
    dropout: Annotated[float, Field(ge=0, lt=1)]


class PidParams(Section):
    """Controller of the Tversky weights, eq. 5-7."""

    kp: float
    ki: float
    kd: float
    beta_0: Annotated[float, Field(ge=0.65, le=0.85)]
    integral_limit: Positive
    count: Literal["epoch_end", "running"]


class ClassificationParams(Section):
    """Training of the grade head."""

    losses: Names[Annotated[str, _named(partial(loss_names, "classification"))]]
    epochs: Count
    patience: Count
    learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]


class SegmentationParams(Section):
    """Training of the mask decoder."""

    losses: Names[MaskLoss]
    epochs: Count
    patience: Count
    encoder_learning_rate: Positive
    decoder_learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]


class ReportParams(Section):
    """Training of the report generator."""

    losses: Names[Annotated[str, _named(partial(loss_names, "report"))]]
    focal_gamma: Annotated[float, Field(ge=0)]
    epochs: Count
    patience: Count
    learning_rate: Positive
    weight_decay: Annotated[float, Field(ge=0)]
    max_tokens: Count
    decoder_width: Annotated[int, Field(ge=8, multiple_of=4)]
    grade_weight: Annotated[float, Field(ge=0)]
    thresholds: Literal["paper", "calibrated"]
    train_token_embeddings: bool


class TrainParams(Section):
    """One training per backbone, task and loss."""

    backbones: Names[Backbone]
    baselines: Names[Literal["unet"]]
    batch_size: Count
    micro_batch_size: Count
    bf16: bool
    gradient_clip: Positive
    schedule: Literal["cosine", "constant"]
    mask_size: Annotated[int, Field(ge=16)]
    resample_grid: Count | None
    prompt: PromptMode
    queries: Queries
    grade_weight: Annotated[float, Field(ge=0)]
    fusion: Fusion
    heads: Count
    d_shared: Count
    augment: AugmentParams
    qlora: QloraParams
    gamma: Positive
    pid: PidParams
    classification: ClassificationParams
    segmentation: SegmentationParams
    report: ReportParams

    @model_validator(mode="after")
    def _fits_together(self) -> TrainParams:
        if not self.backbones:
            raise ValueError("backbones must name at least one backbone")
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size ({self.batch_size}) must be a multiple of micro_batch_size ({self.micro_batch_size})"
            )
        if self.d_shared % self.heads:
            raise ValueError(f"d_shared ({self.d_shared}) must be a multiple of heads ({self.heads})")
        if "unet" in self.baselines and self.mask_size < UNET_SMALLEST:
            raise ValueError(f"mask_size ({self.mask_size}) must be at least {UNET_SMALLEST} for the baseline unet")
        if not self.segmentation.losses:
            raise ValueError("segmentation.losses must name at least one loss: the report is written from its mask")
        return self


class PredictParams(Section):
    """Inference on the test part."""

    decoding: Literal["greedy", "beam", "sample"]
    beams: Count
    temperature: Positive
    unsupported: Literal["drop", "keep"]
    on_contradiction: Literal["keep", "regenerate", "template"]
    attempts: Count


class EvaluateParams(Section):
    """Metrics and intervals."""

    bootstrap_draws: Annotated[int, Field(ge=100)]
    interval: Literal["bca", "percentile"]
    confidence: Annotated[float, Field(gt=0.5, lt=1)]
    compare_with: Annotated[str, Field(pattern=r"^run-[0-9a-f]{12}$")] | None


class AblationParams(Section):
    """Losses, fusions and controls of the texts compared on the same shards."""

    repeats: Annotated[int, Field(ge=0)]
    backbones: Annotated[Names[Backbone], Field(min_length=1)]
    losses: Annotated[Names[MaskLoss], Field(min_length=1)]
    fusions: Annotated[Names[Guidance], Field(min_length=1)]
    unet_losses: Names[MaskLoss]


class ExecutionParams(Section):
    """How and where work is done. No stage runs again for it; manifests record it as a fact."""

    device: Device
    threads: Count
    workers: Annotated[int, Field(ge=0)]
    processes: Count
    sharding: Literal["ddp", "fsdp"]
    gradient_checkpointing: bool
    compile: bool
    predict_batch_size: Count
    write_batch_size: Count


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


class Params(Section):
    """The whole of params.yaml."""

    preset: Literal["phantom", "paper", "paper-literal"]
    seed: Annotated[int, Field(ge=0)]
    execution: ExecutionParams
    cohort: CohortParams
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
        found = [_explain(dict(problem), lines or {}) for problem in error.errors()]
        raise LssError(f"{source}: {len(found)} wrong setting(s)\n  " + "\n  ".join(found)) from None


def _explain(problem: dict[str, Any], lines: Lines) -> str:
    """One line on one wrong setting."""
    loc = tuple(map(str, problem["loc"]))
    key = ".".join(loc) or "(top level)"
    line = next((lines[loc[:depth]] for depth in range(len(loc), 0, -1) if loc[:depth] in lines), None)
    if line is not None:
        key = f"line {line}: {key}"
    if problem["type"] == "extra_forbidden":
        return f"{key}: no such setting. {_allowed_keys(problem['loc'][:-1])}"
    if problem["type"] == "missing":
        return f"{key}: is missing"
    said = problem["msg"].removeprefix("Value error, ")
    if isinstance(problem["input"], dict):  # a rule over a section, which says itself what it found
        return f"{key}: {said}" if problem["loc"] else said
    return f"{key}: {said} (found {problem['input']!r})"


def _allowed_keys(loc: tuple[Any, ...]) -> str:
    model: Any = Params
    for name in loc:
        model = model.model_fields[name].annotation
    return f"Allowed here: {', '.join(model.model_fields)}"

"""`lss plan`: what each training needs, before any weight is read.

Parameters are counted on the models themselves, built without memory. Memory and time are estimates: weights,
gradients and optimiser states are counted, activations follow Korthikanti et al. 2022, "Reducing Activation
Recomputation in Large Transformer Models", eq. 1, without its attention matrices, which fused attention never
stores: 34 * tokens * width bytes per layer in 16-bit, 2 * tokens * width where activations are recomputed.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import lss.torch_setup  # noqa: F401  isort: skip
import torch
from tabulate import tabulate
from torch import nn

from lss import layout
from lss.backbones import backbone_class
from lss.backbones.base import Backbone, Tower
from lss.backbones.published import write_configuration
from lss.backbones.qlora import add_adapters
from lss.errors import LssError
from lss.params import CheckpointParams, Params, TrainParams

GIB = 2**30
PAPER_CARD = 12.0  # GiB of the paper's card
NF4_BYTES = (4 + 8 / 64 + 32 / (64 * 256)) / 8  # per weight: 4 bits, an 8-bit scale per 64, a float per 256 scales
TRAINED_BYTES = 16  # float32 value, gradient, two moments of AdamW
CONTEXT_BYTES = 0.6 * GIB  # what CUDA and its libraries take before the first tensor
REPORT_TOWERS: tuple[Tower, ...] = ("vision", "language")


@dataclass(frozen=True)
class TowerSize:
    """Layers and width of one tower, and the tokens that pass through it per image."""

    layers: int
    width: int
    tokens: int

    def activation_bytes(self, value_bytes: int, recompute: bool) -> float:
        """Kept for the backward pass, per image."""
        whole_layer = 17 * value_bytes * self.tokens * self.width
        if not recompute:
            return self.layers * whole_layer
        return self.layers * value_bytes * self.tokens * self.width + whole_layer


@dataclass(frozen=True)
class Need:
    """What one task with one backbone takes."""

    parameters: int
    trainable: int
    grid: tuple[int, int]
    fixed_bytes: float
    bytes_per_image: float

    def peak_bytes(self, images: int) -> float:
        """Estimated peak with `images` at a time."""
        return self.fixed_bytes + images * self.bytes_per_image

    def largest_batch(self, card_bytes: float, limit: int) -> int:
        """Most images at a time that fit, at most `limit`; 0 when not even one does."""
        return max(0, min(limit, int((card_bytes - self.fixed_bytes) // self.bytes_per_image)))


def plan_table(params: Params) -> str:
    """The plan of every backbone as text: one row per backbone and kind of training."""
    card = card_gib()
    rows = []
    for name in params.train.backbones:
        for task in ("segmentation", "report"):
            need = estimate(name, task, params)
            batch = need.largest_batch(card * GIB, params.train.batch_size)
            rows.append(
                [
                    name,
                    task,
                    f"{need.parameters / 1e6:,.1f}",
                    f"{100 * need.trainable / need.parameters:.2f}",
                    f"{need.grid[0]} x {need.grid[1]} = {need.grid[0] * need.grid[1]}",
                    *(f"{need.peak_bytes(images) / GIB:.2f}" for images in (1, params.train.batch_size)),
                    f"{batch} x {-(-params.train.batch_size // batch)}" if batch else "does not fit",
                ]
            )
    full = params.train.batch_size
    header = ["backbone", "task", "parameters (M)", "adapters (%)", "patch tokens", "GiB at 1", f"GiB at {full}",
              f"images x steps in {card:.1f} GiB"]  # fmt: skip
    table = tabulate(rows, header, disable_numparse=True)
    return (
        f"{table}\n\nPreset {params.preset}. GiB: estimated peak of the backbone's training with so many images at a "
        f"time; the last column keeps the batch of {full} by accumulating gradients. Classification takes what "
        "segmentation takes."
    )


def card_gib() -> float:
    """Memory of this machine's GPU in GiB; the paper's 12 where there is none."""
    if torch.cuda.is_available():
        return torch.cuda.get_device_properties(0).total_memory / GIB
    return PAPER_CARD


def estimate(name: str, task: str, params: Params) -> Need:
    """Count and estimate for one backbone and task: "segmentation", or "report" (language model too)."""
    train = params.train
    backbone = _without_weights(name, params)
    parameters = sum(value.numel() for value in backbone.parameters())
    linear = _linear_weights(backbone) if train.qlora.quantise else 0
    value_bytes = 2 if train.bf16 else 4
    writes_text = task == "report" and backbone.language_model is not None
    towers = REPORT_TOWERS if writes_text else ("vision",)
    sizes = [_vision_size(backbone)]
    if writes_text:
        sizes.append(_language_size(backbone, train))
    largest = max(module.weight.numel() for module in backbone.modules() if isinstance(module, nn.Linear))
    trained = add_adapters(
        backbone.requires_grad_(False), towers, rank=train.qlora.rank, alpha=train.qlora.alpha, dropout=0.0
    )
    trainable = sum(value.numel() for value in trained)
    fixed = (
        CONTEXT_BYTES
        + linear * NF4_BYTES
        + (parameters - linear) * value_bytes
        + trainable * TRAINED_BYTES
        + largest * value_bytes  # one layer's weights, unpacked for its product
    )
    per_image = sum(size.activation_bytes(value_bytes, train.gradient_checkpointing) for size in sizes)
    if writes_text:  # logits, their float32 copy and its gradient
        vocabulary = backbone.model.config.text_config.vocab_size
        per_image += sizes[1].tokens * vocabulary * (value_bytes + 8)
    return Need(parameters, trainable, backbone.grid, fixed, per_image)


def _without_weights(name: str, params: Params) -> Backbone:
    """The backbone's model on torch's device "meta": sizes without memory."""
    build = backbone_class(name).empty
    checkpoint: CheckpointParams = getattr(params.weights, name)
    folder = Path(layout.WEIGHTS.format(backbone=name))
    with tempfile.TemporaryDirectory() as temporary:
        if params.weights.source == "tiny":
            from lss.backbones.tiny_checkpoints import write_tiny_checkpoint

            folder = Path(temporary)
            write_tiny_checkpoint(name, folder, params.seed)
        elif checkpoint.folder is not None:
            folder = checkpoint.folder
        else:
            try:
                write_configuration(checkpoint.hub_id, Path(temporary))
                folder = Path(temporary)
            except LssError:
                if not (folder / "manifest.json").is_file():
                    raise
        with torch.device("meta"):
            return build(folder)


def _linear_weights(backbone: Backbone) -> int:
    """Weights of the layers that QLoRA stores in 4 bits."""
    towers = tuple(backbone.tower_prefixes.values())
    return sum(
        module.weight.numel()
        for name, module in backbone.model.named_modules()
        if isinstance(module, nn.Linear) and name.startswith(towers)
    )


def _vision_size(backbone: Backbone) -> TowerSize:
    layers = backbone.model.get_submodule(backbone.tower_prefixes["vision"])
    return TowerSize(len(getattr(layers, "layers", layers)), backbone.width, backbone.tokens)


def _language_size(backbone: Backbone, train: TrainParams) -> TowerSize:
    layers = backbone.model.get_submodule(backbone.tower_prefixes["language"])
    # at most every patch is in the prefix
    return TowerSize(len(layers), backbone.language_width, backbone.tokens + train.report.max_tokens)

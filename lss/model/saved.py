"""A trained model as a folder: model.json, model.safetensors, adapter/ in peft's format."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lss.backbones import load_backbone, qlora
from lss.backbones.base import Backbone
from lss.errors import LssError
from lss.model.network import ClassificationNetwork, NetworkConfig, SegmentationNetwork
from lss.storage.io import atomic_path, read_json, write_json

CONFIG, TENSORS, ADAPTER = "model.json", "model.safetensors", "adapter"


@dataclass(frozen=True)
class ModelCard:
    """What model.json holds: all that is needed to build the model again, and where it came from.

    Attributes:
        backbone, task, loss: which training; `unet` in place of a backbone is a baseline.
        quantise: the frozen base is NF4.
        bf16: frozen parts are bfloat16, inference autocasts.
        image_size, grid: of the backbone (grid before any resampling; empty for a baseline).
        network: NetworkConfig as a dict.
        leak: true where the oracle prompt told the network the true grade; shown wherever its results are.
        best_epoch, best_score: of the validation, epochs from 1.
        train: what it read of the train section, `lss.project.models.training_settings`.
        facts: `weights`, what the stage weights says of the checkpoint; `unused_weights`, how many tensors of its files
            are not in the model, by name; and `Task.facts`, e.g. the area thresholds of a report model.
    """

    backbone: str
    task: str
    loss: str
    quantise: bool
    bf16: bool
    image_size: int
    grid: list[int]
    network: dict[str, Any]
    leak: bool
    best_epoch: int
    best_score: float
    train: dict[str, Any]
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def network_config(self) -> NetworkConfig:
        """The network's part, typed."""
        return NetworkConfig(**self.network)


def new_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and persistent buffers of `module` outside its backbone(s)."""
    backbones = tuple(f"{name}." for name, part in module.named_modules() if isinstance(part, Backbone))
    return {name: tensor for name, tensor in module.state_dict().items() if not name.startswith(backbones)}


def read_card(folder: Path) -> ModelCard:
    """Read a model folder's model.json; LssError where it is missing or of another version."""
    path = folder / CONFIG
    values = read_json(path)
    try:
        if not isinstance(values, dict):
            raise TypeError(f"it holds {type(values).__name__}")
        card = ModelCard(**values)
        card.network_config  # noqa: B018  (a network of another version has other settings)
        TypeAdapter(ModelCard).validate_python(values)
        TypeAdapter(NetworkConfig).validate_python(card.network)
        return card
    except ValidationError as error:
        first = error.errors()[0]
        said = f"{'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r}"
        raise LssError(f"{path}: {said}. The file was changed: rerun its training.") from error
    except TypeError as error:
        raise LssError(f"{path}: was written by another version ({error}). Rerun its training.") from error


def save_model(folder: Path, card: ModelCard, module: nn.Module, backbone: Backbone | None) -> list[Path]:
    """Write the folder; returns its files. `backbone` is the one within `module`, if there is one."""
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / TENSORS) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in new_tensors(module).items()}, temporary)
    if backbone is not None:
        qlora.save_adapters(backbone, folder / ADAPTER)
    write_json(folder / CONFIG, asdict(card))
    return [
        folder / CONFIG,
        folder / TENSORS,
        *sorted(p for p in (folder / ADAPTER).rglob("*") if p.is_file()),
    ]


def load_frozen(card: ModelCard, weights: Path, device: torch.device) -> Backbone:
    """The backbone a model was trained on, without its adapters."""
    dtype = torch.bfloat16 if card.bf16 else torch.float32
    return load_backbone(card.backbone, weights, quantise=card.quantise, device=device, dtype=dtype)


def load_tensors(module: nn.Module, folder: Path) -> None:
    """Fill a rebuilt module with model.safetensors; LssError names keys that do not fit."""
    path = folder / TENSORS
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise LssError(f"{path}: cannot be read ({error}). Rerun its training.") from error
    wanted = new_tensors(module)
    wrong = sorted(set(tensors) ^ set(wanted)) or [k for k in wanted if wanted[k].shape != tensors[k].shape]
    if wrong:
        raise LssError(f"{path}: {wrong[0]}: missing, unexpected or of another shape. Rerun its training.")
    module.load_state_dict(tensors, strict=False)


def load_network(folder: Path, weights: Path | None, device: torch.device) -> tuple[nn.Module, ModelCard]:
    """A trained segmentation or classification network in eval mode, frozen, and its card.

    The network takes images and grades to `lss.model.network.Output`.
    `weights`: folder of the backbone's checkpoint; None for a baseline.

    Raises LssError when the folder is incomplete or holds another kind of model.
    """
    card = read_card(folder)
    network = _untrained(folder, card, weights, device)
    load_tensors(network, folder)
    network.to(device).eval().requires_grad_(False)
    return network, card


def _untrained(folder: Path, card: ModelCard, weights: Path | None, device: torch.device) -> nn.Module:
    config = card.network_config
    if weights is None:
        from lss.model.unet import UNet  # imported here: MONAI takes seconds, and hardly anyone needs it

        return UNet(config.mask_size, config.d_shared)
    classes: dict[str, type[SegmentationNetwork] | type[ClassificationNetwork]]
    classes = {"segmentation": SegmentationNetwork, "classification": ClassificationNetwork}
    if card.task not in classes:
        raise LssError(f"{folder / CONFIG}: task: '{card.task}' has no network here; expected {', '.join(classes)}.")
    backbone = load_frozen(card, weights, device)
    qlora.load_adapters(backbone, folder / ADAPTER)
    network = classes[card.task](backbone, config)
    backbone.drop_text_tower()  # the prompts are embedded
    return network

"""A trained model as a folder: model.json, model.safetensors, adapter/ in peft's format."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from lss.backbones import load_backbone, qlora
from lss.backbones.base import Backbone
from lss.backbones.files import listed_files, refuse_changed, refuse_not_finite
from lss.domain.grades import GRADES
from lss.errors import LssError
from lss.model.network import ClassificationNetwork, NetworkConfig, SegmentationNetwork
from lss.model.report_generator import build_generator
from lss.storage.io import atomic_path, read_json, sha256_file, write_json
from lss.training.registry import task_names, task_record

CONFIG, TENSORS, ADAPTER = "model.json", "model.safetensors", "adapter"
_RESTORE = "Restore it (`dvc checkout`), or rerun its training."


@dataclass(frozen=True)
class ModelCard:
    """What model.json holds: all that is needed to build the model again, and everything that led to it.

    Attributes:
        backbone, task, loss: which training; `unet` in place of a backbone is a baseline.
        quantise: the frozen base is NF4.
        bf16: frozen parts are bfloat16, inference autocasts.
        image_size, grid: of the backbone (grid before any resampling; empty for a baseline).
        network: NetworkConfig as a dict.
        leak: true where the oracle prompt gave the network the true grade; shown wherever its results are.
        best_epoch, best_score: of the validation, epochs from 1.
        train: what it read of the train section, `lss.project.models.training_settings`.
        preparation: the sections denoise, pseudo_mask and shards that its images went through, by name.
        facts: `weights`, the facts of the stage weights on the checkpoint, with the SHA-256 of its `files` and its
            `licence`; `unused_weights`, how many tensors of its files are not in the model, by name; and `Task.facts`,
            e.g. the area thresholds of a report model.
        made_from: `seed`; `cohort`, its name and the number of its `patients` by subset (a model of an earlier version
            does not state them); SHA-256 of the `shards` by subset and file name, and of the `segmentation` model's
            model.json; `code`, one hash over the modules that the stage train rests on; `versions` of the libraries.
        grades: names of the grades, in the order of the network's outputs.
        files: SHA-256 of the folder's other files, by name.
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
    preparation: dict[str, Any] = field(default_factory=dict)
    facts: dict[str, Any] = field(default_factory=dict)
    made_from: dict[str, Any] = field(default_factory=dict)
    grades: list[str] = field(default_factory=lambda: list(GRADES))
    files: dict[str, str] = field(default_factory=dict)

    @property
    def network_config(self) -> NetworkConfig:
        """The network's part, typed."""
        return NetworkConfig(**self.network)


def new_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return parameters and persistent buffers of `module` outside its backbone(s)."""
    backbones = tuple(f"{name}." for name, part in module.named_modules() if isinstance(part, Backbone))
    return {name: tensor for name, tensor in module.state_dict().items() if not name.startswith(backbones)}


def read_card(folder: Path) -> ModelCard:
    """Read a model folder's model.json.

    Raises LssError where it is missing, was changed after the training, or is of another version.
    """
    path = folder / CONFIG
    content = read_json(path)
    try:
        if not isinstance(content, dict):
            raise TypeError(f"it holds {type(content).__name__}")
        stated = content.pop("sha256", None)
        card = ModelCard(**content)
        card.network_config  # noqa: B018  (a network of another version has other settings)
        TypeAdapter(ModelCard).validate_python(content)
        TypeAdapter(NetworkConfig).validate_python(card.network)
    except ValidationError as error:
        first = error.errors()[0]
        message = f"{'.'.join(map(str, first['loc']))}: {first['msg']}, found {first['input']!r}"
        raise LssError(f"{path}: {message}. The file was changed: rerun its training.") from error
    except TypeError as error:
        raise LssError(f"{path}: was written by another version ({error}). Rerun its training.") from error
    if stated != card_hash(content):
        raise LssError(f"{path}: was changed after its training: it has not the SHA-256 that it states. {_RESTORE}")
    if card.grades != list(GRADES):
        raise LssError(f"{path}: grades: {', '.join(card.grades)}, but this version has {', '.join(GRADES)}.")
    return card


def model_files(folder: Path | None) -> list[Path]:
    """Return the files of a model's folder that the model is made of; none where there is no model."""
    if folder is None:
        return []
    return [folder / CONFIG, folder / TENSORS, *sorted(p for p in (folder / ADAPTER).rglob("*") if p.is_file())]


def check_files(folder: Path, card: ModelCard) -> None:
    """Raise LssError where a file of a model's folder is missing, or was changed after the training."""
    refuse_changed(folder, card.files, _RESTORE)


def save_model(folder: Path, card: ModelCard, module: nn.Module, backbone: Backbone | None) -> list[Path]:
    """Write the folder; returns its files. `backbone` is the one within `module`, if there is one.

    `model.json` is written last and gets the hashes of the other files, and of itself.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_path(folder / TENSORS) as temporary:
        save_file({name: tensor.contiguous() for name, tensor in new_tensors(module).items()}, temporary)
    if backbone is not None:
        qlora.save_adapters(backbone, folder / ADAPTER)
    files = [folder / TENSORS, *sorted(p for p in (folder / ADAPTER).rglob("*") if p.is_file())]
    card = replace(card, files={path.relative_to(folder).as_posix(): sha256_file(path) for path in files})
    content = asdict(card)
    write_json(folder / CONFIG, {**content, "sha256": card_hash(content)})
    return model_files(folder)


def card_hash(content: dict[str, Any]) -> str:
    """Return the SHA-256 that a model.json of this content states as its own."""
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def load_frozen(card: ModelCard, weights: Path, device: torch.device) -> Backbone:
    """Load the backbone a model was trained on, without its adapters.

    Raises LssError where `weights` holds other files than those it was trained on.
    """
    dtype = torch.bfloat16 if card.bf16 else torch.float32
    known = card.facts.get("weights", {}).get("files", {})
    if known and known != (now := listed_files(weights)):
        name = next(name for name in sorted({*known, *now}) if known.get(name) != now.get(name))
        raise LssError(
            f"{weights / name}: is not the checkpoint that the model of {card.backbone}, {card.task}, {card.loss} was "
            "trained on. Rerun its training, or `lss weights` with the settings of that time."
        )
    return load_backbone(card.backbone, weights, quantise=card.quantise, device=device, dtype=dtype)


def load_tensors(module: nn.Module, folder: Path) -> None:
    """Fill a rebuilt module with model.safetensors; LssError names keys that do not fit, and tensors
    with NaN or infinity.
    """
    path = folder / TENSORS
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError) as error:
        raise LssError(f"{path}: cannot be read ({error}). Rerun its training.") from error
    wanted = new_tensors(module)
    wrong = sorted(set(tensors) ^ set(wanted)) or [k for k in wanted if wanted[k].shape != tensors[k].shape]
    if wrong:
        raise LssError(f"{path}: {wrong[0]}: missing, unexpected or of another shape. Rerun its training.")
    refuse_not_finite(path, tensors.items(), _RESTORE)
    module.load_state_dict(tensors, strict=False)


def load_network(folder: Path, weights: Path | None, device: torch.device) -> tuple[nn.Module, ModelCard]:
    """Load a trained network in eval mode, frozen, and its card.

    For segmentation and classification it takes images and grades to `lss.model.network.Output`; for reports it is a
    `ReportGenerator`, with the segmentation network in it.

    Args:
        folder: of the model; its files are checked against model.json.
        weights: folder of the backbone's checkpoint, checked against the one it was trained on; None for a baseline.
        device: where it lies.

    Raises LssError when a file is missing, damaged, or another than the model was saved with.
    """
    card = read_card(folder)
    check_files(folder, card)
    network = _untrained(folder, card, weights, device)
    load_tensors(network, folder)
    network.to(device).eval().requires_grad_(False)
    return network, card


def _untrained(folder: Path, card: ModelCard, weights: Path | None, device: torch.device) -> nn.Module:
    config = card.network_config
    if weights is None:
        from lss.model.unet import UNet  # imported here: MONAI takes seconds, and hardly anyone needs it

        return UNet(config.mask_size, config.d_shared)
    if card.task not in task_names():
        raise LssError(
            f"{folder / CONFIG}: task: '{card.task}' has no network here; expected {', '.join(task_names())}."
        )
    predicts, writer = task_record(card.task).predicts, card.train.get(card.task, {})
    networks: dict[str, Callable[[Backbone], nn.Module]] = {
        "grade": lambda backbone: ClassificationNetwork(backbone, config),
        "mask": lambda backbone: SegmentationNetwork(backbone, config),
        "report": lambda backbone: build_generator(backbone, config, writer["decoder_width"], writer["max_tokens"]),
    }
    backbone = load_frozen(card, weights, device)
    network = networks[predicts](backbone)  # embeds the prompts by the text tower, which has no adapters
    qlora.load_adapters(backbone, folder / ADAPTER)
    if predicts != "report":
        backbone.drop_text_tower()
    return network

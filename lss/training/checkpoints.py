"""Rolling checkpoints: one safetensors file, replaced atomically; a killed training goes on from it exactly.

Tensors are the file's tensors, everything else is JSON in its header; nothing is pickled.
"""

from __future__ import annotations

import hashlib
import json
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from lss.model.saved import new_tensors
from lss.storage.io import atomic_path

NAME = "checkpoint.safetensors"


@dataclass
class Progress:
    """Where a training stands, in JSON values.

    Attributes:
        epoch: current epoch, from 0.
        step: steps done in it.
        loss_sum: sum of the losses of those steps.
        best_score: best validation score so far; None before the first.
        best_epoch: the epoch it was reached in.
        history: rows of epochs.csv.
        finished: nothing is left to train.
    """

    epoch: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best_score: float | None = None
    best_epoch: int = -1
    history: list[dict[str, float]] = field(default_factory=list)
    finished: bool = False


def fingerprint(values: Any) -> str:
    """Return the SHA-256 of JSON values: what a training depends on (settings, data, weights)."""
    return hashlib.sha256(json.dumps(values, sort_keys=True, default=str).encode()).hexdigest()


def trained_tensors(module: nn.Module) -> dict[str, Tensor]:
    """Return what training changes in `module`: parameters with gradients, and batch norm's statistics."""
    trained = {name: parameter.detach() for name, parameter in module.named_parameters() if parameter.requires_grad}
    new = new_tensors(module)
    return trained | {name: buffer for name, buffer in module.named_buffers() if name in new}


def restore(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy `tensors` into what `trained_tensors` names; KeyError if one is missing."""
    with torch.no_grad():
        for name, tensor in trained_tensors(module).items():
            tensor.copy_(tensors[name])


def random_states() -> dict[str, str]:
    """Return the states of torch's generators that this process draws from, in hexadecimal digits."""
    states = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        states["cuda"] = torch.cuda.get_rng_state()
    return {name: bytes(state.tolist()).hex() for name, state in states.items()}


def set_random_states(states: dict[str, str]) -> None:
    """Restore what `random_states` gave; a generator that is not there is left out."""
    restored = {name: torch.tensor(list(bytes.fromhex(state)), dtype=torch.uint8) for name, state in states.items()}
    torch.set_rng_state(restored["cpu"])
    if "cuda" in restored and torch.cuda.is_available():
        torch.cuda.set_rng_state(restored["cuda"])


def save_checkpoint(
    folder: Path,
    settings: str,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
    best: dict[str, Tensor],
    progress: Progress,
    states: str,
) -> None:
    """Write the one checkpoint of `folder`, in place of the last.

    `settings` is the `fingerprint` of what the training depends on; `best` the tensors of the best epoch;
    `states` JSON values beside the tensors: the task's, and of each process that trains its counts and random states.
    """
    tensors = {f"model/{name}": tensor for name, tensor in trained_tensors(module).items()}
    tensors |= {f"best/{name}": tensor for name, tensor in best.items()}
    for index, state in optimiser.state_dict()["state"].items():
        tensors |= {f"optimiser/{index}/{key}": value for key, value in state.items()}
    tensors = {name: tensor.contiguous() for name, tensor in tensors.items()}
    header = {"settings": settings, "progress": json.dumps(asdict(progress)), "states": states}
    header["sha256"] = _digest(header, tensors)
    with atomic_path(folder / NAME) as temporary:
        save_file(tensors, temporary, metadata=header)


def load_checkpoint(
    folder: Path,
    settings: str,
    module: nn.Module,
    optimiser: torch.optim.Optimizer,
) -> tuple[Progress, dict[str, Tensor], dict[str, Any]] | None:
    """Restore module and optimiser; return progress, best tensors and the JSON values beside them.

    None, with a line on stderr that says why, when there is no usable checkpoint of these settings.
    """
    path = folder / NAME
    if not path.exists():
        return None
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
    except (OSError, ValueError, SafetensorError) as error:
        print(f"{path}: cannot be read ({error}); training starts from the beginning.", file=sys.stderr)
        return None
    if header.get("settings") != settings:
        print(
            f"{path}: belongs to other settings, data, weights or code; refused, training starts anew.",
            file=sys.stderr,
        )
        return None
    if header.pop("sha256", "") != _digest(header, tensors):
        print(f"{path}: was changed since it was written; refused, training starts anew.", file=sys.stderr)
        return None
    if wrong := _unfit(tensors, module, optimiser):
        print(f"{path}: {wrong} does not fit this model; refused, training starts anew.", file=sys.stderr)
        return None
    restore(module, _below(tensors, "model/"))
    state = optimiser.state_dict()
    state["state"] = {}
    for name, tensor in _below(tensors, "optimiser/").items():
        index, key = name.split("/")
        state["state"].setdefault(int(index), {})[key] = tensor
    optimiser.load_state_dict(state)
    progress = Progress(**json.loads(header["progress"]))
    return progress, _below(tensors, "best/"), json.loads(header["states"])


def _digest(header: dict[str, str], tensors: dict[str, Tensor]) -> str:
    """Return the SHA-256 over all that a checkpoint holds: one changed bit would train on to another model."""
    digest = hashlib.sha256(json.dumps(header, sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {list(tensor.shape)}\n".encode())
        digest.update(tensor.detach().cpu().reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _unfit(tensors: dict[str, Tensor], module: nn.Module, optimiser: torch.optim.Optimizer) -> str | None:
    """Return the first tensor of a checkpoint that the model or its optimiser lacks or has in another shape, or None.

    Looked at before anything is restored, so that a refused checkpoint leaves the model as it was.
    """
    shapes = {name: tensor.shape for name, tensor in trained_tensors(module).items()}
    wanted = {f"model/{name}": shape for name, shape in shapes.items()}
    if any(name.startswith("best/") for name in tensors):
        wanted |= {f"best/{name}": shape for name, shape in shapes.items()}
    trained = [parameter for group in optimiser.param_groups for parameter in group["params"]]
    actual = {}
    for name, tensor in tensors.items():
        part, _, rest = name.partition("/")
        if part in ("model", "best"):
            actual[name] = tensor.shape
        elif part == "optimiser":
            index = int(rest.split("/")[0])
            if index >= len(trained) or (tensor.dim() and tensor.shape != trained[index].shape):
                return name
    return next((name for name in (wanted | actual) if wanted.get(name) != actual.get(name)), None)


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}

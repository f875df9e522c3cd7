"""QLoRA (Dettmers et al. 2023): a frozen base in 4-bit NF4 with double quantisation, low-rank adapters beside it.

The base goes through bitsandbytes, the adapters through peft, and they are saved in peft's own format.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import bitsandbytes as bnb
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from peft.utils import get_peft_model_state_dict
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import nn
from transformers import BitsAndBytesConfig

from lss.backbones.base import Backbone, Tower
from lss.backbones.files import refuse_not_finite
from lss.errors import LssError
from lss.storage.io import atomic_folder, read_json

_RETRAIN = "Restore it (`dvc checkout`), or rerun its training."


def quantisation_config(dtype: torch.dtype, keep: Sequence[str]) -> BitsAndBytesConfig:
    """Return NF4 with double quantisation for transformers' `from_pretrained`.

    Args:
        dtype: type in which a layer computes.
        keep: modules left as they are, each by its full name from the top of the model (or a suffix of full
            names): a bare inner name such as "vision_tower" matches nothing, silently.
    """
    return BitsAndBytesConfig(
        load_in_4bit=True,
        bnb_4bit_quant_type="nf4",
        bnb_4bit_use_double_quant=True,
        bnb_4bit_compute_dtype=dtype,
        llm_int8_skip_modules=list(keep),
    )


def quantise_linear_layers(model: nn.Module, pattern: str, dtype: torch.dtype) -> None:
    """Replace the linear layers whose full name matches `pattern` by 4-bit NF4 ones, in place.

    For models that transformers does not load (open_clip). Biases stay in `dtype`.
    """
    matching = [
        name for name, module in model.named_modules() if type(module) is nn.Linear and re.fullmatch(pattern, name)
    ]
    for name in matching:
        linear: Any = model.get_submodule(name)
        quantised = bnb.nn.Linear4bit(
            linear.in_features,
            linear.out_features,
            bias=linear.bias is not None,
            compute_dtype=dtype,
            compress_statistics=True,
            quant_type="nf4",
            device="meta",
        )
        weight: Any = bnb.nn.Params4bit(
            linear.weight.data, requires_grad=False, compress_statistics=True, quant_type="nf4", module=quantised
        )
        quantised.weight = weight.to(linear.weight.device)  # quantises
        quantised.bias = linear.bias
        parent, _, child = name.rpartition(".")
        setattr(model.get_submodule(parent), child, quantised)


def use_one_cpu_kernel(model: nn.Module) -> None:
    """Keep bitsandbytes from switching kernels on CPUs with AVX512-BF16.

    There it repacks a weight at the first evaluation and then multiplies in bfloat16, so validation would round
    otherwise than training and than other CPUs do.
    """
    for module in model.modules():
        if isinstance(module, bnb.nn.Linear4bit):
            module.support_avx512bf16_for_cpu = False


def quantised_modules(backbone: Backbone) -> list[str]:
    """Return full names in `backbone.model` of the layers stored in 4 bits, sorted."""
    return sorted(
        name.replace(".base_layer", "")
        for name, module in backbone.model.named_modules()
        if isinstance(module, bnb.nn.Linear4bit)
    )


def quantised_summary(backbone: Backbone) -> dict[str, dict[str, Any]]:
    """Return what is stored in 4 bits: tower to its count of `layers`, their `weights`, and their `kinds` (inner
    names).

    Empty where nothing is quantised. `other` is what lies in no tower.
    """
    layers: dict[str, dict[str, Any]] = {}
    for name in quantised_modules(backbone):
        tower, prefix = next(
            ((tower, prefix) for tower, prefix in backbone.tower_prefixes.items() if name.startswith(f"{prefix}.")),
            ("other", ""),
        )
        kind = re.sub(r"^(?:.*\.)?\d+\.", "", name.removeprefix(f"{prefix}."))
        of_tower = layers.setdefault(tower, {"layers": 0, "weights": 0, "kinds": []})
        of_tower["layers"] += 1
        of_tower["weights"] += weight_count(backbone.model.get_submodule(name).weight)
        of_tower["kinds"] = sorted({*of_tower["kinds"], kind})
    return layers


def weight_count(parameter: torch.Tensor) -> int:
    """Return numbers that a parameter stands for; one in 4 bits packs two of them into an element."""
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else math.prod(state.shape)


def add_adapters(
    backbone: Backbone,
    which: Sequence[Tower],
    *,
    rank: int,
    alpha: float,
    dropout: float,
    train_token_embeddings: bool = False,
) -> list[nn.Parameter]:
    """Put low-rank adapters beside the linear layers of the named towers, in place; all else stays frozen.

    Args:
        backbone: freshly loaded, without adapters.
        which: "vision", "language" or both.
        rank: of the update B A.
        alpha: the update is scaled by alpha / rank.
        dropout: on the adapter's input, in [0, 1).
        train_token_embeddings: also train a copy of the language model's token embeddings and output layer
            (peft's `modules_to_save`). A randomly initialised language model cannot learn to write without;
            a published one does not need it.

    Returns:
        The parameters to train. B starts at zero, so the outputs are unchanged at first.

    The draws of A come from torch's global generator: seed it before.
    """
    targets = "|".join(f"(?:{backbone.adapter_modules(tower)})" for tower in which)
    config = LoraConfig(
        r=rank,
        lora_alpha=alpha,  # type: ignore[arg-type]
        lora_dropout=dropout,
        target_modules=targets,
        modules_to_save=["embed_tokens", "lm_head"] if train_token_embeddings else None,
    )
    _attach(backbone, get_peft_model(backbone.model, config))
    return adapter_parameters(backbone)


def adapter_parameters(backbone: Backbone) -> list[nn.Parameter]:
    """Return the backbone's trainable parameters."""
    return [parameter for parameter in backbone.parameters() if parameter.requires_grad]


def save_adapters(backbone: Backbone, folder: Path) -> None:
    """Write the folder: adapter_config.json and adapter_model.safetensors."""
    with atomic_folder(folder) as temporary:
        _adapted(backbone).save_pretrained(str(temporary), save_embedding_layers=False)
        (temporary / "README.md").unlink(missing_ok=True)  # an empty model card


def load_adapters(backbone: Backbone, folder: Path, *, trainable: bool = False) -> None:
    """Put saved adapters into a freshly loaded backbone, in place.

    Raises LssError when a file is missing or damaged, is no LoRA adapter in safetensors, holds NaN or infinity, lacks
    tensors that this backbone's adapters have, or has others.
    """
    config, path = folder / "adapter_config.json", folder / "adapter_model.safetensors"
    if not config.is_file():
        raise LssError(f"{folder}: adapter_config.json: not there. Rerun the stage train.")
    settings = read_json(config)
    kind = settings.get("peft_type") if isinstance(settings, dict) else None
    if kind != "LORA":
        raise LssError(f"{config}: peft_type: is {kind!r}; only 'LORA' is written and read here. {_RETRAIN}")
    if not path.is_file():
        pickled = (
            "adapter_model.bin beside it is a pickle, which is never loaded. "
            if (folder / "adapter_model.bin").exists()
            else ""
        )
        raise LssError(f"{path}: not there. {pickled}{_RETRAIN}")
    try:
        tensors = load_file(path)
        adapted = PeftModel.from_pretrained(backbone.model, folder, is_trainable=trainable)
    except (OSError, SafetensorError) as error:
        raise LssError(f"{path}: is cut or damaged ({error}). {_RETRAIN}") from error
    except (ValueError, RuntimeError, TypeError, KeyError, AttributeError) as error:
        raise LssError(f"{folder}: adapters of another model than this {backbone.name}: {error}") from error
    wanted = {
        name: tensor.shape for name, tensor in get_peft_model_state_dict(adapted, save_embedding_layers=False).items()
    }
    stored = {name: tensor.shape for name, tensor in tensors.items()}
    if wrong := sorted(name for name in {*wanted, *stored} if wanted.get(name) != stored.get(name)):
        raise LssError(
            f"{path}: {len(wrong)} tensors are missing, unexpected or of another shape ({wrong[0]}). {_RETRAIN}"
        )
    refuse_not_finite(path, tensors.items(), _RETRAIN)
    _attach(backbone, adapted)


def _attach(backbone: Backbone, adapted: PeftModel) -> None:
    # in a tuple, so that torch does not register the same modules a second time under another name
    backbone.__dict__["_adapted"] = (adapted,)


def _adapted(backbone: Backbone) -> PeftModel:
    adapted = backbone.__dict__.get("_adapted")
    if adapted is None:
        raise ValueError("this backbone has no adapters: add_adapters or load_adapters comes first")
    return adapted[0]

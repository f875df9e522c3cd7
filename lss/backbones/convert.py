"""Checkpoints of foreign formats: LLaVA-Med's `llava_mistral`, and pickled weights.

LLaVA-Med v1.0 (`microsoft/llava-med-7b-delta`) is published as the difference to LLaMA-7B, which has its own
licence: add the two with the original project's `apply_delta`, then store the sum as safetensors. Its keys are
those of v1.5 but for a single linear projector; this module reads v1.5.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from safetensors.torch import load_file, save_file
from transformers import CLIPVisionConfig, LlavaConfig, MistralConfig

from lss.backbones.files import PICKLES
from lss.errors import LssError
from lss.storage.io import atomic_path, read_json, write_json

LLAVA_KEYS: dict[str, str] = {
    r"^model\.vision_tower\.vision_tower\.vision_model\.": "model.vision_tower.",
    r"^model\.mm_projector\.0\.": "model.multi_modal_projector.linear_1.",
    r"^model\.mm_projector\.2\.": "model.multi_modal_projector.linear_2.",
    r"^model\.(embed_tokens|layers|norm)\.": r"model.language_model.\1.",
}
"""`llava_mistral` key names to those of `LlavaForConditionalGeneration`; `lm_head.weight` keeps its name."""

_TRANSFORMERS_KEYS = {
    r"^(model\.)?vision_tower\.(vision_model\.)?(?=embeddings|encoder|pre_|post_)": "model.vision_tower.",
    r"^multi_modal_projector\.": "model.multi_modal_projector.",
    r"^language_model\.model\.": "model.language_model.",
    r"^language_model\.lm_head\.": "lm_head.",
}
"""Key names of files that transformers itself wrote (4 and 5) to those in memory; it renames them on loading."""

_ORIGINAL_PREFIXES = {
    "model.vision_tower.": "model.vision_tower.vision_tower.vision_model.",
    "model.multi_modal_projector.linear_1.": "model.mm_projector.0.",
    "model.multi_modal_projector.linear_2.": "model.mm_projector.2.",
    "model.language_model.": "model.",
}


def llava_key(name: str) -> str:
    """Return the name in `LlavaForConditionalGeneration` of a weight called `name` in `llava_mistral`, or by
    transformers.

    >>> llava_key("model.layers.0.mlp.up_proj.weight"), llava_key("language_model.lm_head.weight")
    ('model.language_model.layers.0.mlp.up_proj.weight', 'lm_head.weight')
    """
    for pattern, replacement in (LLAVA_KEYS | _TRANSFORMERS_KEYS).items():
        new_name, count = re.subn(pattern, replacement, name)
        if count:
            return new_name
    return name


def original_llava_key(name: str) -> str:
    """Return the other way: the name in `llava_mistral` of a weight called `name` in `LlavaForConditionalGeneration`.

    >>> original_llava_key("model.multi_modal_projector.linear_2.bias")
    'model.mm_projector.2.bias'
    """
    for new, old in _ORIGINAL_PREFIXES.items():
        if name.startswith(new):
            return old + name.removeprefix(new)
    return name


def llava_config(source: Path, vision: CLIPVisionConfig) -> LlavaConfig:
    """Return configuration of `LlavaForConditionalGeneration` from the `config.json` of a `llava_mistral` checkpoint.

    Args:
        source: the folder with `config.json`.
        vision: configuration of the tower named in `mm_vision_tower`; the checkpoint itself does not state it.

    Raises:
        LssError: another model type, projector, patch selection or tower width than these classes compute.
    """
    path = source / "config.json"
    config: dict[str, Any] = read_json(path)
    expected = {
        "model_type": "llava_mistral",
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_feature": "patch",
        "mm_hidden_size": vision.hidden_size,
    }
    for field, value in expected.items():
        stated = config.get(field, "patch" if field == "mm_vision_select_feature" else None)
        if stated != value:
            raise LssError(f"{path}: {field}: is {stated!r}, should be {value!r}. It is no LLaVA-Med v1.5 checkpoint.")
    fields = set(MistralConfig().to_dict()) & set(config) - {"model_type", "architectures", "transformers_version"}
    text = {field: config[field] for field in fields}
    if "rope_theta" in config:  # the published file has it at the top; transformers 5 wants it in a group
        text["rope_parameters"] = {"rope_type": "default", "rope_theta": config["rope_theta"]}
    text_config = MistralConfig(**text)
    return LlavaConfig(
        vision_config=vision,
        text_config=text_config,
        # the original marks an image by -200, which no embedding has; any id of the vocabulary will do, since
        # images never come in through it here
        image_token_index=0,
        projector_hidden_act="gelu",
        vision_feature_select_strategy="default",
        vision_feature_layer=config["mm_vision_select_layer"],
        tie_word_embeddings=False,
    )


def convert_pickled(folder: Path) -> list[Path]:
    """Write every pickled checkpoint of `folder` once more as safetensors beside it; the new files.

    `open_clip_pytorch_model.bin` becomes `open_clip_model.safetensors`, `pytorch_model*.bin` becomes
    `model*.safetensors`, and the index of a checkpoint in several files is written for the new ones. Read with torch's
    `weights_only`, which builds tensors and runs no code. The old files are left in place; only the new ones are ever
    loaded.

    Raises LssError when there is none, when one holds something other than tensors, or when a file that the index
    names is missing.
    """
    pickles = sorted(path for pattern in PICKLES for path in folder.glob(pattern))
    if not pickles:
        raise LssError(f"{folder}: holds no pickled checkpoint ({', '.join(PICKLES)}): nothing to convert.")
    indices = sorted(folder.glob("*.bin.index.json"))
    for index in indices:
        named = set(_weight_map(index).values())
        if missing := sorted(name for name in named if not (folder / name).is_file()):
            raise LssError(f"{index}: names files that are not there: {', '.join(missing)}. Fetch them too.")
    return [*(_convert_pickle(path) for path in pickles), *(_convert_index(index) for index in indices)]


def _convert_pickle(path: Path) -> Path:
    try:
        weights = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except Exception as error:  # the unpickler raises many kinds
        raise LssError(
            f"{path}: holds more than tensors, or is broken ({type(error).__name__}). Do not load it; fetch the "
            "file again from its publisher."
        ) from error
    if isinstance(weights, dict):
        weights = weights.get("state_dict", weights)
    strange = next(_strange(weights), None)
    if strange:
        raise LssError(f"{path}: should hold dense tensors by name only, but {strange}. Is it a checkpoint of weights?")
    target = path.with_name(_safe_name(path.name))
    with atomic_path(target) as temporary:
        # clones: safetensors refuses names that share memory
        try:
            save_file({name: tensor.clone().contiguous() for name, tensor in weights.items()}, temporary)
        except (KeyError, ValueError, RuntimeError) as error:  # types of numbers that the format does not know
            raise LssError(f"{path}: holds a tensor that safetensors cannot ({error}). Convert it by hand.") from error
    load_file(target)
    return target


def _strange(weights: Any) -> Iterator[str]:
    """Yield what of an unpickled object is no named dense tensor with values, in words."""
    if not isinstance(weights, dict):
        yield f"it is {type(weights).__name__}"
    elif not weights:
        yield "it is empty"
    else:
        for name, value in weights.items():
            if not isinstance(name, str):
                yield f"a name is {type(name).__name__}"
            elif not isinstance(value, torch.Tensor):
                yield f"{name} is {type(value).__name__}"
            elif value.layout != torch.strided or value.is_quantized or value.is_meta:
                yield f"{name} is a sparse, quantised or empty tensor"


def _weight_map(index: Path) -> dict[str, str]:
    """Return which file holds which weight; LssError where the file is no such index."""
    index_file = read_json(index)
    places = index_file.get("weight_map") if isinstance(index_file, dict) else None
    if not isinstance(places, dict) or not all(isinstance(file, str) for file in places.values()):
        raise LssError(f"{index}: weight_map: is no index of a checkpoint's files. Fetch the checkpoint again.")
    if outside := next((file for file in places.values() if Path(file).name != file), None):
        raise LssError(f"{index}: weight_map: names {outside!r}, which is no file beside it. Do not trust it.")
    return places


def _convert_index(path: Path) -> Path:
    """Return the list of which file holds which weight, for the converted files."""
    index, places = read_json(path), _weight_map(path)
    target = path.with_name(f"{_safe_name(path.name.removesuffix('.index.json'))}.index.json")
    files = {name: _safe_name(file) for name, file in places.items()}
    write_json(target, {"metadata": index.get("metadata", {}), "weight_map": files})
    return target


def _safe_name(name: str) -> str:
    """Return the name of the safetensors file for a pickle's.

    >>> _safe_name("pytorch_model-00001-of-00002.bin")
    'model-00001-of-00002.safetensors'
    """
    return Path(name).stem.replace("pytorch_model", "model") + ".safetensors"

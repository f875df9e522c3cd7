"""LLaVA-Med v1.5: CLIP ViT-L/14 at 336, two-layer projector, Mistral-7B.

Published as `llava_mistral` (`microsoft/llava-med-v1.5-mistral-7b`), which transformers does not know: its keys
are renamed on the way into `LlavaForConditionalGeneration` (`convert.py`).

Folder: `config.json`, safetensors (sharded), `tokenizer.model`, and a folder called as the last part of
`mm_vision_tower` (clip-vit-large-patch14-336) with that tower's `config.json` and, like the original project
loads it, its weights. Without weights there, the tower is taken from the LLaVA-Med files themselves.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Self

import lss.torch_setup  # noqa: F401  isort: skip
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaTokenizer, LlavaConfig, LlavaForConditionalGeneration

from lss.backbones.base import GenerativeBackbone, Tower
from lss.backbones.convert import LLAVA_KEYS, llava_config, llava_key
from lss.backbones.files import require
from lss.backbones.transformers_loading import load_pretrained
from lss.io import read_json

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_TOWER = "model.vision_tower."


class LlavaMed(GenerativeBackbone):
    """See `Backbone` and `GenerativeBackbone`."""

    name: ClassVar[str] = "llava_med"
    tower_prefixes: ClassVar[dict[Tower, str]] = {
        "vision": "model.vision_tower.encoder",
        "language": "model.language_model.layers",
    }
    text_modules: ClassVar[tuple[str, ...]] = ("model.language_model", "lm_head")
    adapter_layers: ClassVar[dict[Tower, tuple[str, ...]]] = {
        "vision": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
        "language": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    }

    def __init__(self, model: Any, tokenizer: Any) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        vision, text = model.config.vision_config, model.config.text_config
        self.image_size = vision.image_size
        self.mean, self.std = CLIP_MEAN, CLIP_STD  # the published repository has no preprocessor_config.json
        self.grid = (vision.image_size // vision.patch_size,) * 2
        self.width = vision.hidden_size
        self.text_width = self.language_width = text.hidden_size

    @classmethod
    def load(cls, folder: Path, *, quantise: bool, device: torch.device, dtype: torch.dtype) -> Self:
        """Load from `folder`; see the module's text."""
        config = read_configuration(folder)
        require(folder, "tokenizer.model")
        tower_folder = vision_tower_folder(folder)
        has_own_weights = any(tower_folder.glob("*.safetensors"))
        common: dict[str, Any] = {"quantise": quantise, "device": device, "dtype": dtype}
        model = load_pretrained(
            LlavaForConditionalGeneration,
            folder,
            keep=("model.multi_modal_projector", "lm_head"),
            may_miss=(_TOWER,) if has_own_weights else (),
            config=config,
            key_mapping=LLAVA_KEYS,
            **common,
        )
        if has_own_weights:
            model.model.vision_tower = load_pretrained(
                CLIPVisionModel,
                tower_folder,
                keep=(),
                # the file is of the whole of CLIP
                may_exceed=("text_model.", "text_projection.", "visual_projection.", "logit_scale"),
                **common,
            )
        tokenizer = LlamaTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
        if tokenizer.pad_token is None:
            tokenizer.pad_token = tokenizer.unk_token  # as the original project does
        drop_unused_layers(model)
        return cls(model, tokenizer)

    @classmethod
    def empty(cls, folder: Path) -> Self:
        """See `Backbone.empty`."""
        model = LlavaForConditionalGeneration(read_configuration(folder))
        drop_unused_layers(model)
        return cls(model, None)

    @property
    def text_tower(self) -> Any:
        """See `GenerativeBackbone.text_tower`."""
        return self.model.model.language_model

    def patch_tokens(self, image_B3HW: Tensor) -> Tensor:
        """See `Backbone.patch_tokens`. Output of layer -2 (`mm_vision_select_layer`), before any final norm."""
        tower = self.model.model.vision_tower
        return tower(image_B3HW.to(tower.dtype)).last_hidden_state[:, 1:].float()

    def project_patches(self, tokens_BND: Tensor) -> Tensor:
        """See `GenerativeBackbone.project_patches`. M = N."""
        return self.model.model.multi_modal_projector(tokens_BND.to(self.model.dtype))


def read_configuration(folder: Path) -> LlavaConfig:
    """Of a checkpoint in its published format. LssError when a file is missing or another model's."""
    require(folder, "config.json")
    tower_folder = vision_tower_folder(folder)
    require(tower_folder, "config.json")
    return llava_config(folder, CLIPVisionConfig.from_pretrained(tower_folder, local_files_only=True))


def drop_unused_layers(model: Any) -> None:
    """Remove the tower's layers after the one its features come from, in place.

    Nothing reads their output: they would cost time and memory, and adapters in them would never get a gradient.
    """
    layer = model.config.vision_feature_layer
    layers = model.model.vision_tower.encoder.layers
    if layer < -1:
        del layers[layer + 1 :]
    # transformers counts layers by the configuration
    model.config.vision_feature_layer = -1
    for config in (model.config.vision_config, model.model.vision_tower.config):
        config.num_hidden_layers = len(layers)


def vision_tower_folder(folder: Path) -> Path:
    """The folder inside a LLaVA-Med checkpoint's for the tower named in `mm_vision_tower`."""
    return folder / Path(read_json(folder / "config.json")["mm_vision_tower"]).name


def describe_vision_tower(folder: Path) -> str:
    """Which weights the vision tower is taken from, and whether those left aside are others: one sentence."""
    tower_folder = vision_tower_folder(folder)
    named = {
        name.removeprefix("vision_model."): (file, name)
        for file in tower_folder.glob("*.safetensors")
        for name in _names(file)
    }
    own = {
        llava_key(name).removeprefix(_TOWER): (file, name)
        for file in folder.glob("*.safetensors")
        for name in _names(file)
        if llava_key(name).startswith(_TOWER)
    }
    if not named:
        return "from the LLaVA-Med files: the tower's own folder holds no weights"
    if not own:
        return f"from {tower_folder.name}: the LLaVA-Med files hold none"
    both = sorted(named.keys() & own.keys())
    differ = [name for name in both if not torch.equal(_tensor(*named[name]), _tensor(*own[name]))]
    verdict = f"{len(differ)} of {len(both)} tensors of the LLaVA-Med files differ" if differ else "both are the same"
    return f"from {tower_folder.name}, as the original project does; {verdict}"


def _names(file: Path) -> list[str]:
    with safe_open(file, "pt") as weights:
        return list(weights.keys())


def _tensor(file: Path, name: str) -> Tensor:
    with safe_open(file, "pt") as weights:
        return weights.get_tensor(name).float()

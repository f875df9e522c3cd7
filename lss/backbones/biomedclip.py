"""BiomedCLIP through open_clip: timm ViT and PubMedBERT.

Published: `microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224`, ViT-B/16 at 224 pixels, 14 x 14 patches.

Folder: `open_clip_config.json`, `open_clip_model.safetensors`, the tokenizer's files (`vocab.txt` ...), and a
folder called as the last part of `hf_model_name` with BiomedBERT's `config.json`: the published repository of
BiomedCLIP holds no configuration of its text tower, and open_clip would ask the network for it.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import open_clip
import torch
from torch import Tensor

from lss.backbones import tiny_timm  # noqa: F401  (registers the small ViT of the tiny checkpoint with timm)
from lss.backbones.base import Backbone, Tower
from lss.backbones.files import require, require_safetensors, stored_names
from lss.backbones.qlora import quantise_linear_layers, use_one_cpu_kernel
from lss.errors import LssError
from lss.storage.io import read_json

CONFIG = "open_clip_config.json"
WEIGHTS = "open_clip_model.safetensors"


class BiomedClip(Backbone):
    """See `Backbone`. It has no text decoder: `language_model` is None."""

    name: ClassVar[str] = "biomedclip"
    tower_prefixes: ClassVar[dict[Tower, str]] = {
        "vision": "visual.trunk.blocks",
        "language": "text.transformer.encoder",
    }
    text_modules: ClassVar[tuple[str, ...]] = ("text",)
    adapter_layers: ClassVar[dict[Tower, tuple[str, ...]]] = {
        "vision": ("qkv", "proj", "fc1", "fc2"),
        "language": ("query", "key", "value", "dense"),
    }

    def __init__(self, model: Any, tokenizer: Any, preprocess: dict[str, Any]) -> None:
        super().__init__()
        self.model = model
        self.open_clip_tokenizer = tokenizer
        self.tokenizer = tokenizer and tokenizer.tokenizer
        trunk = model.visual.trunk
        self.image_size = model.visual.image_size[0]
        self.mean, self.std = tuple(preprocess["mean"]), tuple(preprocess["std"])
        self.grid = tuple(trunk.patch_embed.grid_size)
        self.width = trunk.num_features
        self.text_width = model.text.output_dim

    @classmethod
    def load(cls, folder: Path, *, quantise: bool, device: torch.device, dtype: torch.dtype) -> Self:
        """Load from `folder`; see the module's text."""
        config, text_config = _configuration(folder)
        require_safetensors(folder)
        require(folder, WEIGHTS)  # among files of other names open_clip would take a pickle
        try:
            model = open_clip.create_model(f"local-dir:{folder}", text_cfg=text_config, require_pretrained=True)
        except RuntimeError as error:  # open_clip loads strictly: torch names the keys
            raise LssError(f"{folder}: weights do not fit the model: {error}") from error
        tokenizer = open_clip.get_tokenizer(f"local-dir:{folder}")
        model = model.to(device=device, dtype=dtype)
        if quantise:
            towers = "|".join(prefix.replace(".", r"\.") for prefix in cls.tower_prefixes.values())
            quantise_linear_layers(model, rf"(?:{towers})\..*", dtype)
            use_one_cpu_kernel(model)
        return cls(model, tokenizer, config["preprocess_cfg"])

    @classmethod
    def stored_tensors(cls, folder: Path) -> Iterator[tuple[str, str, str | None]]:
        """See `Backbone.stored_tensors`."""
        for file, names in stored_names(folder).items():
            yield from ((file, name, name if file == WEIGHTS else None) for name in names)

    @classmethod
    def empty(cls, folder: Path) -> Self:
        """See `Backbone.empty`."""
        config, text_config = _configuration(folder)
        # the class itself: `create_model` warns that there are no weights, and moves the model to the CPU
        model = open_clip.CustomTextCLIP(**{**config["model_cfg"], "text_cfg": text_config})
        return cls(model, None, config["preprocess_cfg"])

    def patch_tokens(self, image_B3HW: Tensor) -> Tensor:
        """See `Backbone.patch_tokens`. Last layer of the ViT, after its final norm."""
        trunk = self.model.visual.trunk
        tokens = trunk.forward_features(image_B3HW.to(trunk.pos_embed.dtype))
        return tokens[:, trunk.num_prefix_tokens :].float()

    def prompt_embeddings(self, prompts: list[str]) -> Tensor:
        """See `Backbone.prompt_embeddings`. CLIP's own text embedding, not normalised."""
        ids_KT = self.open_clip_tokenizer(prompts).to(self.device)
        return self.model.encode_text(ids_KT).float()

    def set_gradient_checkpointing(self, enabled: bool) -> None:
        """See `Backbone.set_gradient_checkpointing`."""
        self.model.visual.set_grad_checkpointing(enabled)
        if enabled:
            self.model.text.transformer.gradient_checkpointing_enable({"use_reentrant": False})
        else:
            self.model.text.transformer.gradient_checkpointing_disable()


def _configuration(folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return `open_clip_config.json`, and its text part with the text tower's own configuration found in the folder."""
    require(folder, CONFIG)
    config = read_json(folder / CONFIG)
    text_config = config["model_cfg"]["text_cfg"]
    bert = folder / Path(text_config["hf_model_name"]).name
    require(bert, "config.json")
    return config, {**text_config, "hf_model_name": str(bert), "hf_model_pretrained": False}

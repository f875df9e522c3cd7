"""SmolVLM through transformers: SigLIP, pixel shuffle, SmolLM2 (class `Idefics3ForConditionalGeneration`).

Published: `HuggingFaceTB/SmolVLM-256M-Instruct` and `-500M-Instruct` (SigLIP B/16 at 512, 32 x 32 patches),
`SmolVLM-Instruct` (2.2B; SigLIP so400m/14 at 384, 27 x 27).

Its own image processor cuts one image into up to 17 tiles; here one image of the tower's own size is one tile
(`do_image_splitting` off), so a patch token belongs to one place of the image.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Self

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from torch import Tensor
from transformers import AutoTokenizer, Idefics3Config, Idefics3ForConditionalGeneration

from lss.backbones.base import GenerativeBackbone, Tower
from lss.backbones.files import files_of_transformers, require, stored_names
from lss.backbones.transformers_loading import load_pretrained
from lss.errors import LssError
from lss.storage.io import read_json


class SmolVlm(GenerativeBackbone):
    """See `Backbone` and `GenerativeBackbone`."""

    name: ClassVar[str] = "smolvlm"
    tower_prefixes: ClassVar[dict[Tower, str]] = {
        "vision": "model.vision_model.encoder",
        "language": "model.text_model.layers",
    }
    text_modules: ClassVar[tuple[str, ...]] = ("model.text_model", "lm_head")
    adapter_layers: ClassVar[dict[Tower, tuple[str, ...]]] = {
        "vision": ("q_proj", "k_proj", "v_proj", "out_proj", "fc1", "fc2"),
        "language": ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
    }

    def __init__(self, model: Any, tokenizer: Any, preprocess: dict[str, Any]) -> None:
        super().__init__()
        self.model = model
        self.tokenizer = tokenizer
        vision, text = model.config.vision_config, model.config.text_config
        self.image_size = vision.image_size
        self.mean, self.std = tuple(preprocess["image_mean"]), tuple(preprocess["image_std"])
        self.grid = (vision.image_size // vision.patch_size,) * 2
        self.projected_grid = tuple(side // model.config.scale_factor for side in self.grid)
        self.width = vision.hidden_size
        self.text_width = self.language_width = text.hidden_size

    @classmethod
    def load(cls, folder: Path, *, quantise: bool, device: torch.device, dtype: torch.dtype) -> Self:
        """Load from `folder`: `config.json`, `tokenizer.json`, safetensors, and `read_preprocessing`'s file."""
        require(folder, "config.json", "tokenizer.json")
        preprocess = read_preprocessing(folder)
        model = load_pretrained(
            Idefics3ForConditionalGeneration,
            folder,
            quantise=quantise,
            keep=("model.connector", "lm_head"),
            device=device,
            dtype=dtype,
        )
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, padding_side="left")
        return cls(model, tokenizer, preprocess)

    @classmethod
    def stored_tensors(cls, folder: Path) -> Iterator[tuple[str, str, str | None]]:
        """See `Backbone.stored_tensors`."""
        read = files_of_transformers(folder)
        for file, names in stored_names(folder).items():
            yield from ((file, name, name if file in read else None) for name in names)

    @classmethod
    def empty(cls, folder: Path) -> Self:
        """See `Backbone.empty`."""
        require(folder, "config.json")
        config = Idefics3Config.from_pretrained(folder, local_files_only=True)
        model = Idefics3ForConditionalGeneration(config)
        return cls(model, None, read_preprocessing(folder))

    @property
    def text_tower(self) -> Any:
        """See `GenerativeBackbone.text_tower`."""
        return self.model.model.text_model

    def patch_tokens(self, image_B3HW: Tensor) -> Tensor:
        """See `Backbone.patch_tokens`. Last layer of SigLIP, after its final norm; SigLIP has no [CLS].

        The tower's parts one by one: as a whole it asks at every call, on the CPU, whether some patch is padding.
        """
        tower = self.model.model.vision_model
        every_patch = torch.ones(len(image_B3HW), *self.grid, dtype=torch.bool, device=image_B3HW.device)
        embedded_BND = tower.embeddings(image_B3HW.to(tower.dtype), patch_attention_mask=every_patch)
        hidden_BND = tower.encoder(inputs_embeds=embedded_BND, attention_mask=None).last_hidden_state
        return tower.post_layernorm(hidden_BND).float()

    def project_patches(self, tokens_BND: Tensor) -> Tensor:
        """See `Backbone.project_patches`. Pixel shuffle joins s x s patches: M = N / s^2."""
        connector = self.model.model.connector
        return connector(tokens_BND.to(self.model.dtype))


def read_preprocessing(folder: Path) -> dict[str, Any]:
    """Return how images are normalised (`image_mean`, `image_std`): `preprocessor_config.json`, as the model was
    published.

    transformers 5 writes it as `image_processor` in `processor_config.json`. Raises LssError where neither holds it.
    """
    files = [folder / "preprocessor_config.json", folder / "processor_config.json"]
    for file in files:
        config = read_json(file) if file.is_file() else {}
        config = config.get("image_processor", config)
        if {"image_mean", "image_std"} <= config.keys():
            return dict(config)
    raise LssError(
        f"{folder}: neither {files[0].name} nor {files[1].name} with image_mean and image_std: not there. Put the "
        "files of the published repository there (`lss fetch weights`) and run `lss weights`."
    )

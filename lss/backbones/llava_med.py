"""LLaVA-Med v1.5: CLIP ViT-L/14 at 336, two-layer projector, Mistral-7B.

Published as `llava_mistral` (`microsoft/llava-med-v1.5-mistral-7b`), which transformers does not know: its keys
are renamed on the way into `LlavaForConditionalGeneration` (`convert.py`). What transformers itself writes of such a
model (`model_type: llava`, the tower in it, `tokenizer.json`) is read as well.

Folder: `config.json`, safetensors (sharded), `tokenizer.model`, and a folder called as the last part of
`mm_vision_tower` (clip-vit-large-patch14-336) with that tower's `config.json`. The tower's weights are those within
the LLaVA-Med files (`checkpoint`), or those of that folder, which the original project's loader takes (`clip`).
`vision_tower` in `manifest.json`, which the stage `weights` writes, says which; without it, `checkpoint`. What lies in
the folder decides nothing: a tower that is asked for and not there is an error.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, cast

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from safetensors import safe_open
from torch import Tensor
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaTokenizer, LlavaConfig, LlavaForConditionalGeneration

from lss.backbones.base import GenerativeBackbone, Tower
from lss.backbones.convert import LLAVA_KEYS, llava_config, llava_key
from lss.backbones.files import files_of_transformers, require, require_safetensors, stored_names
from lss.backbones.transformers_loading import load_pretrained
from lss.errors import LssError
from lss.storage.io import read_json

CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
_TOWER = "model.vision_tower."
_PUBLISHED_TOWER = "openai/clip-vit-large-patch14-336"
VisionTower = Literal["checkpoint", "clip"]


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
        self.projected_grid = self.grid
        self.width = vision.hidden_size
        self.text_width = self.language_width = text.hidden_size

    @classmethod
    def load(cls, folder: Path, *, quantise: bool, device: torch.device, dtype: torch.dtype) -> Self:
        """Load from `folder`; see the module's text."""
        config = read_configuration(folder)
        require(folder, "tokenizer.model" if not (folder / "tokenizer.json").is_file() else "tokenizer.json")
        choice = chosen_vision_tower(folder)
        require_vision_tower(folder, choice)
        common: dict[str, Any] = {"quantise": quantise, "device": device, "dtype": dtype}
        model = load_pretrained(
            LlavaForConditionalGeneration,
            folder,
            keep=("model.multi_modal_projector", "lm_head"),
            may_miss=(_TOWER,) if choice == "clip" else (),
            config=config,
            key_mapping=None if _is_of_transformers(folder) else LLAVA_KEYS,
            **common,
        )
        if choice == "clip":
            model.model.vision_tower = load_pretrained(
                CLIPVisionModel,
                vision_tower_folder(folder),
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
    def stored_tensors(cls, folder: Path) -> Iterator[tuple[str, str, str | None]]:
        """See `Backbone.stored_tensors`."""
        clip, tower_folder = chosen_vision_tower(folder) == "clip", vision_tower_folder(folder)
        read = files_of_transformers(folder)
        for file, names in stored_names(folder).items():
            for name in names:
                target = llava_key(name)
                left_out = file not in read or (clip and target.startswith(_TOWER))
                yield file, name, None if left_out else target
        read = files_of_transformers(tower_folder) if clip else set()
        for file, names in stored_names(tower_folder).items():
            for name in names:
                target = _TOWER + name.removeprefix("vision_model.")
                yield f"{tower_folder.name}/{file}", name, target if file in read else None

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
        """See `Backbone.project_patches`. M = N."""
        return self.model.model.multi_modal_projector(tokens_BND.to(self.model.dtype))


def read_configuration(folder: Path) -> LlavaConfig:
    """Read the configuration of a checkpoint in its published format, or as transformers writes it.

    Raises LssError when a file is missing or another model's.
    """
    require(folder, "config.json")
    if _is_of_transformers(folder):
        config = LlavaConfig.from_pretrained(folder, local_files_only=True)
        language, vision = (getattr(part, "model_type", None) for part in (config.text_config, config.vision_config))
        parts = (language, vision, config.vision_feature_select_strategy)
        if parts != ("mistral", "clip_vision_model", "default"):
            raise LssError(
                f"{folder / 'config.json'}: is of {', '.join(map(str, parts))}: no LLaVA-Med v1.5 checkpoint."
            )
        return config
    tower_folder = vision_tower_folder(folder)
    require(tower_folder, "config.json")
    return llava_config(folder, CLIPVisionConfig.from_pretrained(tower_folder, local_files_only=True))


def _is_of_transformers(folder: Path) -> bool:
    """Return whether a folder holds what transformers writes, not the published `llava_mistral`."""
    return bool(read_json(folder / "config.json").get("model_type") == "llava")


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
    """Return the folder inside a LLaVA-Med checkpoint's for the tower named in `mm_vision_tower`, by default the
    published.
    """
    return folder / Path(read_json(folder / "config.json").get("mm_vision_tower", _PUBLISHED_TOWER)).name


def chosen_vision_tower(folder: Path) -> VisionTower:
    """Return which tower a LLaVA-Med folder is loaded with; LssError when its manifest names another than there are."""
    manifest = folder / "manifest.json"
    choice = read_json(manifest).get("vision_tower", "checkpoint") if manifest.is_file() else "checkpoint"
    if choice not in ("checkpoint", "clip"):
        raise LssError(f"{manifest}: vision_tower: is {choice!r}, should be checkpoint or clip. Run `lss weights`.")
    return cast(VisionTower, choice)


def require_vision_tower(folder: Path, choice: VisionTower) -> None:
    """Raise LssError unless the files of a LLaVA-Med folder hold the weights of the tower that is asked for.

    A companion that is a pickle is refused like any other, where its weights are asked for.
    """
    setting = f"params.yaml: weights.llava_med.vision_tower: {choice}"
    require_safetensors(folder)
    if choice == "checkpoint":
        if not _tensors(folder, own=True):
            raise LssError(
                f"{folder}: its files hold no weights of a vision tower, which is asked for by {setting}. Set it to "
                "clip, fetch the companion's weights (`lss fetch weights`) and run `lss weights`."
            )
        return
    try:
        require_safetensors(vision_tower_folder(folder))
    except LssError as error:
        raise LssError(
            f"{error} These weights are asked for by {setting}; `checkpoint` takes the tower in the LLaVA-Med files."
        ) from error


def describe_vision_tower(folder: Path, choice: VisionTower) -> str:
    """Return which weights the vision tower is taken from, and whether those left aside are others: one sentence."""
    tower_folder = vision_tower_folder(folder)
    own, companion = _tensors(folder, own=True), _tensors(tower_folder, own=False)
    taken, left = ("the LLaVA-Med files", tower_folder.name) if choice == "checkpoint" else (
        tower_folder.name, "the LLaVA-Med files"
    )  # fmt: skip
    if not own or not companion:
        return f"from {taken}; {left}: no weights there to compare with"
    both = sorted(companion.keys() & own.keys())
    differ = sum(not torch.equal(_tensor(*companion[name]), _tensor(*own[name])) for name in both)
    verdict = f"{differ} of {len(both)} tensors differ from" if differ else f"all {len(both)} tensors equal"
    return f"from {taken}; {verdict} those in {left}, which are not used"


def _tensors(folder: Path, *, own: bool) -> dict[str, tuple[Path, str]]:
    """Return file and name there of the tower's tensors, by their name in the tower: of LLaVA-Med's files, or of
    CLIP's.
    """
    names = ((folder / file, name) for file, of_file in stored_names(folder).items() for name in of_file)
    if own:
        keys = ((llava_key(name), file, name) for file, name in names)
        return {key.removeprefix(_TOWER): (file, name) for key, file, name in keys if key.startswith(_TOWER)}
    return {name.removeprefix("vision_model."): (file, name) for file, name in names}


def _tensor(file: Path, name: str) -> Tensor:
    with safe_open(file, "pt") as weights:
        return weights.get_tensor(name).float()

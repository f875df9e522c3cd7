"""Vision-language backbones behind one protocol (`base.Backbone`); one file each."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from lss.errors import LssError

if TYPE_CHECKING:
    import torch

    from lss.backbones.base import Backbone

NAMES = ("biomedclip", "smolvlm", "llava_med")


def load_backbone(name: str, folder: Path, *, quantise: bool, device: torch.device, dtype: torch.dtype) -> Backbone:
    """Load the backbone called `name` from a folder in its published format, frozen, in evaluation mode.

    Every tensor of its files is in the model afterwards or named in `Backbone.unused`.

    Args:
        name: one of `NAMES`.
        folder: what the stage `weights` left: configuration, safetensors, tokenizer. Nothing is fetched.
        quantise: store the linear layers of the towers as 4-bit NF4 with double quantisation (QLoRA's base).
        device: where it lies and computes.
        dtype: type of the weights that are not quantised, and of the computation of those that are.

    Raises:
        LssError: an unknown name, a missing or broken file, a pickled checkpoint, a missing or unexpected weight.
    """
    from safetensors import SafetensorError

    try:
        backbone = backbone_class(name).load(Path(folder), quantise=quantise, device=device, dtype=dtype)
    except (OSError, SafetensorError) as error:  # transformers raises OSError for files it misses or cannot parse
        raise LssError(
            f"{folder}: cannot be loaded ({str(error).strip()}). Is every file of the published repository there and "
            "whole? `lss fetch weights` checks them by hash; then run `lss weights`."
        ) from error
    held = backbone.model.state_dict().keys()
    stored = backbone.stored_tensors(Path(folder))
    backbone.unused = tuple(f"{file}: {name}" for file, name, target in stored if target not in held)
    return backbone.requires_grad_(False).eval()


def backbone_class(name: str) -> type[Backbone]:
    """The class of the backbone called `name`. Raises LssError for an unknown name."""
    # imported here: each pulls in a model library of several seconds
    if name == "biomedclip":
        from lss.backbones.biomedclip import BiomedClip

        return BiomedClip
    if name == "smolvlm":
        from lss.backbones.smolvlm import SmolVlm

        return SmolVlm
    if name == "llava_med":
        from lss.backbones.llava_med import LlavaMed

        return LlavaMed
    raise LssError(f"params.yaml: train.backbones: no backbone '{name}'. There are: {', '.join(NAMES)}.")

"""Vision-language backbones behind one protocol (`base.Backbone`); one file each."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from lss.backbones.registry import backbone_names, backbone_record
from lss.errors import LssError

if TYPE_CHECKING:
    import torch

    from lss.backbones.base import Backbone

NAMES = tuple(backbone_names())

_LEAST_SHARE = 0.9
"""Of a model's token embeddings that its tokenizer knows; some are padded to a round number."""


_MOST_TIMES = 2
"""How many weights a model has for each one stored; more than one where two layers share a tensor."""


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
        LssError: an unknown name, a missing or broken file, one that was changed after the stage weights, a pickled
            checkpoint, a missing or unexpected weight.
    """
    cls = backbone_class(name)
    from lss.backbones.files import listed_files, refuse_changed

    if (folder / "manifest.json").is_file():  # else the folder is not one of the stage weights
        refuse_changed(folder, listed_files(folder), "Run `lss weights` again.")
    try:
        _check_size(cls, Path(folder))
        backbone = cls.load(Path(folder), quantise=quantise, device=device, dtype=dtype)
        _try_tokenizer(backbone)
    except (LssError, MemoryError):
        raise
    except Exception as error:  # the libraries raise whatever a wrong file makes them stumble over
        if "out of memory" in str(error):
            raise
        message = f"{type(error).__name__}: {str(error).strip()}"
        raise LssError(
            f"{folder}: cannot be loaded as {name} ({message}). Is every file of the published repository there and "
            "whole? `lss fetch weights` checks them by hash; then run `lss weights`."
        ) from error
    held = backbone.model.state_dict().keys()
    stored = backbone.stored_tensors(Path(folder))
    backbone.unused = tuple(f"{file}: {name}" for file, name, target in stored if target not in held)
    return backbone.requires_grad_(False).eval()


def _check_size(cls: type[Backbone], folder: Path) -> None:
    """Raise ValueError where the configuration describes a model far larger than the files hold.

    Libraries fill what a configuration leaves out with that of a published model, whose tens of gigabytes they would
    ask the machine for before they look at the files.
    """
    import torch

    from lss.backbones.files import stored_count

    if stored := stored_count(folder):
        with torch.device("meta"):
            wanted = sum(parameter.numel() for parameter in cls.empty(folder).model.parameters())
        if wanted > _MOST_TIMES * stored:
            raise ValueError(f"its configuration describes {wanted:,} weights, its files hold {stored:,}")


def _try_tokenizer(backbone: Backbone) -> None:
    """Raise ValueError where the tokenizer cannot tell words apart, or is not of the size of the model's embeddings."""
    encoded = [tuple(backbone.tokenizer(word).input_ids) for word in ("severe", "no", "L4-L5")]
    if len(set(encoded)) < len(encoded):
        raise ValueError("its tokenizer cannot tell words apart: are the tokenizer's files empty?")
    known = len(backbone.tokenizer)
    for name, module in backbone.model.named_modules():
        if name.endswith((".word_embeddings", ".embed_tokens")):
            rows = module.num_embeddings
            if not _LEAST_SHARE * rows <= known <= rows:
                raise ValueError(
                    f"its tokenizer knows {known} tokens, its model {rows}: files of two versions, or cut?"
                )


def backbone_class(name: str) -> type[Backbone]:
    """Return the class of the backbone called `name`. Raises LssError for an unknown name."""
    module, _, of_module = backbone_record(name).loader.partition(":")
    loaded: type[Backbone] = getattr(import_module(module), of_module)  # each pulls in a library of several seconds
    return loaded

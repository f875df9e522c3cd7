"""The small ViT of the tiny BiomedCLIP, registered with timm so that open_clip builds it by name like any other."""

from __future__ import annotations

from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import timm
from timm.models import build_model_with_cfg, generate_default_cfgs
from timm.models.vision_transformer import VisionTransformer

NAME = "lss_vit_tiny_patch8_112"
default_cfgs = generate_default_cfgs({NAME: {"input_size": (3, 112, 112), "num_classes": 0}})
"""Where timm's registry looks for a model's defaults: in the module that registers it."""


def lss_vit_tiny_patch8_112(pretrained: bool = False, **kwargs: Any) -> VisionTransformer:
    """Build a ViT with 14 x 14 patches like ViT-B/16 at 224, at half its resolution; width 96, 2 layers.

    `pretrained` is part of timm's signature; there are no weights to fetch, so true is an error of timm's.
    """
    settings = {
        "img_size": 112,
        "patch_size": 8,
        "embed_dim": 96,
        "depth": 2,
        "num_heads": 3,
        "mlp_ratio": 2,
    }
    return build_model_with_cfg(VisionTransformer, NAME, pretrained, **{**settings, **kwargs})


if NAME not in timm.list_models():
    timm.models.register_model(lss_vit_tiny_patch8_112)

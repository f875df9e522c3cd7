"""Configurations of the published checkpoints, for planning and timing where no weights are at hand.

Only the fields that sizes depend on. Where a real file differs, the real file is right: loading never reads this
module.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lss.errors import LssError
from lss.storage.io import write_json

_CLIP = {"mean": [0.48145466, 0.4578275, 0.40821073], "std": [0.26862954, 0.26130258, 0.27577711]}
_BERT = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
_SIGLIP_PREPROCESSING = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}


def _smolvlm(vision: dict[str, Any], text: dict[str, Any], scale_factor: int) -> dict[str, Any]:
    config = {
        "model_type": "idefics3",
        "scale_factor": scale_factor,
        "image_token_id": 49190,
        "tie_word_embeddings": False,
        "vision_config": {"model_type": "idefics3_vision", **vision},
        "text_config": {"model_type": "llama", "vocab_size": 49280, **text},
    }
    return {"config.json": config, "preprocessor_config.json": _SIGLIP_PREPROCESSING}


def _sizes(hidden: int, layers: int, heads: int, intermediate: int, **more: int) -> dict[str, int]:
    return {
        "hidden_size": hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": intermediate,
        **more,
    }


_SIGLIP_BASE = _sizes(768, 12, 12, 3072, image_size=512, patch_size=16)
_SIGLIP_SO400M = _sizes(1152, 27, 16, 4304, image_size=384, patch_size=14)

CONFIGURATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224": {
        "open_clip_config.json": {
            "model_cfg": {
                "embed_dim": 512,
                "vision_cfg": {
                    "timm_model_name": "vit_base_patch16_224",
                    "timm_model_pretrained": False,
                    "timm_pool": "",
                    "timm_proj": "linear",
                    "image_size": 224,
                },
                "text_cfg": {
                    "hf_model_name": _BERT,
                    "hf_tokenizer_name": _BERT,
                    "hf_proj_type": "mlp",
                    "hf_pooler_type": "cls_last_hidden_state_pooler",
                    "context_length": 256,
                },
            },
            "preprocess_cfg": _CLIP,
        },
        f"{Path(_BERT).name}/config.json": {
            "model_type": "bert",
            "vocab_size": 30522,
            "max_position_embeddings": 512,
            **_sizes(768, 12, 12, 3072),
        },
    },
    "HuggingFaceTB/SmolVLM-256M-Instruct": _smolvlm(
        _SIGLIP_BASE, _sizes(576, 30, 9, 1536, num_key_value_heads=3), scale_factor=4
    ),
    "HuggingFaceTB/SmolVLM-500M-Instruct": _smolvlm(
        _SIGLIP_BASE, _sizes(960, 32, 15, 2560, num_key_value_heads=5), scale_factor=4
    ),
    "HuggingFaceTB/SmolVLM-Instruct": _smolvlm(
        _SIGLIP_SO400M, _sizes(2048, 24, 32, 8192, num_key_value_heads=32), scale_factor=3
    ),
    "microsoft/llava-med-v1.5-mistral-7b": {
        "config.json": {
            "model_type": "llava_mistral",
            "vocab_size": 32000,
            "max_position_embeddings": 32768,
            "rope_theta": 1000000.0,
            "sliding_window": None,
            **_sizes(4096, 32, 32, 14336, num_key_value_heads=8),
            "mm_vision_tower": "openai/clip-vit-large-patch14-336",
            "mm_hidden_size": 1024,
            "mm_projector_type": "mlp2x_gelu",
            "mm_vision_select_layer": -2,
            "mm_vision_select_feature": "patch",
        },
        "clip-vit-large-patch14-336/config.json": {
            "model_type": "clip",
            "vision_config": {
                **_sizes(1024, 24, 16, 4096, image_size=336, patch_size=14),
                "hidden_act": "quick_gelu",
            },
        },
    },
}
"""File name to content, per id on the hub."""


def write_configuration(hub_id: str, folder: Path) -> None:
    """Write the configuration files of the published checkpoint `hub_id` into `folder`; no weights.

    Raises LssError for a checkpoint that is not listed here.
    """
    if hub_id not in CONFIGURATIONS:
        raise LssError(
            f"params.yaml: weights: hub_id: the sizes of '{hub_id}' are not known before `lss weights` has "
            f"taken what `lss fetch weights` brings. Known: {', '.join(CONFIGURATIONS)}."
        )
    for name, content in CONFIGURATIONS[hub_id].items():
        write_json(folder / name, content)

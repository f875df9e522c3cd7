"""Small random checkpoints in exactly the formats in which the three backbones are published.

They are of the published classes and go through the published loading path; only the sizes differ. Their vision
towers hand on what an image shows (`tiny_init`), their language towers know nothing.
"""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import (
    BertConfig,
    CLIPVisionConfig,
    Idefics3Config,
    Idefics3ForConditionalGeneration,
    LlavaForConditionalGeneration,
)

from lss.backbones import tiny_timm
from lss.backbones.biomedclip import CONFIG, BiomedClip
from lss.backbones.convert import llava_config, original_llava_key
from lss.backbones.llava_med import CLIP_MEAN, CLIP_STD
from lss.backbones.registry import backbone_record
from lss.backbones.tiny_init import init_block, init_embeddings
from lss.backbones.tiny_tokenizers import (
    SMOLLM_SPECIAL,
    write_bert_tokenizer,
    write_llama_tokenizer,
    write_smollm_tokenizer,
)
from lss.runtime.seeding import derive_seed
from lss.storage.io import atomic_path, write_json

BERT = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract"
CLIP_TOWER = "openai/clip-vit-large-patch14-336"
LAYERS = 2
WIDTH, HEADS, MLP = 96, 3, 192  # of the vision towers: a step of 8 images in well under 0.1 s on one core
TEXT_WIDTH, TEXT_HEADS, TEXT_MLP = 128, 4, 256
PATCH = 8
_ATTENTION = ("q_proj", "k_proj", "v_proj", "out_proj")


def write_tiny_checkpoint(backbone: str, folder: Path, seed: int) -> None:
    """Write the tiny checkpoint of `backbone` into `folder`; the same seed gives the same bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    # the libraries fill new models from torch's global generator; it is put back afterwards
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(derive_seed(seed, "weights", backbone))
        module, _, function = backbone_record(backbone).tiny.partition(":")
        getattr(import_module(module), function)(folder)


def write_biomedclip(folder: Path) -> None:
    """Write the tiny checkpoint of that backbone."""
    vocabulary = write_bert_tokenizer(folder)
    bert_config = BertConfig(
        vocab_size=vocabulary,
        hidden_size=TEXT_WIDTH,
        num_hidden_layers=LAYERS,
        num_attention_heads=TEXT_HEADS,
        intermediate_size=TEXT_MLP,
        max_position_embeddings=512,
        architectures=["BertForMaskedLM"],
    )
    bert = folder / Path(BERT).name
    bert.mkdir(exist_ok=True)
    write_json(bert / "config.json", bert_config.to_diff_dict())
    text = {
        "hf_model_name": BERT,
        "hf_tokenizer_name": BERT,
        "hf_proj_type": "mlp",
        "hf_pooler_type": "cls_last_hidden_state_pooler",
        "context_length": 256,
    }
    vision = {
        "timm_model_name": tiny_timm.NAME,
        "timm_model_pretrained": False,
        "timm_pool": "",
        "timm_proj": "linear",
        "image_size": 112,
    }
    config = {
        "model_cfg": {"embed_dim": 64, "vision_cfg": vision, "text_cfg": text},
        "preprocess_cfg": {"mean": CLIP_MEAN, "std": CLIP_STD},
    }
    write_json(folder / CONFIG, config)
    model = BiomedClip.empty(folder).model
    trunk = model.visual.trunk
    generator = _generator()
    directions = init_embeddings(trunk.patch_embed.proj.weight, trunk.pos_embed, 14, CLIP_STD[0], generator)
    for block in trunk.blocks:
        query, key, value = block.attn.qkv.weight.data.chunk(3)
        mlp = (block.mlp.fc1, block.mlp.fc2)
        init_block(query, key, value, block.attn.proj.weight, mlp, HEADS, directions, generator)
    _save(folder / "open_clip_model.safetensors", model.state_dict())


def write_smolvlm(folder: Path) -> None:
    """Write the tiny checkpoint of that backbone."""
    vocabulary = write_smollm_tokenizer(folder)
    pad, begin, end = (SMOLLM_SPECIAL.index(token) for token in ("<|im_end|>", "<|im_start|>", "<end_of_utterance>"))
    config = Idefics3Config(
        vision_config={**_vision_sizes(120, LAYERS), "hidden_act": "gelu_pytorch_tanh"},
        text_config={
            "model_type": "llama",
            **_text_sizes(vocabulary),
            "pad_token_id": pad,
            "bos_token_id": begin,
            "eos_token_id": end,
        },
        image_token_id=SMOLLM_SPECIAL.index("<image>"),
        scale_factor=3,
        tie_word_embeddings=False,
        architectures=["Idefics3ForConditionalGeneration"],
    )
    model = Idefics3ForConditionalGeneration(config)
    tower = model.model.vision_model
    _init_tower(tower.embeddings, tower.encoder.layers, side=15, std=0.5)
    _init_language(model.model.text_model, model.lm_head)
    write_json(folder / "config.json", config.to_diff_dict())
    write_json(
        folder / "preprocessor_config.json",
        {
            "image_processor_type": "Idefics3ImageProcessor",
            "do_image_splitting": True,
            "image_mean": [0.5, 0.5, 0.5],
            "image_std": [0.5, 0.5, 0.5],
            "size": {"longest_edge": 512},
            "max_image_size": {"longest_edge": 120},
        },
    )
    _save(folder / "model.safetensors", model.state_dict())


def write_llava_med(folder: Path) -> None:
    """Write the tiny checkpoint of that backbone."""
    vocabulary = write_llama_tokenizer(folder)
    # the last layer is computed but not used: features come from layer -2
    vision = CLIPVisionConfig(**_vision_sizes(96, LAYERS + 1), hidden_act="quick_gelu")
    tower_folder = folder / Path(CLIP_TOWER).name
    tower_folder.mkdir(exist_ok=True)
    write_json(tower_folder / "config.json", {"model_type": "clip", "vision_config": vision.to_diff_dict()})
    config = {
        "model_type": "llava_mistral",
        "architectures": ["LlavaMistralForCausalLM"],
        **_text_sizes(vocabulary),
        "bos_token_id": 1,
        "eos_token_id": 2,
        "rope_theta": 1000000.0,
        "mm_vision_tower": CLIP_TOWER,
        "mm_hidden_size": WIDTH,
        "mm_projector_type": "mlp2x_gelu",
        "mm_vision_select_layer": -2,
        "mm_vision_select_feature": "patch",
        "mm_use_im_start_end": False,
        "mm_use_im_patch_token": False,
        "sliding_window": None,
        "torch_dtype": "bfloat16",
    }
    write_json(folder / "config.json", config)
    model = LlavaForConditionalGeneration(llava_config(folder, vision))
    tower = model.model.vision_tower
    _init_tower(tower.embeddings, tower.encoder.layers, side=12, std=CLIP_STD[0])
    _init_language(model.model.language_model, model.lm_head)
    _save_sharded(folder, {original_llava_key(name): value for name, value in model.state_dict().items()})


def _vision_sizes(image_size: int, layers: int) -> dict[str, Any]:
    return {
        "image_size": image_size,
        "patch_size": PATCH,
        "hidden_size": WIDTH,
        "intermediate_size": MLP,
        "num_hidden_layers": layers,
        "num_attention_heads": HEADS,
    }


def _text_sizes(vocabulary: int) -> dict[str, int]:
    return {
        "vocab_size": vocabulary,
        "hidden_size": TEXT_WIDTH,
        "intermediate_size": TEXT_MLP,
        "num_hidden_layers": LAYERS,
        "num_attention_heads": TEXT_HEADS,
        "num_key_value_heads": TEXT_HEADS // 2,
        "max_position_embeddings": 1024,
    }


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(int(torch.randint(2**62, ())))


def _init_tower(embeddings: Any, layers: Any, side: int, std: float) -> None:
    """Initialise a vision tower of transformers (SigLIP and CLIP name their parts alike)."""
    generator = _generator()
    if embeddings.patch_embedding.bias is not None:
        nn.init.zeros_(embeddings.patch_embedding.bias)
    directions = init_embeddings(
        embeddings.patch_embedding.weight, embeddings.position_embedding.weight, side, std, generator
    )
    for layer in layers:
        attention = layer.self_attn
        query, key, value, output = (getattr(attention, name).weight for name in _ATTENTION)
        init_block(query, key, value, output, (layer.mlp.fc1, layer.mlp.fc2), HEADS, directions, generator)
        for name in _ATTENTION:
            nn.init.zeros_(getattr(attention, name).bias)


def _init_language(tower: nn.Module, head: nn.Linear) -> None:
    """Draw weights larger than the usual 0.02, which presumes the width and depth of a large model."""
    for linear in [*tower.modules(), head]:
        if isinstance(linear, nn.Linear):
            nn.init.normal_(linear.weight, std=TEXT_WIDTH**-0.5)


def _save(path: Path, weights: dict[str, Tensor]) -> None:
    with atomic_path(path) as temporary:
        save_file({name: value.contiguous() for name, value in weights.items()}, temporary, {"format": "pt"})


def _save_sharded(folder: Path, weights: dict[str, Tensor], shards: int = 2) -> None:
    """Save in the layout of large checkpoints: several files and an index."""
    names = list(weights)
    size = -(-len(names) // shards)
    index: dict[str, str] = {}
    for number in range(shards):
        file = f"model-{number + 1:05d}-of-{shards:05d}.safetensors"
        part = names[number * size : (number + 1) * size]
        _save(folder / file, {name: weights[name] for name in part})
        index.update(dict.fromkeys(part, file))
    total = sum(value.numel() * value.element_size() for value in weights.values())
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": index})

from __future__ import annotations

import gc
import weakref

import bitsandbytes as bnb
import pytest
import torch

from lss.backbones import NAMES
from lss.backbones.qlora import (
    add_adapters,
    load_adapters,
    quantised_modules,
    quantised_summary,
    save_adapters,
    weight_count,
)
from lss.errors import LssError


@pytest.mark.parametrize("name", NAMES)
def test_quantised_layers_are_nf4_with_double_quantisation(name, load):
    backbone = load(name, quantise=True)
    names = quantised_modules(backbone)
    assert names
    for key in names:
        weight = backbone.model.get_submodule(key).weight
        assert weight.dtype == torch.uint8  # two 4-bit numbers in a byte
        assert weight.quant_state.quant_type == "nf4"
        assert weight.quant_state.nested


@pytest.mark.parametrize("name", NAMES)
def test_a_quantised_weight_is_the_published_one_rounded_to_nf4(name, load):
    exact, quantised = load(name), load(name, quantise=True)
    key = quantised_modules(quantised)[0]
    weight = quantised.model.get_submodule(key).weight
    values = bnb.functional.dequantize_4bit(weight.data, weight.quant_state)
    original = exact.model.get_submodule(key).weight
    scale = original.reshape(-1, 64).abs().amax(dim=1, keepdim=True).expand(-1, 64).reshape(original.shape)
    # the widest gap between two of the 16 levels is 0.304, the scales are rounded to 8 bits
    assert ((values - original).abs() / scale).max() < 0.304 / 2 + 0.02
    assert len(((values / scale) * 20).round().unique()) <= 20


# rows that are a multiple of the block of 64 weights, and rows that are not
@pytest.mark.parametrize("shape", [(128, 128), (96, 96), (288, 96), (10, 70), (5, 36)])
def test_4_bit_weights_are_unpacked_block_by_block(shape):
    """By the definition of NF4: sixteen levels, times the largest absolute value of each 64 weights in a row."""
    weight = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    packed, state = bnb.functional.quantize_4bit(weight, quant_type="nf4", compress_statistics=False)
    flat = torch.nn.functional.pad(weight.flatten(), (0, -weight.numel() % 64)).reshape(-1, 64)
    scale = flat.abs().amax(dim=1, keepdim=True)
    nearest = (flat[..., None] / scale[..., None] - state.code).abs().argmin(dim=-1)
    expected = (state.code[nearest] * scale).flatten()[: weight.numel()].reshape(shape)
    torch.testing.assert_close(bnb.functional.dequantize_4bit(packed, state), expected)


@pytest.mark.parametrize("name", NAMES)
def test_the_summary_counts_what_the_unquantised_model_holds(name, load):
    exact, quantised = load(name), load(name, quantise=True)
    assert quantised_summary(exact) == {}
    summary = quantised_summary(quantised)
    assert set(summary) == {"vision", "language"}
    for tower, of in summary.items():
        layers = [
            module
            for key, module in exact.model.named_modules()
            if isinstance(module, torch.nn.Linear) and key.startswith(exact.tower_prefixes[tower])
        ]
        assert (of["layers"], of["weights"]) == (len(layers), sum(layer.weight.numel() for layer in layers))
        assert set(exact.adapter_layers[tower]) == {kind.rpartition(".")[2] for kind in of["kinds"]}
    assert sum(map(weight_count, quantised.parameters())) == sum(part.numel() for part in exact.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_without_its_text_tower_a_backbone_sees_the_same_and_its_memory_is_given_back(name, load, images, tmp_path):
    backbone = load(name, quantise=True)
    add_adapters(backbone, ("vision",), rank=2, alpha=4, dropout=0.0)
    before = backbone.patch_tokens(images(backbone))
    language = [
        weakref.ref(module)
        for key, module in backbone.model.named_modules()
        if key.startswith(backbone.tower_prefixes["language"])
    ]
    backbone.drop_text_tower()
    gc.collect()
    assert language and not any(reference() for reference in language)
    assert torch.equal(backbone.patch_tokens(images(backbone)), before)
    with pytest.raises(AttributeError):
        backbone.prompt_embeddings(["severe thecal sac compression"])
    save_adapters(backbone, tmp_path)
    restored = load(name, quantise=True)
    load_adapters(restored, tmp_path)
    restored.drop_text_tower()
    assert torch.equal(restored.patch_tokens(images(restored)), before)


@pytest.mark.parametrize("name", NAMES)
def test_names_are_the_same_with_adapters(name, load):
    backbone = load(name, quantise=True)
    before = quantised_modules(backbone)
    add_adapters(backbone, ("vision", "language"), rank=2, alpha=4, dropout=0.0)
    assert quantised_modules(backbone) == before


@pytest.mark.parametrize("name", NAMES)
def test_adapters_go_into_the_named_towers(name, load):
    backbone = load(name)
    parameters = add_adapters(backbone, ("language",), rank=2, alpha=4, dropout=0.0)
    names = {key for key, value in backbone.named_parameters() if value.requires_grad}
    assert len(names) == len(parameters)
    assert all(key.startswith(f"model.{backbone.tower_prefixes['language']}") for key in names)


def test_trained_token_embeddings_are_saved_with_the_adapters(load, tmp_path):
    trained = load("smolvlm", quantise=True)
    options = {"rank": 2, "alpha": 4, "dropout": 0.0}
    add_adapters(trained, ("language",), **options, train_token_embeddings=True)
    with torch.no_grad():
        for key, value in trained.named_parameters():
            if value.requires_grad:
                value.add_(0.01 if "lora" in key else 0.1)
    save_adapters(trained, tmp_path)
    restored = load("smolvlm", quantise=True)
    load_adapters(restored, tmp_path)
    ids = torch.tensor([[5, 6, 7]])
    assert torch.equal(restored.embed_tokens(ids), trained.embed_tokens(ids))
    assert not torch.equal(restored.embed_tokens(ids), load("smolvlm").embed_tokens(ids))
    with torch.no_grad():
        logits = [backbone.language_model(input_ids=ids).logits for backbone in (restored, trained)]
    assert torch.equal(*logits)


def test_saving_without_adapters_and_loading_from_nowhere(load, tmp_path):
    backbone = load("biomedclip")
    with pytest.raises(ValueError, match="no adapters"):
        save_adapters(backbone, tmp_path)
    with pytest.raises(LssError, match=r"adapter_config\.json"):
        load_adapters(backbone, tmp_path)


def test_loaded_adapters_are_frozen_unless_training_goes_on(load, tmp_path):
    backbone = load("biomedclip")
    add_adapters(backbone, ("vision",), rank=2, alpha=4, dropout=0.0)
    save_adapters(backbone, tmp_path)
    frozen, trainable = load("biomedclip"), load("biomedclip")
    load_adapters(frozen, tmp_path)
    load_adapters(trainable, tmp_path, trainable=True)
    assert not any(value.requires_grad for value in frozen.parameters())
    assert sum(value.requires_grad for value in trainable.parameters()) == 16  # 2 layers, 4 linear ones, A and B

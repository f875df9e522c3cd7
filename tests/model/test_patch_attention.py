"""Spatial Patch Cross-Attention against torch's own attention and by its properties."""

import pytest
import torch
from torch.nn.functional import layer_norm, scaled_dot_product_attention

from lss.model.patch_attention import SpatialPatchCrossAttention

B, K, N, D, W, S, HEADS = 2, 3, 20, 16, 10, 8, 4


@pytest.fixture
def inputs():
    draw = torch.Generator().manual_seed(1)
    return torch.randn(B, N, D, generator=draw), torch.randn(1, K, W, generator=draw)


def module(fusion):
    torch.manual_seed(2)
    return SpatialPatchCrossAttention(D, W, S, HEADS, fusion)


def heads(x):
    return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


@pytest.mark.parametrize("fusion", ["spatial", "broadcast"])
def test_shapes_and_maps_that_sum_to_one(inputs, fusion):
    attended, attention, _ = module(fusion)(*inputs)
    assert attended.shape == (B, N, D) and attention.shape == (B, HEADS, K, N)
    assert torch.allclose(attention.sum(dim=-1), torch.ones(B, HEADS, K), atol=1e-6)


def test_broadcast_is_equation_4(inputs):
    patches, prompts = inputs
    net = module("broadcast")
    attended, *_ = net(patches, prompts)
    normed = layer_norm(patches, (D,))
    query = net.query(layer_norm(prompts, (W,))).expand(B, -1, -1)
    result = scaled_dot_product_attention(heads(query), heads(net.key(normed)), heads(net.value(normed)))
    added = net.output(result.mean(dim=2).flatten(1))
    assert torch.allclose(attended, normed + added[:, None], atol=1e-5)


def test_broadcast_adds_the_same_everywhere_and_spatial_does_not(inputs):
    patches, prompts = inputs
    normed = layer_norm(patches, (D,))
    everywhere = module("broadcast")(patches, prompts)[0] - normed
    per_patch = module("spatial")(patches, prompts)[0] - normed
    assert torch.allclose(everywhere, everywhere[:, :1].expand_as(everywhere), atol=1e-5)
    assert per_patch.std(dim=1).mean() > 1e-2


def test_spatial_with_even_attention_adds_each_patch_its_own_value(inputs):
    patches, prompts = inputs
    net = module("spatial")
    torch.nn.init.zeros_(net.query.weight)  # all scores equal
    attended, attention, _ = net(patches, prompts)
    normed = layer_norm(patches, (D,))
    assert torch.allclose(attention, torch.full_like(attention, 1 / N))
    assert torch.allclose(attended, normed + net.output(net.value(normed)), atol=1e-5)


@pytest.mark.parametrize("fusion", ["spatial", "broadcast"])
def test_moves_with_its_patches(inputs, fusion):
    """Attention knows no places: shuffled patches give shuffled results."""
    patches, prompts = inputs
    order = torch.randperm(N, generator=torch.Generator().manual_seed(3))
    net = module(fusion)
    attended, attention, _ = net(patches, prompts)
    shuffled, shuffled_attention, _ = net(patches[:, order], prompts)
    assert torch.allclose(shuffled, attended[:, order], atol=1e-5)
    assert torch.allclose(shuffled_attention, attention[..., order], atol=1e-6)


@pytest.mark.parametrize("fusion", ["spatial", "broadcast"])
def test_prompts_of_each_image_equal_shared_ones(inputs, fusion):
    patches, prompts = inputs
    net = module(fusion)
    assert torch.allclose(net(patches, prompts)[0], net(patches, prompts.expand(B, -1, -1))[0], atol=1e-6)


@pytest.mark.parametrize("fusion", ["spatial", "broadcast"])
def test_every_weight_gets_a_gradient(inputs, fusion):
    net = module(fusion)
    net(*inputs)[0].square().sum().backward()
    for name, parameter in net.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, name


def test_without_fusion_the_normalised_patches_go_on_and_prompts_do_not_matter():
    attention = SpatialPatchCrossAttention(12, 6, 16, 4, "none")
    patches, prompts = torch.randn(2, 5, 12), torch.randn(1, 3, 6)
    attended, maps, _ = attention(patches, prompts)
    assert maps is None
    torch.testing.assert_close(attended, torch.nn.functional.layer_norm(patches, (12,)))
    assert torch.equal(attended, attention(patches, 100 * prompts)[0])
    assert {name for name, part in attention.named_parameters() if part.requires_grad} == {
        "norm_patches.weight",
        "norm_patches.bias",
    }


def test_what_is_drawn_after_it_is_the_same_for_every_fusion():
    following = []
    for fusion in ("spatial", "broadcast", "none"):
        torch.manual_seed(4)
        SpatialPatchCrossAttention(12, 6, 16, 4, fusion)
        following.append(torch.rand(3))
    assert all(torch.equal(following[0], other) for other in following)


def test_weighed_prompts_are_one_query_and_a_certain_weight_is_that_prompt_alone(inputs):
    patches, prompts = inputs
    net = module("spatial")
    certain = torch.tensor([[0.0, 1.0, 0.0]]).expand(B, -1)
    weighed, alone = net(patches, prompts, certain), net(patches, prompts[:, 1:2])
    for one, other in zip(weighed, alone, strict=True):
        assert torch.allclose(one, other, atol=1e-6)
    assert weighed.attention_BHKN.shape == (B, HEADS, 1, N)


def test_similarity_is_the_score_of_equation_4_before_the_softmax(inputs):
    patches, prompts = inputs
    net = module("spatial")
    normed = layer_norm(patches, (D,))
    scores = heads(net.query(layer_norm(prompts, (W,)))) @ heads(net.key(normed)).transpose(-1, -2) / (S / HEADS) ** 0.5
    result = net(patches, prompts)
    assert torch.allclose(result.similarity_BKN, scores.mean(dim=1), atol=1e-5)
    assert torch.allclose(result.attention_BHKN, scores.softmax(dim=-1), atol=1e-5)

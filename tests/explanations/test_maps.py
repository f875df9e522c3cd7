"""Maps of where a grade comes from, against sums, hands and closed forms."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from patch_backbone import PatchBackbone, config
from torch import Tensor, nn

from lss.explanations import maps
from lss.model.network import ClassificationNetwork, Output, SegmentationNetwork
from lss.model.prompt_bank import prompt_queries
from lss.notes.prompts import PROMPT_GRADES

QUERY = prompt_queries(["L4-L5"])


def drawn_image(side: int = 32, seed: int = 2) -> Tensor:
    return torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def network() -> ClassificationNetwork:
    torch.manual_seed(0)
    return ClassificationNetwork(PatchBackbone(), config()).eval().requires_grad_(False)


class Linear(nn.Module):
    """Logits that are weighted sums of the pixels: every map of it can be computed by hand."""

    def __init__(self, weights_GYX: Tensor) -> None:
        super().__init__()
        self.weights_GYX = weights_GYX

    def forward(self, image_B1YX: Tensor, grade_B: Tensor, query_B3: Tensor | None = None) -> Output:
        return Output((image_B1YX * self.weights_GYX).sum(dim=(-1, -2)), None)


def test_a_margin_ignores_what_is_added_to_all_logits() -> None:
    logits = torch.tensor([[2.0, -1.0, 0.5], [0.0, 3.0, 1.0]])
    for grade in range(3):
        torch.testing.assert_close(maps.margin(logits + 7.5, grade), maps.margin(logits, grade))
    torch.testing.assert_close(maps.margin(logits, 0), torch.tensor([2.25, -2.0]))


def test_integrated_gradients_are_complete(network: ClassificationNetwork) -> None:
    image = drawn_image()

    def margin(of: Tensor) -> float:
        return float(maps.margin(network(of, torch.zeros(1, dtype=torch.int64), QUERY).logits, 2))

    given = maps.integrated(network, image, QUERY, 2)
    assert given.sum() == pytest.approx(margin(image) - margin(maps.blurred(image)), rel=0.02)


def test_integrated_gradients_of_a_linear_model_are_weight_times_difference() -> None:
    weights = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(5))
    image = drawn_image(16)
    given = maps.integrated(Linear(weights), image, QUERY, 1)  # type: ignore[arg-type]
    own = weights[1] - (weights[0] + weights[2]) / 2
    np.testing.assert_allclose(given, (own * (image - maps.blurred(image))[0, 0]).numpy(), rtol=1e-4, atol=1e-5)


def test_occlusion_of_a_linear_model_is_what_each_square_carries() -> None:
    weights = torch.randn(3, 16, 16, generator=torch.Generator().manual_seed(6))
    image = drawn_image(16)
    carried = ((weights[0] - (weights[1] + weights[2]) / 2) * (image - maps.blurred(image))[0, 0]).numpy()
    fall, times = np.zeros((16, 16)), np.zeros((16, 16))
    for row in range(15):  # squares of 2 x 2, moved by 1
        for column in range(15):
            fall[row : row + 2, column : column + 2] += carried[row : row + 2, column : column + 2].sum()
            times[row : row + 2, column : column + 2] += 1
    given = maps.occluded(Linear(weights), image, QUERY, 0)  # type: ignore[arg-type]
    np.testing.assert_allclose(given, fall / times, rtol=1e-4, atol=1e-5)


def test_grad_cam_is_the_weighted_sum_of_the_patches(network: ClassificationNetwork) -> None:
    image = drawn_image()
    patches = network.encoder.patches(image).requires_grad_()
    encoded = network.encoder.attend(patches, torch.zeros(1, dtype=torch.int64), QUERY)
    [gradient] = torch.autograd.grad(maps.margin(network.head(encoded.attended.patches_BND), 1).sum(), patches)
    weights = gradient.mean(dim=1, keepdim=True)  # of each channel, mean over places
    by_hand = (weights * patches).sum(dim=-1).relu().detach().unflatten(-1, (4, 4))[0].numpy()
    np.testing.assert_allclose(
        maps.grad_cam(network, image, QUERY, 1), maps.enlarged(by_hand, 32), rtol=1e-4, atol=1e-6
    )


def test_attention_is_that_of_the_grades_own_prompts(network: ClassificationNetwork) -> None:
    image = drawn_image()
    attention = network(image, torch.zeros(1, dtype=torch.int64), QUERY).attention_BHKN[0].mean(dim=0)
    own = [index for index, grade in enumerate(PROMPT_GRADES) if grade == 2]
    given = maps.attention(network, image, QUERY, 2)
    assert given.shape == (32, 32) and given.max() == 1
    coarse = attention[own].mean(dim=0).unflatten(-1, (4, 4))
    # the middle of each patch is that patch's, up to what its neighbours add in the enlargement
    assert np.corrcoef(given[4::8, 4::8].ravel(), coarse.numpy().ravel())[0, 1] > 0.95
    masker = SegmentationNetwork(PatchBackbone(), config()).eval()
    assert maps.attention_of_prompts(masker, image, QUERY).shape == (len(PROMPT_GRADES), 32, 32)


def test_without_prompts_there_is_no_map_of_attention() -> None:
    network = ClassificationNetwork(PatchBackbone(), config(fusion="none")).eval()
    assert "attention" not in maps.methods_of(network)
    with pytest.raises(ValueError, match="no prompts"):
        maps.attention(network, drawn_image(), QUERY, 0)


def test_every_map_lies_between_0_and_1_and_leaves_the_network_as_it_was(network: ClassificationNetwork) -> None:
    masker = SegmentationNetwork(PatchBackbone(), config()).eval().requires_grad_(False)
    image, before = drawn_image(), {name: tensor.clone() for name, tensor in network.state_dict().items()}
    found = {name: method(image, QUERY, 1) for name, method in maps.methods_of(network, masker).items()}
    found |= {"centre": maps.centre(image), "edges": maps.edges(image)}
    found["noise"] = maps.noise(image, np.random.default_rng(0))
    for name, one in found.items():
        assert one.shape == (32, 32) and one.dtype == np.float32, name
        assert 0 <= one.min() and one.max() in (0, 1), name
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]) and not tensor.requires_grad

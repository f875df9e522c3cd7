"""Whole networks around a stand-in backbone that fulfils the protocol."""

import pytest
import torch
from torch import nn

from lss.backbones.base import Backbone
from lss.model.network import ClassificationNetwork, NetworkConfig, SegmentationNetwork
from lss.notes.prompts import GRADE_PROMPTS


class PatchBackbone(Backbone):
    """Patch embedding as vision tower; the text tower counts how often it is asked."""

    name = "patches"

    def __init__(self):
        super().__init__()
        self.model = nn.Conv2d(3, 12, 8, stride=8)
        self.image_size, self.grid, self.width, self.text_width = 32, (4, 4), 12, 6
        self.mean, self.std = (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
        self.asked = 0
        self.requires_grad_(False)

    @classmethod
    def load(cls, folder, *, quantise, device, dtype):
        return cls()

    def patch_tokens(self, image_B3HW):
        return self.model(image_B3HW).flatten(2).transpose(1, 2)

    def prompt_embeddings(self, prompts):
        self.asked += 1
        return torch.randn(len(prompts), 6, generator=torch.Generator().manual_seed(1))

    def set_gradient_checkpointing(self, enabled):
        pass


def config(**changes):
    return NetworkConfig(
        **(
            {
                "d_shared": 16,
                "heads": 8,
                "fusion": "spatial",
                "prompt": "bank",
                "resample_grid": None,
                "mask_size": 40,
            }
            | changes
        )
    )


@pytest.fixture
def image():
    return torch.rand(3, 1, 32, 32, generator=torch.Generator().manual_seed(2))


GRADE = torch.tensor([0, 1, 2])


def test_segmentation_shapes(image):
    output = SegmentationNetwork(PatchBackbone(), config())(image, GRADE)
    assert output.logits.shape == (3, 1, 40, 40)
    assert output.attention_BHKN.shape == (3, 8, len(GRADE_PROMPTS), 16)


def test_resampled_grid(image):
    network = SegmentationNetwork(PatchBackbone(), config(resample_grid=14))
    assert network(image, GRADE).attention_BHKN.shape[-1] == 196  # the paper's


def test_classification_shapes(image):
    assert ClassificationNetwork(PatchBackbone(), config())(image, GRADE).logits.shape == (3, 3)


def test_text_tower_is_asked_once(image):
    network = ClassificationNetwork(PatchBackbone(), config())
    for _ in range(3):
        network(image, GRADE)
    assert network.encoder.backbone.asked == 1
    assert not any("prompts" in name for name in network.state_dict())


def test_the_bank_does_not_see_the_grade_and_the_oracle_does(image):
    torch.manual_seed(3)
    bank = ClassificationNetwork(PatchBackbone(), config()).eval()
    oracle = ClassificationNetwork(PatchBackbone(), config(prompt="oracle")).eval()
    other = torch.tensor([2, 2, 2])
    assert torch.equal(bank(image, GRADE).logits, bank(image, other).logits)
    told, told_other = oracle(image, GRADE), oracle(image, other)
    assert told.attention_BHKN.shape[2] == 1
    assert not torch.allclose(told.attention_BHKN[0], told_other.attention_BHKN[0])
    assert torch.equal(told.attention_BHKN[2], told_other.attention_BHKN[2])


def test_only_what_is_new_is_trained(image):
    network = SegmentationNetwork(PatchBackbone(), config())
    network(image, GRADE).logits.sum().backward()
    trained = {
        name.split(".")[0] + "." + name.split(".")[1] for name, p in network.named_parameters() if p.requires_grad
    }
    assert trained == {"encoder.attention", "decoder.layers", "decoder.to_logit"}
    assert all(p.grad is not None for p in network.parameters() if p.requires_grad)

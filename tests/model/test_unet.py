"""The plain U-Net: what it takes and gives."""

import pytest
import torch

from lss.model.settings import UNET_SMALLEST
from lss.model.unet import UNet


@pytest.mark.parametrize("size", [32, 50])
def test_masks_of_the_image_s_size_from_a_prior_of_little(size):
    torch.manual_seed(0)
    network = UNet(size, shared_width=64).eval()
    image = torch.rand(2, 1, size, size)
    with torch.no_grad():
        output = network(image, torch.tensor([0, 2]))
        other_grades = network(image, torch.tensor([1, 1]))
    assert output.logits.shape == (2, 1, size, size) and output.attention_BHKN is None
    assert torch.equal(output.logits, other_grades.logits)
    assert 0.01 < output.logits.sigmoid().mean() < 0.2


def test_widths_are_monai_s_own_unless_the_other_networks_are_small():
    first = [UNet(32, shared).layers.conv_0.conv_0.conv.out_channels for shared in (32, 64, 128, 512)]
    assert first == [8, 16, 32, 32]
    assert sum(part.numel() for part in UNet(32, 512).parameters()) > 1_900_000  # 1.98 million by MONAI's default


def test_it_trains_at_the_smallest_mask_that_the_settings_allow_and_at_none_below():
    grades = torch.tensor([0, 2])
    for size in (UNET_SMALLEST, UNET_SMALLEST - 1):
        network = UNet(size, shared_width=64).train()
        if size == UNET_SMALLEST:
            assert network(torch.rand(2, 1, size, size), grades).logits.shape == (2, 1, size, size)
        else:
            with pytest.raises(ValueError, match="more than 1 spatial element"):
                network(torch.rand(2, 1, size, size), grades)

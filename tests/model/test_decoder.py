"""Any grid reaches any mask size, and place is kept."""

import pytest
import torch

from lss.model.decoder import MaskDecoder


@pytest.mark.parametrize("grid", [(14, 14), (27, 27), (32, 32), (24, 24), (5, 7)])
@pytest.mark.parametrize("mask_size", [16, 64, 100, 256])
def test_any_grid_to_any_mask_size(grid, mask_size):
    decoder = MaskDecoder(12, grid, mask_size, channels=16).eval()
    assert decoder(torch.randn(2, grid[0] * grid[1], 12)).shape == (2, 1, mask_size, mask_size)


def test_paper_sizes_take_four_doublings():
    decoder = MaskDecoder(768, (14, 14), 256, channels=256)
    transposed = [layer for layer in decoder.layers if isinstance(layer, torch.nn.ConvTranspose2d)]
    assert len(transposed) == 4


def test_a_patch_moves_the_mask_where_it_lies():
    torch.manual_seed(1)
    decoder = MaskDecoder(8, (8, 8), 64, channels=16).eval()
    patches = torch.zeros(1, 64, 8)
    changed = patches.clone()
    changed[0, 2 * 8 + 5] = 3.0  # row 2, column 5: pixels 16-24, 40-48
    with torch.no_grad():
        change = (decoder(changed) - decoder(patches))[0, 0].abs()
    rows, columns = torch.meshgrid(torch.arange(64.0), torch.arange(64.0), indexing="ij")
    centre = ((change * rows).sum() / change.sum(), (change * columns).sum() / change.sum())
    assert 15 < centre[0] < 25 and 39 < centre[1] < 49
    assert change[:, :20].max() == 0  # far from the patch nothing changes

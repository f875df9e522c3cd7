from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from lss.backbones.base import resample_tokens


@pytest.mark.parametrize(("grid", "new_grid"), [((16, 16), (14, 14)), ((27, 27), (14, 14)), ((12, 12), (14, 14))])
def test_agrees_with_pillow(grid, new_grid):
    tokens = torch.rand(1, grid[0] * grid[1], 3, generator=torch.Generator().manual_seed(0))
    resampled = resample_tokens(tokens, grid, new_grid).reshape(*new_grid, 3)
    for channel in range(3):
        image = Image.fromarray(tokens[0, :, channel].reshape(grid).numpy())
        expected = np.asarray(image.resize(new_grid[::-1], Image.Resampling.BILINEAR))
        np.testing.assert_allclose(resampled[..., channel].numpy(), expected, atol=1e-5)


def test_same_grid_is_left_alone():
    tokens = torch.rand(2, 196, 4)
    assert resample_tokens(tokens, (14, 14), (14, 14)) is tokens


def test_a_grid_that_does_not_fit():
    with pytest.raises(ValueError, match="15 patch tokens do not form a grid of 4 x 4"):
        resample_tokens(torch.rand(1, 15, 2), (4, 4), (2, 2))

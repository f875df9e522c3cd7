"""A plain U-Net (Ronneberger et al. 2015): the baseline of the vision-language models in segmentation."""

from __future__ import annotations

import math

from monai.networks.nets import BasicUNet
from torch import Tensor, nn

from lss.model.decoder import PRIOR
from lss.model.network import Output

NAME = "unet"


class UNet(nn.Module):
    """MONAI's BasicUNet at the size of the mask: no text, no pretrained weights, all of it trained.

    Instance norm and transposed convolutions, as by default; so are its widths (from 32), or half of them where the
    other networks' shared width is small too. Like the mask decoder's, its last bias starts from "almost everything
    is background".
    """

    def __init__(self, mask_size: int, shared_width: int) -> None:
        super().__init__()
        self.mask_size = mask_size
        width = min(32, max(shared_width // 4, 4))
        widths = (width, width, 2 * width, 4 * width, 8 * width, width)
        self.layers = BasicUNet(spatial_dims=2, in_channels=1, out_channels=1, features=widths)
        nn.init.constant_(self.layers.final_conv.bias, -math.log((1 - PRIOR) / PRIOR))

    def forward(self, image_B1YX: Tensor, grade_B: Tensor, query_B3: Tensor | None = None) -> Output:
        """Return mask logits (B, 1, mask_size, mask_size), no attention; image in [0, 1], float32, of the mask's size.

        `grade_B` and `query_B3` belong to the networks' common interface and are ignored.
        """
        return Output(self.layers(image_B1YX).float(), None)

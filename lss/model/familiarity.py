"""How much an image looks like those of the training: distance to nearest neighbours in patch features.

An image's features are mean and standard deviation of each of its patch features over the patches. Its distance is
that to the fifth nearest of 256 training images, every feature in units of its spread over these (Sun et al. 2022,
"Out-of-distribution detection with deep nearest neighbors", on patch features). The threshold is the distance that 98 %
of the validation part's images keep within.

Shapes: B images, N patches, D width of the patches, R reference images, F = 2 D features.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

REFERENCES, NEAREST = 256, 5
MAX_BEYOND = 0.5
"""A study of which a larger share of slices lies beyond the threshold is refused."""

INSIDE = 0.98
"""Share of the validation part's images within the threshold."""


class Familiarity(nn.Module):
    """Distance from the images of the training, in units of the threshold. Buffers alone: nothing is trained.

    Attributes:
        fitted: whether there are references and a threshold, from `fit` or from a file.
    """

    reference_RF: Tensor
    centre_F: Tensor
    spread_F: Tensor
    threshold: Tensor

    def __init__(self, width: int) -> None:
        """Build it without references; `width` is that of the patches."""
        super().__init__()
        self.register_buffer("reference_RF", torch.zeros(REFERENCES, 2 * width))
        self.register_buffer("centre_F", torch.zeros(2 * width))
        self.register_buffer("spread_F", torch.ones(2 * width))
        self.register_buffer("threshold", torch.zeros(()))
        self.fitted = False  # a plain one: no pass waits for a GPU to ask the buffer, and `lss plan` has no numbers
        self.register_load_state_dict_post_hook(_note_whether_fitted)

    def forward(self, patches_BND: Tensor) -> Tensor:
        """Return distances (B,), float32, of which those above 1 are beyond the threshold; not to be asked unfitted."""
        return self._distance(features(patches_BND)) / self.threshold

    def beyond(self, features_BF: Tensor) -> Tensor:
        """Return which images, by their `features`, lie beyond the threshold: (B,) bool."""
        return self._distance(features_BF) > self.threshold

    @torch.no_grad()
    def fit(self, reference_RF: Tensor, validation_VF: Tensor) -> None:
        """Take the references, `REFERENCES` rows of `features`, and set the threshold on the validation part's.

        Raises ValueError for another number of references, or no validation image.
        """
        if len(reference_RF) != REFERENCES or not len(validation_VF):
            raise ValueError(f"{len(reference_RF)} references, {len(validation_VF)} validation images")
        self.centre_F.copy_(reference_RF.mean(dim=0))
        self.spread_F.copy_(reference_RF.std(dim=0) + 1e-6)
        self.reference_RF.copy_((reference_RF - self.centre_F) / self.spread_F)
        self.threshold.copy_(torch.quantile(self._distance(validation_VF), INSIDE))
        _note_whether_fitted(self)

    def _distance(self, features_BF: Tensor) -> Tensor:
        scaled_BF = (features_BF - self.centre_F) / self.spread_F
        # one image at a time: the last bits must not depend on the batch
        rows = [(one_F - self.reference_RF).square().sum(dim=-1).sqrt() for one_F in scaled_BF]
        return torch.stack([distance_R.kthvalue(NEAREST).values for distance_R in rows])


def features(patches_BND: Tensor) -> Tensor:
    """Return mean and standard deviation over the patches, (B, F) float32."""
    patches_BND = patches_BND.float()
    return torch.cat([patches_BND.mean(dim=1), patches_BND.std(dim=1)], dim=-1)


def _note_whether_fitted(module: Familiarity, _: object = None) -> None:
    """Note whether there are references and a threshold."""
    module.fitted = bool(module.threshold > 0)

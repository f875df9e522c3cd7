"""What every mask loss offers to the training loop."""

from __future__ import annotations

from torch import Tensor


class MaskLoss:
    """Loss of predicted masks. Most are fixed; an adaptive one changes itself between epochs.

    Attributes:
        adaptive: whether `end_epoch` changes it.
    """

    adaptive = False

    def __call__(self, logits_B1YX: Tensor, target_B1YX: Tensor) -> Tensor:
        """Return the scalar loss. Logits of any float type; targets 0 or 1, same shape."""
        raise NotImplementedError

    def end_epoch(self, false_positives: int, false_negatives: int) -> None:
        """Adapt after an epoch to the pixel errors over the training set, thresholded at 0.5."""

    def columns(self) -> dict[str, float]:
        """Return numbers of this epoch worth a column in epochs.csv."""
        return {}

    def state_dict(self) -> dict[str, float | None]:
        """Return what a checkpoint must keep of the loss itself."""
        return {}

    def load_state_dict(self, state: dict[str, float | None]) -> None:
        """Restore what `state_dict` gave."""

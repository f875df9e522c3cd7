"""A batch of images as the networks take them, in training and inference."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from lss.storage.shards import to_model_input


def image_tensor(image: NDArray[np.uint16], size: int) -> Tensor:
    """Return grey levels (rows, columns) as the networks see them: (size, size) in [0, 1], float16.

    float16 has 11 bits in [0.5, 1], the scale of 12-bit data.
    """
    return torch.from_numpy(to_model_input(image, size)).half()


@dataclass(frozen=True)
class Batch:
    """Samples of a shard as the networks take them.

    Attributes:
        image_B1YX: grey image in [0, 1], float32, at the backbone's image size; without pixels (B, 1, 0, 0) in a
            batch of samples that are all known to the task.
        mask_B1YX: 0 or 1, float32, at the mask size; without pixels likewise.
        grade_B: index into lss.domain.grades.GRADES, int64.
        report: reference texts.
        rows: the remaining columns of each sample (keys, level, grade).
        query_B3: the prompts' level and wording, `lss.model.prompt_bank.prompt_queries`; None: level unknown.
    """

    image_B1YX: Tensor
    mask_B1YX: Tensor
    grade_B: Tensor
    report: list[str] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    query_B3: Tensor | None = None

    def __len__(self) -> int:
        return len(self.image_B1YX)

    def to(self, device: torch.device) -> Batch:
        """Return the same batch with its tensors on `device`."""
        return Batch(
            self.image_B1YX.to(device, non_blocking=True),
            self.mask_B1YX.to(device, non_blocking=True),
            self.grade_B.to(device, non_blocking=True),
            self.report,
            self.rows,
            None if self.query_B3 is None else self.query_B3.to(device, non_blocking=True),
        )

    def pin_memory(self) -> Batch:
        """Return the same batch in page-locked memory, from which a copy to the GPU does not wait; DataLoader asks for
        it.
        """
        return Batch(
            self.image_B1YX.pin_memory(),
            self.mask_B1YX.pin_memory(),
            self.grade_B.pin_memory(),
            self.report,
            self.rows,
            None if self.query_B3 is None else self.query_B3.pin_memory(),
        )

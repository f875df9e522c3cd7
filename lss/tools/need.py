"""What a training needs, as numbers: memory, batch, FLOPs. Light, so that a plan already counted is shown at once."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

GIB = 2**30
CONTEXT_BYTES = 0.6 * GIB  # what CUDA and its libraries take before the first tensor


@dataclass(frozen=True)
class Step:
    """What one pass over a micro-batch takes.

    Attributes:
        live_bytes: most that lived at one moment beside weights, gradients and the optimiser's states.
        flops: multiplications and additions, what is computed twice counted twice.
    """

    live_bytes: float
    flops: float

    def __add__(self, other: Step) -> Step:
        return Step(self.live_bytes + other.live_bytes, self.flops + other.flops)

    def __mul__(self, factor: float) -> Step:
        return Step(factor * self.live_bytes, factor * self.flops)


@dataclass(frozen=True)
class Need:
    """What one task with one backbone takes.

    Attributes:
        parameters, trained: how many, and how many of them are trained (adapters and all that is new).
        quantised_layers, quantised_weights: what is stored in 4 bits.
        grid: rows and columns of patch tokens.
        text_tokens: tokens that the language model or decoder reads and writes per report, at most.
        held_bytes: weights as they are stored, gradients, states of the optimiser, one unpacked 4-bit layer.
        loading_bytes: of the whole backbone, of which a task may drop parts after building.
        passes: by name (`lss.tools.rehearsal.rehearse`) what one and what two images take.
        recounts: whether every epoch ends with one more pass over the training images, without gradients.
        longest_report: tokens, at most, of a report that validation writes; 0 where it writes none.
        written_at_once: reports.
        reports_written: by a validation, at most.
    """

    parameters: int
    trained: int
    quantised_layers: int
    quantised_weights: int
    grid: tuple[int, int]
    text_tokens: int
    held_bytes: float
    loading_bytes: float
    passes: dict[str, tuple[Step, Step]]
    recounts: bool = False
    longest_report: int = 0
    written_at_once: int = 1
    reports_written: int = 0

    def peak_bytes(self, images: int) -> float:
        """Return the estimated peak with `images` at a time."""
        steps = (one + (two + one * -1) * (images - 1) for one, two in self.passes.values())
        return CONTEXT_BYTES + max(self.loading_bytes, self.held_bytes + max(step.live_bytes for step in steps))

    def largest_batch(self, card_bytes: float, batch_size: int) -> int:
        """Return most images at a time that fit and divide `batch_size`; 0 when not even one does."""
        fitting = (count for count in divisors(batch_size) if self.peak_bytes(count) <= card_bytes)
        return max(fitting, default=0)

    def flops(self, train_images: int, val_images: int, epochs: int) -> float:
        """Return the operations of a whole training; reports of the validation count at their maximum length."""
        flops = {name: one.flops for name, (one, _) in self.passes.items()}
        without_gradients = val_images + (train_images if self.recounts else 0)
        of_epoch = flops["learn"] * train_images + flops["validate"] * without_gradients
        if self.longest_report:
            rounds = math.ceil(min(val_images, self.reports_written) / self.written_at_once)
            of_epoch += flops["write"] * rounds * self.longest_report
        return of_epoch * epochs + flops.get("look", 0.0) * (train_images + val_images)

    def prediction_flops(self, images: int) -> float:
        """Return the operations of predicting so many images once; reports count at their maximum length."""
        flops = {name: one.flops for name, (one, _) in self.passes.items()}
        if not self.longest_report:
            return flops["validate"] * images
        rounds = math.ceil(images / self.written_at_once)
        return flops.get("look", 0.0) * images + flops["write"] * rounds * self.longest_report


def to_json(need: Need) -> dict[str, Any]:
    """Return a need as JSON keeps it."""
    return asdict(need)


def from_json(values: dict[str, Any]) -> Need:
    """Return what `to_json` gave. Raises KeyError, TypeError, ValueError or AttributeError otherwise."""
    passes = {name: (Step(**one), Step(**two)) for name, (one, two) in values["passes"].items()}
    return Need(**values | {"passes": passes, "grid": tuple(values["grid"])})


def divisors(number: int) -> list[int]:
    """Return the positive divisors of a number, ascending.

    >>> divisors(8)
    [1, 2, 4, 8]
    """
    return [count for count in range(1, number + 1) if number % count == 0]

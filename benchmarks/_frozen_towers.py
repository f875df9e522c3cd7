"""Networks on towers that stay as they are: every image and text passes its tower once, then all arms train on that.

Without adapters (LoRA) and without a change of the images per epoch, unlike `lss train`: a CPU can then afford several
seeds of several arms. Loop, losses, attention, decoder and heads are those of `lss train`.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lss.backbones import load_backbone
from lss.backbones.base import Backbone
from lss.domain.grades import LEVELS
from lss.model.network import ClassificationNetwork, Output, SegmentationNetwork, network_config
from lss.model.prompt_bank import prompt_queries
from lss.notes.prompts import GRADE_PROMPTS, prompt_text
from lss.project.params import load_params
from lss.runtime.progress import progress
from lss.runtime.torch_setup import set_deterministic
from lss.training.classification_task import ClassificationTask
from lss.training.data import BatchLoader, Samples
from lss.training.loop import LoopSettings, train
from lss.training.segmentation_task import make_task
from lss.training.settings import TrainParams
from lss.training.task import Setup, Task

CPU = torch.device("cpu")
BATCH = 16
NAMES = ("real", "random")


class Arm(NamedTuple):
    """What one network is made of: the weights of its towers, how its prompts are used."""

    vision: str
    text: str
    prompt: str = "bank"
    queries: str = "text"


class Remembered(Backbone):
    """A backbone that is handed patch tokens for images, and knows the embedding of every prompt."""

    def __init__(self, tower: Backbone, embeddings: dict[str, Tensor]) -> None:
        super().__init__()
        self.grid, self.width, self.text_width = tower.grid, tower.width, tower.text_width
        self.embeddings = embeddings
        self.model = nn.Module()

    def normalise(self, image_BHW: Tensor) -> Tensor:
        """Already seen."""
        return image_BHW

    def patch_tokens(self, image_B3HW: Tensor) -> Tensor:
        """What the tower said when it saw the images."""
        return image_B3HW

    def prompt_embeddings(self, prompts: list[str]) -> Tensor:
        """What the tower said when it read the prompts."""
        return torch.stack([self.embeddings[prompt] for prompt in prompts])


class Seen(Samples):
    """Samples with patch tokens, float16 (N, D), in the place of the image."""

    def __init__(self, path: Path, tower: Backbone, mask_size: int, what: str) -> None:
        super().__init__([path], tower.image_size, mask_size, keep=True)
        tokens = []
        for first in progress(range(0, len(self), BATCH), f"tokens, {what}", unit="batch"):
            rows = [super(Seen, self).__getitem__((index, 0)) for index in range(first, min(first + BATCH, len(self)))]
            with torch.no_grad():
                image_BYX = torch.stack([row["image"] for row in rows]).float()
                tokens.append(tower.patch_tokens(tower.normalise(image_BYX)).half())
        self.tokens_IND = torch.cat(tokens)

    def __getitem__(self, draw: tuple[int, int]) -> dict[str, Any]:
        """See `Samples`."""
        return super().__getitem__(draw) | {"image": self.tokens_IND[draw[0]]}


@dataclass(frozen=True)
class Towers:
    """One checkpoint: samples as its vision tower sees them, by part; prompts as its text tower reads them."""

    seen: dict[str, Seen]
    backbone: Remembered

    @classmethod
    def look(cls, folder: Path, parts: dict[str, Path], mask_size: int, quantise: bool) -> Towers:
        """Pass the parts' images and all prompts through the towers in `folder`."""
        set_deterministic(1, CPU)
        tower = load_backbone("biomedclip", folder, quantise=quantise, device=CPU, dtype=torch.float32)
        texts = ["", *(prompt_text(prompt, wording, level) for prompt in GRADE_PROMPTS
                       for wording in range(len(prompt.wordings)) for level in range(len(LEVELS) + 1))]  # fmt: skip
        with torch.no_grad():
            embeddings = dict(zip(texts, tower.prompt_embeddings(texts), strict=True))
        seen = {part: Seen(path, tower, mask_size, f"{folder.name}, {part}") for part, path in parts.items()}
        return cls(seen, Remembered(tower, embeddings))  # type: ignore[abstract]  # is neither loaded nor stored


def fitted(arm: Arm, task: str, seed: int, params: TrainParams, towers: dict[str, Towers]) -> nn.Module:
    """The arm's network for `task`, trained on the part `train`; its weights are those of the best epoch on `val`."""
    params = params.model_copy(update={"prompt": arm.prompt, "queries": arm.queries})
    set_deterministic(1, CPU)
    torch.manual_seed(seed)
    backbone = Remembered(towers[arm.vision].backbone, towers[arm.text].backbone.embeddings)  # type: ignore[abstract]
    settings = getattr(params, task)
    setup = Setup(backbone, params, settings.losses[0], seed, CPU, None, Path(), load_params().execution)
    built: Task
    if task == "segmentation":
        built = make_task(SegmentationNetwork(backbone, network_config(params)), setup)
    else:
        built = ClassificationTask(ClassificationNetwork(backbone, network_config(params)), setup)
    seen = towers[arm.vision].seen
    loop = LoopSettings(
        epochs=settings.epochs, patience=settings.epochs, accumulate=1, schedule=params.schedule,
        gradient_clip=params.gradient_clip, bf16=False, device=CPU,
    )  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        train(
            built, BatchLoader(seen["train"], params.batch_size, seed), BatchLoader(seen["val"], BATCH, None), loop,
            state=Path(folder) / "state", key="", epochs_csv=Path(folder) / "epochs.csv",
        )  # fmt: skip
    return built.module


def answers(network: nn.Module, samples: Seen, content: str = "own") -> NDArray[np.float32]:
    """Logits for all samples, (I, 1, Y, X) or (I, 3); `content`: as of `prompt_queries`."""
    logits = []
    with torch.no_grad():
        for batch in BatchLoader(samples, BATCH, None).batches():
            levels = [row["level"] for row in batch.rows]
            query_B3 = prompt_queries(levels, content=content)
            output: Output = network(batch.image_B1YX, batch.grade_B, query_B3)
            logits.append(output.logits)
    return torch.cat(logits).numpy()

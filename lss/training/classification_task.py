"""Classification as a task of the training loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lss.domain.grades import GRADES
from lss.model.batch import Batch
from lss.model.network import ClassificationNetwork, network_config
from lss.training.task import Setup, Task, add_vision_adapters, grade_term


class ClassificationTask(Task):
    """Trains adapters of the vision tower, attention and head on grades."""

    def __init__(self, network: ClassificationNetwork, setup: Setup) -> None:
        self.module = network
        self.backbone = setup.backbone
        self.settings = setup.params.classification
        self.grade_weight = setup.params.grade_weight

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Return all that is trained, with one learning rate."""
        trained = [parameter for parameter in self.module.parameters() if parameter.requires_grad]
        settings = self.settings
        return [
            {
                "name": "all",
                "params": trained,
                "lr": settings.learning_rate,
                "weight_decay": settings.weight_decay,
            }
        ]

    def loss(self, batch: Batch) -> Tensor:
        """Return the cross-entropy of the grades, and of those that the encoder reads; the shards balance them."""
        output = self.module(batch.image_B1YX, batch.grade_B, batch.query_B3)
        return cross_entropy(output.logits, batch.grade_B) + grade_term(output, batch, self.grade_weight)

    def validate(self, batches: Iterable[Batch]) -> dict[str, float]:
        """Score the mean, over the grades, of the probability given to the true grade.

        Grades count alike however rare, as in balanced accuracy, and the score moves before a decision flips,
        which a handful of validation patients needs. `accuracy` and `loss` are told beside it.
        """
        pairs = [
            (self.module(batch.image_B1YX, batch.grade_B, batch.query_B3).logits, batch.grade_B) for batch in batches
        ]
        logits, grade = torch.cat([logits for logits, _ in pairs]), torch.cat([grade for _, grade in pairs])
        right = logits.softmax(dim=-1).gather(1, grade[:, None])[:, 0]
        present = [right[grade == index].mean() for index in range(len(GRADES)) if (grade == index).any()]
        return {
            "score": torch.stack(present).mean().item(),
            "accuracy": (logits.argmax(dim=-1) == grade).float().mean().item(),
            "loss": cross_entropy(logits, grade).item(),
        }


def build_network(setup: Setup) -> ClassificationNetwork:
    """Return fresh adapters, attention and head."""
    add_vision_adapters(setup)
    network = ClassificationNetwork(setup.backbone, network_config(setup.params))
    setup.backbone.drop_text_tower()  # the prompts are embedded
    return network.to(setup.device)


def build(setup: Setup) -> ClassificationTask:
    """Return the task on a fresh network."""
    return ClassificationTask(build_network(setup), setup)

"""Classification as a task of the training loop."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from lss.calibration.model_calibration import calibrate
from lss.calibration.probabilities import Prevalence
from lss.domain.grades import GRADES
from lss.model.batch import Batch
from lss.model.familiarity import MAX_BEYOND, REFERENCES, features
from lss.model.network import ClassificationNetwork, network_config
from lss.training.task import Setup, Task, add_vision_adapters, grade_term


class ClassificationTask(Task):
    """Trains adapters of the vision tower, attention and head on grades."""

    module: ClassificationNetwork

    def __init__(self, network: ClassificationNetwork, setup: Setup) -> None:
        self.module = network
        self.backbone = setup.backbone
        self.settings = setup.params.classification
        self.grade_weight = setup.params.grade_weight
        self.device = setup.device
        self._facts: dict[str, Any] = {}

    @torch.no_grad()
    def finish(self, train: Iterable[Batch], val: Iterable[Batch]) -> None:
        """Set by which images an image is familiar, and how often the validation part's patients would be refused."""
        network = self.module.eval()

        def features_of(batches: Iterable[Batch]) -> tuple[Tensor, list[str]]:
            of_batches, patients = [], []
            for batch in batches:
                of_batches.append(features(network.encoder.patches(batch.image_B1YX.to(self.device))))
                patients += [row["patient_key"] for row in batch.rows]
            return torch.cat(of_batches), patients

        reference_NF, _ = features_of(train)
        reference_RF = reference_NF[
            torch.arange(REFERENCES, device=self.device) % len(reference_NF)
        ]  # fewer images come several times
        val_VF, patients = features_of(val)
        network.familiarity.fit(reference_RF, val_VF)
        beyond = network.familiarity.beyond(val_VF).tolist()
        shares = {key: [of for of, own in zip(beyond, patients, strict=True) if own == key] for key in set(patients)}
        self._facts["familiarity"] = {
            "validation_slices_beyond": sum(beyond) / len(beyond),
            "validation_patients": len(shares),
            "validation_patients_refused": sum(sum(of) > len(of) * MAX_BEYOND for of in shares.values()),
        }

    def facts(self) -> dict[str, Any]:
        """Return how often validation images are beyond the threshold of familiarity, and how sure grades are.

        `calibration` is null where no slice of the validation part has a level.
        """
        return dict(self._facts)

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
        which a handful of validation patients needs. `accuracy` and `loss` are reported beside it.
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

    def calibrate(self, val: Iterable[Batch], prevalence: Prevalence) -> None:
        """Fit temperature and thresholds of the sets of grades (`lss.calibration`)."""
        rows, probabilities, grades = [], [], []
        for batch in val:
            logits = self.module(batch.image_B1YX, batch.grade_B, batch.query_B3).logits
            rows += batch.rows
            probabilities.append(logits.float().softmax(dim=-1).double().cpu().numpy())
            grades.append(batch.grade_B.cpu().numpy())
        fitted = calibrate(
            np.concatenate(probabilities),
            np.concatenate(grades),
            [row["patient_key"] for row in rows],
            [row["level"] for row in rows],
            prevalence,
        )
        self._facts["calibration"] = None if fitted is None else fitted.to_json()


def build_network(setup: Setup) -> ClassificationNetwork:
    """Build fresh adapters, attention and head."""
    add_vision_adapters(setup)
    network = ClassificationNetwork(setup.backbone, network_config(setup.params))
    setup.backbone.drop_text_tower()  # the prompts are embedded
    return network.to(setup.device)


def build(setup: Setup) -> ClassificationTask:
    """Return the task on a fresh network."""
    return ClassificationTask(build_network(setup), setup)

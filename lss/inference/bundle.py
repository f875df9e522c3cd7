"""A trained model together with its preparation: from a slice as it was read to a prediction.

bundle = load_bundle(Path("results/models/biomedclip/segmentation-pid_tversky"))
prepared = bundle.prepare(SliceImage("one", pixels, spacing_mm=(0.7, 0.7), level="L4-L5"))
[prediction] = bundle.predict(bundle.batch([prepared]))
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import lss.runtime.torch_setup  # noqa: F401  isort: skip  (before anything imports torchvision)
import torch
from torch import Tensor, nn

from lss.backbones import NAMES
from lss.calibration.model_calibration import Calibration, from_json
from lss.errors import LssError
from lss.inference.prediction import GradePrediction, MaskPrediction, predict_grades, predict_masks
from lss.inference.preparation import Preparation, PreparedSlice, SliceImage, prepare_slice
from lss.inference.report_writing import ReportPrediction, predict_reports
from lss.inference.settings import PredictParams
from lss.model.batch import Batch, image_tensor
from lss.model.prompt_bank import prompt_queries
from lss.model.report_generator import ReportGenerator
from lss.model.saved import CONFIG, ModelCard, load_network, read_card
from lss.model.severity import Thresholds
from lss.project import layout
from lss.runtime.torch_setup import resolve_device
from lss.training.registry import task_record

Prediction = GradePrediction | MaskPrediction | ReportPrediction


@dataclass(frozen=True)
class Bundle:
    """A model with everything that led to its input.

    Attributes:
        folder: of the model.
        card: content of its model.json: settings, hashes, versions, licence, provenance.
        network: in eval mode, frozen.
        device: where the network lies.
    """

    folder: Path
    card: ModelCard
    network: nn.Module
    device: torch.device

    @property
    def preparation(self) -> Preparation:
        """Settings by which its images were prepared. Raises LssError where its model.json has none."""
        return Preparation.of(self.card.preparation, self.folder / CONFIG)

    @property
    def thresholds(self) -> Thresholds | None:
        """Area thresholds in percent that this model uses; None where it writes no reports."""
        return self.network.encoder.thresholds if isinstance(self.network, ReportGenerator) else None

    @property
    def calibration(self) -> Calibration | None:
        """How sure its grades are; None where it gives none, or where its validation part had no disc to fit on."""
        stated = self.card.facts.get("calibration")
        return None if stated is None else from_json(stated)

    def prepare(self, source: SliceImage) -> PreparedSlice:
        """Denoise a slice, find its region of interest, crop it: as the stages did with the images of the training."""
        return prepare_slice(source, self.preparation, "cpu" if self.device.type == "cpu" else "cuda")

    def batch(self, prepared: Sequence[PreparedSlice]) -> Batch:
        """Put prepared slices together; masks, grades and reports are not known.

        Raises LssError for a model with the oracle prompt, which needs the true grade.
        """
        if self.card.leak:
            raise LssError(
                f"{self.folder / CONFIG}: was trained with train.prompt 'oracle', which needs the true grade of every "
                "image: it cannot read a new one. Train with prompt 'bank' or 'predicted'."
            )
        images = [image_tensor(one.image, self.card.image_size) for one in prepared]
        count = len(images)
        rows = [
            {
                "slice_key": one.source.key,
                "level": one.source.level,
                "region_share": one.region_share,
                "canal_column": one.canal_column,
                "sides": one.sides,
            }
            for one in prepared
        ]
        no_mask, no_grade = Tensor(count, 1, 0, 0), torch.zeros(count, dtype=torch.int64)
        query_B3 = prompt_queries([one.source.level for one in prepared])
        return Batch(torch.stack(images)[:, None].float(), no_mask, no_grade, [""] * count, rows, query_B3)

    def predict(
        self, batch: Batch, *, writing: PredictParams | None = None, seed: int = 0, exchange: Sequence[str] = ()
    ) -> list[Prediction]:
        """Return what the model says of each image of a batch.

        Args:
            batch: of `batch`, or of the stages' shards.
            writing: the section predict, needed by a report model: how it decodes, what becomes of contradictions.
            seed: of params.yaml; used where reports are sampled or written anew.
            exchange: see `lss.inference.prediction.predict_masks`.

        Raises LssError where the network's output is not finite.
        """
        bf16 = self.card.bf16
        if isinstance(self.network, ReportGenerator):
            if writing is None:
                raise ValueError("a report model needs the settings of the section predict")
            return list(predict_reports(self.network, batch, self.device, bf16, writing, seed))
        if task_record(self.card.task).predicts == "grade":
            return list(predict_grades(self.network, batch, self.device, bf16))
        return list(predict_masks(self.network, batch, self.device, bf16, exchange))


def load_bundle(folder: Path, *, weights: Path | None = None, device: str = "auto") -> Bundle:
    """Load a trained model.

    Args:
        folder: that the stage train wrote.
        weights: folder of the backbone's checkpoint; None: where the stage weights puts it in this project.
        device: auto, cpu or cuda.

    Raises LssError when a file is missing or damaged, or when the checkpoint is not the one of the training.
    """
    card = read_card(folder)
    if weights is None and card.backbone in NAMES:
        weights = Path(layout.WEIGHTS.format(backbone=card.backbone))
    where = resolve_device(device)
    network, card = load_network(folder, weights, where)
    return Bundle(folder, card, network, where)

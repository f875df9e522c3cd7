"""The trained models of one backbone: grades, masks, reports."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lss.errors import LssError
from lss.inference.bundle import Bundle, load_bundle
from lss.model.report_generator import ReportGenerator
from lss.model.saved import CONFIG, check_files, read_card
from lss.project.models import TASKS
from lss.storage.io import sha256_file

HOW_TO_TRAIN = "`snakemake --cores 8 train_all` trains them in this project (`lss plan` says what it takes)."


@dataclass(frozen=True)
class Models:
    """The trained models that read a study.

    Attributes:
        folder: the backbone's, e.g. results/models/biomedclip.
        grader: predicts the grade of a slice.
        masker: segments the stenotic region.
        writer: writes the report; None where none was trained.
        name: backbone and a hash over the models' files: another model gives another name.
        weights: what is known of the weights: tiny and random ones read nothing in patients.
    """

    folder: Path
    grader: Bundle
    masker: Bundle
    writer: Bundle | None
    name: str
    weights: str

    @property
    def bundles(self) -> list[Bundle]:
        """The grader, the masker, and the writer where there is one."""
        return [self.grader, self.masker, *([self.writer] if self.writer else [])]


def load_models(folder: Path, device: str = "auto", weights: Path | None = None) -> Models:
    """Load the models below a backbone's folder, or the folder of one of its models.

    `weights` is the folder of the backbone's checkpoint, None where the stage weights puts it in this project.

    Raises LssError where none is trained, or where one is of another version or damaged.
    """
    if (folder / CONFIG).is_file():
        folder = folder.parent
    folders = sorted(path.parent for path in folder.glob(f"*/{CONFIG}"))
    if not folders:
        inside = sorted(path.parent.parent.name for path in folder.glob(f"*/*/{CONFIG}"))
        hint = f" Name one backbone: {', '.join(sorted(set(inside)))}." if inside else f" {HOW_TO_TRAIN}"
        raise LssError(f"{folder}: holds no trained models.{hint}")
    of_task = {task: [path for path in folders if path.name.startswith(f"{task}-")] for task in TASKS}
    if lack := " and ".join(task for task in ("classification", "segmentation") if not of_task[task]):
        raise LssError(f"{folder}: has no model for {lack}. {HOW_TO_TRAIN}")
    grader = load_bundle(of_task["classification"][0], weights=weights, device=device)
    writer = load_bundle(of_task["report"][0], weights=weights, device=device) if of_task["report"] else None
    masker = _masker(_masker_of(writer, of_task["segmentation"]), writer, weights, device)
    digest = hashlib.sha256()
    for path in folders:
        digest.update((path / CONFIG).read_bytes())
    source = (grader.card.facts.get("weights") or {}).get("source", "unknown")
    words = (
        "tiny, random weights: shows that the software works, reads nothing in patients" if source == "tiny" else source
    )
    name = f"{grader.card.backbone}-{digest.hexdigest()[:12]}"
    return Models(folder, grader, masker, writer, name, words)


def _masker_of(writer: Bundle | None, candidates: list[Path]) -> Path:
    """Return the segmentation model that the report model was trained upon; the first where no report is written.

    Raises LssError where it is not among the candidates: report and picture would speak of two masks.
    """
    if writer is None:
        return candidates[0]
    for folder in candidates:
        if sha256_file(folder / CONFIG) == writer.card.made_from["segmentation"]:
            return folder
    raise LssError(
        f"{writer.folder}: was trained upon a segmentation model that is not in {writer.folder.parent}. "
        "Train it anew: `snakemake --cores 8 train_all`."
    )


def _masker(folder: Path, writer: Bundle | None, weights: Path | None, device: str) -> Bundle:
    """Return the segmentation model in `folder`, its network that of the report model, which holds it unchanged.

    To load it once more would take a third of the time and of the memory. Raises LssError where it was changed.
    """
    if writer is None or not isinstance(writer.network, ReportGenerator):
        return load_bundle(folder, weights=weights, device=device)
    card = read_card(folder)
    check_files(folder, card)
    return Bundle(folder, card, writer.network.segmentation, writer.device)

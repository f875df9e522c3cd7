"""The trained models of one backbone: grades, masks, reports."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from lss.errors import LssError
from lss.inference.bundle import Bundle, load_bundle
from lss.model.saved import CONFIG

TASKS = ("classification", "segmentation", "report")

HOW_TO_TRAIN = "`snakemake --cores 8 train_all` trains them in this project (`lss plan` says what it takes)."


@dataclass(frozen=True)
class Models:
    """What reads a study.

    Attributes:
        folder: the backbone's, e.g. results/models/biomedclip.
        grader: says the grade of a slice.
        masker: draws the stenotic region.
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
        """All of them."""
        return [self.grader, self.masker, *([self.writer] if self.writer else [])]


def load_models(folder: Path, device: str = "auto", weights: Path | None = None) -> Models:
    """Load the models below a backbone's folder, or the folder of one of its models.

    `weights` is the folder of the backbone's checkpoint, None where the stage weights puts it in this project.

    Raises LssError where none is trained, or where one is of another version or damaged.
    """
    if (folder / CONFIG).is_file():
        folder = folder.parent
    found = sorted(path.parent for path in folder.glob(f"*/{CONFIG}"))
    if not found:
        inside = sorted(path.parent.parent.name for path in folder.glob(f"*/*/{CONFIG}"))
        hint = f" Name one backbone: {', '.join(sorted(set(inside)))}." if inside else f" {HOW_TO_TRAIN}"
        raise LssError(f"{folder}: holds no trained models.{hint}")
    bundles = {
        task: _first(found, task, folder, device, weights) for task in ("classification", "segmentation", "report")
    }
    grader, masker = bundles["classification"], bundles["segmentation"]
    if grader is None or masker is None:
        lack = " and ".join(task for task in ("classification", "segmentation") if bundles[task] is None)
        raise LssError(f"{folder}: has no model for {lack}. {HOW_TO_TRAIN}")
    digest = hashlib.sha256()
    for path in found:
        digest.update((path / CONFIG).read_bytes())
    source = (grader.card.facts.get("weights") or {}).get("source", "unknown")
    words = (
        "tiny, random weights: shows that the software works, reads nothing in patients" if source == "tiny" else source
    )
    name = f"{grader.card.backbone}-{digest.hexdigest()[:12]}"
    return Models(folder, grader, masker, bundles["report"], name, words)


def _first(found: list[Path], task: str, folder: Path, device: str, weights: Path | None) -> Bundle | None:
    """The model of that task; of several losses the one after which the report model is trained, else the first."""
    candidates = [path for path in found if path.name.startswith(f"{task}-")]
    if not candidates:
        return None
    preferred = folder / "segmentation-pid_tversky"
    return load_bundle(preferred if preferred in candidates else candidates[0], weights=weights, device=device)

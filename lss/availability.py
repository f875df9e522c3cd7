"""What a run with these settings still lacks: raw data, weights. Looks at the disk only, imports nothing heavy."""

from __future__ import annotations

import shutil
from pathlib import Path

from lss import layout
from lss.cohorts.needed import missing_files
from lss.params import Params

COHORT_REMEDY = {
    "lss": "Mendeley Data k57fr854j2 (V2, images, 6.27 GB) with 01_MRI_Data/ in it, and the notes, "
    "Mendeley Data s6bgczr8s2, as 'Radiologists Report.xlsx' beside it. README.md, 'The paper's settings and archive'.",
    "rsna": "the RSNA 2024 Lumbar Spine files: train_images/, train.csv, train_series_descriptions.csv, "
    "train_label_coordinates.csv, from the competition's page (its terms apply).",
    "folder": "your DICOM, NIfTI, PNG or TIFF files, and the table named in cohort.folder.table.",
}


def has_gpu(device: str) -> bool:
    """Whether trainings will use a CUDA card under this setting of `device` (auto, cpu, cuda)."""
    return device == "cuda" or (device == "auto" and shutil.which("nvidia-smi") is not None)


def missing_inputs(params: Params) -> list[str]:
    """One line per lack: what, where it is expected, how to get it. Empty for the embedded default."""
    lacks = []
    cohort = params.cohort
    if cohort.name != "phantom" and (lack := missing_files(cohort)):
        lacks.append(f"cohort '{cohort.name}' in {cohort.root}/: {lack}. Put there {COHORT_REMEDY[cohort.name]}")
    if params.weights.source == "published":
        for backbone in params.train.backbones:
            checkpoint = getattr(params.weights, backbone)
            folder = checkpoint.folder or Path(f"data/weights/{backbone}")
            if not (folder.is_dir() and any(folder.glob("*.safetensors"))):
                lacks.append(
                    f"weights of {backbone} in {folder}/. The stage `weights` downloads {checkpoint.hub_id} "
                    f"(revision {checkpoint.revision}); without a network copy that repository's files there."
                )
    kept = params.evaluate.compare_with
    if kept and not Path(layout.KEPT.format(name=kept)).is_dir():
        lacks.append(
            f"the run {kept} in {layout.KEPT.format(name=kept)}/ (evaluate.compare_with). `lss keep REVISION` makes it "
            "from the git revision or DVC experiment it came from."
        )
    return lacks

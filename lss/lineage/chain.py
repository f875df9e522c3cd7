"""The records of a run as one chain: which job made which file."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from lss.errors import LssError
from lss.lineage.records import Record, read_record
from lss.project import layout
from lss.project.models import manifests_by_stage
from lss.project.params import Params


@dataclass(frozen=True)
class Chain:
    """All that the jobs of a run left.

    Attributes:
        order: the manifests that these settings call for, in the order of the chain.
        records: what stands in them, by path of the manifest.
        missing: those that are not there or cannot be read, with what is wrong.
        makers: the record of the job that made a file, by the file's path.
    """

    order: list[str]
    records: dict[str, Record]
    missing: dict[str, str]
    makers: dict[str, Record]


def read_chain(params: Params, root: Path = Path()) -> Chain:
    """Read the manifests of all jobs of the settings `params` in the project at `root`."""
    records: dict[str, Record] = {}
    missing: dict[str, str] = {}
    order = [manifest for due in manifests_by_stage(params).values() for manifest in due]
    for manifest in order:
        if not (root / manifest).is_file():
            missing[manifest] = "there is no manifest"
            continue
        try:
            records[manifest] = read_record(manifest, root)
        except LssError as error:
            missing[manifest] = str(error)
    makers = {path: record for record in records.values() for path in record.outputs}
    makers |= {record.manifest: record for record in records.values()}  # which a later stage may read
    return Chain(order, records, missing, makers)


def command_of(manifest: str) -> str:
    """Return the command that makes what a manifest is of.

    >>> command_of("results/manifests/shards/batch-00.json")
    'lss shards --batch 00'
    >>> command_of("results/manifests/train/smolvlm-report-focal.json")
    'lss train --backbone smolvlm --task report --loss focal'
    >>> command_of("results/manifests/predict/fold-1/repeat-2/unet-segmentation-focal_tversky.json")
    'lss predict --backbone unet --task segmentation --loss focal_tversky --fold 1 --repeat 2'
    >>> command_of("results/manifests/evaluate/folds.json")
    'lss evaluate --folds'
    >>> command_of("results/manifests/ingest/external/rsna/batch-00.json")
    'lss ingest --batch 00 --external rsna'
    >>> command_of("results/manifests/split/external/rsna.json")
    'lss split --external rsna'
    """
    if label := layout.external_of(manifest):
        of_training = command_of(re.sub(rf"/external/{label}\b", "", manifest))
        return f"{of_training} --external {label}"
    stage, *names = Path(manifest).relative_to(layout.MANIFESTS).with_suffix("").parts
    options = {
        "weights": ("backbone",),
        "train": ("backbone", "task", "loss"),
        "predict": ("backbone", "task", "loss"),
        "ablation": ("backbone", "fusion", "repeat"),
    }
    if not names or names == ["comparison"]:
        return f"lss {stage}"
    if names in (["folds"], ["external"]):
        return f"lss {stage} --{'folds' if names == ['folds'] else 'externals'}"
    *trial, name = names
    values = name.split("-") if stage in options else [name.removeprefix("batch-")]
    given = [*zip(options.get(stage, ("batch",)), values, strict=True), *(part.split("-") for part in trial)]
    return " ".join([f"lss {stage}", *(f"--{option} {value}" for option, value in given)])

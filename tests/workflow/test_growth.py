"""A cohort grows by patients: theirs is the work, and what it gives is what a run of all of them from nothing gives."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from project_copy import make_copy, planned, run

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

BATCHES = {"00", "01", "02", "03"}
MADE = ("interim/slices", "interim/rejects", "interim/denoised", "interim/pseudo_masks")


def project(source: Path, folder: Path, patients: int) -> Path:
    copy = make_copy(source, folder)
    text = (copy / "params.yaml").read_text()
    text = text.replace("batches: 2", "batches: 4").replace("patients: 15", f"patients: {patients}")
    (copy / "params.yaml").write_text(text)
    return copy


def hashes(folder: Path, *parts: str) -> dict[str, str]:
    files = [file for part in parts for file in (folder / "data" / part).glob("*.parquet")]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def batches_run(output: str) -> dict[str, set[str]]:
    """Batches by rule, of the jobs that Snakemake started."""
    batches: dict[str, set[str]] = {}
    for rule, batch in re.findall(
        r"^(?:local)?rule (\w+):\n(?:    .*\n)*?    wildcards: batch=(\d+)", output, flags=re.M
    ):
        batches.setdefault(rule, set()).add(batch)
    return batches


def keys(folder: Path) -> dict[str, str]:
    table = pq.read_table(folder / "data/interim/split.parquet", columns=["patient_key", "batch"]).to_pylist()
    return {row["patient_key"]: row["batch"] for row in table}


def test_one_more_patient_makes_one_batch_anew(project_root: Path, tmp_path: Path) -> None:
    grown = project(project_root, tmp_path / "grown", 12)
    run(grown, "snakemake", "--cores", "2", "shards_all")
    before, old, shards = keys(grown), hashes(grown, *MADE), hashes(grown, "shards")
    assert set(before.values()) == BATCHES
    parts = hashes(grown, "interim/split")

    text = (grown / "params.yaml").read_text()
    (grown / "params.yaml").write_text(text.replace("patients: 12", "patients: 13"))
    output = run(grown, "snakemake", "--cores", "2", "shards_all")
    after = keys(grown)
    (new,) = after.keys() - before.keys()
    assert {key: after[key] for key in before} == before  # nobody changed batches
    ran = batches_run(output)
    assert ran["ingest"] == ran["denoise"] == ran["pseudo_mask"] == {after[new]}
    changed = {name for name, digest in hashes(grown, *MADE).items() if old[name] != digest}
    assert changed and all(name.endswith(f"batch-{after[new]}.parquet") for name in changed)
    # shards follow the split and the balance, which are the whole cohort's: of no batch whose part is as it was
    moved = {name[-10:-8] for name, digest in hashes(grown, "interim/split").items() if parts[name] != digest}
    assert ran["shards"] == moved
    kept = {name: digest for name, digest in hashes(grown, "shards").items() if name[-10:-8] not in moved}
    assert kept.items() <= shards.items()
    assert planned(grown, "shards_all") == set()

    fresh = project(project_root, tmp_path / "fresh", 13)
    run(fresh, "snakemake", "--cores", "2", "shards_all")
    everything = (*MADE, "interim/split", "interim/used", "shards")
    assert hashes(fresh, *everything) == hashes(grown, *everything)

"""The whole chain on real pixels and real words.

Slices and notes are of unknown patients, paired arbitrarily: this proves the plumbing, nothing of accuracy.
"""

from __future__ import annotations

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from project_copy import make_copy, planned, run
from real_slices import link_real_slices

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

CAVEAT = (
    "Slices and notes are of unknown patients and were paired arbitrarily: no number here says anything of accuracy."
)


def test_chain_on_real_slices_and_notes(project_root: Path, shared: Path, tmp_path: Path) -> None:
    copy = make_copy(project_root, tmp_path / "copy")
    graded = link_real_slices(shared, copy / "data/raw/real")
    settings = yaml.safe_load((copy / "params.yaml").read_text())
    settings["cohort"] |= {"name": "folder", "root": "data/raw/real", "caveat": CAVEAT}
    settings["cohort"]["folder"] |= {"table": "notes.csv", "grade_column": "grade"}
    settings["ingest"]["assumed_spacing_mm"] = 0.6875
    settings["ingest"]["unknown_level"] = "note"  # pictures: no header says which disc they show
    settings["split"]["weighting"] = ["T1", "T2"]
    settings["train"]["backbones"] = ["biomedclip"]
    (copy / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    run(copy, "snakemake", "--cores", "2", "all")

    split = pq.read_table(copy / "data/interim/split.parquet").to_pylist()
    assert len(split) == 2 * len(graded) and {row["subset"] for row in split} == {"train", "val", "test"}
    masks = pq.read_table(copy / "data/interim/pseudo_masks").to_pylist()
    assert sum(row["canal_found"] for row in masks) > 0.8 * len(masks)
    reports = pq.read_table(copy / "results/predictions/biomedclip/report-focal.parquet").to_pylist()
    assert all(row["reference"] for row in reports)
    page = (copy / "results/index.html").read_text()
    assert CAVEAT in page and "research software" in page.lower()
    assert json.loads((copy / "results/metrics.json").read_text())
    assert planned(copy) == set()

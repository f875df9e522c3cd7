"""Two archives that are trained on as one cohort, from their raw files to the page: two phantoms of one numbering."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from project_copy import make_copy, planned, run

from lss.cohorts.privacy import pseudonyms

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

PARTS = """parts:
  - {label: one, name: phantom, root: data/raw/phantom-one, phantom: {patients: 9, unusual: 0.0}}
  - {label: two, name: phantom, root: data/raw/phantom-two, phantom: {patients: 6, unusual: 0.0}}
"""
LABELS = {"one", "two"}


@pytest.fixture(scope="module")
def project(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = make_copy(project_root, tmp_path_factory.mktemp("several") / "copy")
    text = (copy / "params.yaml").read_text()
    for old, new in {"name: phantom ": "name: several ", "parts: []": PARTS.replace("\n", "\n  ").rstrip()}.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    (copy / "params.yaml").write_text(text)
    run(copy, "snakemake", "--cores", "2", "all")
    return copy


def rows_of(project: Path, pattern: str, *columns: str) -> list[dict[str, str]]:
    return [row for path in project.glob(pattern) for row in pq.read_table(path, columns=list(columns)).to_pylist()]


def test_the_chain_is_whole_down_to_both_archives_and_has_nothing_left_to_do(project: Path) -> None:
    assert planned(project) == set()
    assert run(project, "dvc", "status", "--json").splitlines()[-1] == "{}"
    raw = {label: sum(f.is_file() for f in (project / f"data/raw/phantom-{label}").rglob("*")) for label in LABELS}
    assert f"{sum(raw.values())} of them raw" in run(project, "lss", "verify")
    why = run(project, "lss", "why", "results/tables/table2_segmentation.csv")
    facts = json.loads((project / "results/manifests/cohort.json").read_text())["facts"]
    for label, count in raw.items():
        assert f"data/raw/phantom-{label}/...  {count} raw files" in why
        assert facts["parts"][label]["sha256"] in why and facts["parts"][label]["files"] == count
    assert "phantom-one" not in json.dumps(facts)
    assert not (project / "data/private/cohort_files.csv").exists()  # each archive has a list of its own


def test_an_edit_of_one_archive_is_named_and_due(project: Path) -> None:
    before = (project / "params.yaml").read_text()
    text = before.replace("{patients: 6, unusual", "{patients: 7, unusual")
    assert text != before
    (project / "params.yaml").write_text(text)
    try:
        assert {"cohort", "train"} <= planned(project)
        assert "cohort.parts.two.phantom.patients: 6 -> 7: cohort, 2 x ingest, " in run(project, "lss", "changes")
    finally:
        (project / "params.yaml").write_text(before)
    assert planned(project) == set()


def test_both_are_trained_and_tested_on_and_their_patients_are_others(project: Path) -> None:
    slices = rows_of(project, "data/interim/slices/*.parquet", "patient_key", "cohort")
    patients = {label: {row["patient_key"] for row in slices if row["cohort"] == label} for label in LABELS}
    assert {row["cohort"] for row in slices} == LABELS
    assert patients["one"] and patients["two"] and not patients["one"] & patients["two"]
    names = pseudonyms(None, 20250, "two")  # as of an archive alone: no other one changes them
    assert patients["two"] <= {names.patient(str(number)) for number in range(1, 8)}
    trained = {row["patient_key"] for row in rows_of(project, "data/shards/train-*.parquet", "patient_key")}
    tested = {row["patient_key"] for row in rows_of(project, "data/shards/test-*.parquet", "patient_key")}
    for label in LABELS:
        assert trained & patients[label] and tested & patients[label]
    subsets = json.loads((project / "results/manifests/split.json").read_text())["facts"]["subsets"]
    assert subsets["test"]["patients_of"] == {label: len(tested & patients[label]) for label in sorted(LABELS)}
    assert subsets["train"]["patients_of"] == {label: len(trained & patients[label]) for label in sorted(LABELS)}

    with (project / "results/tables/table16_external.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["metric"] == "Accuracy" and row["stratum"] == "images"]
    counted = {row["cohort"]: int(row["patients"]) for row in rows}
    of = {f"test part, of {label}": len(tested & patients[label]) for label in LABELS}
    assert counted == {"test part": len(tested)} | of
    images = {row["cohort"]: int(row["n"]) for row in rows}
    assert images["test part"] == images["test part, of one"] + images["test part, of two"]
    page = (project / "results/index.html").read_text()
    assert "The test part archive by archive" in page and "several archives, trained on as one" in page
    sheet = (project / "results/cards/data_sheet.md").read_text()
    assert (
        "one: made by this program" in sheet
        and "patients of: (one: " in sheet
        and "**Archive two**: axial T2 slices: 72" in sheet
    )

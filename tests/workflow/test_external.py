"""An external cohort beside the one trained on, from its raw files to Table 16: a second phantom."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from project_copy import make_copy, plan, planned, run

pytestmark = pytest.mark.workflow

EXTERNAL = "external: [{label: b, name: phantom, root: data/raw/phantom-b, phantom: {patients: 6, unusual: 0.5}}]"


def with_external(project_root: Path, folder: Path) -> Path:
    copy = make_copy(project_root, folder)
    text = (copy / "params.yaml").read_text()
    assert "external: []" in text
    (copy / "params.yaml").write_text(text.replace("external: []", EXTERNAL))
    return copy


def test_the_plan_has_its_jobs_beside_those_of_before(project_root: Path, tmp_path: Path) -> None:
    text = plan(with_external(project_root, tmp_path / "copy"), "--dry-run", "--quiet", "rules", "--", "all")
    jobs = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", text, flags=re.M)}
    own = {name: count for name, count in jobs.items() if "external" in name}
    assert own == {
        "external_cohort": 1, "external_ingest": 2, "external_split": 1, "external_denoise": 2,
        "external_pseudo_mask": 2, "external_shards": 2, "external_predict": 3, "compare_external": 1,
    }  # fmt: skip
    assert (jobs["cohort"], jobs["ingest"], jobs["train"], jobs["predict"]) == (1, 2, 3, 3)


@pytest.fixture(scope="module")
def project(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = with_external(project_root, tmp_path_factory.mktemp("external") / "copy")
    run(copy, "snakemake", "--cores", "2", "all")
    return copy


@pytest.mark.slow
def test_the_chain_with_an_external_cohort_is_whole_and_has_nothing_left_to_do(project: Path) -> None:
    assert planned(project) == set()
    assert run(project, "dvc", "status", "--json").splitlines()[-1] == "{}"
    raw = sum(file.is_file() for of in ("phantom", "phantom-b") for file in (project / "data/raw" / of).rglob("*"))
    assert f"{raw} of them raw" in run(project, "lss", "verify")
    assert "data/raw/phantom-b/" in run(project, "lss", "why", "results/tables/table16_external.csv")
    assert "Nothing to run" in run(project, "lss", "changes")
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text.replace("{patients: 6,", "{patients: 7,"))
    try:
        said = run(project, "lss", "changes")
        assert "the external cohorts (external): changed: cohort, 2 x ingest, split" in said and "training" not in said
        assert not {"train", "ingest", "split"} & planned(project)
    finally:
        (project / "params.yaml").write_text(text)


@pytest.mark.slow
def test_nobody_of_it_was_trained_on_and_the_table_has_both(project: Path) -> None:
    def patients(pattern: str) -> set[str]:
        return {key for path in project.glob(pattern) for key in pq.read_table(path)["patient_key"].to_pylist()}

    inside, outside = patients("data/interim/slices/*.parquet"), patients("data/interim/slices/external/b/*.parquet")
    assert inside and outside and not inside & outside  # though both archives number their patients from 1
    tested = patients("data/shards/external/b/*.parquet")
    assert tested <= outside and not tested & patients("data/shards/*.parquet")
    with (project / "results/tables/table16_external.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    own, external = ([row for row in rows if (row["cohort"] == "b") == of] for of in (False, True))
    of_images = [row for row in external if row["stratum"] == "images"]
    assert {int(row["patients"]) for row in of_images if row["metric"] == "Accuracy"} == {len(tested)}
    assert max(int(row["patients"]) for row in of_images) == len(tested)  # fewer have masks or notes that are compared
    assert {row["metric"] for row in own} == {row["metric"] for row in external} >= {"Accuracy", "Cohen's kappa"}
    assert "External cohorts beside the test part" in (project / "results/index.html").read_text()
    listed = [path.relative_to(project).as_posix() for path in (project / "data/private").rglob("*.csv")]
    assert "data/private/external/b/cohort_files.csv" in listed
    manifest = json.loads((project / "results/manifests/cohort/external/b.json").read_text())
    assert "phantom-b" not in json.dumps(manifest)

"""A real archive outside the project: it is neither written to nor copied, and what changes in it is noticed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest
import yaml
from dicom_files import write_notes, write_patient
from project_copy import make_copy, planned, run

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

FIRST = {"cohort", "ingest", "split"}


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("share") / "archive"
    for number in range(1, 9):
        write_patient(root, f"{number:04d}", per_block=1, seed=number)
    grades = ("L4-L5: disc bulge compressing the thecal sac.", "No disc herniation.")
    write_notes(root / "Radiologists Report.xlsx", {number: grades[number % 2] for number in range(1, 9)})
    return root


@pytest.fixture(scope="module")
def project(project_root: Path, archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = make_copy(project_root, tmp_path_factory.mktemp("archive") / "copy")
    set_params(copy, cohort={"name": "lss", "root": str(archive)})
    run(copy, "snakemake", "--cores", "2", "--", "split")
    return copy


def set_params(copy: Path, **sections: dict[str, object]) -> None:
    settings = yaml.safe_load((copy / "params.yaml").read_text())
    for name, changes in sections.items():
        settings[name] |= changes
    (copy / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))


def stale(copy: Path) -> set[str]:
    """Of the first stages those that DVC calls out of date, after Snakemake has looked."""
    return FIRST & set(json.loads(run(copy, "dvc", "status", "--json").splitlines()[-1]))


def test_a_partial_run_records_what_it_made_and_nothing_of_the_archive(project: Path, archive: Path) -> None:
    assert planned(project, "split") == set() and stale(project) == set()
    lock = yaml.safe_load((project / "dvc.lock").read_text())["stages"]
    made = lock["cohort"]["outs"]
    assert {out["path"]: out.get("nfiles") for out in made}["data/raw/phantom"] == 0
    assert str(archive) not in str([(out["path"], lock["ingest"]["deps"]) for out in made])
    largest = max(path.stat().st_size for path in (project / ".dvc/cache").rglob("*") if path.is_file())
    raw = {path.read_bytes() for path in archive.rglob("*.ima")}
    assert largest < 10**6  # the slice tables of eight small patients
    assert not raw & {path.read_bytes() for path in (project / ".dvc/cache").rglob("*") if path.is_file()}
    assert sorted(path.name for path in archive.iterdir()) == ["01_MRI_Data", "Radiologists Report.xlsx"]
    assert "data/private" not in run(project, "git", "status", "--short", "--untracked-files=all")


def snapshot(folder: Path) -> dict[str, tuple[int, int, str]]:
    """Time, size and hash of every file but those that git, Python, Snakemake and DVC keep for themselves."""
    own = {".git", ".snakemake", "tmp", "__pycache__"}
    files = [path for path in folder.rglob("*") if path.is_file() and not own & set(path.relative_to(folder).parts)]
    return {
        str(path): (path.stat().st_mtime_ns, path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in files
    }


def test_an_added_file_is_noticed_by_a_pure_plan_and_taking_it_back_too(project: Path, archive: Path) -> None:
    added = archive / "01_MRI_Data/0008/new.ima"
    shutil.copy(next((archive / "01_MRI_Data/0001").rglob("T2_TSE_TRA*.ima")), added)
    before = snapshot(project)
    assert planned(project, "split") == FIRST
    assert "update pending" in run(project, "snakemake", "--summary", "--", "split")
    assert "--config and --configfile do not reach the stages" in run(
        project, "snakemake", "--config", "seed=1", "--cores", "1", "--", "split", check=False
    )
    assert stale(project) == set()  # DVC sees what a run, or lss sync, saw last
    assert snapshot(project) == before
    assert "dvc status is not clean" in run(project, "lss", "sync", check=False)
    assert "cohort" in stale(project)
    added.unlink()
    assert planned(project, "split") == set()
    run(project, "lss", "sync", check=False)  # all else of the chain is not made here
    assert stale(project) == set()


def test_the_users_split_goes_by_pseudonyms_and_folds_take_its_place(project: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    mine.write_text("who,subset\n" + "".join(f"{n},{('train', 'val', 'test')[n // 4]}\n" for n in range(1, 9)))
    run(project, "lss", "pseudonyms", str(mine), "--column", "who", "--output", "split.csv")
    set_params(project, split={"file": "split.csv"})
    # DVC does not hold the path of a user's file: it sees the table once a run has read it
    assert planned(project, "split") == {"split"}
    run(project, "snakemake", "--cores", "2", "--", "split")
    table = pq.read_table(project / "data/interim/split.parquet").to_pylist()
    assert {row["subset"] for row in table} == {"train", "val", "test", "unused"}
    assert len({row["patient_key"] for row in table if row["subset"] == "test"}) == 1
    set_params(project, split={"file": None, "folds": 4, "fold": 3})
    run(project, "lss", "split")
    table = pq.read_table(project / "data/interim/split.parquet").to_pylist()
    counts = Counter(subset for _, subset in {(row["patient_key"], row["subset"]) for row in table})
    assert (counts["train"], counts["val"], counts["test"]) == (4, 2, 2)

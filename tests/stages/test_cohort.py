"""Stage cohort: the same archive from any number of processes, its manifest, and what it says of missing files."""

from __future__ import annotations

import hashlib
import json
import os
import re
from pathlib import Path

import pytest

from lss import schemas
from lss.cohorts.phantom import archive
from lss.errors import LssError
from lss.io import read_parquet
from lss.params import CohortParams, load_params
from lss.stages import cohort

LAYOUT = re.compile(
    r"01_MRI_Data/\d{4}/[A-Z]-SPINE_[A-Z_-]+_\d{8}_\d{6}_\d{6}/"
    r"(?P<series>(LOCALIZER|T[12]_TSE_(SAG|TRA)(_\d{3})?|POSDISP_\[4\]_T2_TSE_TRA_384)_\d{4})/"
    r"(?P<stem>[A-Z0-9_\[\]]{11})_\d{4}_\d{3}\.ima"
)


def params(root: Path, name: str = "phantom", patients: int = 3) -> CohortParams:
    default = load_params(Path(__file__).resolve().parents[2] / "params.yaml").cohort
    phantom = default.phantom.model_copy(update={"patients": patients})
    return default.model_copy(update={"name": name, "root": root, "phantom": phantom})


def hashes(folder: Path) -> dict[str, str]:
    files = (path for path in sorted(folder.rglob("*")) if path.is_file())
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    cohort.run(params(folder / "raw"), 5, truth=folder / "truth.parquet", manifest=folder / "manifest.json")
    return folder


def test_same_bytes_from_one_process_and_two(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    here = os.sched_getaffinity(0)
    other = {0, 1} if len(here) == 1 else {min(here)}
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: other)
    cohort.run(params(tmp_path / "raw"), 5, truth=tmp_path / "truth.parquet", manifest=tmp_path / "manifest.json")
    assert hashes(tmp_path / "raw") == hashes(made / "raw")
    assert hashes(tmp_path)["truth.parquet"] == hashes(made)["truth.parquet"]


def test_manifest_lists_every_file(made: Path) -> None:
    listing = json.loads((made / "raw/manifest.json").read_text())
    found = hashes(made / "raw")
    del found["manifest.json"]
    assert listing["cohort"] == "phantom"
    assert {name: entry["sha256"] for name, entry in listing["files"].items()} == found
    assert all(entry["bytes"] == (made / "raw" / name).stat().st_size for name, entry in listing["files"].items())
    facts = json.loads((made / "manifest.json").read_text())["facts"]
    assert facts["patients"] == 3 and facts["axial_t2_slices"] == 36
    assert facts["files"] == len(found)


def test_paths_are_those_of_the_archive(made: Path) -> None:
    files = [name for name in hashes(made / "raw") if name.endswith(".ima")]
    for name in files:
        match = LAYOUT.fullmatch(name)
        assert match and match["series"].startswith(match["stem"]), name
    assert len({name.split("/")[1] for name in files}) == 3
    assert (made / "raw" / "Radiologists Report.xlsx").is_file()


def test_truth_joins_every_axial_slice(made: Path) -> None:
    truth = read_parquet(made / "truth.parquet", schemas.TRUTH).to_pylist()
    axial = {digest for name, digest in hashes(made / "raw").items() if "_TRA_" in name}
    assert {row["source_sha256"] for row in truth} == axial
    assert len(truth) == len(axial)
    assert {row["grade"] for row in truth} == {"A", "BC", "D"}


def test_earlier_phantom_is_replaced_but_foreign_files_are_not(tmp_path: Path, made: Path) -> None:
    root = tmp_path / "raw"
    root.mkdir()
    (root / "my_data.dcm").write_text("precious")
    with pytest.raises(LssError, match=r"my_data\.dcm"):
        cohort.run(params(root), 5, truth=tmp_path / "t.parquet", manifest=tmp_path / "m.json")
    assert (root / "my_data.dcm").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]  # nothing half made is left behind


def test_quirks_of_the_archive_occur_once_each() -> None:
    plans, without_images = archive.plan_cohort(48, 5)
    quirks = ("second_study", "position_display", "cervical_study", "truncated_file", "empty_note")
    assert [sum(getattr(plan, quirk) for plan in plans) for quirk in quirks] == [1] * 5
    assert sorted(plan.columns for plan in plans)[:2] == [310, 320]
    numbers = [plan.number for plan in plans]
    assert numbers == sorted(set(numbers)) and numbers[-1] > len(numbers)  # with gaps
    assert not set(without_images) & set(numbers)
    regular, none = archive.plan_cohort(5, 5)
    assert all(plan == archive.Plan(plan.number, plan.grades) for plan in regular) and not none


def test_quirks_are_seen_in_the_files(tmp_path: Path) -> None:
    grades = dict.fromkeys(("L3-L4", "L4-L5", "L5-S1"), "A")
    plan = archive.Plan(
        46, grades, second_study=True, position_display=True, cervical_study=True, truncated_file=True, columns=310
    )
    truth = archive.write_patient(plan, tmp_path, 5)
    studies = sorted(path.name.split("_2")[0] for path in (tmp_path / "01_MRI_Data/0046").iterdir())
    assert studies == ["C-SPINE_C-SPINE", "L-SPINE_LSS", "L-SPINE_LSS"]
    assert len(list(tmp_path.rglob("POSDISP_[[]4]_T2_TSE_TRA_384_5001/*.ima"))) == 1
    sizes = {path.stat().st_size for path in tmp_path.rglob("T1_TSE_TRA__0046_*.ima")}
    assert min(sizes) < 0.5 * max(sizes)
    assert {row["columns"] for row in truth} == {310}
    assert len(truth) == 12 + 6 + 12


@pytest.mark.parametrize(
    ("name", "words"), [("lss", "k57fr854j2"), ("rsna", "RSNA 2024"), ("folder", "cohort.folder.table")]
)
def test_missing_real_cohort_is_explained(tmp_path: Path, name: str, words: str) -> None:
    for root in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(LssError, match=words) as caught:
            cohort.run(params(root / "x", name), 5, truth=tmp_path / "t.parquet", manifest=tmp_path / "m.json")
        assert str(root / "x") in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LssError, match=words):
        cohort.run(params(tmp_path / "empty", name), 5, truth=tmp_path / "t.parquet", manifest=tmp_path / "m.json")


def test_real_cohort_is_listed_as_it_is(tmp_path: Path) -> None:
    root = tmp_path / "raw"
    (root / "01_MRI_Data/0001").mkdir(parents=True)
    (root / "01_MRI_Data/0001/a.ima").write_bytes(b"image")
    (root / "Radiologists Report.xlsx").write_bytes(b"notes")
    cohort.run(params(root, "lss"), 5, truth=tmp_path / "t.parquet", manifest=tmp_path / "m.json")
    listing = json.loads((root / "manifest.json").read_text())
    expected = {"sha256": hashlib.sha256(b"image").hexdigest(), "bytes": 5}
    assert listing["cohort"] == "lss" and listing["files"]["01_MRI_Data/0001/a.ima"] == expected
    assert read_parquet(tmp_path / "t.parquet", schemas.TRUTH).num_rows == 0

"""Stage cohort: the same archive from any number of processes, its manifest, and what it says of missing files."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
from dicom_files import write_notes

from lss.cohorts.lss_dataset import LssDataset
from lss.cohorts.needed_files import missing_files
from lss.cohorts.settings import CohortParams
from lss.errors import LssError
from lss.phantom import archive
from lss.project.layout import batch_names
from lss.project.params import load_params
from lss.stages import cohort
from lss.storage import schemas
from lss.storage.io import read_parquet

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


def run(settings: CohortParams, out: Path, seed: int = 5, processes: int | None = None) -> Path:
    """The stage with its outputs in `out`."""
    ingest = load_params(Path(__file__).resolve().parents[2] / "params.yaml").ingest
    states = {batch: out / f"state-{batch}.json" for batch in batch_names(settings.batches)}
    cohort.run(
        settings, seed, ingest=ingest, states=states,
        files=out / "cohort.json", private=out / "files.csv", truth=out / "truth.parquet",
        manifest=out / "manifest.json", processes=processes,
    )  # fmt: skip
    return out


def listed(out: Path) -> dict[str, dict[str, str]]:
    with (out / "files.csv").open(newline="") as table:
        return {row["file"].removeprefix(f"{out / 'raw'}/"): row for row in csv.DictReader(table)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cohort")
    return run(params(folder / "raw"), folder)


def test_same_bytes_from_one_process_and_two(made: Path, tmp_path: Path) -> None:
    processes = 2 if len(os.sched_getaffinity(0)) == 1 else 1
    run(params(tmp_path / "raw"), tmp_path, processes=processes)
    assert hashes(tmp_path / "raw") == hashes(made / "raw")
    for name in ("truth.parquet", "cohort.json"):
        assert hashes(tmp_path)[name] == hashes(made)[name]


def test_no_more_processes_than_asked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Snakemake shares its cores out among jobs; a job that took all would slow the others down."""
    asked = []

    class Recorded(ProcessPoolExecutor):
        def __init__(self, workers: int, *rest: object, **named: object) -> None:
            asked.append(workers)
            raise RuntimeError

    monkeypatch.setattr(cohort, "ProcessPoolExecutor", Recorded)
    for processes in (2, 7):
        with pytest.raises(RuntimeError):
            run(params(tmp_path / "raw"), tmp_path, processes=processes)
    assert asked == [2, 3]  # of three patients


def test_every_file_is_listed_for_the_owner_and_summed_up_for_the_rest(made: Path) -> None:
    result = hashes(made / "raw")
    assert {name: row["sha256"] for name, row in listed(made).items()} == result
    assert all(int(row["bytes"]) == (made / "raw" / name).stat().st_size for name, row in listed(made).items())
    assert (made / "files.csv").stat().st_mode & 0o777 == 0o600
    summary = json.loads((made / "cohort.json").read_text())
    assert (summary["cohort"], summary["files"], summary["unreadable"]) == ("phantom", len(result), 0)
    assert summary["bytes"] == sum((made / "raw" / name).stat().st_size for name in result)
    facts = json.loads((made / "manifest.json").read_text())["facts"]
    assert facts["patients"] == 3 and facts["axial_t2_slices"] == 36
    assert facts["files"] == len(result)


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
    with pytest.raises(LssError, match="1 files that are not the phantom's"):
        run(params(root), tmp_path)
    assert (root / "my_data.dcm").read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == ["raw"]  # nothing half made is left behind


@pytest.mark.parametrize("mark", [None, "{}", '{"cohort": "lss", "files": {"01_MRI_Data/0001/a.ima": {}}}', "[]"])
def test_a_real_archive_is_never_taken_for_a_phantom(tmp_path: Path, mark: str | None) -> None:
    """It has the same folders and, from earlier versions of this stage, a manifest.json."""
    root = tmp_path / "raw"
    (root / "01_MRI_Data/0001").mkdir(parents=True)
    (root / "01_MRI_Data/0001/a.ima").write_text("precious")
    (root / "Radiologists Report.xlsx").write_text("precious too")
    if mark is not None:
        (root / "manifest.json").write_text(mark)
    before = hashes(root)
    with pytest.raises(LssError, match="files that are not the phantom's"):
        run(params(root), tmp_path)
    assert hashes(root) == before


def test_a_phantom_is_replaced_unless_something_was_put_into_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write_one_file(plan: archive.Plan, root: Path, seed: int) -> list[dict[str, object]]:
        path = root / f"01_MRI_Data/{plan.number:04d}/a.ima"
        path.parent.mkdir(parents=True)
        path.write_text(str(seed))
        return []

    monkeypatch.setattr(archive, "write_patient", write_one_file)
    (tmp_path / "disk").mkdir()
    (tmp_path / "raw").symlink_to(tmp_path / "disk", target_is_directory=True)
    run(params(tmp_path / "raw"), tmp_path, processes=1)
    assert len(list((tmp_path / "disk").rglob("*.ima"))) == 3
    (tmp_path / "disk/Radiologists Report.xlsx").unlink()  # as Snakemake does with a rule's output before its job
    run(params(tmp_path / "raw", patients=4), tmp_path, processes=1)
    assert len(list((tmp_path / "disk").rglob("*.ima"))) == 4 and (tmp_path / "raw").is_symlink()
    (tmp_path / "disk/01_MRI_Data/mine.ima").write_text("precious")
    with pytest.raises(LssError, match="holds 1 files that are not the phantom's"):
        run(params(tmp_path / "raw"), tmp_path, processes=1)


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
            run(params(root / "x", name), tmp_path)
        assert str(root / "x") in str(caught.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(LssError, match=words):
        run(params(tmp_path / "empty", name), tmp_path)


def test_all_that_the_reader_needs_is_asked_for(tmp_path: Path) -> None:
    """What the stage and `snakemake -n` call complete, the reader must not call incomplete."""
    root = tmp_path / "rsna"
    (root / "train_images").mkdir(parents=True)
    for name in ("train", "train_series_descriptions", "train_label_coordinates"):
        assert missing_files(params(root, "rsna")) == f"no {name}.csv in it"
        (root / f"{name}.csv").write_text("a\n")
    assert missing_files(params(root, "rsna")) is None
    root = tmp_path / "lss"
    (root / "x/01_MRI_Data").mkdir(parents=True)
    assert missing_files(params(root, "lss")) == "no 'Radiologists Report.xlsx' in it"
    deep = write_notes(root / "a/b/c/Radiologists Report.xlsx", {1: "x"})
    assert missing_files(params(root, "lss")) is not None  # too deep for both
    with pytest.raises(LssError, match=r"no 'Radiologists Report\.xlsx'"):
        LssDataset(root)
    deep.rename(root / "a/b/RADIOLOGISTS.XLSX")
    assert missing_files(params(root, "lss")) is None and LssDataset(root).patients() == ["1"]


def test_real_cohort_is_listed_as_it_is_and_nothing_is_written_into_it(tmp_path: Path) -> None:
    """Also where it is read-only, holds links, and files that cannot be read."""
    out = tmp_path
    root = out / "raw"
    (root / "01_MRI_Data").mkdir(parents=True)
    (tmp_path / "disk/0001").mkdir(parents=True)
    (tmp_path / "disk/0001/a.ima").write_bytes(b"image")
    (root / "01_MRI_Data/0001").symlink_to(tmp_path / "disk/0001", target_is_directory=True)
    (root / "01_MRI_Data/gone.ima").symlink_to(tmp_path / "nowhere")
    (root / "Radiologists Report.xlsx").write_bytes(b"notes")
    before = sorted(root.rglob("*"))
    for folder in (root, root / "01_MRI_Data"):
        folder.chmod(0o555)
    try:
        run(params(root, "lss"), out)
    finally:
        for folder in (root, root / "01_MRI_Data"):
            folder.chmod(0o755)
    assert sorted(root.rglob("*")) == before
    result = listed(out)
    assert result["01_MRI_Data/0001/a.ima"]["sha256"] == hashlib.sha256(b"image").hexdigest()
    assert result["01_MRI_Data/0001/a.ima"]["bytes"] == "5"
    assert result["01_MRI_Data/gone.ima"]["problem"] == "No such file or directory"
    summary = json.loads((out / "cohort.json").read_text())
    assert (summary["cohort"], summary["files"], summary["unreadable"]) == ("lss", 3, 1)
    assert read_parquet(out / "truth.parquet", schemas.TRUTH).num_rows == 0
    (tmp_path / "disk/0001/a.ima").write_bytes(b"imagf")
    run(params(root, "lss"), out)
    assert json.loads((out / "cohort.json").read_text())["sha256"] != summary["sha256"]

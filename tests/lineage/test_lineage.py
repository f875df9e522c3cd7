"""From a result back to the raw files: complete where it is, and each break named at its place."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

import pytest
from small_run import add_external, make_run
from typer.testing import CliRunner, Result

from lss.cli import app
from lss.errors import LssError
from lss.lineage.chain import read_chain
from lss.lineage.fresh import outdated
from lss.lineage.raw import read_raw
from lss.lineage.rows import Scope
from lss.lineage.verify import Break, verify
from lss.lineage.why import why_text
from lss.project.models import manifests_by_stage
from lss.project.params import Params

TABLE = "results/tables/table2_segmentation.csv"
RAW = "data/raw/phantom/0001/T2_0001.ima"


@pytest.fixture(scope="module")
def finished(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Params]:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return folder, make_run(project_root, folder)


@pytest.fixture
def run(finished: tuple[Path, Params], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    """A copy of the run in the current folder."""
    shutil.copytree(finished[0], tmp_path / "run")
    monkeypatch.chdir(tmp_path / "run")
    return finished[1]


def lss(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments), catch_exceptions=True)


def sha256(path: str) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def test_a_whole_run_is_complete(run: Params) -> None:
    result = lss("verify")
    assert result.exit_code == 0 and "complete: " in result.stdout and "2 of them raw" in result.stdout


@pytest.mark.parametrize(
    ("file", "manifest", "maker"),
    [
        ("data/shards/train-01.parquet", "results/manifests/shards/batch-01.json", "lss shards --batch 01"),
        (TABLE, "results/manifests/tables.json", "lss tables"),
        ("results/models/smolvlm/report-focal/model.safetensors", "results/manifests/train/smolvlm-report-focal.json",
         "lss train --backbone smolvlm --task report --loss focal"),
        (RAW, "data/private/cohort_files.csv", "lss cohort"),
    ],
)  # fmt: skip
def test_one_changed_byte_is_named_with_its_place(run: Params, file: str, manifest: str, maker: str) -> None:
    before = sha256(file)
    content = bytearray(Path(file).read_bytes())
    content[0] ^= 1
    Path(file).write_bytes(content)
    result = lss("verify")
    assert result.exit_code == 1
    first = result.stdout.split("more, nearest")[0]
    assert first.startswith(f"BREAK  {file}: was changed") and manifest in first and maker in first
    assert before in first and sha256(file) in first and "snakemake" in first


def test_a_missing_file_and_a_missing_manifest_are_named(run: Params) -> None:
    Path("results/metrics.json").unlink()
    assert lss("verify").stdout.startswith("BREAK  results/metrics.json: is missing")
    Path("results/manifests/ingest/batch-01.json").unlink()
    assert lss("verify").stdout.startswith("BREAK  results/manifests/ingest/batch-01.json: there is no manifest")


def test_an_input_that_the_manifest_does_not_state_is_a_break(run: Params) -> None:
    manifest = Path("results/manifests/train/biomedclip-report-focal.json")
    stated = json.loads(manifest.read_text())
    stated["inputs"] = {path: digest for path, digest in stated["inputs"].items() if "weights" not in path}
    manifest.write_text(json.dumps(stated))
    first = verify(run).breaks[0]
    assert (first.file, first.stated_by) == (
        "data/interim/weights",
        str(manifest),
    ) and "does not state it" in first.what


def test_a_step_made_from_an_older_version_is_a_break(run: Params) -> None:
    """All files are as their own manifests state them; only the join between two does not hold."""
    manifest, shard = Path("results/manifests/shards/batch-00.json"), "data/shards/val-00.parquet"
    Path(shard).write_text("made again, and nothing after it")
    stated = json.loads(manifest.read_text())
    stated["outputs"][shard]["sha256"] = sha256(shard)
    manifest.write_text(json.dumps(stated))
    first = verify(run).breaks[0]
    assert first.file == shard and first.what == f"was read in another version than {manifest} states"
    assert first.stated_by.startswith("results/manifests/train/") and first.actual == sha256(shard)


def test_results_without_the_raw_files_say_where_the_chain_ends(run: Params) -> None:
    shutil.rmtree("data/raw")
    assert verify(run).breaks == [] and "data/raw/phantom/ is not here" in verify(run).notes[0]
    shutil.rmtree("data/private")
    assert verify(run).breaks == [] and "the chain ends at the one hash over all raw files" in verify(run).notes[0]


def test_raw_files_of_an_external_cohort_are_read_too(run: Params) -> None:
    params = add_external(run, "clinic")
    raw, listing = "data/raw/clinic/0002/T2_0001.ima", "data/private/external/clinic/cohort_files.csv"

    def changed() -> list[Break]:
        return [found for found in verify(params).breaks if found.what != "there is no manifest"]  # of no later job

    assert changed() == [] and verify(params).raw == 4
    Path(raw).write_text("other pixels")
    (found,) = changed()
    assert (found.file, found.actual, found.stated_by) == (raw, sha256(raw), listing)
    assert found.made_by.startswith("lss cohort --external clinic")
    shutil.rmtree("data/raw/clinic")
    assert changed() == [] and "data/raw/clinic/ is not here" in verify(params).notes[0]

    listed = "data/interim/cohort/external/clinic/files.json"
    text = why_text(listed, read_chain(params), read_raw(params), Scope(), all_files=True)
    assert f"{raw}  sha256 " in text and RAW not in text


def test_an_exchanged_list_of_raw_files_is_a_break(run: Params) -> None:
    listing = Path("data/private/cohort_files.csv")
    lines = listing.read_text().splitlines()
    listing.write_text("\n".join(lines[:-1]) + "\n")
    assert "is not the list of the raw files that the run was made from" in lss("verify").stdout


def test_why_goes_down_to_the_dicom_files_with_settings_and_commit(run: Params) -> None:
    result = lss("why", TABLE)
    lines = result.stdout.splitlines()
    assert result.exit_code == 0 and lines[0] == f"{TABLE}  sha256 {sha256(TABLE)}"
    steps = ["by lss tables", "by lss evaluate", "by lss train", "by lss shards", "by lss ingest", "by lss cohort"]
    places = [next(place for place, line in enumerate(lines) if step in line) for step in steps]
    assert places == sorted(places)
    indents = [len(lines[place]) - len(lines[place].lstrip()) for place in places]
    assert indents == sorted(set(indents))
    assert "drawn by this program from the seed" in result.stdout  # the tiny checkpoints
    assert "train.gamma: 0.75" in result.stdout and "; commit " in result.stdout
    assert "2 raw files (2 .ima, 16 bytes)" in result.stdout and RAW not in result.stdout
    files = lss("why", TABLE, "--files").stdout
    assert f"{RAW}  sha256 {sha256(RAW)}" in files and "data/shards/test-01.parquet  sha256" in files


@pytest.mark.parametrize(
    "choice", [("--row", "1"), ("--where", "backbone=biomedclip"), ("--where", "model=BiomedCLIP")]
)
def test_a_row_depends_on_its_model_alone(run: Params, choice: tuple[str, str]) -> None:
    text = lss("why", TABLE, *choice).stdout
    assert "predictions/biomedclip/segmentation-pid_tversky.parquet" in text and "weights/biomedclip" in text
    assert "2 raw files" in text
    for other in ("smolvlm/", "segmentation-cross_entropy", "report-focal", "classification-cross_entropy"):
        assert other not in text


def test_wrong_questions_say_what_there_is(run: Params) -> None:
    def message(*arguments: str) -> str:
        error = lss("why", *arguments).exception
        assert isinstance(error, LssError)
        return str(error)

    assert "it has 2" in message(TABLE, "--row", "3")
    assert "There are: model, loss" in message(TABLE, "--where", "color=red")
    assert "Values there: BiomedCLIP, SmolVLM" in message(TABLE, "--where", "backbone=unet")
    assert "should be COLUMN=VALUE" in message(TABLE, "--where", "biomedclip")
    assert "no manifest of this run states what made it" in message("params.yaml")
    assert "choose rows of a table" in message("results/metrics.json", "--row", "1")


def test_outdated_names_each_kind_of_difference(run: Params) -> None:
    shards, train = manifests_by_stage(run)["shards"], manifests_by_stage(run)["train"]
    assert outdated([*shards, *train], run) == {}
    other = run.model_copy(update={"seed": 1})
    assert set(outdated(shards, other).values()) == {"made with another seed"}
    pid = run.model_copy(update={"train": run.train.model_copy(update={"gamma": 2.0})})
    assert [name for name in outdated(train, pid)] == [name for name in train if "pid_tversky" in name]
    Path("data/shards/val-00.parquet").write_text("other")
    assert set(outdated(train, run).values()) == {"data/shards/val-00.parquet was changed since"}
    stated = json.loads(Path(shards[1]).read_text())
    stated["code"]["lss/stages/shards.py"] = "0"
    Path(shards[1]).write_text(json.dumps(stated))
    assert outdated(shards[1:], run) == {shards[1]: "made by other code"}

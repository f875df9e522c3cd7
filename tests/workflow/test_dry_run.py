"""The plan of the workflow, without any data."""

from __future__ import annotations

from pathlib import Path

import pytest
from project_copy import make_copy, plan, run

from lss.project.presets import apply_preset

pytestmark = pytest.mark.workflow


@pytest.fixture
def copy(project_root: Path, tmp_path: Path) -> Path:
    return make_copy(project_root, tmp_path / "copy", small=False)


def test_dry_run_without_data_lists_all_jobs(copy: Path) -> None:
    text = plan(copy, "--dry-run", "--cores", "8", "all")
    assert "MISSING" not in text
    for line in ("ingest 4", "train 12", "predict 12", "page 1"):
        assert line in " ".join(text.split())


def test_paper_preset_shows_the_plan_and_what_is_missing(copy: Path) -> None:
    run(copy, "lss", "preset", "paper")
    text = plan(copy, "--dry-run", "--cores", "8", "all")
    assert "ingest 32" in " ".join(text.split())
    assert "k57fr854j2" in text and "s6bgczr8s2" in text and "Run `lss fetch images notes`" in text
    assert "microsoft/llava-med-v1.5-mistral-7b" in text and "Run `lss fetch weights`" in text
    for name, file in (("biomedclip", "weights.bin"), ("smolvlm", "model.safetensors")):
        (copy / "data/weights" / name).mkdir(parents=True)
        (copy / "data/weights" / name / file).write_bytes(b"")
    text = plan(copy, "--dry-run", "--cores", "8", "all")
    assert "weights of smolvlm" not in text and "weights of llava_med" in text
    assert "convert them once with `lss convert-weights data/weights/biomedclip`" in text


def test_wrong_setting_is_named_before_anything_runs(copy: Path) -> None:
    params = (copy / "params.yaml").read_text()
    (copy / "params.yaml").write_text(params.replace("fusion: spatial", "fusion: spacial"))
    of_plan = plan(copy, "--dry-run", "--cores", "1", "all", check=False)
    for text in (of_plan, run(copy, "lss", "split", check=False)):
        assert "train.fusion" in text and "'spatial', 'broadcast' or 'none'" in text and "'spacial'" in text


def test_a_mistake_of_yaml_is_named_with_its_line_under_snakemake_too(copy: Path) -> None:
    params = (copy / "params.yaml").read_text()
    line = params[: params.index("  gamma: 0.75")].count("\n") + 1
    (copy / "params.yaml").write_text(params.replace("  gamma: 0.75", "  gamma: 0.75\n  gamma: 0.5"))
    text = plan(copy, "--cores", "1", "all", check=False)
    assert f"params.yaml, line {line + 1}: train.gamma" in text


def test_what_is_missing_is_refused_before_the_first_job_that_needs_it(copy: Path) -> None:
    """A GPU that is not there is no test on a machine that has one: `cuda` is asked for with all of them hidden."""
    params = (copy / "params.yaml").read_text().replace("  file: null", "  file: mine.csv")
    (copy / "params.yaml").write_text(params.replace("  device: auto", "  device: cuda"))
    text = plan(copy, "--cores", "1", "all", check=False, CUDA_VISIBLE_DEVICES="")
    assert "nothing was started, since 2 thing(s) are missing" in text
    for setting in ("split.file: there is no file mine.csv", "execution.device: is cuda"):
        assert f"params.yaml: {setting}" in text
    assert not (copy / "data/interim").exists() and not (copy / "logs").exists()
    assert "there is no file mine.csv" in run(copy, "env", "CUDA_VISIBLE_DEVICES=", "lss", "split", check=False)


def test_a_failure_ends_with_the_job_its_last_lines_and_how_to_go_on(copy: Path) -> None:
    (copy / "data/raw/phantom").mkdir(parents=True)
    (copy / "data/raw/phantom/mine.txt").write_text("not the phantom's")
    text = run(copy, "snakemake", "--cores", "1", "ingest_all", check=False)
    end = text[text.index("FAILED  cohort\n") :]
    assert "data/raw/phantom: cohort.root: holds 1 files that are not the phantom's" in end
    assert "all of it: logs/cohort.log" in end and "6 job(s) are left to do" in end  # with ingest_all itself
    assert "give the same command again" in end


def test_settings_on_the_command_line_would_not_reach_the_stages(copy: Path) -> None:
    text = plan(copy, "--dry-run", "--cores", "1", "--config", "seed=3", "--", "all", check=False)
    assert "edit that file" in text


def test_phantom_preset_is_what_params_yaml_holds(project_root: Path, tmp_path: Path) -> None:
    before = (project_root / "params.yaml").read_text()
    path = tmp_path / "params.yaml"
    path.write_text(before)
    for name in ("paper", "paper-literal"):
        assert len(apply_preset(name, path)) > 5
    apply_preset("phantom", path)
    assert path.read_text() == before

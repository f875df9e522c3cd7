"""What `lss changes` says, on the table that Snakemake prints and on manifests of a run."""

from __future__ import annotations

import pytest
import yaml

from lss.cohorts.settings import reading_settings
from lss.project import layout
from lss.project.code import dvc_stages
from lss.project.models import model_runs, prediction_settings, stage_manifests, training_settings
from lss.project.params import check_params, load_params
from lss.storage.io import write_json
from lss.tools import changes
from lss.tools.changes import Job, changes_text, code_changes, outside_changes, pending, setting_changes

HEADER = "output_file\tdate\trule\tlog-file(s)\tstatus\tplan\n"


@pytest.fixture
def params(project_root):
    return load_params(project_root / "params.yaml")


def changed(params, **sections):
    raw = params.model_dump(mode="json")
    for section, values in sections.items():
        raw[section] = raw[section] | values if isinstance(values, dict) else values
    return check_params(raw)


def rule_of(path):
    """Rule that writes a manifest."""
    name = path.removeprefix(f"{layout.MANIFESTS}/").removesuffix(".json").split("/")
    if name == ["evaluate", "folds"]:
        return "pool_folds"
    return "ablation_arm" if name[0] == "ablation" and name[1] != "comparison" else name[0]


@pytest.fixture
def finished(params, tmp_path):
    """A project whose run took 10 s a job, and Snakemake's table for it; by default nothing is due."""
    paths = [*stage_manifests(params), layout.MANIFEST.format(name="page")]
    for path in paths:
        stage = path.removeprefix(f"{layout.MANIFESTS}/").split("/")[0].removesuffix(".json")
        section, facts = params.model_dump(mode="json")[stage], {}
        if stage == "ingest":
            section = {"cohort": reading_settings(params.cohort), "ingest": section}
        if stage in ("train", "predict"):
            run = next(run for run in model_runs(params.train) if path.endswith(f"/{'-'.join(run)}.json"))
            facts = run._asdict()
            read = training_settings(params.train, run), prediction_settings(params.predict, run.task)
            section = read[stage == "predict"]
        left = {"stage": stage, "seed": params.seed, "params": section, "facts": facts}
        write_json(tmp_path / path, left | {"seconds": 4.0, "process_seconds": 10.0})

    def table(due=(), status="ok"):
        return HEADER + "".join(
            f"{path}\tnow\t{rule_of(path)}\tx.log\t{status if rule_of(path) in due else 'ok'}\t"
            f"{'update pending' if rule_of(path) in due else 'no update'}\n"
            for path in reversed(paths)
        )

    return table


AFTER_TRAIN = ("train", "predict", "pool_folds", "evaluate", "ablation", "tables", "figures", "page")


def say(monkeypatch, tmp_path, params, table, cores=2):
    monkeypatch.setattr(changes, "_summary", lambda root: table)
    return changes_text(tmp_path, params, cores)


def test_an_exponent_reruns_trainings_and_what_follows(finished, params, tmp_path, monkeypatch):
    """12 trainings of 10 s two at a time, 12 predictions likewise, then six single jobs: 60 + 60 + 60 s."""
    text = say(monkeypatch, tmp_path, changed(params, train={"gamma": 2.0}), finished(AFTER_TRAIN))
    jobs = "12 trainings, 12 predictions, pool_folds, evaluate, ablation, tables, figures, page"
    assert text == f"train.gamma: 0.75 -> 2.0: {jobs}; about 3.0 min"


def test_each_change_gets_its_own_jobs(finished, params, tmp_path, monkeypatch):
    edited = changed(
        params, train={"gamma": 2.0, "pid": params.train.pid.model_dump() | {"kp": 0.5}}, figures={"dpi": 100}
    )
    lines = say(monkeypatch, tmp_path, edited, finished(AFTER_TRAIN), cores=12).splitlines()
    assert lines[0] == "train.gamma: 0.75 -> 2.0"
    assert lines[1].startswith("train.pid.kp: 0.05 -> 0.5: 12 trainings, 12 predictions, pool_folds, evaluate")
    assert lines[2] == "figures.dpi: 150 -> 100: figures, page; about 20 s"
    assert lines[3].startswith("together: 12 trainings") and lines[3].endswith("about 80 s") and len(lines) == 4


def test_missing_results_are_named_without_an_edit(finished, params, tmp_path, monkeypatch):
    text = say(monkeypatch, tmp_path, params, finished(("tables", "page"), status="missing"))
    assert text == "missing: tables, page; about 20 s"


def test_nothing_to_run(finished, params, tmp_path, monkeypatch):
    assert say(monkeypatch, tmp_path, params, finished()).startswith("Nothing to run")


def test_before_the_first_run(finished, params, tmp_path, monkeypatch):
    table = finished({rule_of(path) for path in stage_manifests(params)} | {"page"}, status="missing")
    text = say(monkeypatch, tmp_path / "elsewhere", params, table)
    assert text.startswith("no run yet: cohort, 4 x ingest, split, 4 x denoise") and text.endswith("no times known yet")


def test_a_new_job_is_taken_to_last_as_long_as_those_of_its_stage(finished, params, tmp_path, monkeypatch):
    (tmp_path / layout.MANIFEST.format(name="train/smolvlm-report-focal")).unlink()
    text = say(monkeypatch, tmp_path, params, finished(("train",), status="missing"), cores=1)
    assert text == "missing: 12 trainings; about 2.0 min"


def test_settings_of_half_a_run(finished, params):
    """Some trainings were made with other settings than the rest: both values stand there."""
    runs = [run for run in model_runs(params.train) if run.loss == "pid_tversky"]
    made = {
        layout.MANIFEST.format(name="train/" + "-".join(run)): {
            "stage": "train",
            "seed": seed,
            "params": training_settings(params.train, run) | {"gamma": gamma},
            "facts": run._asdict(),
        }
        for run, gamma, seed in zip(runs, (0.75, 1.0, 2.0), (params.seed, 7, 7), strict=True)
    }
    result = {change.what: change.stages for change in setting_changes(made, params)}
    assert list(result) == [f"seed: 7 -> {params.seed}", "train.gamma: 1.0 or 2.0 -> 0.75"]
    assert "train" in result["train.gamma: 1.0 or 2.0 -> 0.75"] and "cohort" in result[f"seed: 7 -> {params.seed}"]


def test_settings_that_came_or_went(params):
    evaluate = params.evaluate.model_dump(mode="json")
    del evaluate["interval"]
    path = layout.MANIFEST.format(name="evaluate")
    result = setting_changes(
        {path: {"stage": "evaluate", "seed": params.seed, "params": evaluate | {"old": [1]}}}, params
    )
    assert [change.what for change in result] == ["evaluate.old: [1] -> absent", "evaluate.interval: absent -> bca"]


def test_jobs_come_in_the_order_of_the_chain(finished):
    jobs = pending(finished(("page", "train", "split")))
    assert [job.rule for job in jobs] == ["split", *["train"] * 12, "page"]
    arm, folds, trial = (layout.MANIFEST.format(name=name) for name in ("ablation/a-b-1", "evaluate/folds", "train/x"))
    stages = [Job(*of, "ok").stage for of in (("ablation_arm", arm), ("pool_folds", folds), ("trial_train", trial))]
    assert stages == ["ablation", "evaluate", "train"]


def test_code_is_held_against_the_manifests(monkeypatch):
    monkeypatch.setattr(changes, "code_parts", lambda stage: {"lss/same.py": "1", "lss/edited.py": "3"})
    was = {"lss/same.py": "1", "lss/edited.py": "2"}
    left = {"a": ("train", was | {"lss/gone.py": "1"}), "b": ("cohort", was), "c": ("split", {"lss/same.py": "1"})}
    manifests = {path: {"stage": stage, "code": code} for path, (stage, code) in left.items()}
    assert {change.what: change.stages for change in code_changes(manifests)} == {
        "lss/edited.py: changed": {"train", "cohort", "split"},
        "lss/gone.py: changed": {"train"},
    }
    assert code_changes({"old": {"stage": "train"}}) == []


def test_files_are_held_against_the_lock(params, tmp_path):
    (tmp_path / "data").mkdir()
    outside = {"cohort": "a", "ingest": "b", "split": "c"}
    stages = {name: {"params": {layout.OUTSIDE: {name: value}}} for name, value in outside.items()}
    (tmp_path / "dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
    (tmp_path / layout.OUTSIDE).write_text(yaml.safe_dump(outside))
    assert outside_changes(tmp_path, params) == []
    (tmp_path / layout.OUTSIDE).write_text(yaml.safe_dump(outside | {"split": "other"}))
    assert [(change.what, change.stages) for change in outside_changes(tmp_path, params)] == [
        ("the table of split.file: changed", {"split"})
    ]


def test_all_stages_have_a_place_in_the_words():
    assert set(changes._NOUNS) | set(changes._OF_BATCHES) <= {*dvc_stages(), "ablation_arm"}

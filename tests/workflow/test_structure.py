"""One name, one place: stages, verbs, rules, DVC stages and settings agree."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import yaml
from typer.testing import CliRunner

from lss.cli import app
from lss.project import layout
from lss.project.code import CODE, code_hash, code_is_recorded
from lss.stages import cohort

STAGES = ["cohort", "ingest", "split", "denoise", "pseudo_mask", "shards", "weights", "train", "predict",
          "evaluate", "ablation", "tables", "figures", "page"]  # fmt: skip
# Whose settings a stage lists for DVC beside its own, so that `dvc status` names all that an edit makes stale.
UPSTREAM = {
    "predict": {"train"},
    "evaluate": {"train", "predict"},
    "tables": {"train", "predict", "evaluate", "ablation"},
    "figures": {"train", "predict", "evaluate", "ablation"},
    "page": {"train", "predict", "evaluate", "ablation", "tables", "figures"},
}


def test_every_stage_is_module_verb_rule_dvc_stage_and_section(project_root: Path) -> None:
    dvc = yaml.safe_load((project_root / "dvc.yaml").read_text())["stages"]
    sections = yaml.safe_load((project_root / "params.yaml").read_text())
    verbs = [command.name or command.callback.__name__ for command in app.registered_commands]
    assert list(dvc) == STAGES
    assert [verb for verb in verbs if verb in STAGES] == STAGES
    for stage in STAGES:
        assert (project_root / f"lss/stages/{stage}.py").is_file()
        rule = (project_root / f"workflow/rules/{stage}.smk").read_text()
        assert re.search(rf"^(rule|checkpoint) {stage}:", rule, flags=re.M)
        assert f"lss {stage}" in rule
        assert stage in sections


def test_every_rule_names_input_output_log_params_threads_resources(project_root: Path) -> None:
    for stage in STAGES:
        rule = (project_root / f"workflow/rules/{stage}.smk").read_text()
        for directive in ("input", "output", "params", "log", "threads", "resources", "shell"):
            if directive != "input" or stage not in ("cohort", "weights"):  # what these read the chain does not make
                assert re.search(rf"^    {directive}:", rule, flags=re.M), f"{stage}: {directive}"


def test_dvc_stage_lists_the_params_its_rule_uses(project_root: Path) -> None:
    dvc = yaml.safe_load((project_root / "dvc.yaml").read_text())["stages"]
    for stage in STAGES:
        rule = (project_root / f"workflow/rules/{stage}.smk").read_text()
        before = UPSTREAM.get(stage, set())
        listed = dvc[stage]["params"]
        sections = {entry.split(".")[0] for entry in listed if isinstance(entry, str)}
        read = set(re.findall(r'config\["(\w+)"\]', rule)) | set(re.findall(r"_settings\(\s*PARAMS\.(\w+)", rule))
        read |= set(re.findall(r"^ +\w+=PARAMS\.(\w+)\.", rule, flags=re.M))
        if re.search(r"\bTRIALS\b|further_folds\(", rule):  # how many of its jobs there are
            read.add("split")
        assert read | before == sections, stage
        outside = [entry for entry in listed if not isinstance(entry, str) and CODE not in entry]
        assert outside == [{layout.OUTSIDE: [name]} for name in re.findall(r'OUTSIDE\["(\w+)"\]', rule)], stage


def test_every_table_and_figure_has_a_caption_in_the_report(project_root: Path) -> None:
    captions = {path.stem for path in (project_root / "workflow/report").glob("*.rst")}
    results = {f"table{number}" for number in layout.TABLES} | {f"figure{number}" for number in layout.FIGURES}
    assert results <= captions and {name for name in captions if name[-1].isdigit()} == results


def test_the_phantoms_mark_outlives_the_start_of_a_job(project_root: Path) -> None:
    """Snakemake deletes a rule's outputs first; the stage would then refuse to replace its own phantom."""
    rule = (project_root / "workflow/rules/cohort.smk").read_text()
    assert 'phantom=[f"{PARAMS.cohort.root}/' in rule and cohort.MARK not in rule


def test_generated_files_are_up_to_date(project_root: Path) -> None:
    assert code_is_recorded(renew=False), "run `make generated`"


def test_dvc_and_snakemake_read_the_code_of_every_stage(project_root: Path) -> None:
    dvc = yaml.safe_load((project_root / "dvc.yaml").read_text())["stages"]
    recorded = yaml.safe_load((project_root / CODE).read_text())
    for stage in STAGES:
        assert {CODE: [stage]} in dvc[stage]["params"] and recorded[stage] == code_hash(stage)
        rule = (project_root / f"workflow/rules/{stage}.smk").read_text()
        assert set(re.findall(r'code_hash\("(\w+)"\)', rule)) == {stage}


def test_help_of_every_stage_says_what_it_reads_and_writes() -> None:
    for stage in STAGES:
        text = CliRunner().invoke(app, [stage, "--help"]).stdout
        assert "Reads" in text and "Writes" in text, stage


def test_every_file_of_tests_has_a_name_of_its_own(project_root: Path) -> None:
    """The tests' folders are no packages: of two files of one name the second is not collected."""
    names = Counter(path.name for path in (project_root / "tests").rglob("*.py"))
    assert [name for name, count in names.items() if count > 1 and name != "conftest.py"] == []

"""What a stage reads and writes is the same in its manifest, its rule, dvc.yaml, and in what its verb really opens."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from opened import opened
from project_copy import make_copy, run
from typer.testing import CliRunner

from lss.cli import app
from lss.project import layout
from lss.project.manifest import read_manifest
from lss.project.models import ablation_arms, further_folds, model_runs, stage_of_manifest, trials
from lss.project.params import Params, load_params

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

EXTERNAL_ROOT = f"{layout.PHANTOM}-b"


def verbs(params: Params) -> dict[str, list[str]]:
    """Arguments of `lss` for every job of the chain, in order, by the manifest that it writes."""
    batches = layout.batch_names(params.cohort.batches)
    result = {"cohort": ["cohort", "--threads", "1"]}
    result |= {f"ingest/batch-{batch}": ["ingest", "--batch", batch] for batch in batches}
    result |= {"split": ["split"]}
    for stage in ("denoise", "pseudo_mask", "shards"):
        result |= {f"{stage}/batch-{batch}": [stage, "--batch", batch] for batch in batches}
    for fold in further_folds(params):
        options = ["--fold", str(fold)]
        result |= {f"shards/fold-{fold}/batch-{batch}": ["shards", "--batch", batch, *options] for batch in batches}
    result |= {f"weights/{name}": ["weights", "--backbone", name] for name in params.train.backbones}
    for stage in ("train", "predict"):
        for of in model_runs(params.train):
            options = ["--backbone", of.backbone, "--task", of.task, "--loss", of.loss]
            result[f"{stage}/{'-'.join(of)}"] = [stage, *options]
            for trial in trials(params)[1:]:
                of_trial = ["--fold", str(trial.fold), "--repeat", str(trial.repeat)]
                where = f"{stage}/fold-{trial.fold}/repeat-{trial.repeat}"
                result[f"{where}/{'-'.join(of)}"] = [stage, *options, *of_trial]
    for label in (external.label for external in params.external):
        option = ["--external", label]
        result[f"cohort/external/{label}"] = ["cohort", "--threads", "1", *option]
        result |= {f"ingest/external/{label}/batch-{batch}": ["ingest", *option, "--batch", batch] for batch in batches}
        result[f"split/external/{label}"] = ["split", *option]
        for stage in ("denoise", "pseudo_mask", "shards"):
            of_stage = {f"{stage}/external/{label}/batch-{b}": [stage, *option, "--batch", b] for b in batches}
            result |= of_stage
        for of in model_runs(params.train):
            options = ["--backbone", of.backbone, "--task", of.task, "--loss", of.loss]
            result[f"predict/external/{label}/{'-'.join(of)}"] = ["predict", *options, *option]
    if params.external:
        result["evaluate/external"] = ["evaluate", "--externals"]
    for arm in ablation_arms(params.ablation):
        options = ["--backbone", arm.backbone, "--fusion", arm.fusion, "--repeat", str(arm.repeat)]
        result[f"ablation/{'-'.join(map(str, arm))}"] = ["ablation", *options]
    result |= {"evaluate/folds": ["evaluate", "--folds"], "evaluate": ["evaluate"], "ablation/comparison": ["ablation"]}
    result |= {stage: [stage] for stage in ("tables", "figures", "page")}
    return {layout.MANIFEST.format(name=name): arguments for name, arguments in result.items()}


def files(folder: Path) -> dict[Path, tuple[int, int]]:
    """What tells a file that was written anew, by path."""
    result = {path: path.stat() for top in ("data", "results") for path in (folder / top).rglob("*") if path.is_file()}
    return {path: (status.st_ino, status.st_mtime_ns) for path, status in result.items()}


def public(paths: set[Path], folder: Path) -> set[str]:
    """Paths within the project, but those that name patients: the raw archive and the owner's own tables.

    These stand in no manifest: ingest states the file that holds one hash over all of the archive.
    """
    names = {path.relative_to(folder).as_posix() for path in paths}
    return {name for name in names if not name.startswith((layout.PHANTOM, "data/private/"))}


class Finished:
    """A small project whose verbs were run one after the other: what each opened and wrote, by its manifest."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.read: dict[str, set[str]] = {}
        self.wrote: dict[str, set[str]] = {}
        patch.chdir(folder)
        patch.setattr("lss.project.manifest.sha256_file", lambda path: "")  # reads what the stage may not have read
        for top in ("data", "results"):
            Path(top).mkdir(exist_ok=True)
        for manifest, arguments in verbs(load_params()).items():
            before = files(folder)
            with opened(folder / "data", folder / "results") as read:
                done = CliRunner().invoke(app, arguments, catch_exceptions=False)
            assert done.exit_code == 0, f"{arguments}: {done.output}"
            after = files(folder)
            written = {path for path, state in after.items() if before.get(path) != state}
            self.read[manifest] = public(read, folder)
            if manifest.startswith(f"{layout.MANIFESTS}/ingest/"):
                label = layout.external_of(manifest)
                root = folder / (EXTERNAL_ROOT if label else layout.PHANTOM)
                assert any(root in path.parents for path in read)
                state = layout.of_external(layout.COHORT_BATCH, label) if label else layout.COHORT_BATCH
                self.read[manifest].add(state.format(batch=arguments[-1]))  # in the place of the raw files
            self.wrote[manifest] = public(written, folder) - {manifest}


@pytest.fixture(scope="module")
def finished(project_root: Path, tmp_path_factory: pytest.TempPathFactory):
    folder = make_copy(project_root, tmp_path_factory.mktemp("contract") / "copy")
    text = (folder / "params.yaml").read_text()
    losses = "dice_cross_entropy, tversky, focal_tversky, pid_tversky_wide, pid_tversky_low"
    external = f"{{label: b, name: phantom, root: {EXTERNAL_ROOT}, phantom: {{patients: 3, unusual: 0.0}}}}"
    edits = {"patients: 15": "patients: 9", "external: []": f"external: [{external}]",
             "folds: null": "folds: 3", "  fold: 0": "  fold: all",
             "repeats: 0": "repeats: 1",
             "  backbones: [biomedclip]": "  backbones: [smolvlm]",
             "  fusions: [spatial, broadcast, none, learned, shuffled, empty]": "  fusions: [none]",
             "  unet_losses: [pid_tversky, cross_entropy]": "  unet_losses: [pid_tversky]",
             f"  losses: [pid_tversky, cross_entropy, {losses}]": "  losses: [cross_entropy]"}  # fmt: skip
    for old, new in edits.items():
        assert old in text, old
        text = text.replace(old, new)
    (folder / "params.yaml").write_text(text)
    with pytest.MonkeyPatch.context() as patch:
        yield Finished(folder, patch)


def stated(finished: Finished, manifest: str) -> tuple[set[str], set[str]]:
    result = read_manifest(finished.folder / manifest)
    return set(result["inputs"]), set(result["outputs"])


def test_a_manifest_lists_what_its_job_opened_and_wrote(finished: Finished) -> None:
    for manifest in finished.read:
        inputs, outputs = stated(finished, manifest)
        unopened = inputs - finished.read[manifest]
        if stage_of_manifest(manifest) in ("figures", "page"):  # whose loader knows the models by their predictions
            unopened = {path for path in unopened if "/classification-" not in path}
        assert finished.read[manifest] - outputs <= inputs and not unopened, manifest
        assert outputs == finished.wrote[manifest], manifest


def test_every_input_is_an_output_of_a_stage_before(finished: Finished) -> None:
    """So each number's lineage goes back, file by file, to the table of raw files."""
    made: set[str] = set()
    for manifest in finished.read:
        inputs, outputs = stated(finished, manifest)
        assert inputs <= made, manifest
        made |= outputs | {manifest}


def as_rules_name_them(paths: set[str]) -> set[str]:
    """A checkpoint by its list, a model without its adapter, which not every model has: so rules name them."""
    listed = {path for path in paths if "/adapter/" not in path}
    return {
        "/".join([*Path(path).parts[:4], "manifest.json"]) if path.startswith("data/interim/weights/") else path
        for path in listed
    }


def test_a_rule_names_what_its_manifest_does(finished: Finished) -> None:
    # Snakemake knows the inputs of what it made itself, or was told of
    run(finished.folder, "env", "DVC_STAGE=test", "snakemake", "--cores", "1", "--touch", "--forceall", "--", "all")
    summary = run(finished.folder, "snakemake", "--detailed-summary", "--", "all")
    table = summary[summary.index("output_file\t") :]
    made: dict[str, set[str]] = {}
    rows = list(csv.DictReader(table.splitlines(), delimiter="\t"))
    for row in rows:
        made.setdefault(row["log-file(s)"], set()).add(row["output_file"])
    result = {row["output_file"]: row for row in rows if row["output_file"] in finished.read}
    assert result.keys() == finished.read.keys()
    for manifest, row in result.items():
        inputs, outputs = stated(finished, manifest)
        of_rule = set(filter(None, row["input-file(s)"].split(",")))
        if manifest.endswith("/ablation/comparison.json"):  # what its arms read, for the case that there are none
            of_rule = {path for path in of_rule if path.startswith("results/ablation/")}
        assert public({finished.folder / path for path in of_rule}, finished.folder) == as_rules_name_them(inputs), (
            manifest
        )
        of_rule = made[row["log-file(s)"]] - {manifest}
        assert public({finished.folder / path for path in of_rule}, finished.folder) == as_rules_name_them(outputs), (
            manifest
        )


def test_dvc_names_what_manifests_do(finished: Finished, project_root: Path) -> None:
    stages = yaml.safe_load((project_root / "dvc.yaml").read_text())["stages"]

    def names(entries: list[str | dict[str, object]]) -> set[str]:
        return {name for entry in entries for name in ([entry] if isinstance(entry, str) else entry)}

    def within(path: str, folders: set[str]) -> set[str]:
        return {folder for folder in folders if path == folder or path.startswith(f"{folder}/")}

    for stage, entry in stages.items():
        deps, outs = names(entry.get("deps", [])), names(entry["outs"] + entry.get("metrics", []))
        used: set[str] = set()
        for manifest in [path for path in finished.read if stage_of_manifest(path) == stage]:
            inputs, outputs = stated(finished, manifest)
            for path in inputs:
                own = within(path, outs)  # the ablation's comparison reads what its arms left
                assert within(path, deps) or own, f"{stage}: {path} is under no dependency in dvc.yaml"
                used |= within(path, deps)
            for path in (*outputs, manifest):
                assert within(path, outs), f"{stage}: {path} is under no output in dvc.yaml"
                used |= within(path, outs)
        assert deps | outs <= used | {layout.PHANTOM, str(Path(layout.PUBLISHED).parent)}, (
            stage
        )  # no input of tiny weights

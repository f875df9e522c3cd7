"""The whole chain on a small cohort: Snakemake and DVC agree, single stages rerun alone, same bytes every time."""

from __future__ import annotations

import csv
import hashlib
import json
import re
from pathlib import Path

import pytest
from project_copy import BIN, make_copy, planned, run
from s3_server import add_remote, s3_server

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

AFTER_TRAIN = {"train", "predict", "evaluate", "ablation", "tables", "figures", "page"}


@pytest.fixture(scope="module")
def project(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    copy = make_copy(project_root, tmp_path_factory.mktemp("chain") / "copy")
    run(copy, "snakemake", "--cores", "2", "all")
    return copy


def stale(project: Path) -> set[str]:
    """Stages that DVC calls out of date."""
    return set(json.loads(run(project, "dvc", "status", "--json").splitlines()[-1]))


def edit(project: Path, old: str, new: str) -> None:
    text = (project / "params.yaml").read_text()
    assert text.count(old) == 1
    (project / "params.yaml").write_text(text.replace(old, new))


def digests(project: Path) -> dict[str, str]:
    files = [
        *project.glob("data/shards/*"),
        *project.glob("results/tables/*"),
        project / "results/metrics.json",
    ]
    return {str(file.relative_to(project)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


def test_afterwards_nothing_is_left_to_do(project: Path) -> None:
    assert planned(project) == set()
    assert stale(project) == set()
    for result in ("results/index.html", "results/metrics.json", "results/tables/table6_loss_ablation.md",
                   "results/figures/figure4_segmentation_cases.svg"):  # fmt: skip
        assert (project / result).stat().st_size > 0


def walk(project: Path, start: set[str]) -> tuple[set[str], set[str]]:
    """Walk from files through the manifests, without this program's own walker.

    Returns the stages at which chains end, and what breaks them, in words.
    """
    manifests = {
        path.relative_to(project).as_posix(): json.loads(path.read_text())
        for path in project.glob("results/manifests/**/*.json")
    }
    maker = {output: name for name, manifest in manifests.items() for output in manifest["outputs"]}
    maker |= {name: name for name in manifests}
    ends, gaps, seen, waiting = set(), set(), set(start), list(start)
    while waiting:
        file = waiting.pop()
        if file not in maker:
            gaps.add(f"{file}: no manifest states it")
            continue
        manifest = manifests[maker[file]]
        stated = manifest["outputs"].get(file, {}).get("sha256")
        if stated is not None and sha256(project / file) != stated:
            gaps.add(f"{file}: not as {maker[file]} states")
        if not manifest["inputs"]:
            ends.add(manifest["stage"])
        for name, digest in manifest["inputs"].items():
            if sha256(project / name) != digest:
                gaps.add(f"{name}: not as {maker[file]} read it")
            if name not in seen:
                seen.add(name)
                waiting.append(name)
    return ends, gaps


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "no file"


def test_every_result_goes_back_to_the_raw_files(project: Path) -> None:
    """No fold is pooled and no arm is trained, so that their chains end at these two stages."""
    results = {path.relative_to(project).as_posix() for path in project.glob("results/**/*") if path.is_file()}
    results = {path for path in results if Path(path).name != ".gitignore"}
    assert {"results/index.html", "results/metrics.json", "results/tables/table2_segmentation.csv"} <= results
    ends, gaps = walk(project, results)
    assert gaps == set() and ends == {"cohort", "weights", "evaluate", "ablation"}
    with (project / "data/private/cohort_files.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) > 100 and all(sha256(project / row["file"]) == row["sha256"] for row in rows)
    raw = {path.relative_to(project).as_posix() for path in project.glob("data/raw/**/*") if path.is_file()}
    assert raw == {row["file"] for row in rows}
    listed = "".join(f"{row['sha256']} {row['file'].removeprefix('data/raw/phantom/')}\n" for row in rows)
    cohort = json.loads((project / "results/manifests/cohort.json").read_text())
    assert cohort["facts"]["sha256"] == hashlib.sha256(listed.encode()).hexdigest()


def test_verify_walks_the_same_chain_and_names_a_changed_shard(project: Path) -> None:
    assert "every result goes back to the raw files" in run(project, "lss", "verify")
    shard = project / "data/shards/train-01.parquet"
    before = shard.read_bytes()
    shard.chmod(0o644)
    shard.write_bytes(before[:5000] + bytes([before[5000] ^ 1]) + before[5001:])
    try:
        text = run(project, "lss", "verify", check=False)
        assert "BREAK  data/shards/train-01.parquet: was changed after it was made" in text
        assert walk(project, {"results/metrics.json"})[1] >= {
            "data/shards/train-01.parquet: not as results/manifests/shards/batch-01.json states"
        }
    finally:
        shard.write_bytes(before)
    assert "every result goes back to the raw files" in run(project, "lss", "verify")


def test_a_row_of_table_2_ends_at_dicom_files(project: Path) -> None:
    text = run(project, "lss", "why", "results/tables/table2_segmentation.csv", "--where", "backbone=smolvlm")
    raw = re.search(r"^( +)data/raw/phantom/\.\.\.  \d+ raw files \(\d+ \.ima, ", text, flags=re.M)
    makers = re.findall(r"^( +)by lss", text, flags=re.M)
    assert raw is not None and len(raw[1]) >= max(map(len, makers))  # no step lies deeper


def test_loss_exponent_reruns_training_and_what_follows(project: Path) -> None:
    edit(project, "gamma: 0.75", "gamma: 0.8")
    try:
        assert planned(project) == AFTER_TRAIN - {"ablation"}  # which has no arms
        assert stale(project) == AFTER_TRAIN  # DVC knows no arms
        output = run(project, "lss", "changes")
        assert "train.gamma: 0.75 -> 0.8: 2 trainings, 2 predictions, evaluate, tables, figures, page; about" in output
    finally:
        edit(project, "gamma: 0.8", "gamma: 0.75")
    assert planned(project) == set() and stale(project) == set()


def test_epochs_of_reports_retrain_reports_alone(project: Path) -> None:
    text = (project / "params.yaml").read_text()
    report = text.index("  report:\n    losses")
    (project / "params.yaml").write_text(text[:report] + text[report:].replace("epochs: 1", "epochs: 2", 1))
    try:
        assert stale(project) == AFTER_TRAIN - {"ablation"}
        output = run(project, "lss", "changes")
        assert "train.report.epochs: 1 -> 2: 1 training, 1 prediction, evaluate, tables, figures, page; about" in output
    finally:
        (project / "params.yaml").write_text(text)


def test_how_work_is_executed_reruns_nothing(project: Path) -> None:
    text = (project / "params.yaml").read_text()
    other = {"threads: 1": "threads: 2", "workers: 0": "workers: 2", "device: auto": "device: cpu",
             "sharding: ddp": "sharding: fsdp", "compile: false": "compile: true",
             "gradient_checkpointing: false": "gradient_checkpointing: true",
             "predict_batch_size: 16": "predict_batch_size: 4",
             "write_batch_size: 16": "write_batch_size: 4"}  # fmt: skip
    for old, new in other.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    before = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(text)
    try:
        assert planned(project) == stale(project) == set()
    finally:
        (project / "params.yaml").write_text(before)


def test_edited_code_is_named_with_what_it_reruns(project: Path) -> None:
    module = project / "lss/stages/figures.py"
    before = module.read_text()
    module.write_text(before.replace('"""Stage figures', '"""Another docstring', 1).replace("    ", "  ") + "# more\n")
    assert "Nothing to run" in run(project, "lss", "changes") and stale(project) == set()
    module.write_text(f"{before}MORE = 1\n")
    assert "lss/stages/figures.py: changed: figures, page; about" in run(project, "lss", "changes")
    assert stale(project) == set()  # DVC knows of it once the hashes are written
    run(project, "make", "--silent", "generated", "BIN=" + str(BIN), "--assume-old=setup")
    assert stale(project) == {"figures"}  # and by its outputs the page, once they are made
    module.write_text(before)
    run(project, "make", "--silent", "generated", "BIN=" + str(BIN), "--assume-old=setup")
    assert "Nothing to run" in run(project, "lss", "changes") and stale(project) == set()


def test_figure_setting_reruns_figures_and_page_under_both(project: Path) -> None:
    edit(project, "dpi: 150", "dpi: 100")
    assert planned(project) == stale(project) == {"figures", "page"}
    run(project, "dvc", "repro")
    assert planned(project) == set() and stale(project) == set()


def test_after_checkout_one_command_makes_them_agree(project: Path) -> None:
    for path in ("results/figures", "results/predictions", "data/shards"):
        run(project, "rm", "-r", path)
    run(project, "dvc", "checkout")
    run(project, "lss", "sync")
    assert planned(project) == set() and stale(project) == set()


def test_sync_refuses_while_dvc_is_not_clean(project: Path) -> None:
    table = project / "results/tables/table2_segmentation.csv"
    before = table.read_bytes()
    table.write_bytes(before + b"forged\n")
    assert "dvc status is not clean" in run(project, "lss", "sync", check=False)
    table.write_bytes(before)


def test_dvc_shows_metrics_plots_and_graph(project: Path) -> None:
    assert "results/metrics.json" in run(project, "dvc", "metrics", "show")
    assert "pseudo_mask" in run(project, "dvc", "dag")
    page = run(project, "dvc", "plots", "show", "--out", "plots")
    html = Path(page.strip().splitlines()[-1].removeprefix("file://")).read_text()
    for plot in ("segmentation validation Dice", "PID controller's beta", "report training loss"):
        assert plot in html
    assert "SmolVLM, PID-Tversky" in html and "LLaVA-Med" not in html.split("plots/static")[0]


def test_experiment_with_an_ablation_compared_with_a_kept_run(project: Path) -> None:
    """dvc exp run with another exponent and an ablation: both executors agree, the page shows both, and back again."""
    params, lock = ((project / name).read_text() for name in ("params.yaml", "dvc.lock"))
    kept = run(project, "lss", "keep").split()[0]
    run(project, "git", "config", "user.name", "t")
    run(project, "git", "config", "user.email", "t@example.org")
    run(project, "git", "commit", "--quiet", "--all", "--message", "finished run")
    small = {"repeats": 1, "backbones": "[smolvlm]", "losses": "[pid_tversky]", "fusions": "[none]",
             "unet_losses": "[pid_tversky]"}  # fmt: skip
    changes = ["train.gamma=2", f"evaluate.compare_with={kept}", *(f"ablation.{key}={small[key]}" for key in small)]
    run(project, "dvc", "exp", "run", "--name", "steep", *(part for change in changes for part in ("-S", change)))
    try:
        assert planned(project) == set() and stale(project) == set()
        page = (project / "results/index.html").read_text()
        assert re.search(r"<code>train.gamma</code></th><td>2.0</td><td>0.75</td>", page) and kept in page
        table = (project / "results/tables/table7_ablation.md").read_text()
        assert "SmolVLM" in table and "U-Net" in table and "no prompts" in page
        assert "dice against pseudo_mask" in (project / "results/statistics.json").read_text()
        assert "steep" in run(project, "dvc", "exp", "show", "--csv")
        assert ".smolvlm." in run(project, "dvc", "metrics", "diff")  # which ones move depends on the machine
        experiment = run(project, "lss", "keep", "steep").split()[0]
        assert experiment == run(project, "lss", "keep").split()[0] != kept
        assert run(project, "lss", "keep", "HEAD").split()[0] == kept
        assert "neither a git revision nor a DVC experiment" in run(project, "lss", "keep", "nope", check=False)
    finally:
        (project / "params.yaml").write_text(params)
        (project / "dvc.lock").write_text(lock)
        run(project, "dvc", "checkout", "--force")
        run(project, "lss", "sync")
    assert planned(project) == set() and stale(project) == set()


def test_a_clone_that_pulls_from_s3_has_nothing_to_make(project: Path, tmp_path: Path) -> None:
    with s3_server() as url:
        add_remote(project, url)
        author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
        run(project, "git", *author, "commit", "--quiet", "--all", "--message", "finished run, and its remote")
        run(project, "dvc", "push")
        clone = tmp_path / "elsewhere"
        run(tmp_path, "git", "clone", "--quiet", str(project), str(clone))
        run(clone, "dvc", "pull")
    assert stale(clone) == set()
    run(clone, "lss", "sync")
    assert planned(clone) == set() and stale(clone) == set()
    assert digests(clone) == digests(project)


def test_snakemake_report(project: Path) -> None:
    run(project, "snakemake", "--report", "report.html", "--", "all")
    assert "figure4_segmentation_cases" in (project / "report.html").read_text()


def test_from_scratch_on_one_core_gives_the_same_bytes(project: Path, project_root: Path, tmp_path: Path) -> None:
    again = make_copy(project_root, tmp_path / "again")
    run(again, "snakemake", "--cores", "1", "tables")
    assert digests(again) == digests(project)

"""A finished run of few small files, with manifests as the stages write them; no stage is run."""

from __future__ import annotations

import hashlib
import json
import shutil
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from lss.cohorts.settings import ArchiveParams
from lss.project import layout
from lss.project.manifest import write_manifest
from lss.project.models import base_run, manifest_settings, manifests_by_stage, model_runs
from lss.project.outside import hash_of_all, list_files
from lss.project.params import Params, load_params

BATCHES = ("00", "01")


def make_run(source: Path, folder: Path) -> Params:
    """Write the run into `folder`, the current one, with the settings of the checkout at `source`, made small."""
    settings = yaml.safe_load((source / "params.yaml").read_text())
    settings["cohort"] |= {"batches": len(BATCHES), "experts": "labels/Smith"}  # a name that nothing may repeat
    settings["train"] |= {"backbones": ["biomedclip", "smolvlm"]}
    (folder / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
    params = load_params("params.yaml")
    for number in (1, 2):
        _write(f"{params.cohort.root}/000{number}/T2_0001.ima", f"pixels {number}")
    _cohort(params)
    for batch in BATCHES:
        files = [layout.SLICES.format(batch=batch), layout.REJECTS.format(batch=batch)]
        _job(params, "ingest", f"ingest/batch-{batch}", [layout.COHORT_BATCH.format(batch=batch)], files)
    slices = [pattern.format(batch=b) for b in BATCHES for pattern in (layout.SLICES, layout.REJECTS)]
    parts = [pattern.format(batch=b) for b in BATCHES for pattern in (layout.SPLIT_BATCH, layout.USED)]
    _job(params, "split", "split", slices, [layout.SPLIT, *parts, layout.ALL_REJECTS])
    for batch in BATCHES:
        made = [pattern.format(batch=batch) for pattern in (layout.SLICES, layout.DENOISED, layout.PSEUDO_MASKS)]
        _job(params, "denoise", f"denoise/batch-{batch}", [made[0], layout.USED.format(batch=batch)], [made[1]])
        _job(
            params, "pseudo_mask", f"pseudo_mask/batch-{batch}", [*made[:2], layout.USED.format(batch=batch)], [made[2]]
        )
        shards = [layout.SHARD.format(subset=subset, batch=batch) for subset in layout.SUBSETS]
        _job(params, "shards", f"shards/batch-{batch}", [*made, layout.SPLIT_BATCH.format(batch=batch)], shards)
    for backbone in params.train.backbones:
        facts = {"source": "tiny"}
        _job(params, "weights", f"weights/{backbone}", [], [layout.WEIGHTS_READY.format(backbone=backbone)], facts)
    _models(params)
    shards = [layout.SHARD.format(subset=subset, batch=b) for subset in layout.SUBSETS for b in BATCHES]
    cases = [layout.CASES.format(task=task) for task in ("classification", "segmentation", "report")]
    predictions = [layout.PREDICTIONS.format(**run._asdict()) for run in model_runs(params.train)]
    stages = manifests_by_stage(params)
    known = [*stages["cohort"], *stages["train"]]
    _results(params)
    _job(params, "evaluate", "evaluate/folds", [], [layout.CROSS_VALIDATION])
    _job(params, "evaluate", "evaluate", [*predictions, *shards, layout.TRUTH, layout.CROSS_VALIDATION, *known],
         [*cases, layout.METRICS, layout.STATISTICS])  # fmt: skip
    _job(params, "ablation", "ablation/comparison", [], [layout.ABLATION])
    tables = [f"{stem}.csv" for stem in layout.TABLES.values()]
    figures = [f"{stem}.png" for stem in layout.FIGURES.values()]
    _job(params, "tables", "tables", [layout.STATISTICS, layout.ABLATION], tables)
    epochs = [layout.EPOCHS.format(**run._asdict()) for run in model_runs(params.train)]
    _job(params, "figures", "figures",
         [layout.STATISTICS, layout.ABLATION, *cases, *predictions, *shards, *epochs], figures)  # fmt: skip
    before = [manifest for stage, due in stages.items() if stage != "page" for manifest in due]
    _job(params, "page", "page", [layout.STATISTICS, layout.ABLATION, *tables, *figures, *cases, *predictions, *shards,
                                  *before], [layout.PAGE, layout.DATA_SHEET])  # fmt: skip
    for part in ("workflow/Snakefile", "workflow/rules/train.smk", "dvc.yaml", "requirements.txt"):
        (folder / part).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source / part, folder / part)
    return params


def add_external(params: Params, label: str) -> Params:
    """Add two raw files of an external cohort, and the job that lists them, to the run; return its settings."""
    external = ArchiveParams(label=label, name="phantom", root=Path(f"data/raw/{label}"))
    for number in (1, 2):
        _write(f"{external.root}/000{number}/T2_0001.ima", f"pixels {number} of {label}")
    listed = list_files(external.as_cohort(len(BATCHES)), Path(layout.of_external(layout.PRIVATE_FILES, label)))
    files = layout.EXTERNAL_FILES.format(external=label)
    summary = _summary("phantom", listed)
    _write(files, json.dumps(summary))
    params = params.model_copy(update={"external": [external]})
    _job(params, "cohort", f"cohort/external/{label}", [], [files], summary)
    return params


def _summary(cohort: str, listed: list[dict[str, Any]]) -> dict[str, object]:
    return {"cohort": cohort, "files": len(listed), "bytes": sum(row["bytes"] for row in listed),
            "unreadable": 0, "sha256": hash_of_all(listed)}  # fmt: skip


def _cohort(params: Params) -> None:
    _write(layout.TRUTH, "truth")
    summary = _summary(params.cohort.name, list_files(params.cohort, Path(layout.PRIVATE_FILES)))
    _write(layout.COHORT_FILES, json.dumps(summary))
    states = [layout.COHORT_BATCH.format(batch=batch) for batch in BATCHES]
    for state in states:
        _write(state, f"raw files of {Path(state).stem}")
    _job(params, "cohort", "cohort", [], [layout.TRUTH, layout.COHORT_FILES, *states], summary)


def _models(params: Params) -> None:
    for run in model_runs(params.train):
        names, name = run._asdict(), "-".join(run)
        shards = [layout.SHARD.format(subset=subset, batch=b) for subset in ("train", "val") for b in BATCHES]
        weights = layout.WEIGHTS_READY.format(backbone=run.backbone)
        base = base_run(params.train, run)
        below = [p.format(**base._asdict()) for p in (layout.MODEL_CONFIG, layout.MODEL_WEIGHTS)] if base else []
        files = [pattern.format(**names) for pattern in (layout.MODEL_CONFIG, layout.MODEL_WEIGHTS, layout.EPOCHS)]
        _job(params, "train", f"train/{name}", [*shards, weights, *below], files, names)
        test = [layout.SHARD.format(subset="test", batch=b) for b in BATCHES]
        _job(params, "predict", f"predict/{name}", [*test, weights, *files[:2]],
             [layout.PREDICTIONS.format(**names)], names)  # fmt: skip


def _results(params: Params) -> None:
    """Statistics with a measure per segmentation model, and Table 2 as the stage would print it of them."""
    losses = {"pid_tversky": "PID-Tversky", "cross_entropy": "cross-entropy"}
    names = {"biomedclip": "BiomedCLIP", "smolvlm": "SmolVLM"}
    measures, lines = [], ["model,loss,system,reference,metric,stratum,estimate"]
    for run in model_runs(params.train):
        if run.task == "segmentation":
            measures.append({**run._asdict(), "source": "mask", "reference": "pseudo_mask", "metric": "dice",
                             "stratum": "all", "value": 0.5})  # fmt: skip
            if run.loss == params.train.segmentation.losses[0]:
                lines.append(f"{names[run.backbone]},{losses[run.loss]},predicted mask,pseudo-mask,Dice,all,0.5")
    _write(layout.STATISTICS, json.dumps({"measures": measures, "tests": []}))
    _write(f"{layout.TABLES[2]}.csv", "\n".join(lines) + "\n")


def _job(
    params: Params, stage: str, name: str, inputs: list[str], outputs: list[str], facts: dict[str, object] | None = None
) -> None:
    """Write the outputs that are not there yet, and the manifest."""
    for path in outputs:
        if not Path(path).is_file():
            _write(path, hashlib.sha256(path.encode()).hexdigest())
    manifest = layout.MANIFEST.format(name=name)
    sections = manifest_settings(manifest, dict(facts or {}), params)
    write_manifest(
        manifest, stage, inputs=[Path(path) for path in inputs], outputs=[Path(path) for path in outputs],
        params=sections if stage == "ingest" else next(iter(sections.values())), seed=params.seed,
        started=datetime.now(UTC), facts=dict(facts or {}),
    )  # fmt: skip


def _write(path: str, text: str) -> None:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_text(text)

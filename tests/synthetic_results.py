"""A small evaluation set made here: shards, truth and predictions of models whose quality is known."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lss.calibration.model_calibration import Calibration
from lss.calibration.probabilities import Prevalence
from lss.domain.grades import GRADES, LEVELS
from lss.evaluation.settings import EvaluateParams
from lss.imaging.codec import encode_png, pixels_to_bytes
from lss.project import layout
from lss.reporting.settings import FigureParams, PageParams, TableParams
from lss.stages import evaluate, figures, page, tables
from lss.storage.io import write_json, write_parquet
from lss.storage.schemas import CLASSIFICATION, REPORT, SEGMENTATION, SHARD, TRUTH

SIDE, MASK, MARGIN = 96, 64, 10
SEED = 3
BACKBONES = ("biomedclip", "smolvlm", "llava_med")
SEVERITY = {
    "A": "No significant spinal canal stenosis",
    "BC": "Mild to moderate spinal canal compression",
    "D": "Severe spinal canal stenosis",
}
FINDINGS = {
    "A": "No evidence of disc herniation.",
    "BC": "Diffuse disc bulge mildly compressing the thecal sac.",
    "D": "Large disc protrusion severely compressing the thecal sac and both exiting nerve roots.",
}


@dataclass(frozen=True)
class SyntheticResults:
    """Paths as the evaluate stage takes them."""

    shards: dict[str, list[Path]]
    truth: Path
    predictions: dict[tuple[str, str, str], Path]


def ellipse(side: int, radius: float) -> np.ndarray:
    """A flat ellipse in the middle of a square."""
    y, x = np.mgrid[:side, :side] - side / 2
    return (y / 0.7) ** 2 + x**2 < radius**2


def radius_of(grade: str, random: np.random.Generator) -> float:
    """In pixels of the crop; grade A has no mask."""
    return {"A": 0.0, "BC": 20.0, "D": 34.0}[grade] * random.uniform(0.9, 1.1)


def report_of(grade: str, area: float, level: str) -> str:
    return f"{SEVERITY[grade]}, {area:.1f} % of the region is affected. {level}: {FINDINGS[grade]}"


def made(folder: Path) -> SyntheticResults:
    """Paths of what `make` writes under `folder`."""
    models = [
        (backbone, task, loss)
        for backbone in BACKBONES
        for task, loss in (
            ("classification", "cross_entropy"),
            ("segmentation", "pid_tversky"),
            ("segmentation", "cross_entropy"),
            ("report", "focal"),
        )
    ]
    return SyntheticResults(
        {subset: [folder / f"{subset}-00.parquet"] for subset in ("train", "val", "test")},
        folder / "truth.parquet",
        {(backbone, task, loss): folder / backbone / f"{task}-{loss}.parquet" for backbone, task, loss in models},
    )


def make(
    folder: Path, patients: int = 12, slices: int = 4, quality: float = 0.85, prefix: str = ""
) -> SyntheticResults:
    """Write everything under `folder`; models are right in a share `quality` of the cases; `prefix` is of all keys."""
    random = np.random.default_rng(7)
    results = made(folder)
    truth_rows: list[dict[str, Any]] = []
    for subset, (path,) in results.shards.items():
        rows = [
            _shard_row(f"{prefix}{subset}{patient:02d}", index, GRADES[(patient + index) % 3], random, truth_rows)
            | {"copy": int(subset == "train")}
            for patient in range(patients)
            for index in range(slices)
        ]
        write_parquet(path, rows, SHARD)
    write_parquet(results.truth, truth_rows, TRUTH)
    for (backbone, task, loss), path in results.predictions.items():
        number = BACKBONES.index(backbone)
        share = quality - 0.1 * number - (0.1 if loss == "cross_entropy" else 0)
        _write_predictions(path, task, rows, share, np.random.default_rng([number, len(loss)]))
    return results


def _shard_row(
    patient: str, index: int, grade: str, random: np.random.Generator, truth_rows: list[dict[str, Any]]
) -> dict[str, Any]:
    mask = ellipse(SIDE, radius_of(grade, random))
    level = LEVELS[2 + index % 4]
    image = (random.normal(400, 40, (SIDE, SIDE)) + 600 * ellipse(SIDE, 24)).clip(0, 4095).astype(np.uint16)
    area = float(100 * mask.mean())
    source = f"sha-{patient}-{index}"
    whole = np.zeros((SIDE + MARGIN, SIDE + MARGIN), dtype=bool)
    whole[MARGIN:, MARGIN:] = mask if grade != "A" else ellipse(SIDE, 12)
    truth_rows.append(
        {
            "source_sha256": source,
            "level": level,
            "grade": grade,
            "rows": whole.shape[0],
            "columns": whole.shape[1],
            "canal_mask": {"bytes": encode_png(whole), "path": None},
            "clean": pixels_to_bytes(image),
        }
    )
    return {
        "image": {"bytes": encode_png(image), "path": None},
        "mask": {"bytes": encode_png(mask), "path": None},
        "sample_key": f"{patient}-{index}",
        "slice_key": f"{patient}-{index}",
        "patient_key": patient,
        "level": level,
        "grade": grade,
        "report": report_of(grade, area, level),
        "area_percent": area,
        "region_share": 1.0,
        "canal_column": 0.5,
        "row_spacing_mm": 0.7,
        "column_spacing_mm": 0.7,
        "sides": "RL",
        "copy": 0,
        "flipped": False,
        "canal_found": True,
        "source_sha256": source,
        "crop_row": MARGIN,
        "crop_column": MARGIN,
    }


def _write_predictions(
    path: Path, task: str, rows: list[dict[str, Any]], share: float, random: np.random.Generator
) -> None:
    predicted = []
    for row in rows:
        case = {name: row[name] for name in ("slice_key", "patient_key", "level", "grade")}
        right = random.random() < share
        grade = row["grade"] if right else str(random.choice([g for g in GRADES if g != row["grade"]]))
        radius = radius_of(grade, random) * MASK / SIDE
        mask = ellipse(MASK, radius)
        area = float(100 * mask.mean())
        if task == "classification":
            logits = random.normal(0, 0.7, 3) + 2.5 * np.array([g == grade for g in GRADES])
            chances = np.exp(logits) / np.exp(logits).sum()
            named = {f"p_{g}": float(p) for g, p in zip(GRADES, chances, strict=True)}
            predicted.append(case | named | {"predicted": GRADES[int(chances.argmax())]})
        elif task == "segmentation":
            predicted.append(
                case
                | {
                    "mask": {"bytes": encode_png(mask), "path": None},
                    "area_percent": area,
                    "mean_confidence": 0.9 if mask.any() else None,
                    "max_confidence": 0.99 if mask.any() else None,
                    "attention": np.full(64, 1 / 64, dtype="<f2").tobytes(),
                    "grid_rows": 8,
                    "grid_columns": 8,
                    "mask_said_A": {"bytes": encode_png(np.zeros_like(mask)), "path": None},
                    "mask_said_D": {"bytes": encode_png(mask), "path": None},
                    "mask_said_shuffled": {"bytes": encode_png(ellipse(MASK, 8)), "path": None},
                    "mask_said_empty": {"bytes": encode_png(mask), "path": None},
                }
            )
        else:
            text = report_of(grade, area, row["level"])
            predicted.append(
                case
                | {
                    "report": text,
                    "reference": row["report"],
                    "area_percent": area,
                    "mask_grade": grade,
                    "mask_side": None,
                    "origin": "first",
                    "attempts": 1,
                    "first_report": None,
                }
            )
    schema = {"classification": CLASSIFICATION, "segmentation": SEGMENTATION, "report": REPORT}[task]
    write_parquet(path, predicted, schema)


@dataclass(frozen=True)
class Evaluated:
    """Where inputs and results lie."""

    folder: Path
    inputs: SyntheticResults

    @property
    def cases(self) -> dict[str, Path]:
        tasks = ("classification", "segmentation", "report")
        return {task: self.folder / layout.CASES.format(task=task) for task in tasks}

    @property
    def statistics_path(self) -> Path:
        return self.folder / layout.STATISTICS

    @property
    def statistics(self) -> dict[str, Any]:
        return json.loads(self.statistics_path.read_text())

    @property
    def metrics(self) -> dict[str, Any]:
        return json.loads((self.folder / layout.METRICS).read_text())

    @property
    def tables(self) -> dict[int, Path]:
        return {number: self.folder / stem for number, stem in layout.TABLES.items()}

    @property
    def ablation(self) -> Path:
        return self.folder / layout.ABLATION

    @property
    def plots(self) -> dict[str, Path]:
        return {name: self.folder / path for name, path in layout.PLOTS.items()}

    @property
    def figures(self) -> dict[int, Path]:
        return {number: self.folder / stem for number, stem in layout.FIGURES.items()}


def run_evaluate(
    inputs: SyntheticResults, folder: Path, manifests: list[Path] | None = None, kept_run: Path | None = None
) -> Evaluated:
    """Evaluate into `folder`; there is no ablation."""
    result = Evaluated(folder, inputs)
    write_json(result.ablation, {"about": {"repeats": 0}, "measures": [], "courses": []})
    evaluate.run(
        EvaluateParams(bootstrap_draws=200, interval="bca", confidence=0.95, compare_with=kept_run and kept_run.name),
        SEED,
        predictions=inputs.predictions,
        shards=inputs.shards,
        truth=inputs.truth,
        cases=result.cases,
        metrics=folder / layout.METRICS,
        statistics=result.statistics_path,
        manifest=folder / "results/manifests/evaluate.json",
        manifests=[*_calibrated(folder), *(manifests or [])],
        kept_run=kept_run,
    )
    return result


def _calibrated(folder: Path) -> list[Path]:
    """Manifests of trainings that state how sure their grades are, and nothing else."""
    even = Prevalence(np.full(3, 1 / 3), np.full(3, 1 / 3))
    calibration = Calibration(1.0, even, {0.8: 0.6, 0.9: 0.8, 0.95: np.inf}, 0.4, 10, 40).to_json()
    manifests = []
    for backbone in BACKBONES:
        facts = {"backbone": backbone, "task": "classification", "loss": "cross_entropy", "calibration": calibration}
        manifests.append(folder / f"calibrated-{backbone}.json")
        write_json(manifests[-1], {"stage": "train", "params": {}, "facts": facts | {"weights": {}, "leak": False}})
    return manifests


def draw_figures(
    evaluated: Evaluated, outputs: dict[int, Path], plots: dict[str, Path], epochs: dict[tuple[str, str, str], Path]
) -> None:
    """The figures stage."""
    figures.run(
        FigureParams(dpi=60, cases_per_grade=1, reports_per_grade=2),
        SEED,
        statistics=evaluated.statistics_path,
        cases=evaluated.cases,
        predictions=evaluated.inputs.predictions,
        shards=evaluated.inputs.shards["test"],
        epochs=epochs,
        ablation=evaluated.ablation,
        outputs=outputs,
        plots=plots,
        manifest=evaluated.folder / "results/manifests/figures.json",
    )


def write_page(
    evaluated: Evaluated, folder: Path, drawn: Evaluated, manifests: list[Path] | None = None, cases: int = 9
) -> Path:
    """Tables and the page of evaluated results, with the figures of `drawn`, whose drawing takes a while; gives the
    page.
    """
    manifest = folder / "made.manifest"
    common = {"statistics": evaluated.statistics_path, "manifest": manifest}
    shown = {
        "cases": evaluated.cases,
        "predictions": evaluated.inputs.predictions,
        "shards": evaluated.inputs.shards["test"],
    }
    tables.run(TableParams(digits=4), SEED, ablation=evaluated.ablation, outputs=evaluated.tables, **common)
    path = folder / "index.html"
    page.run(
        PageParams(title="Synthetic", cases=cases),
        SEED,
        ablation=evaluated.ablation,
        tables=evaluated.tables,
        figures=drawn.figures,
        manifests=manifests or [],
        page=path,
        model_cards={},
        data_sheet=folder / "data_sheet.md",
        **shown,
        **common,
    )
    return path

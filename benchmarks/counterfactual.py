"""The counterfactual patient: the same anatomy with the sac narrowed step by step. Does what the models say follow?

    python benchmarks/counterfactual.py [--models results/models/biomedclip] [--patients 12] [--output FOLDER]

Phantom patients that no training saw, drawn anew for every step with one L4-L5 sac narrowed from 200 to 40 mm2 and the
same noise. Per patient: Spearman's correlation of each answer with the narrowing (0 where the answer never moves), and
the share of steps on which it does not go backwards. What should stay (findings that are not of the canal, side, level)
is counted as the share of steps on which it changed. The rival moves nothing but the noise, at 110 mm2: what changes
there is no answer to the narrowing. Intervals by bootstrap over patients. Phantom numbers.

Writes counterfactual.csv (a row per patient, series and step) and counterfactual.png.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip  (before anything imports torchvision)
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure
from scipy.stats import spearmanr

from lss.domain.grades import GRADES
from lss.inference.bundle import Bundle
from lss.inference.preparation import PreparedSlice, SliceImage
from lss.measures.outline import find_sac
from lss.measures.sac import error_at, measure_sac
from lss.metrics.bootstrap import Estimate, PatientBootstrap
from lss.notes.findings import CANAL, CONTACT, ROOT, SAC, read_findings
from lss.notes.grading import grade_report
from lss.notes.report_consistency import stated_levels, stated_sides
from lss.phantom import acquisition, archive, axial
from lss.phantom.anatomy import IMAGED_LEVELS, Patient, draw_patient
from lss.phantom.canvas import OVERSAMPLING
from lss.phantom.narrowing import SAC_STEPS_MM2, narrowed
from lss.phantom.tissue import Textures
from lss.project.params import load_params
from lss.read.models import Models, load_models
from lss.reporting.style import style
from lss.runtime.progress import progress
from lss.runtime.seeding import generator
from lss.runtime.torch_setup import set_deterministic

LEVEL, INDEX = "L4-L5", 1
OF_THE_CANAL = (SAC, CANAL, CONTACT, ROOT)
FOLLOWS = {
    "sac_mm2": (-1, "sac measured in the image, mm2"),
    "mask_percent": (1, "affected area by the mask, %"),
    "expected_grade": (1, "mean grade by the probabilities (A 0, B&C 1, D 2)"),
    "p_D": (1, "probability of D"),
    "severity": (1, "severity sentence of the report (A 0, B&C 1, D 2)"),
}
"""Answers that should follow, and whether they should rise or fall as the sac narrows."""
STAYS = {
    "findings": "other findings of the report",
    "canal_findings": "(canal's findings: these may change)",
    "sides": "side named by the report",
    "level": "level named by the report",
}


def pictures(number: int, seed: int, areas: tuple[float, ...], noises: tuple[int, ...]) -> list[SliceImage]:
    """One slice per step as a scanner would store it; all have one key, so all share the draws of their reports."""
    patient = draw_patient(number, dict.fromkeys(IMAGED_LEVELS, "A") | {LEVEL: "BC"}, seed)
    return [_picture(narrowed(patient, LEVEL, area), seed, noise) for area, noise in zip(areas, noises, strict=True)]


def _picture(patient: Patient, seed: int, noise: int) -> SliceImage:
    names = ("counterfactual", patient.number)
    textures = Textures(generator(seed, *names, "textures"), axial.SPACING_MM / OVERSAMPLING)
    section = axial.draw_section(patient, LEVEL, INDEX, 320, textures, seed, ("T2",))
    clean = archive.axial_image(patient, LEVEL, section, True, generator(seed, *names, "block"))
    drawn = acquisition.noisy(clean, patient.noise, acquisition.AXIAL, generator(seed, *names, "noise", noise))
    tilt = np.radians(patient.discs[LEVEL].tilt)
    orientation = [1.0, 0.0, 0.0, 0.0, float(np.cos(tilt)), float(np.sin(tilt))]
    pixels = acquisition.to_stored(drawn, patient.receiver)
    return SliceImage("counterfactual", pixels, (axial.SPACING_MM,) * 2, "T2", LEVEL, orientation)


def answers(prepared: list[PreparedSlice], models: Models, writing: Any) -> list[dict[str, Any]]:
    """What measures and models say of each slice."""

    def of(bundle: Bundle) -> list[Any]:
        return bundle.predict(bundle.batch(prepared), writing=writing)

    if models.writer is None:
        raise SystemExit("no report model is trained: `snakemake --cores 8 train_all`")
    said = zip(prepared, of(models.grader), of(models.masker), of(models.writer), strict=True)
    return [_answer(one, *found, models) for one, *found in said]


def _answer(one: PreparedSlice, grade: Any, mask: Any, written: Any, models: Models) -> dict[str, Any]:
    outline = find_sac(one.denoised.image, one.region, one.source.spacing_mm) if one.region.found else None
    measured = measure_sac(outline.mask, one.source.spacing_mm, error_at(outline.brightness)) if outline else None
    calibration = models.grader.calibration
    raw = np.array([[grade.probabilities[name] for name in GRADES]])
    [chances] = calibration.probabilities(raw) if calibration else raw
    report = written.written.report
    stated = grade_report(report)
    found = read_findings(report, LEVEL)
    return {
        "sac_mm2": measured.area_mm2.value if measured else np.nan,
        "mask_percent": mask.area_percent,
        **{f"p_{name}": float(p) for name, p in zip(GRADES, chances, strict=True)},
        "expected_grade": float(chances @ np.arange(len(GRADES))),
        "severity": GRADES.index(stated) if stated else np.nan,
        "findings": "; ".join(str(f) for f in found if f.structure not in OF_THE_CANAL),
        "canal_findings": "; ".join(str(f) for f in found if f.structure in OF_THE_CANAL),
        "sides": " ".join(sorted(stated_sides(report))),
        "level": " ".join(stated_levels(report)),
        "report": report,
    }


def correlation(values: np.ndarray, sign: int) -> float:
    """Spearman's correlation with the order of the steps, positive as it should be; 0 for a constant."""
    known = ~np.isnan(values)
    if known.sum() < 3 or np.ptp(values[known]) == 0:
        return 0.0
    return sign * float(spearmanr(np.arange(len(values))[known], values[known]).statistic)


def forwards(values: np.ndarray, sign: int) -> float:
    """Share of steps that do not go backwards; a step beside an unknown value is left out, NaN where all are."""
    steps = sign * np.diff(values)
    steps = steps[~np.isnan(steps)]
    return float((steps >= -1e-9).mean()) if steps.size else np.nan


def summary(rows: pd.DataFrame) -> list[str]:
    """Markdown lines: narrowing, noise alone, their difference; means over patients with 95 % intervals."""
    patients = [str(number) for number in sorted(rows["patient"].unique())]
    bootstrap = PatientBootstrap(patients, 2000, 0.95, 1)
    lines = ["| answer | measure | narrowing | noise alone | difference |", "| --- | --- | --- | --- | --- |"]

    def line(answer: str, measure: str, values: dict[str, list[float]]) -> None:
        both = {name: np.nan_to_num(np.array(of)) for name, of in values.items()}
        shown = [*both.values(), both["narrowing"] - both["noise"]]
        lines.append(f"| {answer} | {measure} | " + " | ".join(_text(bootstrap.mean(of)) for of in shown) + " |")

    def series(name: str) -> dict[str, list[np.ndarray]]:
        return {kind: [own[name].to_numpy() for _, own in of.groupby("patient")] for kind, of in rows.groupby("series")}

    for name, (sign, words) in FOLLOWS.items():
        of = series(name)
        line(words, "Spearman", {kind: [correlation(v, sign) for v in values] for kind, values in of.items()})
        line(words, "steps not backwards", {k: [forwards(v, sign) for v in values] for k, values in of.items()})
        line(words, "last minus first", {k: [_change(v) for v in values] for k, values in of.items()})
    for name, words in STAYS.items():
        moved = {k: [float((v[1:] != v[:-1]).mean()) for v in values] for k, values in series(name).items()}
        line(words, "steps on which it changes", moved)
    return lines


def _change(values: np.ndarray) -> float:
    known = values[~np.isnan(values)]
    return float(known[-1] - known[0]) if known.size else np.nan


def _text(estimate: Estimate) -> str:
    if np.isnan(estimate.low):
        return f"{estimate.value:.2f} ({estimate.interval})"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def draw(rows: pd.DataFrame, title: str) -> Figure:
    """A panel per answer: each patient's course faint, the mean thick, against the true area of the sac."""
    narrowing = rows[rows["series"] == "narrowing"]
    figure = Figure(figsize=(11, 2.9), layout="constrained")
    for panel, (name, (_, words)) in zip(figure.subplots(1, len(FOLLOWS)), FOLLOWS.items(), strict=True):
        for _, own in narrowing.groupby("patient"):
            panel.plot(own["area"], own[name], color="#0072B2", alpha=0.25, linewidth=0.8)
        mean = narrowing.groupby("area")[name].mean()
        panel.plot(mean.index, mean, color="#0072B2", linewidth=2.2, marker="o", markersize=3)
        panel.invert_xaxis()
        panel.set_xlabel("drawn sac, mm2")
        panel.set_title(words.replace(" by", "\nby").replace(" of the", "\nof the").replace(", mm2", "\nmm2"))
    figure.suptitle(title)
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("results/models/biomedclip"))
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=4711, help="another than that of the models' cohort")
    parser.add_argument("--output", type=Path, default=Path("results/counterfactual"))
    args = parser.parse_args()
    params = load_params()
    set_deterministic(1, torch.device("cpu"))
    models = load_models(args.models, "cpu")
    steps = len(SAC_STEPS_MM2)
    kinds = {"narrowing": (SAC_STEPS_MM2, (0,) * steps), "noise": ((110.0,) * steps, tuple(range(steps)))}
    rows = []
    for number in progress(range(1, args.patients + 1), "patients", unit="patient"):
        for kind, (areas, noises) in kinds.items():
            prepared = [models.grader.prepare(one) for one in pictures(number, args.seed, areas, noises)]
            for step, (area, said) in enumerate(zip(areas, answers(prepared, models, params.predict), strict=True)):
                rows.append({"patient": number, "series": kind, "step": step, "area": area, **said})
    table = pd.DataFrame(rows)
    args.output.mkdir(parents=True, exist_ok=True)
    table.to_csv(args.output / "counterfactual.csv", index=False)
    with style():
        draw(table, f"{models.name}, {args.patients} phantom patients").savefig(
            args.output / "counterfactual.png", dpi=130
        )
    print(f"{models.name} ({models.weights}); {args.patients} phantom patients, seed {args.seed}\n")
    print("\n".join(summary(table)))
    print(f"\nwritten: {args.output}/counterfactual.csv, counterfactual.png")


if __name__ == "__main__":
    main()

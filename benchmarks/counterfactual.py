"""The counterfactual patient: the same anatomy with the sac narrowed step by step. Does what the models say follow?

    python benchmarks/counterfactual.py [--models results/models/biomedclip] [--patients 12] [--seeds 4711 4712]
                                        [--studies 4] [--output FOLDER]

Phantom patients that no training saw, drawn anew for every step with one L4-L5 sac narrowed from 200 to 40 mm2 and the
same noise. Per patient: Spearman's correlation of each answer with the narrowing (0 where the answer never moves), and
whether it moves and never goes backwards, in the digits that `lss read` shows. What should stay (findings that are not
of the canal, side, level) is counted as the share of steps on which it changed. Rivals: the noise alone at 110 mm2, and
the same answers in an order drawn at random. Whole studies of some of the patients, at 200 and at 40 mm2, say whether
the other discs' answers move. Intervals by bootstrap over patients. Phantom numbers.

Writes counterfactual.csv (a row per patient, series and step), counterfactual_discs.csv (a row per other disc of the
studies), counterfactual_reports.csv (the reports) and counterfactual.png. Table and figure are made from the first two
by `_counterfactual_tables.py`.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip  (before anything imports torchvision)
import numpy as np
import pandas as pd
import torch

from lss.domain.grades import GRADES
from lss.inference.bundle import Bundle
from lss.inference.preparation import PreparedSlice, SliceImage
from lss.measures.outline import find_sac
from lss.measures.sac import error_at, measure_sac
from lss.notes.findings import CANAL, CONTACT, ROOT, SAC, read_findings
from lss.notes.grading import grade_report
from lss.notes.report_consistency import stated_levels, stated_sides
from lss.phantom import acquisition, archive, axial
from lss.phantom.anatomy import IMAGED_LEVELS, Patient, draw_patient
from lss.phantom.canvas import OVERSAMPLING
from lss.phantom.narrowing import SAC_STEPS_MM2, narrowed
from lss.phantom.tissue import Textures
from lss.project.params import Params, load_params
from lss.read.models import Models, load_models
from lss.read.reading import SliceReading, most_probable, read_slices
from lss.read.study import open_study
from lss.reporting.style import style
from lss.runtime.progress import progress
from lss.runtime.seeding import generator
from lss.runtime.torch_setup import set_deterministic

sys.path.insert(0, str(Path(__file__).resolve().parent))
from _counterfactual_tables import STAYS, draw, other_discs, table

LEVEL, INDEX = "L4-L5", 1
OF_THE_CANAL = (SAC, CANAL, CONTACT, ROOT)


def pictures(number: int, seed: int, areas: tuple[float, ...], noises: tuple[int, ...]) -> list[SliceImage]:
    """One slice per step as a scanner would store it; all have one key, so all share the draws of their reports."""
    patient = _patient(number, seed)
    return [_picture(narrowed(patient, LEVEL, area), seed, noise) for area, noise in zip(areas, noises, strict=True)]


def _patient(number: int, seed: int) -> Patient:
    return draw_patient(number, dict.fromkeys(IMAGED_LEVELS, "A") | {LEVEL: "BC"}, seed)


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
    predicted = zip(prepared, of(models.grader), of(models.masker), of(models.writer), strict=True)
    return [_answer(one, grade, mask, written, models) for one, grade, mask, written in predicted]


def _answer(one: PreparedSlice, grade: Any, mask: Any, written: Any, models: Models) -> dict[str, Any]:
    outline = find_sac(one.denoised.image, one.region, one.source.spacing_mm) if one.region.detected else None
    measured = measure_sac(outline.mask, one.source.spacing_mm, error_at(outline.brightness)) if outline else None
    calibration = models.grader.calibration
    raw = np.array([[grade.probabilities[name] for name in GRADES]])
    [chances] = calibration.probabilities(raw) if calibration else raw
    report = written.written.report
    stated = grade_report(report)
    found = read_findings(report, LEVEL)
    by_name = dict(zip(GRADES, map(float, chances), strict=True))
    return {
        "sac_mm2": measured.area_mm2.value if measured else np.nan,
        "mask_percent": mask.area_percent,
        "mean_grade": float(chances @ np.arange(len(GRADES))),
        "grade": GRADES.index(most_probable(by_name)),
        "severity": GRADES.index(stated) if stated else np.nan,
        "findings": "; ".join(str(f) for f in found if f.structure not in OF_THE_CANAL),
        "sides": " ".join(sorted(stated_sides(report))),
        "level": " ".join(stated_levels(report)),
        "report": report,
    }


def steps_of(number: int, seed: int, models: Models, params: Params) -> list[dict[str, Any]]:
    """Rows of one patient: the narrowing, and the noise alone."""
    steps = len(SAC_STEPS_MM2)
    kinds = {"narrowing": (SAC_STEPS_MM2, (0,) * steps), "noise": ((110.0,) * steps, tuple(range(steps)))}
    rows = []
    for kind, (areas, noises) in kinds.items():
        prepared = [models.grader.prepare(one) for one in pictures(number, seed, areas, noises)]
        before: dict[str, Any] = {}
        for step, (area, answer) in enumerate(zip(areas, answers(prepared, models, params.predict), strict=True)):
            moved = {name: int(answer[name] != before[name]) if before else np.nan for name in STAYS}
            key = {"patient": f"{seed}-{number}", "series": kind, "step": step, "area": area}
            rows.append({**key, **answer, **moved})
            before = answer
    return rows


def discs_of(number: int, seed: int, models: Models, params: Params) -> list[dict[str, Any]]:
    """Rows of one patient: how far answers on the other discs move when the study is drawn with a wide, then with a
    narrow sac.
    """
    readings = []
    for area in (SAC_STEPS_MM2[0], SAC_STEPS_MM2[-1]):
        patient = narrowed(_patient(number, seed), LEVEL, area)
        plan = archive.Plan(number, {level: disc.grade for level, disc in patient.discs.items()})
        with tempfile.TemporaryDirectory() as folder:
            archive.write_anatomy(patient, plan, Path(folder), seed)
            study = open_study(Path(folder) / archive.IMAGES / f"{number:04d}", None)
            readings.append(
                read_slices(study, models.grader.preparation, models, params.predict, params.seed, 8,
                            reports=False, shown=False)
            )  # fmt: skip
    rows = []
    for place, level in enumerate(IMAGED_LEVELS):
        if level == LEVEL:
            continue
        own, other = (
            [one for one in reading.slices if (one.number - 1) // axial.SLICES_PER_DISC == place]
            for reading in readings
        )
        pairs = list(zip(own, other, strict=True))
        rows.append({
            "patient": f"{seed}-{number}", "disc": level,
            "pixels": int(sum((a.item.pixels != b.item.pixels).sum() for a, b in pairs)),
            "grade": max(abs(_mean_grade(a) - _mean_grade(b)) for a, b in pairs),
            "area": max(abs((a.area_percent or 0.0) - (b.area_percent or 0.0)) for a, b in pairs),
            "sac": max(abs(_sac(a) - _sac(b)) for a, b in pairs),
            "level": int(any(a.level.level != b.level.level for a, b in pairs)),
        })  # fmt: skip
    return rows


def _mean_grade(one: SliceReading) -> float:
    return sum(index * one.probabilities[name] for index, name in enumerate(GRADES))


def _sac(one: SliceReading) -> float:
    return one.measure.area_mm2.value if one.measure else 0.0


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("results/models/biomedclip"))
    parser.add_argument("--patients", type=int, default=12, help="of each seed")
    parser.add_argument("--seeds", type=int, nargs="+", default=[4711, 4712], help="others than the models' cohort's")
    parser.add_argument("--studies", type=int, default=4, help="whole studies of the first seed's patients")
    parser.add_argument("--output", type=Path, default=Path("results/counterfactual"))
    args = parser.parse_args()
    params = load_params()
    set_deterministic(1, torch.device("cpu"))
    models = load_models(args.models, "cpu")
    patients = [(number, seed) for seed in args.seeds for number in range(1, args.patients + 1)]
    args.output.mkdir(parents=True, exist_ok=True)
    rows, discs = [], []
    for one in progress(patients, "patients", unit="patient"):
        rows += steps_of(*one, models, params)
        steps = pd.DataFrame(rows)  # written after each patient: an hour on a busy machine
        steps.to_csv(args.output / "counterfactual_reports.csv", index=False)
        steps.drop(columns="report").round(4).to_csv(args.output / "counterfactual.csv", index=False)
    for one in progress(patients[: args.studies], "studies", unit="study"):
        discs += discs_of(*one, models, params)
        pd.DataFrame(discs).round(4).to_csv(args.output / "counterfactual_discs.csv", index=False)
    with style():
        title = f"{models.name.split('-')[0]}, {len(patients)} phantom patients"
        draw(steps, title).savefig(args.output / "counterfactual.png", dpi=110)
    print(f"{models.name} ({models.weights}); {len(patients)} phantom patients, seeds {args.seeds}\n")
    print("\n".join(table(pd.read_csv(args.output / "counterfactual.csv"))))
    if discs:
        print(f"\n{other_discs(pd.DataFrame(discs))}")
    print(f"\nwritten: {args.output}/counterfactual*.csv, counterfactual.png")


if __name__ == "__main__":
    main()

"""Area and diameter of the sac against the phantom's truth: bias, limits of agreement, coverage of the intervals.

    python benchmarks/measures.py [--patients 10] [--seeds 13]
    python benchmarks/measures.py --fit [--patients 12] [--seeds 11 12]

Outlines are found in the image alone; slices without a clear one are counted and left out. The truth is the drawn
outline's, before it was cut into pixels. `--fit` prints the `ERRORS` of `lss.measures.sac`, and the coverage where each
seed is measured with what the others give; they are from seeds 11 and 12: take another to judge them. Intervals by
bootstrap over patients. The rival is the mean of the other patients' true values.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from lss.cohorts.dicom import read_dicom
from lss.imaging.denoise import denoise
from lss.imaging.roi import region_of_interest
from lss.measures.outline import find_sac
from lss.measures.sac import ERRORS, EXACT, OutlineError, measure_sac
from lss.phantom import archive
from lss.project.params import load_params
from lss.runtime.progress import progress
from lss.runtime.seeding import generator

LEAST_BRIGHT = (0.9, 0.75, 0.0)
SHARE = 0.95


def rows_of(patients: int, seed: int) -> list[dict[str, Any]]:
    """The outline of every axial T2 slice measured as it is, its brightness, and the true values."""
    settings = load_params().denoise.model_dump(exclude={"device"})
    result = []
    for plan in progress(archive.plan_cohort(patients, seed)[0], "patients", total=patients, unit="patient"):
        with tempfile.TemporaryDirectory() as folder:
            truth = {row["source_sha256"]: row for row in archive.write_patient(plan, Path(folder), seed)}
            for path in sorted(Path(folder).rglob("*.ima")):
                data = path.read_bytes()
                true = truth.get(hashlib.sha256(data).hexdigest())
                if true is None or "T2" not in path.name:
                    continue
                one = read_dicom(data, path.name, path.parent.name).slices[0]
                spacing = one.row_spacing_mm, one.column_spacing_mm
                image = denoise(one.pixels, **settings).image
                outline = find_sac(image, region_of_interest(image, *spacing), spacing)
                row = {"seed": seed, "patient": f"{seed}.{plan.number}", "grade": true["grade"],
                       "true_area": true["sac_area_mm2"], "true_depth": true["sac_diameter_mm"]}  # fmt: skip
                if outline is not None:
                    exact = measure_sac(outline.mask, spacing, EXACT)
                    wall = measure_sac(outline.mask, spacing, OutlineError(0.0, 1.0, 0.0, 0.0))
                    assert exact is not None and wall is not None  # noqa: S101
                    length = wall.area_mm2.high - wall.area_mm2.value
                    row |= {"area": exact.area_mm2.value, "depth": exact.diameter_mm.value, "length": length,
                            "brightness": outline.brightness}  # fmt: skip
                result.append(row)
    return result


class Outlines:
    """The measured slices as arrays: errors of the wall and of the diameter, mm, and what they depend on."""

    seed: np.ndarray
    patient: np.ndarray
    grade: np.ndarray
    true_area: np.ndarray
    true_depth: np.ndarray
    area: np.ndarray
    depth: np.ndarray
    length: np.ndarray
    brightness: np.ndarray

    def __init__(self, rows: list[dict[str, Any]]) -> None:
        measured = [row for row in rows if "area" in row]
        for name in ("seed", "patient", "grade", "true_area", "true_depth", "area", "depth", "length", "brightness"):
            setattr(self, name, np.array([row[name] for row in measured]))
        self.wall_error = (self.area - self.true_area) / self.length
        self.depth_error = self.depth - self.true_depth
        self.group = np.argmax([self.brightness >= least for least in LEAST_BRIGHT], axis=0)
        counts = {patient: (self.patient == patient).sum() for patient in self.patient}
        self.weight = np.array([1 / counts[patient] for patient in self.patient])

    def fit(self, error: np.ndarray, chosen: np.ndarray) -> list[tuple[float, float]]:
        """Bias and half width of the interval for each group of brightness, from the chosen slices."""
        bias = np.array([np.median(error[chosen & (self.group == g)]) for g in range(len(LEAST_BRIGHT))])
        off = np.abs(error - bias[self.group])
        spread = np.array([np.percentile(off[chosen & (self.group == g)], 95) for g in range(len(LEAST_BRIGHT))])
        scores, weight = (off / spread[self.group])[chosen], self.weight[chosen]
        order = np.argsort(scores)
        reached = np.cumsum(weight[order]) / weight.sum() >= SHARE
        return list(zip(bias, spread * scores[order][reached.argmax()], strict=True))

    def held(self, wall: list[tuple[float, float]], depth: list[tuple[float, float]]) -> tuple[np.ndarray, np.ndarray]:
        """Which intervals of area and diameter hold the truth; an area or a diameter is not below 0."""
        (wall_bias, wall_half), (depth_bias, depth_half) = (np.array(of, float)[self.group].T for of in (wall, depth))
        return np.abs(self.wall_error - wall_bias) <= wall_half, np.abs(self.depth_error - depth_bias) <= depth_half


def share_of(values: np.ndarray, patients: np.ndarray, *names: Any) -> tuple[float, float, float]:
    """The mean over slices with its 95 % interval by bootstrap over patients."""
    draws = generator(0, "benchmark", "measures", *names)
    of = [values[patients == p] for p in np.unique(patients)]
    means = [np.concatenate([of[i] for i in draws.integers(0, len(of), len(of))]).mean() for _ in range(2000)]
    low, high = np.percentile(means, [2.5, 97.5])
    return float(values.mean()), float(low), float(high)


def print_fit(rows: list[dict[str, Any]]) -> None:
    one = Outlines(rows)
    every = np.ones(len(one.seed), bool)
    wall, depth = one.fit(one.wall_error, every), one.fit(one.depth_error, every)
    for group, least in enumerate(LEAST_BRIGHT):
        numbers = ", ".join(f"{value:.2f}" for value in (*wall[group], *depth[group]))
        print(f"({least}, OutlineError({numbers})),  # {(one.group == group).sum()} slices")
    held = np.zeros((2, len(every)), bool)
    for seed in np.unique(one.seed):
        others = one.seed != seed
        held[:, ~others] = np.array(one.held(one.fit(one.wall_error, others), one.fit(one.depth_error, others)))[
            :, ~others
        ]
    for name, values in zip(("area", "diameter"), held, strict=True):
        mean, low, high = share_of(values, one.patient, "fit", name)
        print(f"{name}: each seed by the others', truth within interval {mean:.3f} ({low:.3f} to {high:.3f})")


def print_tables(rows: list[dict[str, Any]]) -> None:
    one = Outlines(rows)
    errors = [error for _, error in ERRORS]
    wall = [(error.wall_bias, error.wall_half) for error in errors]
    depth = [(error.depth_bias, error.depth_half) for error in errors]
    print(f"{len(rows)} slices of {len({row['patient'] for row in rows})} phantom patients\n")
    print("| measure | slices | bias (95 % interval) | limits of agreement | half width, median | truth within "
          "interval (95 % interval) | limits of the rival |")  # fmt: skip
    print("| --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    area_bias, area_half = (np.array([of[i] for of in wall])[one.group] * one.length for i in (0, 1))
    depth_bias, depth_half = (np.array([of[i] for of in depth])[one.group] for i in (0, 1))
    inside = one.held(wall, depth)
    for grade in ("all", "A", "BC", "D"):
        here = np.array([grade in ("all", of) for of in one.grade])
        if not here.any():
            continue
        owners = one.patient[here]
        for name, unit, off, half, held, true in (
            ("area", "mm2", one.area - area_bias - one.true_area, area_half, inside[0], "true_area"),
            ("diameter", "mm", one.depth_error - depth_bias, depth_half, inside[1], "true_depth"),
        ):
            mean, low, high = share_of(off[here], owners, name, grade)
            limits = [mean - 1.96 * off[here].std(), mean + 1.96 * off[here].std()]
            share, least, most = share_of(held[here], owners, name, grade, "inside")
            known = {p: np.mean([r[true] for r in rows if r["patient"] != p]) for p in set(owners)}
            rival = np.array([known[p] for p in owners]) - getattr(one, true)[here]
            print(f"| {name}, {unit}, {grade} | {here.sum()} | {mean:+.1f} ({low:+.1f} to {high:+.1f}) | "
                  f"{limits[0]:+.1f} to {limits[1]:+.1f} | {np.median(half[here]):.1f} | "
                  f"{share:.3f} ({least:.3f} to {most:.3f}) | {rival.mean() - 1.96 * rival.std():+.1f} to "
                  f"{rival.mean() + 1.96 * rival.std():+.1f} |")  # fmt: skip
    for grade in ("A", "BC", "D"):
        of = ["area" in row for row in rows if row["grade"] == grade]
        print(f"measured of grade {grade}: {sum(of)} of {len(of)} slices")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=10)
    parser.add_argument("--seeds", type=int, nargs="+", default=[13])
    parser.add_argument("--fit", action="store_true", help="print the intervals' widths for lss/measures/sac.py")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    rows = [row for seed in args.seeds for row in rows_of(args.patients, seed)]
    (print_fit if args.fit else print_tables)(rows)


if __name__ == "__main__":
    main()

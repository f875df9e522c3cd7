"""Area and diameter of the sac against the phantom's truth: bias, limits of agreement, coverage of the intervals.

    python benchmarks/measures.py [--patients 12] [--seed 2]

Outlines are found in the image alone; slices without a clear one are counted and left out. The truth is the drawn
outline's, before it was cut into pixels. `WALL_MM` and `BIAS_MM` are from seed 2: take another to judge them. Intervals
of the bias by bootstrap over patients. The rival is the mean of the other patients' true values.
"""

from __future__ import annotations

import argparse
import hashlib
import tempfile
from pathlib import Path

import cv2
import numpy as np

from lss.cohorts.dicom import read_dicom
from lss.imaging.codec import decode_png
from lss.imaging.denoise import denoise
from lss.imaging.roi import region_of_interest
from lss.measures.outline import find_sac
from lss.measures.sac import BIAS_MM, WALL_MM, measure_sac
from lss.phantom import archive
from lss.project.params import load_params
from lss.runtime.progress import progress
from lss.runtime.seeding import generator


def rows_of(patients: int, seed: int) -> list[dict[str, float]]:
    """Measured and true values of every axial T2 slice, and what the interval needs."""
    params = load_params()
    settings = params.denoise.model_dump(exclude={"device"})
    result = []
    plans, _ = archive.plan_cohort(patients, seed)
    for plan in progress(plans, "patients", total=len(plans), unit="patient"):
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
                measured = measure_sac(outline.mask, spacing) if outline else None
                canal = decode_png(true["canal_mask"]["bytes"]) > 0
                exact = measure_sac(canal, spacing, 0.0, 0.0)
                assert exact is not None  # noqa: S101
                values = {
                    "patient": plan.number,
                    "grade": true["grade"],
                    "true_area": true["sac_area_mm2"],
                    "true_depth": true["sac_diameter_mm"],
                    "exact_area": exact.area_mm2.value,
                    "exact_depth": exact.diameter_mm.value,
                }
                for name in ("area", "depth"):
                    of = None if measured is None else measured.area_mm2 if name == "area" else measured.diameter_mm
                    ends = (of.value, of.low, of.high) if of else (0.0, 0.0, 0.0)
                    values |= dict(zip((name, f"{name}_low", f"{name}_high"), ends, strict=True))
                result.append(values | {"outline": values["area_high"] - values["area"]})
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--seed", type=int, default=2)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    result = rows_of(args.patients, args.seed)
    patient = np.array([row["patient"] for row in result])
    print(f"{len(result)} slices of {len(set(patient))} phantom patients, seed {args.seed}\n")
    print("| measure | slices | bias (95 % interval) | limits of agreement | within interval | limits of the rival |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for grade in ("all", "A", "BC", "D"):
        here = np.array([grade in ("all", row["grade"]) for row in result])
        here = here & (np.array([row["area"] for row in result]) > 0)
        if not here.any():
            continue
        for name, unit in (("area", "mm2"), ("depth", "mm")):
            measured, true, exact, low, high = (
                np.array([row[key] for row in result])[here]
                for key in (name, f"true_{name}", f"exact_{name}", f"{name}_low", f"{name}_high")
            )
            off = measured - true
            draws = generator(0, "benchmark", "measures", name, grade)
            of = [off[patient[here] == p] for p in np.unique(patient[here])]
            means = [np.concatenate([of[i] for i in draws.integers(0, len(of), len(of))]).mean() for _ in range(2000)]
            ends = np.percentile(means, [2.5, 97.5])
            inside = float(((low <= true) & (true <= high)).mean())
            every = np.array([row[f"true_{name}"] for row in result])
            rival = np.array([every[patient != p].mean() for p in patient[here]]) - true
            print(f"| {name}, {unit}, {grade} | {here.sum()} "
                  f"| {off.mean():+.1f} ({ends[0]:+.1f} to {ends[1]:+.1f}) | "
                  f"{off.mean() - 1.96 * off.std():+.1f} to {off.mean() + 1.96 * off.std():+.1f} | {inside:.3f} | "
                  f"{rival.mean() - 1.96 * rival.std():+.1f} to "
                  f"{rival.mean() + 1.96 * rival.std():+.1f} |")  # fmt: skip
            if grade == "all":
                cut = exact - true
                print(f"|   (true mask measured), {unit} | | {cut.mean():+.2f} | sd {cut.std():.2f} | | |")
    for grade in ("A", "BC", "D"):
        of = [row["area"] > 0 for row in result if row["grade"] == grade]
        print(f"measured of grade {grade}: {sum(of)} of {len(of)} slices")
    errors = [(r["area"] - r["true_area"]) / r["outline"] * WALL_MM for r in result if r["area"]]
    wall = np.array(errors) + BIAS_MM
    print(f"wall displaced by {wall.mean():+.2f} mm in the mean, 95 % within "
          f"{np.percentile(np.abs(wall - wall.mean()), 95):.2f} mm of that; with BIAS_MM and WALL_MM as set: "
          f"{np.mean(np.abs(errors) <= WALL_MM):.3f} within")  # fmt: skip


if __name__ == "__main__":
    main()

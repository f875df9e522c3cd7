"""Levels counted from axial blocks alone: wrong ones without a doubt, and right ones doubted, over made studies.

    python benchmarks/level_counts.py [--studies 400] [--seed 1] [--spread 1.0]

Spines are drawn from the angles of `lss/cohorts/tilts.py`, kept within 18 to 71 degrees at the sacrum; `--spread`
multiplies the standard deviations of their segments, which the rule does not know. Each block is planned within 3
degrees of its disc, its middle 15 mm behind the disc's (8), on a patient who lies within 4 degrees of the table's axis,
or within 10 where "leaning". No pixel is drawn: without sagittal images nothing else tells.
"""

from __future__ import annotations

import argparse
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from lss.cohorts.base import Geometry, RawSlice
from lss.cohorts.slice_levels import assign_levels
from lss.cohorts.tilts import DISC_SHARE, DISCS_DEG, LUMBOSACRAL_DEG, S1_S2_DEG, SEGMENTS_DEG
from lss.domain.grades import LEVELS

DISCS = ("S1-S2", *reversed(LEVELS))
"""From below upwards."""

LENGTHS_MM = (30, 34, 36, 36, 35, 33)
"""From disc to disc."""


def spine(
    draw: np.random.Generator, sacrum: tuple[float, float] | None, spread: float
) -> tuple[list[float], list[np.ndarray]]:
    """Return the tilts (degrees) and middles (y, z; mm) of `DISCS`; `sacrum` bounds the lumbosacral angle."""
    angle = draw.uniform(*sacrum) if sacrum else float(np.clip(draw.normal(*LUMBOSACRAL_DEG), 18, 71))
    deviations = spread * np.array([deviation for _, deviation in SEGMENTS_DEG])
    discs = draw.normal(DISCS_DEG, DISC_SHARE**0.5 * deviations[[0, 1, 2, 3, 4, 4]])
    vertebrae = draw.normal([mean for mean, _ in SEGMENTS_DEG], (1 - DISC_SHARE) ** 0.5 * deviations) - DISCS_DEG[:5]
    tilts = [angle + draw.normal(*S1_S2_DEG), angle - discs[0] / 2]
    for index, vertebra in enumerate(vertebrae):
        tilts.append(tilts[-1] - discs[index] / 2 - vertebra - discs[index + 1] / 2)
    size, middles = draw.normal(1, 0.07), [np.zeros(2)]
    for index, length in enumerate(LENGTHS_MM):
        mean = np.radians((tilts[index] + tilts[index + 1]) / 2)
        middles.append(middles[-1] + size * length * np.array([-np.sin(mean), np.cos(mean)]))
    return tilts, middles


def study(
    draw: np.random.Generator,
    spread: float,
    shown: Sequence[str],
    *,
    sacrum: tuple[float, float] | None = None,
    leaning: bool = False,
    flipped: bool = False,
    again: bool = False,
    weightings: Sequence[str] = ("T2",),
) -> tuple[list[RawSlice], list[str]]:
    """Return the slices of a study with blocks at the discs `shown`, and their true levels.

    `leaning`: the patient lies askew by up to 10 degrees, forwards and sideways; `flipped`: normals point to the feet;
    `again`: one disc was scanned twice.
    """
    tilts, middles = spine(draw, sacrum, spread)
    pitch, roll = draw.uniform(-10, 10, 2) if leaning else draw.normal(0, 4, 2)
    lean_33 = _about_left(pitch) @ _about_back(roll)
    planned = [(name, "4") for name in shown] + ([(str(draw.choice(list(shown))), "7")] if again else [])
    slices: list[RawSlice] = []
    truth: list[str] = []
    for number, weighting in enumerate(weightings):
        for name, series in planned:
            index = DISCS.index(name)
            turn = np.radians(tilts[index] + draw.normal(0, 3))
            along_3 = np.array([0, np.cos(turn), np.sin(turn)])
            normal_3 = np.array([0, -np.sin(turn), np.cos(turn)])
            middle_3 = np.array([0, *middles[index]]) + draw.normal(15, 8) * along_3
            count = int(draw.integers(4, 6))
            for place in np.arange(count) - (count - 1) / 2:
                axes = [lean_33 @ axis for axis in (middle_3 + 4.4 * place * normal_3, normal_3, along_3)]
                sign = -1 if flipped else 1
                left_3 = lean_33 @ np.array([1.0, 0, 0])
                geometry = Geometry(axes[0], sign * axes[1], "f", np.concatenate([sign * left_3, axes[2]]))
                file = f"{weighting}{series}{number}-{len(slices)}"
                slices.append(
                    RawSlice(file, "", "s", f"{series}{number}", file, np.zeros((1, 1), np.uint16), 12, "axial", "",
                             weighting, "", len(slices), 1.0, 1.0, "", geometry=geometry)
                )  # fmt: skip
                truth.append(name)
    return slices, truth


def _about_left(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_back(degrees: float) -> np.ndarray:
    c, s = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def verdict(slices: list[RawSlice], truth: list[str]) -> str:
    """Return "wrong" where a level is wrong and undoubted, else "doubted" or "none" or "right"."""
    undoubted = [
        (s.level, t) for s, t in zip(slices, truth, strict=True) if s.level and "doubtful" not in s.level_reason
    ]
    if any(level != true for level, true in undoubted):
        return "wrong"
    if not undoubted:
        return "none" if all(item.level is None for item in slices) else "doubted"
    return "right"


Maker = Callable[[np.random.Generator, float], tuple[list[RawSlice], list[str]]]


def of(shown: Sequence[str], **options: Any) -> Maker:
    """Return the maker of studies with blocks at the discs `shown`; options as of `study`."""
    return lambda draw, spread: study(draw, spread, shown, **options)


def run(lowest: str, count: int, **options: Any) -> Maker:
    """Return the maker of studies with blocks at `count` neighbouring discs from the lowest up."""
    start = DISCS.index(lowest)
    return of(DISCS[start : start + count], **options)


STEEP = (48.0, 65.0)
KINDS: dict[str, Maker] = {
    **{f"{n} blocks from L5-S1": run("L5-S1", n) for n in range(1, 7)},
    "3 blocks, steep sacrum of 48 to 65": run("L5-S1", 3, sacrum=STEEP),
    "5 blocks, steep sacrum": run("L5-S1", 5, sacrum=STEEP),
    "3 blocks, leaning by up to 10": run("L5-S1", 3, leaning=True),
    "5 blocks, leaning": run("L5-S1", 5, leaning=True),
    "5 blocks, normals to the feet": run("L5-S1", 5, flipped=True),
    "3 blocks, one repeated": run("L5-S1", 3, again=True),
    "3 blocks, T1 beside T2": run("L5-S1", 3, weightings=("T1", "T2")),
    **{f"{n} blocks, L5-S1 missing": run("L4-L5", n) for n in range(2, 6)},
    "3 blocks, L5-S1 missing, steep": run("L4-L5", 3, sacrum=STEEP),
    "4 blocks, L5-S1 missing, steep": run("L4-L5", 4, sacrum=STEEP),
    "3 blocks, L5-S1 missing, leaning": run("L4-L5", 3, leaning=True),
    "3 blocks from L3-L4": run("L3-L4", 3),
    **{f"{n} blocks, S1-S2 the lowest": run("S1-S2", n) for n in range(2, 8)},
    "4 blocks, S1-S2 the lowest, steep": run("S1-S2", 4, sacrum=STEEP),
    "4 blocks, S1-S2 the lowest, leaning": run("S1-S2", 4, leaning=True),
    "L5-S1 L3-L4 L2-L3, L4-L5 missing": of(("L5-S1", "L3-L4", "L2-L3")),
    "L5-S1 L4-L5 L2-L3, L3-L4 missing": of(("L5-S1", "L4-L5", "L2-L3")),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--studies", type=int, default=400)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--spread", type=float, default=1.0)
    args = parser.parse_args()
    print("| studies | right, undoubted | doubted | no level | wrong, undoubted |\n|---|---|---|---|---|")
    for kind, make in KINDS.items():
        draw = np.random.default_rng(args.seed)
        counts: Counter[str] = Counter()
        for _ in range(args.studies):
            slices, truth = make(draw, args.spread)
            assign_levels(slices)
            counts[verdict(slices, truth)] += 1
        shares = [f"{100 * counts[v] / args.studies:.1f}" for v in ("right", "doubted", "none", "wrong")]
        print(f"| {kind} | " + " | ".join(shares) + " |", flush=True)


if __name__ == "__main__":
    main()

"""Levels of axial slices by source: counted from the blocks, from the sagittal slice, and the two together.

    python benchmarks/levels.py [--patients 24] [--seeds 1 2]

Phantom patients, usual and unusual (transitional anatomy, missing blocks, scans that start elsewhere). Per source: the
share of slices with the right level, with a wrong one, and with none. The rival of the anatomy is the count. No axial
picture is drawn: a level depends on where slices lie.
"""

from __future__ import annotations

import argparse
from collections import Counter

from _phantom_spines import study

from lss.levels.axial import compare_levels
from lss.levels.spine import find_spine
from lss.phantom import archive
from lss.runtime.progress import progress


def verdict(level: str | None, truth: str) -> str:
    return "none" if level is None else "right" if level == truth else "wrong"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=24)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1])
    parser.add_argument("--verbose", action="store_true")
    args = parser.parse_args()
    counts: dict[tuple[str, str], Counter[str]] = {}
    cohorts = [(seed, plan) for seed in args.seeds for plan in archive.plan_cohort(args.patients, seed, 0.7)[0]]
    for seed, plan in progress(cohorts, "patients", total=len(cohorts), unit="patient"):
        usual = not plan.anatomy and plan.blocks == archive.IMAGED_LEVELS
        kind = "usual" if usual else plan.anatomy or "blocks " + " ".join(plan.blocks)
        _, slices, truth = study(plan, seed)
        spine = find_spine(slices)
        axials = [s for s in slices if s.plane == "axial"]
        settled = compare_levels(axials, spine)
        if args.verbose:
            print(seed, plan.number, kind, spine and [d.level for d in spine.discs], spine and spine.doubts)
        for item, answer, level in zip(axials, settled, truth, strict=True):
            for source, result in (
                ("blocks", item.level),
                ("blocks, doubts out", None if "doubtful" in item.level_reason else item.level),
                ("sagittal", answer.by_anatomy),
                ("both agree", answer.level),
            ):
                groups = [kind, "all usual" if usual else "all unusual"]
                if kind.startswith("blocks"):
                    groups.append("all of missing blocks")
                for group in groups:
                    counts.setdefault((group, source), Counter())[verdict(result, level)] += 1
    for (kind, source), tally in sorted(counts.items()):
        total = tally.total()
        print(
            f"{kind:40} {source:20} "
            + "  ".join(f"{v} {tally[v] / total:.3f}" for v in ("right", "wrong", "none"))
            + f"  of {total} slices"
        )


if __name__ == "__main__":
    main()

"""Stage split: who trains, who validates, who tests; by patient, before anything is done to the images.

Leakage is a failure, not a warning: the stage ends with an error when a patient, a study or a near-identical
image stands in two subsets.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from lss.cohorts.base import LEFT_OUT_ON_PURPOSE
from lss.cohorts.partition import UNUSED, assign_folds, assign_stratified, check_leakage, read_split_file
from lss.errors import LssError
from lss.grades import GRADES, worst
from lss.imaging.perceptual_hash import perceptual_hash
from lss.io import parquet_writer, read_parquet, write_parquet
from lss.layout import SUBSETS
from lss.manifest import write_manifest
from lss.params import SplitParams
from lss.progress import progress
from lss.schemas import REJECTS, SLICES, SPLIT

_COLUMNS = ["slice_key", "patient_key", "study_key", "plane", "weighting", "level", "grade", "grade_reason",
            "note_grade", "rows", "columns", "pixels"]  # fmt: skip


def run(
    params: SplitParams,
    seed: int,
    *,
    slices: list[Path],
    rejects: list[Path],
    split: Path,
    all_rejects: Path,
    manifest: Path,
) -> None:
    """Put every slice into train, val, test or unused.

    Args:
        params: which plane and weighting, shares, folds, the user's file, the bounds of the checks.
        seed: of params.yaml.
        slices: slice tables of all batches, in order.
        rejects: tables of rejects of all batches.
        split: output, table `lss.schemas.SPLIT`.
        all_rejects: output, all rejects in one table.
        manifest: output.

    Raises:
        LssError: too few files usable, nothing to work on, a wrong split file, or leakage between subsets.
    """
    started = datetime.now(UTC)
    rows = [row for path in slices for row in _read_slices(path, params)]
    reasons = _concatenate(rejects, all_rejects)
    _check_usable(len(rows), reasons, params.min_usable_share, all_rejects)
    used = [row for row in rows if row["reason"] is None]
    if not used:
        found = Counter(row["reason"] for row in rows)
        listed = "; ".join(f"{count} x {reason}" for reason, count in sorted(found.items()))
        raise LssError(
            f"split: no slice is left to work on ({listed}). Check split.plane, split.weighting and the notes; "
            "`lss inspect` shows what the cohort holds."
        )
    subsets = _assign(used, params, seed)
    if missing := [name for name in SUBSETS if name not in subsets.values() and _is_wanted(name, params)]:
        raise LssError(
            f"split: no patient falls to {', '.join(missing)}: {len(subsets)} patients with slices to work on are "
            "too few for these shares. Bring more patients, or change split.fractions."
        )
    for row in rows:
        row["subset"] = subsets.get(row["patient_key"], UNUSED) if row["reason"] is None else UNUSED
        if row["reason"] is None and row["subset"] == UNUSED:
            row["reason"] = "patient left out by split.file"
    check_leakage(rows, params.duplicate_bits)
    write_parquet(split, rows, SPLIT)
    facts = _facts(rows, reasons)
    _print(facts)
    write_manifest(
        manifest,
        "split",
        inputs=[*slices, *rejects, *([params.file] if params.file else [])],
        outputs=[split, all_rejects],
        params=params.model_dump(mode="json"),
        seed=seed,
        started=started,
        facts=facts,
    )


def _read_slices(path: Path, params: SplitParams) -> list[dict[str, Any]]:
    """Rows of `SPLIT` but for the subset, read one row group at a time: pixels are hashed and dropped."""
    rows = []
    read_parquet(path, SLICES, columns=["slice_key"])  # names a broken file
    batch = path.stem.removeprefix("batch-")
    with pq.ParquetFile(path) as file:
        for group in progress(range(file.num_row_groups), f"split {path.stem}", unit="group"):
            for row in file.read_row_group(group, columns=_COLUMNS).to_pylist():
                reason = why_unused(row, params)
                row["batch"], row["reason"], row["perceptual_hash"] = batch, reason, None
                pixels = row.pop("pixels")
                if reason is None:
                    image = np.frombuffer(pixels, "<u2").reshape(row["rows"], row["columns"])
                    row["perceptual_hash"] = perceptual_hash(image)
                rows.append(row)
    return rows


def why_unused(row: dict[str, Any], params: SplitParams) -> str | None:
    """Why a slice is not worked on; None where it is."""
    if row["weighting"] == "localizer":
        return "localizer"
    if row["plane"] != params.plane:
        return f"plane {row['plane']}"
    if row["weighting"] not in params.weighting:
        return f"weighting {row['weighting']}"
    return None if row["grade"] else f"no grade: {row['grade_reason']}"


def _concatenate(rejects: list[Path], all_rejects: Path) -> Counter[str]:
    """Write all rejects into one table; count them by reason."""
    counts: Counter[str] = Counter()
    with parquet_writer(all_rejects, REJECTS) as writer:
        for path in rejects:
            table = read_parquet(path, REJECTS)
            counts.update(table.column("reason").to_pylist())
            writer.write_table(pa.Table.from_pylist(table.to_pylist(), REJECTS))
    return counts


def _check_usable(slices: int, reasons: Counter[str], share: float, all_rejects: Path) -> None:
    """Raise LssError when less than `share` of the files could be used."""
    faults = {reason: count for reason, count in reasons.items() if reason not in LEFT_OUT_ON_PURPOSE}
    total = slices + sum(faults.values())
    if total == 0 or slices / total < share:
        listed = "; ".join(f"{count} x {reason}" for reason, count in sorted(faults.items())) or "no files at all"
        raise LssError(
            f"{all_rejects}: only {slices} of {total} files could be used, less than split.min_usable_share = "
            f"{share:g}: {listed}. The table names each file with a remedy; mend them, or lower the setting."
        )


def _assign(used: list[dict[str, Any]], params: SplitParams, seed: int) -> dict[str, str]:
    """Subset of every patient."""
    grades: dict[str, list[str]] = defaultdict(list)
    for row in used:
        grades[row["patient_key"]].append(row["grade"])
    strata = {patient: str(worst(grades[patient])) for patient in sorted(grades)}
    if params.file is not None:
        return read_split_file(params.file, set(strata))
    if params.folds is not None:
        return assign_folds(strata, params.folds, params.fold, seed)
    fractions = {"train": params.fractions.train, "val": params.fractions.val, "test": params.fractions.test}
    return assign_stratified(strata, fractions, seed)


def _is_wanted(subset: str, params: SplitParams) -> bool:
    """Whether the settings ask for patients in `subset`."""
    return params.file is None and (params.folds is not None or getattr(params.fractions, subset) > 0)


def _facts(rows: list[dict[str, Any]], reasons: Counter[str]) -> dict[str, Any]:
    """Counts for the manifest and the page."""
    used = [row for row in rows if row["subset"] != UNUSED]
    facts: dict[str, Any] = {"slices": len(rows), "used": len(used), "rejects": dict(sorted(reasons.items()))}
    facts["unused"] = dict(sorted(Counter(row["reason"] for row in rows if row["subset"] == UNUSED).items()))
    facts["subsets"] = {
        subset: {
            "patients": len({row["patient_key"] for row in used if row["subset"] == subset}),
            "slices": dict(sorted(Counter(row["grade"] for row in used if row["subset"] == subset).items())),
        }
        for subset in SUBSETS
    }
    absent = {subset: [g for g in GRADES if g not in facts["subsets"][subset]["slices"]] for subset in SUBSETS}
    facts["absent_grades"] = {subset: missing for subset, missing in absent.items() if missing}
    return facts


def _print(facts: dict[str, Any]) -> None:
    print(f"split: {facts['used']} of {facts['slices']} slices used", file=sys.stderr)
    for subset, counts in facts["subsets"].items():
        grades = ", ".join(f"{grade} {count}" for grade, count in counts["slices"].items()) or "no slices"
        print(f"  {subset}: {counts['patients']} patients; {grades}", file=sys.stderr)
    for subset, missing in facts["absent_grades"].items():
        print(f"  {subset}: no slice of grade {', '.join(missing)}: nothing can be said of it there", file=sys.stderr)
    for name in ("unused", "rejects"):
        for reason, count in facts[name].items():
            print(f"  {name}: {count} x {reason}", file=sys.stderr)

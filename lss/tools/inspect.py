"""Fingerprint of an ingested cohort: what is in it, in numbers, before anything is trained on it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from lss.cohorts.contrast import NO_ANATOMY
from lss.domain.grades import GRADE_LABELS, GRADES, LEVELS
from lss.storage.io import read_parquet
from lss.storage.parquet_files import TableReader
from lss.storage.schemas import REJECTS, SLICES

_PAIRING = ("note without images", "images without a note", "empty note")
_COLUMNS = ["patient_key", "study_key", "series_key", "cohort", "plane", "plane_reason", "weighting",
            "weighting_reason", "level", "level_reason", "rows", "columns", "row_spacing_mm", "column_spacing_mm",
            "spacing_reason", "bits", "pixels", "note", "note_grade", "grade"]  # fmt: skip
_PLACE = ["patient_key", "study_key", "series_key", "slice_key", "instance", "plane", "weighting", "level",
          "note_grade"]  # fmt: skip
_DOUBTS = {
    "assumed spacing": ("spacing_reason", "assumed"),
    "level": ("level_reason", "doubtful"),
    "weighting": ("weighting_reason", "doubtful"),
    "plane": ("plane_reason", "doubtful"),
}
_REASONS = [column for column, _ in _DOUBTS.values()]
_UNKNOWN = ("level unknown", "plane unknown", "weighting unknown")
DOUBTFUL_COLUMNS = [*_PLACE, "doubt", "reason"]


def inspect_cohort(slices: list[Path], rejects: list[Path]) -> dict[str, Any]:
    """Count what the slice tables hold, one row group in memory at a time.

    Args:
        slices: tables `lss.storage.schemas.SLICES`, of all batches or some.
        rejects: tables `lss.storage.schemas.REJECTS`, of the same batches.

    Returns:
        JSON values: `cohort`; `patients`, `studies`, `series`, `slices` (counts); `kinds` (by plane and weighting:
        series, slices, matrix sizes, spacings in mm, bits, grey levels); `grades` (of patients and of slices);
        `levels`; `notes` (with a note, and pairing faults); `doubtful` (slices whose weighting, plane or level is in
        doubt or unknown, or whose spacing is assumed); `rejects` by reason.

    Raises:
        LssError: a table is missing or was written by another version.
    """
    names: Counter[str] = Counter()
    keys: dict[str, set[str]] = defaultdict(set)
    kinds: dict[str, _Kind] = defaultdict(_Kind)
    patients: dict[str, tuple[str | None, bool]] = {}
    grades: Counter[str] = Counter()
    levels: Counter[str] = Counter()
    doubtful: Counter[str] = Counter()
    for path in slices:
        with TableReader(path, _COLUMNS) as table:
            for group in table.groups():
                for row in group.to_pylist():
                    names[row["cohort"]] += 1
                    for key in ("patient_key", "study_key", "series_key"):
                        keys[key].add(row[key])
                    kinds[f"{row['plane']} {row['weighting']}"].add(row)
                    patients[row["patient_key"]] = (row["note_grade"], bool(row["note"]))
                    grades[row["grade"] or "none"] += 1
                    if row["plane"] == "axial":
                        levels[row["level"] or "unknown"] += 1
                    doubtful.update(doubts(row).keys())
    reasons: Counter[str] = Counter()
    for path in rejects:
        reasons.update(read_parquet(path, REJECTS, columns=["reason"]).column("reason").to_pylist())
    return {
        "cohort": ", ".join(sorted(names)),
        "patients": len(keys["patient_key"]),
        "studies": len(keys["study_key"]),
        "series": len(keys["series_key"]),
        "slices": names.total(),
        "kinds": {name: kinds[name].summary() for name in sorted(kinds)},
        "grades": {
            "patients": _in_order(Counter(grade or "none" for grade, _ in patients.values()), (*GRADES, "none")),
            "slices": _in_order(grades, (*GRADES, "none")),
        },
        "levels": _in_order(levels, (*LEVELS, "unknown")),
        "notes": {
            "patients with images and note": sum(has_note for _, has_note in patients.values()),
            **{reason: reasons[reason] for reason in _PAIRING},
        },
        "doubtful": {what: doubtful[what] for what in (*_DOUBTS, *_UNKNOWN)},
        "rejects": dict(sorted(reasons.items())),
    }


def doubts(row: Mapping[str, Any]) -> dict[str, str]:
    """Return what of a row of `SLICES` is in doubt (assumed spacing, level, weighting, plane), and what it was taken
    for.

    A slice of unknown plane or weighting is one to be looked at too, and an axial T1 or T2 without a level: it takes no
    grade unless `ingest.unknown_level` says so.
    """
    taken_for = {what: row[column] for what, (column, words) in _DOUBTS.items() if words in (row[column] or "")}
    anatomy = row["weighting"] not in NO_ANATOMY
    unknown = (
        row["plane"] == "axial" and anatomy and row["level"] is None,
        row["plane"] == "unknown" and anatomy,
        row["weighting"] == "unknown",
    )
    for what, is_unknown in zip(_UNKNOWN, unknown, strict=True):
        if is_unknown:
            taken_for[what] = row[what.replace(" unknown", "_reason")] or ""
    return taken_for


def doubtful_slices(slices: list[Path]) -> list[dict[str, Any]]:
    """Return one row per slice and doubt: the keys to find it by, what it was taken for, and why that is in doubt."""
    doubtful = []
    for path in slices:
        for row in read_parquet(path, SLICES, columns=[*_PLACE, *_REASONS]).to_pylist():
            place = {column: row[column] for column in _PLACE}
            doubtful += [{**place, "doubt": what, "reason": reason} for what, reason in doubts(row).items()]
    return doubtful


class _Kind:
    """Running figures of one kind of series."""

    def __init__(self) -> None:
        self.series: set[str] = set()
        self.matrices: Counter[str] = Counter()
        self.spacings: Counter[str] = Counter()
        self.bits: Counter[int] = Counter()
        self.levels: list[np.ndarray] = []

    def add(self, row: Mapping[str, Any]) -> None:
        self.series.add(row["series_key"])
        self.matrices[f"{row['rows']}x{row['columns']}"] += 1
        self.spacings[f"{row['row_spacing_mm']:.4g} x {row['column_spacing_mm']:.4g}"] += 1
        self.bits[row["bits"]] += 1
        self.levels.append(np.percentile(np.frombuffer(row["pixels"], "<u2"), (0, 1, 50, 99, 100)))

    def summary(self) -> dict[str, Any]:
        levels = np.array(self.levels)
        return {
            "series": len(self.series),
            "slices": len(levels),
            "matrices": dict(self.matrices.most_common()),
            "spacings_mm": dict(self.spacings.most_common()),
            "bits": {str(bits): count for bits, count in sorted(self.bits.items())},
            "grey_levels": {
                "lowest": int(levels[:, 0].min()),
                "highest": int(levels[:, 4].max()),
                "median of the slices' 1st, 50th, 99th percentile": np.median(levels[:, 1:4], axis=0).tolist(),
            },
        }


def fingerprint_table(counts: Mapping[str, Any]) -> str:
    """Return the result of `inspect_cohort` as text tables for a terminal."""
    lines = [
        f"cohort {counts['cohort'] or '(empty)'}: {counts['patients']} patients, {counts['studies']} studies, "
        f"{counts['series']} series, {counts['slices']} slices",
        "",
    ]
    kinds = [
        {
            "plane, weighting": name,
            "series": kind["series"],
            "slices": kind["slices"],
            "matrix": _short(kind["matrices"]),
            "mm per pixel": _short(kind["spacings_mm"]),
            "bits": _short(kind["bits"]),
            "grey levels": f"{kind['grey_levels']['lowest']}..{kind['grey_levels']['highest']}",
        }
        for name, kind in counts["kinds"].items()
    ]
    lines += [tabulate(kinds, headers="keys"), ""] if kinds else []
    grades = [
        [GRADE_LABELS.get(grade, grade), counts["grades"]["patients"].get(grade, 0), count]
        for grade, count in counts["grades"]["slices"].items()
    ]
    lines += [tabulate(grades, headers=["grade", "patients (worst)", "slices"]), ""]
    lines += [tabulate(counts["levels"].items(), headers=["level of axial slices", "slices"]), ""]
    lines += [tabulate(counts["notes"].items(), headers=["notes and images", "patients"]), ""]
    lines += [tabulate(counts["doubtful"].items(), headers=["to be looked at", "slices"]), ""]
    lines += [tabulate(counts["rejects"].items() or [["none", 0]], headers=["left out", "count"])]
    return "\n".join(lines)


def _in_order(counts: Counter[str], order: tuple[str, ...]) -> dict[str, int]:
    return {name: counts[name] for name in order if counts[name]}


def _short(counts: Mapping[str, int]) -> str:
    """Return the commonest values of a column, with a mark where there are more."""
    names = list(counts)
    return ", ".join(names[:2]) + (f" (+{len(names) - 2})" if len(names) > 2 else "")

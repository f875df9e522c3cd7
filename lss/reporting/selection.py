"""Which cases are shown: by a rule, never by hand."""

from __future__ import annotations

from typing import Any

from lss.domain.grades import GRADES


def typical_cases(rows: list[dict[str, Any]], score: str, per_grade: int) -> list[dict[str, Any]]:
    """Return of each grade the cases nearest to the grade's median score, from distinct patients where possible.

    Neither the best nor the worst, so that a figure does not flatter. Ties go by slice_key.

    Args:
        rows: of one model: slice_key, patient_key, grade, and `score`.
    """
    chosen: list[dict[str, Any]] = []
    for grade in GRADES:
        of_grade = sorted((row for row in rows if row["grade"] == grade), key=lambda row: row[score])
        if not of_grade:
            continue
        median = of_grade[len(of_grade) // 2][score]
        nearest = sorted(of_grade, key=lambda row: (abs(row[score] - median), row["slice_key"]))
        first_of_patient: dict[str, dict[str, Any]] = {}
        for row in nearest:
            first_of_patient.setdefault(row["patient_key"], row)
        fresh = list(first_of_patient.values())
        others = [row for row in nearest if row not in fresh]
        chosen += [*fresh, *others][:per_grade]
    return chosen

"""A folder cohort of real axial slices and real notes of other, unknown patients."""

from __future__ import annotations

import csv
from pathlib import Path

import openpyxl


def link_real_slices(shared: Path, root: Path) -> dict[str, str]:
    """Real axial slices under real notes, paired arbitrarily: two slices a patient. Returns grades by patient."""
    with (shared / "data" / "mendeley-radiologists-notes" / "grades.dev.csv").open(newline="") as file:
        graded = {row["patient_id"]: row["grade"] for row in csv.DictReader(file) if row["grade"] != "none"}
    book = shared / "data" / "mendeley-radiologists-notes" / "Radiologists Report.dev-subset.xlsx"
    notes = {str(row[0]): row[1] for row in openpyxl.load_workbook(book).active.iter_rows(2, values_only=True)}
    images = sorted((shared / "data" / "mendeley-lss-png").glob("axial_t[12]/*.png"))
    patients = list(graded)[: len(images) // 2]
    rows = []
    for index, image in enumerate(images[: 2 * len(patients)]):
        patient = patients[index // 2]
        target = root / patient / image.parent.name / image.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(image)
    for patient in patients:
        rows.append({"patient_id": patient, "note": notes[patient], "grade": graded[patient]})
    with (root / "notes.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["patient_id", "note", "grade"])
        writer.writeheader()
        writer.writerows(rows)
    return {patient: graded[patient] for patient in patients}

"""Left and right in texts: swapped, taken out, translated between the patient and the image."""

from __future__ import annotations

import re
from pathlib import Path

import pandas as pd
import pytest

from lss.notes.findings import read_findings
from lss.notes.grading import grade_report
from lss.notes.reference import reference_report
from lss.notes.sides import swap_sides, translate_sides, without_sides

SIDE = re.compile(r"\b(left|right|lt|rt)", re.IGNORECASE)


@pytest.mark.parametrize(
    ("text", "left_over"),
    [
        ("Left foraminal narrowing.", "Foraminal narrowing."),
        ("Disc bulge to the left, abutting the right L5 root.", "Disc bulge, abutting the L5 root."),
        ("Bulge more to the left side compressing the sac.", "Bulge compressing the sac."),
        ("Facet arthropathy, L>R.", "Facet arthropathy."),
        ("Left and right recesses are narrow.", "Bilateral recesses are narrow."),
        ("Bilateral foraminal narrowing, right greater than left.", "Bilateral foraminal narrowing."),
        ("Narrowing more marked on the left than on the right.", "Narrowing."),
        ("Extending into the left foramen.", "Extending into the foramen."),
        ("Compression of the root (Rt.) at L5-S1.", "Compression of the root at L5-S1."),
        ("Tear. The right is worse than the left. Lt. exit canal is narrow.", "Tear. Exit canal is narrow."),
        ("Severe stenosis, 3.0 % of the region is affected.", "Severe stenosis, 3.0 % of the region is affected."),
    ],
)  # fmt: skip
def test_taken_out(text: str, left_over: str) -> None:
    assert without_sides(text) == left_over


def test_comparisons_in_letters_are_swapped_too() -> None:
    assert swap_sides("facets L>R, R < L, at L5 > L4, L-shaped") == "facets R>L, L < R, at L5 > L4, L-shaped"


def test_real_reports_keep_grade_and_findings(shared: Path) -> None:
    """All that goes is the side; and to and fro between patient and mirrored image nothing changes."""
    table = pd.read_excel(shared / "data/mendeley-radiologists-notes/Radiologists Report.dev-subset.xlsx")
    sided = 0
    for note in table["Clinician's Notes"].dropna().unique():
        for level in ("L3-L4", "L4-L5", "L5-S1", None):
            report = reference_report("BC", 12.3, note, level)
            assert translate_sides(translate_sides(report, "LR"), "LR") == report == translate_sides(report, "RL")
            bare = translate_sides(report, None)
            assert not SIDE.search(bare) and translate_sides(report, "AP") == bare
            assert grade_report(bare) == grade_report(report)
            of, of_bare = (
                {(one.structure, one.negated, one.level, one.severity) for one in read_findings(text, level)}
                for text in (report, bare)
            )
            assert of == of_bare, report
            sided += bare != report
    assert sided > 100

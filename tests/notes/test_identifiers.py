"""What identifies a patient in a note is blanked; what the grading reads is kept."""

from __future__ import annotations

import openpyxl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lss.notes.cleaning import clean_note, tidy
from lss.notes.grading import grade_note
from lss.notes.identifiers import blank_identifiers

PEOPLE = ("Mustermann^Erika", "Müller-Al Rawi^Jürgen", "Canal^Low", "PID-5551234", "Irbid Hospital",
          "Wang^XiaoDong=王^小東", "Hauptstr. 5", "7", "RAW-PATIENT-7")  # fmt: skip


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("MRI of Erika Mustermann: L4-L5 bulge", "MRI of [name]: L4-L5 bulge"),
        ("MUSTERMANN, E. has stenosis", "[name], E. has stenosis"),
        ("Mustermann's canal is narrow", "[name]'s canal is narrow"),
        ("seen by Mueller? no, by MULLER", "seen by Mueller? no, by [name]"),  # another spelling is another word
        ("Mr Al-Rawi at Irbid Hospital", "Mr [name] at [name] Hospital"),
        ("患者王小東 L4-L5 stenosis", "患者[name] L4-L5 stenosis"),
        ("patient pid5551234, PID 5551234", "patient [id], [id]"),
        ("raw patient 7: RAW_PATIENT.7 and rawpatient7", "[id]: [id] and [id]"),
        ("the canal is low at L5", "the canal is low at L5"),  # a name that is a word of notes
        ("7 mm, 7 slices", "7 mm, 7 slices"),  # an id that is any number
    ],
)
def test_what_header_and_table_know_is_blanked(note: str, expected: str) -> None:
    assert blank_identifiers(note, PEOPLE) == expected


@pytest.mark.parametrize(
    ("note", "expected"),
    [
        ("Dr. Henry Jekyll reports a bulge", "Dr. [name] reports a bulge"),
        ("DR HYDE: severe stenosis", "DR [name]: severe stenosis"),
        ("Referred by: Dr Hyde. L3/4, 4/5, 5/1 bulge", "Referred by: [name]. L3/4, 4/5, 5/1 bulge"),
        ("Patient name: Ann Lee-Smith\nFindings: normal", "Patient name: [name]\nFindings: normal"),
        ("Signed by Prof. A. B. Stone", "Signed by [name]"),
        ("MRN: 0042, ID 17-X3, file no. 55512", "MRN: [id], ID [id], file no. [id]"),
        ("NHS 943 476 5919. Hosp No 77/12345, visit 5567", "NHS [id]. Hosp No [id], visit [id]"),
        ("accession ACC99421 of 1234567", "accession [id] of [id]"),
        ("tel +962 79 555 1234 or (079) 555-1234", "tel [phone] or [phone]"),
        ("call 555-123-4567; 00962 79 5551234", "call [phone]; [phone]"),
        ("write to ann.lee@clinic.org, www.clinic.org/ann", "write to [mail], [mail]"),
    ],
)
def test_what_looks_like_an_identifier_is_blanked(note: str, expected: str) -> None:
    assert blank_identifiers(note) == expected


@pytest.mark.parametrize(
    "kept",
    [
        "L4/5, L3-4-5, L5/S1, T12-L1, L1-2-3-4", "12 x 14.5 x 16 mm, 3.5 4.2 5.1 cm, 120 degrees",
        "TR 4000 TE 100, 384x384",
        "case of stenosis, study of L4-L5, MR 1.5 T", "read as normal; reported: severe stenosis", "Patient with LBP",
        "Impression: severe stenosis by Schizas D", "operated for L4-L5 2 years ago", "grade 3 by Schizas",
        "exam L5-S1: bulge", "file of images 1 to 24", "conus at L1. Normal signal", "No 3 mm nodule",
    ],
)  # fmt: skip
def test_medicine_is_kept(kept: str) -> None:
    assert blank_identifiers(kept, PEOPLE) == kept


def test_real_notes_are_kept_and_grade_the_same(shared) -> None:
    """Notes of 2019 hold no names: none of the blanks may fall on them, not with header and table beside."""
    book = shared / "data/mendeley-radiologists-notes/Radiologists Report.dev-subset.xlsx"
    notes = [str(row[1]) for row in openpyxl.load_workbook(book).active.iter_rows(2, values_only=True) if row[1]]
    assert len(notes) > 300
    for number, note in enumerate(notes):
        blanked = blank_identifiers(tidy(note), (*PEOPLE, str(number)))
        assert clean_note(blanked) == clean_note(note)
        assert grade_note(blanked) == grade_note(note)


@settings(max_examples=200, deadline=None)
@given(st.text(), st.lists(st.text(max_size=12), max_size=3))
def test_blanking_twice_changes_nothing(text: str, known: list[str]) -> None:
    once = clean_note(blank_identifiers(tidy(text), known))
    assert clean_note(blank_identifiers(tidy(once), known)) == once

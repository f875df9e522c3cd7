"""From a tokenizer's output back to a report."""

from __future__ import annotations

import re

import pytest

from lss.model.report_text import state_area, tidy
from lss.notes.reference import SEVERITY_TEMPLATES, reference_report
from lss.notes.report_consistency import stated_area

NOTE = """LSS MRI. Feature of muscle spasm: loss of lumbar lordosis.
L4-L5: diffuse disc bulge (3.5 mm) compressing the thecal sac, both exit canals & Schmorl's nodes; L5/S1 disc bulge."""


@pytest.mark.parametrize("grade", SEVERITY_TEMPLATES)
@pytest.mark.parametrize("level", ["L4-L5", "L5-S1", None])
def test_what_a_bert_tokenizer_does_is_undone(grade, level):
    report = reference_report(grade, 31.2, NOTE, level)
    split = " ".join(re.findall(r"\w+|[^\w\s]", report.lower()))
    assert tidy(split).lower() == report.lower()
    assert tidy(split)[0].isupper() and ". " + "disc" not in tidy(split)


def test_names_and_vertebrae_get_their_capitals_back():
    split = "schmorl ' s nodules , modic type ii , l4 over l5 , left s1 root , csf . tarlov cyst"
    assert tidy(split) == "Schmorl's nodules, Modic type ii, L4 over L5, left S1 root, CSF. Tarlov cyst"


def test_tidy_is_idempotent_and_leaves_a_written_report_alone():
    report = reference_report("D", 31.2, NOTE, None)
    assert tidy(report) == report
    assert tidy(tidy("a  , b - c . d")) == tidy("a  , b - c . d")
    assert tidy("") == ""


def test_stated_area_is_replaced():
    report = reference_report("BC", 12.34, NOTE, None)
    assert stated_area(state_area(report, 7.06)) == 7.1
    assert state_area("No number here.", 3.0) == "No number here."

"""What each sentence of a report stands on, against findings set by hand."""

from __future__ import annotations

import numpy as np
import pytest

from lss.measures.sac import Interval
from lss.model.finding_head import STATEMENTS
from lss.notes.report_consistency import check_report
from lss.read.document import load_schema
from lss.read.ground import Statement, ground_of
from lss.read.reading import Reading

OPENING = "Severe spinal canal compression, 41.0 % of the region is affected."


def chances(**of: float) -> np.ndarray:
    """Probabilities of denied and stated structures, whatever the side: "_" for blanks, "not_" before denials."""
    found = np.full(len(STATEMENTS), 0.01)
    for name, chance in of.items():
        structure, negated = name.removeprefix("not_").replace("_", " "), name.startswith("not_")
        for place, statement in enumerate(STATEMENTS):
            if statement[:2] == (structure, negated):
                found[place] = chance
    return found


def ground(report: str, found: np.ndarray, area: float = 41.0, sac: Interval | None = None) -> list[Statement]:
    check = check_report(report, area_percent=area, mask_grade="D", level="L4-L5")
    return ground_of(
        report, level="L4-L5", area_percent=area, contradictions=check.contradictions, chances_F=found, sac=sac
    )


def test_the_severity_sentence_stands_on_the_mask_and_its_area() -> None:
    (one,) = ground(OPENING, chances())
    assert (
        one == Statement(OPENING, True, "stenosis", "affected_area_percent", None, one.reason) and "41.0" in one.reason
    )
    (other,) = ground(OPENING, chances(), area=12.0)
    assert not other.supported and "12" in other.reason
    (empty,) = ground("No significant spinal canal stenosis, 0.0 % of the region is affected.", chances(), area=0.0)
    assert empty.mask is None and empty.measurement == "affected_area_percent"  # there is no outline to look at


def test_a_finding_stands_on_what_the_model_reads_from_the_image() -> None:
    report = f"{OPENING} Disc bulge at L4-L5."
    assert [one.supported for one in ground(report, chances(disc_bulge=0.9))] == [True, True]
    weak = ground(report, chances(disc_bulge=0.2))[1]
    assert not weak.supported and weak.probability == pytest.approx(0.2) and "0.20" in weak.reason


def test_a_finding_at_another_disc_and_a_sentence_without_finding_are_unsupported() -> None:
    other, empty = ground(f"{OPENING} Disc bulge at L5-S1. Clinical correlation is advised.", chances(disc_bulge=0.9))[
        1:
    ]
    assert not other.supported and "L5-S1" in other.reason
    assert not empty.supported and "nothing" in empty.reason


def test_what_the_sac_measures_stands_for_or_against_a_narrow_canal() -> None:
    report = f"{OPENING} Spinal canal stenosis at L4-L5."
    found = chances(spinal_canal_stenosis=0.95, thecal_sac_compression=0.95)
    narrow = ground(report, found, sac=Interval(60, 50, 70))[1]
    assert narrow.supported and (narrow.mask, narrow.measurement) == ("sac", "area_mm2")
    wide = ground(report, found, sac=Interval(220, 200, 240))[1]
    assert not wide.supported and "220" in wide.reason
    assert ground(report, found)[1].mask is None  # not measured


def test_every_sentence_of_a_reading_has_a_line(reading: Reading) -> None:
    """Nothing of a report is left out, and the schema knows the fields."""
    seen = 0
    for one in reading.slices:
        if one.report:
            assert " ".join(statement.text for statement in one.statements).split() == one.report.split()
            seen += 1
    assert seen >= 8
    fields = load_schema()["properties"]["slices"]["items"]["properties"]["statements"]["items"]["required"]
    assert fields == ["text", "supported", "mask", "measurement", "probability", "reason"]

"""Findings in the evaluation: what is marked as invented, and ratios of pooled counts."""

from __future__ import annotations

import pytest

from lss.evaluation.report_findings import finding_columns, finding_statistics, findings_by_structure
from lss.metrics.bootstrap import PatientBootstrap

REPORT = "Disc bulge at L4-L5 compressing the thecal sac. Features of muscle spasm. Disc protrusion at L3-L4."


@pytest.mark.parametrize(
    ("mask_grade", "shown"), [("BC", ["muscle spasm"]), ("A", ["muscle spasm", "thecal sac compression at L4-L5"])]
)
def test_invented_findings_are_unsupported_unless_grade_and_mask_show_them(mask_grade: str, shown: list[str]) -> None:
    row = {"report": REPORT, "level": "L4-L5", "mask_grade": mask_grade}
    result = finding_columns(row, "Disc bulge at L4-L5. Thick ligamentum flavum.")
    assert result["invented"] == ["disc herniation at L3-L4", "muscle spasm", "thecal sac compression at L4-L5"]
    assert result["missed"] == ["thick flavum at L4-L5"]
    assert result["unsupported"] == ["disc herniation at L3-L4", *shown]
    assert finding_columns(row, REPORT)["unsupported"] == []


def test_precision_and_recall_are_of_pooled_counts() -> None:
    reports = [REPORT, "Disc bulge at L4-L5.", ""]
    references = ["Disc bulge at L4-L5.", "Disc bulge at L4-L5. Muscle spasm.", "No disc bulge."]
    bootstrap = PatientBootstrap(["p", "q", "r"], 200, 0.95, 0)
    result = finding_statistics(reports, references, ["L4-L5"] * 3, bootstrap)
    assert result["finding_precision"].whole == pytest.approx(2 / 5) and result["invented"].whole == pytest.approx(1)
    assert result["finding_recall"].whole == pytest.approx(2 / 3)
    key = {"task": "report", "backbone": "b", "loss": "focal", "source": "report", "reference": "report"}
    rows = {(row["stratum"], row["metric"]): row["value"]
            for row in findings_by_structure(key, reports, references, ["L4-L5"] * 3, bootstrap)}  # fmt: skip
    assert rows["disc bulge", "finding_f1"] == 1 and rows["muscle spasm", "finding_precision"] == 0
    assert rows["muscle spasm", "invented"] == pytest.approx(1 / 3, abs=1e-6)
    assert ("cyst", "invented") not in rows

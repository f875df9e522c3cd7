"""The scoreboard: who passes which test, who comes first, and what a page may say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lss.errors import LssError
from lss.explanations import scoreboard
from lss.storage.io import write_json

PATIENTS = 12


def rows_of(**means: dict[str, float]) -> list[dict[str, Any]]:
    """Scores of maps on two images of each patient, which spread by 0.01 about the means given."""
    draw = np.random.default_rng(0)
    rows = []
    for patient in range(PATIENTS):
        for image in range(2):
            for name, of in means.items():
                spread = {score: value + draw.normal(0, 0.01) for score, value in of.items()}
                rows.append({"patient": f"P{patient}", "slice": f"{patient}-{image}", "method": name, **spread})
    return rows


def scores(deletion: float, insertion: float, road: float, randomised: float, shortcut: float) -> dict[str, float]:
    return {"deletion": deletion, "insertion": insertion, "road": road, "inside": 0.3, "repeated": 0.9,
            "randomised": randomised, "shortcut": shortcut}  # fmt: skip


MEANS = {
    "occlusion": scores(0.2, 0.8, 0.4, 0.1, 0.5),
    "grad_cam": scores(0.2, 0.8, 0.4, 0.9, 0.5),  # the same with shuffled weights
    "attention": scores(0.5, 0.5, 0.0, 0.1, 0.0),
    "centre": scores(0.4, 0.55, 0.1, np.nan, 0.0),
    "edges": scores(0.3, 0.5, 0.2, np.nan, 0.0),
    "noise": scores(0.5, 0.6, 0.0, np.nan, 0.0),
}


@pytest.fixture
def judged() -> list[scoreboard.Judged]:
    return scoreboard.judge(rows_of(**MEANS), draws=500)


def test_who_passes_what(judged: list[scoreboard.Judged]) -> None:
    assert [one.name for one in judged] == ["occlusion", "grad_cam", "attention", "centre", "edges", "noise"]
    passed = {one.name: one.passed for one in judged}
    assert passed["occlusion"] == list(scoreboard.TESTS)
    assert passed["grad_cam"] == ["deletion", "insertion", "road", "shortcut"]
    assert passed["attention"] == ["weights"]
    assert passed["centre"] == []


def test_each_score_has_its_own_strongest_rival(judged: list[scoreboard.Judged]) -> None:
    """Edges are strongest at deletion and ROAD, noise at insertion."""
    differences = judged[0].differences
    assert differences["deletion"].value == pytest.approx(0.3 - 0.2, abs=0.01)
    assert differences["insertion"].value == pytest.approx(0.8 - 0.6, abs=0.01)
    assert differences["road"].value == pytest.approx(0.4 - 0.2, abs=0.01)
    assert differences["weights"].value == pytest.approx(0.8, abs=0.01)
    assert differences["road"].low < differences["road"].value < differences["road"].high
    assert differences["road"].patients == PATIENTS


def test_one_lucky_patient_does_not_pass() -> None:
    """A method that is better on the mean through a single patient has an interval that holds 0."""
    rows = rows_of(**MEANS | {"occlusion": MEANS["edges"] | {"randomised": 0.1}})
    for row in rows:
        if row["method"] == "occlusion" and row["patient"] == "P3":
            row["road"] += 0.8
    of_name = {one.name: one for one in scoreboard.judge(rows, draws=500)}
    assert of_name["occlusion"].differences["road"].value > 0.05
    assert "road" not in of_name["occlusion"].passed


def test_an_image_that_one_method_lacks_is_an_error() -> None:
    with pytest.raises(ValueError, match="need one of each"):
        scoreboard.judge(rows_of(**MEANS)[:-1])


def test_the_tables_hold_every_map_and_mark_what_was_passed(judged: list[scoreboard.Judged]) -> None:
    lines = scoreboard.table(judged)
    split = lines.index("")
    assert len(lines[:split]) == 2 + len(MEANS) and len(lines[split + 1 :]) == 2 + 3
    assert all(line.count("|") == lines[0].count("|") for line in lines[:split])
    assert all(line.count("|") == lines[-1].count("|") for line in lines[split + 1 :])
    assert lines[split + 3].count("**") == 2 * len(scoreboard.TESTS)
    assert "4 of 5" in lines[split + 4] and lines[split + 5].count("**") == 2


def record(judged: list[scoreboard.Judged]) -> dict[str, Any]:
    made = {"model": "biomedclip-123", "cohort": "phantom", "images": 24, "patients": PATIENTS}
    return scoreboard.record_of(judged, made)


def test_the_verdict_names_what_passed_all_tests(judged: list[scoreboard.Judged]) -> None:
    assert scoreboard.verdict(record(judged), "biomedclip-123") == (
        "Occlusion passed all 5 tests of faithfulness on 12 patients (phantom)."
    )
    assert "the maps of this one were not tested" in scoreboard.verdict(record(judged), "biomedclip-456")


def test_the_verdict_says_so_where_none_did(judged: list[scoreboard.Judged]) -> None:
    text = scoreboard.verdict(record([one for one in judged if one.name != "occlusion"]), "biomedclip-123")
    assert text.startswith("No map can be taken for the reason of the grade")
    assert text.endswith("The best, Grad-CAM, failed: weights.")


def test_models_have_their_own_record_or_none(tmp_path: Path, judged: list[scoreboard.Judged]) -> None:
    assert scoreboard.load_record(tmp_path) is None
    assert "were not tested" in scoreboard.verdict(None, "biomedclip-123")
    write_json(tmp_path / scoreboard.RECORD, record(judged))
    assert scoreboard.load_record(tmp_path) == record(judged)
    unknown = record(judged) | {"methods": [{"name": "magic", "passed": []}]}
    for content, complaint in (
        (record(judged) | {"methods": []}, "none was tested"),
        ({"model": 1}, "no scoreboard"),
        ([], "no scoreboard"),
        (unknown, "magic"),
    ):
        write_json(tmp_path / scoreboard.RECORD, content)
        with pytest.raises(LssError, match=complaint):
            scoreboard.load_record(tmp_path)

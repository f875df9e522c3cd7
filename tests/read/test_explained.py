"""Maps on the page of a reading: of the slice and grade they claim, in the scoreboard's order, with its verdict."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import cv2
import jsonschema
import numpy as np
import pytest
import torch

from lss.domain.grades import GRADES
from lss.explanations import maps, scoreboard
from lss.model.prompt_bank import prompt_queries
from lss.notes.prompts import GRADE_PROMPTS
from lss.read.document import load_schema
from lss.read.explained import Explanations, explain, map_picture
from lss.read.models import Models
from lss.read.reading import Reading
from lss.read.run import Settings, write_reading
from lss.storage.io import read_json, write_json


@pytest.fixture(scope="module")
def tested(models: Models, tmp_path_factory: pytest.TempPathFactory) -> Models:
    """The models with a scoreboard of their own beside them: attention first, which passed two tests."""
    folder = tmp_path_factory.mktemp("tested")
    methods = [{"name": "attention", "passed": ["weights", "road"]}, {"name": "occlusion", "passed": []}]
    record = {"model": models.name, "cohort": "phantom", "patients": 7, "tests": list(scoreboard.TESTS)}
    write_json(folder / scoreboard.RECORD, record | {"methods": methods})
    return replace(models, folder=folder)


@pytest.fixture(scope="module")
def explained(reading: Reading, tested: Models) -> Explanations:
    return explain(reading, tested, shown=False)


def test_each_disc_has_every_map_in_the_order_of_the_scoreboard(reading: Reading, explained: Explanations) -> None:
    rows = explained.document["maps"]
    by_slice: dict[int, list[str]] = {}
    for row in rows:
        by_slice.setdefault(row["slice"], []).append(row["method"])
    assert len(by_slice) == len(reading.discs) == 3
    for number, methods in by_slice.items():
        assert methods[:2] == [scoreboard.LABELS["attention"], scoreboard.LABELS["occlusion"]]
        assert len(methods) == len(set(methods)) == 5
        [disc] = [one for one in reading.discs if number in [own.number for own in one.slices]]
        assert disc.smallest is None or disc.smallest.number == number
    assert rows[0]["passed"] == ["weights", "road"] and rows[1]["passed"] == []
    prompts = [row for row in explained.document["prompts"] if row["slice"] == rows[0]["slice"]]
    assert len(prompts) == len(GRADE_PROMPTS) and len({row["prompt"] for row in prompts}) == len(GRADE_PROMPTS)
    assert {row["picture"] for row in rows + explained.document["prompts"]} == set(explained.pictures)


def test_a_map_is_of_the_grade_and_level_that_the_slice_was_given(
    reading: Reading, explained: Explanations, models: Models
) -> None:
    row = next(row for row in explained.document["maps"] if row["method"] == "occlusion")
    one = next(one for one in reading.slices if one.number == row["slice"])
    assert row["grade"] == one.grade and one.prepared is not None and one.grade is not None
    image = models.grader.batch([one.prepared]).image_B1YX
    query = prompt_queries([one.level.level])
    by_hand = maps.occlusion(models.grader.network, image, query, GRADES.index(one.grade))  # type: ignore[arg-type]
    np.testing.assert_array_equal(explained.pictures[row["picture"]], map_picture(one, by_hand))
    assert torch.equal(image, models.grader.batch([one.prepared]).image_B1YX)


def test_a_picture_is_grey_where_the_map_is_0(reading: Reading) -> None:
    one = next(one for one in reading.slices if one.prepared is not None)
    found = np.zeros((112, 112), np.float32)
    found[:56] = 1.0
    drawn = map_picture(one, found)
    below = drawn[drawn.shape[0] // 2 + 4 :]
    assert (below[..., 0] == below[..., 2]).all() and below.std() > 10
    assert (drawn[: drawn.shape[0] // 2 - 4, :, 0] != drawn[: drawn.shape[0] // 2 - 4, :, 2]).mean() > 0.9
    assert abs(drawn.shape[0] - 3 * 88) <= 2


def test_models_that_were_not_tested_are_said_to_be_so(reading: Reading, models: Models) -> None:
    found = explain(reading, models, shown=False)
    assert "those of this model were not tested" in found.document["verdict"]
    assert all(row["passed"] is None for row in found.document["maps"])


def test_page_and_document_show_the_maps_and_the_verdict(
    reading: Reading, tested: Models, settings: Settings, tmp_path: Path
) -> None:
    write_reading(reading, None, tested, tmp_path / "read", replace(settings, explain=True))
    document = read_json(tmp_path / "read/study.json")
    jsonschema.validate(document, load_schema())
    assert document["explanations"]["verdict"].startswith("No map can be taken for the reason of the grade")
    page = (tmp_path / "read/index.html").read_text(encoding="utf-8")
    assert document["explanations"]["verdict"] in page.replace("&#39;", "'")
    pictures = re.findall(r'src="(overlays/[^"]+)"', page)
    assert {row["picture"] for row in document["explanations"]["maps"]} <= set(pictures)
    for name in pictures:
        assert cv2.imread(str(tmp_path / "read" / name)) is not None
    plain = write_reading(reading, None, tested, tmp_path / "plain", settings)
    assert "explanations" not in plain and "Where the grades" not in (tmp_path / "plain/index.html").read_text()

"""The count of axial blocks at ingest beside sagittal images whose discs are known by construction."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from lss.cohorts.base import Geometry, RawSlice
from lss.cohorts.slice_levels import assign_levels
from lss.levels import second_opinion
from lss.phantom.anatomy import Patient
from lss.phantom.archive import Plan

sys.path.append(str(Path(__file__).parent.parent.parent / "benchmarks"))

from _phantom_spines import study

GRADES = {"L3-L4": "A", "L4-L5": "BC", "L5-S1": "D"}


@pytest.fixture(scope="module")
def phantom() -> tuple[Patient, list[RawSlice], list[str]]:
    """A patient with blocks at L2-L3 to L5-S1, of whom sagittal images are drawn."""
    return study(Plan(3, GRADES, blocks=("L2-L3", "L3-L4", "L4-L5", "L5-S1")), seed=1)


def parts(phantom: tuple[Patient, list[RawSlice], list[str]]) -> tuple[list[RawSlice], dict[str, list[RawSlice]]]:
    """Fresh copies of the sagittal slices, and of the axial ones by their true level."""
    _, slices, truth = phantom
    sagittal = [replace(item) for item in slices if item.plane == "sagittal"]
    axial = [replace(item, level=None, level_reason="") for item in slices if item.plane == "axial"]
    return sagittal, {name: [s for s, t in zip(axial, truth, strict=True) if t == name] for name in truth}


def tilted_to(block: list[RawSlice], degrees: float) -> list[RawSlice]:
    """The block turned about the left-right axis, each slice about its own middle."""
    turn = np.radians(degrees)
    normal_3 = np.array([0, -np.sin(turn), np.cos(turn)])
    orientation_6 = np.array([1.0, 0, 0, 0, np.cos(turn), np.sin(turn)])
    turned = []
    for item in block:
        assert item.geometry is not None
        turned.append(replace(item, geometry=replace(item.geometry, normal_3=normal_3, orientation_6=orientation_6)))
    return turned


def below_the_sacrum(patient: Patient, block: list[RawSlice]) -> list[RawSlice]:
    """The block of L5-S1 moved to S1-S2: 28 mm further down, and steeper by 10 degrees."""
    tilt = patient.discs["L5-S1"].tilt + 10
    turn = np.radians(tilt)
    down_3 = -28 * np.array([0, -np.sin(turn), np.cos(turn)])
    moved = []
    for item in tilted_to(block, tilt):
        assert item.geometry is not None
        place = replace(item.geometry, centre_3=item.geometry.centre_3 + down_3)
        moved.append(replace(item, file=f"{item.file}s", image=f"{item.image}s", geometry=place))
    return moved


def reasons(slices: list[RawSlice]) -> set[str]:
    return {item.level_reason for item in slices}


def test_sagittal_images_confirm_a_right_count(phantom) -> None:
    sagittal, blocks = parts(phantom)
    blocks["L5-S1"] = tilted_to(blocks["L5-S1"], 32.0)
    axial = [item for block in blocks.values() for item in block]
    assign_levels([*sagittal, *axial])
    assert all(item.level == level for level, block in blocks.items() for item in block)
    assert all("the sagittal images agree" in why and "doubtful" not in why for why in reasons(axial))


def test_sagittal_images_settle_a_flat_sacrum(phantom) -> None:
    """A block planned at only 25 degrees may be L4-L5's by its tilt; where its middle lies says that it is not."""
    sagittal, blocks = parts(phantom)
    blocks["L5-S1"] = tilted_to(blocks["L5-S1"], 25.0)
    axial = [item for block in blocks.values() for item in block]
    assign_levels(axial)
    assert all("L5-S1 may be missing" in why for why in reasons(axial))
    assign_levels([*sagittal, *axial])
    assert {item.level for item in blocks["L5-S1"]} == {"L5-S1"}
    assert not any("doubtful" in why for why in reasons(axial))


def test_images_that_contradict_the_tilts_settle_nothing(phantom) -> None:
    """A sagittal source that took L4-L5 for L5-S1 must not make a count certain that the tilts speak against."""
    sagittal, blocks = parts(phantom)
    blocks["L5-S1"] = tilted_to(blocks["L5-S1"], 14.0)
    axial = [item for block in blocks.values() for item in block]
    assign_levels([*sagittal, *axial])
    assert all("images agree" in why and "L5-S1 may be missing" in why for why in reasons(axial))


@pytest.mark.parametrize("tilt", [15.0, 35.0])
def test_a_missing_lowest_block_is_contradicted_however_it_is_tilted(phantom, tilt: float) -> None:
    sagittal, blocks = parts(phantom)
    blocks["L4-L5"] = tilted_to(blocks["L4-L5"], tilt)
    axial = [*blocks["L2-L3"], *blocks["L3-L4"], *blocks["L4-L5"]]
    assign_levels([*sagittal, *axial])
    assert all("doubtful: the sagittal images say" in why and "agree" not in why for why in reasons(axial))
    assert all("say L4-L5" in why for why in reasons(blocks["L4-L5"]))


def test_a_block_below_l5_s1_is_contradicted(phantom) -> None:
    sagittal, blocks = parts(phantom)
    axial = [*below_the_sacrum(phantom[0], blocks["L5-S1"]), *blocks["L5-S1"], *blocks["L4-L5"], *blocks["L3-L4"]]
    assign_levels([*sagittal, *axial])
    assert all("doubtful: the sagittal images say" in why for why in reasons(axial))
    assert all("say L5-S1" in why for why in reasons(blocks["L5-S1"]))


@pytest.mark.parametrize("kind", ["constant", "noise", "T1"])
def test_images_that_show_no_spine_change_nothing(phantom, kind: str) -> None:
    sagittal, blocks = parts(phantom)
    draw = np.random.default_rng(0)
    for item in sagittal:
        if kind == "T1":
            item.weighting = "T1"
        else:
            noise = draw.integers(0, 1000, item.pixels.shape).astype(np.uint16)
            item.pixels = noise if kind == "noise" else np.full_like(item.pixels, 300)
    blocks["L5-S1"] = tilted_to(blocks["L5-S1"], 15.0)
    axial = [item for block in blocks.values() for item in block]
    assign_levels(axial)
    alone = [(item.level, item.level_reason) for item in axial]
    assign_levels([*sagittal, *axial])
    assert [(item.level, item.level_reason) for item in axial] == alone
    assert all("doubtful" in why for _, why in alone)


def in_frame(slices: list[RawSlice], frame: str) -> list[RawSlice]:
    moved = []
    for item in slices:
        geometry = item.geometry
        assert geometry is not None
        moved.append(replace(item, geometry=Geometry(geometry.centre_3, geometry.normal_3, frame,
                                                     geometry.orientation_6)))  # fmt: skip
    return moved


def test_images_of_another_frame_contradict_in_words_and_confirm_nothing(phantom) -> None:
    sagittal, blocks = parts(phantom)
    other = in_frame(sagittal, "9.9")
    axial = [*blocks["L2-L3"], *blocks["L3-L4"], *blocks["L4-L5"]]
    assign_levels([*other, *axial])
    assert all("one frame of reference was assumed" in why and "doubtful" in why for why in reasons(axial))
    blocks["L5-S1"] = tilted_to(blocks["L5-S1"], 15.0)
    assign_levels([*other, *axial, *blocks["L5-S1"]])
    assert all("L5-S1 may be missing" in why and "agree" not in why for why in reasons(axial))


def test_of_several_foreign_frames_none_is_taken(phantom) -> None:
    sagittal, blocks = parts(phantom)
    axial = [*blocks["L2-L3"], *blocks["L3-L4"], *blocks["L4-L5"]]
    assign_levels([*in_frame(sagittal, "9.9"), *in_frame(sagittal, "9.8"), *axial])
    assert not any("sagittal" in why for why in reasons(axial))
    assign_levels([*sagittal, *in_frame(sagittal, "9.8"), *axial])
    assert all("sagittal images say" in why and "assumed" not in why for why in reasons(axial))


def test_known_levels_ask_no_images(phantom, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []
    monkeypatch.setattr(second_opinion, "find_spine", asked.append)
    sagittal, blocks = parts(phantom)
    slices = [*sagittal, *blocks["L4-L5"], *blocks["L5-S1"]]
    assign_levels(slices, {blocks["L5-S1"][0].file: ("L5-S1", "table")})
    assert not asked and blocks["L5-S1"][0].level == "L5-S1"
    assign_levels(slices)
    assert asked

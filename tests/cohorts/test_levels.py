"""Levels of slices whose discs are known by construction."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from dicom_files import tilted_axial
from hypothesis import given, settings
from hypothesis import strategies as st

from lss.cohorts.base import Geometry, RawSlice
from lss.cohorts.blocks import find_blocks
from lss.cohorts.slice_levels import assign_levels
from lss.domain.grades import LEVELS


def make_slice(file: str, height: float, tilt: float, index: int = 0, series: str = "4", frame: str = "f") -> RawSlice:
    """Axial slice `index` of the block whose first slice has its centre at `height` mm, tilted by `tilt` degrees."""
    orientation = tilted_axial(tilt)
    normal = np.cross(orientation[:3], orientation[3:])
    centre = np.array([0.0, 0.0, height]) + 4.4 * index * normal
    return RawSlice(
        file=file, source_sha256="", study="s", series=series, image=file, pixels=np.zeros((1, 1), np.uint16), bits=12,
        plane="axial", plane_reason="", weighting="T2", weighting_reason="", instance=index, row_spacing_mm=1.0,
        column_spacing_mm=1.0, spacing_reason="",
        geometry=Geometry(centre, normal, frame, np.array([1.0, 0, 0, 0, 1, 0])),
    )  # fmt: skip


def patient(discs: int, per_block: int, tilts: list[float], spacing: float = 36.0) -> tuple[list[RawSlice], list[str]]:
    """Slices of `discs` blocks from the tail upwards, and their true levels."""
    slices, truth = [], []
    for disc in range(discs):
        for index in range(per_block):
            slices.append(make_slice(f"{disc}-{index}", -100 + spacing * disc, tilts[disc], index))
            truth.append(LEVELS[-1 - disc])
    return slices, truth


@settings(max_examples=50)
@given(
    st.integers(2, 6),
    st.integers(3, 5),
    st.floats(15, 40),
    st.floats(32, 42),
    st.randoms(use_true_random=False),
)
def test_blocks_in_any_order_get_their_discs(discs: int, per_block: int, tilt: float, spacing: float, random) -> None:  # type: ignore[no-untyped-def]
    slices, truth = patient(discs, per_block, [tilt, *[3.0 * k for k in range(discs - 1)]], spacing)
    paired = list(zip(slices, truth, strict=True))
    random.shuffle(paired)
    assign_levels([item for item, _ in paired])
    assert [item.level for item, _ in paired] == [level for _, level in paired]


def test_parallel_blocks_are_separated_by_the_gap() -> None:
    slices, truth = patient(3, 4, [30.0, 0.0, 0.0])
    assert [len(block) for block in find_blocks(slices)] == [4, 4, 4]
    assign_levels(slices)
    assert [item.level for item in slices] == truth


def test_t1_and_t2_at_the_same_places_are_counted_apart() -> None:
    t2, truth = patient(3, 4, [30.0, 5.0, 0.0])
    t1, _ = patient(3, 5, [30.0, 5.0, 0.0])
    for item in t1:
        item.weighting, item.series = "T1", "5"
    assign_levels([*t1, *t2])
    assert [item.level for item in t2] == truth and {item.level for item in t1} == set(truth)


def test_a_lowest_block_that_is_not_the_most_angled_is_doubtful() -> None:
    slices, truth = patient(3, 4, [5.0, 25.0, 0.0])
    assign_levels(slices)
    assert [item.level for item in slices] == truth
    assert all("doubtful" in item.level_reason for item in slices)


def test_one_continuous_stack_has_no_level() -> None:
    slices = [make_slice(str(index), -100, 3.0, index) for index in range(20)]
    assign_levels(slices)
    assert {item.level for item in slices} == {None} and "more than one disc" in slices[0].level_reason


def test_a_single_block_has_no_level() -> None:
    slices, _ = patient(1, 4, [30.0])
    assign_levels(slices)
    assert slices[0].level is None and "only one disc" in slices[0].level_reason


def test_above_a_missing_disc_nothing_is_counted() -> None:
    slices, _ = patient(2, 4, [30.0, 5.0])
    slices += [make_slice(f"far-{index}", -100 + 36 * 3, 0.0, index) for index in range(4)]
    assign_levels(slices)
    assert [item.level for item in slices[3::4]] == ["L5-S1", "L4-L5", None]
    assert "missing" in slices[-1].level_reason


def test_frames_of_reference_are_not_compared() -> None:
    slices, truth = patient(3, 4, [30.0, 5.0, 0.0])
    moved = [make_slice(f"m{index}", 500.0, 0.0, index, frame="other") for index in range(4)]
    assign_levels([*slices, *moved])
    assert [item.level for item in slices] == truth and {item.level for item in moved} == {None}


def test_known_slices_fix_their_block_and_the_nearest_ones() -> None:
    slices, _ = patient(2, 4, [30.0, 5.0])
    assign_levels(slices, {"0-2": ("L4-L5", "companion table")})
    assert [item.level for item in slices[:4]] == ["L4-L5"] * 4 and slices[4].level is None
    stack = [make_slice(str(index), -100, 3.0, index) for index in range(20)]
    assign_levels(stack, {"2": ("L5-S1", "labels"), "11": ("L4-L5", "labels")})
    # slices lie 4.4 mm apart: up to two of them are within 12 mm of a known one
    expected = ["L5-S1"] * 5 + [None] * 4 + ["L4-L5"] * 5 + [None] * 6
    assert [item.level for item in stack] == expected


def test_known_levels_that_contradict_the_blocks_are_doubtful() -> None:
    """A companion table made for one study of a patient must not pass unseen on the slices of another."""
    slices, truth = patient(3, 4, [30.0, 5.0, 0.0])
    right = {f"{disc}-1": (truth[4 * disc], "companion table") for disc in range(3)}
    assign_levels(slices, right)
    assert [item.level for item in slices] == truth
    assert not any("doubtful" in item.level_reason for item in slices)
    assign_levels(slices, right | {"1-1": ("L3-L4", "companion table")})
    assert [item.level for item in slices[4:8]] == ["L3-L4"] * 4
    assert all("doubtful: the blocks say L4-L5" in item.level_reason for item in slices[4:8])
    assert not any("doubtful" in item.level_reason for item in slices[:4] + slices[8:])


def test_known_levels_out_of_order_are_doubtful() -> None:
    """Labels of two discs were exchanged: nothing else tells in an archive whose blocks are not counted."""
    slices, truth = patient(3, 4, [30.0, 5.0, 0.0])
    right = {f"{disc}-1": (truth[4 * disc], "labels") for disc in range(3)}
    assign_levels(slices, right, only_known=True)
    assert not any("doubtful" in item.level_reason for item in slices)
    assign_levels(slices, right | {"0-1": ("L4-L5", "labels"), "1-1": ("L5-S1", "labels")}, only_known=True)
    assert all("not in the order" in item.level_reason for item in slices)


def test_a_known_slice_at_the_end_of_a_long_block_does_not_name_the_next_disc() -> None:
    """Eight slices of 4.4 mm reach from one disc to the next."""
    slices = [make_slice(f"{index}", -100.0, 0.0, index) for index in range(8)]
    assign_levels(slices, {"0": ("L4-L5", "labels")}, only_known=True)
    assert [item.level for item in slices] == ["L4-L5"] * 5 + [None] * 3


def test_slices_of_a_series_at_one_place_have_no_level() -> None:
    slices, _ = patient(3, 4, [30.0, 5.0, 0.0])
    for item in slices:
        assert item.geometry is not None
        item.geometry = replace(item.geometry, centre_3=np.zeros(3))
    assign_levels(slices)
    assert {item.level for item in slices} == {None} and "not real" in slices[0].level_reason


def test_a_repeated_scan_of_a_disc_counts_once() -> None:
    slices, truth = patient(3, 4, [30.0, 5.0, 0.0])
    again = [make_slice(f"r{index}", -100 + 36, 12.0, index, series="7") for index in range(4)]
    assign_levels([*slices, *again])
    assert [item.level for item in slices] == truth and {item.level for item in again} == {"L4-L5"}


def stack(step: float, tilt: float = 0.0, weighting: str = "T2") -> list[RawSlice]:
    """One series of parallel slices from below L5-S1 to above L3-L4 of `patient`, `step` mm apart."""
    slices = [make_slice(f"s{k}", float(h), tilt, series="9") for k, h in enumerate(np.arange(-115, 0, step))]
    for item in slices:
        item.weighting = weighting
    return slices


@pytest.mark.parametrize("step", [4.4, 10.0])
@pytest.mark.parametrize("tilt", [0.0, 6.0])
@pytest.mark.parametrize("weighting", ["T2", "T1"])
def test_a_stack_beside_planned_blocks_neither_takes_nor_moves_their_levels(
    step: float, tilt: float, weighting: str
) -> None:
    """Parallel to a block it would be one with it; slices far apart would fill the gaps between the blocks."""
    planned, truth = patient(3, 4, [30.0, 5.0, 0.0])
    added = stack(step, tilt, weighting)
    mixed = [*added, *planned]
    assign_levels(mixed)
    assert [item.level for item in planned] == truth
    assert not any("doubtful" in item.level_reason for item in planned)
    middles = {
        level: np.mean([item.geometry.centre_3 for item in planned if item.level == level and item.geometry], axis=0)
        for level in set(truth)
    }
    for item in added:
        away = {level: abs((middle - item.geometry.centre_3) @ item.geometry.normal_3)  # type: ignore[union-attr]
                for level, middle in middles.items()}  # fmt: skip
        nearest = min(away, key=away.__getitem__)
        assert item.level == (nearest if away[nearest] <= 12 else None), (away, item.level_reason)
        assert ("doubtful" in item.level_reason) == (item.level == "L5-S1"), item.level_reason  # cut obliquely
    assert {item.level for item in added} == {None, "L5-S1", "L4-L5", "L3-L4"}


def test_a_stack_and_a_block_in_one_series_are_not_counted() -> None:
    """The long run may hold two discs of the plan whose blocks touch: above it the count would be wrong."""
    planned, _ = patient(3, 4, [30.0, 5.0, 0.0])
    touching = [make_slice(f"t{k}", -100 - 4.4 * k, 30.0, series="4") for k in range(12)]
    assign_levels([*planned, *touching])
    assert {item.level for item in [*planned, *touching]} == {None}


@pytest.mark.parametrize("plane", ["sagittal", "coronal", "unknown"])
def test_other_planes_keep_no_level(plane: str) -> None:
    item = make_slice("a", 0, 0)
    item.plane = plane
    assign_levels([item])
    assert item.level is None


@pytest.mark.parametrize(
    ("tilts", "words"),
    [
        ([18.0, 6.0, -2.0], "L5-S1 may be missing"),
        ([33.0, 25.0, 15.0], "L5-S1 may be missing"),  # L4-L5 above a steep sacrum: steep, but no step like L5-S1's
        ([44.0, 38.0, 17.0, 6.0], "may lie below L5-S1"),  # the large step is the second
        ([32.0, 10.0, 0.0], ""),
        ([52.0, 31.0, 18.0, 6.0], ""),  # a steep sacrum
    ],
)
@pytest.mark.parametrize("sign", [1, -1])
def test_the_steps_of_the_tilts_say_where_a_count_begins(tilts: list[float], words: str, sign: int) -> None:
    slices, truth = patient(len(tilts), 4, [sign * tilt for tilt in tilts], 40.0)
    assign_levels(slices)
    assert [item.level for item in slices] == truth
    for item in slices:
        assert words in item.level_reason and ("doubtful" in item.level_reason) == bool(words), item.level_reason


def test_blocks_at_one_height_along_a_steep_sacrum_are_two_discs() -> None:
    """The field of the lowest block lies further back, where its tilted plane is as high as the disc above."""
    slices, truth = patient(4, 4, [55.0, 34.0, 20.0, 8.0])
    lowest = [item.geometry for item in slices[:4] if item.geometry]
    # 34 mm below L4-L5 along the spine, 25 mm behind
    normal, back = lowest[0].normal_3, np.array([0.0, np.cos(np.radians(55)), np.sin(np.radians(55))])
    for index, item in enumerate(slices[:4]):
        place = np.array([0.0, 0.0, -100 + 36]) - 34 * normal + 25 * back + 4.4 * index * normal
        item.geometry = replace(lowest[index], centre_3=place)
    heights = [item.geometry.centre_3[2] for item in slices if item.geometry]
    assert abs(np.mean(heights[:4]) - np.mean(heights[4:8])) < 12
    assign_levels(slices)
    assert [item.level for item in slices] == truth

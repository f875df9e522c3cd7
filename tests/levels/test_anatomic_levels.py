"""Discs on sagittal slices, their names, and the levels of axial slices that follow, against the phantom's truth."""

from __future__ import annotations

import csv
import sys
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from lss.cohorts.base import Geometry, RawSlice
from lss.levels.axial import compare_levels, level_on_spine
from lss.levels.discs import DetectedDisc, best_chain, find_discs
from lss.levels.naming import name_discs
from lss.levels.spine import Spine, SpineDisc, find_spine
from lss.phantom.anatomy import SACRALISED
from lss.phantom.archive import Plan

sys.path.append(str(Path(__file__).parent.parent.parent / "benchmarks"))

from _phantom_spines import study

GRADES = {"L3-L4": "A", "L4-L5": "BC", "L5-S1": "D"}
STRAIGHT = [DetectedDisc(30.0 + 35 * i, 100.0, tilt, 0.6, height) for i, (tilt, height) in enumerate(
    [(-8, 10), (-4, 10), (0, 10), (4, 10), (10, 9.5), (30, 9), (45, 2.5)])]  # fmt: skip


@pytest.fixture(scope="module")
def usual() -> tuple[list[RawSlice], list[str], dict]:
    patient, slices, truth = study(Plan(7, GRADES), seed=3)
    discs = {level: (np.add(patient.shift_mm, (0, *disc.centre_2)), disc.tilt)
             for level, disc in patient.discs.items()}  # fmt: skip
    return slices, truth, discs


def axial_ones(slices: list[RawSlice]) -> list[RawSlice]:
    return [item for item in slices if item.plane == "axial"]


def test_discs_of_a_phantom_lie_where_they_were_drawn(usual) -> None:
    slices, _, truth = usual
    spine = find_spine(slices)
    assert spine is not None and not spine.doubts
    result = {disc.level: disc for disc in spine.discs if disc.level}
    assert {"L2-L3", "L3-L4", "L4-L5", "L5-S1"} <= set(result)
    for level, disc in result.items():
        centre_3, tilt = truth[level]
        normal_3 = np.array([0, -np.sin(np.radians(tilt)), np.cos(np.radians(tilt))])
        assert abs((disc.centre_3 - centre_3) @ normal_3) < 3  # across the disc; it is 5 to 13 mm high
        assert np.linalg.norm(disc.centre_3[1:] - centre_3[1:]) < 9
        assert np.degrees(np.arccos(disc.normal_3 @ normal_3)) < 12


def test_all_slices_of_a_usual_study_get_their_level_from_both_sources(usual) -> None:
    slices, truth, _ = usual
    settled = compare_levels(axial_ones(slices), find_spine(slices))
    assert [s.by_anatomy for s in settled] == truth
    assert [s.level for s in settled] == truth


@pytest.mark.parametrize("turn", ["mirrored", "upside down", "transposed"])
def test_a_spine_does_not_depend_on_how_the_picture_was_stored(usual, turn: str) -> None:
    """The header says where rows and columns run; the same picture stored otherwise is the same spine."""
    slices = [item for item in usual[0] if item.plane == "sagittal"]
    turned = []
    for item in slices:
        geometry = item.geometry
        assert geometry is not None
        row_3, column_3 = geometry.orientation_6[:3], geometry.orientation_6[3:]
        pixels, row_3, column_3 = {
            "mirrored": (item.pixels[:, ::-1], -row_3, column_3),
            "upside down": (item.pixels[::-1], row_3, -column_3),
            "transposed": (item.pixels.T, column_3, row_3),
        }[turn]
        turned.append(replace(item, pixels=pixels,
                              geometry=replace(geometry, orientation_6=np.concatenate([row_3, column_3]))))  # fmt: skip
    spine, same = find_spine(slices), find_spine(turned)
    assert spine is not None and same is not None
    assert [disc.level for disc in spine.discs] == [disc.level for disc in same.discs]
    for disc, other in zip(spine.discs, same.discs, strict=True):
        assert disc.centre_3 == pytest.approx(other.centre_3, abs=1e-3)


def test_missing_lowest_block_is_caught_by_the_anatomy() -> None:
    """The count of blocks takes the lowest of L2-L3 to L4-L5 for L5-S1's; the sagittal slices do not."""
    _, slices, truth = study(Plan(3, GRADES, blocks=("L2-L3", "L3-L4", "L4-L5")), seed=1)
    axials = axial_ones(slices)
    assert [item.level for item in axials] != truth
    settled = compare_levels(axials, find_spine(slices))
    assert [s.by_anatomy for s in settled] == truth
    assert all(s.level is None and "blocks say" in s.reason for s in settled)


def test_a_sacralised_vertebra_is_left_to_the_reader() -> None:
    """Both sources count from the last full disc and agree on the wrong level; the flat disc is what gives it away."""
    _, slices, truth = study(Plan(13, GRADES | {"L5-S1": "A"}, anatomy=SACRALISED,
                                  blocks=("L2-L3", "L3-L4", "L4-L5")), seed=1)  # fmt: skip
    spine = find_spine(slices)
    settled = compare_levels(axial_ones(slices), spine)
    assert spine is not None
    assert spine.doubts and "grown together" in spine.doubts[0]
    assert all(s.level is None and s.reason.startswith("uncertain") for s in settled)
    assert [s.by_blocks for s in settled] != truth


def test_names_are_counted_from_the_last_disc_above_a_rudiment() -> None:
    named = name_discs(STRAIGHT, rows=330)
    assert named.levels == ["T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1", None]
    assert not named.doubts


def test_a_worn_last_disc_is_no_rudiment() -> None:
    """Thin against the usual disc, as a rudiment is; but the disc above it is level, and a thinner one follows."""
    worn = [*STRAIGHT[:5], replace(STRAIGHT[5], height_mm=6.5), replace(STRAIGHT[6], height_mm=2.5)]
    for discs in (worn, worn[:-1]):
        named = name_discs(discs, rows=330)
        assert named.levels[:6] == ["T12-L1", "L1-L2", "L2-L3", "L3-L4", "L4-L5", "L5-S1"]
        assert not named.doubts


@pytest.mark.parametrize(
    ("discs", "rows", "words"),
    [
        (STRAIGHT[:5], 330, "tilted by only 10"),
        ([*STRAIGHT[:5], replace(STRAIGHT[5], height_mm=3)], 330, "has 30 % of the usual height: L5 may have grown"),
        ([*STRAIGHT[:4], replace(STRAIGHT[4], tilt=18), replace(STRAIGHT[5], height_mm=7), STRAIGHT[6]], 330,
         "more than one disc may be L5-S1"),
        (STRAIGHT[:6], 210, "the sacrum is not in view"),
        ([*STRAIGHT[:6], replace(STRAIGHT[6], height_mm=6.5)], 330, "S1 may be free"),
        ([*STRAIGHT[:5], replace(STRAIGHT[5], tilt=16), replace(STRAIGHT[6], height_mm=5.5)], 330, "a worn L5-S1"),
        ([replace(disc, height_mm=0.1 * disc.height_mm) for disc in STRAIGHT], 330, "not met"),
        ([*STRAIGHT[:2], *STRAIGHT[3:]], 330, "one may be missing"),
        (STRAIGHT[4:6], 330, "fewer than three"),
    ],
)  # fmt: skip
def test_what_makes_a_count_doubtful(discs: list[DetectedDisc], rows: int, words: str) -> None:
    assert words in "; ".join(name_discs(discs, rows).doubts)


def test_chain_leaves_out_what_lies_off_the_spine() -> None:
    aside = [DetectedDisc(100.0, 160.0, 0.0, 0.7), DetectedDisc(48.0, 100.0, 0.0, 0.3)]
    chain = best_chain([*STRAIGHT, *aside])
    assert [disc.row for disc in chain[:6]] == [disc.row for disc in STRAIGHT[:6]]
    assert not set(aside) & set(chain)


@pytest.mark.parametrize("seed", range(3))
def test_no_spine_in_noise_or_nothing(seed: int) -> None:
    noise = np.random.default_rng(seed).uniform(0, 1000, (280, 280)).astype(np.float32)
    assert len(find_discs(noise)) < 5
    assert find_discs(np.zeros((280, 280), np.float32)) == []


def straight_spine(frame: str = "1") -> Spine:
    """Discs L2-L3 to L5-S1 level, 35 mm apart, L5-S1 at height 0."""
    levels = ("L2-L3", "L3-L4", "L4-L5", "L5-S1")
    discs = [
        SpineDisc(level, np.array([0.0, 0, 35.0 * (3 - i)]), np.array([0.0, 0, 1])) for i, level in enumerate(levels)
    ]
    return Spine(discs, [], "sagittal", 1, frame)


def axial_at(z: float, frame: str = "1", degrees: float = 0.0, y: float = 0.0) -> Geometry:
    tilt = np.radians(degrees)
    column_3 = np.array([0, np.cos(tilt), np.sin(tilt)])
    return Geometry(np.array([0.0, y, z]), np.array([0, -np.sin(tilt), np.cos(tilt)]), frame,
                    np.concatenate([[1.0, 0, 0], column_3]))  # fmt: skip


@pytest.mark.parametrize(
    ("z", "degrees", "y", "level"),
    [
        (0.0, 0, 0, "L5-S1"), (6.6, 0, 0, "L5-S1"), (35.0, 20, 0, "L4-L5"), (17.5, 0, 0, None), (200.0, 0, 0, None),
        # tilted by 45 degrees and 35 mm in front of the spine, its plane crosses the spine 35 mm higher
        (0.0, 45, -35.0, "L4-L5"),
    ],
)  # fmt: skip
def test_a_slice_has_the_level_at_which_its_plane_crosses_the_spine(z, degrees, y, level) -> None:
    assert level_on_spine(axial_at(z, degrees=degrees, y=y), straight_spine())[0] == level


def test_two_frames_of_reference_are_related_and_reported() -> None:
    item = RawSlice("a", "", "1", "2", "a", np.zeros((4, 4), np.uint16), 12, "axial", "", "T2", "", 1, 1.0, 1.0, "",
                    geometry=axial_at(35.0, frame="2"), level="L4-L5")  # fmt: skip
    (settled,) = compare_levels([item], straight_spine())
    assert settled.level == "L4-L5" and "one frame of reference was assumed" in settled.reason


def test_without_sagittal_slices_the_count_stands_unless_it_doubts() -> None:
    item = RawSlice("a", "", "1", "2", "a", np.zeros((4, 4), np.uint16), 12, "axial", "", "T2", "", 1, 1.0, 1.0, "",
                    geometry=axial_at(35.0), level="L4-L5", level_reason="disc 2 of 3")  # fmt: skip
    assert compare_levels([item], None)[0].level == "L4-L5"
    item.level_reason += "; doubtful: a gap"
    assert compare_levels([item], None)[0].level is None


# row of the disc L5-S1 in mm, read by eye (not by a radiologist) off real slices of several scanners
BY_EYE = {"101": 174, "105": 203, "116": 232, "122": 192, "182": 236, "185": 189, "220": 192}


@pytest.mark.parametrize("name", BY_EYE)
def test_the_last_disc_of_real_slices(shared: Path, name: str) -> None:
    folder = shared / "data/spider-midsagittal"
    with (folder / "index.csv").open(newline="") as stream:
        spacing = next(row["PixelSpacing"] for row in csv.DictReader(stream) if row["file"] == f"{name}_t2.png")
    down, right = (float(part) for part in spacing.strip("[]").split(","))
    image = cv2.imread(str(folder / f"{name}_t2.png"), cv2.IMREAD_GRAYSCALE).astype(np.float32)
    image = cv2.resize(
        image, (round(image.shape[1] * right), round(image.shape[0] * down)), interpolation=cv2.INTER_AREA
    )
    named = name_discs(find_discs(image), image.shape[0])
    assert not named.doubts
    assert named.discs[named.levels.index("L5-S1")].row == pytest.approx(BY_EYE[name], abs=8)

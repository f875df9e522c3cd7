"""What the other slices of a study tell of one: planes of steep blocks, copies, planning series; on written files."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from dicom_files import AXIAL, CORONAL, SAGITTAL, dicom_bytes, read_one, smooth_pixels, tilted_axial, write_dicom
from hypothesis import given, settings
from hypothesis import strategies as st

from lss.cohorts.base import PatientRecord, RawSlice, UnusableError
from lss.cohorts.contrast import kind_from_header
from lss.cohorts.folder import FolderDataset
from lss.cohorts.rsna import RsnaDataset
from lss.cohorts.series import settle_series
from lss.cohorts.series_names import weighting_from_name
from lss.cohorts.settings import FolderParams
from lss.cohorts.slice_levels import assign_levels
from lss.domain.grades import LEVELS

FOLDER = FolderParams(
    table=None, patient_column="", note_column=None, grade_column=None, plane_column=None, weighting_column=None
)


def read_block(
    height: float, tilt: float, count: int = 4, series: str = "1.4", step: float = 4.4, **attributes: object
) -> list[RawSlice]:
    """A block of axial slices read from written files, its middle at `height` mm; `tilt` in degrees to the front."""
    orientation = tilted_axial(tilt)
    normal = np.cross(orientation[:3], orientation[3:])
    slices = []
    for index in range(count):
        centre = np.array([0.0, 0.0, height]) + normal * step * (index - (count - 1) / 2)
        corner = centre - np.array(orientation[:3]) * 9.5 * 0.5 - np.array(orientation[3:]) * 11.5 * 0.6875
        where: dict[str, object] = {
            "ImageOrientationPatient": orientation, "ImagePositionPatient": [float(value) for value in corner],
            "SeriesInstanceUID": series, "InstanceNumber": index + 1, "SeriesDescription": "t2_tse",
        }  # fmt: skip
        data = dicom_bytes(**(where | attributes))
        slices.append(read_one(data, f"{series}/{height:.0f}-{index}", ""))
    return slices


def settle(slices: list[RawSlice]) -> list[RawSlice]:
    kept, _ = settle_series(slices)
    assign_levels(kept)
    return kept


@settings(max_examples=25, deadline=None)
@given(
    st.floats(31, 72), st.integers(3, 5), st.integers(2, 5), st.floats(31, 40), st.booleans(),
    st.sampled_from([1, -1]),
    st.randoms(use_true_random=False),
)  # fmt: skip
def test_a_steep_sacrum_moves_no_disc(
    tilt: float, discs: int, per_block: int, spacing: float, apart: bool, sign: int, random
) -> None:  # type: ignore[no-untyped-def]
    """Any tilt, count, gap, order and sense of the blocks, in one series or each in its own."""
    slices, truth = [], {}
    for disc in range(discs):
        block = read_block(
            spacing * disc, sign * (tilt if disc == 0 else 12.0 / disc), per_block, f"1.{disc if apart else 4}"
        )
        slices += block
        truth |= {item.image: LEVELS[-1 - disc] for item in block}
    random.shuffle(slices)
    kept = settle(slices)
    assert {item.image: item.level for item in kept} == truth
    assert {item.plane for item in kept} == {"axial"} and not any("doubtful" in item.level_reason for item in kept)
    assert all(item.geometry is not None and item.geometry.normal_3[2] > 0 for item in kept)


def test_steep_blocks_of_a_turned_patient_and_of_t1() -> None:
    steep_t1 = read_block(0, 58, series="1.5", SeriesDescription="t1_tse", EchoTime=12.0, RepetitionTime=600.0)
    slices = read_block(0, 58) + read_block(36, 15) + read_block(72, 4) + steep_t1
    assert Counter((s.plane, s.weighting, s.level) for s in settle(slices)) == {
        ("axial", "T2", "L5-S1"): 4, ("axial", "T2", "L4-L5"): 4, ("axial", "T2", "L3-L4"): 4,
        ("axial", "T1", "L5-S1"): 4,
    }  # fmt: skip


@pytest.mark.parametrize(("tilt", "name"), [(90, "t2"), (70, "t2"), (60, "t2"), (55, "t2_cor"), (38, "t2_cor_obl")])
def test_true_coronal_series_stay_coronal(tilt: float, name: str) -> None:
    """Fifteen slices from front to back at mid-spine, beside the axial blocks of the study."""
    coronal = read_block(60, tilt, 15, "1.7", SeriesDescription=name)
    kept = settle([*read_block(0, 50), *read_block(36, 15), *read_block(72, 4), *coronal])
    assert Counter(item.plane for item in kept if item.series == "1.7") == {"coronal": 15}
    assert Counter(item.level for item in kept if item.series == "1.4") == {"L5-S1": 4, "L4-L5": 4, "L3-L4": 4}


def test_a_steep_block_alone_is_doubtful() -> None:
    assert all("doubtful" in item.plane_reason for item in settle(read_block(0, 52)))


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ([(0, 12), (36, 5), (72, 0)], "L5-S1 may be missing"),
        ([(0, 30), (36, 5)], "fewer discs than the usual"),
        ([(36 * k, 30 if k == 0 else 3) for k in range(6)], "more discs than the usual"),
        ([(0, 30), (36, 10), (110, 0)], "a gap of 74 mm"),
        ([(0, 5), (36, 25), (72, 0)], "not the most angled"),
        ([(0, 27), (33, 15), (69, 7)], "by the tilts (27, 15, 7 degrees from below) L5-S1 may be missing"),
        ([(-24, 55), (0, 48), (30, 22), (65, 10), (101, 2)], "the lowest may lie below L5-S1"),
        ([(0, 48), (9, 22), (60, 10)], "unlike tilt or height count as one disc"),
        ([(0, 40), (15, 33), (50, 15), (86, 5)], "blocks 15 mm apart count as neighbouring discs"),
        ([(0, 40), (51, 10), (86, 5)], "blocks 51 mm apart count as neighbouring discs"),
    ],
)
def test_counts_that_may_be_wrong_say_so(blocks: list[tuple[float, float]], words: str) -> None:
    slices = settle([item for height, tilt in blocks for item in read_block(height, tilt)])
    known = [item for item in slices if item.level]
    assert known and all("doubtful" in item.level_reason and words in item.level_reason for item in known)


def test_a_gap_seen_by_two_weightings_is_one_gap() -> None:
    """T1 and T2 of L2-L3 lie 3 mm apart: the lower one alone is near enough to L4-L5 to count as its neighbour."""
    t1 = {"series": "1.5", "SeriesDescription": "t1", "EchoTime": 12.0, "RepetitionTime": 600.0}
    heights = [(0, 42), (24, 26), (81, 8), (108, 3)]  # L3-L4 was left out
    slices = [item for height, tilt in heights for item in read_block(height, tilt)]
    slices += [
        item for height, tilt in heights for item in read_block(height - 3 if height > 50 else height, tilt, **t1)
    ]
    known = Counter((item.level, "doubtful" in item.level_reason) for item in settle(slices))
    assert known == {("L5-S1", True): 8, ("L4-L5", True): 8, (None, False): 16}


def test_a_block_that_may_be_axial_puts_the_count_above_it_in_doubt() -> None:
    """L5-S1 is so steep, and so far below the next block, that its plane stays open: the count begins a disc above."""
    slices = settle(read_block(0, 52, series="1.9") + read_block(62, 30) + read_block(97, 14) + read_block(131, 2))
    counted = [item for item in slices if item.level]
    assert len(counted) == 12 and all("may be axial too" in item.level_reason for item in counted)


def test_a_disc_that_only_t1_shows_counts() -> None:
    """T2 without its L5-S1 block: counted alone it would begin at L4-L5."""
    t1 = {"series": "1.5", "SeriesDescription": "t1", "EchoTime": 12.0, "RepetitionTime": 600.0}
    slices = read_block(36, 18) + read_block(72, 5) + read_block(0, 40, **t1) + read_block(36, 18, **t1)  # type: ignore[arg-type]
    levels = {(item.weighting, item.level) for item in settle(slices)}
    assert levels == {("T2", "L4-L5"), ("T2", "L3-L4"), ("T1", "L5-S1"), ("T1", "L4-L5")}


def test_repeated_blocks_and_reversed_numbers_move_nothing() -> None:
    slices = read_block(0, 48) + read_block(36, 12) + read_block(72, 3) + read_block(39, 12, series="1.9")
    for item in slices:
        item.instance = 100 - item.instance
    assert Counter(item.level for item in settle(slices)) == {"L5-S1": 4, "L4-L5": 8, "L3-L4": 4}


@pytest.mark.parametrize(
    "corrected_type", [["DERIVED", "PRIMARY", "M", "ND", "DIS2D"], ["ORIGINAL", "PRIMARY", "M", "DIS3D"]]
)
@pytest.mark.parametrize("series", ["1.4", "1.6"])
def test_one_of_a_pair_of_corrected_copies_is_kept(corrected_type: list[str], series: str) -> None:
    blocks = [(0, 40), (36, 12), (72, 3)]
    plain = [item for place in blocks for item in read_block(*place)]
    copies = [item for place in blocks for item in read_block(*place, series=series, ImageType=corrected_type)]
    kept, rejects = settle_series([*copies, *plain])
    assert {id(item) for item in kept} == {id(item) for item in plain}
    assert {reject.reason for reject in rejects} == {"corrected copy"} and len(rejects) == len(copies)
    alone, none = settle_series([item for place in blocks for item in read_block(*place, ImageType=corrected_type)])
    assert not none and {item.weighting for item in alone} == {"T2"}  # a correction without its original is the scan


def test_a_repeated_scan_is_no_corrected_copy() -> None:
    kept, rejects = settle_series(read_block(0, 30) + read_block(0, 30, series="1.6"))
    assert len(kept) == 8 and not rejects


def test_planning_series_and_reference_images_are_found_without_words(tmp_path: Path) -> None:
    for number, orientation in enumerate([AXIAL, SAGITTAL, CORONAL] * 3):
        write_dicom(tmp_path / "p" / "a" / f"{number}.dcm", smooth_pixels(number), SeriesInstanceUID="1.1",
                    SeriesDescription="x t2", ImageOrientationPatient=orientation,
                    ImagePositionPatient=[0.0, 0.0, 12.0 * number])  # fmt: skip
    for item in range(8):
        write_dicom(tmp_path / "p" / "b" / f"{item}.dcm", smooth_pixels(20 + item), SeriesInstanceUID="1.2",
                    ImagePositionPatient=[0.0, 0.0, 4.4 * item])  # fmt: skip
    write_dicom(tmp_path / "p" / "b" / "9.dcm", smooth_pixels(30), SeriesInstanceUID="1.2",
                ImageOrientationPatient=SAGITTAL)  # fmt: skip
    record = FolderDataset(tmp_path, FOLDER).read_patient("p")
    assert Counter((Path(s.file).parent.name, s.plane, s.weighting) for s in record.slices) == {
        ("a", "axial", "localizer"): 3, ("a", "sagittal", "localizer"): 3, ("a", "coronal", "localizer"): 3,
        ("b", "axial", "T2"): 8, ("b", "sagittal", "localizer"): 1,
    }  # fmt: skip
    assert any("several planes (axial, coronal, sagittal)" in item.weighting_reason for item in record.slices)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("LOC SSFSE", "localizer"), ("PILOT", "localizer"), ("Lokalizer", "localizer"), ("3-Plane T2", "localizer"),
        ("PLAN 3 EBENEN", "localizer"), ("Loc_1", "localizer"), ("ADC (10^-6 mm2/s)", "derived"),
        ("t1_tra_SUB", "derived"), ("MIP T2", "derived"), ("Screen Save", "derived"),
        ("Ax DWI b800", "other"), ("AX T2 SSFSE", "other"),
        ("t2_haste_tra", "other"), ("ep2d_diff_tra", "other"), ("sub-01_T2w", "T2"), ("lumbar local T2", "T2"),
        ("t2_tse_tra_block", "T2"), ("subject t2", "T2"),
    ],
)  # fmt: skip
def test_kinds_of_names(name: str, kind: str) -> None:
    assert weighting_from_name(name)[0] == kind


@pytest.mark.parametrize(
    ("attributes", "kind"),
    [
        ({"ImageType": ["DERIVED", "SECONDARY", "MPR"]}, "derived"),
        ({"ImageType": ["DERIVED", "PRIMARY", "OTHER"]}, "derived"),
        ({"ImageType": ["DERIVED", "PRIMARY", "M"], "LossyImageCompression": "01"}, "T2"),
        ({"ImageType": ["ORIGINAL", "SECONDARY"]}, "derived"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"]}, "localizer"),
        ({"ImageType": ["ORIGINAL", "PRIMARY", "DIFFUSION"]}, "other"),
        ({"ScanningSequence": "EP"}, "other"),
        ({"SequenceName": "*h2d1_160"}, "other"),
        ({"SequenceName": "*re_b1000t"}, "other"),
        ({"SequenceName": "*tse2d1_15"}, "T2"),
        ({"DiffusionBValue": 800.0}, "other"),
        ({"DiffusionBValue": 0.0}, "T2"),
        ({"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7"}, "derived"),
        ({"SeriesDescription": "PILOT"}, "localizer"),
    ],
)
def test_the_header_says_what_is_no_t2(attributes: dict[str, object], kind: str) -> None:
    item = read_one(dicom_bytes(**attributes), "a", "t2_tse_tra")
    assert item.weighting == kind and item.weighting_reason


def test_screen_saves_are_left_out_with_their_reason() -> None:
    capture = {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.7", "ImagePositionPatient": None}
    with pytest.raises(UnusableError) as caught:
        read_one(dicom_bytes(**capture), "a", "t2")
    assert caught.value.reason == "screen save"
    assert kind_from_header(frozenset({"ORIGINAL", "PRIMARY"})) is None


@pytest.mark.parametrize("series", ["1.2.6", ""])
def test_the_first_image_of_a_diffusion_series_is_no_t2(series: str) -> None:
    """That of b = 0 says nothing of diffusion but by the others of its series; a folder without UIDs is no series."""
    slices = [
        read_one(dicom_bytes(smooth_pixels(n), DiffusionBValue=b, SeriesInstanceUID=series), f"{n}", "spine")
        for n, b in enumerate((0.0, 400.0))
    ]
    kept, _ = settle_series(slices)
    assert [item.weighting for item in kept] == ["other" if series else "T2", "other"]


def _cases(shared: Path, name: str) -> dict[str, PatientRecord]:
    root = next((shared / "cases").glob(f"{name}-*")) / "data"
    reader = RsnaDataset(root) if name in ("01", "02", "03") else FolderDataset(root, FOLDER)
    return {patient: reader.read_patient(patient) for patient in reader.patients()}


def _levels(record: PatientRecord) -> Counter[str | None]:
    return Counter(item.level for item in record.slices if item.plane == "axial" and item.weighting == "T2")


def _is_ordered(record: PatientRecord) -> bool:
    """Whether every slice of a disc lies above every one of the disc below."""
    heights = {
        level: [item.geometry.centre_3[2] for item in record.slices if item.geometry and item.level == level]
        for level in LEVELS
    }
    held = [heights[level] for level in LEVELS if heights[level]]
    return len(held) > 2 and all(min(upper) > max(lower) for upper, lower in pairwise(held))


def test_case_steep_sacrum(shared: Path) -> None:
    for record in (*_cases(shared, "23").values(), _cases(shared, "10")["steep_sacrum"]):
        assert _levels(record)["L5-S1"] == 4 and _levels(record)["L4-L5"] == 4
        assert not any("doubtful" in item.level_reason for item in record.slices)


def test_case_blocks_and_copies(shared: Path) -> None:
    records = _cases(shared, "10")
    five = Counter({level: 4 for level in LEVELS[1:]})
    assert _levels(records["copies"]) == five and {r.reason for r in records["copies"].rejects} == {"corrected copy"}
    assert _levels(records["equal_numbers"]) == five and _levels(records["moved"]) == five + Counter({"L4-L5": 4})
    assert _levels(records["scoliosis"]) == {level: 5 for level in LEVELS[1:]}
    assert _levels(records["nine_slice_blocks"]) == {level: 9 for level in LEVELS[-3:]}
    for name in ("scoliosis", "nine_slice_blocks"):
        assert not any("doubtful" in item.level_reason for item in records[name].slices) and _is_ordered(records[name])
    for name in ("no_l5s1_block", "flat_sacrum"):
        assert all("doubtful" in item.level_reason for item in records[name].slices if item.plane == "axial")


def test_case_planning_series(shared: Path) -> None:
    record = _cases(shared, "05")["p1"]
    assert _levels(record) == {"L5-S1": 4, "L4-L5": 4}
    assert Counter(item.weighting for item in record.slices) == {"localizer": 9, "T2": 8, "derived": 1}


@pytest.mark.parametrize(("case", "per_level", "slices"), [("01", 4, 32), ("02", 4, 50), ("03", 4, 20)])
def test_cases_of_rsna(shared: Path, case: str, per_level: int, slices: int) -> None:
    for record in _cases(shared, case).values():
        assert _levels(record) == {level: per_level for level in LEVELS[1:]} and not record.rejects
        assert len({item.image for item in record.slices}) == len(record.slices) == slices
        assert _is_ordered(record) and record.grading is not None
        of_level = dict(zip(LEVELS[1:], ("A", "A", "BC", "D", "A"), strict=True))  # as in the case's train.csv
        assert record.grading.level_grades == of_level

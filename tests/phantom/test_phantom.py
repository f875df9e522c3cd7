"""The phantom's patients and slices: grades, anatomy by grade, image statistics, geometry against the headers."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import pydicom
import pytest
from PIL import Image
from scipy import ndimage

from lss.domain.grades import GRADES, worst
from lss.phantom import acquisition, archive, axial
from lss.phantom.anatomy import IMAGED_LEVELS, draw_grades, draw_patient
from lss.phantom.tissue import Textures
from lss.runtime.seeding import generator

SEED = 20250


def section_of(number: int, grade: str, level: str, index: int = 1) -> axial.Section:
    patient = draw_patient(number, {**dict.fromkeys(IMAGED_LEVELS, "A"), level: grade}, SEED)
    textures = Textures(generator(SEED, "test", number), axial.SPACING_MM / 2)
    return axial.draw_section(patient, level, index, 320, textures, SEED)


def test_prevalence_is_realistic_and_each_grade_reaches_every_subset() -> None:
    for seed in range(5):
        grades = draw_grades(48, seed)
        shares = Counter(grade for levels in grades for grade in levels.values())
        assert 0.40 <= shares["A"] / 144 <= 0.62
        assert 0.30 <= shares["BC"] / 144 <= 0.50
        assert 0.06 <= shares["D"] / 144 <= 0.12
        patients = Counter(worst(list(levels.values())) for levels in grades)
        assert patients["D"] >= 8
        assert min(patients.values()) >= 8


@pytest.mark.parametrize("patients", [3, 4, 7])
def test_smallest_cohorts_hold_every_grade(patients: int) -> None:
    grades = draw_grades(patients, 1)
    assert {worst(list(levels.values())) for levels in grades} == set(GRADES)


def test_sac_shrinks_and_darkens_from_a_to_d() -> None:
    areas: dict[str, list[float]] = {grade: [] for grade in GRADES}
    signals: dict[str, list[float]] = {grade: [] for grade in GRADES}
    for grade in GRADES:
        for number in range(1, 7):
            section = section_of(number, grade, IMAGED_LEVELS[number % 3])
            areas[grade].append(section.canal.sum() * axial.SPACING_MM**2)
            signals[grade].append(float(section.signal["T2"][section.canal].mean()))
    assert np.mean(areas["A"]) > 1.4 * np.mean(areas["BC"]) > 1.4 * 1.4 * np.mean(areas["D"])
    assert min(areas["A"]) > max(areas["D"])
    assert np.mean(signals["A"]) > 1.2 * np.mean(signals["BC"]) > 1.2 * 1.2 * np.mean(signals["D"])


def test_drawn_sac_has_the_area_that_was_drawn_by_lot() -> None:
    patient = draw_patient(5, dict.fromkeys(IMAGED_LEVELS, "A"), SEED)
    section = section_of(5, "A", "L4-L5", index=1)
    # slice 1 lies 2.2 mm above the disc, where the sac is a little wider
    disc = patient.discs["L4-L5"]
    expected = disc.sac_area * (1 + (0.05 + 0.17 * disc.tightness) / 3)
    assert section.canal.sum() * axial.SPACING_MM**2 == pytest.approx(expected, rel=0.03)


def test_t1_and_t2_show_their_contrasts() -> None:
    section = section_of(3, "A", "L4-L5")
    t1, t2 = section.signal["T1"], section.signal["T2"]
    ring = ndimage.binary_dilation(section.canal, iterations=25) & ~ndimage.binary_dilation(section.canal, iterations=3)
    assert t2[section.canal].mean() > t2[ring].mean()  # fluid is bright in T2
    assert t1[section.canal].mean() < t1[ring].mean()  # and dark in T1


def test_slices_of_a_block_differ_and_so_do_patients() -> None:
    first, second = section_of(1, "A", "L3-L4", 1), section_of(1, "A", "L3-L4", 2)
    other = section_of(2, "A", "L3-L4", 1)
    same, different = (np.abs(first.signal["T2"] - s.signal["T2"]).mean() for s in (second, other))
    assert 0.01 < same < different


@pytest.fixture(scope="module")
def one_patient(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[dict], archive.Plan]:
    root = tmp_path_factory.mktemp("phantom")
    plan = archive.Plan(7, {"L3-L4": "A", "L4-L5": "BC", "L5-S1": "D"})
    return root, archive.write_patient(plan, root, SEED), plan


def axial_t2(root: Path) -> list[pydicom.FileDataset]:
    return [pydicom.dcmread(file) for file in sorted(root.glob("*/0007/*/T2_TSE_TRA_384_0004/*.ima"))]


def test_blocks_lie_as_planned_when_computed_from_the_headers(one_patient: tuple) -> None:
    root, _, _ = one_patient
    slices = axial_t2(root)
    assert len(slices) == 12
    centres, normals = [], []
    for data in slices:
        row_3, column_3 = np.array(data.ImageOrientationPatient, float).reshape(2, 3)
        assert np.dot(row_3, column_3) == pytest.approx(0, abs=1e-6)
        spacing = np.array(data.PixelSpacing, float)
        half = (np.array([data.Columns, data.Rows]) - 1) / 2 * spacing[::-1]
        centres.append(np.array(data.ImagePositionPatient, float) + half[0] * row_3 + half[1] * column_3)
        normals.append(np.cross(row_3, column_3))
    for block in range(3):
        part = slice(4 * block, 4 * block + 4)
        steps = np.diff([c @ normals[4 * block] for c in centres[part]])
        assert steps == pytest.approx([-4.4] * 3, abs=1e-4)  # from above downwards
        assert np.ptp(normals[part], axis=0) == pytest.approx([0, 0, 0], abs=1e-9)
    tilts = [np.degrees(np.arccos(normals[4 * block][2])) for block in range(3)]
    assert tilts[2] > max(tilts[:2]) and 15 < tilts[2] < 45  # the last disc's block is the angled one
    heights = [np.mean([c[2] for c in centres[4 * b : 4 * b + 4]]) for b in range(3)]
    assert all(20 < above - below < 50 for above, below in pairwise(heights))


def test_discs_of_axial_and_sagittal_series_meet_in_the_patient_system(one_patient: tuple) -> None:
    """The sac in an axial slice, carried into the mid-sagittal slice, falls on bright fluid there."""
    root, truth, _ = one_patient
    data = axial_t2(root)[1]  # L3-L4, grade A
    mask = np.array(Image.open(io.BytesIO(truth_of(truth, root)[1]["canal_mask"]["bytes"]))) > 0
    row, column = np.argwhere(mask).mean(axis=0)
    row_3, column_3 = np.array(data.ImageOrientationPatient, float).reshape(2, 3)
    spacing = float(data.PixelSpacing[0])
    point = np.array(data.ImagePositionPatient, float) + spacing * (column * row_3 + row * column_3)

    sagittal = [pydicom.dcmread(f) for f in sorted(root.glob("*/0007/*/T2_TSE_SAG_384_0002/*.ima"))]
    nearest = min(sagittal, key=lambda d: abs(float(d.ImagePositionPatient[0]) - point[0]))
    offset = point - np.array(nearest.ImagePositionPatient, float)
    across_3, down_3 = np.array(nearest.ImageOrientationPatient, float).reshape(2, 3)
    at = [round(float(offset @ axis) / float(nearest.PixelSpacing[0])) for axis in (down_3, across_3)]
    image = nearest.pixel_array.astype(float)
    around = image[at[0] - 2 : at[0] + 3, at[1] - 2 : at[1] + 3].mean()
    in_front = image[at[0] - 2 : at[0] + 3, at[1] - 32 : at[1] - 27].mean()  # vertebra or disc, 20 mm in front
    assert around > 1.8 * in_front


def truth_of(truth: list[dict], root: Path) -> list[dict]:
    """Rows of truth in the order of the axial T2 files."""
    by_hash = {row["source_sha256"]: row for row in truth}
    files = sorted(root.glob("*/0007/*/T2_TSE_TRA_384_0004/*.ima"))
    return [by_hash[hashlib.sha256(file.read_bytes()).hexdigest()] for file in files]


def test_truth_fits_the_files(one_patient: tuple) -> None:
    root, truth, plan = one_patient
    rows = truth_of(truth, root)
    assert [row["level"] for row in rows] == [level for level in IMAGED_LEVELS for _ in range(4)]
    assert [row["grade"] for row in rows] == [plan.grades[level] for level in IMAGED_LEVELS for _ in range(4)]
    for row, data in zip(rows, axial_t2(root), strict=True):
        clean = np.frombuffer(row["clean"], "<u2").reshape(row["rows"], row["columns"]).astype(float)
        noisy = data.pixel_array.astype(float)
        assert np.corrcoef(clean.ravel(), noisy.ravel())[0, 1] > 0.97
        # the noise in the air is that of a magnitude: never negative, with a mean above its standard deviation
        air = noisy[20:60, 60:260]
        assert clean[20:60, 60:260].mean() < air.mean()
        assert 2.0 < air.mean() / air.std() < 3.2
    t1_only = [row for row in truth if row["clean"] is None]
    assert len(t1_only) == 6 and all(row["canal_mask"]["bytes"] for row in t1_only)


def test_pixels_have_12_bits_and_headers_look_like_the_archive(one_patient: tuple) -> None:
    root, _, _ = one_patient
    series = {path.parent.name for path in root.rglob("*.ima")}
    assert series == {
        "LOCALIZER_0001",
        "T2_TSE_SAG_384_0002",
        "T1_TSE_SAG_320_0003",
        "T2_TSE_TRA_384_0004",
        "T1_TSE_TRA_0005",
    }
    seen = set()
    for path in root.rglob("*.ima"):
        data = pydicom.dcmread(path)
        assert (data.BitsStored, data.HighBit, data.BitsAllocated) == (12, 11, 16)
        assert 300 < data.pixel_array.max() <= 4095
        assert data.SeriesDescription == data.SeriesDescription.lower()
        assert data.PatientName and data.PatientBirthDate and data.PatientID
        is_t2 = "t2" in data.SeriesDescription
        assert (data.EchoTime > 80 and data.RepetitionTime > 2500) == is_t2
        seen.add(data.SOPInstanceUID)
    assert len(seen) == len(list(root.rglob("*.ima")))
    axial_header = axial_t2(root)[0]
    assert (axial_header.Rows, axial_header.Columns, float(axial_header.PixelSpacing[0])) == (320, 320, 0.6875)
    assert (float(axial_header.SliceThickness), float(axial_header.SpacingBetweenSlices)) == (4.0, 4.4)


def test_noise_is_white_within_the_filled_part_of_k_space_and_none_lies_outside() -> None:
    """Checked with NumPy's own transform; in the signal the noise has the standard deviation asked for."""
    signal = np.full((320, 256), 100.0, np.float32)
    noise = acquisition.noisy(signal, 2.0, acquisition.AXIAL, np.random.default_rng(1)) - 100
    assert noise.std() == pytest.approx(2.0, rel=0.03)
    power = np.abs(np.fft.fft2(noise - noise.mean())) ** 2
    down, across = np.abs(np.fft.fftfreq(320)), np.abs(np.fft.fftfreq(256))
    low, middle, outside = (power[rows][:, across < 0.35].mean() for rows in (
        (down > 0.02) & (down < 0.12), (down > 0.15) & (down < 0.25), down > 0.42))  # fmt: skip
    assert middle == pytest.approx(low, rel=0.1)
    assert outside < 0.02 * low


def test_air_is_as_noisy_for_its_mean_as_in_real_slices(shared: Path) -> None:
    """The mean over the standard deviation does not depend on the scaling of the pictures; patients are few."""
    real = []
    for picture in sorted((shared / "data/mendeley-lss-png/axial_t2").glob("*.png")):
        air = np.asarray(Image.open(picture).convert("L"), float)[12:60, 80:240]
        real.append(air.mean() / air.std())
    nothing = np.zeros((48, 160), np.float32)
    air = acquisition.noisy(nothing, 6.0, acquisition.AXIAL, np.random.default_rng(2))
    assert min(real) < air.mean() / air.std() < max(real)
    assert air.mean() / air.std() == pytest.approx(np.median(real), rel=0.1)


def test_acquired_keeps_what_lies_within_k_space_and_rings_at_edges() -> None:
    columns = np.arange(320)
    wave = 2 + np.cos(2 * np.pi * 32 * columns / 320)[None, :].repeat(320, 0)
    kept = acquisition.acquired(wave.astype(np.float32), acquisition.AXIAL)
    assert np.ptp(kept) == pytest.approx(np.ptp(wave) / np.sinc(0.1), rel=0.01)  # the pixel's own mean is undone
    step = np.repeat([[1.0], [5.0]], 160, axis=0) * np.ones((1, 320))
    overshoot = acquisition.acquired(step.astype(np.float32), acquisition.AXIAL)[160:240].max() - 5
    assert 0.02 < overshoot / 4 < 0.15  # Gibbs: up to 9 % for a sharp edge of k-space, and what the sharpening adds


def describe(image: np.ndarray) -> np.ndarray:
    """Coarse statistics of an axial slice scaled by minimum and maximum to 0..255, as the real ones are."""
    scaled = (image - image.min()) / (image.max() - image.min()) * 255
    air = scaled[15:70, 60:260]
    slope = np.hypot(*np.gradient(scaled))
    percentiles = np.percentile(scaled, [25, 50, 75, 90, 99])
    return np.array([air.mean(), air.std(), *np.percentile(slope, [50, 90, 99]), *percentiles])


@pytest.mark.parametrize(("folder", "series"), [("axial_t2", "T2_TSE_TRA*"), ("axial_t1", "T1_TSE_TRA*")])
def test_statistics_lie_among_those_of_real_slices(shared: Path, tmp_path: Path, folder: str, series: str) -> None:
    plans, _ = archive.plan_cohort(48, SEED)
    for plan in plans[:3]:
        archive.write_patient(plan, tmp_path, SEED)
    ours = [
        describe(pydicom.dcmread(file).pixel_array.astype(float)) for file in tmp_path.glob(f"*/*/*/{series}/*.ima")
    ]
    pictures = sorted((shared / "data/mendeley-lss-png" / folder).glob("*.png"))
    real = np.array([describe(np.asarray(Image.open(p).convert("L"), float)) for p in pictures])
    low, high = np.percentile(real, [5, 95], axis=0)
    margin = 0.2 * (high - low) + 0.1 * np.median(real, axis=0)
    middle = np.median(ours, axis=0)
    assert (middle > low - margin).all() and (middle < high + margin).all(), (low, middle, high)


@pytest.mark.parametrize("fewer", [12, 15, 48])
def test_a_cohort_of_more_patients_begins_with_the_same_ones(fewer: int) -> None:
    (few, lone), (more, lone_too) = (archive.plan_cohort(patients, SEED) for patients in (fewer, fewer + 7))
    assert more[:fewer] == few and lone == lone_too
    notes, more_notes = archive.draw_notes(few, lone, SEED), archive.draw_notes(more, lone, SEED)
    assert {number: more_notes[number] for number in notes} == notes


def test_motion_adds_two_ghosts_at_its_distance() -> None:
    """x(row) + s x(row - d) - s x(row + d), computed by shifting the rows."""
    signal = np.zeros((200, 64), np.float32)
    signal[90:110, 20:40] = 1.0
    moved = acquisition.acquired(signal, acquisition.AXIAL, acquisition.Motion(0.05, 0.25))
    still = acquisition.acquired(signal, acquisition.AXIAL)
    assert np.allclose(moved[35:65], 0.05 * np.roll(still, -50, 0)[35:65], atol=2e-3)
    assert np.allclose(moved[135:165], 0.05 * np.roll(still, 50, 0)[135:165], atol=2e-3)
    assert np.allclose(moved[85:115], still[85:115], atol=2e-3)

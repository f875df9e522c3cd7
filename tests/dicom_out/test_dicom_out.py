"""DICOM objects: re-read by other libraries, on the same millimetres, and judged by other people's validators."""

from __future__ import annotations

import io
import shutil
import subprocess
from datetime import datetime
from pathlib import Path

import highdicom as hd
import numpy as np
import pydicom
import pytest
from dicom_files import dataset, tilted_axial
from pydicom.dataset import Dataset

from lss.cohorts.dicom import read_dicom
from lss.dicom_out.documents import encapsulated_pdf, secondary_capture
from lss.dicom_out.provenance import Provenance
from lss.dicom_out.report import Measured, measurement_report, outline
from lss.dicom_out.segmentation import segmentation
from lss.dicom_out.source import SourceImage, read_source
from lss.errors import LssError
from lss.imaging.geometry import SlicePlane

SHAPE = (48, 40)
BY = Provenance("1.2.3.1", "tiny", 0, datetime(2026, 1, 2, 3, 4, 5))


def source_bytes(index: int, degrees: float = 20.0, **attributes: object) -> bytes:
    normal = np.cross(np.array(tilted_axial(degrees)[:3]), np.array(tilted_axial(degrees)[3:]))
    corner = np.array([-14.0, -20.0, 30.0]) + 4.4 * index * normal
    stream = io.BytesIO()
    pixels = np.random.default_rng(index).integers(0, 4096, SHAPE).astype(np.uint16)
    made = dataset(pixels, ImageOrientationPatient=tilted_axial(degrees), SOPInstanceUID=f"1.2.3.1.4.{index + 1}",
                   ImagePositionPatient=[round(float(v), 6) for v in corner], SliceThickness=4.0,
                   InstanceNumber=index + 1, SeriesNumber=4, ScanningSequence="SE", SequenceVariant="SK",
                   **attributes)  # fmt: skip
    made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def discs(radius: float, count: int = 3) -> list[np.ndarray]:
    """Round masks, off the middle, of which each lies elsewhere: a flip or a shift would show."""
    rows, columns = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return [(rows - 12 - 3 * i) ** 2 + (columns - 25 + 4 * i) ** 2 < radius**2 for i in range(count)]


@pytest.fixture(scope="module")
def files() -> list[bytes]:
    return [source_bytes(index) for index in range(3)]


@pytest.fixture(scope="module")
def sources(files: list[bytes]) -> list[SourceImage]:
    return [read_source(data) for data in files]


def measured(sources: list[SourceImage]) -> list[Measured]:
    ends = np.array([[7.0, 25.0], [17.0, 25.0]])
    levels, grades = ("L4-L5", "L4-L5", None), ("BC", "D", None)
    return [
        Measured(source, mask, float(mask.sum()) * 0.6875 * 0.5, 6.9, ends, level, grade)
        for source, mask, level, grade in zip(sources, discs(6), levels, grades, strict=True)
    ]


def as_read(made: Dataset) -> pydicom.FileDataset:
    stream = io.BytesIO()
    made.save_as(stream, enforce_file_format=True)
    stream.seek(0)
    return pydicom.dcmread(stream)


def all_objects(sources: list[SourceImage]) -> dict[str, Dataset]:
    return {
        "segmentation": segmentation(sources, {"sac": discs(7), "stenosis": discs(3)}, 1, BY),
        "report": measurement_report(measured(sources), BY),
        "pdf": encapsulated_pdf(b"%PDF-1.4 odd", sources[0], BY, "Reading"),
        "capture": secondary_capture(np.full((20, 30, 3), 7, np.uint8), sources[0], BY, 1, "overlay"),
    }


def test_a_mask_read_back_lies_on_the_same_millimetres(files: list[bytes], sources: list[SourceImage]) -> None:
    """Against the geometry of the cohorts' reader, which is not the library that wrote the object."""
    masks = {"sac": discs(7), "stenosis": discs(3)}
    stream = io.BytesIO()
    segmentation(sources, masks, 1, BY).save_as(stream)
    stream.seek(0)
    read = hd.seg.segread(stream)
    uids = [source.data.SOPInstanceUID for source in sources]
    pixels = read.get_pixels_by_source_instance(uids)
    assert read.FrameOfReferenceUID == "1.2.3.9"
    for number, kind in enumerate(masks):
        for index, mask in enumerate(masks[kind]):
            assert np.array_equal(pixels[index, :, :, number].astype(bool), mask)
    frames = {(f.SegmentIdentificationSequence[0].ReferencedSegmentNumber,
               f.DerivationImageSequence[0].SourceImageSequence[0].ReferencedSOPInstanceUID): i
              for i, f in enumerate(read.PerFrameFunctionalGroupsSequence)}  # fmt: skip
    shared = read.SharedFunctionalGroupsSequence[0]
    spacing = shared.PixelMeasuresSequence[0].PixelSpacing
    orientation = [float(v) for v in shared.PlaneOrientationSequence[0].ImageOrientationPatient]
    for index, data in enumerate(files):
        geometry = read_dicom(data, "x", "t2").slices[0].geometry
        assert geometry is not None
        plane = SlicePlane.about_centre(geometry.centre_3, geometry.orientation_6, (0.6875, 0.5), SHAPE)
        at = frames[1, uids[index]]
        corner = read.PerFrameFunctionalGroupsSequence[at].PlanePositionSequence[0].ImagePositionPatient
        written = SlicePlane(tuple(map(float, corner)), tuple(orientation[:3]), tuple(orientation[3:]),
                             (float(spacing[0]), float(spacing[1])))  # fmt: skip
        points = np.argwhere(read.pixel_array[at])
        assert np.allclose(written.to_patient(points), plane.to_patient(np.argwhere(masks["sac"][index])), atol=1e-3)


def test_measurements_read_back_with_their_outlines(sources: list[SourceImage]) -> None:
    report = hd.sr.srread(io.BytesIO(_bytes(measurement_report(measured(sources), BY))))
    groups = report.content.get_image_measurement_groups()
    assert len(groups) == 6
    for index, item in enumerate(measured(sources)):
        area, diameter = groups[2 * index], groups[2 * index + 1]
        assert float(area.get_measurements()[0].value) == pytest.approx(item.area_mm2, abs=0.05)
        assert float(diameter.get_measurements()[0].value) == pytest.approx(6.9)
        (region,) = area.get_measurements()[0].referenced_coordinates
        polygon = region.value
        assert np.array_equal(polygon[0], polygon[-1])
        x, y = polygon[:-1].T
        enclosed = 0.5 * abs(x @ np.roll(y, 1) - y @ np.roll(x, 1)) * 0.6875 * 0.5
        assert enclosed == pytest.approx(item.area_mm2, rel=0.08)
        centre = np.argwhere(item.mask).mean(axis=0) + 0.5  # a pixel's centre is at 0.5
        assert polygon[:-1].mean(axis=0) == pytest.approx(centre[::-1], abs=0.3)
        sites = [site.value.value for site in area.finding_sites]
        assert sites == ["243923001" if item.level else "122496007"]
        grades = [e.value.value for e in area.get_qualitative_evaluations()]
        assert grades == ([f"lss-{item.grade}"] if item.grade else [])


def _bytes(made: Dataset) -> bytes:
    stream = io.BytesIO()
    made.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def test_every_object_refers_to_its_source_and_says_what_it_is(sources: list[SourceImage]) -> None:
    uids = {str(source.data.SOPInstanceUID) for source in sources}
    series, instances = set(), set()
    for made in map(as_read, all_objects(sources).values()):
        text = str(made)
        assert any(uid in text for uid in uids)
        assert made.StudyInstanceUID == "1.2.3.1" and made.PatientID == "RAW-PATIENT-7"
        assert "Research software" in made.SeriesDescription or "research" in made.SeriesDescription
        assert made.ManufacturerModelName == "lss" and made.SoftwareVersions
        series.add(made.SeriesInstanceUID)
        instances.add(made.SOPInstanceUID)
    assert len(series) == len(instances) == 4 and not instances & uids


def test_objects_are_marked_as_unverified_and_name_the_algorithm(sources: list[SourceImage]) -> None:
    report = as_read(measurement_report(measured(sources), BY))
    assert (report.PreliminaryFlag, report.CompletionFlag, report.VerificationFlag) == (
        "PRELIMINARY", "PARTIAL", "UNVERIFIED")  # fmt: skip
    seg = as_read(segmentation(sources, {"sac": discs(7)}, 1, BY))
    algorithm = seg.SegmentSequence[0].SegmentationAlgorithmIdentificationSequence[0]
    assert algorithm.AlgorithmName == "lss lumbar stenosis" and "tiny" in algorithm.AlgorithmParameters


def test_the_same_study_gives_the_same_bytes_and_another_model_other_identifiers(sources: list[SourceImage]) -> None:
    once, again = ({name: _bytes(made) for name, made in all_objects(sources).items()} for _ in range(2))
    assert once == again
    other = Provenance(BY.study, "published", BY.seed, BY.timestamp)
    assert other.uid("report") != BY.uid("report") != BY.uid("segmentation")


def test_pdf_and_picture_come_out_as_they_went_in(sources: list[SourceImage]) -> None:
    objects = all_objects(sources)
    pdf = as_read(objects["pdf"])
    assert pdf.EncapsulatedDocument[: pdf.EncapsulatedDocumentLength] == b"%PDF-1.4 odd"
    assert (as_read(objects["capture"]).pixel_array == 7).all()


def test_frames_of_an_enhanced_image_are_referred_to_by_number(files: list[bytes]) -> None:
    """The classic images put into one multi-frame image by another library."""
    classic = [pydicom.dcmread(io.BytesIO(data)) for data in files]
    for item in classic:
        item.PatientSex = item.StudyTime = item.StudyID = item.Manufacturer = ""
        item.SeriesDate = item.AcquisitionDate = item.ContentDate = "20160309"
        item.SeriesTime = item.AcquisitionTime = item.ContentTime = "100000"
        item.MRAcquisitionType, item.MagneticFieldStrength, item.PatientPosition = "2D", 1.5, "HFS"
        item.ScanOptions = item.PositionReferenceIndicator = ""
    made = hd.legacy.LegacyConvertedEnhancedMRImage(
        classic, "1.2.3.1.5", 5, "1.2.3.1.5.1", 1, transfer_syntax_uid=pydicom.uid.ExplicitVRLittleEndian
    )
    data = _bytes(made)
    framed = [read_source(data, frame) for frame in (1, 2, 3)]
    places = [source.position()[0].ImagePositionPatient for source in framed]
    order = [next(i for i, c in enumerate(classic) if np.allclose(c.ImagePositionPatient, p)) for p in places]
    masks = [discs(7)[i] for i in order]
    read = hd.seg.segread(io.BytesIO(_bytes(segmentation(framed, {"sac": masks}, 1, BY))))
    pixels = read.get_pixels_by_source_frame("1.2.3.1.5.1", [1, 2, 3])
    assert all(np.array_equal(pixels[i, :, :, 0].astype(bool), masks[i]) for i in range(3))
    report = as_read(measurement_report(
        [Measured(framed[1], masks[1], 10.0, None, None, "L5-S1", None)], BY))  # fmt: skip
    assert "Referenced Frame Number" in str(report)


@pytest.mark.parametrize("wrong", ["orientation", "mask size", "mask type", "count", "kind"])
def test_what_would_lie_elsewhere_is_refused(sources: list[SourceImage], wrong: str) -> None:
    masks: dict[str, list[np.ndarray]] = {"sac": discs(7)}
    used = list(sources)
    if wrong == "orientation":
        used[2] = read_source(source_bytes(2, degrees=31.0))
    elif wrong == "mask size":
        masks["sac"][1] = np.zeros((4, 4), bool)
    elif wrong == "mask type":
        masks["sac"][1] = masks["sac"][1].astype(np.uint8)
    elif wrong == "count":
        masks["sac"].pop()
    else:
        masks = {"knee": discs(7)}
    with pytest.raises(LssError, match=r"orientation|mask"):
        segmentation(used, masks, 1, BY)


def test_no_report_without_a_mask(sources: list[SourceImage]) -> None:
    empty = Measured(sources[0], np.zeros(SHAPE, bool), 0.0, None, None, None, None)
    with pytest.raises(LssError, match="empty"):
        measurement_report([empty], BY)


def test_outline_keeps_to_the_picture() -> None:
    full = np.ones((6, 8), bool)
    points = outline(full)
    assert points.min() >= 0 and points[:, 0].max() <= 8 and points[:, 1].max() <= 6


@pytest.mark.parametrize("kind", ["segmentation", "report", "pdf", "capture"])
def test_validator_finds_no_error(tmp_path: Path, sources: list[SourceImage], kind: str) -> None:
    if not shutil.which("dciodvfy"):
        pytest.skip("NOT CHECKED: the validator dciodvfy (Debian package dicom3tools) is not installed")
    path = tmp_path / f"{kind}.dcm"
    all_objects(sources)[kind].save_as(path, enforce_file_format=True)
    run = subprocess.run(["dciodvfy", "-new", str(path)], capture_output=True, text=True, check=False)
    errors = [line for line in (run.stdout + run.stderr).splitlines() if line.startswith("Error")]
    assert errors == [] and run.returncode == 0


def test_report_reads_in_another_toolkit(tmp_path: Path, sources: list[SourceImage]) -> None:
    if not shutil.which("dsrdump"):
        pytest.skip("NOT CHECKED: dsrdump (Debian package dcmtk) is not installed")
    path = tmp_path / "report.dcm"
    measurement_report(measured(sources), BY).save_as(path, enforce_file_format=True)
    run = subprocess.run(["dsrdump", "+Pl", str(path)], capture_output=True, text=True, check=False)
    assert run.returncode == 0 and not run.stderr.strip()
    assert "inferred from SCOORD:" in run.stdout and "Level of L4/L5 intervertebral disc" in run.stdout

"""NIfTI volumes: orientation, depth and bounds, against nibabel's own array."""

from __future__ import annotations

import gzip
import tracemalloc
from pathlib import Path

import nibabel
import numpy as np
import pytest
from dicom_files import nifti, volume_values

from lss.cohorts.base import UnusableError
from lss.cohorts.folder import FolderDataset
from lss.cohorts.settings import FolderParams
from lss.cohorts.volumes import MAX_VOXELS, read_volume
from lss.imaging.geometry import SlicePlane

PARAMS = FolderParams(
    table=None, patient_column="", note_column=None, grade_column=None, plane_column=None, weighting_column=None
)


@pytest.mark.parametrize("codes", ["RAS", "LPS", "PIR", "SAL"])
def test_volumes_of_any_storage_order_look_the_same(codes: str) -> None:
    """A bright voxel at the patient's right, front: it must be shown top left, on the slice of its height."""
    values = np.zeros((6, 5, 4), np.int16)
    values[...] = np.random.default_rng(0).integers(1, 50, values.shape)
    values[5, 4, 2] = 900  # right-most, front-most
    volume = read_volume(nifti(values, codes, (1.0, 1.0, 1.2)))
    third = volume.slices[2]
    assert (volume.plane, volume.bits, len(volume.slices), volume.blank) == ("axial", 10, 4, 0)
    assert third.pixels.shape == (5, 6) and third.pixels[0, 0] == 900 and third.row_spacing_mm == 1.0
    # its centre in DICOM's axes (left, back, head), by hand: voxel (2.5, 2, 2) of 1 x 1 x 1.2 mm
    assert third.centre_3 == pytest.approx([-2.5, -2.0, 2.4]) and volume.normal_3 == pytest.approx([0, 0, 1])


@pytest.mark.parametrize("spacing", [(1.0, 1.1, 1.2), (4.0, 0.8, 0.7)])
def test_pixels_lie_where_nibabel_puts_their_voxels(spacing: tuple[float, float, float]) -> None:
    """An oblique volume, cut in axial or in sagittal slices; each voxel has its own value, by which it is found."""
    values = np.arange(1, 6 * 7 * 8 + 1, dtype=np.int16).reshape(6, 7, 8)
    turn, tilt = np.radians([9.0, -14.0])
    about_z = np.array([[np.cos(turn), -np.sin(turn), 0], [np.sin(turn), np.cos(turn), 0], [0, 0, 1]])
    about_x = np.array([[1, 0, 0], [0, np.cos(tilt), -np.sin(tilt)], [0, np.sin(tilt), np.cos(tilt)]])
    affine = nibabel.affines.from_matvec(about_z @ about_x @ np.diag(spacing), [-20.0, 11.0, -300.0])
    volume = read_volume(nibabel.Nifti1Image(values, affine).to_bytes())
    for item in volume.slices:
        step = (item.row_spacing_mm, item.column_spacing_mm)
        plane = SlicePlane.about_centre(item.centre_3, volume.orientation_6, step, item.pixels.shape)
        for row, column in ((0, 0), (2, 5), (item.pixels.shape[0] - 1, 1)):
            voxel = np.argwhere(values == item.pixels[row, column])[0]
            expected = nibabel.affines.apply_affine(affine, voxel) * [-1, -1, 1]
            np.testing.assert_allclose(plane.to_patient([[row, column]])[0], expected, atol=1e-3)


def test_thick_sagittal_volumes_stay_sagittal() -> None:
    values = np.random.default_rng(0).integers(0, 99, (3, 8, 9)).astype(np.int16)
    values[1, 7, 8] = 500  # front-most, highest voxel of the middle slice
    volume = read_volume(nifti(values, "RAS", (4.0, 0.8, 0.7)))
    slices = volume.slices
    assert volume.plane == "sagittal" and len(slices) == 3 and "thickest" in volume.plane_reason
    assert volume.normal_3 == pytest.approx([1, 0, 0])  # to the left, as of DICOM slices
    assert slices[1].pixels.shape == (9, 8) and slices[1].pixels[0, 0] == 500
    assert slices[1].row_spacing_mm == pytest.approx(0.7) and slices[1].column_spacing_mm == pytest.approx(0.8)


def test_floating_point_volumes_are_scaled_to_twelve_bits() -> None:
    values = np.linspace(-0.5, 0.5, 64).reshape(4, 4, 4)
    volume = read_volume(nifti(values, "RAS", (1, 1, 1)))
    slices = volume.slices
    assert (
        volume.bits == 12 and min(s.pixels.min() for s in slices) == 0 and max(s.pixels.max() for s in slices) == 4095
    )


@pytest.mark.parametrize("dtype", ["<i2", ">i2", "u1", "<f4", ">f4"])
def test_stored_types_and_slopes_are_read_as_nibabel_reads_them(dtype: str) -> None:
    image = nibabel.Nifti1Image(volume_values().astype(dtype), np.diag([1.0, 1.0, 1.0, 1.0]))
    image.header.set_data_dtype(np.dtype(dtype))
    data = bytearray(image.to_bytes())
    header = nibabel.Nifti1Header(bytes(data[:348]))
    header["scl_slope"], header["scl_inter"] = 2.0, -6.0
    data[:348] = header.binaryblock
    expected = nibabel.Nifti1Image.from_bytes(bytes(data)).get_fdata()
    volume = read_volume(bytes(data))
    for item in volume.slices:
        values = np.flip(expected[:, :, item.index - 1].T)
        assert np.array_equal(item.pixels, values - min(expected.min(), 0))


@pytest.mark.parametrize("values", [(0.0, 0.7), (0.0, 1.5, 2.5)])
def test_a_mask_of_floating_point_values_is_no_image(values: tuple[float, ...]) -> None:
    """Programs of segmentation store labels scaled, or of a threshold's probability."""
    numbers = np.random.default_rng(1).integers(0, len(values), (6, 5, 4))
    with pytest.raises(UnusableError, match="label mask: at most 32 distinct values"):
        read_volume(nifti(np.array(values, np.float32)[numbers], "RAS", (1, 1, 4)))


def test_blank_slices_are_counted(tmp_path: Path) -> None:
    values = volume_values()
    values[:, :, 1:3] = 7
    (tmp_path / "p.nii.gz").write_bytes(gzip.compress(nifti(values, "LPS", (1.0, 1.0, 1.0))))
    record = FolderDataset(tmp_path, PARAMS).read_patient("p")
    assert [item.instance for item in record.slices] == [1, 4, 5]
    assert [(r.reason, r.detail) for r in record.rejects] == [("blank slice", "2 of 5 slices of one grey level")]


def test_what_a_header_announces_is_believed_before_it_is_unpacked() -> None:
    """A few kilobytes that would unpack to gigabytes."""
    header = nibabel.Nifti1Header()
    header.set_data_dtype(np.uint8)
    header.set_data_shape((1024, 1024, 1024))
    header["magic"], header["vox_offset"] = b"n+1", 352
    packed = gzip.compress(header.binaryblock + bytes(4 + 50 * 2**20))
    tracemalloc.start()
    with pytest.raises(UnusableError, match=f"image too large: 1024 x 1024 x 1024 voxels, at most {MAX_VOXELS}"):
        read_volume(packed)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


def test_memory_is_the_file_and_the_slices() -> None:
    """Stored as 16 bits with a slope: as floating-point numbers it would take four times the file alone."""
    values = np.random.default_rng(0).integers(0, 999, (128, 128, 64)).astype(np.int16)
    image = nibabel.Nifti1Image(values, np.diag([1.0, 1.0, 1.0, 1.0]))
    data = bytearray(image.to_bytes())
    header = nibabel.Nifti1Header(bytes(data[:348]))
    header["scl_slope"], header["scl_inter"] = 2.0, 1.0
    data[:348] = header.binaryblock
    packed = gzip.compress(bytes(data), 1)
    tracemalloc.start()
    assert len(read_volume(packed).slices) == 64
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3.5 * values.nbytes


def test_slices_of_volumes_have_a_place_by_which_levels_are_sought(tmp_path: Path) -> None:
    for name, thickness, reason in (("a", 12.0, "planned for no disc"), ("b", 4.0, "only one disc")):
        (tmp_path / f"{name}.nii").write_bytes(nifti(volume_values(), "RAS", (1.0, 1.0, thickness)))
        slices = FolderDataset(tmp_path, PARAMS).read_patient(name).slices
        assert [item.position_mm for item in slices] == pytest.approx([thickness * k for k in range(5)])
        assert all(item.level is None and reason in item.level_reason for item in slices)


@pytest.mark.parametrize("content", [b"", b"\x1f\x8bno gzip", b"x" * 400])
def test_broken_volumes_are_rejected(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.nii.gz").write_bytes(content)
    record = FolderDataset(tmp_path, PARAMS).read_patient("v")
    assert [r.reason for r in record.rejects] == ["broken NIfTI"]


def test_a_real_volume(shared: Path, tmp_path: Path) -> None:
    """38 x 257 x 201 voxels of 1 mm: 201 axial slices, 257 rows, 38 columns; checked against nibabel's own array."""
    source = shared / "data" / "sct-t2-lumbar" / "t2_lumbar.nii.gz"
    (tmp_path / "t2_lumbar.nii.gz").symlink_to(source)
    slices = FolderDataset(tmp_path, PARAMS).read_patient("t2_lumbar").slices
    array = nibabel.load(source).get_fdata()  # stored right-front-head
    assert {s.pixels.shape for s in slices} == {(257, 38)} and {s.plane for s in slices} == {"axial"}
    assert {s.weighting for s in slices} == {"T2"}
    shift = min(array.min(), 0)
    for item in slices[::40]:
        assert np.array_equal(item.pixels, np.flip(array[:, :, item.instance - 1].T) - shift)


def test_a_nifti_2_file_is_read_as_nifti_1_is() -> None:
    values = volume_values()
    affine = np.diag([2.0, 2.5, 5.0, 1.0])
    first, second = (kind(values, affine).to_bytes() for kind in (nibabel.Nifti1Image, nibabel.Nifti2Image))
    one, two = read_volume(first), read_volume(second)
    assert all(np.array_equal(a.pixels, b.pixels) for a, b in zip(one.slices, two.slices, strict=True))
    assert len(two.slices) > 1 and two.plane == one.plane == "axial"


def test_an_affine_that_nobody_set_is_doubtful() -> None:
    values = np.random.default_rng(1).integers(0, 900, (24, 20, 9)).astype(np.int16)
    unset, placed = np.eye(4), np.diag([1.0, 1.0, 1.0, 1.0]) + np.eye(4, k=3) * 30
    reasons = [read_volume(nibabel.Nifti1Image(values, affine).to_bytes()).plane_reason for affine in (unset, placed)]
    assert ["doubtful" in reason for reason in reasons] == [True, False]


def test_sides_far_too_small_are_called_so(capfd) -> None:  # type: ignore[no-untyped-def]
    """They are positive, in metres."""
    data = nibabel.Nifti1Image(volume_values(), np.diag([0.0025, 0.0025, 0.0044, 1.0])).to_bytes()
    with pytest.raises(UnusableError, match="spacing out of range"):
        read_volume(data)
    with pytest.raises(UnusableError, match="broken NIfTI"):
        read_volume(b"<html>404</html>" + bytes(400))
    assert capfd.readouterr().err == ""  # nibabel's own words on a header stay out of logs

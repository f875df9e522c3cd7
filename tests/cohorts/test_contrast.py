"""Plane and weighting against constructed geometry and the archive's own series names."""

from __future__ import annotations

import numpy as np
import pytest
from dicom_files import AXIAL, CORONAL, SAGITTAL, tilted_axial
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from lss.cohorts.contrast import (
    NO_ANATOMY,
    OBLIQUE_DEGREES,
    is_gradient_echo,
    kind_from_header,
    plane_from_orientation,
    weighting,
    weighting_from_times,
)
from lss.cohorts.series_names import plane_from_name, weighting_from_name


@pytest.mark.parametrize(("orientation", "plane"), [(AXIAL, "axial"), (SAGITTAL, "sagittal"), (CORONAL, "coronal")])
def test_pure_planes(orientation: list[float], plane: str) -> None:
    assert plane_from_orientation(orientation)[0] == plane


@given(st.sampled_from([AXIAL, SAGITTAL, CORONAL]), st.floats(0, 44), st.integers(0, 2**31))
def test_a_tilt_within_the_tolerance_keeps_the_plane(start: list[float], degrees: float, seed: int) -> None:
    """A rotation by less than the tolerance, about any axis, moves the normal by no more than that."""
    axis = np.random.default_rng(seed).standard_normal(3)
    turn = Rotation.from_rotvec(np.radians(degrees) * axis / np.linalg.norm(axis))
    turned = turn.apply(np.reshape(start, (2, 3))).ravel()
    assert plane_from_orientation(list(turned))[0] == plane_from_orientation(start)[0]


def test_the_diagonal_plane_is_oblique() -> None:
    normal = np.ones(3) / np.sqrt(3)  # 54.7 degrees from every axis
    row = np.array([1, -1, 0]) / np.sqrt(2)
    plane, reason, _ = plane_from_orientation([*row, *np.cross(normal, row)])
    assert plane == "oblique" and "55 degrees" in reason and OBLIQUE_DEGREES < 54


def test_the_normal_points_to_the_head_whatever_the_winding() -> None:
    for orientation in (tilted_axial(20), [*tilted_axial(20)[3:], *tilted_axial(20)[:3]]):
        normal = plane_from_orientation(orientation)[2]
        assert normal is not None and normal[2] == pytest.approx(np.cos(np.radians(20)))


@given(st.lists(st.floats(allow_nan=True, allow_infinity=True), max_size=7))
def test_any_numbers_give_an_answer(values: list[float]) -> None:
    assert plane_from_orientation(values)[0] in ("axial", "sagittal", "coronal", "oblique", "unknown")


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("T2_TSE_TRA_384_0004", "T2"),
        ("T1_TSE_SAG_320_0003", "T1"),
        ("t1_tse_tra", "T1"),
        ("LOCALIZER_0001", "localizer"),
        ("Axial T2", "T2"),
        ("Sagittal T2/STIR", "T2"),
        ("Sagittal T1", "T1"),
        ("3-plane loc", "localizer"),
        ("axial_t2", "T2"),
        ("AX T2W FSE", "T2"),
        ("PD_TSE", "unknown"),
        ("t12_level", "unknown"),
        ("T1_T2_fusion", "derived"),
        ("", "unknown"),
    ],
)
def test_weighting_of_names(name: str, kind: str) -> None:
    assert weighting_from_name(name)[0] == kind


@given(st.text(max_size=40))
def test_any_name_gives_an_answer(name: str) -> None:
    assert weighting_from_name(name)[0] in ("T1", "T2", "unknown", *NO_ANATOMY)
    assert plane_from_name(name)[0] in ("axial", "sagittal", "coronal", "unknown")


def test_times() -> None:
    assert weighting_from_times(100, 4000)[0] == "T2"
    assert weighting_from_times(12, 550)[0] == "T1"
    assert weighting_from_times(30, 3000)[0] == "unknown"  # proton density
    assert weighting_from_times(None, 500)[0] == "unknown"


def test_times_win_over_a_contradicting_name_and_say_so() -> None:
    kind, reason = weighting(["T1_TSE_TRA"], 100, 4000)
    assert kind == "T2" and reason.startswith("doubtful") and "TE 100 ms" in reason


def test_a_localizer_is_no_t1() -> None:
    assert weighting(["LOCALIZER_0001"], 4, 20)[0] == "localizer"


@pytest.mark.parametrize(
    ("name", "kind", "plane"),
    [
        ("AXT2", "T2", "axial"), ("SagT2", "T2", "sagittal"), ("T2Ax", "T2", "axial"), ("CORT2", "T2", "coronal"),
        ("sT2W_TSE_AX", "T2", "axial"), ("OSag T2 frFSE", "T2", "sagittal"), ("T2 PARAXIAL", "T2", "axial"),
        ("T2 axiales", "T2", "axial"), ("T2 assiale", "T2", "axial"), ("t2 transv", "T2", "axial"),
        ("T2 sagitales", "T2", "sagittal"), ("t2 kor", "T2", "coronal"), ("T2 koronar", "T2", "coronal"),
        ("T2 poprzeczna", "T2", "axial"), ("T2 strzałkowa", "T2", "sagittal"), ("Т2 акс", "T2", "axial"),
        ("T2 аксиальная", "T2", "axial"), ("压脂T2 轴位", "T2", "axial"), ("T1 矢状位", "T1", "sagittal"),
        ("Localizzatore", "localizer", "unknown"), ("Plan Scan", "localizer", "unknown"),
        ("PosDisp: [5] t2_tse_tra", "derived", "axial"), ("MobiView T2", "derived", "unknown"),
        ("RFMT_T2", "derived", "unknown"), ("T2*_tra", "other", "axial"), ("MERGE Ax", "other", "axial"),
        ("dDWI", "other", "unknown"), ("LOCATION t2", "T2", "unknown"), ("tracheal t2", "T2", "unknown"),
        ("T2 corpus", "T2", "unknown"), ("first22", "unknown", "unknown"),
        ("Repérage 3 plans", "localizer", "unknown"), ("Übersicht", "localizer", "unknown"),
        ("Lokalisatie", "localizer", "unknown"), ("定位像", "localizer", "unknown"),
        ("位置決め", "localizer", "unknown"),
        ("Топограмма", "localizer", "unknown"), ("lokalizasyon", "localizer", "unknown"),
        ("Mielografía", "other", "unknown"), ("MR-Myelo", "other", "unknown"),
        ("ASSET calibration", "other", "unknown"),
        ("T2 축상", "T2", "axial"), ("T2 محوري", "T2", "axial"), ("T2 سهمي", "T2", "sagittal"),
        ("T2 αξονική", "T2", "axial"), ("T2 אקסיאלי", "T2", "axial"), ("T2 příčná", "T2", "axial"),
        ("T2 tvers", "T2", "axial"), ("AKSİYEL T2", "T2", "axial"), ("SagSTIR", "unknown", "sagittal"),
        ("PD/T2 tra", "unknown", "axial"), ("DP T2 AX", "unknown", "axial"), ("AxPD", "unknown", "axial"),
        ("t2_tse_dixon_tra_F", "derived", "axial"), ("t2_tse_dixon_tra_opp", "derived", "axial"),
        ("t2_tse_dixon_tra_W", "T2", "axial"), ("FAT: Ax T2 IDEAL", "derived", "axial"),
        ("WATER: Ax T2 IDEAL", "T2", "axial"), ("OutPhase: Ax T2 FLEX", "derived", "axial"),
        ("T2 mDIXON ax FAT", "derived", "axial"), ("T2 mDIXON fat sat ax", "T2", "axial"),
        ("T2_FFE_tra", "other", "axial"), ("T2 ciss tra", "other", "axial"), ("t2_me2d_tra", "other", "axial"),
        ("t1_fl2d_tra", "T1", "axial"), ("T1 FFE", "T1", "unknown"), ("t2map", "derived", "unknown"),
        ("T2 FLAIR", "other", "unknown"), ("T1 FLAIR sag", "T1", "sagittal"),
        ("Pilote", "localizer", "unknown"), ("AASpine_Scout", "localizer", "unknown"),
        ("SpineScout T2", "localizer", "unknown"), ("Uebersicht T2", "localizer", "unknown"),
        ("Разметка T2", "localizer", "unknown"), ("coilsurvey", "localizer", "unknown"),
        ("T2 reconstruction axiale", "derived", "axial"), ("Reconstrução T2", "derived", "unknown"),
        ("T2 Rekonstruktion tra", "derived", "axial"), ("T2 SPACE recon ax", "derived", "axial"),
        ("AX T2 AIR Recon DL", "T2", "axial"), ("T2 reformatting", "derived", "unknown"),
        ("Soustraction T1", "derived", "unknown"), ("Subtração T1", "derived", "unknown"),
        ("T1 post minus pre", "derived", "unknown"), ("T2 Dixon fat sag", "derived", "sagittal"),
        ("T2 Dixon fat sat sag", "T2", "sagittal"), ("OPP: AX T2 FLEX", "derived", "axial"),
        ("t2_tse_tra_Pha", "derived", "axial"), ("T2 tra phase RL", "T2", "axial"), ("T2 in phase ax", "T2", "axial"),
        ("Key images T2", "derived", "unknown"), ("Processed T2", "derived", "unknown"),
        ("T2 post fusion L4-5", "T2", "unknown"), ("T2 fusion L4-L5 tra", "T2", "axial"),
        ("T2 spinal fusion", "T2", "unknown"), ("Fusion T2", "derived", "unknown"), ("Fused_T2", "derived", "unknown"),
        ("T2 ADC fusion", "derived", "unknown"), ("(T1 post)-(T1 pre)", "derived", "unknown"),
        ("T1 post - pre", "derived", "unknown"), ("T1 KM - T1 nativ", "derived", "unknown"),
        ("(602/3)-(502/3) T1", "derived", "unknown"), ("POST CONTRAST - T1 AX", "T1", "axial"),
        ("T1 post-contrast", "T1", "unknown"), ("T2 post-op", "T2", "unknown"), ("T2 (lumbar) - (tra)", "T2", "axial"),
        ("T2 traza b800", "other", "unknown"), ("Traccia T2", "other", "unknown"), ("tracheal t2", "T2", "unknown"),
        ("T2 average", "derived", "unknown"), ("T2_AVG", "derived", "unknown"), ("Mean T2", "derived", "unknown"),
        ("T2 2 averages", "T2", "unknown"), ("T2 average 4", "T2", "unknown"), ("T2 3avg", "T2", "unknown"),
        ("meander t2", "T2", "unknown"),
        ("Synthetic T2", "derived", "unknown"), ("SyMRI T2W", "derived", "unknown"),
        ("T2 overlay", "derived", "unknown"), ("Annotated T2 tra", "derived", "axial"),
        ("Report T2", "derived", "unknown"), ("T2 resampled", "derived", "unknown"),
        ("T1 difference", "derived", "unknown"), ("Differenz T1", "derived", "unknown"),
        ("T2 merged", "derived", "unknown"), ("MERGE T2", "other", "unknown"), ("T2 relaxometry", "derived", "unknown"),
        ("CALC_BVAL T2", "other", "unknown"), ("MR Urography T2", "other", "unknown"),
        ("T2 seg", "T2", "unknown"), ("synthes t2", "T2", "unknown"),
        ("ST1", "unknown", "unknown"), ("ST2_SE3", "unknown", "unknown"),
        ("st2 se1", "unknown", "unknown"), ("sT2_TSE", "T2", "unknown"), ("ST2W", "T2", "unknown"),
        ("Difusão T2", "other", "unknown"),
        ("Difüzyon T2", "other", "unknown"), ("диффузия T2", "other", "unknown"), ("T2 弥散", "other", "unknown"),
        ("RESOLVE tra", "other", "axial"), ("t2_tse_tra Deep Resolve", "T2", "axial"), ("T2 SSh", "other", "unknown"),
        ("miyelografi T2", "other", "unknown"), ("МР-миелография T2", "other", "unknown"),
        ("水成像 T2", "other", "unknown"), ("Perfusion T2", "other", "unknown"),
        ("Eco de gradiente T2 AX", "other", "axial"), ("T2 EG ax", "other", "axial"), ("t2_de3d_tra", "other", "axial"),
    ],
)  # fmt: skip
def test_names_of_other_vendors_and_languages(name: str, kind: str, plane: str) -> None:
    assert (weighting_from_name(name)[0], plane_from_name(name)[0]) == (kind, plane)


def test_the_first_echo_of_a_double_echo_is_no_t2() -> None:
    """Both echoes carry one name; of STIR and T1 FLAIR short echoes at long repetition times are as they should be."""
    assert weighting(["PD/T2 tra"], 100, 4000)[0] == "T2" and weighting(["PD/T2 tra"], 20, 4000)[0] == "unknown"
    kind, reason = weighting(["t2_tse_tra_DE"], 22, 3800)
    assert kind == "unknown" and "TE 22 ms" in reason and "proton density" in reason
    assert weighting(["t2_stir_tra"], 40, 4000)[0] == weighting(["t2"], 40, 4000, frozenset({"SE", "IR"}))[0] == "T2"
    assert weighting(["T1 FLAIR"], 12, 2100)[0] == "T1"


def test_a_gradient_echo_is_no_t2() -> None:
    assert weighting(["T2 tra"], 20, 900, gradient=True)[0] == "other" and weighting(["t2"], 100, 4000)[0] == "T2"
    assert weighting(["t1_tra"], 4, 200, gradient=True)[0] == "T1"
    assert weighting(["tra"], 14, 650, gradient=True)[0] == "other"  # a T2* of a spin echo's T1 times
    none: frozenset[str] = frozenset()
    for header in ((frozenset({"GR"}), none, ""), (none, frozenset({"M_FFE", "FFE"}), ""), (none, none, "*me2d1")):
        assert is_gradient_echo(*header)
    for header in ((frozenset({"GR", "SE"}), none, ""), (frozenset({"SE"}), frozenset({"M_SE"}), "*tse2d1_15")):
        assert not is_gradient_echo(*header)


@pytest.mark.parametrize(
    ("image_type", "kind"),
    [
        ("ORIGINAL/PRIMARY/DIXON/FAT", "derived"), ("ORIGINAL/PRIMARY/F/F/DERIVED", "derived"),
        ("DERIVED/PRIMARY/DIXON/WATER", None), ("ORIGINAL/PRIMARY/W/W/DERIVED", None),
        ("DERIVED/PRIMARY/DIXON/IN_PHASE", None), ("ORIGINAL/PRIMARY/M/OPP_PHASE", "derived"),
        ("ORIGINAL/PRIMARY/P/ND", "derived"), ("ORIGINAL/PRIMARY/T2 MAP", "derived"),
        ("ORIGINAL/PRIMARY/M_SE/M/SE", None), ("DERIVED/SECONDARY/DIXON/WATER", "derived"),
        ("ORIGINAL/PRIMARY/ADC_UNSPECIFIED", "derived"), ("ORIGINAL/PRIMARY/VOLUME/MAXIMUM", "derived"),
        ("ORIGINAL/PRIMARY/FMRI", "other"),
    ],
)  # fmt: skip
def test_images_of_a_dixon_scan_and_maps_by_header(image_type: str, kind: str | None) -> None:
    """Fat and opposed-phase images show fluid dark; water and in-phase images are a T2 as good as another."""
    result = kind_from_header(frozenset(image_type.split("/")))
    assert (result[0] if result else None) == kind

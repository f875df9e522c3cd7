"""What would let a network see its test cases is planted, each way in turn: the gate of the stage split finds it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from altered_copies import CHANGES
from dicom_files import smooth_pixels
from PIL import Image
from test_split import cohort, run, slice_row

from lss.cohorts.leakage import MIN_NOTE, note_hash
from lss.cohorts.privacy import Pseudonyms
from lss.errors import LssError
from lss.project.params import load_params

BITS = load_params(Path(__file__).resolve().parents[2] / "params.yaml").split.duplicate_bits
TILTED = [1.0, 0.0, 0.0, 0.0, float(np.cos(0.3)), float(np.sin(0.3))]
NOTE = "L4-L5: diffuse disc bulge compressing the thecal sac, more to the left side. " * 4


def planted(folder: Path, change: Callable[[list[dict[str, Any]]], None]) -> list[dict[str, Any]]:
    """Twelve patients, P0 trains and P11 tests; `change` plants something in their rows."""
    rows = cohort(["A", "BC", "D"] * 4)
    change(rows)
    part = {0: "train", 11: "test", 10: "val"}
    lines = "".join(f"P{number},{part.get(number, 'train')}\n" for number in range(12))
    (folder / "mine.csv").write_text(f"patient_key,subset\n{lines}")
    return run(folder, rows, file=folder / "mine.csv", duplicate_bits=BITS)


def with_pixels(row: dict[str, Any], image: np.ndarray) -> None:
    pixels = np.rint(np.clip(image, 0, 65535)).astype("<u2")
    row |= {"pixels": pixels.tobytes(), "rows": pixels.shape[0], "columns": pixels.shape[1]}


def of(rows: list[dict[str, Any]], patient: str) -> list[dict[str, Any]]:
    return [row for row in rows if row["patient_key"] == patient]


def test_nothing_planted_nothing_found(tmp_path: Path) -> None:
    assert {row["subset"] for row in planted(tmp_path, lambda rows: None)} == {"train", "val", "test"}


def test_a_patient_in_two_parts(tmp_path: Path) -> None:
    with pytest.raises(LssError, match=r"mine\.csv: row 4: patient P0 stands in train and in test"):
        (tmp_path / "mine.csv").write_text("patient_key,subset\nP0,train\nP1,val\nP0,test\n")
        run(tmp_path, cohort(["A"] * 3), file=tmp_path / "mine.csv")


@pytest.mark.parametrize("name", CHANGES)
def test_an_altered_copy_under_another_id(name: str, shared: Path, tmp_path: Path) -> None:
    """A real slice in training, and an altered copy of it, of 12 bits, in the test part."""
    picture = sorted((shared / "data/mendeley-lss-png/axial_t2").glob("*.png"))[7]
    image = np.asarray(Image.open(picture).convert("L"), np.float32) * 16

    def plant(rows: list[dict[str, Any]]) -> None:
        with_pixels(of(rows, "P0")[0], image)
        altered = CHANGES[name](image.copy()).astype(np.float32)
        with_pixels(of(rows, "P11")[1], altered if altered.max() > 255 else altered * 4000 / altered.max())

    with pytest.raises(
        LssError, match=r"1 pair\(s\) of near-identical images in train and test, such as SL0-0 of patient"
    ):
        planted(tmp_path, plant)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"study_key": "ST-one"}, "study ST-one is in train"),  # one StudyInstanceUID
        ({"person_key": "PE-one"}, "a person, by the headers' PatientID or the note: P0 is in train"),
        ({"note": NOTE}, "a person, by the headers' PatientID or the note: P0 is in train"),  # a test case's report
    ],
)
def test_one_study_one_person_or_one_report(columns: dict[str, str], message: str, tmp_path: Path) -> None:
    def plant(rows: list[dict[str, Any]]) -> None:
        for row in of(rows, "P0") + of(rows, "P11"):
            row |= columns

    with pytest.raises(LssError, match=message):
        planted(tmp_path, plant)


def test_a_report_that_two_have_is_drawn_into_one_part(tmp_path: Path) -> None:
    rows = cohort(["A", "BC"] * 10)
    for row in of(rows, "P3") + of(rows, "P8"):
        row["note"] = NOTE
    subsets = {row["patient_key"]: row["subset"] for row in run(tmp_path, rows, seed=5)}
    assert subsets["P3"] == subsets["P8"]
    assert note_hash("Normal study. " * 9) is None and len(NOTE) > MIN_NOTE  # what many write is nobody's


def test_neighbouring_slices_of_one_block_under_two_ids(tmp_path: Path) -> None:
    """Ids and UIDs were made anew; the place in the scanner, to a hundredth of a millimetre, was not."""
    normal = np.cross(TILTED[:3], TILTED[3:])
    field = np.stack([smooth_pixels(seed) for seed in (77_001, 77_002)]).astype(float)

    def plant(rows: list[dict[str, Any]], alike: bool = True) -> None:
        for index, row in enumerate((of(rows, "P0")[0], of(rows, "P11")[0])):
            mixed = 0.67 * field[0] + 0.33 * field[1] if index and alike else field[index]
            with_pixels(row, mixed)
            place = np.array([-101.37, -88.12, -40.0]) + normal * 4.4 * index
            row |= {"origin_mm": place.tolist(), "orientation": TILTED, "row_spacing_mm": 0.6}

    with pytest.raises(LssError, match=r"slice SL11-0 of patient P11 in test and slice SL0-0 .* lie in one series"):
        planted(tmp_path, plant)
    planted(tmp_path, lambda rows: plant(rows, alike=False))  # one protocol, two patients


def test_a_patient_id_that_differs_in_its_letters_alone(tmp_path: Path) -> None:
    names = Pseudonyms(b"0" * 16)

    def plant(rows: list[dict[str, Any]]) -> None:
        for patient, raw in (("P0", "PID-007x"), ("P11", "pid 007X")):
            for row in of(rows, patient):
                row["person_key"] = names.person(raw)

    with pytest.raises(LssError, match="a person, by the headers' PatientID or the note: P0 is in train"):
        planted(tmp_path, plant)


def test_an_id_in_other_letters_is_the_same_person() -> None:
    names = Pseudonyms(b"0" * 16)
    assert len({names.person(raw) for raw in ("PID-007x", "pid-007X", " Pid 007x", "PID_007X ")}) == 1
    assert names.person("0042") == names.person("42") != names.person("4-2")
    assert names.person("Anonymous") is names.person("N/A") is None


def test_no_innocent_pair_is_refused(shared: Path, tmp_path: Path) -> None:
    """Sixty real patients, one slice each: none of 1,770 pairs, of which those between the parts are compared."""
    rows = []
    for number, file in enumerate(sorted((shared / "data/spider-midsagittal").glob("*_t2.png"))):
        row = slice_row(number, 0, ("A", "BC", "D")[number % 3])
        with_pixels(row, np.asarray(Image.open(file).convert("L"), np.float32) * 16)
        rows.append(row)
    assert len(rows) == 60
    for seed in range(3):
        assert {row["subset"] for row in run(tmp_path, rows, seed=seed, duplicate_bits=BITS)} == {
            "train",
            "val",
            "test",
        }

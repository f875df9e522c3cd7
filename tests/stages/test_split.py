"""Who trains and who tests: shares, strata, repeatability, and the refusal of leakage."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
from dicom_files import smooth_pixels
from hypothesis import given, settings
from hypothesis import strategies as st

from lss.cohorts.leakage import persons
from lss.cohorts.partition import assign_stratified, deal_folds, subset_in_fold
from lss.cohorts.settings import FractionParams, SplitParams
from lss.errors import LssError
from lss.project.params import load_params
from lss.stages import split
from lss.stages._slices import read_split
from lss.storage.io import write_parquet
from lss.storage.schemas import REJECTS, SLICES, SPLIT

SETTINGS = load_params(Path(__file__).resolve().parents[2] / "params.yaml").split
SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}


def params(**changes: Any) -> SplitParams:
    fixed = {
        "plane": "axial", "weighting": ["T2"], "fractions": FractionParams(**SHARES), "file": None, "folds": None,
        "fold": 0, "min_usable_share": 0.5, "duplicate_bits": 2,
    }  # fmt: skip
    return SETTINGS.model_copy(update=fixed | changes)


def slice_row(patient: int, index: int, grade: str | None, seed: int | None = None, **changes: Any) -> dict[str, Any]:
    pixels = smooth_pixels(1000 * patient + index if seed is None else seed)
    row = dict.fromkeys(SLICES.names) | {
        "slice_key": f"SL{patient}-{index}", "patient_key": f"P{patient}", "study_key": f"ST{patient}",
        "plane": "axial", "weighting": "T2", "level": "L4-L5", "grade": grade, "grade_reason": "because",
        "note_grade": grade, "rows": pixels.shape[0], "columns": pixels.shape[1], "pixels": pixels.tobytes(),
    }  # fmt: skip
    return row | changes


def cohort(grades: list[str]) -> list[dict[str, Any]]:
    """Three slices a patient: two of grade A and one of the patient's grade."""
    return [
        slice_row(patient, index, grade if index == 1 else "A")
        for patient, grade in enumerate(grades)
        for index in range(3)
    ]


def run(
    folder: Path, rows: list[dict[str, Any]], rejects: list[str] | None = None, seed: int = 1, **changes: Any
) -> list[dict[str, Any]]:
    """Rows in two batches through the stage; the table it writes."""
    paths = []
    for batch, part in (("00", rows[: len(rows) // 2]), ("01", rows[len(rows) // 2 :])):
        write_parquet(folder / f"slices/batch-{batch}.parquet", part, SLICES, row_group_size=4)
        paths.append(folder / f"slices/batch-{batch}.parquet")
    reject_rows = [
        dict.fromkeys(REJECTS.names, "x") | {"reason": reason, "file_key": f"F{number}"}
        for number, reason in enumerate(rejects or [])
    ]
    write_parquet(folder / "rejects/batch-00.parquet", reject_rows, REJECTS)
    split.run(
        params(**changes), seed, slices=paths, rejects=[folder / "rejects/batch-00.parquet"],
        split=folder / "split.parquet", all_rejects=folder / "rejects.parquet", manifest=folder / "split.json",
        parts=[folder / f"part-{path.stem}.parquet" for path in paths],
        used=[folder / f"used-{path.stem}.parquet" for path in paths],
    )  # fmt: skip
    table = pq.read_table(folder / "split.parquet")
    assert table.schema.equals(SPLIT)
    return table.to_pylist()


def test_each_patient_is_in_one_subset_and_strata_keep_their_shares(tmp_path: Path) -> None:
    grades = ["A"] * 20 + ["BC"] * 20 + ["D"] * 5
    rows = run(tmp_path, cohort(grades))
    subsets = defaultdict(set)
    for row in rows:
        subsets[row["patient_key"]].add(row["subset"])
    assert all(len(result) == 1 for result in subsets.values())
    counts = Counter((grades[int(key[1:])], *result) for key, result in subsets.items())
    assert counts["A", "train"] == counts["BC", "train"] == 12 and counts["D", "train"] == 3
    assert counts["D", "val"] == counts["D", "test"] == 1
    assert [row["batch"] for row in rows] == ["00"] * 67 + ["01"] * 68


@settings(max_examples=100)
@given(st.lists(st.sampled_from(["A", "BC", "D"]), min_size=5, max_size=80), st.integers(0, 10**6))
def test_shares_hold_to_within_two_patients_in_every_stratum(grades: list[str], seed: int) -> None:
    strata = {f"P{index}": grade for index, grade in enumerate(grades)}
    subsets = assign_stratified(strata, SHARES, seed)
    assert subsets.keys() == strata.keys() and set(subsets.values()) == set(SHARES)
    for grade in set(grades):
        members = [subsets[key] for key, value in strata.items() if value == grade]
        for name, share in SHARES.items():
            assert abs(members.count(name) - share * len(members)) < 2
            assert name in members or len(members) < 3
    for name, share in SHARES.items():
        assert abs(list(subsets.values()).count(name) - share * len(grades)) < 3


def test_the_seed_decides_and_the_order_of_patients_does_not() -> None:
    strata = {f"P{index}": "A" if index % 3 else "D" for index in range(40)}
    backwards = dict(reversed(strata.items()))
    assert assign_stratified(strata, SHARES, 1) == assign_stratified(backwards, SHARES, 1)
    assert assign_stratified(strata, SHARES, 1) != assign_stratified(strata, SHARES, 2)


def test_folds_test_every_patient_once_and_keep_the_strata() -> None:
    strata = {f"P{index}": "D" if index % 4 == 0 else "A" for index in range(20)}
    tested: list[str] = []
    fold_of = deal_folds(strata, 5, seed=3)
    for fold in range(5):
        subsets = {key: subset_in_fold(own, 5, fold) for key, own in fold_of.items()}
        part = [key for key, subset in subsets.items() if subset == "test"]
        assert Counter(strata[key] for key in part) == {"A": 3, "D": 1}
        assert Counter(subsets.values()) == {"train": 12, "val": 4, "test": 4}
        tested += part
    assert sorted(tested) == sorted(strata)


def test_folds_through_the_stage_test_every_patient_once(tmp_path: Path) -> None:
    rows = cohort(["A", "BC"] * 6)
    tested: list[str] = []
    for fold in range(4):
        result = run(tmp_path, rows, folds=4, fold=fold)
        subsets = {(row["patient_key"], row["subset"]) for row in result}
        assert Counter(subset for _, subset in subsets) == {"train": 6, "val": 3, "test": 3}
        tested += [patient for patient, subset in subsets if subset == "test"]
    assert sorted(tested) == sorted({row["patient_key"] for row in rows})


def test_where_all_folds_are_trained_the_table_is_of_the_first_and_names_everybodys_fold(tmp_path: Path) -> None:
    rows = cohort(["A", "BC"] * 6)
    dealt = run(tmp_path, rows, folds=4, fold="all")
    first = run(tmp_path, rows, folds=4, fold=0)
    assert [row["subset"] for row in dealt] == [row["subset"] for row in first]
    run(tmp_path, rows, folds=4, fold="all")
    together = parts(tmp_path)
    for fold in range(4):
        alone = {row["slice_key"]: row["subset"] for row in run(tmp_path, rows, folds=4, fold=fold)}
        assert alone == {row["slice_key"]: subset_in_fold(row["fold"], 4, fold) for row in dealt}
        for row, own in zip(together, parts(tmp_path), strict=True):
            assert (row["subset_by_fold"][fold], row["copies_by_fold"][fold]) == (own["subset"], own["copies"])
            assert own["subset_by_fold"] is None


def parts(folder: Path) -> list[dict[str, Any]]:
    return [row for batch in ("00", "01") for row in pq.read_table(folder / f"part-batch-{batch}.parquet").to_pylist()]


def test_an_image_in_two_folds_is_leakage_though_both_train_in_the_first(tmp_path: Path) -> None:
    rows = cohort(["A", "BC"] * 6)
    fold_of = {row["patient_key"]: row["fold"] for row in run(tmp_path, rows, folds=4, fold="all")}
    in_two, in_three = (next(key for key, fold in fold_of.items() if fold == number) for number in (2, 3))
    pixels = next(row["pixels"] for row in rows if row["patient_key"] == in_two)
    next(row for row in rows if row["patient_key"] == in_three)["pixels"] = pixels
    run(tmp_path, rows, folds=4, fold=0)  # both are in the training part
    with pytest.raises(LssError, match=r"near-identical images in fold 2 and fold 3"):
        run(tmp_path, rows, folds=4, fold="all")


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"folds": 2}, "at least 3"), ({"folds": 9}, "need as many patients")],
)
def test_impossible_folds_are_refused(tmp_path: Path, changes: dict[str, int], message: str) -> None:
    with pytest.raises(LssError, match=message):
        run(tmp_path, cohort(["A"] * 6), **changes)


def test_more_folds_than_patients_of_the_most_frequent_grade_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LssError, match=r"the most frequent has 3\. Set it to at most 3"):
        run(tmp_path, cohort(["A", "BC", "D", "A", "BC", "A"]), folds=4)
    assert {row["subset"] for row in run(tmp_path, cohort(["A", "BC", "D", "A", "BC", "A"]), folds=3)}


def test_what_is_not_worked_on_is_unused_with_the_reason(tmp_path: Path) -> None:
    rows = cohort(["A", "BC", "D", "A", "BC", "A"])
    rows += [
        slice_row(0, 10, "A", plane="sagittal"),
        slice_row(0, 11, "A", weighting="T1"),
        slice_row(0, 12, "A", plane="coronal", weighting="localizer"),
        slice_row(0, 13, None, grade_reason="no note"),
    ]
    result = {row["slice_key"]: row for row in run(tmp_path, rows)}
    reasons = {key: result[f"SL0-{key}"]["reason"] for key in (10, 11, 12, 13)}
    assert reasons == {10: "plane sagittal", 11: "weighting T1", 12: "localizer", 13: "no grade: no note"}
    assert all(result[f"SL0-{key}"]["subset"] == "unused" for key in reasons)
    assert result["SL0-0"]["reason"] is None and len(result["SL0-0"]["perceptual_hash"]) == 32
    facts = json.loads((tmp_path / "split.json").read_text())["facts"]
    assert facts["used"] == 18 and facts["unused"]["plane sagittal"] == 1
    both = {row["slice_key"]: row["subset"] for row in run(tmp_path, rows, weighting=["T1", "T2"])}
    assert both["SL0-11"] == both["SL0-0"] != "unused"


def test_the_users_file_is_followed(tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("patient_key,subset\nP0,test\nP1,train\nP2,val\nP3,unused\n")
    rows = run(tmp_path, cohort(["A"] * 5), file=tmp_path / "mine.csv")
    subsets = {row["patient_key"]: (row["subset"], row["reason"]) for row in rows}
    left_out = ("unused", "patient left out by split.file")
    assert subsets == {"P0": ("test", None), "P1": ("train", None), "P2": ("val", None), "P3": left_out, "P4": left_out}


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ("P0,exam", "row 2: its subset is none of train, val, test, unused"),
        ("P77,test", "row 2: its patient_key belongs to no patient"),
        ("P0,test\nP0,train", "row 3: patient P0 stands in test and in train"),
    ],
)
def test_a_wrong_file_names_the_row(tmp_path: Path, lines: str, message: str) -> None:
    (tmp_path / "mine.csv").write_text(f"patient_key,subset\n{lines}\n")
    with pytest.raises(LssError, match=f"mine.csv: {message}"):
        run(tmp_path, cohort(["A"] * 5), file=tmp_path / "mine.csv")


def test_too_few_usable_files_stop_the_run_with_the_counts(tmp_path: Path) -> None:
    rejects = ["truncated file"] * 20 + ["not DICOM"] * 5 + ["position display"] * 90
    with pytest.raises(LssError, match=r"only 18 of 43 files.*min_usable_share = 0.5: 5 x not DICOM; 20 x truncated"):
        run(tmp_path, cohort(["A"] * 6), rejects)
    assert pq.read_table(tmp_path / "rejects.parquet").num_rows == 115
    run(tmp_path, cohort(["A"] * 6), rejects, min_usable_share=0.4)


def test_nothing_to_work_on_says_what_was_found(tmp_path: Path) -> None:
    rows = [slice_row(index, 0, "A", plane="sagittal") for index in range(6)]
    with pytest.raises(LssError, match=r"no slice is left to work on \(6 x plane sagittal\)"):
        run(tmp_path, rows)
    with pytest.raises(LssError, match=r"no patient falls to val, test.*split\.fractions"):
        run(tmp_path, cohort(["A"]))
    (tmp_path / "mine.csv").write_text("patient_key,subset\nP0,train\nP1,test\n")
    with pytest.raises(LssError, match=r"no patient falls to val.*split\.file"):
        run(tmp_path, cohort(["A"] * 5), file=tmp_path / "mine.csv")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"study_key": "ST-one"}, "study ST-one is in"),
        ({"pixels": smooth_pixels(5).tobytes()}, "near-identical images in"),
        ({"pixels": (smooth_pixels(5) + 40).tobytes()}, "near-identical images in"),
    ],
)
def test_leakage_fails_and_names_the_pair(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    """The same study, image UID, or picture (also brightened) under the patients of two subsets."""
    rows = cohort(["A"] * 10)
    subsets = {row["patient_key"]: row["subset"] for row in run(tmp_path, rows)}
    first = next(key for key, subset in subsets.items() if subset == "train")
    second = next(key for key, subset in subsets.items() if subset == "test")
    original = {"pixels": smooth_pixels(5).tobytes()} if "pixels" in change else change
    rows.append(slice_row(int(first[1:]), 20, "A") | original)
    rows.append(slice_row(int(second[1:]), 20, "A") | change)
    with pytest.raises(LssError, match=message) as caught:
        run(tmp_path, rows)
    assert first in str(caught.value) and second in str(caught.value)


def test_one_person_under_two_numbers_goes_to_one_subset(tmp_path: Path) -> None:
    """Folders decide who is a patient; the headers' PatientID tells that some are the same person."""
    rows = cohort(["A", "BC"] * 10)
    same = {f"P{number}": f"PE{number // 2}" for number in range(20)}
    for row in rows:
        row["person_key"] = same[row["patient_key"]]
    result = run(tmp_path, rows)
    subsets: dict[str, set[str]] = defaultdict(set)
    for row in result:
        subsets[same[row["patient_key"]]].add(row["subset"])
    assert len(subsets) == 10 and all(len(names) == 1 for names in subsets.values())
    assert {name for names in subsets.values() for name in names} == set(SHARES)
    assert json.loads((tmp_path / "split.json").read_text())["facts"]["patients_that_are_one_person"] == 20
    folds = run(tmp_path, rows, folds=5)
    assert all(len({row["subset"] for row in folds if same[row["patient_key"]] == person}) == 1 for person in subsets)
    mine = {1: "test", 10: "val", 11: "val"}
    lines = "".join(f"P{number},{mine.get(number, 'train')}\n" for number in range(20))
    (tmp_path / "mine.csv").write_text(f"patient_key,subset\n{lines}")
    with pytest.raises(LssError, match="a person, by the headers' PatientID or the note: P0 is in"):
        run(tmp_path, rows, file=tmp_path / "mine.csv")


def test_an_id_that_a_program_writes_everywhere_is_no_person(tmp_path: Path) -> None:
    rows = cohort(["A"] * 10)
    for row in rows:
        row["person_key"] = "PE-anonymous"
    assert len({row["subset"] for row in run(tmp_path, rows)}) == 3


@given(st.lists(st.tuples(st.integers(0, 7), st.sampled_from([None, "a", "b", "c", "d"])), max_size=20))
def test_persons_are_the_connected_patients(pairs: list[tuple[int, str | None]]) -> None:
    """Against a graph of patients and ids, but for ids that most patients share."""
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    patients = sorted({patient for patient, _ in pairs})
    holders = {name: {patient for patient, other in pairs if other == name} for name in "abcd"}
    edges = [
        (patient, 8 + "abcd".index(name))
        for name, alike in holders.items()
        if len(alike) <= max(2, len(patients) // 2)
        for patient in alike
    ]
    matrix = coo_matrix((np.ones(len(edges)), tuple(zip(*edges, strict=True)) or ([], [])), (12, 12))
    labels = connected_components(matrix, directed=False)[1]
    result = persons([{"patient_key": f"P{patient}", "person_key": name} for patient, name in pairs])
    for first in patients:
        for second in patients:
            assert (result[f"P{first}"] == result[f"P{second}"]) == (labels[first] == labels[second])


def test_an_image_under_two_patients_is_used_once_and_reported(tmp_path: Path) -> None:
    """A copied folder: its slices are set aside, those that have a grade are kept."""
    rows = cohort(["A"] * 12)
    for index in range(3):
        shared = {"image_key": f"IM{index}", "study_key": "ST-one", "seed": 5000 + index}
        rows.append(slice_row(20, index, None, **shared))
        rows.append(slice_row(21, index, "BC", **shared))
        rows.append(slice_row(22, index, "D", **shared))
    result = {row["slice_key"]: row for row in run(tmp_path, rows)}
    assert [result[f"SL20-{index}"]["reason"] for index in range(3)] == ["no grade: because"] * 3
    assert all(result[f"SL21-{index}"]["subset"] != "unused" for index in range(3))
    assert {result[f"SL22-{index}"]["reason"] for index in range(3)} == {"image under two patients"}
    lost = pq.read_table(tmp_path / "rejects.parquet").to_pylist()
    assert [(row["file_key"], row["stage"], row["reason"]) for row in lost] == [
        (f"SL{patient}-{index}", "split", "image under two patients") for patient in (22, 20) for index in range(3)
    ]
    assert "SL21-0 of patient P21" in lost[0]["detail"]


def test_a_slice_key_must_be_unique(tmp_path: Path) -> None:
    rows = [*cohort(["A"] * 6), slice_row(0, 1, "A", seed=99)]
    with pytest.raises(LssError, match="SL0-1 stands 2 times"):
        run(tmp_path, rows)
    write_parquet(tmp_path / "split.parquet", [{"slice_key": "SL1", "subset": "train"}] * 2, SPLIT)
    with pytest.raises(LssError, match="1 slice keys are not unique"):
        read_split(tmp_path / "split.parquet")


def test_slices_of_one_file_count_as_one_file(tmp_path: Path) -> None:
    """Sixty slices of three volumes beside four broken files are three usable files of seven."""
    rows = [slice_row(number, index, "A", source_sha256=f"{number}") for number in range(3) for index in range(20)]
    with pytest.raises(LssError, match="only 3 of 7 files"):
        run(tmp_path, rows, ["broken NIfTI"] * 4 + ["blank slice"] * 9)


def test_the_same_picture_within_a_subset_is_no_leak(tmp_path: Path) -> None:
    rows = cohort(["A"] * 10)
    rows += [slice_row(0, 20, "A", seed=5), slice_row(0, 21, "A", seed=5)]
    assert len(run(tmp_path, rows)) == 32


def test_two_runs_are_the_same_bytes(tmp_path: Path) -> None:
    rows = cohort(["A", "BC", "D"] * 5)
    run(tmp_path / "a", rows)
    run(tmp_path / "b", rows)
    assert (tmp_path / "a/split.parquet").read_bytes() == (tmp_path / "b/split.parquet").read_bytes()


def test_hashes_of_the_table_are_those_of_the_pixels(tmp_path: Path) -> None:
    from lss.imaging.perceptual_hash import perceptual_hash

    rows = cohort(["A"] * 6)
    for row, written in zip(rows, run(tmp_path, rows), strict=True):
        image = np.frombuffer(row["pixels"], "<u2").reshape(row["rows"], row["columns"])
        assert written["perceptual_hash"] == perceptual_hash(image)


def test_parts_of_the_split_by_batch_say_what_the_whole_says_and_balance_the_training_part(tmp_path: Path) -> None:
    rows = run(tmp_path, cohort(["A"] * 8 + ["BC"] * 8 + ["D"] * 4))
    whole = {row["slice_key"]: row for row in rows}
    parts = [pq.read_table(tmp_path / f"part-batch-{batch}.parquet").to_pylist() for batch in ("00", "01")]
    used = [pq.read_table(tmp_path / f"used-batch-{batch}.parquet").to_pylist() for batch in ("00", "01")]
    assert [row["slice_key"] for part in parts for row in part] == [row["slice_key"] for row in rows]
    copies: Counter[str] = Counter()
    for part, use in zip(parts, used, strict=True):
        for row, state in zip(part, use, strict=True):
            assert row["subset"] == whole[row["slice_key"]]["subset"] and row["slice_key"] == state["slice_key"]
            assert state["subset"] == ("unused" if row["subset"] == "unused" else "used")
            assert (row["copies"] is None) == (row["subset"] != "train")
            copies[whole[row["slice_key"]]["grade"]] += row["copies"] or 0
    assert len(set(copies.values())) == 1  # all grades equally frequent
    facts = json.loads((tmp_path / "split.json").read_text())["facts"]
    assert facts["train_copies_of_cohort"] == dict(copies)


def test_patients_who_come_later_move_only_those_at_the_ends_of_the_blocks() -> None:
    few = {f"P{number}": "ABD"[number % 3] for number in range(90)}
    more = few | {f"N{number}": "ABD"[number % 3] for number in range(3)}
    before, after = (assign_stratified(strata, SHARES, 7) for strata in (few, more))
    assert sum(before[patient] != after[patient] for patient in few) <= 6

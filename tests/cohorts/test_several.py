"""Two archives of different kinds as one cohort: a folder with a table of notes, and the files of RSNA 2024."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from dicom_files import smooth_pixels, write_dicom
from PIL import Image

from lss.checking.cohort import check_cohort
from lss.cohorts import open_cohort
from lss.cohorts.base import RawSlice
from lss.cohorts.leakage import check_leakage, drop_shared_images, persons
from lss.cohorts.privacy import pseudonyms
from lss.cohorts.settings import ArchiveParams, CohortParams, FolderParams, SplitParams, reading_settings
from lss.errors import LssError
from lss.lineage.fresh import outdated
from lss.lineage.raw import is_outside, read_raw
from lss.project import layout
from lss.project.availability import lacks
from lss.project.outside import list_files, look
from lss.project.params import Params, check_params, load_params
from lss.stages import cohort as cohort_stage
from lss.stages import ingest as ingest_stage
from lss.stages.split import assign_subsets
from lss.storage.io import read_json

BATCHES = layout.batch_names(2)
NOTE = "Severe central canal stenosis at L4-L5 due to a disc bulge and ligamentum flavum hypertrophy."


def write_folder(root: Path) -> None:
    """Patients 7 and 8, whose headers hold these numbers, and a table with their notes."""
    for patient in (7, 8):
        for place in range(2):
            write_dicom(
                root / f"{patient}/t2/{place}.dcm", smooth_pixels(10 * patient + place), PatientID=str(patient),
                StudyInstanceUID=f"1.2.3.{patient}", SeriesInstanceUID=f"1.2.3.{patient}.1",
                SOPInstanceUID=f"1.2.3.{patient}.1.{place}", InstanceNumber=place + 1,
                ImagePositionPatient=[0.0, 0.0, 4.5 * place],
            )  # fmt: skip
    (root / "notes.csv").write_text(f"patient_id,note\n7,{NOTE}\n8,No stenosis. Patient id 00008.\n")


def write_rsna(root: Path) -> None:
    """Study 7, another person's, but for one image that is a copy of one of the folder's patient 8."""
    common: dict[str, Any] = {"PatientID": "7", "EchoTime": None, "RepetitionTime": None}
    write_dicom(
        root / "train_images/7/70/1.dcm", smooth_pixels(700), StudyInstanceUID="1.2.4.7",
        SeriesInstanceUID="1.2.4.7.1", SOPInstanceUID="1.2.4.7.1.1", SeriesDescription=None, **common,
    )  # fmt: skip
    write_dicom(
        root / "train_images/7/70/2.dcm", smooth_pixels(80), StudyInstanceUID="1.2.3.8",
        SeriesInstanceUID="1.2.3.8.1", SOPInstanceUID="1.2.3.8.1.0", SeriesDescription=None, **common,
    )  # fmt: skip
    levels = ("l1_l2", "l2_l3", "l3_l4", "l4_l5", "l5_s1")
    names = ",".join(f"spinal_canal_stenosis_{level}" for level in levels)
    (root / "train.csv").write_text(f"study_id,{names}\n7,Normal/Mild,Normal/Mild,Normal/Mild,Severe,Normal/Mild\n")
    (root / "train_series_descriptions.csv").write_text("study_id,series_id,series_description\n7,70,Axial T2\n")
    rows = [f"7,70,{number},Spinal Canal Stenosis,L4/L5,1,1" for number in (1, 2)]
    head = "study_id,series_id,instance_number,condition,level,x,y"
    (root / "train_label_coordinates.csv").write_text("\n".join([head, *rows, ""]))


def parts() -> list[ArchiveParams]:
    columns: dict[str, str | None] = dict.fromkeys(("grade_column", "plane_column", "weighting_column"))
    table = FolderParams(table="notes.csv", patient_column="patient_id", note_column="note", **columns)
    return [
        ArchiveParams(label="ours", name="folder", root=Path("raw/ours"), folder=table),
        ArchiveParams(label="rsna2", name="rsna", root=Path("raw/rsna")),
    ]


@pytest.fixture
def params(tmp_path: Path, project_root: Path, monkeypatch: pytest.MonkeyPatch) -> Params:
    write_folder(tmp_path / "raw/ours")
    write_rsna(tmp_path / "raw/rsna")
    monkeypatch.chdir(tmp_path)
    return with_parts(load_params(project_root / "params.yaml"), *parts())


def with_parts(params: Params, *parts: ArchiveParams) -> Params:
    cohort = params.cohort.model_copy(update={"name": "several", "parts": list(parts), "batches": len(BATCHES)})
    return params.model_copy(update={"cohort": cohort})


def run_cohort(params: Params) -> None:
    cohort_stage.run(
        params.cohort, params.seed, ingest=params.ingest, files=Path(layout.COHORT_FILES),
        states={batch: Path(layout.COHORT_BATCH.format(batch=batch)) for batch in BATCHES},
        private=Path(layout.PRIVATE_FILES), truth=Path(layout.TRUTH), processes=1,
        manifest=Path(layout.MANIFEST.format(name="cohort")),
    )  # fmt: skip


def ingested(params: Params) -> list[dict[str, Any]]:
    rows = []
    for batch in BATCHES:
        paths = [Path(of.format(batch=batch)) for of in (layout.SLICES, layout.REJECTS, layout.PRIVATE_REJECTS)]
        slices, rejects, private = paths
        manifest = Path(layout.MANIFEST.format(name=f"ingest/batch-{batch}"))
        ingest_stage.run(
            params.cohort, params.ingest, params.seed, batch=batch, slices=slices, rejects=rejects, private=private,
            manifest=manifest,
        )  # fmt: skip
        rows += pq.read_table(slices).to_pylist()
    return rows


def test_patients_of_one_number_are_two_and_keep_their_pseudonyms(params: Params) -> None:
    reader = open_cohort(params.cohort, params.ingest)
    assert reader.patients() == ["ours/7", "ours/8", "rsna2/7"]
    assert params.cohort.title == "several (ours: folder, rsna2: rsna)"  # which says of each whether it is a phantom
    rows = ingested(params)
    keys = {row["patient_key"]: row["cohort"] for row in rows}
    assert sorted(keys.values()) == ["ours", "ours", "rsna2"]
    # the pseudonym is that of the archive alone, as an external cohort of this label has it
    alone = {label: pseudonyms(None, params.seed, label) for label in ("ours", "rsna2")}
    assert keys == {
        alone["ours"].patient("7"): "ours", alone["ours"].patient("8"): "ours", alone["rsna2"].patient("7"): "rsna2",
    }  # fmt: skip
    # PatientID 7 is either archive's own number: nobody's identity, and not one person
    person_of = {row["patient_key"]: row["person_key"] for row in rows}
    assert len(set(person_of.values())) == 3
    more = ArchiveParams(label="third", name="phantom", root=Path("raw/third"))
    names = pseudonyms(None, params.seed, parts=with_parts(params, *parts(), more).cohort.labels)
    assert {names.patient(patient) for patient in reader.patients()} == keys.keys()


def test_the_id_in_its_archive_is_blanked_in_the_note(params: Params) -> None:
    """As of a cohort of one archive, whose reader gives the id as it stands in the table."""
    Path("raw/ours/8").rename("raw/ours/Q7w8e9r")
    Path("raw/ours/notes.csv").write_text(
        f"patient_id,note\n7,{NOTE}\nQ7w8e9r,No stenosis in Q7w8e9r. None in X7w8e9r.\n"
    )
    notes = {row["note"] for row in ingested(params) if row["cohort"] == "ours"}
    (about,) = [note for note in notes if "Severe" not in note]
    assert "Q7w8e9r" not in about and "X7w8e9r" in about


def test_one_image_in_two_archives_is_seen_and_used_once(params: Params) -> None:
    rows = ingested(params)
    of_image: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        row["reason"] = None
        of_image.setdefault(row["image_key"], []).append(row)
    shared = [own for own in of_image.values() if len(own) > 1]
    assert [sorted(row["cohort"] for row in own) for own in shared] == [["ours", "rsna2"]]
    assert len({row["study_key"] for row in shared[0]}) == 1  # by which the gate sees the rest of the study
    apart = [
        row
        | {"subset": "train" if row["cohort"] == "ours" else "test", "person": row["patient_key"], "thumbnail": None}
        for row in rows
    ]
    with pytest.raises(LssError, match=r"study .* is in train .* and in test .*Name both patients in split\.file"):
        check_leakage(apart, 0)
    aside = drop_shared_images(rows)
    assert [row["reason"] for row in aside] == ["image under two patients"]
    assert sum(row["reason"] is None for own in shared for row in own) == 1


def test_pictures_of_one_name_in_two_folders_are_not_one_image(params: Params, tmp_path: Path) -> None:
    bare = []
    for label in ("a", "b"):
        path = tmp_path / f"raw/{label}/7/axial_t2/1.png"
        path.parent.mkdir(parents=True)
        Image.fromarray((smooth_pixels(len(bare)) // 16).astype("uint8")).save(path)
        bare.append(ArchiveParams(label=label, name="folder", root=tmp_path / f"raw/{label}"))
    ingest = params.ingest.model_copy(update={"assumed_spacing_mm": 0.6})
    params = with_parts(params, *bare).model_copy(update={"ingest": ingest})
    rows = ingested(params)
    for column in ("slice_key", "patient_key", "study_key", "series_key", "image_key"):
        assert len({row[column] for row in rows}) == len(rows) == 2, column


def test_one_person_by_the_hospitals_id_goes_into_one_subset(params: Params, project_root: Path) -> None:
    for path in (Path("raw/ours/8/t2/0.dcm"), Path("raw/rsna/train_images/7/70/1.dcm")):
        seed = len(path.parts)
        write_dicom(path, smooth_pixels(seed), PatientID="HOSP-4711-X", SOPInstanceUID=f"1.2.9.{seed}")
    rows = ingested(params)
    person_of = persons([row | {"note_hash": None} for row in rows])
    assert sorted(map(list(person_of.values()).count, set(person_of.values()))) == [1, 2]
    grown = [dict(row, grade="A", patient_key=f"{row['patient_key']}{copy}") for row in rows for copy in range(12)]
    grown_of = {row["patient_key"]: person_of[row["patient_key"][:13]] + row["patient_key"][13:] for row in grown}
    split: SplitParams = load_params(project_root / "params.yaml").split
    subsets, _ = assign_subsets(grown, grown_of, split, 1)
    for person in person_of.values():
        members = [key for key, of in person_of.items() if of == person]
        assert all(len({subsets[f"{key}{copy}"] for key in members}) == 1 for copy in range(12))
    assert len(set(subsets.values())) == 3


def test_archives_are_dealt_by_themselves(project_root: Path) -> None:
    """Twenty patients of each of two archives: shares hold in each, to within a patient."""
    rows = [
        {"patient_key": f"P{label}{number}", "grade": "A", "cohort": label}
        for label in ("ours", "rsna2")
        for number in range(20)
    ]
    split = load_params(project_root / "params.yaml").split
    subsets, _ = assign_subsets(rows, {row["patient_key"]: row["patient_key"] for row in rows}, split, 3)
    for label in ("ours", "rsna2"):
        own = [subset for patient, subset in subsets.items() if patient.startswith(f"P{label}")]
        assert all(abs(own.count(name) - 20 * share) <= 1 for name, share in split.fractions.model_dump().items())


def test_a_batch_changes_with_the_archive_that_its_patients_are_of(params: Params) -> None:
    def states(of: Params) -> dict[str, str]:
        run_cohort(of)
        return {batch: read_json(layout.COHORT_BATCH.format(batch=batch))["sha256"] for batch in BATCHES}

    names = pseudonyms(None, params.seed, parts=params.cohort.labels)
    before = states(params)
    batch = {patient: _batch(names.patient(patient)) for patient in ("ours/7", "rsna2/7")}
    write_dicom(Path("raw/rsna/train_images/7/70/1.dcm"), smooth_pixels(9), SOPInstanceUID="1.2.4.7.1.1")
    after = states(params)
    assert {name for name in BATCHES if after[name] != before[name]} == {batch["rsna2/7"]}
    ours, rsna = parts()
    ours = ours.model_copy(update={"folder": ours.folder.model_copy(update={"note_column": None})})
    edited = states(with_parts(params, ours, rsna))  # how an archive is read belongs to what its patients are read from
    assert batch["ours/7"] in {name for name in BATCHES if edited[name] != after[name]}


def _batch(key: str) -> str:
    from lss.cohorts.batches import batch_of

    return batch_of(key, len(BATCHES))


def test_lineage_goes_down_to_the_raw_files_of_both(params: Params) -> None:
    run_cohort(params)
    manifest = layout.MANIFEST.format(name="cohort")
    raw = read_raw(params)[manifest]
    assert [(of.part, of.root, len(of.files)) for of in raw] == [("ours", "raw/ours", 5), ("rsna2", "raw/rsna", 5)]
    facts = read_json(manifest)["facts"]
    assert all(of.digest == of.stated(facts)["sha256"] for of in raw)
    assert facts["files"] == 10 and facts["cohort"] == "several" and facts["parts"]["rsna2"]["cohort"] == "rsna"
    assert {file.path for of in raw for file in of.files} == {
        path.as_posix() for path in Path("raw").rglob("*") if path.is_file()
    }
    assert is_outside("raw/rsna/train.csv", params) and not is_outside("elsewhere/train.csv", params)
    assert "raw/ours" not in json.dumps(read_json(manifest)["params"])
    of = pseudonyms(None, params.seed, parts=params.cohort.labels)
    assert of.file("ours/7/t2/0.dcm") == pseudonyms(None, params.seed, "ours").file("7/t2/0.dcm")
    listed = {row["file"] for row in list_files(params.cohort, Path(layout.PRIVATE_FILES))}
    assert {"ours/7/t2/0.dcm", "rsna2/train.csv"} <= listed
    assert outdated([manifest], params) == {}
    write_dicom(Path("raw/ours/7/t2/0.dcm"), smooth_pixels(1), SOPInstanceUID="1.2.3.7.1.0")
    assert "raw/ours, raw/rsna were changed" in outdated([manifest], params)[manifest]


def test_what_is_outside_changes_with_files_and_settings_of_each(params: Params) -> None:
    def state(of: Params, *, read: bool = True) -> str:
        return look(of, Path("outside.yaml"), Path(layout.PRIVATE_FILES), read=read)["cohort"]

    before = state(params)
    assert state(params, read=False) == before  # a plan reads nothing, and sees the same
    Path("raw/ours/notes.csv").write_text("patient_id,note\n7,none\n8,none\n")
    changed = state(params)
    ours, rsna = parts()
    relabelled = state(with_parts(params, ours.model_copy(update={"label": "mine"}), rsna))
    moved = Path("raw/ours").rename("raw/moved")
    elsewhere = state(with_parts(params, ours.model_copy(update={"root": moved}), rsna))
    assert len({before, changed, relabelled}) == 3 and elsewhere == changed
    assert state(params) == "not seen yet"  # one is away: as it was recorded last


def test_a_missing_archive_is_named_with_the_remedy(params: Params) -> None:
    Path("raw/rsna/train.csv").unlink()
    with pytest.raises(LssError, match=r"train\.csv.*archive rsna2 of cohort\.parts"):
        open_cohort(params.cohort, params.ingest)
    (lack,) = [lack for lack in lacks(params) if "cohort" in lack.jobs]
    assert "archive 'rsna2' of cohort.parts in raw/rsna/: no train.csv" in str(lack) and "Download" in lack.remedy
    with pytest.raises(LssError, match=r"root of rsna2 in cohort\.parts: no train\.csv"):
        run_cohort(params)


def test_the_check_reads_both_and_names_the_archive(params: Params) -> None:
    Path("raw/ours/9/t2").mkdir(parents=True)
    Path("raw/ours/9/t2/1.dcm").write_bytes(b"no image at all")
    Path("raw/rsna/train_label_coordinates.csv").unlink()
    seen: list[RawSlice] = []
    checked = check_cohort(params, see=lambda slices, _: seen.extend(slices))
    assert {item.file.split("/")[0] for item in seen} == {"ours", "rsna2"}
    assert any(one.file == "ours/9/t2/1.dcm" for one in checked.problems)
    assert any("archive rsna2 of cohort.parts" in one.detail for one in checked.problems)
    assert any(one.kind == "image under two patients" for one in checked.problems)
    alone = check_cohort(params, Path("raw/rsna"))  # of an archive's folder: its own settings
    assert alone.cohort.name == "rsna" and {row["patient"] for row in alone.rows} == {"7"}


def raw_settings(project_root: Path, **cohort: Any) -> dict[str, Any]:
    settings = load_params(project_root / "params.yaml").model_dump(mode="json")
    return settings | {"cohort": settings["cohort"] | cohort}


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ([], "parts names no archive"),
        ([("a", "raw/a"), ("a", "raw/b")], "the label a is given twice"),
        ([("a", "raw/a"), ("b", "raw/a")], "two cohorts lie in one folder"),
        ([("a", "raw"), ("b", "raw/b")], "in the folder .root. of another"),
        ([("A", "raw")], "String should match pattern"),
    ],
)
def test_wrong_parts_are_refused(listed: list[tuple[str, str]], words: str, project_root: Path) -> None:
    given = [{"label": label, "name": "lss", "root": root} for label, root in listed]
    with pytest.raises(LssError, match=words):
        check_params(raw_settings(project_root, name="several", parts=given))


def test_a_cohort_of_one_archive_is_as_before_there_were_parts(project_root: Path) -> None:
    settings = raw_settings(project_root)
    assert "parts" not in settings["cohort"] and check_params(settings).cohort.parts == []
    assert check_params(settings).cohort.title == "phantom"
    ignored = raw_settings(project_root, parts=[{"label": "a", "name": "lss", "root": "raw"}])
    cohort: CohortParams = check_params(ignored).cohort
    assert list(cohort.archives) == [""] and "parts" not in cohort.model_dump()
    assert "parts" not in reading_settings(cohort)


def test_what_ingest_reads_of_a_phantom_is_not_how_many_patients_it_has(project_root: Path) -> None:
    phantom = {"label": "a", "name": "phantom", "root": "raw", "phantom": {"patients": 5, "unusual": 0.0}}
    (part,) = reading_settings(check_params(raw_settings(project_root, name="several", parts=[phantom])).cohort)[
        "parts"
    ]
    assert part["label"] == "a" and "phantom" not in part

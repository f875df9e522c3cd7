"""Expert label images in the published form, made of phantom masks, against the slices they were drawn on."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from lss.cohorts.expert_masks import ExpertMasks
from lss.errors import LssError
from lss.imaging.mask_variants import AS_BUILT, VARIANTS
from lss.phantom import archive
from lss.phantom.workbook import write_notes
from lss.project import layout
from lss.project.params import Params, load_params
from lss.stages import denoise, ingest, pseudo_mask
from lss.storage.io import write_parquet
from lss.storage.schemas import SPLIT
from lss.tools.expert_scores import STORED, score_masks

DISCS = {"L3-L4": "D3", "L4-L5": "D4", "L5-S1": "D5"}
GRADES = {4711: ("A", "BC", "D"), 4712: ("BC", "A", "A")}
NOTES = {
    4711: "L4-L5: disc bulge compressing the thecal sac. L5-S1: severe spinal canal stenosis.",
    4712: "L3-L4: disc bulge compressing the thecal sac.",
}


@pytest.fixture(scope="module")
def study(
    project_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Path, Params, dict[Any, Any]]]:
    """Two phantom patients, worked on up to their pseudo-masks; and the slice of each label with its true sac."""
    root = tmp_path_factory.mktemp("study")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(root)
        # sagittal slices take most of the time, and nothing here reads them
        patch.setattr(archive._Writer, "_write_sagittal", lambda *_: None)
        default = load_params(project_root / "params.yaml")
        cohort = default.cohort.model_copy(update={"root": Path("raw"), "batches": 1})
        params = default.model_copy(update={"cohort": cohort})
        truth = []
        for number, grades in GRADES.items():
            plan = archive.Plan(number, dict(zip(DISCS, grades, strict=True)))
            truth += archive.write_patient(plan, Path("raw"), 3)
        write_notes(Path("raw") / archive.NOTES, dict(NOTES))
        paths = {
            name: Path(getattr(layout, name).format(batch="00")) for name in ("SLICES", "DENOISED", "PSEUDO_MASKS")
        }
        ingest.run(
            cohort, params.ingest, params.seed, batch="00", slices=paths["SLICES"], rejects=Path("r.parquet"),
            private=Path("r.csv"), manifest=Path("i.json"),
        )  # fmt: skip
        slices = pq.read_table(paths["SLICES"]).to_pylist()
        used = [row["plane"] == "axial" and row["weighting"] == "T2" for row in slices]
        rows = [
            dict.fromkeys(SPLIT.names) | {"slice_key": row["slice_key"], "subset": "train" if use else "unused"}
            for row, use in zip(slices, used, strict=True)
        ]
        write_parquet(layout.SPLIT, rows, SPLIT)
        common = {"slices": paths["SLICES"], "split": Path(layout.SPLIT), "denoised": paths["DENOISED"]}
        execution = params.execution.model_copy(update={"device": "cpu"})
        denoise.run(params.denoise, 1, execution=execution, **common, manifest=Path("d.json"))
        pseudo_mask.run(params.pseudo_mask, 1, **common, masks=paths["PSEUDO_MASKS"], manifest=Path("p.json"))
        yield root, params, _labelled(slices, {row["source_sha256"]: row for row in truth})


def _labelled(slices: list[dict[str, Any]], truth: dict[str, dict[str, Any]]) -> dict[Any, Any]:
    """By patient number and level: the third slice of the level's block, its sac, and its neighbour on T1."""
    patients = list(dict.fromkeys(row["patient_key"] for row in slices))
    result = {}
    for patient in patients:
        for level in DISCS:
            block = [row for row in slices if row["patient_key"] == patient and row["source_sha256"] in truth]
            block = [row for row in block if row["level"] == level]
            t2 = sorted((row for row in block if row["weighting"] == "T2"), key=lambda row: row["instance"])
            t1 = sorted((row for row in block if row["weighting"] == "T1"), key=lambda row: row["instance"])
            sac = cv2.imdecode(np.frombuffer(truth[t2[2]["source_sha256"]]["canal_mask"]["bytes"], np.uint8), 0) > 0
            result[patient, level] = (t2[2], t1[1], sac)
    by_grade = {}  # pseudonyms hide the numbers; the patients differ in their grades
    for number, grades in GRADES.items():
        for patient in patients:
            true = tuple(truth[result[patient, level][0]["source_sha256"]]["grade"] for level in DISCS)
            if true == grades:
                by_grade |= {(number, level): result[patient, level] for level in DISCS}
    assert len(by_grade) == 6
    return by_grade


def pixels(row: dict[str, Any]) -> np.ndarray:
    return np.frombuffer(row["pixels"], "<u2").reshape(row["rows"], row["columns"])


def stretched(row: dict[str, Any]) -> np.ndarray:
    """8 bits, lowest to highest grey level."""
    image = pixels(row).astype(float)
    return np.rint((image - image.min()) / np.ptp(image) * 255).astype(np.uint8)


def png(image: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "PNG")
    return stream.getvalue()


def label_image(sac: np.ndarray) -> np.ndarray:
    """The sac among other structures, in the published grey values."""
    label = np.full(sac.shape, 250, np.uint8)
    rows, columns = np.nonzero(sac)
    row, column = int(rows.mean()), int(columns.mean())
    label[row - 60 : row - 20, column - 30 : column + 30] = 50
    label[row + 20 : row + 40, column - 15 : column + 15] = 100
    label[row - 15 : row + 15, column - 25 : column + 25] = 200
    label[sac] = 150
    return label


def published(labelled: dict[Any, Any], *, composites: bool = True, slices: bool = False) -> dict[str, bytes]:
    """Files of the published archive, by name."""
    files = {}
    for (number, level), (t2, t1, sac) in labelled.items():
        name = f"{number:04d}_{DISCS[level]}.png"
        files[f"05_Final_Ground_Truth_Data/Label_Images/L1_{name}"] = png(label_image(sac))
        if composites:
            a, b = stretched(t1), stretched(t2)
            colour = np.dstack([a, b, np.abs(a.astype(int) - b).astype(np.uint8)])
            files[f"05_Final_Ground_Truth_Data/Composite_Images/C1_{name}"] = png(colour)
        if slices:
            files[f"04_Intermediary_Ground_Truth_Data/T2_Output/T2_{name}"] = png(stretched(t2))
    return files


def write(folder: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(data)
    return folder


def score(study: Any, path: Path) -> tuple[list[dict[str, str]], list[dict[str, str]], str]:
    _, params, _ = study
    experts = params.model_copy(update={"cohort": params.cohort.model_copy(update={"experts": path})})
    text = score_masks(experts, path.parent / "scores.csv", path.parent / "rejects.csv")
    tables = []
    for name in ("scores.csv", "rejects.csv"):
        with (path.parent / name).open(newline="") as file:
            tables.append(list(csv.DictReader(file)))
    return tables[0], tables[1], text


@pytest.mark.parametrize("kind", ["composites in a folder", "slices in a zip", "zip in a folder"])
def test_every_label_finds_its_slice(study: Any, tmp_path: Path, kind: str) -> None:
    _, _, labelled = study
    files = published(labelled, slices=kind != "composites in a folder")
    path = tmp_path / "experts"
    if kind == "composites in a folder":
        write(path, files)
    else:
        path.mkdir()
        with zipfile.ZipFile(path / "Ground_Truth_Label.zip", "w") as archived:
            for name, data in files.items():
                archived.writestr(name, data)
        path = path / "Ground_Truth_Label.zip" if kind == "slices in a zip" else path
    rows, rejects, text = score(study, path)
    assert [row["slice_key"] for row in rows] and not rejects
    assert {row["slice_key"] for row in rows} == {t2["slice_key"] for t2, _, _ in labelled.values()}
    lowest = 0.999 if kind != "composites in a folder" else 0.99
    assert all(row["found_by"] == "correlation" and float(row["correlation"]) > lowest for row in rows)
    assert all(float(row["next_best"]) < float(row["correlation"]) - 0.005 for row in rows)
    for line in (AS_BUILT, "without Canny", STORED, "A (3)", "B&C (2)", "D (1)"):
        assert line in text


def test_dice_and_areas_are_those_of_the_stored_masks(study: Any, tmp_path: Path) -> None:
    _, _, labelled = study
    rows, _, text = score(study, write(tmp_path / "experts", published(labelled)))
    masks = {
        row["slice_key"]: row["mask"]["bytes"]
        for row in pq.read_table(layout.PSEUDO_MASKS.format(batch="00")).to_pylist()
    }
    expected: dict[str, list[float]] = {}
    for t2, _, sac in labelled.values():
        (row,) = (row for row in rows if row["slice_key"] == t2["slice_key"])
        mask = np.asarray(Image.open(io.BytesIO(masks[t2["slice_key"]]))) > 0
        dice = 2 * np.count_nonzero(mask & sac) / (np.count_nonzero(mask) + np.count_nonzero(sac))
        assert float(row[STORED]) == pytest.approx(dice, abs=1e-4)
        assert float(row["sac_mm2"]) == pytest.approx(np.count_nonzero(sac) * 0.6875**2, abs=0.06)
        assert float(row["mask_mm2"]) == pytest.approx(np.count_nonzero(mask) * 0.6875**2, abs=0.06)
        # grade A's stored mask is empty; the variants refine it like the others
        assert (dice == 0) == (row["grade"] == "A")
        assert float(row[AS_BUILT]) == pytest.approx(dice, abs=1e-4) or row["grade"] == "A"
        expected.setdefault(row["grade"], []).append(float(row[AS_BUILT]))
    line = next(line for line in text.splitlines() if AS_BUILT in line)
    assert [cell.strip() for cell in line.split("|")[2:-1]] == [
        f"{np.mean(v):.3f}" for _, v in sorted(expected.items())
    ]
    assert set(VARIANTS) < set(rows[0])


def test_no_number_of_a_patient_is_in_the_tables(study: Any, tmp_path: Path) -> None:
    _, _, labelled = study
    files = published(labelled)
    files["05_Final_Ground_Truth_Data/Label_Images/L1_4711_D7.png"] = b"x"
    files["05_Final_Ground_Truth_Data/Label_Images/L1_4799_D3.png"] = next(iter(files.values()))
    _, rejects, text = score(study, write(tmp_path / "experts", files))
    assert sorted(row["reason"] for row in rejects) == ["no slice in use", "unknown label name"]
    for name in ("scores.csv", "rejects.csv"):
        assert not any(number in (tmp_path / name).read_text() for number in ("4711", "4712", "4799"))
    assert "left out: 1 x unknown label name" in text and "L1_4711_D7.png" in text


def test_labels_that_cannot_be_scored_are_rejected_with_the_reason(study: Any, tmp_path: Path) -> None:
    _, _, labelled = study
    files = published(labelled)
    final = "05_Final_Ground_Truth_Data"
    files[f"{final}/Label_Images/L1_4711_D3.png"] = b"\x89PNG broken"
    files[f"{final}/Label_Images/L1_4711_D4.png"] = png(np.arange(256, dtype=np.uint8).reshape(16, 16))
    files[f"{final}/Label_Images/L1_4711_D5.png"] = png(np.pad(np.full((9, 9), 50, np.uint8), 9, constant_values=250))
    other = np.random.default_rng(1).integers(0, 255, (320, 320), np.uint8)
    files[f"{final}/Composite_Images/C1_4712_D3.png"] = png(other)
    del files[f"{final}/Composite_Images/C1_4712_D4.png"]
    rows, rejects, _ = score(study, write(tmp_path / "experts", files))
    assert [row["level"] for row in rows] == ["L5-S1"]
    assert sorted(row["reason"] for row in rejects) == [
        "no picture of the label", "no slice like the label's picture", "no thecal sac", "not an image",
        "unexpected values",
    ]  # fmt: skip
    assert all(row["remedy"] for row in rejects)


def test_the_companion_table_s_slice_is_taken_without_a_picture(study: Any, tmp_path: Path, monkeypatch) -> None:
    root, _, labelled = study
    for name in ("denoised", "pseudo_masks", "split.parquet"):
        (tmp_path / "data/interim").mkdir(parents=True, exist_ok=True)
        (tmp_path / "data/interim" / name).symlink_to(root / "data/interim" / name)
    table = pq.read_table(root / layout.SLICES.format(batch="00"))
    keys = {t2["slice_key"] for t2, _, _ in labelled.values()}
    reasons = [
        "companion table" if row["slice_key"] in keys else "companion table, 4.4 mm away"
        for row in table.select(["slice_key", "level_reason"]).to_pylist()
    ]
    place = table.schema.get_field_index("level_reason")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/interim/slices").mkdir()
    pq.write_table(table.set_column(place, "level_reason", pa.array(reasons)), layout.SLICES.format(batch="00"))
    rows, rejects, _ = score(study, write(tmp_path / "experts", published(labelled, composites=False)))
    assert not rejects and {row["slice_key"] for row in rows} == keys
    assert {row["found_by"] for row in rows} == {"companion table"} and rows[0]["correlation"] == ""
    rows, _, _ = score(study, write(tmp_path / "experts", published(labelled)))
    assert {row["found_by"] for row in rows} == {"companion table and correlation"}
    # a picture of another patient at a slice that the table names: told, not scored
    swapped = published(labelled)
    names = [f"05_Final_Ground_Truth_Data/Composite_Images/C1_{number}_D4.png" for number in GRADES]
    swapped[names[0]], swapped[names[1]] = (
        png(255 - np.asarray(Image.open(io.BytesIO(swapped[names[1]])))),
        swapped[names[1]],
    )
    rows, rejects, _ = score(study, write(tmp_path / "experts", swapped))
    assert [row["reason"] for row in rejects] == ["no slice like the label's picture"]


def test_missing_labels_are_explained(study: Any, tmp_path: Path) -> None:
    _, params, _ = study
    with pytest.raises(LssError, match=r"cohort\.experts: is null.*lss fetch labels"):
        score_masks(params, tmp_path / "a.csv", tmp_path / "b.csv")
    with pytest.raises(LssError, match=r"nowhere: cohort\.experts: no such folder.*lss fetch labels"):
        ExpertMasks(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(LssError, match=r"holds no Label_Images/L1_0001_D3\.png"):
        ExpertMasks(tmp_path / "empty")
    for name in ("a.zip", "b.zip"):
        (tmp_path / "empty" / name).write_bytes(b"")
    with pytest.raises(LssError, match="holds 2 archives"):
        ExpertMasks(tmp_path / "empty")


def test_one_of_two_files_of_a_label_counts(tmp_path: Path) -> None:
    label = png(np.pad(np.full((5, 5), 150, np.uint8), 5, constant_values=250))
    write(tmp_path, {"a/Label_Images/L1_0001_D3.png": label, "b/Label_Images/L1_1_D3.png": label})
    labels = ExpertMasks(tmp_path)
    assert labels.keys() == [("1", "L3-L4")]
    assert [reject.reason for reject in labels.rejects()] == ["duplicate label"]
    assert labels.thecal_sac(("1", "L3-L4")).sum() == 25

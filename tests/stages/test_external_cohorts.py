"""External cohorts: kept apart from the one trained on, measured beside its test part."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import synthetic_results
from sklearn.metrics import cohen_kappa_score
from test_leakage_gate import BITS, NOTE
from test_split import cohort, params, run, slice_row

from lss.cohorts.privacy import pseudonyms
from lss.errors import LssError
from lss.evaluation.settings import EvaluateParams
from lss.evaluation.vocabulary import TEST_PART
from lss.project import layout
from lss.project.models import Run, manifest_settings, of_cohort, stage_manifests
from lss.project.params import Params, check_params, load_params
from lss.project.published import published
from lss.project.settings_file import read_settings
from lss.reporting.results import Results
from lss.reporting.table_grid import grid_of
from lss.reporting.tables.table16_external import TABLE
from lss.stages import split
from lss.stages._external_comparison import compare_external
from lss.storage.io import write_parquet
from lss.storage.schemas import REJECTS, SLICES

DEFAULT = Path(__file__).resolve().parents[2] / "params.yaml"


def with_external(*cohorts: dict[str, Any]) -> Params:
    raw, _ = read_settings(DEFAULT)
    return check_params(raw | {"external": list(cohorts)})


RSNA = {"label": "rsna", "name": "rsna", "root": "/home/Smith/rsna"}


def test_labels_and_folders_are_each_cohorts_own() -> None:
    with pytest.raises(LssError, match="the label rsna is given twice"):
        with_external(RSNA, RSNA | {"root": "elsewhere"})
    with pytest.raises(LssError, match="two cohorts lie in one folder"):
        with_external(RSNA | {"root": "data/raw/phantom"})
    with pytest.raises(LssError, match=r"external\.0\.label"):
        with_external(RSNA | {"label": "RSNA 2024"})
    with pytest.raises(LssError, match=r"no such cohort.*: rsna\."):
        of_cohort(with_external(RSNA), "other")


def test_without_external_cohorts_there_is_not_a_job_more_and_with_one_only_its_own() -> None:
    default, more = load_params(DEFAULT), with_external(RSNA)
    before, after = stage_manifests(default), stage_manifests(more)
    assert not default.external and not any("external" in path for path in before)
    assert layout.of_first_trial(after) == [
        path for path in after if path in before or path.endswith("/evaluate/external.json")
    ]
    own = [path for path in after if layout.external_of(path) == "rsna"]
    assert len(own) == 2 + 4 * 4 + 12  # cohort, split; four stages of four batches; predictions of twelve models
    assert after == sorted(set(after), key=after.index) and set(before) < set(after)


def test_the_archives_place_is_published_nowhere() -> None:
    more = with_external(RSNA)
    assert "Smith" not in json.dumps(published(more.model_dump(mode="json")))
    of_ingest = layout.of_external(layout.MANIFEST.format(name="ingest/batch-00"), "rsna")
    settings = manifest_settings(of_ingest, {}, more)
    assert settings["cohort"]["name"] == "rsna" and "Smith" not in json.dumps(settings)


def test_pseudonyms_of_two_archives_do_not_collide_and_unique_ids_still_meet() -> None:
    own, other = pseudonyms(None, 1), pseudonyms(None, 1, "rsna")
    uid, path = "1.2.840.113619.2.1", "0007/T2/1.png"
    for kind in ("patient", "study", "series", "image"):
        assert getattr(own, kind)("0007") != getattr(other, kind)("0007")
        assert getattr(own, kind)(path) != getattr(other, kind)(path)
    assert own.image(uid) == other.image(uid) and own.study(uid) == other.study(uid)
    assert own.image(f"{uid}#3") == other.image(f"{uid}#3")
    assert own.slice("7", uid) != other.slice("7", uid) and own.file(path) != other.file(path)
    # PHANTOM-00007 is the archive's own number of its patient 7; a hospital's number is a person's everywhere
    assert own.person("PHANTOM-00007", "0007") != other.person("PHANTOM-00007", "0007")
    assert own.person("4711-234", "0007") == other.person("4711-234", "0003")
    assert own.person("20241107", "20241107") == other.person("20241107", "20241107")
    assert own.person("anonymous", "7") is None and own == pseudonyms(None, 1, "")


def test_the_cohort_trained_on_keeps_its_pseudonyms() -> None:
    names = pseudonyms(None, 20250)
    assert names.person("PHANTOM-00007", "0007") == names.person("PHANTOM-00007")


def deal(folder: Path, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """An external cohort of one batch beside one of twelve patients P0 to P11, through the stage."""
    run(folder, cohort(["A", "BC", "D"] * 4), duplicate_bits=BITS)
    write_parquet(folder / "external/batch-00.parquet", rows, SLICES, row_group_size=4)
    write_parquet(folder / "external/rejects.parquet", [], REJECTS)
    split.deal_external(
        params(duplicate_bits=BITS),
        1,
        label="rsna",
        slices=[folder / "external/batch-00.parquet"],
        rejects=[folder / "external/rejects.parquet"],
        training_split=folder / "split.parquet",
        training_slices=[folder / f"slices/batch-{batch}.parquet" for batch in ("00", "01")],
        split=folder / "external/split.parquet",
        parts=[folder / "external/part.parquet"],
        used=[folder / "external/used.parquet"],
        all_rejects=folder / "external/all.parquet",
        manifest=folder / "external/manifest.json",
    )
    return pq.read_table(folder / "external/split.parquet").to_pylist()


def others() -> list[dict[str, Any]]:
    return [slice_row(patient, index, "BC") for patient in (50, 51) for index in range(2)] + [
        slice_row(52, 0, None),
        slice_row(52, 1, "A", weighting="T1"),
    ]


def test_all_of_an_external_cohort_that_can_be_used_is_test_part(tmp_path: Path) -> None:
    rows = deal(tmp_path, others())
    assert [row["subset"] for row in rows] == ["test"] * 4 + ["unused"] * 2
    part = pq.read_table(tmp_path / "external/part.parquet").to_pylist()
    assert [row["subset"] for row in part] == [row["subset"] for row in rows]
    used = pq.read_table(tmp_path / "external/used.parquet").to_pylist()
    assert [row["subset"] for row in used] == ["used"] * 4 + ["unused"] * 2
    facts = json.loads((tmp_path / "external/manifest.json").read_text())["facts"]
    assert (facts["used"], facts["patients"]) == (4, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"study_key": "ST3"}, "study ST3"),
        ({"seed": 3001}, "near-identical images"),  # the picture of SL3-1
    ],
)
def test_somebody_who_stands_in_both_is_refused(change: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(LssError, match=f"{message}.*trained on.*external cohort rsna.*out of one of the two archives"):
        deal(tmp_path, [*others(), slice_row(53, 0, "D", **change)])


def test_one_person_by_header_or_note_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = cohort(["A", "BC", "D"] * 4)
    for column, value in (("person_key", "PE-one"), ("note", NOTE)):
        folder = tmp_path / column
        folder.mkdir()
        own[10][column] = value
        monkeypatch.setattr("test_external_cohorts.cohort", lambda grades: own)
        with pytest.raises(LssError, match="a person, by the headers' PatientID or the note"):
            deal(folder, [*others(), slice_row(53, 0, "D", **{column: value})])
        own[10][column] = None


def test_an_external_cohort_without_a_usable_slice_is_named(tmp_path: Path) -> None:
    with pytest.raises(LssError, match=r"external cohort rsna: no slice is left to test on \(1 x no grade"):
        deal(tmp_path, [slice_row(52, 0, None)])


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, Any]]:
    """The synthetic test part of good models, and an external cohort on which they are worse."""
    folder = tmp_path_factory.mktemp("external")
    made = {
        name: synthetic_results.make(folder / name, patients=patients, quality=quality, prefix=name)
        for name, patients, quality in (("own", 8, 0.95), ("rsna", 6, 0.6))
    }
    names = {TEST_PART: "own", "rsna": "rsna"}
    compare_external(
        EvaluateParams(bootstrap_draws=200, interval="bca", confidence=0.95, compare_with=None),
        3,
        predictions={
            cohort: {Run(*model): path for model, path in made[name].predictions.items()}
            for cohort, name in names.items()
        },
        shards={
            cohort: {"train": made["own"].shards["train"], "test": made[name].shards["test"]}
            for cohort, name in names.items()
        },
        comparison=folder / "external.json",
        manifest=folder / "manifest.json",
    )
    return json.loads((folder / "external.json").read_text()), made


def value(found: dict[str, Any], **key: Any) -> dict[str, Any]:
    (row,) = [row for row in found["measures"] if all(row[name] == of for name, of in key.items())]
    return row


def test_each_cohort_has_its_own_accuracy_kappa_dice_and_score(compared: tuple[dict[str, Any], Any]) -> None:
    found, made = compared
    for tested, name, patients in ((TEST_PART, "own", 8), ("rsna", "rsna", 6)):
        model = ("biomedclip", "classification", "cross_entropy")
        rows = pq.read_table(made[name].predictions[model]).to_pylist()
        answered, true = [row["predicted"] for row in rows], [row["grade"] for row in rows]
        key = {"cohort": tested, "task": "classification", "backbone": "biomedclip", "source": "model"}
        accuracy = value(found, **key, unit="image", metric="accuracy", stratum="all")
        assert accuracy["value"] == pytest.approx(np.mean([a == t for a, t in zip(answered, true, strict=True)]))
        assert (accuracy["n"], accuracy["patients"]) == (len(rows), patients)
        kappa = value(found, **key, unit="image", metric="kappa")
        assert kappa["value"] == pytest.approx(cohen_kappa_score(true, answered), abs=1e-6)
        assert kappa["low"] <= kappa["value"] <= kappa["high"]
        for task, metric, stratum in (("segmentation", "dice", "pseudo_mask"), ("report", "finding_score", "all")):
            of = {"cohort": tested, "task": task, "backbone": "biomedclip", "metric": metric, "stratum": stratum}
            own, table, difference = (
                value(found, **of, source=source, loss="pid_tversky" if task == "segmentation" else "focal")["value"]
                for source in ("model", "table", "difference")
            )
            assert difference == pytest.approx(own - table, abs=2e-6)


def test_a_model_that_is_worse_elsewhere_shows_it(compared: tuple[dict[str, Any], Any]) -> None:
    found, _ = compared
    key = {"task": "classification", "backbone": "biomedclip", "source": "model", "unit": "image",
           "metric": "accuracy", "stratum": "all"}  # fmt: skip
    assert value(found, cohort="rsna", **key)["value"] < value(found, cohort=TEST_PART, **key)["value"]


ABOUT = {"phantom": True, "cohort": "phantom", "weights": {"biomedclip": "tiny"}, "leak": [], "cohort_caveat": None}


def test_the_table_sets_cohorts_beside_each_other(compared: tuple[dict[str, Any], Any]) -> None:
    found, _ = compared
    table = TABLE.build(16, Results({"about": ABOUT, "external": found, "measures": []}))
    assert len(table.rows) == len(found["measures"])
    first, second = table.rows[:2]
    assert first["cohort"].startswith("phantom") and second["cohort"] == "rsna"
    assert {name for name in first if first[name] != second[name]} <= {
        "cohort", "estimate", "ci_low", "ci_high", "interval", "n", "patients",
    }  # fmt: skip
    assert "rsna: 6 patients" in table.notes[0]
    grid = grid_of(table, 3)
    assert len(grid.lines) == len({tuple(row[name] for name in table.row_fields) for row in table.rows})


def test_the_table_says_how_to_have_external_cohorts() -> None:
    table = TABLE.build(16, Results({"about": ABOUT, "measures": []}))
    assert not table.rows and "List one under `external`" in table.notes[0]


@pytest.fixture(scope="module")
def of_archives(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], dict[str, str], Any]:
    """The synthetic test part, of which every third patient is of the archive "small" and the others of "large"."""
    folder = tmp_path_factory.mktemp("archives")
    made = synthetic_results.make(folder / "own", patients=9, quality=0.8, prefix="own")
    tested = pq.read_table(next(iter(made.predictions.values())))["patient_key"].to_pylist()
    archive_of = {patient: "large" if place % 3 else "small" for place, patient in enumerate(dict.fromkeys(tested))}
    rows = [dict.fromkeys(SLICES.names) | {"patient_key": key, "cohort": of} for key, of in archive_of.items()]
    write_parquet(folder / "slices.parquet", rows, SLICES)
    compare_external(
        EvaluateParams(bootstrap_draws=200, interval="bca", confidence=0.95, compare_with=None),
        3,
        predictions={TEST_PART: {Run(*model): path for model, path in made.predictions.items()}},
        shards={TEST_PART: {"train": made.shards["train"], "test": made.shards["test"]}},
        comparison=folder / "external.json",
        manifest=folder / "manifest.json",
        slices=[folder / "slices.parquet"],
    )
    return json.loads((folder / "external.json").read_text()), archive_of, made


def test_of_a_cohort_of_several_archives_each_is_measured_beside_the_whole(
    of_archives: tuple[dict[str, Any], dict[str, str], Any],
) -> None:
    found, archive_of, made = of_archives
    model = ("biomedclip", "classification", "cross_entropy")
    every = pq.read_table(made.predictions[model]).to_pylist()
    key = {"task": "classification", "backbone": "biomedclip", "source": "model", "unit": "image"}
    counts = {}
    for label, patients in (("small", 3), ("large", 6)):
        rows = [row for row in every if archive_of[row["patient_key"]] == label]
        answered, true = [row["predicted"] for row in rows], [row["grade"] for row in rows]
        cohort = f"{TEST_PART}, of {label}"
        accuracy = value(found, **key, cohort=cohort, metric="accuracy", stratum="all")
        assert accuracy["value"] == pytest.approx(np.mean([a == t for a, t in zip(answered, true, strict=True)]))
        assert (accuracy["n"], accuracy["patients"]) == (len(rows), patients)
        kappa = value(found, **key, cohort=cohort, metric="kappa")
        assert kappa["value"] == pytest.approx(cohen_kappa_score(true, answered), abs=1e-6)
        counts[label] = len(rows)
    whole = value(found, **key, cohort=TEST_PART, metric="accuracy", stratum="all")
    assert whole["n"] == sum(counts.values()) and min(counts.values()) > 0

    archives = {"small": "rsna", "large": "lss"}
    about = ABOUT | {"phantom": False, "cohort": "small + large", "archives": archives}
    table = TABLE.build(16, Results({"about": about, "external": found, "measures": []}))
    assert table.title == "The test part archive by archive" and "external cohort" not in " ".join(table.notes)
    assert [row["cohort"] for row in table.rows[:3]] == [TEST_PART, f"{TEST_PART}, of large", f"{TEST_PART}, of small"]
    cohorts = found["about"]["cohorts"] | {"rsna": {"patients": 1, "images": 2}}
    with_rsna = found | {"about": found["about"] | {"cohorts": cohorts}}
    beside = TABLE.build(16, Results({"about": about, "external": with_rsna, "measures": []}))
    assert beside.title.endswith(", beside external cohorts") and "nobody of an external cohort" in beside.notes[0]

"""What is missing is refused where it is needed, and nowhere else."""

from __future__ import annotations

import pytest

from lss.errors import LssError
from lss.project import availability
from lss.project.availability import lacks, require
from lss.project.params import check_params, load_params


@pytest.fixture
def changed(project_root, tmp_path, monkeypatch):
    """params.yaml with changes, in an empty folder."""
    raw = load_params(project_root / "params.yaml").model_dump(mode="json")
    monkeypatch.chdir(tmp_path)

    def change(**sections):
        for section, values in sections.items():
            raw[section] |= values
        return check_params(raw)

    return change


def test_the_default_lacks_nothing(changed):
    assert lacks(changed()) == []


@pytest.mark.parametrize(
    ("sections", "job", "message"),
    [
        ({"split": {"file": "mine.csv"}}, "split", "split.file: there is no file mine.csv"),
        ({"ingest": {"pseudonym_key_file": "key"}}, "ingest", "ingest.pseudonym_key_file: there is no file key"),
        ({"evaluate": {"compare_with": "run-0123456789ab"}}, "evaluate", "evaluate.compare_with"),
        ({"cohort": {"name": "folder", "root": "scans"}}, "cohort", "cohort 'folder' in scans/: no such folder"),
    ],
)
def test_a_missing_file_stops_the_job_that_reads_it(changed, sections, job, message):
    params = changed(**sections)
    with pytest.raises(LssError) as refused:
        require(params, {job, "page"})
    assert message in str(refused.value) and len(str(refused.value).splitlines()) == 2
    require(params, {"shards", "page"})


def test_files_that_are_there_are_enough(changed, tmp_path):
    for name in ("mine.csv", "key"):
        (tmp_path / name).touch()
    assert lacks(changed(split={"file": "mine.csv"}, ingest={"pseudonym_key_file": "key"})) == []


def test_weights_are_missed_by_their_own_backbone_alone(changed, tmp_path):
    params = changed(weights={"source": "published"})
    (tmp_path / "data/weights/smolvlm").mkdir(parents=True)
    (tmp_path / "data/weights/smolvlm/model.safetensors").touch()
    require(params, {"weights", "weights smolvlm"})
    with pytest.raises(LssError, match="weights of llava_med"):
        require(params, {"weights", "weights llava_med"})


@pytest.mark.parametrize(("cards", "refused"), [(0, {"train", "predict", "denoise"}), (1, {"train"}), (2, set())])
def test_gpus_are_counted_by_each_setting(changed, monkeypatch, cards, refused):
    """Machines with and without GPUs: their count is the one thing that is put in place of this machine's."""
    monkeypatch.setattr(availability, "gpu_count", lambda: cards)
    params = changed(execution={"device": "cuda", "processes": 2}, train={"micro_batch_size": 4})
    for job in ("train", "predict", "denoise"):
        if job in refused:
            with pytest.raises(LssError, match="execution.processes" if cards else "execution.device: is cuda"):
                require(params, {job})
            require(params, {job}, gpus=False)  # it runs on another machine
        else:
            require(params, {job})


def test_a_method_that_knows_no_gpu_asks_for_none(changed, monkeypatch):
    monkeypatch.setattr(availability, "gpu_count", lambda: 0)
    assert [lack.jobs for lack in lacks(changed(denoise={"method": "skimage"}, execution={"device": "cuda"}))] == [
        ("train", "ablation_arm", "predict")
    ]

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import save_file

from lss.backbones import load_backbone
from lss.backbones.settings import WeightParams
from lss.errors import LssError
from lss.stages import weights
from lss.storage.io import sha256_file

COMMIT = "0" * 40


def params(source="tiny", folder=None, tower="checkpoint"):
    checkpoint = {"hub_id": "somebody/something", "revision": COMMIT, "folder": folder, "companion": None}
    llava = {**checkpoint, "vision_tower": tower}
    return WeightParams(source=source, biomedclip=checkpoint, smolvlm=checkpoint, llava_med=llava)


def run(settings, tmp_path, folder, backbone="biomedclip"):
    weights.run(settings, 5, backbone=backbone, published=tmp_path / "store", folder=folder,
                manifest=tmp_path / "stage.json")  # fmt: skip


@pytest.fixture
def tiny(tmp_path):
    folder = tmp_path / "tiny"
    run(params(), tmp_path, folder)
    return folder


@pytest.fixture
def by_hand(tiny, tmp_path):
    """Published files that somebody copied to where they are looked for."""
    store = tmp_path / "store"
    shutil.copytree(tiny, store)
    (store / "manifest.json").unlink()
    (store / "README.md").write_text("card")
    return store


def contents(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_manifest_lists_every_file(tiny, tmp_path):
    listing = json.loads((tiny / "manifest.json").read_text())
    files = {str(path.relative_to(tiny)) for path in tiny.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(listing["files"]) == files
    name = "open_clip_model.safetensors"
    assert listing["files"][name]["sha256"] == sha256_file(tiny / name)
    assert "Random weights" in listing["note"]
    assert json.loads((tmp_path / "stage.json").read_text())["facts"]["source"] == "tiny"


def test_files_copied_by_hand_are_used_and_left_alone(by_hand, tmp_path):
    before = contents(by_hand)
    run(params("published"), tmp_path, tmp_path / "used")
    backbone = load_backbone(
        "biomedclip", tmp_path / "used", quantise=False, device=torch.device("cpu"), dtype=torch.float32
    )
    assert backbone.grid == (14, 14)
    facts = json.loads((tmp_path / "used/manifest.json").read_text())
    assert facts["folder"] == str(by_hand) and "by hand" in facts["note"]
    assert not (tmp_path / "used/README.md").exists()
    run(params("published"), tmp_path, tmp_path / "used")  # over the earlier one
    run(params("tiny"), tmp_path, tmp_path / "used")
    assert contents(by_hand) == before


def test_a_named_folder_counts_before_the_usual_one(by_hand, tmp_path):
    other = tmp_path / "elsewhere"
    by_hand.rename(other)
    run(params("published", other), tmp_path, tmp_path / "used")
    assert json.loads((tmp_path / "used/manifest.json").read_text())["folder"] == str(other)


def test_the_stage_s_own_folder_is_no_source(tiny, tmp_path):
    before = contents(tiny)
    for named in (tiny, tiny / "inside"):
        with pytest.raises(LssError, match="is where this stage writes"):
            run(params("published", named), tmp_path, tiny)
    assert contents(tiny) == before


def test_nothing_of_an_earlier_checkpoint_stays(tiny, tmp_path):
    (tiny / "model-00001-of-00002.safetensors").write_bytes(b"of an earlier one")
    run(params(), tmp_path, tiny)
    assert not (tiny / "model-00001-of-00002.safetensors").exists()


def test_commits_of_what_was_fetched_are_passed_on(by_hand, tmp_path):
    record = {"repositories": {"somebody/something": {"revision": "main", "commit": COMMIT, "files": {}}}}
    (by_hand / "fetched.json").write_text(json.dumps(record))
    run(params("published"), tmp_path, tmp_path / "used")
    facts = json.loads((tmp_path / "stage.json").read_text())["facts"]
    assert facts["commits"] == {"somebody/something": COMMIT}
    record["repositories"]["somebody/something"]["commit"] = "1" * 40
    (by_hand / "fetched.json").write_text(json.dumps(record))
    with pytest.raises(LssError, match=rf"fetched\.json: holds main \(commit 1+\), but.*at {COMMIT}.*lss fetch"):
        run(params("published"), tmp_path, tmp_path / "used")
    # what was there stays whole
    assert json.loads((tmp_path / "used/manifest.json").read_text())["commits"] == {"somebody/something": COMMIT}


def test_without_files_the_remedy_is_to_fetch_them(tmp_path):
    for named in (None, tmp_path / "nowhere"):
        with pytest.raises(
            LssError, match=rf"no published checkpoint lies there.*lss fetch weights.*at revision {COMMIT}"
        ):
            run(params("published", named), tmp_path, tmp_path / "out", backbone="smolvlm")
    assert not (tmp_path / "out").exists()
    assert not list(tmp_path.glob(".out.*"))


def test_the_vision_tower_that_is_asked_for_or_an_error(tmp_path):
    store, used, manifest = tmp_path / "store", tmp_path / "used", tmp_path / "used/manifest.json"
    run(params(), tmp_path, store, backbone="llava_med")
    (store / "manifest.json").unlink()
    run(params("published"), tmp_path, used, backbone="llava_med")
    assert json.loads(manifest.read_text())["vision_tower"] == "checkpoint"
    before = contents(used)
    with pytest.raises(LssError, match=rf"{store}/clip-vit.*holds no .*vision_tower: clip"):
        run(params("published", tower="clip"), tmp_path, used, backbone="llava_med")
    torch.save({"weight": torch.zeros(1)}, store / "clip-vit-large-patch14-336/pytorch_model.bin")
    with pytest.raises(LssError, match=rf"pickled checkpoint.*lss convert-weights {store}/clip-vit"):
        run(params("published", tower="clip"), tmp_path, used, backbone="llava_med")
    assert contents(used) == before
    # a companion's pickle is no matter where its weights are not asked for, and is not copied
    run(params("published"), tmp_path, used, backbone="llava_med")
    assert not list(used.rglob("*.bin"))
    save_file(
        {"vision_model.pre_layrnorm.weight": torch.zeros(96)}, store / "clip-vit-large-patch14-336/model.safetensors"
    )
    run(params("published", tower="clip"), tmp_path, used, backbone="llava_med")
    facts = json.loads(manifest.read_text())
    assert facts["vision_tower"] == "clip" and "1 of 1 tensors differ" in facts["vision_tower_weights"]


def test_a_pickle_is_not_used(tmp_path):
    (tmp_path / "store").mkdir()
    (tmp_path / "store/open_clip_pytorch_model.bin").write_bytes(b"")
    with pytest.raises(LssError, match=r"pickled checkpoint.*lss convert-weights"):
        run(params("published"), tmp_path, tmp_path / "out")

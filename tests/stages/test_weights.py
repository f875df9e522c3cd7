from __future__ import annotations

import json

import pytest
import torch

from lss.backbones import load_backbone
from lss.errors import LssError
from lss.io import sha256_file
from lss.params import WeightParams
from lss.stages import weights


def params(source="tiny", folder=None):
    checkpoint = {"hub_id": "somebody/something", "revision": "0" * 40, "folder": folder}
    return WeightParams(source=source, biomedclip=checkpoint, smolvlm=checkpoint, llava_med=checkpoint)


@pytest.fixture
def tiny(tmp_path):
    folder = tmp_path / "tiny"
    weights.run(params(), 5, backbone="biomedclip", folder=folder, manifest=tmp_path / "stage.json")
    return folder


def test_manifest_lists_every_file(tiny, tmp_path):
    listing = json.loads((tiny / "manifest.json").read_text())
    files = {str(path.relative_to(tiny)) for path in tiny.rglob("*") if path.is_file()} - {"manifest.json"}
    assert set(listing["files"]) == files
    name = "open_clip_model.safetensors"
    assert listing["files"][name]["sha256"] == sha256_file(tiny / name)
    assert "Random weights" in listing["note"]
    assert json.loads((tmp_path / "stage.json").read_text())["facts"]["source"] == "tiny"


def test_a_folder_in_the_published_format_is_taken(tiny, tmp_path):
    taken = tmp_path / "taken"
    weights.run(params("published", tiny), 5, backbone="biomedclip", folder=taken, manifest=tmp_path / "stage.json")
    backbone = load_backbone("biomedclip", taken, quantise=False, device=torch.device("cpu"), dtype=torch.float32)
    assert backbone.grid == (14, 14)
    assert json.loads((taken / "manifest.json").read_text())["folder"] == str(tiny)


def test_a_folder_that_is_not_there(tmp_path):
    missing = params("published", tmp_path / "nowhere")
    with pytest.raises(LssError, match="nowhere: no such folder"):
        weights.run(missing, 5, backbone="smolvlm", folder=tmp_path / "out", manifest=tmp_path / "stage.json")
    assert not (tmp_path / "out" / "manifest.json").exists()


def test_without_network_the_remedy_is_a_folder(tmp_path):
    with pytest.raises(LssError, match=r"somebody/something@0+: cannot be fetched.*weights\.<backbone>\.folder"):
        weights.run(
            params("published"), 5, backbone="smolvlm", folder=tmp_path / "out", manifest=tmp_path / "stage.json"
        )

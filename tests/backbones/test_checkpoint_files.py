from __future__ import annotations

import json
import pickle
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from lss.backbones import NAMES, load_backbone
from lss.backbones.convert import convert_pickled
from lss.errors import LssError


def load(name, folder):
    return load_backbone(name, folder, quantise=False, device=torch.device("cpu"), dtype=torch.float32)


@pytest.fixture
def biomedclip(checkpoints, tmp_path):
    return shutil.copytree(checkpoints / "biomedclip", tmp_path / "biomedclip")


@pytest.mark.parametrize("name", NAMES)
def test_a_pickled_checkpoint_is_refused_with_the_remedy(name, checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / name, tmp_path / name)
    for file in folder.glob("*.safetensors*"):
        file.unlink()
    torch.save({"weight": torch.zeros(1)}, folder / "pytorch_model.bin")
    with pytest.raises(LssError, match=rf"pytorch_model\.bin: is a pickled checkpoint.*lss convert-weights {folder}"):
        load(name, folder)


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_folder_names_what_is_missing(name, tmp_path):
    with pytest.raises(LssError, match=r"config\.json.*not there"):
        load(name, tmp_path)


def test_biomedclip_as_published_in_a_pickle_is_converted_once(biomedclip):
    published = load_file(biomedclip / "open_clip_model.safetensors")
    (biomedclip / "open_clip_model.safetensors").unlink()
    # the published file still has a buffer that transformers dropped
    with_old_key = {**published, "text.transformer.embeddings.position_ids": torch.arange(512)[None]}
    torch.save(with_old_key, biomedclip / "open_clip_pytorch_model.bin")
    assert convert_pickled(biomedclip) == [biomedclip / "open_clip_model.safetensors"]
    weights = load("biomedclip", biomedclip).model.state_dict()
    assert weights.keys() == published.keys()
    assert all(torch.equal(weights[key], published[key]) for key in published)


def test_a_pickle_that_would_run_code_is_not_converted(tmp_path):
    marker = tmp_path / "ran"

    class Attack:
        def __reduce__(self):
            return (marker.write_text, ("code ran",))

    (tmp_path / "pytorch_model.bin").write_bytes(pickle.dumps({"weight": Attack()}))
    with pytest.raises(LssError, match="holds more than tensors"):
        convert_pickled(tmp_path)
    assert not marker.exists()
    assert not list(tmp_path.glob("*.safetensors"))


def test_biomedclip_with_a_missing_weight(biomedclip):
    file = biomedclip / "open_clip_model.safetensors"
    weights = load_file(file)
    del weights["visual.head.proj.weight"]
    save_file(weights, file)
    with pytest.raises(LssError, match=r"Missing key.*visual\.head\.proj\.weight"):
        load("biomedclip", biomedclip)


def test_smolvlm_with_a_missing_and_an_unexpected_weight(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / "smolvlm", tmp_path / "smolvlm")
    weights = load_file(folder / "model.safetensors")
    weights["model.connector.other.weight"] = weights.pop("model.connector.modality_projection.proj.weight")
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(LssError, match=r"missing \(model\.connector\.modal.*unexpected \(model\.connector\.other"):
        load("smolvlm", folder)


def test_smolvlm_with_weights_of_another_size(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / "smolvlm", tmp_path / "smolvlm")
    config = json.loads((folder / "config.json").read_text())
    config["vision_config"]["intermediate_size"] = 128
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(LssError, match="do not fit the model"):
        load("smolvlm", folder)


def test_biomedclip_without_its_bert_configuration(biomedclip):
    shutil.rmtree(biomedclip / "BiomedNLP-BiomedBERT-base-uncased-abstract")
    with pytest.raises(LssError, match=r"BiomedBERT.*config\.json"):
        load("biomedclip", biomedclip)

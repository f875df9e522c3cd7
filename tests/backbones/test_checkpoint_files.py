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


def as_pickles(folder):
    """A checkpoint in several safetensors files as older ones are published: several pickles and an index."""
    index = json.loads((folder / "model.safetensors.index.json").read_text())
    names = {}
    for file in sorted(folder.glob("*.safetensors")):
        names[file.name] = f"pytorch_{file.stem}.bin"
        torch.save(load_file(file), folder / names[file.name])
        file.unlink()
    (folder / "model.safetensors.index.json").unlink()
    index["weight_map"] = {name: names[file] for name, file in index["weight_map"].items()}
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps(index))


def test_a_checkpoint_in_several_pickles_gets_an_index(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / "llava_med", tmp_path / "llava_med")
    expected = (folder / "model.safetensors.index.json").read_text()
    as_pickles(folder)
    written = convert_pickled(folder)
    assert [path.name for path in written] == [
        "model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors", "model.safetensors.index.json"
    ]  # fmt: skip
    assert json.loads((folder / "model.safetensors.index.json").read_text()) == json.loads(expected)
    original = load("llava_med", checkpoints / "llava_med").model.state_dict()
    converted = load("llava_med", folder).model.state_dict()
    assert all(torch.equal(original[name], converted[name]) for name in original)


def test_a_missing_pickle_of_several_is_named(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / "llava_med", tmp_path / "llava_med")
    as_pickles(folder)
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    with pytest.raises(LssError, match=r"names files that are not there: pytorch_model-00002-of-00002\.bin"):
        convert_pickled(folder)


@pytest.mark.parametrize("damage", ["no index", "a missing file", "a cut file", "a broken configuration"])
def test_a_damaged_checkpoint_is_reported_without_a_traceback(damage, checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / "llava_med", tmp_path / "llava_med")
    first = folder / "model-00001-of-00002.safetensors"
    if damage == "no index":
        (folder / "model.safetensors.index.json").unlink()
    elif damage == "a missing file":
        first.unlink()
    elif damage == "a cut file":
        first.write_bytes(first.read_bytes()[:1000])
    else:
        (folder / "clip-vit-large-patch14-336/config.json").write_text("{")
    with pytest.raises(LssError, match=r"llava_med.*(cannot be loaded|there are 2 shards, .* but not there)"):
        load("llava_med", folder)


def test_the_vision_tower_of_llava_med_from_a_converted_pickle(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / "llava_med", tmp_path / "llava_med")
    own = load("llava_med", folder).model.model.vision_tower.state_dict()
    # as published: all of CLIP, keys with `vision_model.`, with a buffer that transformers dropped
    pickled = {f"vision_model.{name}": value + 1 for name, value in own.items()}
    last = max(int(name.split(".")[2]) for name in own if name.startswith("encoder.layers"))
    unused = {
        name.replace(f"layers.{last}.", f"layers.{last + 1}."): value
        for name, value in pickled.items()
        if f"layers.{last}." in name
    }
    superfluous = {"vision_model.embeddings.position_ids": torch.arange(145)[None], "logit_scale": torch.ones(())}
    tower = folder / "clip-vit-large-patch14-336"
    torch.save({**pickled, **unused, **superfluous}, tower / "pytorch_model.bin")
    assert [path.name for path in convert_pickled(tower)] == ["model.safetensors"]
    (folder / "manifest.json").write_text(json.dumps({"vision_tower": "clip"}))
    loaded = load("llava_med", folder).model.model.vision_tower.state_dict()
    assert all(torch.equal(loaded[name], own[name] + 1) for name in own)


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


def test_a_pickle_beside_safetensors_of_another_name_is_not_taken(biomedclip):
    (biomedclip / "open_clip_model.safetensors").rename(biomedclip / "weights.safetensors")
    torch.save({"weight": torch.zeros(1)}, biomedclip / "open_clip_pytorch_model.bin")
    with pytest.raises(LssError, match=r"open_clip_model\.safetensors: not there"):
        load("biomedclip", biomedclip)


@pytest.mark.parametrize("name", NAMES)
def test_tensors_that_no_loader_reads_are_named(name, checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / name, tmp_path / name)
    before = load(name, folder).unused
    save_file({"left.over": torch.zeros(1)}, folder / "of_another_time.safetensors", {"format": "pt"})
    assert set(load(name, folder).unused) - set(before) == {"of_another_time.safetensors: left.over"}
    # the layer of LLaVA-Med's tower behind the one that features come from
    assert len(before) == (16 if name == "llava_med" else 0)


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

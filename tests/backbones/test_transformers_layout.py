"""Checkpoints as transformers 5 writes them, and folders in which files of two versions lie."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import Idefics3Processor, LlavaForConditionalGeneration
from transformers.models.idefics3 import Idefics3ImageProcessor

from lss.backbones import backbone_class, load_backbone
from lss.backbones.files import require_safetensors
from lss.backbones.settings import WeightParams
from lss.errors import LssError
from lss.stages import weights


def load(name, folder):
    return load_backbone(name, folder, quantise=False, device=torch.device("cpu"), dtype=torch.float32)


def written_by_transformers(name, backbone, folder, **options):
    """`save_pretrained` of model, tokenizer and, where there is one, processor."""
    model = backbone.model
    if name == "llava_med":  # else transformers would write the published names, by which it was loaded
        model = LlavaForConditionalGeneration(model.config)
        model.load_state_dict(backbone.model.state_dict())
        backbone.tokenizer.save_pretrained(folder)
    else:
        images = Idefics3ImageProcessor(image_mean=[0.4, 0.5, 0.6], image_std=[0.2, 0.3, 0.4])
        Idefics3Processor(images, backbone.tokenizer).save_pretrained(folder)
    model.save_pretrained(folder, **options)
    return folder


@torch.no_grad()
@pytest.mark.parametrize("options", [{}, {"max_shard_size": "1MB"}], ids=["whole", "shards"])
@pytest.mark.parametrize("name", ["smolvlm", "llava_med"])
def test_what_transformers_writes_is_the_same_model(name, options, checkpoints, tmp_path):
    published = load(name, checkpoints / name)
    folder = written_by_transformers(name, published, tmp_path / name, **options)
    names = {path.name for path in folder.iterdir()}
    assert ("model.safetensors.index.json" in names) == bool(options)
    assert not names & {"preprocessor_config.json", "tokenizer.model", "special_tokens_map.json"}  # as it used to be
    again = load(name, folder)
    images = torch.randn(2, 3, again.image_size, again.image_size, generator=torch.Generator().manual_seed(0))
    assert torch.equal(again.patch_tokens(images), published.patch_tokens(images))
    text = "Axial T2: severe stenosis at L4-L5."
    assert again.tokenizer(text)["input_ids"] == published.tokenizer(text)["input_ids"]
    assert torch.equal(again.prompt_embeddings([text]), published.prompt_embeddings([text]))
    targets = [target for _, _, target in backbone_class(name).stored_tensors(folder)]
    assert None not in targets and set(targets) <= set(again.model.state_dict())
    if name == "smolvlm":
        assert (again.mean, again.std) == ((0.4, 0.5, 0.6), (0.2, 0.3, 0.4))
        assert backbone_class(name).empty(folder).mean == again.mean


def test_another_llava_is_refused(checkpoints, tmp_path):
    folder = written_by_transformers("llava_med", load("llava_med", checkpoints / "llava_med"), tmp_path / "other")
    config = json.loads((folder / "config.json").read_text())
    config["vision_feature_select_strategy"] = "full"
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(LssError, match=r"other/config\.json: is of mistral, clip_vision_model, full: no LLaVA-Med"):
        load("llava_med", folder)


def test_without_preprocessing_the_files_are_named(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints / "smolvlm", tmp_path / "smolvlm")
    (folder / "preprocessor_config.json").unlink()
    (folder / "processor_config.json").write_text("{}")
    with pytest.raises(LssError, match=r"neither preprocessor_config\.json nor processor_config\.json with image_mean"):
        load("smolvlm", folder)


FIRST, SECOND = (f"model-{number:05d}-of-00002.safetensors" for number in (1, 2))


def lay_a_whole_file_beside(folder):
    save_file({"lm_head.weight": torch.zeros(2)}, folder / "model.safetensors", {"format": "pt"})


def lose_a_shard(folder):
    (folder / SECOND).unlink()


def lose_a_shard_and_the_index(folder):
    (folder / "model.safetensors.index.json").unlink()
    (folder / FIRST).unlink()


def leave_a_shard_of_another_version(folder):
    kept = dict(list(load_file(folder / FIRST).items())[1:])
    save_file(kept, folder / FIRST, {"format": "pt"})


def cut_a_shard(folder):
    (folder / SECOND).write_bytes((folder / SECOND).read_bytes()[:-100])


def break_the_index(folder):
    (folder / "model.safetensors.index.json").write_text('{"weight_map": []}')


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lay_a_whole_file_beside, r"model\.safetensors: lies beside the shards that model\.safetensors\.index\.json"),
        (lose_a_shard, rf"{SECOND}: there are 2 shards, as {FIRST} says, but not there"),
        (lose_a_shard_and_the_index, rf"{FIRST}: there are 2 shards, as {SECOND} says, but not there"),
        (leave_a_shard_of_another_version, r"1 tensors are not in the file where model\.safetensors\.index\.json has"),
        (cut_a_shard, rf"{SECOND}: cannot be loaded: cut or damaged"),
        (break_the_index, r"index\.json: is no index of safetensors files"),
    ],
)
def test_what_would_be_loaded_wrong_or_late_stops_the_stage_weights(damage, message, checkpoints, tmp_path):
    """Before any training: nothing is written."""
    store = shutil.copytree(checkpoints / "llava_med", tmp_path / "store")
    assert len(require_safetensors(store)) == 2
    damage(store)
    checkpoint = {"hub_id": "somebody/something", "revision": "0" * 40, "folder": None, "companion": None}
    settings = WeightParams.model_validate(
        {"source": "published", "biomedclip": checkpoint, "smolvlm": checkpoint,
         "llava_med": {**checkpoint, "vision_tower": "checkpoint"}}
    )  # fmt: skip
    with pytest.raises(LssError, match=message):
        weights.run(
            settings, 1, backbone="llava_med", published=store, folder=tmp_path / "out", manifest=tmp_path / "m.json"
        )
    assert not (tmp_path / "out").exists() and not (tmp_path / "m.json").exists()

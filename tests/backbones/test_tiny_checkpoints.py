from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import load_file

from lss.backbones import NAMES, backbone_class
from lss.backbones.tiny_checkpoints import write_tiny_checkpoint
from lss.backbones.tiny_init import cosine_basis, patch_filters, positions
from lss.storage.io import sha256_file

PUBLISHED_FILES = {
    "biomedclip": {"open_clip_config.json", "open_clip_model.safetensors", "vocab.txt", "tokenizer_config.json"},
    "smolvlm": {"config.json", "preprocessor_config.json", "tokenizer.json", "model.safetensors"},
    "llava_med": {"config.json", "tokenizer.model", "model.safetensors.index.json"},
}


def hashes(folder):
    return {str(path.relative_to(folder)): sha256_file(path) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bytes(name, checkpoints, tmp_path):
    torch.manual_seed(99)
    state = torch.random.get_rng_state()
    write_tiny_checkpoint(name, tmp_path / "again", seed=3)
    assert torch.equal(torch.random.get_rng_state(), state)
    assert hashes(tmp_path / "again") == hashes(checkpoints / name)
    write_tiny_checkpoint(name, tmp_path / "other", seed=4)
    changed = {file for file, value in hashes(tmp_path / "other").items() if hashes(checkpoints / name)[file] != value}
    assert changed
    assert all(file.endswith(".safetensors") for file in changed)


@pytest.mark.parametrize("name", NAMES)
def test_files_are_named_as_published(name, checkpoints):
    assert PUBLISHED_FILES[name] <= {path.name for path in (checkpoints / name).iterdir()}


def test_llava_med_lacks_what_the_published_one_lacks(checkpoints):
    names = {path.name for path in (checkpoints / "llava_med").iterdir()}
    assert not {"tokenizer.json", "preprocessor_config.json"} & names


def test_index_names_the_shard_of_every_weight(checkpoints):
    folder = checkpoints / "llava_med"
    index = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    result = {name: file.name for file in folder.glob("model-*.safetensors") for name in load_file(file)}
    assert index == result
    assert len(set(index.values())) == 2


def test_cosine_basis_is_orthonormal_and_starts_with_the_mean():
    basis = cosine_basis(8)
    torch.testing.assert_close(basis @ basis.T, torch.eye(64), atol=1e-5, rtol=0)
    torch.testing.assert_close(basis[0], torch.full((64,), 1 / 8))


def test_a_grey_patch_can_be_read_back_from_its_embedding():
    filters = patch_filters(96, 8, 0.25, torch.Generator().manual_seed(0)).sum(dim=1).flatten(1)
    patch = torch.rand(64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(torch.linalg.lstsq(filters, filters @ patch).solution, patch, atol=1e-4, rtol=0)


def test_positions_are_most_alike_when_near():
    table = positions(12)
    likeness = (table @ table[5 * 12 + 5]).reshape(12, 12)
    assert likeness.argmax() == 5 * 12 + 5
    assert likeness[5, 6] > likeness[5, 7] > likeness[5, 8] and likeness[5, 7] > likeness[5, 11]


@pytest.mark.parametrize("name", NAMES)
def test_an_empty_model_has_the_shapes_of_the_loaded_one(name, checkpoints, load):
    with torch.device("meta"):
        empty = backbone_class(name).empty(checkpoints / name)
    loaded = load(name)
    shapes = [{key: value.shape for key, value in backbone.state_dict().items()} for backbone in (empty, loaded)]
    assert shapes[0] == shapes[1]
    assert all(value.is_meta for value in empty.parameters())
    assert (empty.grid, empty.width, empty.text_width) == (loaded.grid, loaded.width, loaded.text_width)

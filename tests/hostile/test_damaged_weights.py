"""Checkpoints of backbones, pickles: whatever lies in them, an LssError names the folder, nothing of it runs."""

from __future__ import annotations

import io
import json
import pickle
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from lss.backbones import load_backbone
from lss.backbones.convert import convert_pickled
from lss.backbones.tiny_checkpoints import write_tiny_checkpoint
from lss.errors import LssError

CONTENTS: dict[str, bytes] = {
    "empty": b"",
    "an empty object": b"{}",
    "a list": b"[]",
    "null": b"null",
    "text": b"not found\n",
    "binary": bytes(range(256)),
}
FILES = [
    ("biomedclip", "open_clip_config.json"), ("biomedclip", "BiomedNLP-BiomedBERT-base-uncased-abstract/config.json"),
    ("biomedclip", "open_clip_model.safetensors"), ("biomedclip", "vocab.txt"),
    ("smolvlm", "config.json"), ("smolvlm", "tokenizer.json"), ("smolvlm", "preprocessor_config.json"),
    ("llava_med", "config.json"), ("llava_med", "tokenizer.model"), ("llava_med", "model.safetensors.index.json"),
]  # fmt: skip


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny")
    for name in ("biomedclip", "smolvlm", "llava_med"):
        write_tiny_checkpoint(name, folder / name, seed=3)
    return folder


@pytest.mark.parametrize("content", CONTENTS)
@pytest.mark.parametrize(("name", "file"), FILES)
def test_junk_in_a_file_of_a_checkpoint(name: str, file: str, content: str, tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny / name, tmp_path / name)
    (folder / file).write_bytes(CONTENTS[content])
    with pytest.raises(LssError) as error:
        load_backbone(name, folder, quantise=False, device=torch.device("cpu"), dtype=torch.float32)
    assert str(folder) in str(error.value)
    assert any(remedy in str(error.value) for remedy in ("etch", "published", "checkpoint", "Rerun")), str(error.value)


def test_a_cut_vocabulary_is_refused(tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny / "biomedclip", tmp_path / "biomedclip")
    words = (folder / "vocab.txt").read_text().splitlines(keepends=True)
    (folder / "vocab.txt").write_text("".join(words[: len(words) // 2]))
    with pytest.raises(LssError, match=rf"its tokenizer knows \d+ tokens, its model {len(words)}"):
        load_backbone("biomedclip", folder, quantise=False, device=torch.device("cpu"), dtype=torch.float32)


class Planted:
    """Unpickled, it would write a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.write_text, (self.mark, "it ran")


def _zip_with_pickle(mark: Path) -> bytes:
    """A torch file (a zip) whose pickle is planted."""
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Planted(mark)))
        archive.writestr("archive/version", "3\n")
    return whole.getvalue()


def _saved(value: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(value, buffer)
    return buffer.getvalue()


ODD: dict[str, tuple[Callable[[Path], bytes], str]] = {
    "a planted pickle": (lambda mark: pickle.dumps(Planted(mark)), "holds more than tensors, or is broken"),
    "a planted pickle in torch's zip": (_zip_with_pickle, "holds more than tensors, or is broken"),
    "planted among tensors": (lambda mark: _saved({"w": torch.ones(2), "x": Planted(mark)}), "holds more than tensors"),
    "empty": (lambda _: b"", "holds more than tensors, or is broken"),
    "text": (lambda _: b"version https://git-lfs.github.com/spec/v1\n", "holds more than tensors, or is broken"),
    "a zip of other things": (lambda _: zip_of_text(), "holds more than tensors, or is broken"),
    "cut": (lambda _: _saved({"w": torch.ones(1000)})[:2000], "holds more than tensors, or is broken"),
    "a single tensor": (lambda _: _saved(torch.ones(3)), "it is Tensor"),
    "a list of tensors": (lambda _: _saved([torch.ones(3)]), "it is list"),
    "a number": (lambda _: _saved(7), "it is int"),
    "nothing": (lambda _: _saved(None), "it is NoneType"),
    "no tensors": (lambda _: _saved({}), "it is empty"),
    "a list as state_dict": (lambda _: _saved({"state_dict": [1]}), "it is list"),
    "tensors by number": (lambda _: _saved({0: torch.ones(3)}), "a name is int"),
    "a number among tensors": (lambda _: _saved({"w": torch.ones(3), "epoch": 7}), "epoch is int"),
    "a group within": (lambda _: _saved({"model": {"w": torch.ones(3)}}), "model is dict"),
    "a sparse tensor": (lambda _: _saved({"w": torch.eye(3).to_sparse()}), "w is a sparse, quantised or empty tensor"),
    "complex numbers": (lambda _: _saved({"w": torch.ones(3, dtype=torch.complex128)}), "safetensors cannot"),
}


def zip_of_text() -> bytes:
    whole = io.BytesIO()
    with zipfile.ZipFile(whole, "w") as archive:
        archive.writestr("../escape.txt", "x")
    return whole.getvalue()


@pytest.mark.parametrize("name", ODD)
@pytest.mark.parametrize("file", ["pytorch_model.bin", "weights.pt"])
def test_odd_pickle_is_not_converted(name: str, file: str, tmp_path: Path) -> None:
    make, message = ODD[name]
    folder, mark = tmp_path / "published", tmp_path / "mark"
    folder.mkdir()
    (folder / file).write_bytes(make(mark))
    with pytest.raises(LssError) as error:
        convert_pickled(folder)
    assert str(error.value).startswith(f"{folder / file}: ") and message in str(error.value)
    assert [path.name for path in folder.iterdir()] == [file] and not mark.exists()
    assert not (tmp_path / "escape.txt").exists()


INDICES: dict[str, tuple[Any, str]] = {
    "no map": ({}, "is no index of a checkpoint's files"),
    "a list": ([1], "is no index of a checkpoint's files"),
    "a map of numbers": ({"weight_map": {"w": 1}}, "is no index of a checkpoint's files"),
    "files elsewhere": ({"weight_map": {"w": "../../secret.bin"}}, "which is no file beside it"),
    "an absolute file": ({"weight_map": {"w": "/etc/passwd"}}, "which is no file beside it"),
    "a file that is not there": ({"weight_map": {"w": "pytorch_model-2.bin"}}, "names files that are not there"),
}


@pytest.mark.parametrize("name", INDICES)
def test_odd_index_of_pickles(name: str, tmp_path: Path) -> None:
    index, message = INDICES[name]
    (tmp_path / "pytorch_model.bin").write_bytes(_saved({"w": torch.ones(2)}))
    (tmp_path / "pytorch_model.bin.index.json").write_text(json.dumps(index))
    with pytest.raises(LssError) as error:
        convert_pickled(tmp_path)
    assert "pytorch_model.bin.index.json: " in str(error.value) and message in str(error.value)
    assert not list(tmp_path.glob("*.safetensors"))

"""The benchmark of the training at tiny size, and the random checkpoints that it writes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer

from lss.backbones import NAMES, load_backbone, published
from lss.backbones.tiny_checkpoints import write_tiny_checkpoint

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from _published_weights import fill_vocabulary, write_random_checkpoint


@pytest.mark.parametrize("name", NAMES)
def test_random_checkpoints_are_in_the_published_format(name, tmp_path, monkeypatch):
    """Of the sizes of the tiny ones, in files of 100 kB; the published loading path takes them."""
    tiny, random = tmp_path / "tiny", tmp_path / "random"
    write_tiny_checkpoint(name, tiny, seed=1)
    files = [path for path in tiny.rglob("*config.json") if "tokenizer" not in path.name]
    contents = {str(path.relative_to(tiny)): json.loads(path.read_text()) for path in files}
    monkeypatch.setitem(published.CONFIGURATIONS, "tiny", contents)
    write_random_checkpoint(name, "tiny", random, file_bytes=100_000)
    options = {"quantise": True, "device": torch.device("cpu"), "dtype": torch.bfloat16}
    loaded, expected = (load_backbone(name, folder, **options) for folder in (random, tiny))
    shapes = [{key: part.shape for key, part in one.named_parameters()} for one in (loaded, expected)]
    assert shapes[0] == shapes[1]
    assert (len(list(random.glob("*.safetensors"))) == 1) == (name == "biomedclip")
    assert len(loaded.tokenizer("Severe stenosis.")["input_ids"]) > 1


@pytest.mark.parametrize("name", NAMES)
def test_the_vocabulary_is_as_long_as_the_published_one(name, tmp_path):
    """`load_backbone` refuses a tokenizer that does not fit its model; text is read as before."""
    sizes = {"biomedclip": 30_522, "smolvlm": 49_280, "llava_med": 32_000}
    folders = tmp_path / "short", tmp_path / "long"
    for folder in folders:
        write_tiny_checkpoint(name, folder, seed=1)
    fill_vocabulary(folders[1], sizes[name])
    short, long = (AutoTokenizer.from_pretrained(folder) for folder in folders)
    assert len(short) < 1000 and len(long) == sizes[name]
    text = "Severe stenosis at L4-L5, no nerve root seen."
    assert short(text).input_ids == long(text).input_ids


@pytest.mark.slow
def test_the_benchmark_runs_on_both_sides(project_root):
    tasks = ["classification"]
    command = [sys.executable, "benchmarks/train.py", "--backbones", "smolvlm", "--steps", "2", "--tasks", *tasks]
    text = subprocess.run(command, cwd=project_root, capture_output=True, text=True, check=True).stdout
    header, _, *rows = (line.strip("| ").split(" | ") for line in text.splitlines() if line.startswith("|"))
    assert header[:5] == ["backbone", "task", "images/s", "Trainer", "times Trainer"]
    assert [row[:2] for row in rows] == [["smolvlm", task] for task in tasks]
    for row in rows:
        ours, reference, ratio, own_memory, memory = map(float, row[2:7])
        assert ratio == pytest.approx(ours / reference, rel=0.02)
        assert 100 < own_memory < 4000 and 100 < memory < 4000
        assert all(0 <= float(share.rstrip("%")) < 100 for share in row[7:9])

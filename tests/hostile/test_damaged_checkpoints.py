"""A checkpoint changed by a bit or a line: refused with a word, and the training starts from the beginning."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from toy_task import ToyBatches, ToyTask

from lss.training.checkpoints import NAME, load_checkpoint
from lss.training.loop import LoopSettings, train

SETTINGS = LoopSettings(epochs=2, patience=2, accumulate=1, schedule="constant", gradient_clip=1.0, bf16=False,
                        device=torch.device("cpu"), checkpoint_seconds=0.0)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    folder = tmp_path_factory.mktemp("trained")
    train(ToyTask(), ToyBatches(), ToyBatches(8, shuffle=False), SETTINGS, folder, "key", folder / "epochs.csv")  # type: ignore[arg-type]
    return (folder / NAME).read_bytes()


def loaded(folder: Path, content: bytes) -> object:
    """What a fresh training makes of these bytes; whether anything of it went into the model is asserted here."""
    (folder / NAME).write_bytes(content)
    task = ToyTask()
    optimiser = torch.optim.AdamW(task.parameter_groups(), fused=True)
    before = {name: tensor.clone() for name, tensor in task.module.state_dict().items()}
    result = load_checkpoint(folder, "key", task.module, optimiser)
    if result is None:
        assert all(torch.equal(before[name], tensor) for name, tensor in task.module.state_dict().items())
        assert not optimiser.state_dict()["state"]
    return result


def with_header(whole: bytes, change: Callable[[dict[str, str]], object]) -> bytes:
    """The file with its own metadata changed."""
    size = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + size])
    change(header["__metadata__"])
    text = json.dumps(header).encode()
    return len(text).to_bytes(8, "little") + text + whole[8 + size :]


def test_the_whole_one_is_taken(whole: bytes, tmp_path: Path) -> None:
    assert loaded(tmp_path, whole) is not None


def test_no_flipped_bit_passes(whole: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    places = range(0, len(whole), max(1, len(whole) // 150))
    taken = [at for at in places if loaded(tmp_path, whole[:at] + bytes([whole[at] ^ 4]) + whole[at + 1 :])]
    assert not taken, f"bytes at {taken} of {len(whole)}"
    assert capsys.readouterr().err.count("training starts") == len(places) >= 150


CASES: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "empty": (lambda whole: b"", "cannot be read"),
    "zeros": (lambda whole: bytes(4096), "cannot be read"),
    "cut in the header": (lambda whole: whole[:100], "cannot be read"),
    "cut in the tensors": (lambda whole: whole[:-10], "cannot be read"),
    "longer": (lambda whole: whole + b"more", "cannot be read"),
    "a header of 2**63 bytes": (lambda whole: b"\xff" * 8 + whole[8:], "cannot be read"),
    "a pickle": (lambda whole: b"\x80\x04c__builtin__\neval\n(S'1/0'\ntR.", "cannot be read"),
    "no metadata": (lambda whole: with_header(whole, lambda header: header.clear()), "other settings"),
    "other settings": (lambda whole: with_header(whole, lambda h: h.update(settings="x")), "other settings"),
    "no checksum": (lambda whole: with_header(whole, lambda h: h.pop("sha256")), "was changed"),
    "progress is no JSON": (lambda whole: with_header(whole, lambda h: h.update(progress="{")), "was changed"),
    "progress lacks": (lambda whole: with_header(whole, lambda h: h.pop("progress")), "was changed"),
    "progress of another kind": (lambda whole: with_header(whole, lambda h: h.update(progress="[1]")), "was changed"),
    "a later epoch": (lambda whole: with_header(whole, lambda h: h.update(
        progress=h["progress"].replace('"epoch": 2', '"epoch": 1'))), "was changed"),
    "states of no process": (lambda whole: with_header(whole, lambda h: h.update(states="{}")), "was changed"),
    "random states of text": (lambda whole: with_header(whole, lambda h: h.update(
        states='{"task": {}, "processes": [{"counts": null, "random": {"cpu": "zz"}}]}')), "was changed"),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_changed_checkpoint(name: str, whole: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    change, stated = CASES[name]
    assert change(whole) != whole
    assert loaded(tmp_path, change(whole)) is None
    message = capsys.readouterr().err
    assert message.startswith(f"{tmp_path / NAME}: ") and stated in message and "training starts" in message

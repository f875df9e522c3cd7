"""Files of a model or its checkpoint that are cut, exchanged or damaged: named, with the remedy; never used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import pytest
import torch
from safetensors.torch import load_file, save_file
from small_study import params, write_shards

from lss.errors import LssError
from lss.inference.bundle import load_bundle
from lss.model import saved
from lss.stages import predict, train, weights
from lss.storage.io import read_json, sha256_file, write_json

ADAPTER = "adapter/adapter_model.safetensors"
SETTINGS = "adapter/adapter_config.json"


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory, project_root: Path) -> Path:
    """A trained segmentation model in `model`, its checkpoint in `weights`, shards."""
    folder = tmp_path_factory.mktemp("study")
    shards = write_shards(folder / "shards", train=6, val=3, test=3)
    settings = params(project_root, segmentation__epochs=1, mask_size=32)
    weights.run(
        settings.weights, 1, backbone="smolvlm", published=folder, folder=folder / "weights", manifest=folder / "w.json"
    )
    train.run(
        settings.train, 3, execution=settings.execution,
            backbone="smolvlm", task="segmentation", loss="cross_entropy", weights=folder / "weights",
        shards=shards, segmentation=None, folder=folder / "model", state=folder / "state", manifest=folder / "t.json",
    )  # fmt: skip
    return folder


@pytest.fixture
def copy(study: Path, tmp_path: Path) -> Path:
    """Of model and checkpoint, to be damaged."""
    shutil.copytree(study / "model", tmp_path / "model")
    shutil.copytree(study / "weights", tmp_path / "weights")
    return tmp_path


def seal(model: Path) -> None:
    """Give model.json the hashes of the files as they are now: a model that was saved damaged."""
    content = read_json(model / "model.json")
    del content["sha256"]
    content["files"] = {name: sha256_file(model / name) for name in content["files"] if (model / name).exists()}
    write_json(model / "model.json", {**content, "sha256": saved.card_hash(content)})


def change_tensors(path: Path, change: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]]) -> None:
    tensors = load_file(path)
    save_file(change({name: tensor.clone() for name, tensor in tensors.items()}), path, {"format": "pt"})


def half(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return dict(list(tensors.items())[::2])


def one_nan(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    first = next(name for name, tensor in tensors.items() if tensor.is_floating_point())
    return tensors | {first: tensors[first].fill_(float("nan"))}


def all_nan(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: torch.full_like(tensor, float("nan")) for name, tensor in tensors.items()}


def flip_a_bit(path: Path, at: float) -> None:
    data = bytearray(path.read_bytes())
    data[int(len(data) * at)] ^= 1
    path.write_bytes(data)


def to_bin(model: Path) -> None:
    torch.save(load_file(model / ADAPTER), model / "adapter/adapter_model.bin")
    (model / ADAPTER).unlink()


def set_type(model: Path, value: Any) -> None:
    write_json(model / SETTINGS, read_json(model / SETTINGS) | {"peft_type": value})


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "adapter without tensors": (lambda m: change_tensors(m / ADAPTER, lambda _: {}), r"adapter_model.*missing"),
    "half an adapter": (lambda m: change_tensors(m / ADAPTER, half), r"adapter_model.*missing"),
    "NaN in an adapter": (lambda m: change_tensors(m / ADAPTER, one_nan), r"adapter_model.*not finite"),
    "cut adapter": (lambda m: (m / ADAPTER).write_bytes((m / ADAPTER).read_bytes()[:5000]), r"adapter_model.*cut or"),
    "empty adapter": (lambda m: (m / ADAPTER).write_bytes(b""), r"adapter_model.*cut or"),
    "unknown type of adapter": (lambda m: set_type(m, "MAGIC"), r"adapter_config.*peft_type: is 'MAGIC'"),
    "another type of adapter": (lambda m: set_type(m, "IA3"), r"adapter_config.*peft_type: is 'IA3'"),
    "no adapter's settings": (lambda m: (m / SETTINGS).write_text("[]"), r"adapter_config.*peft_type"),
    "junk for settings": (lambda m: (m / SETTINGS).write_text("{"), r"adapter_config.*cannot be read"),
    "pickled adapter": (to_bin, r"adapter_model\.safetensors: not there.*pickle"),
    "NaN in the network": (lambda m: change_tensors(m / "model.safetensors", one_nan), r"model\.safetensors.*finite"),
    "half a network": (lambda m: change_tensors(m / "model.safetensors", half), r"model\.safetensors.*missing"),
    "cut network": (lambda m: (m / "model.safetensors").write_bytes(b"\0" * 9), r"model\.safetensors: cannot be read"),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_a_model_that_was_saved_so(copy: Path, name: str) -> None:
    """Its hashes are right: what it holds is judged."""
    damage, message = DAMAGES[name]
    damage(copy / "model")
    seal(copy / "model")
    with pytest.raises(LssError, match=message) as caught:
        load_bundle(copy / "model", weights=copy / "weights", device="cpu")
    assert "rerun" in str(caught.value).lower()


@pytest.mark.parametrize("file", ["model.safetensors", ADAPTER, SETTINGS])
@pytest.mark.parametrize("at", [0.5, 0.999])
def test_one_flipped_bit_in_a_model(copy: Path, file: str, at: float) -> None:
    flip_a_bit(copy / "model" / file, at)
    with pytest.raises(LssError, match=rf"{Path(file).name}.*was changed or damaged.*dvc checkout"):
        load_bundle(copy / "model", weights=copy / "weights", device="cpu")


@pytest.mark.parametrize("dangling", [False, True])
def test_a_missing_file_of_a_model(dangling: bool, copy: Path) -> None:
    """Also one whose link goes to a cache of DVC that was moved."""
    (copy / "model/model.safetensors").unlink()
    if dangling:
        (copy / "model/model.safetensors").symlink_to("../../cache/files/md5/00/11")
    with pytest.raises(LssError, match=r"model\.safetensors: cannot be read.*dvc checkout"):
        load_bundle(copy / "model", weights=copy / "weights", device="cpu")


@pytest.mark.parametrize(
    ("text", "message"),
    [("[]", "another version"), ("3", "another version"), ("{}", "another version"), ("{", "cannot be read as JSON")],
)
def test_junk_for_a_card(copy: Path, text: str, message: str) -> None:
    (copy / "model/model.json").write_text(text)
    with pytest.raises(LssError, match=rf"model\.json: .*{message}"):
        load_bundle(copy / "model", weights=copy / "weights", device="cpu")


def test_an_edited_card(copy: Path) -> None:
    card = json.loads((copy / "model/model.json").read_text())
    card["preparation"]["denoise"]["h_factor"] = 9.0
    (copy / "model/model.json").write_text(json.dumps(card))
    with pytest.raises(LssError, match=r"model\.json: was changed after its training"):
        load_bundle(copy / "model", weights=copy / "weights", device="cpu")


def test_one_flipped_bit_in_the_checkpoint(copy: Path, study: Path, project_root: Path) -> None:
    """Neither is a model applied on it, nor is one trained."""
    flip_a_bit(copy / "weights/model.safetensors", 0.9)
    with pytest.raises(LssError, match=r"model\.safetensors: was changed or damaged.*lss weights"):
        load_bundle(copy / "model", weights=copy / "weights", device="cpu")
    shards = {name: sorted((study / "shards").glob(f"{name}-*.parquet")) for name in ("train", "val")}
    settings = params(project_root, segmentation__epochs=1, mask_size=32)
    with pytest.raises(LssError, match=r"model\.safetensors: was changed or damaged.*lss weights"):
        train.run(
            settings.train, 3, execution=settings.execution,
            backbone="smolvlm",
            task="segmentation", loss="cross_entropy", weights=copy / "weights", shards=shards, segmentation=None,
            folder=copy / "other", state=copy / "state", manifest=copy / "t.json",
        )  # fmt: skip


def test_another_checkpoint_than_that_of_the_training(copy: Path, project_root: Path) -> None:
    shutil.rmtree(copy / "weights")
    weights.run(
        params(project_root).weights, 2, backbone="smolvlm", published=copy, folder=copy / "weights",
        manifest=copy / "w.json",
    )  # fmt: skip
    with pytest.raises(LssError, match=r"is not the checkpoint that the model of smolvlm, segmentation, cross_entropy"):
        load_bundle(copy / "model", weights=copy / "weights", device="cpu")


def test_a_checkpoint_of_nan_predicts_nothing(copy: Path, study: Path, project_root: Path) -> None:
    """Hashes are right here, too: the checkpoint came with such numbers. It used to be called Grade A everywhere."""
    change_tensors(copy / "weights/model.safetensors", all_nan)
    listing = read_json(copy / "weights/manifest.json")
    listing["files"]["model.safetensors"]["sha256"] = sha256_file(copy / "weights/model.safetensors")
    write_json(copy / "weights/manifest.json", listing)
    content = read_json(copy / "model/model.json")
    content["facts"]["weights"]["files"]["model.safetensors"] = listing["files"]["model.safetensors"]["sha256"]
    write_json(copy / "model/model.json", content)
    seal(copy / "model")
    settings = params(project_root)
    with pytest.raises(LssError, match=r"slice S2000: the model's output is not finite"):
        predict.run(
            settings.predict, 3, execution=settings.execution,
            model=copy / "model", weights=copy / "weights",
            shards=sorted((study / "shards").glob("test-*.parquet")), predictions=copy / "p.parquet",
            manifest=copy / "p.json",
        )  # fmt: skip
    assert not (copy / "p.parquet").exists()


def test_published_weights_of_nan_are_not_taken(copy: Path, project_root: Path) -> None:
    """In whatever part: a language model of such numbers would write its first token for ever."""
    (copy / "weights/manifest.json").unlink()
    change_tensors(copy / "weights/model.safetensors", one_nan)
    settings = params(project_root).weights.model_copy(update={"source": "published"})
    with pytest.raises(LssError, match=r"weights/model\.safetensors: .*: holds numbers that are not finite.*Fetch it"):
        weights.run(
            settings, 1, backbone="smolvlm", published=copy / "weights", folder=copy / "out", manifest=copy / "w.json"
        )
    assert not (copy / "out").exists()

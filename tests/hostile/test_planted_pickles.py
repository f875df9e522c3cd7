"""Pickles planted wherever files of models are read: refused or passed over, and never run."""

from __future__ import annotations

import ast
import pickle
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from toy_task import ToyTask

from lss.backbones import load_backbone, qlora
from lss.backbones.files import PICKLES
from lss.backbones.tiny_checkpoints import write_tiny_checkpoint
from lss.errors import LssError
from lss.model.saved import TENSORS, load_tensors
from lss.project.params import load_params
from lss.stages import weights
from lss.training.checkpoints import NAME, load_checkpoint


class Planted:
    """Unpickled, it would write a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return Path.write_text, (self.mark, "it ran")


@pytest.fixture
def plant(tmp_path: Path) -> Iterator[Callable[[Path], Path]]:
    """Writes a pickle to a path; at the end of the test it must not have run."""
    mark = tmp_path / "mark"

    def write(path: Path) -> Path:
        path.write_bytes(pickle.dumps(Planted(mark)))
        return path

    pickle.loads(pickle.dumps(Planted(mark)))  # noqa: S301  (it would run, were it read)
    assert mark.read_text() == "it ran"
    mark.unlink()
    yield write
    assert not mark.exists(), "a planted pickle was run"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tiny") / "biomedclip"
    write_tiny_checkpoint("biomedclip", folder, seed=3)
    return folder


def load(folder: Path) -> Any:
    return load_backbone("biomedclip", folder, quantise=False, device=torch.device("cpu"), dtype=torch.float32)


NAMES = [pattern.replace("*", name) for pattern in PICKLES for name in ("pytorch_model", "open_clip_pytorch_model")]


@pytest.mark.parametrize("name", [*NAMES, "weights.npy", "weights.joblib", "weights.pkl"])
def test_in_place_of_a_backbones_weights(name: str, plant: Any, tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "biomedclip")
    (folder / "open_clip_model.safetensors").unlink()
    plant(folder / name)
    with pytest.raises(LssError, match=r"is a pickled checkpoint, which is never loaded|holds no \*\.safetensors"):
        load(folder)


def test_beside_a_backbones_weights_and_under_their_name(plant: Any, tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "biomedclip")
    for name in NAMES:
        plant(folder / name)
    assert load(folder).name == "biomedclip"
    plant(folder / "open_clip_model.safetensors")
    with pytest.raises(LssError, match="biomedclip"):
        load(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "model.pth", "model.ckpt"])
def test_among_published_files(name: str, plant: Any, tmp_path: Path, project_root: Path) -> None:
    published = tmp_path / "published"
    published.mkdir()
    plant(published / name)
    params = load_params(project_root / "params.yaml").weights.model_copy(update={"source": "published"})
    with pytest.raises(LssError, match="is a pickled checkpoint, which is never loaded"):
        weights.run(
            params, 1, backbone="smolvlm", published=published, folder=tmp_path / "w", manifest=tmp_path / "m.json"
        )
    assert not (tmp_path / "w").exists() and not (tmp_path / "m.json").exists()


@pytest.mark.parametrize("name", ["adapter_model.bin", "adapter_model.safetensors"])
def test_in_place_of_adapters(name: str, plant: Any, tiny: Path, tmp_path: Path) -> None:
    backbone = load(tiny)
    qlora.add_adapters(backbone, ["vision"], rank=2, alpha=4, dropout=0.0)
    qlora.save_adapters(backbone, tmp_path / "adapter")
    (tmp_path / "adapter/adapter_model.safetensors").unlink()
    plant(tmp_path / "adapter" / name)
    with pytest.raises(LssError, match="adapter"):
        qlora.load_adapters(load(tiny), tmp_path / "adapter")


def test_in_place_of_a_models_tensors_and_of_a_checkpoint(plant: Any, tmp_path: Path) -> None:
    plant(tmp_path / TENSORS)
    with pytest.raises(LssError, match=r"model\.safetensors: cannot be read"):
        load_tensors(torch.nn.Linear(2, 2), tmp_path)
    plant(tmp_path / NAME)
    task = ToyTask()
    assert load_checkpoint(tmp_path, "key", task.module, torch.optim.AdamW(task.parameter_groups())) is None


UNSAFE = {"pickle", "cPickle", "dill", "joblib", "shelve", "marshal", "cloudpickle"}


def test_no_module_reads_pickles(project_root: Path) -> None:
    """By the source itself: no such import, torch.load with weights_only alone, YAML by its safe loaders."""
    result = []
    for path in sorted((project_root / "lss").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            called = ast.unparse(node.func) if isinstance(node, ast.Call) else ""
            options = {k.arg: ast.unparse(k.value) for k in node.keywords} if isinstance(node, ast.Call) else {}
            if (
                {name.split(".")[0] for name in names} & UNSAFE
                or (called == "torch.load" and options.get("weights_only") != "True")
                or (called in ("np.load", "numpy.load") and options.get("allow_pickle", "False") != "False")
                or called in ("yaml.load", "yaml.unsafe_load", "yaml.full_load", "pd.read_pickle", "eval", "exec")
                or options.get("trust_remote_code", "False") != "False"
            ):
                result.append(f"{path.relative_to(project_root)}:{node.lineno}")  # type: ignore[attr-defined]
    assert result == []

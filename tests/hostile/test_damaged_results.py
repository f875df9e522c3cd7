"""Model cards, manifests, statistics and kept runs of junk: an LssError with the file, the field and the remedy."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lss.errors import LssError
from lss.model.saved import CONFIG, card_hash, read_card
from lss.project.manifest import read_manifest
from lss.storage.io import read_json
from lss.tools.kept_runs import keep, read_kept

NETWORK = {"d_shared": 64, "heads": 8, "fusion": "spatial", "prompt": "bank", "queries": "text", "resample_grid": None,
           "mask_size": 96}  # fmt: skip
CARD = {"backbone": "smolvlm", "task": "segmentation", "loss": "pid_tversky", "quantise": True, "bf16": False,
        "image_size": 120, "grid": [15, 15], "network": NETWORK, "leak": False, "best_epoch": 5, "best_score": 0.5,
        "train": {}, "facts": {}}  # fmt: skip

CARDS: dict[str, tuple[Any, str]] = {
    "a list": ([CARD], "it holds list"),
    "null": (None, "it holds NoneType"),
    "a number": (7, "it holds int"),
    "nothing in it": ({}, "missing"),
    "a field more": (CARD | {"pickle": "x"}, "unexpected keyword argument 'pickle'"),
    "no network": (CARD | {"network": None}, "must be a mapping"),
    "a network of other settings": (CARD | {"network": NETWORK | {"layers": 3}}, "argument 'layers'"),
    "heads in words": (CARD | {"network": NETWORK | {"heads": "eight"}}, "heads: Input should be a valid integer"),
    "an unknown fusion": (CARD | {"network": NETWORK | {"fusion": "magic"}}, "fusion: Input should be"),
    "no image size": (CARD | {"image_size": None}, "image_size: Input should be a valid integer, found None"),
    "a grid of text": (CARD | {"grid": "15 x 15"}, "grid: Input should be a valid list"),
    "a leak that is neither": (CARD | {"leak": "perhaps"}, "leak: Input should be a valid boolean"),
    "a task by number": (CARD | {"task": 3}, "task: Input should be a valid string, found 3"),
}


@pytest.mark.parametrize("name", CARDS)
def test_junk_in_a_models_card(name: str, tmp_path: Path) -> None:
    value, message = CARDS[name]
    (tmp_path / CONFIG).write_text(json.dumps(value))
    with pytest.raises(LssError) as error:
        read_card(tmp_path)
    assert str(error.value).startswith(f"{tmp_path / CONFIG}: ") and message in str(error.value)
    assert "erun its training" in str(error.value)


def test_a_whole_card_is_read(tmp_path: Path) -> None:
    (tmp_path / CONFIG).write_text(json.dumps(CARD | {"sha256": card_hash(CARD)}))
    assert read_card(tmp_path).network_config.heads == 8


JSON: dict[str, Callable[[Path], Any]] = {
    "missing": lambda path: None,
    "empty": lambda path: path.write_bytes(b""),
    "cut": lambda path: path.write_text('{"measures": [1, 2'),
    "binary": lambda path: path.write_bytes(bytes(range(256))),
    "a pickle": lambda path: path.write_bytes(b"\x80\x04c__builtin__\neval\n."),
    "UTF-16": lambda path: path.write_text("{}", encoding="utf-16"),
    "100,000 brackets deep": lambda path: path.write_text("[" * 100_000),
    "a folder": lambda path: path.mkdir(),
}


@pytest.mark.parametrize("name", JSON)
@pytest.mark.parametrize("read", [read_json, read_manifest, lambda path: read_card(path.parent)])
def test_what_is_no_json(name: str, read: Callable[[Path], Any], tmp_path: Path) -> None:
    path = tmp_path / CONFIG
    JSON[name](path)
    with pytest.raises(LssError) as error:
        read(path)
    assert str(error.value).startswith(f"{path}: cannot be read as JSON (") and "Rerun" in str(error.value)


@pytest.mark.parametrize("content", ["", "[]", "null", "{", "\x00"])
def test_keep_on_a_manifest_of_junk(content: str, tmp_path: Path) -> None:
    folder = tmp_path / "results/manifests"
    folder.mkdir(parents=True)
    (folder / "evaluate.json").write_text(content)
    with pytest.raises(LssError, match=r"results/manifests/evaluate\.json: .*Rerun the stage that writes it\."):
        keep(tmp_path, None)


@pytest.mark.parametrize("missing", ["metrics.json", "settings.json", "cases/report.parquet"])
def test_a_kept_run_with_a_file_less(missing: str, tmp_path: Path) -> None:
    folder = tmp_path / "run-0123456789ab"
    for name in (
        "metrics.json",
        "settings.json",
        *(f"cases/{task}.parquet" for task in ("classification", "segmentation", "report")),
    ):
        if name != missing:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text("{}")
    with pytest.raises(LssError, match="run-0123456789ab: was changed since it was kept"):
        read_kept(folder)

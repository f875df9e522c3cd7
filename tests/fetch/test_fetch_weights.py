"""`lss fetch weights` and `lss pin-weights` against a hub on loopback (HF_ENDPOINT), then the stage `weights`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from hub_server import Hub, running
from safetensors.torch import save

from lss.project.params import load_params
from lss.project.presets import write_settings

BERT, CLIP = "microsoft/BiomedNLP-BiomedBERT-base-uncased-abstract", "openai/clip-vit-large-patch14-336"
BIOMEDCLIP, LLAVA = "microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224", "microsoft/llava-med-v1.5-mistral-7b"
SMOLVLM = "HuggingFaceTB/SmolVLM-256M-Instruct"
WEIGHTS = save({"weight": torch.arange(6.0)})
BIOMEDCLIP_CONFIG = json.dumps({"model_cfg": {"text_cfg": {"hf_model_name": BERT}}}).encode()


@pytest.fixture
def hub() -> Iterator[Hub]:
    hub = Hub()
    # as the repositories are: a pickle here, code and pictures there, nested files elsewhere
    hub.publish(BIOMEDCLIP, {
        "open_clip_config.json": BIOMEDCLIP_CONFIG, "open_clip_pytorch_model.bin": b"pickle", "vocab.txt": b"[PAD]",
        "README.md": b"card", "example/x.json": b"{}",
    })  # fmt: skip
    hub.publish(BERT, {"config.json": b"{}", "pytorch_model.bin": b"not wanted", "vocab.txt": b"[PAD]"})
    hub.publish(SMOLVLM, {"config.json": b"{}", "model.safetensors": WEIGHTS, "onnx/model.onnx": b"x", "code.py": b"1"})
    hub.publish(LLAVA, {
        "config.json": json.dumps({"mm_vision_tower": CLIP}).encode(), "tokenizer.model": b"sp",
        "model-00001-of-00001.safetensors": save({"model.layers.0.weight": torch.ones(2)}),
    })  # fmt: skip
    hub.publish(CLIP, {"config.json": b"{}", "pytorch_model.bin": b"pickle of the tower"})
    with running(hub):
        yield hub


@pytest.fixture
def project(project_root: Path, tmp_path: Path) -> Path:
    """A folder with params.yaml for published weights, at the branch `main`."""
    path = tmp_path / "params.yaml"
    shutil.copy(project_root / "params.yaml", path)
    change(path, weights__source="published")
    for name in ("biomedclip", "smolvlm", "llava_med"):
        change(path, **{f"weights__{name}__revision": "main"})
        if name != "smolvlm":
            change(path, **{f"weights__{name}__companion__revision": "main"})
    return tmp_path


def change(path: Path, **settings) -> None:
    write_settings([(tuple(name.split("__")), value) for name, value in settings.items()], path, "test")


def lss(project: Path, hub: Hub, *arguments: str) -> tuple[int, str]:
    environment = {**os.environ, "HF_ENDPOINT": hub.endpoint, "HF_HUB_OFFLINE": "0", "HF_HOME": str(project / "hf"),
                   "HF_HUB_DISABLE_XET": "1"}  # fmt: skip
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lss"), *arguments],
        cwd=project,
        env=environment,
        capture_output=True,
        text=True,
    )
    return done.returncode, done.stdout + done.stderr


def test_weights_and_companions_are_fetched_recorded_and_used(hub: Hub, project: Path) -> None:
    code, text = lss(project, hub, "fetch", "weights")
    assert code == 0, text
    root = project / "data/weights"
    kept = {str(p.relative_to(root)) for p in root.rglob("*") if p.is_file() and ".cache" not in p.parts}
    assert kept == {
        "biomedclip/open_clip_config.json", "biomedclip/open_clip_pytorch_model.bin", "biomedclip/vocab.txt",
        f"biomedclip/{Path(BERT).name}/config.json", f"biomedclip/{Path(BERT).name}/vocab.txt",
        "smolvlm/config.json", "smolvlm/model.safetensors",
        "llava_med/config.json", "llava_med/tokenizer.model", "llava_med/model-00001-of-00001.safetensors",
        f"llava_med/{Path(CLIP).name}/config.json",
        "biomedclip/fetched.json", "smolvlm/fetched.json", "llava_med/fetched.json",
    }  # fmt: skip
    commit = hub.branches[SMOLVLM]["main"]
    record = json.loads((root / "smolvlm/fetched.json").read_text())["repositories"][SMOLVLM]
    assert record["revision"] == "main" and record["commit"] == commit
    digest = hashlib.sha256(WEIGHTS).hexdigest()
    assert record["files"]["model.safetensors"] == {"bytes": len(WEIGHTS), "sha256": digest, "hash": "known"}
    assert record["files"]["config.json"]["hash"] == "recorded"
    assert f"lss convert-weights {Path('data/weights/biomedclip')}" in text

    # the tower's weights are fetched where they are asked for
    change(project / "params.yaml", weights__llava_med__vision_tower="clip", train__backbones=["llava_med"])
    code, text = lss(project, hub, "fetch", "weights")
    assert code == 0 and (root / "llava_med" / Path(CLIP).name / "pytorch_model.bin").is_file()
    assert f"lss convert-weights {Path('data/weights/llava_med') / Path(CLIP).name}" in text
    change(project / "params.yaml", train__backbones=["biomedclip", "smolvlm", "llava_med"])

    code, text = lss(project, hub, "weights", "--backbone", "smolvlm")
    assert code == 0, text
    facts = json.loads((project / "results/manifests/weights/smolvlm.json").read_text())["facts"]
    assert facts["commits"] == {SMOLVLM: commit}
    ready = project / "data/interim/weights/smolvlm"
    assert sorted(p.name for p in ready.iterdir()) == ["config.json", "manifest.json", "model.safetensors"]
    assert (ready / "model.safetensors").samefile(root / "smolvlm/model.safetensors")  # not stored twice


def test_a_second_run_fetches_nothing_and_finds_what_was_changed(hub: Hub, project: Path) -> None:
    change(project / "params.yaml", train__backbones=["smolvlm"])
    lss(project, hub, "fetch", "weights")
    served = len(hub.served)
    assert lss(project, hub, "fetch", "weights")[0] == 0 and len(hub.served) == served
    file = project / "data/weights/smolvlm/model.safetensors"
    file.write_bytes(WEIGHTS[::-1])
    os.utime(file, (1, 1))  # as old as the download, so that the hub's client takes it for its own
    code, text = lss(project, hub, "fetch", "weights")
    assert code == 2 and "model.safetensors: has the hash" in text and "the hub states" in text


def test_a_file_that_differs_from_the_hub_s_hash_is_refused(hub: Hub, project: Path) -> None:
    change(project / "params.yaml", train__backbones=["smolvlm"])
    hub.lfs_hash["model.safetensors"] = "0" * 64
    code, text = lss(project, hub, "fetch", "weights")
    assert code == 2 and "the hub states 000000000000" in text
    assert not (project / "data/weights/smolvlm/fetched.json").exists()


def test_another_commit_replaces_the_files_of_the_old(hub: Hub, project: Path) -> None:
    change(project / "params.yaml", train__backbones=["smolvlm"])
    lss(project, hub, "fetch", "weights")
    new = hub.publish(SMOLVLM, {"config.json": b"[1]", "model-00001-of-00001.safetensors": WEIGHTS})
    change(project / "params.yaml", weights__smolvlm__revision=new)
    code, text = lss(project, hub, "weights", "--backbone", "smolvlm")
    assert code == 2 and f"params.yaml asks for {SMOLVLM} at {new}" in text and "lss fetch weights" in text
    assert lss(project, hub, "fetch", "weights")[0] == 0
    folder = project / "data/weights/smolvlm"
    assert sorted(p.name for p in folder.glob("*.*") if p.is_file()) == [
        "config.json", "fetched.json", "model-00001-of-00001.safetensors"
    ]  # fmt: skip
    assert lss(project, hub, "weights", "--backbone", "smolvlm")[0] == 0


def test_pinning_writes_commits_and_keeps_comments(hub: Hub, project: Path) -> None:
    before = (project / "params.yaml").read_text()
    code, text = lss(project, hub, "pin-weights")
    assert code == 0, text
    after = (project / "params.yaml").read_text()
    params = load_params(project / "params.yaml").weights
    for checkpoint in (params.biomedclip, params.smolvlm, params.llava_med):
        assert checkpoint.revision == hub.branches[checkpoint.hub_id]["main"]
        if checkpoint.companion:
            assert checkpoint.companion.revision == hub.branches[checkpoint.companion.hub_id]["main"]
    assert before.count("#") == after.count("#")
    changed = [line for line in after.splitlines() if line not in before.splitlines()]
    assert len(changed) == 5 and all("revision:" in line for line in changed)
    assert "pinned already" in lss(project, hub, "pin-weights")[1]


def test_an_unknown_revision_and_an_unreachable_hub(hub: Hub, project: Path) -> None:
    change(project / "params.yaml", weights__biomedclip__revision="nowhere")
    code, text = lss(project, hub, "fetch", "weights")
    assert code == 2 and f"{BIOMEDCLIP}@nowhere: cannot be fetched" in text
    hub.endpoint = "http://127.0.0.1:9"
    code, text = lss(project, hub, "pin-weights")
    assert code == 2 and "cannot be fetched" in text and "Traceback" not in text


def test_a_companion_that_the_checkpoint_does_not_name(hub: Hub, project: Path) -> None:
    change(project / "params.yaml", weights__biomedclip__companion__hub_id="somebody/other-bert")
    code, text = lss(project, hub, "fetch", "weights")
    assert code == 2 and f"needs '{BERT}'" in text


def test_revisions_in_params_and_presets_are_commits(project_root: Path) -> None:
    weights = yaml.safe_load((project_root / "params.yaml").read_text())["weights"]
    for name in ("biomedclip", "smolvlm", "llava_med"):
        for repository in filter(None, (weights[name], weights[name]["companion"])):
            assert len(repository["revision"]) == 40 and int(repository["revision"], 16)

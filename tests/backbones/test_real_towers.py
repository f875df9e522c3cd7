"""The conversion of exported towers to BiomedCLIP's layout (benchmarks/real_towers.py), at tiny size, nothing fetched.

The vision tower is transformers' Dinov2Model with random weights, exported by the exporter that made the published
file; the sentence model is transformers' BertModel. The output of the loaded checkpoint is compared with both.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lss.backbones import load_backbone
from lss.backbones.tiny_checkpoints import write_tiny_checkpoint
from lss.backbones.tiny_tokenizers import write_bert_tokenizer
from lss.errors import LssError
from lss.metrics.bootstrap import PatientBootstrap
from lss.model.network import SegmentationNetwork, network_config
from lss.project.params import load_params
from lss.storage.io import write_parquet
from lss.storage.schemas import SHARD
from lss.training.data import Samples

sys.path.append(str(Path(__file__).parents[2] / "benchmarks"))
from _frozen_towers import Arm, Towers, answers, fitted
from _onnx_weights import vision_weights
from _real_checkpoint import register_vit, write_checkpoint
from _tower_data import REAL_GRADE, real_part
from _tower_tables import Truth, balanced_accuracy
from train import sample

SIDE, PATCH, TRAINED_GRID = 42, 14, 5  # the position embedding is of 5 x 5 patches, the images have 3 x 3
VIT = "lss_vit_test_patch14_42"
PROMPTS = ["severe spinal canal stenosis", "normal spinal canal at L4-L5, wide"]


def randomise(model: torch.nn.Module) -> torch.nn.Module:
    """Every weight different from its start: the exporter joins equal ones, and norms of ones hide a swap."""
    with torch.no_grad():
        for part in model.parameters():
            part.add_(0.3 * torch.randn_like(part))
    return model.eval()


def under_published_names(vision):
    """The attention's layers under the names that transformers gave them when the published file was exported."""
    for layer in vision.encoder.layer:
        attention = layer.attention
        attention.attention, attention.output = torch.nn.Module(), torch.nn.Module()
        places = {"q_proj": (attention.attention, "query"), "k_proj": (attention.attention, "key"),
                  "v_proj": (attention.attention, "value"), "o_proj": (attention.output, "dense")}  # fmt: skip
        for name, (parent, published) in places.items():
            linear = getattr(attention, name)
            delattr(attention, name)
            setattr(parent, published, linear)
            attention.__dict__[name] = linear  # for the model's own code; no module of that name
    return vision


@pytest.fixture(scope="module")
def towers(tmp_path_factory):
    """Vision tower and its export, sentence model and its folder."""
    from torch.onnx._internal.torchscript_exporter import onnx_proto_utils
    from transformers import BertConfig, BertModel, Dinov2Config, Dinov2Model

    folder = tmp_path_factory.mktemp("towers")
    torch.manual_seed(0)
    sizes = {"hidden_size": 24, "num_hidden_layers": 2, "num_attention_heads": 3}
    vision = randomise(Dinov2Model(Dinov2Config(**sizes, image_size=PATCH * TRAINED_GRID, patch_size=PATCH)))

    class Exported(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.backbone = under_published_names(vision)

        def forward(self, image):
            return self.backbone(image).last_hidden_state

    with pytest.MonkeyPatch.context() as patch:
        # its last step looks for functions of the package onnx, which is not installed; there are none
        patch.setattr(onnx_proto_utils, "_add_onnxscript_fn", lambda model, _: model)
        image = torch.zeros(1, 3, SIDE, SIDE)
        torch.onnx.export(Exported(), (image,), str(folder / "vision.onnx"), dynamo=False, opset_version=14)
    sentences = folder / "sentences"
    vocabulary = write_bert_tokenizer(sentences)
    text = randomise(BertModel(BertConfig(**sizes, vocab_size=vocabulary, intermediate_size=48)))
    text.save_pretrained(sentences)
    register_vit(VIT, SIDE, patch_size=PATCH, embed_dim=24, depth=2, num_heads=3)
    return vision, folder / "vision.onnx", text, sentences


def loaded(folder, towers, **options):
    _, onnx, _, sentences = towers
    write_checkpoint(folder, onnx, sentences, vit=VIT, image_size=SIDE, **options)
    return load_backbone("biomedclip", folder, quantise=False, device=torch.device("cpu"), dtype=torch.float32)


def test_the_towers_compute_what_their_sources_do(towers, tmp_path):
    vision, _, text, _ = towers
    backbone = loaded(tmp_path, towers)
    assert (backbone.grid, backbone.width, backbone.unused) == ((3, 3), 24, ())
    image = torch.randn(2, 3, SIDE, SIDE)
    with torch.no_grad():
        expected = vision(image).last_hidden_state[:, 1:]
        torch.testing.assert_close(backbone.patch_tokens(image), expected, rtol=1e-4, atol=1e-4)
        batch = backbone.tokenizer(PROMPTS, padding=True, return_tensors="pt")
        hidden = text(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
        mask = batch["attention_mask"].unsqueeze(-1)
        mean = (hidden * mask).sum(1) / mask.sum(1)
        expected = backbone.model.text.proj(mean)
        torch.testing.assert_close(backbone.prompt_embeddings(PROMPTS), expected, rtol=1e-4, atol=1e-4)


def test_a_random_tower_differs_in_that_tower_alone(towers, tmp_path):
    """Same seed, same projections, same other tower: what arms of the benchmark differ in is one thing."""
    real = loaded(tmp_path / "real", towers)
    random = loaded(tmp_path / "random", towers, real=("text",))
    image = torch.randn(1, 3, SIDE, SIDE)
    with torch.no_grad():
        assert (real.patch_tokens(image) - random.patch_tokens(image)).abs().max() > 0.1
        torch.testing.assert_close(real.prompt_embeddings(PROMPTS), random.prompt_embeddings(PROMPTS))
        other_text = loaded(tmp_path / "other", towers, real=("vision",))
        assert (other_text.prompt_embeddings(PROMPTS) - real.prompt_embeddings(PROMPTS)).abs().max() > 0.01
        torch.testing.assert_close(other_text.model.text.proj.weight, real.model.text.proj.weight)


def test_a_file_of_another_kind_is_refused_by_name(tmp_path):
    path = tmp_path / "other.onnx"
    path.write_bytes(b"")
    with pytest.raises(LssError, match=r"other\.onnx: is no exported DINOv2"):
        vision_weights(path, 3)
    path.write_bytes(b"\xff" * 20)
    with pytest.raises(LssError, match=r"other\.onnx: is no ONNX file"):
        vision_weights(path, 3)


def test_what_trains_on_remembered_towers_is_the_network_on_the_towers(tmp_path):
    """Trained on tokens and embeddings kept from the tiny BiomedCLIP, then given the images themselves."""
    write_tiny_checkpoint("biomedclip", tmp_path / "tiny", seed=1)
    path = tmp_path / "part.parquet"
    write_parquet(path, [sample(index) for index in range(6)], SHARD)
    params = load_params().train.model_copy(update={"mask_size": 32})
    settings = params.segmentation.model_copy(update={"epochs": 1})
    params = params.model_copy(update={"segmentation": settings})
    parts = dict.fromkeys(("train", "val", "test"), path)
    towers = {"real": Towers.look(tmp_path / "tiny", parts, params.mask_size, quantise=True)}
    trained = fitted(Arm("real", "real"), "segmentation", 1, params, towers)
    backbone = load_backbone(
        "biomedclip", tmp_path / "tiny", quantise=True, device=torch.device("cpu"), dtype=torch.float32
    )
    whole = SegmentationNetwork(backbone, network_config(params)).eval()
    missing, unexpected = whole.load_state_dict(trained.state_dict(), strict=False)
    assert not unexpected and all(name.startswith("encoder.backbone.") for name in missing)
    images = Samples([path], backbone.image_size, params.mask_size)
    own, severe = answers(whole, images), answers(whole, images, "D")
    for expected, grade in ((own, "own"), (severe, "D")):
        error = np.abs(answers(trained, towers["real"].seen["test"], grade) - expected).max()
        # half precision of the kept tokens is all that may differ; another question changes more than that
        assert error < 0.25 * np.abs(severe - own).max()


def test_balanced_accuracy_of_a_difference_by_hand():
    grades = np.array([0, 0, 0, 0, 1, 1, 2, 2])
    bootstrap = PatientBootstrap([f"P{index % 6}" for index in range(8)], 200, 0.95, 1)
    truth = Truth(np.zeros((8, 2, 2), bool), grades, bootstrap, None)
    right = np.array([1, 1, 1, 0, 1, 0, 0, 0], float)
    assert balanced_accuracy(right, truth).value == pytest.approx((3 / 4 + 1 / 2 + 0) / 3)
    assert balanced_accuracy(right - 1, truth).value == pytest.approx((3 / 4 + 1 / 2 + 0) / 3 - 1)


def test_real_slices_become_samples_with_pseudo_masks(shared, tmp_path):
    folder = tmp_path / "slices"
    folder.mkdir()
    for file in sorted((shared / "data/mendeley-lss-png/axial_t2").glob("*.png"))[:2]:
        (folder / file.name).write_bytes(file.read_bytes())
    count, result = real_part(folder, 0.6875, load_params(), tmp_path / "real.parquet")
    assert (count, result) == (2, 2)
    samples = Samples([tmp_path / "real.parquet"], 112, 96)
    for index in range(2):
        row = samples[index, 0]
        assert row["grade"] == REAL_GRADE and 0.002 < row["mask"].float().mean() < 0.2
        assert row["mask"][32:64, 32:64].sum() > 0.5 * row["mask"].sum()  # the view is centred on the canal

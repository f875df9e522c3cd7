"""The plan against networks that exist, against numbers worked out by hand, and on the paper's settings."""

from __future__ import annotations

import shutil
from dataclasses import replace

import pytest
import torch

from lss.backbones import NAMES, backbone_class, load_backbone
from lss.backbones.published import CONFIGURATIONS, write_configuration
from lss.backbones.qlora import quantised_modules
from lss.backbones.tiny_checkpoints import write_tiny_checkpoint
from lss.cohorts.settings import ArchiveParams
from lss.errors import LssError
from lss.project.models import TASKS
from lss.project.params import load_params
from lss.project.presets import apply_preset
from lss.storage.io import write_json
from lss.tools import counting, kept_needs, plan
from lss.tools.counting import OPTIMISER_BYTES, estimate, nf4_bytes, stored_bytes
from lss.tools.need import CONTEXT_BYTES, GIB, Need, Step
from lss.tools.plan import external_images, plan_text, shard_images
from lss.tools.rehearsal import build, build_network, empty_backbone
from lss.training.task import Setup

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def params(project_root):
    return load_params(project_root / "params.yaml")


@pytest.fixture(scope="module", params=["paper", "paper-literal"])
def paper(request, project_root, tmp_path_factory):
    """What `lss preset paper` makes of params.yaml."""
    path = tmp_path_factory.mktemp("paper") / "params.yaml"
    shutil.copy(project_root / "params.yaml", path)
    apply_preset(request.param, path)
    return load_params(path)


@pytest.mark.parametrize(
    ("hub_id", "name", "millions", "grid"),
    [
        # ViT-B/16 without head 85.8, BERT-base without pooler 108.9, projections 0.4 + 0.8
        ("microsoft/BiomedCLIP-PubMedBERT_256-vit_base_patch16_224", "biomedclip", 195.9, (14, 14)),
        ("HuggingFaceTB/SmolVLM-256M-Instruct", "smolvlm", 256.5, (32, 32)),
        ("HuggingFaceTB/SmolVLM-500M-Instruct", "smolvlm", 507.5, (32, 32)),
        ("HuggingFaceTB/SmolVLM-Instruct", "smolvlm", 2246.3, (27, 27)),
        # Mistral 7241.7, projector 21.0, ViT-L/14 at 336 303.5 less its last layer of 12.6
        ("microsoft/llava-med-v1.5-mistral-7b", "llava_med", 7553.6, (24, 24)),
    ],
)
def test_published_sizes(hub_id, name, millions, grid, tmp_path):
    assert hub_id in CONFIGURATIONS
    write_configuration(hub_id, tmp_path)
    with torch.device("meta"):
        backbone = backbone_class(name).empty(tmp_path)
    assert sum(value.numel() for value in backbone.parameters()) / 1e6 == pytest.approx(millions, rel=2e-3)
    assert backbone.grid == grid


def test_unknown_checkpoint(tmp_path):
    with pytest.raises(LssError, match=r"somebody/model.*not known before `lss weights`"):
        write_configuration("somebody/model", tmp_path)


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_counts_and_bytes_are_those_of_a_network_that_exists(name, task, params, tmp_path, monkeypatch):
    """Loaded in 4 bits through the published path, with the adapters and new parts that training adds."""
    monkeypatch.setattr(counting, "rehearse", lambda *_: {})
    train = params.train
    write_tiny_checkpoint(name, tmp_path, params.seed)
    torch.manual_seed(0)
    backbone = load_backbone(name, tmp_path, quantise=True, device=CPU, dtype=torch.float32)
    published = {part: _count(part) for part in backbone.parameters()}
    four_bits = _in_four_bits(backbone)
    real = build_network(
        task, Setup(backbone, train, train.of(task).losses[0], 0, CPU, None, tmp_path, params.execution)
    )
    need = estimate(empty_backbone(name, params), task, params)

    added = [part for part in real.parameters() if part not in published]
    assert need.parameters == sum(published.values()) + sum(map(_count, added))
    assert need.trained == sum(_count(part) for part in real.parameters() if part.requires_grad)
    assert need.quantised_layers == len(four_bits)
    assert need.quantised_weights == sum(map(_count, four_bits))
    four_bits = _in_four_bits(backbone)  # where prompts are embedded once, those of the text tower are gone
    largest = 4 * max(map(_count, four_bits))
    assert need.held_bytes == _bytes(real) + need.trained * OPTIMISER_BYTES + largest


@pytest.mark.parametrize("name", NAMES)
def test_bfloat16_halves_what_is_frozen_and_not_in_4_bits(name, params, tmp_path):
    write_tiny_checkpoint(name, tmp_path, params.seed)
    backbone = load_backbone(name, tmp_path, quantise=True, device=CPU, dtype=torch.bfloat16)
    backbone.drop_text_tower()  # as a classification does
    params = params.model_copy(update={"train": params.train.model_copy(update={"bf16": True})})
    network = build(empty_backbone(name, params), "classification", params)
    frozen = network.encoder.backbone
    adapters = sum(part.numel() * 4 for part in frozen.parameters() if part.requires_grad)
    assert stored_bytes(frozen, frozen, quantise=True) - adapters == _bytes(backbone)


def _in_four_bits(backbone):
    return [backbone.model.get_submodule(_inner(backbone, key)).weight for key in quantised_modules(backbone)]


def _inner(backbone, key):
    """With adapters beside it the quantised layer is called base_layer."""
    return f"{key}.base_layer" if hasattr(backbone.model.get_submodule(key), "base_layer") else key


def _count(parameter):
    state = getattr(parameter, "quant_state", None)
    return parameter.numel() if state is None else state.shape.numel()


def _bytes(module):
    """Of all storages behind a module's parameters and buffers, scales and tables of 4-bit weights included."""
    tensors = [*module.parameters(), *module.buffers()]
    for parameter in module.parameters():
        if state := getattr(parameter, "quant_state", None):
            tensors += [state.absmax, state.code, state.offset, state.state2.absmax, state.state2.code]
    storages = {tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes() for tensor in tensors}
    return sum(storages.values())


def test_nf4_by_hand():
    # 2^20 weights: half a byte each, 2^14 scales of one byte, 64 float32 for them, 273 float32 of tables
    assert nf4_bytes(2**20) == 2**19 + 2**14 + 4 * 64 + 4 * 273
    assert nf4_bytes(65) == 33 + 2 + 4 + 4 * 273


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", NAMES)
def test_the_papers_settings_fit_its_card(name, task, paper, tmp_path, monkeypatch):
    """By the needs that come with the program, as `lss plan` shows them; that they are right: test_kept_needs.py."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    train, need = paper.train, kept_needs.needs_of([(name, task)], paper)[name, task]
    assert (train.batch_size, train.bf16, train.qlora.quantise) == (8, True, True)
    assert CONTEXT_BYTES < need.peak_bytes(train.micro_batch_size) < 12 * GIB
    assert need.largest_batch(12 * GIB, train.batch_size) >= train.micro_batch_size
    assert 0 < need.trained < need.parameters / 20
    if name == "llava_med":
        assert need.text_tokens == (294 if task == "report" else 0)  # 16 of the image, 22 of f_r, 256 of the report
        # 7 billion weights in about half a byte each, while they are loaded and as long as they are needed
        assert 3.5 * GIB < need.loading_bytes < 6 * GIB
        assert (3.5 * GIB < need.held_bytes) == (task == "report")
    if (name, task) == ("llava_med", "report"):
        # a token passes 32 layers (218 million weights each) and the output layer (131 million): 2 FLOPs per weight,
        # in the layers forward, again (recomputed), and backward; attention and adapters come on top
        by_hand = 294 * 3 * 2 * 32 * 218.1e6 + 256 * 2 * 2 * 131.1e6
        assert need.passes["learn"][0].flops == pytest.approx(by_hand, rel=0.04)
        # keys and values of 16 reports in 32 layers, 8 heads of 128 numbers each, in bfloat16; beside them one layer's
        # anew, and repeated for its 32 heads
        kept = 2 * 16 * 294 * 8 * 128 * 2
        assert 32 * kept < need.passes["write"][0].live_bytes < 38 * kept
        assert need.passes["write"][0] == need.passes["write"][1]  # whatever the micro-batch
    if (name, task) == ("biomedclip", "report"):
        # ViT-B/16 (86 million weights in its 12 layers and patch embedding), 197 tokens, attention over all of them;
        # adapters and decoder come on top
        by_hand = 2 * 197 * 85.6e6 + 12 * 4 * 197**2 * 768
        assert by_hand < need.passes["look"][0].flops < 1.2 * by_hand


def test_peak_batch_and_flops_by_hand():
    need = Need(
        parameters=10, trained=1, quantised_layers=0, quantised_weights=0, grid=(2, 2), text_tokens=0,
        held_bytes=100, loading_bytes=150,
        passes={"learn": (Step(40, 5), Step(70, 10)), "validate": (Step(10, 2), Step(15, 4)),
                "look": (Step(60, 1), Step(65, 2)), "write": (Step(163, 7), Step(163, 7))},
        longest_report=100, written_at_once=2, reports_written=128,
    )  # fmt: skip
    peaks = [need.peak_bytes(images) - CONTEXT_BYTES for images in (1, 2, 4)]
    assert peaks == [263, 263, 263]  # writing, whose batch is another
    need = replace(need, passes=need.passes | {"write": (Step(0, 7), Step(0, 7))})
    peaks = [need.peak_bytes(images) - CONTEXT_BYTES for images in (1, 2, 4)]
    assert peaks == [160, 170, 230]  # the look, then what is learnt from: 10 and 30 per image
    batches = [need.largest_batch(CONTEXT_BYTES + card, 4) for card in (159, 160, 170, 229, 230, 1000)]
    assert batches == [0, 1, 2, 2, 4, 4]
    # twice: 10 images are learnt from, 3 looked at again, 3 reports written in two rounds of 100 tokens; and one look
    assert need.flops(train_images=10, val_images=3, epochs=2) == 2 * (5 * 10 + 2 * 3 + 7 * 2 * 100) + 13
    # an adaptive loss counts its errors in one more pass over what was learnt from
    recounting = replace(need, recounts=True, longest_report=0)
    assert recounting.flops(train_images=10, val_images=3, epochs=2) == 2 * (5 * 10 + 2 * (3 + 10)) + 13
    assert need.flops(train_images=1, val_images=200, epochs=1) == 5 + 2 * 200 + 7 * 64 * 100 + 201  # 128 are written
    # each image is looked at once, and its report written, two at a time; without reports one pass without gradients
    assert need.prediction_flops(5) == 5 * 1 + 3 * 100 * 7
    assert recounting.prediction_flops(5) == 5 * 2
    big = Need(10, 1, 0, 0, (2, 2), 0, held_bytes=100, loading_bytes=500, passes=need.passes)
    assert big.peak_bytes(1) == CONTEXT_BYTES + 500


def test_images_are_counted_in_the_shards_manifests(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert shard_images(params) is None
    for batch in range(params.cohort.batches):
        rows = {"train": {"A": 10, "BC": batch}, "val": {"D": 2}}
        write_json(tmp_path / f"results/manifests/shards/batch-{batch:02d}.json", {"facts": {"rows_by_grade": rows}})
    assert shard_images(params) == (46, 8)
    assert external_images(params, "b") is None
    for batch in range(params.cohort.batches):
        path = tmp_path / f"results/manifests/shards/external/b/batch-{batch:02d}.json"
        write_json(path, {"facts": {"rows_by_grade": {"train": {}, "test": {"A": 5, "D": batch}}}})
    assert external_images(params, "b") == 26


def test_the_text_has_two_rows_per_backbone_and_task(params, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # where there are no shards
    step = Step(2.0 * GIB, 3e12)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(
        counting,
        "rehearse",
        lambda *given: {"learn": step * given[-1]} | dict.fromkeys(("validate", "write"), Step(0, 0)),
    )  # so much per image
    monkeypatch.setattr(plan, "card_gib", lambda: 12.0)
    monkeypatch.setattr(kept_needs, "_counts", dict)  # none come with the program
    one = params.model_copy(update={"train": params.train.model_copy(update={"backbones": ["smolvlm"]})})
    lines = plan_text(one, tflops=6.0).splitlines()
    for task in TASKS:
        counts, costs = (line.split() for line in lines if line.split()[:2] == ["smolvlm", task])
        assert counts[5] == "26"  # 4-bit layers
        # 0.6 GiB for CUDA, 2 per image, of 8 images 4 fit; 1,000 images of 3 TFLOP at 6 TFLOP/s take 500 s
        assert [float(value) for value in costs[2:6]] == pytest.approx([2.6, 4.6, 8.6, 16.6], abs=0.02)
        assert costs[6:] == ["4", "x", "2", "3", "8.3", "min"]
    sections = [getattr(one.train, task) for task in TASKS]
    epochs = sum(section.epochs * len(section.losses) for section in sections)  # of 500 s each
    total = f"All {sum(len(section.losses) for section in sections)} trainings, one after the other, all epochs: "
    assert lines[-1] == f"{total}{epochs * 500 / 3600:.3g} h per 1,000 training images, validation left out."
    again = one.model_copy(update={"train": one.train.model_copy(update={"seeds": 3})})
    count = 3 * sum(len(section.losses) for section in sections)
    expected = f"All {count} trainings, one after the other, all epochs: {3 * epochs * 500 / 3600:.3g} h"
    assert plan_text(again, tflops=6.0).splitlines()[-1].startswith(expected)
    external = [ArchiveParams(label=label, name="rsna", root=tmp_path / label) for label in ("b", "c")]
    last = plan_text(one.model_copy(update={"external": external}), tflops=6.0).splitlines()[-1]
    runs = sum(len(section.losses) for section in sections)
    assert last.startswith(
        f"All {2 * runs} predictions on external cohorts, 2,000 images, 1,000 taken for each without"
    )

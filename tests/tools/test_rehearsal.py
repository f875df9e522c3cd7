"""The rehearsal against a step that is really taken, and its extrapolation over layers."""

from __future__ import annotations

import pytest
import torch

from lss.backbones import load_backbone
from lss.backbones.tiny_checkpoints import write_tiny_checkpoint
from lss.project.params import load_params
from lss.tools import rehearsal
from lss.tools.rehearsal import Counter, build_network, count_step, empty_backbone, passes, rehearse, rehearse_layers
from lss.training.task import Setup

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def params(project_root):
    params = load_params(project_root / "params.yaml")
    qlora = params.train.qlora.model_copy(update={"quantise": False})
    return params.model_copy(update={"train": params.train.model_copy(update={"qlora": qlora})})


def test_counting_by_hand():
    weight = torch.nn.Parameter(torch.zeros(100, 50))
    given = torch.zeros(10, 100)
    with Counter() as counter:
        loss = (given @ weight).relu().square().sum()
        assert counter.now == 4 * (10 * 50 + 1)  # kept for the backward pass: what relu gave; and the loss
        loss.backward()
    assert counter.flops == 2 * 10 * 100 * 50 * 2  # no gradient of what was given
    assert weight.grad is not None
    assert counter.now == 4 * (100 * 50 + 1)  # the gradient and the loss


@pytest.mark.parametrize(
    ("name", "task", "bf16"),
    [
        ("biomedclip", "segmentation", True),
        ("biomedclip", "report", False),
        ("smolvlm", "classification", False),
        ("smolvlm", "report", True),
        ("llava_med", "segmentation", True),
        ("llava_med", "report", False),
    ],
)
def test_a_step_takes_what_was_rehearsed(name, task, bf16, params, tmp_path, monkeypatch):
    monkeypatch.setattr(rehearsal, "SMALL", 0)  # without memory, as large ones are
    train = params.train.model_copy(update={"bf16": bf16})
    execution = params.execution.model_copy(update={"gradient_checkpointing": bf16})
    params = params.model_copy(update={"train": train, "execution": execution})
    rehearsed = rehearse(empty_backbone(name, params), task, params, images=3)
    write_tiny_checkpoint(name, tmp_path, params.seed)
    dtype = torch.bfloat16 if bf16 else torch.float32
    backbone = load_backbone(name, tmp_path, quantise=False, device=CPU, dtype=dtype)
    backbone.set_gradient_checkpointing(bf16)
    loss = train.of(task).losses[0]
    network = build_network(task, Setup(backbone, train, loss, 0, CPU, None, tmp_path, execution)).train()
    for parameter in network.parameters():
        if parameter.requires_grad:
            parameter.grad = torch.zeros_like(parameter)
    taken = {key: count_step(run, bf16) for key, run in passes(network, task, params, images=3)}
    assert taken.keys() == rehearsed.keys()
    for key, step in taken.items():
        assert rehearsed[key].flops == step.flops
        # a language model in earnest does without the mask, which grows with the square of prefix and report
        over = 0.12 if task == "report" and key in ("learn", "validate") else 0.01
        assert step.live_bytes * 0.99 < rehearsed[key].live_bytes < step.live_bytes * (1 + over)


def test_layers_that_were_not_rehearsed_follow_from_two(params):
    published = params.model_copy(update={"weights": params.weights.model_copy(update={"source": "published"})})
    train = params.train.model_copy(update={"bf16": True})
    execution = params.execution.model_copy(update={"gradient_checkpointing": True})
    published = published.model_copy(update={"train": train, "execution": execution})
    empty = empty_backbone("biomedclip", published)
    assert len(empty.layers("vision")) == 12
    del empty.layers("vision")[4:]  # as well as all twelve
    whole = rehearse_layers(4, empty, "segmentation", published, 2)["learn"]
    followed = rehearse(empty, "segmentation", published, 2)["learn"]
    assert followed.flops == whole.flops
    assert followed.live_bytes == pytest.approx(whole.live_bytes, rel=0.02)

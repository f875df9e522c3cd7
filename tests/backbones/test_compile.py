"""torch.compile of a tower's layers: the same numbers and names, few graphs. Without code generation (aot_eager)."""

from __future__ import annotations

import pytest
import torch
import torch._dynamo
from torch._dynamo.utils import counters

from lss.backbones.qlora import add_adapters


def _steps(backbone, tower, adapters):
    """Mean square and summed gradient of three batches, the last one smaller."""
    message = []
    for size in (3, 3, 2):
        draw = torch.Generator().manual_seed(size)
        if tower == "vision":
            image = torch.rand(size, 3, backbone.image_size, backbone.image_size, generator=draw)
            loss = backbone.patch_tokens(image)[..., 0].pow(2).mean()
        else:
            words = torch.randn(size, 5 + size, backbone.language_width, generator=draw)
            loss = backbone.text_tower(inputs_embeds=words).last_hidden_state[..., 0].pow(2).mean()
        loss.backward()
        message += [loss.item(), sum(part.grad.abs().sum().item() for part in adapters)]
    return message


@pytest.mark.parametrize(
    ("name", "tower", "checkpointing"),
    [
        ("biomedclip", "vision", False),
        pytest.param("smolvlm", "vision", True, marks=pytest.mark.slow),
        pytest.param("llava_med", "language", True, marks=pytest.mark.slow),
    ],
)
def test_compiled_layers_give_the_same(name, tower, checkpointing, load):
    torch._dynamo.reset()
    counters.clear()
    message, names = [], []
    for compiles in (False, True):
        backbone = load(name, quantise=True).train()
        backbone.set_gradient_checkpointing(checkpointing)
        torch.manual_seed(0)
        adapters = add_adapters(backbone, (tower,), rank=2, alpha=4, dropout=0.0)
        with torch.no_grad():  # B is zero at first
            for part in adapters:
                part.normal_(std=0.1)
        if compiles:
            backbone.compile_layers((tower,), backend="aot_eager")
        names.append(list(backbone.state_dict()))
        message.append(_steps(backbone, tower, adapters))
    assert names[0] == names[1]
    assert message[1] == pytest.approx(message[0], rel=1e-5)
    # first layer (its input has no gradient) and the other, at the first size and at any other
    assert 1 <= counters["stats"]["unique_graphs"] <= 4

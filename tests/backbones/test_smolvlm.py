from __future__ import annotations

import torch


@torch.no_grad()
def test_tokens_are_those_of_the_whole_tower(load, images):
    """`patch_tokens` calls the tower's parts one by one."""
    backbone = load("smolvlm")
    batch = images(backbone)
    whole = backbone.model.model.vision_model(pixel_values=batch).last_hidden_state
    assert torch.equal(backbone.patch_tokens(batch), whole)

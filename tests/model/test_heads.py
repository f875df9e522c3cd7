"""Classification head."""

import torch

from lss.model.heads import ClassificationHead


def test_float32_logits_even_under_bfloat16():
    head = ClassificationHead(12, 8, 3)
    with torch.autocast("cpu", torch.bfloat16):
        logits = head(torch.randn(4, 9, 12))
    assert logits.shape == (4, 3) and logits.dtype == torch.float32


def test_tells_how_far_a_feature_reaches():
    """Areas 4 and 12 of 16 patches differ in extent alone; the head can learn that."""
    torch.manual_seed(1)
    head = ClassificationHead(6, 8, 2)
    feature, rest = torch.randn(6), torch.randn(6)
    small, large = (torch.where(torch.arange(16)[:, None] < area, feature, rest) for area in (4, 12))
    patches, target = torch.stack([small, large]), torch.tensor([0, 1])
    optimiser = torch.optim.Adam(head.parameters(), lr=1e-2)
    for _ in range(100):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(head(patches), target).backward()
        optimiser.step()
    assert head(patches).argmax(dim=1).tolist() == [0, 1]

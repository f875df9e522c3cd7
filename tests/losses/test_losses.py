"""Mask and token losses against MONAI, hand numbers and finite differences."""

import math

import pytest
import torch
from monai.losses import DiceCELoss
from monai.losses import FocalLoss as MonaiFocal
from monai.losses import TverskyLoss as MonaiTversky
from torch.nn.functional import nll_loss

from lss.errors import LssError
from lss.losses.cross_entropy import cross_entropy
from lss.losses.dice_cross_entropy import dice_cross_entropy
from lss.losses.focal import IGNORED, focal_nll
from lss.losses.mask_losses import make_mask_loss
from lss.losses.registry import loss_names
from lss.losses.tversky import focal_tversky, tversky_index
from lss.project.params import load_params

NAMES = loss_names("segmentation")


@pytest.fixture
def masks():
    draw = torch.Generator().manual_seed(1)
    logits = 3 * torch.randn(4, 1, 9, 7, generator=draw, dtype=torch.float64)
    target = (torch.rand(4, 1, 9, 7, generator=draw) > 0.7).double()
    target[1] = 0  # a Grade A image
    return logits, target


@pytest.mark.parametrize(("alpha", "beta"), [(0.5, 0.5), (0.35, 0.65), (0.15, 0.85)])
def test_tversky_equals_monai(masks, alpha, beta):
    logits, target = masks
    theirs = MonaiTversky(sigmoid=True, alpha=alpha, beta=beta, batch=True, smooth_nr=1.0, smooth_dr=1.0)
    ours = focal_tversky(logits, target, alpha, beta, gamma=1.0)
    assert ours.item() == pytest.approx(theirs(logits, target).item(), abs=1e-12)


def test_dice_cross_entropy_equals_monai(masks):
    logits, target = masks
    # MONAI's Dice has 2 TP in numerator and denominator, so its smoothing counts half of ours
    theirs = DiceCELoss(sigmoid=True, batch=True, smooth_nr=2.0, smooth_dr=2.0)(logits, target)
    assert dice_cross_entropy(logits, target).item() == pytest.approx(theirs.item(), abs=1e-12)


def test_exponent_is_gamma_itself(masks):
    logits, target = masks
    base = focal_tversky(logits, target, 0.3, 0.7, gamma=1.0).item()
    assert focal_tversky(logits, target, 0.3, 0.7, gamma=0.75).item() == pytest.approx(base**0.75)


def test_alpha_weighs_false_positives_and_beta_false_negatives():
    target = torch.tensor([1.0, 1.0, 0.0, 0.0])
    too_much, too_little = torch.tensor([1.0, 1.0, 1.0, 0.0]), torch.tensor([1.0, 0.0, 0.0, 0.0])
    assert tversky_index(too_much, target, alpha=0.2, beta=0.8).item() == pytest.approx(3 / 3.2)
    assert tversky_index(too_little, target, alpha=0.2, beta=0.8).item() == pytest.approx(2 / 2.8)


@pytest.mark.parametrize("name", NAMES)
def test_gradient_agrees_with_finite_differences(masks, name, project_root):
    logits, target = masks
    loss = make_mask_loss(name, load_params(project_root / "params.yaml").train)
    small = logits[:2, :, :3, :3].clone().requires_grad_()
    assert torch.autograd.gradcheck(lambda x: loss(x, target[:2, :, :3, :3]), small)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("filled", [0.0, 1.0])
@pytest.mark.parametrize("logit", [-200.0, 0.0, 200.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_finite_with_finite_gradient_at_the_extremes(name, filled, logit, dtype, project_root):
    loss = make_mask_loss(name, load_params(project_root / "params.yaml").train)
    logits = torch.full((2, 1, 8, 8), logit, dtype=dtype, requires_grad=True)
    value = loss(logits, torch.full((2, 1, 8, 8), filled))
    value.backward()
    assert math.isfinite(value.item()) and value.item() >= 0
    assert logits.grad is not None and logits.grad.isfinite().all()


@pytest.mark.parametrize("name", NAMES)
def test_right_masks_cost_less_and_empty_ones_cost_nothing(name, project_root):
    loss = make_mask_loss(name, load_params(project_root / "params.yaml").train)
    target = torch.zeros(2, 1, 8, 8)
    target[0, :, 2:5, 2:5] = 1
    right, wrong = loss(40 * target - 20, target).item(), loss(20 - 40 * target, target).item()
    assert right < 1e-3 < 0.9 < wrong
    assert loss(torch.full((1, 1, 8, 8), -20.0), torch.zeros(1, 1, 8, 8)).item() < 1e-3


def test_false_positives_on_an_empty_image_have_a_slope(masks):
    """Per image the index of an empty mask is flat; pooled it is not."""
    logits, target = masks
    logits = logits.clone().requires_grad_()
    focal_tversky(logits, target, 0.3, 0.7, gamma=0.75).backward()
    assert (logits.grad[1] > 0).all()


def test_cross_entropy_by_hand():
    logits = torch.tensor([[0.0, math.log(3.0)]])  # p = 1/2, 3/4
    assert cross_entropy(logits, torch.tensor([[1.0, 0.0]])).item() == pytest.approx((math.log(2) + math.log(4)) / 2)


def test_unknown_loss_names_the_allowed_ones(project_root):
    with pytest.raises(LssError, match="focal_tversky"):
        make_mask_loss("hinge", load_params(project_root / "params.yaml").train)


def test_focal_nll_equals_monai_and_plain_nll():
    draw = torch.Generator().manual_seed(2)
    logits = torch.randn(3, 5, 11, generator=draw, dtype=torch.float64)
    target = torch.randint(0, 11, (3, 5), generator=draw)
    plain = nll_loss(logits.log_softmax(-1).flatten(0, 1), target.flatten())
    assert focal_nll(logits, target, gamma=0.0).item() == pytest.approx(plain.item(), abs=1e-12)
    theirs = MonaiFocal(gamma=2.0, use_softmax=True, to_onehot_y=True, reduction="none")
    value = theirs(logits.flatten(0, 1), target.flatten()[:, None]).sum() / target.numel()
    assert focal_nll(logits, target, gamma=2.0).item() == pytest.approx(
        value.item(), abs=1e-6
    )  # MONAI rounds to float32


def test_ignored_tokens_do_not_count():
    logits = torch.randn(2, 3, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(3))
    target = torch.tensor([[1, 2, IGNORED], [3, IGNORED, IGNORED]])
    kept = torch.cat([logits[0, :2], logits[1, :1]])[None]
    value = focal_nll(kept, torch.tensor([[1, 2, 3]]), gamma=2.0)
    assert focal_nll(logits, target, gamma=2.0).item() == pytest.approx(value.item())
    assert focal_nll(logits, torch.full((2, 3), IGNORED), gamma=2.0).item() == 0.0


def test_focal_gradient_agrees_with_finite_differences():
    logits = torch.randn(1, 3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(4), requires_grad=True)
    target = torch.tensor([[0, 3, IGNORED]])
    assert torch.autograd.gradcheck(lambda x: focal_nll(x, target, gamma=2.0), logits)

"""Maps of an image that say where its grade comes from, by four methods, and three that look at no network.

A map is (Y, X) float32 in [0, 1] at the network's image size, its maximum 1 unless it is 0 everywhere. What is
explained is the `margin` of a grade: its logit less the mean of the others', since adding a number to all logits
changes no probability. What speaks against the grade is cut off at 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from lss.imaging.geometry import resample_image
from lss.model.network import ClassificationNetwork, SegmentationNetwork

Map = NDArray[np.float32]
Method = Callable[[Tensor, Tensor, int], Map]
"""Image (1, 1, Y, X), prompt query (1, 3) and the index of the grade to its map."""

STEPS = 32
"""Points of the integral of integrated gradients, by Gauss and Legendre."""

OCCLUDED = 8
"""The square that is hidden is an eighth of the image wide (11 mm of 88), and moves by half of itself."""


def margin(logits_BG: Tensor, grade: int) -> Tensor:
    """Return the logit of a grade less the mean of the others', (B,).

    >>> margin(torch.tensor([[1.0, 4.0, 3.0]]), 1)
    tensor([2.])
    """
    others = logits_BG.shape[1] - 1
    return logits_BG[:, grade] - (logits_BG.sum(dim=1) - logits_BG[:, grade]) / others


def blurred(image_B1YX: Tensor) -> Tensor:
    """Return images without detail: what stands for "nothing is seen here". Black would be a finding: dark tissue."""
    side = image_B1YX.shape[-1]
    smooth = [cv2.GaussianBlur(image, (0, 0), side / 10) for image in image_B1YX[:, 0].cpu().numpy()]
    return torch.from_numpy(np.stack(smooth))[:, None].to(image_B1YX)


def integrated_gradients(network: ClassificationNetwork, image: Tensor, query: Tensor, grade: int) -> Map:
    """Return the map of integrated gradients (Sundararajan 2017) from the blurred image, smoothed by half a millimetre
    or so: pixel by pixel it is speckled.
    """
    smooth = cv2.GaussianBlur(integrated(network, image, query, grade), (0, 0), image.shape[-1] / 40)
    return to_unit(smooth)


def integrated(network: ClassificationNetwork, image: Tensor, query: Tensor, grade: int) -> Map:
    """Return integrated gradients themselves, (Y, X) signed: they sum to the margin less that of the blurred image."""
    from captum.attr import IntegratedGradients  # imported here: seconds, which reading without maps does not need

    method = IntegratedGradients(_margin_of(network, query, grade))
    given = method.attribute(image, blurred(image), n_steps=STEPS, method="gausslegendre", internal_batch_size=STEPS)
    return np.asarray(given[0, 0].detach().float().cpu().numpy(), np.float32)


def grad_cam(network: ClassificationNetwork, image: Tensor, query: Tensor, grade: int) -> Map:
    """Return the map of Grad-CAM (Selvaraju 2017) on the vision tower's last patches."""
    from captum.attr import LayerGradCam

    wrapped = _ThroughPatches(network, query, grade)
    given = LayerGradCam(wrapped, wrapped.patches).attribute(image.clone().requires_grad_(), relu_attributions=True)
    return enlarged(given[0, 0].detach().float().cpu().numpy(), image.shape[-1])


def occlusion(network: ClassificationNetwork, image: Tensor, query: Tensor, grade: int) -> Map:
    """Return the map of occlusion (Zeiler 2014): how far the margin falls where a square is blurred away."""
    return to_unit(occluded(network, image, query, grade))


def occluded(network: ClassificationNetwork, image: Tensor, query: Tensor, grade: int) -> Map:
    """Return the mean fall of the margin over the squares that hide a pixel, (Y, X) signed."""
    from captum.attr import Occlusion

    side = max(image.shape[-1] // OCCLUDED, 2)
    with torch.no_grad():
        given = Occlusion(_margin_of(network, query, grade)).attribute(
            image, (1, side, side), (1, side // 2, side // 2), blurred(image), perturbations_per_eval=16
        )
    return np.asarray(given[0, 0].float().cpu().numpy(), np.float32)


def attention(network: ClassificationNetwork | SegmentationNetwork, image: Tensor, query: Tensor, grade: int) -> Map:
    """Return the attention of the prompts that describe a grade, mean over heads and prompts.

    It says where the network looks with those words, not what it concludes.
    Raises ValueError for a network without prompts.
    """
    maps_KYX = attention_of_prompts(network, image, query)
    own = (network.encoder.bank.grade_K == grade).cpu().numpy()
    return to_unit(maps_KYX[own if len(maps_KYX) == len(own) else slice(None)].mean(axis=0))


@torch.no_grad()
def attention_of_prompts(
    network: ClassificationNetwork | SegmentationNetwork, image: Tensor, query: Tensor
) -> NDArray[np.float32]:
    """Return the attention of each prompt, mean over heads, (K, Y, X); one map where the prompts are joined."""
    output = network(image, torch.zeros(1, dtype=torch.int64, device=image.device), query)
    if output.attention_BHKN is None:
        raise ValueError("this network has no prompts, and no attention")
    maps_KRC = output.attention_BHKN[0].float().mean(dim=0).unflatten(-1, output.grid).cpu().numpy()
    return np.stack([enlarged(one, image.shape[-1]) for one in maps_KRC])


def centre(image: Tensor) -> Map:
    """Return a Gaussian in the middle of the image, where the canal is: the map of one who does not look."""
    places = np.arange(image.shape[-1]) - (image.shape[-1] - 1) / 2
    bell = np.exp(-((places / (image.shape[-1] / 8)) ** 2) / 2)
    return to_unit(np.outer(bell, bell))


def edges(image: Tensor) -> Map:
    """Return the image's own edges, smoothed as `integrated_gradients`: a map may be no more than these."""
    own = image[0, 0].float().cpu().numpy()
    size = np.hypot(cv2.Sobel(own, cv2.CV_32F, 1, 0), cv2.Sobel(own, cv2.CV_32F, 0, 1))
    return to_unit(cv2.GaussianBlur(size, (0, 0), image.shape[-1] / 40))


def noise(image: Tensor, draw: np.random.Generator) -> Map:
    """Return smooth noise, the map of a guess."""
    drawn = draw.normal(size=image.shape[-2:]).astype(np.float32)
    smooth = cv2.GaussianBlur(drawn, (0, 0), image.shape[-1] / 20)
    return to_unit(smooth - smooth.min())


def methods_of(grader: ClassificationNetwork, masker: SegmentationNetwork | None = None) -> dict[str, Method]:
    """Return the methods that look at the networks, by name; those of attention where there are prompts."""

    def of(method: Callable[..., Map], network: nn.Module) -> Method:
        return lambda image, query, grade: method(network, image, query, grade)

    found = {
        "occlusion": of(occlusion, grader),
        "integrated_gradients": of(integrated_gradients, grader),
        "grad_cam": of(grad_cam, grader),
    }
    if grader.encoder.attention.fusion != "none":
        found["attention"] = of(attention, grader)
    if masker is not None and masker.encoder.attention.fusion != "none":
        found["mask_attention"] = of(attention, masker)
    return found


def to_unit(values: NDArray[Any]) -> Map:
    """Return values with those below 0 cut off, divided by their maximum.

    >>> to_unit(np.array([[-1.0, 2.0], [4.0, 0.0]])).tolist(), to_unit(np.array([[-1.0]])).tolist()
    ([[0.0, 0.5], [1.0, 0.0]], [[0.0]])
    """
    positive = np.maximum(np.asarray(values, np.float32), 0)
    top = float(positive.max())
    return np.asarray(positive / top if top > 0 else positive, np.float32)


def enlarged(values: NDArray[Any], side: int) -> Map:
    """Return a grid of values as a map of the image."""
    return to_unit(resample_image(np.asarray(values, np.float32), (side, side)))


def _margin_of(network: ClassificationNetwork, query: Tensor, grade: int) -> Callable[[Tensor], Tensor]:
    def of(image_B1YX: Tensor) -> Tensor:
        count = len(image_B1YX)
        grade_B = torch.zeros(count, dtype=torch.int64, device=image_B1YX.device)
        logits: Tensor = network(image_B1YX, grade_B, query.expand(count, -1)).logits
        return margin(logits, grade)

    return of


class _ThroughPatches(nn.Module):
    """The network with its patches as a picture (B, D, rows, columns) in between, as Grad-CAM wants a layer."""

    def __init__(self, network: ClassificationNetwork, query: Tensor, grade: int) -> None:
        super().__init__()
        self.network, self.query, self.grade = network, query, grade
        self.patches = nn.Identity()

    def forward(self, image_B1YX: Tensor) -> Tensor:
        encoder, count = self.network.encoder, len(image_B1YX)
        tokens_BND = encoder.patches(image_B1YX)
        picture_BDRC = self.patches(tokens_BND.transpose(1, 2).unflatten(-1, encoder.backbone.grid))
        grade_B = torch.zeros(count, dtype=torch.int64, device=image_B1YX.device)
        encoded = encoder.attend(picture_BDRC.flatten(2).transpose(1, 2), grade_B, self.query.expand(count, -1))
        return margin(self.network.head(encoded.attended.patches_BND), self.grade)

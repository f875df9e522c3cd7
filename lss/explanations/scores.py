"""What a map is worth: does the network need what the map shows, and is the map the network's or the image's?"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.linalg import spsolve
from scipy.stats import spearmanr
from torch import Tensor, nn

from lss.explanations.maps import Map, blurred
from lss.imaging.geometry import coverage
from lss.runtime.seeding import generator

Image = NDArray[np.float32]
Network = TypeVar("Network", bound=nn.Module)
Probability = Callable[[NDArray[np.float32]], NDArray[np.float64]]
"""Images (B, Y, X) to the probability of the explained grade on each, (B,)."""

SHARES = np.linspace(0, 1, 11)
"""Of the image that is taken away or put back, at the points of both curves."""

IMPUTED = (0.1, 0.3, 0.5, 0.7, 0.9)
"""Of the image that is taken away for ROAD."""

NOISE = 0.01
"""Standard deviation of the noise on imputed pixels (Rong 2022), of an image in [0, 1]."""


def probability_of(network: nn.Module, query: Tensor, grade: int) -> Probability:
    """Return the function that the scores ask: the network's probability of `grade` on images."""

    @torch.no_grad()
    def of(images_BYX: NDArray[np.float32]) -> NDArray[np.float64]:
        images = torch.from_numpy(images_BYX)[:, None].to(query.device)
        grades = torch.zeros(len(images), dtype=torch.int64, device=query.device)
        logits = network(images, grades, query.expand(len(images), -1)).logits
        return np.asarray(logits.double().softmax(dim=-1)[:, grade].cpu().numpy())

    return of


def ranks(importance: Map) -> NDArray[np.intp]:
    """Return the place of each pixel (Y, X) in the order of importance, 0 the most important.

    Equal pixels come in an order drawn once, not row by row: a map that is 0 over half of the image has no upper half.
    """
    shuffled = generator(0, "explanations", "ties", importance.size).permutation(importance.size)
    order = shuffled[np.argsort(-importance.ravel()[shuffled], kind="stable")]
    places = np.empty(importance.size, np.intp)
    places[order] = np.arange(importance.size)
    return places.reshape(importance.shape)


def deletion_insertion(image: Image, importance: Map, probability: Probability) -> tuple[float, float]:
    """Return the areas under the curves of deletion and insertion (Petsiuk 2018), in [0, 1].

    Pixels are blurred away in the order of importance, the most important first: low is good. Or the blurred image gets
    them back in that order: high is good.
    """
    places, smooth = ranks(importance), blurred(torch.from_numpy(image)[None, None])[0, 0].numpy()
    taken = [places < round(share * image.size) for share in SHARES]
    images = [np.where(of, smooth, image) for of in taken] + [np.where(of, image, smooth) for of in taken]
    curve = probability(np.stack(images).astype(np.float32))
    deleted, inserted = curve[: len(SHARES)], curve[len(SHARES) :]
    return float(np.trapezoid(deleted, SHARES)), float(np.trapezoid(inserted, SHARES))


def road(image: Image, importance: Map, probability: Probability, seed: int = 0) -> float:
    """Return ROAD (Rong 2022): how much more probable the grade stays without the least important pixels than without
    the most important ones, mean over `IMPUTED`, in [-1, 1]; 0 for a map that knows nothing.

    What is taken away is filled in by `imputed`, so that the mask's shape does not give the grade away.
    """
    places, images = ranks(importance), []
    for least in (True, False):
        for share in IMPUTED:
            count = round(share * image.size)
            taken = places >= image.size - count if least else places < count
            images.append(imputed(image, taken, generator(seed, "explanations", "road", least, share)))
    without_least, without_most = np.split(probability(np.stack(images)), 2)
    return float((without_least - without_most).mean())


def imputed(image: Image, taken: NDArray[np.bool_], draw: np.random.Generator | None = None) -> Image:
    """Return the image with noisy linear imputation where `taken` (Y, X).

    Each pixel taken away is the weighted mean of its neighbours, those beside it with 1/6, those at its corners with
    1/12, divided by the weights within the image: one sparse system of equations. `draw` adds noise of `NOISE`. With
    nothing left of the image it is 0.5.
    """
    count = int(taken.sum())
    if count == 0:
        return image.copy()
    if count == image.size:
        return np.full_like(image, 0.5)
    number = np.full(image.shape, -1)
    number[taken] = np.arange(count)
    rows, columns = np.nonzero(taken)
    equations, unknowns, weights = [], [], []
    right, total = np.zeros(count), np.zeros(count)
    for down in (-1, 0, 1):
        for across in (-1, 0, 1):
            if down == across == 0:
                continue
            weight = 1 / 6 if down == 0 or across == 0 else 1 / 12
            row, column = rows + down, columns + across
            within = (row >= 0) & (row < image.shape[0]) & (column >= 0) & (column < image.shape[1])
            own, row, column = np.flatnonzero(within), row[within], column[within]
            total[own] += weight
            unknown = number[row, column]
            right[own] += np.where(unknown < 0, weight * image[row, column], 0.0)
            equations.append(own[unknown >= 0])
            unknowns.append(unknown[unknown >= 0])
            weights.append(np.full(int((unknown >= 0).sum()), -weight))
    places = np.arange(count)
    matrix = coo_array(
        (
            np.concatenate([*weights, total]),
            (np.concatenate([*equations, places]), np.concatenate([*unknowns, places])),
        ),
        shape=(count, count),
    )
    solved = spsolve(matrix.tocsc(), right)
    filled = image.copy()
    filled[taken] = solved if draw is None else solved + draw.normal(0, NOISE, count)
    return filled


def share_inside(importance: Map, region: NDArray[np.bool_]) -> float:
    """Return the share of a map within a region, of at least as many pixels; 0 for a map of zeros."""
    whole = float(importance.sum())
    return float((importance * coverage(region, importance.shape)).sum()) / whole if whole > 0 else 0.0


def similarity(one: Map, other: Map) -> float:
    """Return Spearman's rank correlation of two maps, in [-1, 1]; 0 where one of them is the same everywhere."""
    if np.ptp(one) == 0 or np.ptp(other) == 0:
        return 0.0
    return float(spearmanr(one.ravel(), other.ravel()).statistic)


def randomised(network: Network, seed: int) -> Network:
    """Return a copy of a network that has learnt nothing: the elements of each of its weights are in a drawn order.

    Adebayo 2018: a map that stays as it is shows the image, not the network. Weights of 4 bits are shuffled as they are
    stored, two at a time.
    """
    other = copy.deepcopy(network)
    for name, tensor in other.named_parameters():
        if tensor.numel() > 1:
            order = generator(seed, "explanations", "randomised", name).permutation(tensor.numel())
            flat = tensor.data.flatten()[torch.from_numpy(order).to(tensor.device)]
            tensor.data.copy_(flat.view_as(tensor.data))
    return other

"""Scores of maps: of networks whose reason is known, and ROAD's imputation against a plain linear solve."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from patch_backbone import PatchBackbone, config

from lss.explanations import scores
from lss.explanations.maps import Map
from lss.model.network import ClassificationNetwork
from lss.model.prompt_bank import prompt_queries

SIDE = 20


def square() -> np.ndarray:
    region = np.zeros((SIDE, SIDE), bool)
    region[4:10, 6:12] = True
    return region


def by_square(images_BYX: np.ndarray) -> np.ndarray:
    """A network whose probability is the brightness of one square."""
    return np.asarray(images_BYX, np.float64)[:, square()].mean(axis=1)


@pytest.fixture
def image() -> np.ndarray:
    drawn = np.random.default_rng(1).random((SIDE, SIDE)).astype(np.float32) * 0.3
    drawn[square()] = 0.95
    return drawn


def test_deletion_and_insertion_of_a_known_reason_by_hand(image: np.ndarray) -> None:
    """With the square's pixels first, 9 % of the image, the first tenth takes all of it away, and gives it back."""
    smooth = scores.blurred(torch.from_numpy(image)[None, None])[0, 0].numpy()
    with_it, without = 0.95, float(smooth[square()].mean())
    deletion, insertion = scores.deletion_insertion(image, square().astype(np.float32), by_square)
    assert deletion == pytest.approx(0.05 * (with_it + without) + 0.9 * without, rel=1e-5)
    assert insertion == pytest.approx(0.05 * (with_it + without) + 0.9 * with_it, rel=1e-5)


def test_the_known_reason_beats_its_opposite_and_noise(image: np.ndarray) -> None:
    right = square().astype(np.float32)
    noise = np.random.default_rng(3).random((SIDE, SIDE)).astype(np.float32)
    of = {name: (*scores.deletion_insertion(image, one, by_square), scores.road(image, one, by_square))
          for name, one in (("right", right), ("wrong", 1 - right), ("noise", noise))}  # fmt: skip
    assert of["right"][0] < of["noise"][0] < of["wrong"][0]
    assert of["right"][1] > of["noise"][1] > of["wrong"][1]
    assert of["right"][2] > 0.2 > abs(of["noise"][2]) and of["wrong"][2] == pytest.approx(-of["right"][2], abs=0.1)


def test_a_map_that_is_even_has_no_order_of_rows(image: np.ndarray) -> None:
    places = scores.ranks(np.zeros((SIDE, SIDE), np.float32))
    assert sorted(places.ravel()) == list(range(SIDE * SIDE))
    first = places < SIDE * SIDE / 2
    assert 0.3 < first[: SIDE // 2].mean() < 0.7 and 0.3 < first[:, : SIDE // 2].mean() < 0.7


def test_ranks_go_down_with_the_map() -> None:
    importance = np.random.default_rng(0).random((7, 7)).astype(np.float32)
    np.testing.assert_array_equal(importance.ravel()[np.argsort(scores.ranks(importance).ravel())],
                                  np.sort(importance.ravel())[::-1])  # fmt: skip


def direct(image: np.ndarray, taken: np.ndarray) -> np.ndarray:
    """The same imputation as a dense system over all pixels, written without regard to speed."""
    rows, columns = image.shape
    matrix, right = np.zeros((image.size, image.size)), np.zeros(image.size)
    for row in range(rows):
        for column in range(columns):
            own = row * columns + column
            if not taken[row, column]:
                matrix[own, own], right[own] = 1.0, image[row, column]
                continue
            for other_row in range(max(row - 1, 0), min(row + 2, rows)):
                for other_column in range(max(column - 1, 0), min(column + 2, columns)):
                    apart = abs(row - other_row) + abs(column - other_column)
                    if apart:
                        weight = {1: 1 / 6, 2: 1 / 12}[apart]
                        matrix[own, own] += weight
                        matrix[own, other_row * columns + other_column] -= weight
    return np.linalg.solve(matrix, right).reshape(image.shape)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.97])
def test_imputation_solves_the_neighbours_equations(image: np.ndarray, share: float) -> None:
    taken = np.random.default_rng(4).random(image.shape) < share
    filled = scores.imputed(image, taken)
    np.testing.assert_allclose(filled, direct(image, taken), atol=1e-5)
    np.testing.assert_array_equal(filled[~taken], image[~taken])
    assert filled.min() >= image.min() - 1e-6 and filled.max() <= image.max() + 1e-6  # a mean of what is left


def test_imputation_of_nothing_and_of_everything(image: np.ndarray) -> None:
    np.testing.assert_array_equal(scores.imputed(image, np.zeros(image.shape, bool)), image)
    np.testing.assert_array_equal(scores.imputed(image, np.ones(image.shape, bool)), 0.5)


def test_imputation_adds_the_noise_asked_for() -> None:
    image = np.full((60, 60), 0.4, np.float32)
    taken = np.zeros(image.shape, bool)
    taken[10:50, 10:50] = True
    filled = scores.imputed(image, taken, np.random.default_rng(0))
    assert filled[taken].std() == pytest.approx(scores.NOISE, rel=0.1)
    assert filled[taken].mean() == pytest.approx(0.4, abs=0.001)


def test_share_inside_a_region() -> None:
    region = np.zeros((40, 40), bool)
    region[:, :20] = True  # twice the pixels of the map
    importance: Map = np.zeros((20, 20), np.float32)
    importance[3, 4], importance[5, 15] = 0.75, 0.25
    assert scores.share_inside(importance, region) == pytest.approx(0.75)
    assert scores.share_inside(np.zeros((20, 20), np.float32), region) == 0


def test_similarity_is_of_ranks() -> None:
    one = np.random.default_rng(0).random((9, 9)).astype(np.float32)
    assert scores.similarity(one, one**3) == pytest.approx(1)
    assert scores.similarity(one, 1 - one) == pytest.approx(-1)
    assert scores.similarity(one, np.zeros((9, 9), np.float32)) == 0


def test_a_shuffled_network_keeps_its_numbers_and_forgets_what_they_meant() -> None:
    torch.manual_seed(0)
    network = ClassificationNetwork(PatchBackbone(), config()).eval().requires_grad_(False)
    other = scores.randomised(network, 1)
    for (name, tensor), (_, shuffled) in zip(network.named_parameters(), other.named_parameters(), strict=True):
        assert torch.equal(tensor.flatten().sort().values, shuffled.flatten().sort().values), name
        assert tensor.data_ptr() != shuffled.data_ptr()
    image, query = torch.rand(1, 32, 32), prompt_queries(["L4-L5"])
    ask = [scores.probability_of(one, query, 0)(image.numpy())[0] for one in (network, other)]
    assert ask[0] != ask[1]
    again = scores.randomised(network, 1)
    assert all(torch.equal(a, b) for a, b in zip(other.parameters(), again.parameters(), strict=True))

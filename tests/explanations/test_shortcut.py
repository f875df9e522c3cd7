"""The planted mark: a network that goes by it is shown to go by it, and edges cannot tell it from its twin."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from patch_backbone import PatchBackbone, config

from lss.explanations import maps, shortcut
from lss.model.network import ClassificationNetwork
from lss.model.prompt_bank import prompt_queries

SIDE = 48
QUERY = prompt_queries(["L4-L5"])


class PlacedBackbone(PatchBackbone):
    """Patches that know their place, as those of a vision tower do: else no mark's place could be read."""

    def patch_tokens(self, image_B3HW: torch.Tensor) -> torch.Tensor:
        tokens_BND = super().patch_tokens(image_B3HW)
        place_N = torch.linspace(-1, 1, tokens_BND.shape[1])
        place_BN2 = torch.stack([3 * place_N, (11 * place_N).sin()], dim=-1).expand(len(tokens_BND), -1, -1)
        return torch.cat([tokens_BND[..., :-2], place_BN2], dim=-1)


def images(count: int, seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Noise with marks, the same without, grades and the rows of the other mark."""
    draw = np.random.default_rng(seed)
    plain = draw.random((count, SIDE, SIDE)).astype(np.float32) * 0.5
    grades, others = shortcut.decoys(count, draw), shortcut.decoys(count, draw)
    marked = [shortcut.marked(*one) for one in zip(plain, grades.tolist(), others.tolist(), strict=True)]
    return np.stack(marked), plain, grades, others


def places(images_BYX: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(images_BYX)[:, None]


@pytest.fixture(scope="module")
def by_mark() -> ClassificationNetwork:
    """A network that was trained on images whose grade is that of the mark."""
    torch.manual_seed(0)
    network = ClassificationNetwork(PlacedBackbone(side=6), config())
    trained = [parameter for parameter in network.parameters() if parameter.requires_grad]
    optimiser = torch.optim.Adam(trained, 1e-2)
    for step in range(120):
        marked, _, grades, _ = images(16, step)
        logits = network(places(marked), torch.zeros(16, dtype=torch.int64), QUERY.expand(16, -1)).logits
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(grades))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network.eval().requires_grad_(False)


def accuracy(network: ClassificationNetwork, of: np.ndarray, grades: np.ndarray) -> float:
    count = len(of)
    logits = network(places(of), torch.zeros(count, dtype=torch.int64), QUERY.expand(count, -1)).logits
    return float((logits.argmax(dim=-1).numpy() == grades).mean())


def test_the_network_goes_by_the_mark(by_mark: ClassificationNetwork) -> None:
    marked, plain, grades, _ = images(60, 10_000)
    assert accuracy(by_mark, marked, grades) > 0.9
    assert accuracy(by_mark, plain, grades) < 0.6  # one of three by chance


@pytest.mark.parametrize("name", ["occlusion", "integrated_gradients"])
def test_a_faithful_map_shows_the_mark_and_edges_do_not(by_mark: ClassificationNetwork, name: str) -> None:
    marked, _, grades, others = images(6, 20_000)
    method = maps.methods_of(by_mark)[name]
    shown, edges = [], []
    for image, grade, other in zip(marked, grades.tolist(), others.tolist(), strict=True):
        one = places(image[None])
        shown.append(shortcut.shown(method(one, QUERY, grade), grade, other))
        edges.append(shortcut.shown(maps.edges(one), grade, other))
    assert np.mean(shown) > 0.3
    assert abs(np.mean(edges)) < 0.05


def test_marks_lie_apart_and_look_alike() -> None:
    taken = np.zeros((112, 112), int)
    for right in (False, True):
        for row in range(3):
            taken[shortcut.place_of(row, right, 112)] += 1
    assert taken.max() == 1 and taken.sum() == 6 * 18**2
    image = shortcut.marked(np.full((112, 112), 0.5, np.float32), 2, 0)
    told, other = image[shortcut.place_of(2, False, 112)], image[shortcut.place_of(0, True, 112)]
    np.testing.assert_array_equal(told, other)
    assert told.max() == 1 and told.min() == 0 and (image == 0.5).mean() > 0.9


def test_how_much_is_shown_by_hand() -> None:
    importance = np.zeros((112, 112), np.float32)
    importance[shortcut.place_of(1, False, 112)] = 1.0
    assert shortcut.shown(importance, 1, 0) == 1
    assert shortcut.shown(importance[:, ::-1], 0, 1) == -1
    assert shortcut.shown(np.zeros((112, 112), np.float32), 1, 0) == 0
    assert shortcut.shown(np.ones((112, 112), np.float32), 1, 1) == 0

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from lss.backbones import NAMES, load_backbone
from lss.backbones.base import Backbone
from lss.backbones.tiny_checkpoints import write_tiny_checkpoint


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with a tiny checkpoint per backbone."""
    folder = tmp_path_factory.mktemp("weights")
    for name in NAMES:
        write_tiny_checkpoint(name, folder / name, seed=3)
    return folder


@pytest.fixture
def load(checkpoints: Path) -> Callable[..., Backbone]:
    def _load(name: str, quantise: bool = False) -> Backbone:
        return load_backbone(
            name, checkpoints / name, quantise=quantise, device=torch.device("cpu"), dtype=torch.float32
        )

    return _load


@pytest.fixture
def images() -> Callable[..., torch.Tensor]:
    """Normalised images that differ from place to place."""

    def _images(backbone: Backbone, count: int = 2) -> torch.Tensor:
        generator = torch.Generator().manual_seed(0)
        return backbone.normalise(torch.rand(count, backbone.image_size, backbone.image_size, generator=generator))

    return _images

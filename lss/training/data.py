"""Shards to batches: decoded once where they fit into memory, streamed where they do not, the same pixels and
the same order either way and for any number of workers."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset

from lss.domain.grades import GRADES
from lss.imaging.augment import Augmentation, transform
from lss.imaging.augment import draw as draw_change
from lss.imaging.geometry import resample_mask
from lss.imaging.settings import AugmentParams
from lss.model.batch import Batch, image_tensor
from lss.model.prompt_bank import prompt_queries
from lss.notes.prompts import TRAINING_WORDINGS
from lss.runtime.memory import memory_limit
from lss.runtime.seeding import derive_seed
from lss.storage.schemas import SHARD
from lss.storage.shards import ShardReader, decode_image, decode_mask, epoch_order
from lss.training.notice import ignore

CACHE_BYTES = memory_limit() // 8
"""Decoded samples are kept when all of them take at most so much memory: an eighth of what there is."""


class Samples(Dataset[dict[str, Any]]):
    """Samples of some shards at a network's sizes.

    Images are those of `lss.model.batch.image_tensor`, masks uint8.
    """

    def __init__(
        self,
        paths: list[Path],
        image_size: int,
        mask_size: int,
        keep: bool = False,
        change: Callable[[str, int], Augmentation] | None = None,
    ) -> None:
        """Open the shards.

        Args:
            paths: of the shards.
            image_size, mask_size: sides of image and mask, pixels.
            keep: what was decoded, if all of it fits into `CACHE_BYTES`: for more than one pass by one process.
            change: of a sample key and an epoch, the change of that sample in that epoch; None: there is none.
        """
        self.reader = ShardReader(paths)
        self._texts = ShardReader(paths, [name for name in SHARD.names if name not in ("image", "mask")])
        self.keys: list[str] = self.reader.column("sample_key")
        self.image_size = image_size
        self.mask_size = mask_size
        self.change = change
        fits = len(self.reader) * (2 * image_size**2 + mask_size**2) <= CACHE_BYTES
        self._cache: dict[int, dict[str, Any]] | None = {} if keep and fits else None

    def __len__(self) -> int:
        return len(self.reader)

    def __getitem__(self, draw: tuple[int, int]) -> dict[str, Any]:
        """Return a sample by its index in the shards, in an epoch: `image` (Y, X), `mask` (Y, X), and the text columns.

        Of place `~index` the text columns alone: nothing is decoded, image and mask have no pixels.
        """
        index, epoch = draw
        if index < 0:
            nothing = torch.empty(0, 0)
            return {**self._texts[~index], "image": nothing, "mask": nothing}
        if self._cache is None:
            row = self._decode(index)
        elif index in self._cache:
            row = self._cache[index]
        else:
            row = self._cache[index] = self._decode(index)
        return row if self.change is None else _changed(row, self.change(row["sample_key"], epoch))

    def _decode(self, index: int) -> dict[str, Any]:
        row = dict(self.reader[index])
        row["image"] = image_tensor(decode_image(row.pop("image")["bytes"]), self.image_size)
        mask = resample_mask(decode_mask(row.pop("mask")["bytes"]), (self.mask_size, self.mask_size))
        row["mask"] = torch.from_numpy(mask.astype("uint8"))
        return row


def _changed(row: dict[str, Any], change: Augmentation) -> dict[str, Any]:
    """Return a copy of a decoded sample with its image and mask changed; grey levels stay in [0, 1]."""
    image, mask = transform(row["image"].float().numpy(), row["mask"].numpy() > 0, change)
    pixels = torch.from_numpy(np.clip(image, 0, 1)).half()
    return row | {"image": pixels, "mask": torch.from_numpy(mask.astype("uint8"))}


class Subsets:
    """Samples by subset and sizes; trainings in one process that ask for the same ones share what was decoded."""

    def __init__(self, shards: dict[str, list[Path]], workers: int) -> None:
        """Open the shards: `shards` holds the paths of each subset, `workers` processes will read them.

        Only without workers is what was decoded kept: each worker would hold all samples for itself before long.
        """
        self.shards = shards
        self.keep = workers == 0
        self._samples: dict[tuple[str, int, int], Samples] = {}

    def samples(
        self,
        subset: str,
        image_size: int,
        mask_size: int,
        change: Callable[[str, int], Augmentation] | None = None,
    ) -> Samples:
        """Return samples of a subset at a network's sizes, with `change` as of `Samples`."""
        key = (subset, image_size, mask_size)
        if key not in self._samples:
            self._samples[key] = Samples(self.shards[subset], image_size, mask_size, self.keep)
        self._samples[key].change = change
        return self._samples[key]


def change_by_epoch(augment: AugmentParams, seed: int) -> Callable[[str, int], Augmentation]:
    """Return the change of each sample in each epoch, drawn by `seed`; sides stay, since the text names them."""
    return partial(draw_change, seed, **augment.model_dump())


@torch.autocast("cpu", enabled=False)  # batches are asked for within the training's own, which would cast here too
def collate(rows: list[dict[str, Any]]) -> Batch:
    """Return rows of `Samples` to one batch."""
    return Batch(
        torch.stack([row["image"] for row in rows])[:, None].float(),
        torch.stack([row["mask"] for row in rows])[:, None].float(),
        torch.tensor([GRADES.index(row["grade"]) for row in rows]),
        [row["report"] for row in rows],
        [{name: value for name, value in row.items() if name not in ("image", "mask")} for row in rows],
        prompt_queries([row["level"] for row in rows]),
    )


class _Order:
    """Batches of (index, epoch) of the coming epoch, from a given one on."""

    def __init__(self) -> None:
        self.batches: list[list[tuple[int, int]]] = []

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        return iter(self.batches)

    def __len__(self) -> int:
        return len(self.batches)


class BatchLoader:
    """Batches of `Samples`, shuffled by seed and epoch or in the order of the shards."""

    def __init__(self, samples: Samples, batch_size: int, seed: int | None, workers: int = 0) -> None:
        """Set up the loader; `seed` None keeps the shards' order, `workers` processes decode ahead (0: this one)."""
        self.samples = samples
        self.batch_size = batch_size
        self.seed = seed
        self._order = _Order()
        self._loader = DataLoader(
            samples,
            batch_sampler=self._order,
            collate_fn=collate,
            num_workers=workers,
            persistent_workers=workers > 0,
            pin_memory=torch.cuda.is_available(),
            generator=torch.Generator(),  # its own, so that looping draws nothing from torch's
            worker_init_fn=ignore,
        )

    def __len__(self) -> int:
        """Return batches of an epoch."""
        return -(-len(self.samples) // self.batch_size)

    def size(self, number: int) -> int:
        """Return samples in batch `number` of an epoch."""
        return min(self.batch_size, len(self.samples) - number * self.batch_size)

    def batches(
        self, epoch: int = 0, start: int = 0, known: Container[str] = (), rank: int = 0, processes: int = 1
    ) -> Iterator[Batch]:
        """Yield batches `start`, start + 1, ... of an epoch; those of nothing but `known` sample keys without pixels.

        Dealt to several processes, this one gets every batch whose turn is `rank`. Where the last round has none for
        it, it gets the round's first, so that all get as many.
        """
        count = len(self.samples)
        order = range(count) if self.seed is None else epoch_order(self.samples.reader.group_sizes, self.seed, epoch)
        indices = [int(index) for index in order]
        rounds = [range(len(self))[first : first + processes] for first in range(start, len(self), processes)]
        numbers = [group[rank] if rank < len(group) else group[0] for group in rounds]
        batches = [indices[number * self.batch_size :][: self.batch_size] for number in numbers]
        unseen = {index for index, key in enumerate(self.samples.keys) if key not in known}
        asked = [[~index for index in batch] if unseen.isdisjoint(batch) else batch for batch in batches]
        self._order.batches = [[(index, epoch) for index in batch] for batch in asked]
        for batch in self._loader:
            yield batch if self.seed is None else reworded(batch, self.seed, epoch)


def reworded(batch: Batch, seed: int, epoch: int) -> Batch:
    """Return the batch with its prompts in wordings drawn by sample and epoch, never the one held out for tests."""
    drawn = [derive_seed(seed, "wording", row["sample_key"], epoch) % TRAINING_WORDINGS for row in batch.rows]
    return replace(batch, query_B3=prompt_queries([row["level"] for row in batch.rows], drawn))

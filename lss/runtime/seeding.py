"""One seed in params.yaml; every random draw takes its own stream from it, by name.

A stream depends on the seed and on names (a stage, a slice key, a copy number), never on the order
in which work happens to be done, so results are the same for any number of cores or workers.
"""

from __future__ import annotations

import hashlib

import numpy as np


def derive_seed(seed: int, *names: object) -> int:
    """Return a 63-bit seed for the stream called `names` (compared by their text)."""
    text = "\x1f".join([str(seed), *map(str, names)])
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *names: object) -> np.random.Generator:
    """Return NumPy generator of the stream called `names`."""
    return np.random.default_rng(derive_seed(seed, *names))

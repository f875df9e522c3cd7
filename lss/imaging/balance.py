"""How many augmented copies of each training slice there are, so that all grades become equally frequent."""

from __future__ import annotations

from collections.abc import Mapping

from lss.runtime.seeding import derive_seed


def balance_plan(grades: Mapping[str, str], seed: int) -> dict[str, int]:
    """Return copies per slice key, one at least, given the grade of every training slice of the whole cohort.

    All that is trained on is a copy, drawn by one law: if only the rarer grades were copied, the interpolation in
    their copies would reveal the grade. Every grade has as many copies as the most frequent one has
    slices. A grade's slices share its copies evenly: their numbers differ by at most one, and which slices get one
    more is drawn by `seed`. The plan depends on nothing else, so every batch arrives at the same one.

    >>> sorted(balance_plan({"a": "A", "b": "A", "c": "A", "d": "A", "e": "D", "f": "BC", "g": "BC"}, 1).items())
    [('a', 1), ('b', 1), ('c', 1), ('d', 1), ('e', 4), ('f', 2), ('g', 2)]
    """
    members: dict[str, list[str]] = {}
    for key, grade in grades.items():
        members.setdefault(grade, []).append(key)
    most = max(map(len, members.values()), default=0)
    plan: dict[str, int] = {}
    for keys in members.values():
        each, left = divmod(most, len(keys))
        shuffled = sorted(keys, key=lambda key: (derive_seed(seed, "balance", key), key))
        plan |= {key: each + (place < left) for place, key in enumerate(shuffled)}
    return plan

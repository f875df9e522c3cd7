"""How many augmented copies each training slice gets, so that all grades become equally frequent."""

from __future__ import annotations

from collections.abc import Mapping

from lss.seeding import derive_seed


def balance_plan(grades: Mapping[str, str], seed: int) -> dict[str, int]:
    """Copies per slice key, given the grade of every training slice of the whole cohort.

    Every grade is raised to the most frequent one's count. A grade's slices share its copies evenly: their
    numbers differ by at most one, and which slices get one more is drawn by `seed`. The plan depends on nothing
    else, so every batch arrives at the same one. Slices without copies are left out.

    >>> sorted(balance_plan({"a": "A", "b": "A", "c": "A", "d": "A", "e": "D", "f": "BC", "g": "BC"}, 1).items())
    [('e', 3), ('f', 1), ('g', 1)]
    """
    members: dict[str, list[str]] = {}
    for key, grade in grades.items():
        members.setdefault(grade, []).append(key)
    most = max(map(len, members.values()), default=0)
    plan = {}
    for keys in members.values():
        each, left = divmod(most - len(keys), len(keys))
        by_lot = sorted(keys, key=lambda key: (derive_seed(seed, "balance", key), key))
        for place, key in enumerate(by_lot):
            copies = each + (place < left)
            if copies:
                plan[key] = copies
    return plan

"""Reports that contradict: which are rewritten, how often, and what is reported."""

from __future__ import annotations

import pytest

from lss.model.consistent_writing import OnContradiction, Written, settle

FIRST = ["right", "wrong", "never", "late"]


def run(on_contradiction: OnContradiction, attempts: int = 3) -> tuple[list[Written], list[tuple[list[int], int]]]:
    """A writer whose report 1 is right at the first new attempt, report 3 at the third, report 2 never."""
    asked: list[tuple[list[int], int]] = []

    def rewrite(rows: list[int], attempt: int) -> list[str]:
        asked.append((rows, attempt))
        right_from = {1: 1, 3: 3}
        return ["right" if attempt >= right_from.get(row, 99) else f"wrong {attempt}" for row in rows]

    settled = settle(
        FIRST,
        on_contradiction=on_contradiction,
        attempts=attempts,
        contradicts=lambda row, text: text != "right",
        rewrite=rewrite,
        template=lambda row: f"template {row}",
    )
    return settled, asked


def test_keep_keeps_all() -> None:
    settled, asked = run("keep")
    assert settled == [Written(text, "first", 1, None) for text in FIRST] and asked == []


def test_template_replaces_at_once() -> None:
    settled, asked = run("template")
    assert settled[0] == Written("right", "first", 1, None)
    assert settled[1:] == [Written(f"template {row}", "template", 1, FIRST[row]) for row in (1, 2, 3)]
    assert asked == []


def test_regenerate_rewrites_only_what_contradicts_and_says_how_often() -> None:
    settled, asked = run("regenerate")
    assert settled == [
        Written("right", "first", 1, None),
        Written("right", "regenerated", 2, "wrong"),
        Written("template 2", "template", 4, "never"),
        Written("right", "regenerated", 4, "late"),
    ]
    assert asked == [([1, 2, 3], 1), ([2, 3], 2), ([2, 3], 3)]


@pytest.mark.parametrize("attempts", [1, 2, 5])
def test_no_more_attempts_than_allowed_and_none_without_need(attempts: int) -> None:
    settled, asked = run("regenerate", attempts)
    assert max(attempt for _, attempt in asked) == attempts
    assert settled[3].origin == ("regenerated" if attempts >= 3 else "template")
    assert all(written.report in ("right", f"template {row}") for row, written in enumerate(settled))

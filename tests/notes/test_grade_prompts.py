from __future__ import annotations

from lss.grades import GRADES
from lss.notes.prompts import GRADE_PROMPTS


def test_the_bank_runs_from_normal_to_severe_and_covers_every_grade() -> None:
    order = [GRADES.index(prompt.grade) for prompt in GRADE_PROMPTS]
    assert order == sorted(order)
    assert set(order) == {0, 1, 2}
    assert len({prompt.text for prompt in GRADE_PROMPTS}) == len(GRADE_PROMPTS)

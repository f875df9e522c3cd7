from __future__ import annotations

from lss.domain.grades import GRADES, LEVELS
from lss.notes.prompts import GRADE_PROMPTS, PROMPT_GRADES, TEST_WORDING, TRAINING_WORDINGS, level_index, prompt_text


def test_the_bank_runs_from_normal_to_severe_and_covers_every_grade() -> None:
    assert list(PROMPT_GRADES) == sorted(PROMPT_GRADES)
    assert set(PROMPT_GRADES) == {0, 1, 2}


def test_every_prompt_has_as_many_wordings_and_none_says_what_another_says() -> None:
    assert {len(prompt.wordings) for prompt in GRADE_PROMPTS} == {TRAINING_WORDINGS + 1} and TRAINING_WORDINGS > 1
    assert TEST_WORDING not in range(TRAINING_WORDINGS)
    texts = [text for prompt in GRADE_PROMPTS for text in prompt.wordings]
    assert len(set(texts)) == len(texts)


def test_levels_are_words_and_an_unknown_one_has_its_own() -> None:
    texts = [prompt_text(GRADE_PROMPTS[4], 0, level_index(level)) for level in (None, *LEVELS)]
    assert len(set(texts)) == len(texts) and "unknown" in texts[0]
    assert all(level in text for level, text in zip(LEVELS, texts[1:], strict=True))
    assert GRADES.index(GRADE_PROMPTS[4].grade) == 2

"""Report score: pairs that n-gram metrics rate wrongly, hand-made counts, properties, real notes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lss.metrics.language import rouge_l
from lss.metrics.report_score import compare_findings, counts_by_structure, score_findings
from lss.notes.findings import read_findings
from lss.training.report_task import plain_words

REFERENCE = "Left paracentral disc protrusion at L4-L5 level, mildly compressing the thecal sac and left nerve root."
WRONG = {
    "negation": "No left paracentral disc protrusion at L4-L5 level compressing the thecal sac or left nerve root.",
    "side": "Right paracentral disc protrusion at L4-L5 level, mildly compressing the thecal sac and right nerve root.",
    "level": "Left paracentral disc protrusion at L3-L4 level, mildly compressing the thecal sac and left nerve root.",
    "severity": "Left paracentral disc protrusion at L4-L5 level, severely compressing the thecal sac and left "
    "nerve root.",
}
PARAPHRASE = (
    "At L4/5 the thecal sac and the left nerve root are mildly compressed by a herniated disc, left paracentral."
)
SENTENCES = (
    "Diffuse disc bulge at L4-L5.",
    "Rt paracentral disc protrusion noted at L5/S1 level, largely compressing the thecal sac.",
    "No nerve root compression.",
    "Features of muscle spasm.",
    "Multilevel Schmorl's nodules noted.",
    "Both neural foramina are narrowed at L3-L4.",
    "Mild spinal canal stenosis at L2-L3.",
)


@pytest.mark.parametrize("kind", WRONG)
def test_a_wrong_report_scores_below_a_paraphrase_where_word_overlap_puts_it_above(kind: str) -> None:
    wrong, right = compare_findings(WRONG[kind], REFERENCE), compare_findings(PARAPHRASE, REFERENCE)
    assert right.score == 1 and wrong.score < 0.7
    assert bool(wrong.contradicted) == (kind != "level")
    words = [plain_words(text) for text in (WRONG[kind], PARAPHRASE)]
    overlap = rouge_l(words, [plain_words(REFERENCE)] * 2)
    assert overlap[0] > overlap[1]


def test_counts_by_hand() -> None:
    report = "Disc bulge at L4-L5. Muscle spasm. Left foraminal narrowing at L5-S1. No spinal canal stenosis."
    reference = "Mild disc bulge at L4-L5. Thick ligamentum flavum at L4-L5. No spinal canal stenosis at L4-L5."
    result = compare_findings(report, reference, "L4-L5")
    assert result.agreed == (("disc bulge", "L4-L5"),)
    assert result.invented == (("foraminal narrowing", "L5-S1"), ("muscle spasm", None))
    assert result.missed == (("thick flavum", "L4-L5"),)
    assert result.score == pytest.approx(2 * (0.5 + 1) / (4 + 3))  # the bulge's size is said in one text only
    counts = counts_by_structure([report], [reference], ["L4-L5"])
    assert {name: of.tolist() for name, of in counts.items()} == {
        "disc bulge": [[1, 0, 0]], "foraminal narrowing": [[0, 1, 0]], "muscle spasm": [[0, 1, 0]],
        "thick flavum": [[0, 0, 1]],
    }  # fmt: skip


def test_texts_without_findings() -> None:
    assert compare_findings("", "").score == 1
    assert compare_findings("Disc bulge at L4-L5.", "").score == 0 == compare_findings("", "Disc bulge.").score


def test_the_severity_sentence_plays_no_part() -> None:
    sentence = "No significant spinal canal stenosis, 0.0 % of the region is affected. "
    assert compare_findings(sentence + REFERENCE, REFERENCE).score == 1


@given(st.lists(st.sampled_from(SENTENCES), unique=True), st.lists(st.sampled_from(SENTENCES), unique=True), st.data())
def test_symmetric_bounded_and_blind_to_order(own: list[str], other: list[str], data: st.DataObject) -> None:
    score = compare_findings("\n".join(own), "\n".join(other)).score
    shuffled = data.draw(st.permutations(own))
    assert 0 <= score <= 1
    assert compare_findings("\n".join(shuffled), "\n".join(other)).score == score
    assert compare_findings("\n".join(other), "\n".join(own)).score == score
    assert compare_findings("\n".join(own), "\n".join(shuffled)).score == 1


def test_real_notes_score_1_with_themselves_and_less_with_another(shared: Path) -> None:
    folder = shared / "data" / "mendeley-radiologists-notes"
    notes = pd.read_excel(next(folder.glob("*.xlsx")), header=None).iloc[:, -1].dropna().astype(str)
    notes = [note for note in notes if len(note) > 80][:100]
    nobody: list[str | None] = [None] * len(notes)
    same = score_findings(notes, notes, nobody)
    assert (same["finding_score"] == 1).all() and not same["invented"].any() and not same["contradicted"].any()
    assert np.mean([bool(read_findings(note)) for note in notes]) > 0.97  # the grammar reads nearly every note
    other = score_findings(notes, [*notes[1:], notes[0]], nobody)
    assert np.mean(other["finding_score"]) < 0.4

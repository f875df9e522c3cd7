"""Properties of the grading over generated notes and arbitrary text."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lss.domain.grades import GRADES, LEVELS, worst
from lss.notes.grading import grade_note, grade_report

_SUBJECTS = ["Disc bulge", "Diffuse disc bulge", "Rt paracentral disc protrusion", "Central disc extrusion"]
_EFFECTS = {
    "": "A",
    ", abutting the thecal sac": "A",
    " with no thecal sac compression": "A",
    ", compressing the thecal sac": "BC",
    ", mildly compressing the thecal sac and exit nerve roots": "BC",
    ", encroaching upon both exit canals": "BC",
    ", largely compressing the thecal sac": "D",
    ", with secondary spinal canal stenosis": "D",
}


@st.composite
def findings(draw: st.DrawFn) -> dict[str, tuple[str, str]]:
    """Level -> (sentence, grade)."""
    levels = draw(st.lists(st.sampled_from(LEVELS), unique=True, min_size=1, max_size=4))
    chosen = {}
    for level in levels:
        subject, effect = draw(st.sampled_from(_SUBJECTS)), draw(st.sampled_from(sorted(_EFFECTS)))
        chosen[level] = f"{subject} noted at {level} level{effect}.", _EFFECTS[effect]
    return chosen


@given(findings(), st.sampled_from(["\n", " ", "\n- ", "\r\n\r\n"]), st.sampled_from(["", "LSS MRI :\n"]))
def test_every_level_has_its_finding(chosen: dict[str, tuple[str, str]], mark: str, head: str) -> None:
    graded = grade_note(head + mark.join(sentence for sentence, _ in chosen.values()))
    assert graded.level_grades == {level: grade for level, (_, grade) in chosen.items()}
    assert graded.grade == worst([grade for _, grade in chosen.values()])


@given(findings(), st.randoms())
def test_order_of_the_findings_plays_no_part(chosen: dict[str, tuple[str, str]], generator: object) -> None:
    sentences = [sentence for sentence, _ in chosen.values()]
    assert grade_note("\n".join(sentences)).level_grades == grade_note("\n".join(reversed(sentences))).level_grades


@given(findings())
def test_case_plays_no_part(chosen: dict[str, tuple[str, str]]) -> None:
    note = "\n".join(sentence for sentence, _ in chosen.values())
    assert grade_note(note.upper()).level_grades == grade_note(note.lower()).level_grades


_WORDS = st.sampled_from(
    "no not without with but and or , . ; : / // ( ) & - \n L4-L5 L5/S1 D11/D12 L1 C5 disc bulge compressing narrowed "
    "stenosis obliterating the thecal sac spinal canal exit neural nerve root foramen significant mild largely non "
    "noted adequate level free seen only lesser more at of fracture LSS MRI cervical".split(" ")
)


@settings(max_examples=300)
@given(st.lists(_WORDS, max_size=40).map(" ".join))
def test_any_order_of_known_words_gives_a_consistent_grade(text: str) -> None:
    graded = grade_note(text)
    assert graded.grade is None or graded.grade in GRADES
    assert set(graded.level_grades) <= set(LEVELS)
    if graded.level_grades:
        assert graded.grade is not None
        assert GRADES.index(graded.grade) >= max(map(GRADES.index, graded.level_grades.values()))


@given(st.text())
def test_any_text_is_graded_without_failing(text: str) -> None:
    grade_note(text)
    grade_report(text)


def test_senseless_repetition_ends() -> None:
    """A cell of a spreadsheet holds up to 32,767 characters."""
    for word in ("no ", "not seen ", "compressing, ", "L4-L5 "):
        grade_note((word * 20000)[:8000])

"""Findings of a note or report, one by one: structure, disc level, side, severity, stated or denied.

Read by the grammar that grades notes: statements (`clauses`), words (`lexicon`), objects of an effect (`objects`),
denials (`denial`) and levels (`placing`). `lss.metrics.report_score` compares the findings of two texts.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache

from lss.notes.clauses import Statement, statements
from lss.notes.cleaning import clean_note
from lss.notes.denial import denied_by, questioned
from lss.notes.effects import Mention, mentions
from lss.notes.grading import is_severity_sentence
from lss.notes.level_names import OUTSIDE
from lss.notes.lexicon import Word
from lss.notes.objects import object_kind, qualifiers_of
from lss.notes.placing import level_groups, place
from lss.notes.spelling import write_out
from lss.notes.tokens import BREAK, EFFECTS, Token

BULGE, HERNIATION, CONTACT = "disc bulge", "disc herniation", "thecal sac contact"
SAC, CANAL, ROOT = "thecal sac compression", "spinal canal stenosis", "nerve root compression"
FORAMEN, RECESS = "foraminal narrowing", "lateral recess narrowing"
DEGENERATION, ENDPLATES, FLAVUM, FACETS = "disc degeneration", "end-plate changes", "thick flavum", "facet arthropathy"
SLIP, TEAR = "spondylolisthesis", "annular tear"
SPONDYLOSIS, SPASM, SCHMORL, MULTILEVEL = "spondylosis", "muscle spasm", "Schmorl's nodules", "multilevel disease"
SCOLIOSIS, CYST, HEMANGIOMA, FRACTURE = "scoliosis", "cyst", "hemangioma", "fracture"

AT_A_DISC = (BULGE, HERNIATION, CONTACT, SAC, CANAL, ROOT, FORAMEN, RECESS, DEGENERATION, ENDPLATES, FLAVUM, FACETS,
             SLIP, TEAR)  # fmt: skip
"""Structures that belong to a disc level."""

STRUCTURES = (*AT_A_DISC, SPONDYLOSIS, SPASM, SCHMORL, MULTILEVEL, SCOLIOSIS, CYST, HEMANGIOMA, FRACTURE)
"""All structures. Protrusion, extrusion, prolapse and sequestration are herniations (nomenclature of Fardon 2014), so
that "no herniation" contradicts "protrusion"; a bulge is none. The last eight are of the whole spine: no level."""

_OTHERS = (
    (re.compile("de[sh][iy]"), DEGENERATION),  # desiccated, dehydrated
    (re.compile("diss[ei]cat"), DEGENERATION),
    (re.compile("end ?plate|plates?$|mod[ie]c"), ENDPLATES),
    (re.compile("flavum"), FLAVUM),
    (re.compile("facets?$"), FACETS),
    (re.compile(r"(?:antero|retro|spondylo)?listhesis|slip$"), SLIP),
    (re.compile("tears?$|torn|fissure"), TEAR),
    (re.compile("spondylo(?:sis|tic)|osteophyt"), SPONDYLOSIS),
    (re.compile("spasms?$"), SPASM),
    (re.compile("schmorl"), SCHMORL),
    (re.compile("multilevel"), MULTILEVEL),
    (re.compile("scoliosis"), SCOLIOSIS),
    (re.compile("cysts?$"), CYST),
    (re.compile("ha?emangioma"), HEMANGIOMA),
    (re.compile("fractures?$|wedging"), FRACTURE),
)
_SIDES = {"left": "left", "lt": "left", "l": "left", "right": "right", "rt": "right", "r": "right", "both": "both",
          "bilateral": "both", "bilaterally": "both", "central": "central"}  # fmt: skip
SIDED = (BULGE, HERNIATION, SAC, ROOT, FORAMEN, RECESS, FACETS, FLAVUM)
"""Structures that a report may give a side to."""
_SIZES = {"small": "mild", "large": "severe", "huge": "severe", "massive": "severe"}
_ADJECTIVES = 6
"""Words before a noun among which its side and size are looked for."""
_SEVERITIES = ("mild", "moderate", "severe")


@dataclass(frozen=True)
class Finding:
    """One finding.

    Attributes:
        structure: one of `STRUCTURES`.
        level: disc level; None where the text names none, and for structures of the whole spine.
        side: the patient's left, right, both, or central; None where none is named.
        severity: mild, moderate, severe; None where none is named, and for what is denied.
        negated: whether the text denies it.
    """

    structure: str
    level: str | None
    side: str | None = None
    severity: str | None = None
    negated: bool = False


@lru_cache(maxsize=2**15)  # an evaluation reads each reference once per system
def read_findings(text: str, level: str | None = None) -> tuple[Finding, ...]:
    """Return findings of a text, at most one per structure and level, sorted; their order in the text does not matter.

    Statements on one structure and level become one finding: stated rather than denied, the worst severity,
    left and right together are both. The severity sentence of a report is left out: it is ours, not a radiologist's.

    Args:
        text: a note, or a generated or reference report; any text.
        level: disc level of the image that the text is about; findings that name no level belong to it.
    """
    cleaned = write_out(clean_note(findings_part(text)))
    merged: dict[tuple[str, str | None], Finding] = {}
    for statement in statements(cleaned):
        if statement.elsewhere:
            continue
        for finding in _of_statement(statement, level):
            key = finding.structure, finding.level
            merged[key] = _merge(merged[key], finding) if key in merged else finding
    return tuple(merged[key] for key in sorted(merged, key=lambda key: (key[0], key[1] or "")))


def findings_part(report: str) -> str:
    """Return a report without its severity sentence; a note as it is.

    >>> findings_part("Severe spinal canal stenosis, 31.2 % of the region is affected. Disc bulge at L4-L5.")
    'Disc bulge at L4-L5.'
    """
    first, *rest = re.split(r"(?<=[.;])\s+", report.strip(), maxsplit=1)
    return " ".join(rest) if is_severity_sentence(first) else report


def _of_statement(statement: Statement, level: str | None) -> list[Finding]:
    """Return findings of one statement at each of their levels."""
    tokens = statement.tokens
    denied, open_questions = denied_by(tokens), questioned(tokens)
    groups = level_groups(tokens)
    findings: list[Finding] = []
    for mention in mentions(tokens):
        names = [name for name, _ in place(mention, statement, groups)]
        for of_mention in _of_mention(tokens, mention):
            findings += _at_levels(of_mention, names, level)
    for index in range(len(tokens)):
        if index not in open_questions and (other := _other(tokens, index)):
            mention = Mention("A", index, index, "other")
            side, severity = _adjectives(tokens, index, other)
            negated = denied[index] is not None
            one = Finding(other, None, side, None if negated else severity, negated)
            findings += _at_levels(one, [name for name, _ in place(mention, statement, groups)], level)
    return findings


def _at_levels(finding: Finding, places: list[str], level: str | None) -> list[Finding]:
    if finding.structure not in AT_A_DISC:
        return [finding]
    lumbar = [name for name in places if name != OUTSIDE]
    if places and not lumbar:
        return []
    names: list[str | None] = [*lumbar] or [level]
    return [replace(finding, level=name) for name in names]


def _of_mention(tokens: list[Token], mention: Mention) -> list[Finding]:
    """Return what one mention of the canal says: disc lesions, and effects on each object within its span."""
    span = range(mention.first, mention.last + 1)
    negated = mention.kind in ("denial", "normal")
    effects = [index for index in span if tokens[index].role in EFFECTS]
    findings = []
    for index in span:
        token = tokens[index]
        if token.role is Word.BULGE and (mention.kind == "finding" or negated) and not _is_osteophyte(token):
            lesion = BULGE if token.known.startswith("bulg") else HERNIATION
            findings.append(_described(tokens, index, lesion, negated))
        elif token.role is Word.ABUT and not negated:
            findings.append(_described(tokens, index, CONTACT, negated))
        elif negated and _denies_every_lesion(tokens, index, mention):
            findings += [Finding(lesion, None, negated=True) for lesion in (BULGE, HERNIATION)]
        elif mention.kind != "finding" and (structure := _object(tokens, index)):
            if effects:
                effect = min(effects, key=lambda position: abs(position - index))
                findings.append(_affected(tokens, index, effect, structure, negated))
            else:
                findings.append(Finding(structure, None, negated=negated))
    if effects and not any(finding.structure in (SAC, CANAL, ROOT, FORAMEN, RECESS) for finding in findings):
        held = CANAL if tokens[effects[0]].role is Word.STENOSIS else SAC
        findings.append(_affected(tokens, effects[0], effects[0], held, negated))
    return findings


def _object(tokens: list[Token], index: int) -> str | None:
    """Return the structure that an effect on this object is a finding of."""
    kind, token = object_kind(tokens, index), tokens[index]
    if kind is None:
        return None
    if token.role is Word.FORAMEN and token.known.startswith("recess"):
        return RECESS
    if token.role in (Word.SAC, Word.CSF):
        return SAC
    if kind == "root":
        return ROOT
    return CANAL if kind == "core" else FORAMEN


def _affected(tokens: list[Token], index: int, effect: int, structure: str, negated: bool) -> Finding:
    """Return an effect on the object at `index`."""
    inner = tokens[max(0, min(index, effect) - 2) : max(index, effect) + 1]
    side = _side_of_object(tokens, index) if structure in SIDED else None
    if negated:
        return Finding(structure, None, side, None, True)
    qualifiers = qualifiers_of(tokens, index, effect)
    if any(token.known.startswith("moderate") for token in inner):
        severity = "moderate"
    elif Word.MILD in qualifiers:
        severity = "mild"
    elif Word.STRONG in qualifiers or (tokens[effect].role is Word.FILL and structure in (SAC, CANAL)):
        severity = "severe"
    else:
        return Finding(structure, None, side)
    return Finding(structure, None, side, severity)


def _side_of_object(tokens: list[Token], index: int) -> str | None:
    """Return the side by the words of the object's own phrase: "the left foramen", "the foramen on the left"."""
    before: list[Token] = []
    for token in reversed(tokens[max(0, index - _ADJECTIVES + 1) : index]):
        role, text = token.role, token.text
        if role in (*EFFECTS, Word.WITH, Word.BULGE, Word.SAC, Word.FORAMEN, Word.CANAL) or text in (",", ":", BREAK):
            break
        before.append(token)
    return _side(before[::-1]) or _side(_until_stop(tokens[index + 1 : index + 5]))


def _described(tokens: list[Token], index: int, structure: str, negated: bool) -> Finding:
    side, severity = _adjectives(tokens, index, structure)
    return Finding(structure, None, side, None if negated else severity, negated)


def _adjectives(tokens: list[Token], index: int, structure: str) -> tuple[str | None, str | None]:
    """Return side and severity by the words before a noun, and the side by those after it ("bulge,
    more to the left").
    """
    before: list[Token] = []
    for token in reversed(tokens[max(0, index - _ADJECTIVES) : index]):
        if token.text in (",", ":", BREAK) or token.role in (*EFFECTS, Word.WITH, Word.BULGE, Word.DENIAL):
            break
        before.append(token)
    sizes = [_size(token) for token in before]
    severity = next((size for size in sizes if size), None)
    if structure not in SIDED:
        return None, severity
    return _side(before[::-1]) or _side(_until_stop(tokens[index + 1 : index + 8])), severity


def _until_stop(tokens: list[Token]) -> list[Token]:
    for index, token in enumerate(tokens):
        if token.text in (BREAK, ":") or token.role in (*EFFECTS, Word.WITH, Word.BULGE, Word.OTHER, Word.ABUT):
            return tokens[:index]
        if object_kind(tokens, index) is not None:
            return tokens[:index]
    return tokens


def _size(token: Token) -> str | None:
    if token.known.startswith("moderate"):
        return "moderate"
    if token.role is Word.MILD:
        return "mild"
    return "severe" if token.role is Word.STRONG else _SIZES.get(token.text.lower())


def _side(tokens: list[Token]) -> str | None:
    """Return the side these words name; left and right together are both; "central canal" is no side."""
    named = set()
    for index, token in enumerate(tokens):
        side = _SIDES.get(token.known)
        following = tokens[index + 1] if index + 1 < len(tokens) else None
        if side == "central" and following is not None and following.role in (Word.CANAL, Word.LINK):
            continue
        if side:
            named.add(side)
    if named > {"central"}:
        named.discard("central")  # "central and left paracentral"
    return None if not named else named.pop() if len(named) == 1 else "both"


def _other(tokens: list[Token], index: int) -> str | None:
    """Return the structure of a finding that is no stenosis, by its word."""
    word = tokens[index].known or tokens[index].text.lower()
    if word.startswith("degenerat"):
        near = tokens[max(0, index - 2) : index + 4]
        if any("plate" in token.text.lower() for token in near):
            return None  # the plates are read by themselves
        return DEGENERATION if any(token.known.startswith(("disc", "disk")) for token in near) else SPONDYLOSIS
    return next((structure for pattern, structure in _OTHERS if pattern.match(word)), None)


def _is_osteophyte(token: Token) -> bool:
    return token.known.startswith("osteophyt")


def _denies_every_lesion(tokens: list[Token], index: int, mention: Mention) -> bool:
    """Return whether all lesions are denied: "no disc lesion", "no abnormality", "the disc is normal"."""
    token = tokens[index]
    if mention.kind == "normal":
        return token.known.startswith(("disc", "disk"))
    after_disc = index > 0 and tokens[index - 1].known.startswith(("disc", "disk"))
    lesion = token.text.lower() in ("lesion", "lesions", "pathology", "disease")
    return token.role is Word.ABNORMALITY or (after_disc and lesion)


def _merge(one: Finding, other: Finding) -> Finding:
    """Merge two findings of one structure and level."""
    if one.negated != other.negated:
        return other if one.negated else one
    sides = {side for side in (one.side, other.side) if side}
    if len(sides) > 1:
        sides.discard("central")
    severities = [severity for severity in (one.severity, other.severity) if severity]
    return replace(
        one,
        side=None if not sides else sides.pop() if len(sides) == 1 else "both",
        severity=max(severities, key=_SEVERITIES.index) if severities else None,
    )

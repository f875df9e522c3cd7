"""The words the grading knows, by what they do in a sentence, and how misspelt words are read.

Radiologists type "compresing", "enroaching", "stensois"; a word that is no word of this list is read as the most
similar one (`difflib`, Ratcliff and Obershelp), if it is similar enough. `PLAIN` lists everyday words of such
notes that would otherwise be taken for another word ("marrow" for "narrow").
"""

from __future__ import annotations

import re
from difflib import get_close_matches
from enum import Enum
from functools import lru_cache


class Word(Enum):
    """What a word does in a radiologist's sentence."""

    # effects on the canal and what it holds
    PRESS = "presses on something"
    NARROW = "narrows something"
    STENOSIS = "stenosis by name"
    FILL = "fills or obliterates something"
    # objects of an effect
    SAC = "thecal sac, cord, cauda equina"
    CANAL = "canal; the word before it says which one"
    FORAMEN = "neural foramen or lateral recess"
    FORAMINAL = "adjective of the foramen; also says where a disc protrudes"
    EXIT = "makes a following canal an exit canal"
    ROOT = "nerve root"
    NERVE = "nerve"
    CSF = "space around the sac"
    BONE = "vertebra or disc space: an effect on it is no stenosis"
    # findings without an effect of their own
    BULGE = "bulge, protrusion, extrusion, osteophyte"
    ABUT = "touches without pressing"
    NORMAL = "says that something is as it should be"
    ABNORMALITY = "denied, everything is normal"
    CHANGE = "a denied change denies nothing else"
    OTHER = "a finding that is no stenosis and owns the level named beside it"
    # qualifiers
    STRONG = "large effect"
    MILD = "small or moderate effect"
    # grammar
    DENIAL = "denies what follows"
    QUESTION = "asks, suspects or recalls: what follows is no finding"
    PAST = "of an earlier time"
    ASIDE = "a degree that does not hold today, or of no named scale"
    BUT = "ends a denial"
    WITH = "starts a new phrase"
    PREPOSITION = "ends the noun phrase before a noun"
    LINK = "may stand between two words that belong together"
    FOCUS = "points to the worst of several levels"
    LESSER = "less than what was said before"
    SIDE = "left, right, both"
    ADVICE = "advises, does not describe"
    # regions of the body
    LUMBAR = "lumbar spine"
    ELSEWHERE = "another region"
    EXAMINATION = "names the examination in a heading"
    MARK = "punctuation"
    PLAIN = "no role"


_FORMS = {
    Word.PRESS: """compress compresses compressed compressing compression compressions compressive
        indent indents indented indenting indentation indentations impress impresses impressing impression
        efface effaces effaced effacing effacement encroach encroaches encroached encroaching encroachment
        displace displaces displaced displacing displacement impinge impinges impinged impinging impingement
        deform deforms deformed deforming flatten flattens flattened flattening squeezed squeezing
        compromise compromises compromised compromising distort distorts distorted distorting press presses
        pressed pressing pressure push pushes pushed pushing occupy occupies occupied occupying
        crowd crowded crowding crowds""",
    Word.NARROW: """narrow narrows narrowed narrowing narrower constrict constricts constricted constricting
        constriction reduce reduces reduced reducing reduction""",
    Word.STENOSIS: "stenosis stenoses stenotic stenosed stenosing tight schizas",
    Word.FILL: "fill fills filled filling obliterate obliterates obliterated obliterating obliteration",
    Word.SAC: "sac sacs sack thecal theca dural dura cord cauda equina conus",
    Word.CANAL: "canal canals",
    Word.FORAMEN: """foramen foramina foramens recess recesses neuroforamen neuroforamina neuralcanal
        neuralcanals""",
    Word.FORAMINAL: "foraminal neuroforaminal subarticular recessal",
    Word.EXIT: "exit exits exiting neural neuronal intervertebral",
    Word.ROOT: "root roots",
    Word.NERVE: "nerve nerves",
    Word.CSF: "csf subarachnoid epidural",
    Word.BONE: """fracture fractures vertebra vertebrae body bodies endplate endplates plate plates disc discs disk
        disks discal space spaces border height heights joint joints pedicle pedicles""",
    Word.BULGE: """bulge bulges bulged bulging bulg protrusion protrusions protruded protruding extrusion extrusions
        extruded hernia herniation herniations herniated prolapse prolapses prolapsed sequestration sequestrated
        sequestered sequestrum fragment fragments osteophyte osteophytes osteophytic""",
    Word.ABUT: "abut abuts abutted abutting touch touches touching contact contacts contacting",
    Word.NORMAL: "adequate normal preserved patent capacious unremarkable intact maintained sufficient spacious",
    Word.ABNORMALITY: "abnormality abnormalities",
    Word.CHANGE: "change changes doubt",
    Word.OTHER: """tear tears torn modic modec spondylolisthesis listhesis anterolisthesis retrolisthesis slip
        dehydrated dehydration desiccation desiccated desiccating desiccative dissecating dissicating
        edema oedema cyst cysts cystic hemangioma haemangioma surgery operation fenestration laminectomy discectomy
        decompression decompressed relieved
        decompressive fixation screws schmorl nodule nodules discitis
        wedging lipoma scoliosis vacuum degeneration degenerative""",
    Word.STRONG: """large largely significant significantly marked markedly severe severely gross grossly great
        greatly massive massively heavily extensive extensively considerable considerably complete completely
        totally total critical critically extreme extremely highly profound profoundly pronounced tightly
        absolute""",
    Word.MILD: """mild mildly mildy minimal minimally slight slightly relative relatively partial partially
        borderline partly early subtle trivial minor
        moderate moderately""",
    Word.DENIAL: """no not without none neither nor never absent absence free lack nil non noncompressive
        noncompressing negative fails fail failed
        resolved resolution disappeared""",
    Word.QUESTION: "query evaluate exclude excluded",
    Word.PAST: "previously formerly initially",
    Word.BUT: "but however except although though yet while whereas otherwise apart despite",
    Word.WITH: """with by due because causing causes cause leading leads lead resulting results producing
        associated extending extends extend extended extension reaching migrating migrated together along where
        which that beside""",
    Word.PREPOSITION: "of on upon at in to through till until for from into over between",
    Word.LINK: """the a an noted note seen is are was were be been appear appears appeared looks there it this
        they these those and or both still also as well its their found evident evidence demonstrated shown
        present identified detected definite sided side sides aspect aspects part
        parts region level levels leve lev ar site lower upper multiple multilevel multilevels spinal
        vertebral central lateral anterior anteriorly posterior posteriorly inferiorly superiorly
        bilateral bilaterally respectively same each all probably secondary canalicular
        residual recurrent acquired congenital multifactorial circumferential concentric bony developmental further
        additional superimposed persistent overall ventral nearly almost now today currently presently
        diameter diameters calibre caliber dimension zone graded""",
    Word.FOCUS: """noticeably noticeable mainly mostly predominantly largest larger worse worst maximal maximum
        maximally most particularly especially notably prominently principally chiefly more""",
    Word.LESSER: "lesser less",
    Word.SIDE: "left right lt rt l r",
    Word.ADVICE: "advised advise advisable recommended recommend suggested correlate correlated correlation",
    Word.LUMBAR: "lss lumbosacral lumbo lumbar lumber ls dorsolumbar thoracolumbar",
    Word.ELSEWHERE: """cervical dorsal thoracic knee knees hip hips shoulder brain pelvis pelvic sij sijs si
        sacroiliac ankle wrist elbow abdomen""",
    Word.EXAMINATION: "mri mr spine study scan examination",
    Word.PLAIN: """marrow several never disease feature features muscle spasm spasms signal signals surface severity
        diffuse wide base based broad small focal material materials hypertrophy facet ligament ligamentum flavum
        annular annulus cephalic caudal migration posterolateral paracentral paramedian appearance appearances
        compared comparison component replaced replacement placement impressive expansion expansive degree previous
        recent old history granulation tissue lesion scar collection enhancing enhancement increased decreased
        contract contracted contrast constant contain contains feeling generalised generalized spondylosis
        spondylotic spondylolysis process processes express progress progression depression regression marking
        grade grading
        cortical neutral natural general mural rural indicate indicated intended sacral thickness thickened
        about abnormal abnormally affected affecting alteration altered arrow arrows articular axial comprising
        consider considered deformity effect effected effects existing exists extent extremities extremity falling
        greater higher impatient inadequate neuroma other others patient patients related relation represent
        represents reserved significance since within
        abrupt agents case cases chance complex composed cranial distal either eight ever excess formal formed
        haematoma incomplete indeed light long maintain marker mode nearly number option order orientation points
        alignment caudally connection diffusely muscles record remarkable should spinous stenting
        unchanged weight widening possible possibly probable likely suspected arthropathy arthrosis produce produces
        contribute contributes terminates advised""",
}
BOUNDS = (
    "no more than", "not more than", "no greater than", "not greater than", "no worse than", "not worse than",
    "does not exceed", "not exceeding", "at most", "at the most", "at worst", "at least", "up to",
)  # fmt: skip
"""What stands before the degree that a stenosis has at most, or at least: it is read as that degree."""

BELOW_SEVERE = ("not severe", "no longer severe", "less than severe", "short of severe", "not high grade",
                "not critical")  # fmt: skip
"""What a stenosis is that is present and not severe: B&C by the rubric."""

CHANGES = ("progress", "increas", "worsen", "improv", "decreas", "regress", "evolv", "reduc", "deteriorat",
           "becom", "became", "downgrad", "upgrad", "declin", "diminish")  # fmt: skip
"""How words begin that say that a degree is another than it was."""

EXCEPTIONS = ("except", "except for", "with the exception of", "other than", "apart from", "aside from", "save for",
              "excepting")  # fmt: skip
"""What parts a denial from the place where it does not hold."""

PHRASES = {
    **dict.fromkeys(BOUNDS, Word.LINK),
    **{phrase: Word.BUT for phrase in EXCEPTIONS if " " in phrase},
    **dict.fromkeys(BELOW_SEVERE, Word.MILD),
    **dict.fromkeys(("rather than", "instead of", "as opposed to"), Word.LINK),
    "high grade": Word.STRONG,
    "low grade": Word.MILD,
    "mass effect": Word.PRESS,
    "close proximity": Word.ABUT,
    "near to": Word.ABUT,
    "no longer": Word.DENIAL,
    "negative for": Word.DENIAL,
    "ruled out": Word.DENIAL,
    "been removed": Word.DENIAL,
    "was removed": Word.DENIAL,
    "been resected": Word.DENIAL,
    "can not exclude": Word.QUESTION,
    "can not be excluded": Word.QUESTION,
    "not excluded": Word.QUESTION,
    "patient with": Word.QUESTION,
    "rule out": Word.QUESTION,
    "history of": Word.QUESTION,
    "case of": Word.QUESTION,
    "status post": Word.QUESTION,
    "operated for": Word.QUESTION,
    "interval decompression of": Word.QUESTION,
    "previous decompression of": Word.QUESTION,
    "prior decompression of": Word.QUESTION,
    "surgery for": Word.QUESTION,
    "assess for": Word.QUESTION,
    "concern for": Word.QUESTION,
    "clinically suspected": Word.QUESTION,
    "suspected clinically": Word.QUESTION,
    "secondary to": Word.WITH,
    "related to": Word.WITH,
    "owing to": Word.WITH,
    "attributable to": Word.WITH,
    "on the basis of": Word.WITH,
    "on account of": Word.WITH,
    "as a result of": Word.WITH,
    "in the setting of": Word.WITH,
}
"""Words that mean something else together; a hyphen may stand between them ("high-grade")."""

SECTIONS = {
    "history": False, "clinical history": False, "clinical details": False, "clinical information": False,
    "clinical data": False, "clinical indication": False, "clinical indications": False, "clinical question": False,
    "indication": False, "indications": False, "reason for exam": False, "reason for examination": False,
    "reason for study": False, "reason for referral": False, "presenting complaint": False, "referral": False,
    "comparison": False, "technique": False, "clinical": False, "question": False, "patient history": False,
    "relevant history": False, "clinical notes": False, "symptoms": False, "past history": False,
    "findings": True, "finding": True, "report": True, "impression": True, "conclusion": True, "opinion": True,
    "summary": True, "results": True, "mri findings": True, "diagnosis": True, "assessment": True,
}  # fmt: skip
"""Titles of a report's sections, and whether they hold findings; the others hold history and questions."""

_CLASS_OF: dict[str, Word] = {}
for _word_class, _words in _FORMS.items():
    for _word in _words.split():
        _CLASS_OF.setdefault(_word, _word_class)

_CUTOFFS = {4: 0.88, 5: 0.85}
"""Share of letters in common blocks (2 M / T of `difflib`) from which on a word of so many letters is read as a
known one. Shorter words are not guessed at: they have too many neighbours."""
_CUTOFF = 0.8
"""The same for longer words."""


def is_known_word(word: str) -> bool:
    """Return whether the grading knows a word (any case) as it stands."""
    return word.lower() in _CLASS_OF


@lru_cache(maxsize=65536)
def read_word(word: str) -> str:
    """Return the known word that `word` (any case) means: itself, or the most similar one; "" if none is near.

    >>> read_word("Compresing"), read_word("stensois"), read_word("kidney")
    ('compressing', 'stenosis', '')
    """
    word = word.lower()
    if word in _CLASS_OF:
        return word
    if len(word) < min(_CUTOFFS) or not re.fullmatch("[a-z]+", word):
        return ""
    return next(iter(get_close_matches(word, _CLASS_OF, n=1, cutoff=_CUTOFFS.get(len(word), _CUTOFF))), "")


def word_class(word: str) -> Word:
    """Return what `word` does in a sentence; `Word.PLAIN` for words that play no part.

    An unknown word of up to three Latin letters is taken for a misspelt function word ("teh", "iof", "ar").
    """
    known = read_word(word)
    if not known and re.fullmatch("[a-zA-Z]{2,3}", word):
        return Word.LINK
    return _CLASS_OF.get(known, Word.PLAIN)

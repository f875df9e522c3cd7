"""Plane and weighting in the names of series and folders, in the languages and habits in which they were met.

Names are compared as `plainly` writes them: in lower case, without accents.
"""

from __future__ import annotations

import re
from unicodedata import combining, normalize

_PLANE_WORDS = {
    "axial": r"axi?|axial\w*|axiaal|aks|aks[iy]\w*|assial\w*|transaxial\w*|tra|trans|transv|transvers\w*|trasvers\w*"
             r"|poprzeczn\w*|osiow\w*|pricn\w*|harant\w*|tvers\w*|акс\w*|попер\w*|αξον\w*|אקסיאל\w*"
             r"|.*(?:轴位|軸位|横断|横轴|水平断|축상|횡단|محوري|عرضي).*",
    "sagittal": r"sag|sagg?itt?\w*|szagitt\w*|strzalkow\w*|саг\w*|οβελ\w*|סגיטל\w*|.*(?:矢状|시상|سهمي).*",
    "coronal": r"cor|coron\w*|kor|koron\w*|frontal\w*|czolow\w*|кор\w*|фронт\w*|στεφαν\w*|קורונל\w*"
               r"|.*(?:冠状|관상|اكليلي|تاجي).*",
}  # fmt: skip
"""Planes in the words of series names, in the languages in which they were met."""
_PLANES = {plane: re.compile(rf"(?:o|obl|para?|mid)?(?:{words})") for plane, words in _PLANE_WORDS.items()}
_KINDS = {
    "localizer": (
        r"lo[ck]ali[sz](?!ed)\w*|lokator|loc|localizzator\w*|локал\w*|((aah?|[a-z]*spine)[ _-]?)?scout|pilote?"
        r"|surv|((coil|smart(exam)?)[ _-]?)?survey|surview|topogram\w*|топограмм\w*|reperage|explorador|k[iı]lavuz",
        r"planning|planung\w*|plan[ _-]?scan|планир\w*|размет\w*|scano(gram)?|ue?bersicht\w*|suchserie\w*|обзор\w*",
        r".*(?:定位|位置決).*",
        r"(3|three|tri|drei)[ _-]?(pl|plane|planes|plan|plans|ebenen)",
    ),
    "derived": (
        r"mip|minip|mpr|cpr|vrt|curved|rfmt|reformat\w*|re[ck]onstru\w*|ricostru\w*|реконстр\w*|.*重建.*",
        r"(?<!air )(?<!dl )(?<!deep )recon(?![ _-]?(dl|deep))",  # a reformation, unless a net took part in the scan's
        r"sub(tr(act(ion|ed)?)?)?(?![ _-]?\d|-[a-z])|(sub|subs|sous|sot)tra[ckzt]\w*|субтр\w*"
        r"|minus(?![ _-]?\d)|.*减影.*|(post|gd|km|contrast\w*|kontrast\w*)[^-]*-[ _(]*(t[12]\w*[ _]*)?(pre|nativ\w*)"
        r"|\([^()]*\d[^()]*\)[ _]*-[ _]*\([^()]*\d[^()]*\)",
        r"screen[ _-]?(save|shot|capture)s?|secondary[ _-]?capture|bildschirm\w*|key[ _-]?images?"
        r"|pos(ition)?[ _-]?disp(lay)?",
        r"[de]?adc|(apparent|exponential)[ _-]diff\w*|t[12][ _-]?map(it|ping|s)?|(phase|field|b0)[ _-]?map"
        r"|fat[ _-]?fraction",
        r"(?<!(?<!t)\d)(?<!(?<!t)\d[ _-])(averag(ed?|ing)|avg|mean)(?![ _-]?\d)|promedio|moyenne|mittelwert\w*",
        r"(?<!post[ _-])(?<!spinal )(?<!lumbar )(?<!s/p )(?<!nach )(fusion(e|ne|iert)?|fused|fusao)(?![ _-]*(l?\d|op))",
        r"reports?|summary|annotat\w*|marked|markup|measure(ments?|d)?|messung\w*|overlays?|snapshots?|capture[ds]?",
        r"synth(etic\w*)?|symri|magic|(b1|colou?r)[ _-]?map|relax(ation|ometr\w*)?|ratio|diff?eren(ce|z|cia|ca)s?",
        r"segmentation\w*|resampled|upscaled|registered|combined|merged|calculated|berechnet",
        r"(post[ _-]?)?process(ed|ing)|stitch\w*|compos(e|ed|ing)|mobiview|projection|.*(?:融合|拼接).*",
        r"fat(?=:)|opp?(?=:)|(m?dixon|ideal|flex)[^:]*[ _-](f|fat(?![ _-]?(sat|sup|sp))|opp?|out)|fettbild\w*",
        r"(out|opp|opposed)[ _-]?(of[ _-]?)?phase"
        r"|(?<!in[ _-])(?<!swap[ _-])pha(se)?$|^phase(?![ _-](enc|dir|over|arr))",
    ),
    "other": (
        r"d?dwi|dti|ivim|diff|diff?u[sz](i|y|ao)\w*|dyfuz\w*|диффуз\w*"
        r"|tra[cz][ew]?w|trace|tra[zc][ao]|traccia|spurbild\w*"
        r"|(?<!deep[ _])resolve|ep2d|epi|.*(?:弥散|扩散|拡散|확산).*",
        r"ss[ _-]?fse|haste|ss[ _-]?tse|ssh(ot)?([ _-]?(tse|t2))?|single[ _-]?shot",
        r"m[iy]+y?elo([gk]\w*)?|mrm|mrcp|миело\w*|.*水成像.*",
        r"t2[ _-]?(\*|star)|medic|merge|perf(us\w*)?|dsc|fmri|bold|t2[ _-]?flair|dark[ _-]?fluid",
        r"calibration|calc[ _-]?b(val)?\w*|uro(gra\w*)?|mru|(ref|pre)[ _-]?scan|shim(ming)?",
    ),
}
"""Words of series names that are no T1 or T2 series, as whole words: before and after them stands no Latin letter."""
_NAMED_KINDS = [(kind, re.compile(rf"(?<![a-z])({'|'.join(groups)})(?![a-z])")) for kind, groups in _KINDS.items()]
_GRADIENT = re.compile(
    r"(?<![a-z])([mb]?-?ffe|ciss|tru(e[ _-]?)?fi(sp)?|fiesta|cosmic|fl[23]d|[md]e[23]d|swi|swan|f?gre|flash|dess|psif"
    r"|ech?o[ _-](de[ _-])?gradient\w*|gradient\w*[ _-]?ech?o|eg)"
    r"(?![a-z])"
)
"""Gradient echoes in the words of series names: their contrast is T2* or of its own kind, unless the name says T1."""
_WEIGHTING = re.compile(
    r"(?<![a-z0-9])(?:s(?!t[12](?:$|[ _-]*s[er]\d|[ _-]*\d))|o?ax|tra|o?sag|cor|f?se|tse)?t([12])(?![0-9])"
)
"""T1 or T2, be it glued to a plane ("AXT2") or a vendor's prefix ("sT2W_TSE"); ST1 on a disc is the first study."""
_PROTON_DENSITY = re.compile(r"(?<![a-z])(?:o?ax|tra|o?sag|cor)?(pd|dp)w?i?(?![a-z])")


def plane_from_name(name: str) -> tuple[str, str]:
    """Return plane from the words of a folder or series name; ("unknown", reason) where none or several stand in it.

    >>> plane_from_name("axial_t2")
    ('axial', "name says 'axial'")
    """
    # a weighting glued to a word parts it from the next: "AXT2", "SagSTIR"
    words = re.split(r"[\W_]+", re.sub(r"t[12](?![0-9])w?i?|stir|pd", " ", plainly(name)))
    named = [(word, plane) for word in words for plane, known in _PLANES.items() if known.fullmatch(word)]
    planes = {plane for _, plane in named}
    if len(planes) == 1:
        return planes.pop(), f"name says '{named[0][0]}'"
    return "unknown", "no plane in the name" if not planes else f"name says {' and '.join(sorted(planes))}"


def plainly(name: str) -> str:
    """Return a name in lower case without accents, the Cyrillic letter that looks like T read as one before 1 and 2."""
    bare = "".join(sign for sign in normalize("NFKD", name.casefold()) if not combining(sign))
    return re.sub("т(?=[12])", "t", normalize("NFC", bare).replace("ł", "l"))


def weighting_from_name(name: str) -> tuple[str, str]:
    """Return weighting (T1, T2, localizer, derived, other, unknown) from a series or folder name.

    >>> weighting_from_name("T2_TSE_TRA_384_0004")
    ('T2', "name says 't2'")
    """
    plain = plainly(name)
    for kind, words in _NAMED_KINDS:
        if match := words.search(plain):
            return kind, f"name says '{match.group(1)}'"
    kinds = sorted(
        {"T" + digit for digit in _WEIGHTING.findall(plain)} | {"PD" for _ in _PROTON_DENSITY.findall(plain)}
    )
    if "T1" not in kinds and (gradient := _GRADIENT.search(plain)):
        return "other", f"name says '{gradient.group(1)}', a gradient echo"
    if kinds in (["T1"], ["T2"]):
        return kinds[0], f"name says '{kinds[0].lower()}'"
    return "unknown", f"name says {' and '.join(kinds).lower()}" if kinds else "no weighting in the name"

"""Regions of the body in free text of headers and in names of files, in the languages in which they were met."""

from __future__ import annotations

import re

from lss.cohorts.series_names import plainly

_OTHER = (
    r"brain|gehirn|cerveau|cerebr\w*|encefal\w*|encephal\w*|beyin|hersenen|head(?! ?(first|foot))|skull|kopf|hoofd"
    r"|sch(ae|a)del|crane|craneo|kranial|cranial|sella|orbits?|головн\w*|мозга?",
    r"necks?|hals|cuello|cervi[ck]\w*|servikal\w*|hws|c[ _-]?spine|boyun|шеин\w*",
    r"t[ _-]?spine|thora[ck]\w*|torakal\w*|bws|dorsal[ _-]?spine"
    r"|(columna|coluna|colonna|rachis)[ _-]dorsal\w*|грудн\w*",
    r"knees?|knie|genou|rodilla|joelho|ginocchio|diz|колен\w*",
    r"shoulders?|schulter|epaule|hombro|ombro|spalla|omuz|плеч\w*",
    r"hips?|huft\w*|hueft\w*|hanche|cadera|quadril|тазобедр\w*|pelvis|becken|bassin"
    r"|abdomen|liver|leber|foie|prostat\w*",
    r"wrist|handgelenk|poignet|elbow|ellenbogen|coude|ankle|sprunggelenk|cheville|tobillo|foot|fuss|breasts?|mamma",
)
_OTHER_REGIONS = re.compile(
    rf"(?<!\w)({'|'.join(_OTHER)})(?!\w)|(头颅|颅脑|頭部|颈椎|頚椎|胸椎|膝|肩|髋|뇌|경추|흉추|무릎|어깨)"
)
_LUMBAR = re.compile(
    r"lumb|lomb|lenden|lws|sacr|sakr|поясн|крестц|腰|요추|(?<!\w)bel(?!\w)|(?<![a-z])(l|ls)[ _-]?spine"
    r"|(?<![a-z])l[1-5][ _/-]?[ls][1-5]"
)


def other_region(text: str, beside: str = "") -> str | None:
    """Return the word by which a text says that another region than the lumbar spine is shown; None where it does not,
    or where it, or what is said beside it, names the lumbar spine too.

    >>> other_region("IRM du genou"), other_region("MRI cervical and lumbar spine"), other_region("head first supine")
    ('genou', None, None)
    """
    match = _OTHER_REGIONS.search(plainly(text).replace("_", " "))
    return match[0] if match and not _LUMBAR.search(plainly(f"{text} {beside}")) else None

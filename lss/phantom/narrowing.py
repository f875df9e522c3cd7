"""The counterfactual patient: one anatomy whose thecal sac alone is narrowed, step by step, everything else kept."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np

from lss.phantom.anatomy import CSF_SHARE, SAC_AREA_MM2, Patient

SAC_STEPS_MM2 = (200.0, 165.0, 135.0, 110.0, 90.0, 72.0, 55.0, 40.0)
"""Areas of the sac from wide to severely narrow; each kind of `SAC_AREA_MM2` has at least one."""

_FLATNESS = {"A": 1.32, "B": 1.58, "C": 1.75, "D": 2.1}  # mean of each kind, as `anatomy` draws them
_KINDS = ("A", "B", "C", "D")
_MIDDLES = np.array([np.mean(SAC_AREA_MM2[kind]) for kind in _KINDS])


def kind_of(sac_area: float) -> str:
    """Return the kind (A, B, C, D) whose range of areas holds this one best: cuts lie midway where two ranges overlap.

    >>> [kind_of(area) for area in (200, 110, 72, 40)]
    ['A', 'B', 'C', 'D']
    """
    cuts = [(SAC_AREA_MM2[wide][0] + SAC_AREA_MM2[narrow][1]) / 2 for wide, narrow in pairwise(_KINDS)]
    return _KINDS[sum(sac_area < cut for cut in cuts)]


def narrowed(patient: Patient, level: str, sac_area: float) -> Patient:
    """Return the same patient with a sac of `sac_area` mm2 at the disc `level`.

    What a narrow sac holds and how flat it is follow its area, between the means of the four kinds; its grade follows
    `kind_of`. Disc, bones, ligaments, joints, body and all random draws stay.
    """
    kind = kind_of(sac_area)
    fluid, flatness = (
        float(np.interp(sac_area, _MIDDLES[::-1], [of[name] for name in _KINDS][::-1]))
        for of in ({name: float(np.mean(CSF_SHARE[name])) for name in _KINDS}, _FLATNESS)
    )
    disc = replace(
        patient.discs[level],
        sac_area=sac_area,
        csf_share=fluid,
        sac_flatness=flatness,
        schizas=kind,
        grade={"B": "BC", "C": "BC"}.get(kind, kind),
    )
    return replace(patient, discs=patient.discs | {level: disc})

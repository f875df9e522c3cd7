"""Who the phantom patients are: grades, bodies, discs and thecal sacs, all drawn from the seed.

Sagittal coordinates are (y, z) in mm of the patient system (y to the back, z to the head), with the disc L3-L4 at
the origin of each patient's spine; `Patient.shift_mm` moves it to where the scanner has it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

from lss.domain.grades import LEVELS
from lss.runtime.seeding import generator

IMAGED_LEVELS = ("L3-L4", "L4-L5", "L5-S1")
"""Levels with axial slices."""

STEEP_SACRUM, SACRALISED, LUMBARISED = "steep sacrum", "sacralised L5", "lumbarised S1"
ANATOMIES = ("", STEEP_SACRUM, SACRALISED, LUMBARISED)
"""What may be unusual about a spine: the last block tilted by 45 to 55 degrees; L5 grown together with the sacrum, with
a rudimentary disc below it; S1 free like a sixth lumbar vertebra, with a full disc below it. Levels keep the names of
the vertebrae, whatever a count from below makes of them."""

SHARE_OF_A, SHARE_OF_D = 0.25, 0.21
"""Shares of patients whose worst level is A or D; with what follows about 9 % of all levels are D, 40 % B&C."""

SAC_AREA_MM2 = {"A": (110.0, 222.0), "B": (84.0, 128.0), "C": (60.0, 98.0), "D": (28.0, 68.0)}
"""Cross-section of the thecal sac at the disc. Below 100 mm2 counts as narrow, below 70 to 75 as severely so
(Schonstrom 1985; Schizas 2010 reports medians that fall from A to D in the same order)."""

CSF_SHARE = {"A": (0.48, 0.92), "B": (0.28, 0.54), "C": (0.0, 0.14), "D": (0.0, 0.05)}
"""Part of the sac that shows bright fluid rather than rootlets (Schizas 2010: grades B and C differ by it).

Neighbouring grades overlap in both, so that some slices are doubtful, as they are among readers.
"""

VISIBLE_BULGE_MM = 1.8
"""A disc that stands back by less is called normal."""

DESICCATED = 0.6
"""From this degeneration on a disc is called desiccated."""

_SEGMENT_MM = 36.5
_TILTS_DEG = {"L5-S1": 33.0, "L4-L5": 11.0, "L3-L4": -2.0, "L2-L3": -8.0, "L1-L2": -11.0, "T12-L1": -13.0}


@dataclass(frozen=True)
class Disc:
    """One disc and the canal behind it. Lengths in mm, areas in mm2, angles in degrees."""

    level: str
    grade: str
    centre_2: tuple[float, float]  # (y, z)
    tilt: float  # of the disc's plane: positive when its back edge is higher
    height: float
    width: float
    depth: float
    degeneration: float  # 0 bright nucleus to 1 black disc
    bulge: float
    bulge_side: float  # -1 right, 0 central, 1 left
    shape: str  # normal, bulge (broad), protrusion (focal), extrusion (focal, with a fragment below the disc)
    schizas: str  # A, B, C or D: the grade with its two middle kinds apart
    sac_area: float
    csf_share: float
    sac_flatness: float  # width over depth of the sac
    flavum: float  # thickness
    thick_flavum: bool
    facets: float  # size factor
    large_facets: bool
    foramina: tuple[float, float]  # narrowing on the right and on the left: 0 open, 1 closed
    joint_fluid: float = 0.5  # brightness of the facet joints' gap: more beside a narrow sac
    slip: float = 0.0  # how far the vertebra above stands in front of the one below

    @property
    def visible_bulge(self) -> bool:
        """Whether the disc reaches behind the vertebrae's edge far enough to be named."""
        return self.shape != "normal"

    @property
    def desiccated(self) -> bool:
        """Whether the nucleus is dark in T2."""
        return self.degeneration >= DESICCATED

    @property
    def abutting(self) -> bool:
        """Whether the disc touches a sac that has room: no fat is left between them."""
        return self.visible_bulge and self.bulge >= 2.3

    @property
    def tightness(self) -> float:
        """How little room is left around the sac: 0 with plenty of epidural fat, 1 with none."""
        return float(np.clip((150.0 - self.sac_area) / 75.0, 0, 1))


@dataclass(frozen=True)
class Patient:
    """One body. `number` is the id in the archive."""

    number: int
    female: bool
    age: int
    size: float  # factor on all bones
    fat: float  # mm of subcutaneous fat behind the spinous processes
    fatty_muscle: float  # 0 to 1
    muscle: float  # size factor
    marrow_t1: float
    marrow_t2: float
    turn: float  # of the body on the table, degrees
    saturation: float  # mm from the disc's centre forwards to the saturated region
    shift_mm: tuple[float, float, float]
    receiver: float  # grey levels per unit of signal
    noise: float  # standard deviation relative to fat
    discs: dict[str, Disc]
    spasm: bool  # straightened lordosis, bright and tense muscles
    spondylosis: bool  # osteophytes at all discs
    endplates: bool  # fatty marrow along all endplates
    schmorl: bool  # nodules in the endplates of all imaged discs
    scoliosis: float  # turn of L3 against the sacrum, degrees; 0 in a straight spine
    renal_cyst: int  # -1 right, 1 left, 0 none
    tarlov: bool  # cyst behind S2
    haemangioma: bool  # in L2
    anatomy: str = ""  # one of ANATOMIES
    kidneys: tuple[float, float] = (4.0, 14.0)  # height above the disc L3-L4 of the lower pole, right and left

    def turn_at(self, level: str) -> float:
        """Turn of the body in the axial slices of that disc, degrees."""
        return self.turn + self.scoliosis * {"L5-S1": 0.0, "L4-L5": 0.5}.get(level, 1.0)


def draw_grades(patients: int, seed: int) -> list[dict[str, str]]:
    """Return the true grades per imaged level of each patient.

    A patient's grades do not depend on how many follow, so that a cohort grows by patients alone. Of any number of
    first patients the worst grades A and D have their shares, to within a patient, and at least one each of three, so
    that every subset of a stratified split gets some; which of the first three has which, and the levels, are drawn.
    """
    worst = [str(grade) for grade in generator(seed, "phantom", "grades").permutation(["A", "BC", "D"])]
    for count in range(len(worst) + 1, patients + 1):
        short = {"D": SHARE_OF_D * count - worst.count("D"), "A": SHARE_OF_A * count - worst.count("A")}
        most = max(short, key=lambda grade: short[grade])
        worst.append(most if short[most] >= 0.5 else "BC")
    return [
        _levels_of(grade, generator(seed, "phantom", "levels", index)) for index, grade in enumerate(worst[:patients])
    ]


def _levels_of(worst: str, draw: np.random.Generator) -> dict[str, str]:
    grades = dict.fromkeys(IMAGED_LEVELS, "A")
    order = [str(level) for level in draw.choice(IMAGED_LEVELS, 3, replace=False, p=[0.24, 0.44, 0.32])]
    if worst == "BC":
        affected = int(draw.choice([1, 2, 3], p=[0.35, 0.45, 0.20]))
        grades.update(dict.fromkeys(order[:affected], "BC"))
    if worst == "D":
        severe = int(draw.choice([1, 2], p=[0.7, 0.3]))
        grades.update({level: "BC" for level in order[severe:] if draw.random() < 0.55})
        grades.update(dict.fromkeys(order[:severe], "D"))
    return grades


def draw_patient(number: int, grades: dict[str, str], seed: int, anatomy: str = "") -> Patient:
    """Return the body of patient `number` with these true grades per imaged level, and one of ANATOMIES."""
    draw = generator(seed, "phantom", "anatomy", number)
    female = bool(draw.random() < 0.5)
    severity = max(("A", "BC", "D").index(grade) for grade in grades.values())
    age = int(np.clip(draw.normal(38 + 11 * severity, 9), 19, 84))
    size = float(draw.normal(0.96 if female else 1.05, 0.035))
    fat = float(np.clip(draw.gamma(4.0, 3.6 if female else 2.8), 4, 38))
    fatty_muscle = float(np.clip(draw.normal((age - 30) / 70, 0.15), 0.03, 0.95))
    finds = generator(seed, "phantom", "findings", number)
    spasm = bool(finds.random() < 0.45)
    discs = _draw_discs(grades, size, age, spasm, anatomy, draw, finds)
    worn = float(np.clip((age - 38) / 40, 0, 1))
    body = generator(seed, "phantom", "body", number)
    return Patient(
        number=number,
        female=female,
        age=age,
        size=size,
        fat=fat,
        fatty_muscle=fatty_muscle,
        muscle=float(draw.normal(0.95 if female else 1.05, 0.06)),
        marrow_t1=float(draw.normal(0.85 + 0.3 * (age / 90), 0.08)),
        marrow_t2=float(draw.normal(0.8 + 0.35 * (age / 90), 0.1)),
        turn=float(draw.normal(0, 1.6)),
        saturation=float(draw.uniform(23, 42)),
        shift_mm=(float(draw.normal(0, 3)), float(draw.normal(-20, 8)), float(draw.normal(0, 10))),
        receiver=float(draw.uniform(480, 1250)),
        noise=float(draw.uniform(0.009, 0.017)),
        discs=discs,
        spasm=spasm,
        spondylosis=bool(finds.random() < 0.5 * worn),
        endplates=bool(finds.random() < 0.35 * worn),
        schmorl=bool(finds.random() < 0.15),
        scoliosis=float(finds.choice([-1, 1]) * finds.uniform(6, 11)) if finds.random() < 0.06 else 0.0,
        renal_cyst=int(finds.choice([-1, 1])) if finds.random() < 0.06 else 0,
        tarlov=bool(finds.random() < 0.05),
        haemangioma=bool(finds.random() < 0.05),
        anatomy=anatomy,
        kidneys=(float(body.normal(-3, 13)), float(body.normal(7, 13))),
    )


def _draw_discs(
    grades: dict[str, str],
    size: float,
    age: int,
    spasm: bool,
    anatomy: str,
    draw: np.random.Generator,
    finds: np.random.Generator,
) -> dict[str, Disc]:
    lordosis = draw.normal(1.0, 0.22) * (0.5 if spasm else 1.0)
    tilts = {level: lordosis * tilt + draw.normal(0, 1.5) for level, tilt in _TILTS_DEG.items()}
    tilts["L5-S1"] = float(np.clip(tilts["L5-S1"], max(16.0, tilts["L4-L5"] + 8), 41.0))
    if anatomy == STEEP_SACRUM:
        tilts["L5-S1"], tilts["L4-L5"] = float(finds.uniform(45.5, 55.0)), tilts["L4-L5"] + 8
    centres = _centres(tilts, size, draw)
    discs = {
        level: _draw_disc(level, grades.get(level, "A"), centres[level], tilts[level], size, age, draw, finds)
        for level in LEVELS
    }
    for level in set(LEVELS) - set(grades) | ({"L5-S1"} if anatomy == SACRALISED else set()):
        # the notes describe the imaged discs only: the others show no finding
        disc = discs[level]
        discs[level] = replace(
            disc,
            shape="normal",
            bulge=min(disc.bulge, 1.0),
            bulge_side=0.0,
            foramina=(0.0, 0.0),
            degeneration=min(disc.degeneration, 0.5),
        )
    if anatomy == SACRALISED:
        disc = discs["L5-S1"]
        discs["L5-S1"] = replace(disc, height=3.0, depth=0.75 * disc.depth)
    if age > 45 and finds.random() < 0.1:
        _slip(discs, float(finds.uniform(5.0, 8.0)))
    return discs


def _slip(discs: dict[str, Disc], slip: float) -> None:
    """Let L4 stand `slip` mm in front of L5: what lies below moves back, as the origin is the disc L3-L4."""
    for level, share in (("L4-L5", 0.5), ("L5-S1", 1.0)):
        disc = discs[level]
        tilt = np.radians(discs["L4-L5"].tilt)
        y, z = np.array(disc.centre_2) + share * slip * np.array([np.cos(tilt), np.sin(tilt)])
        discs[level] = replace(disc, centre_2=(float(y), float(z)), slip=slip if level == "L4-L5" else 0.0)


def _centres(tilts: dict[str, float], size: float, draw: np.random.Generator) -> dict[str, tuple[float, float]]:
    """Return disc centres from the tail upwards: each segment stands on the disc below, at the mean tilt of its two
    discs.
    """
    upwards = LEVELS[::-1]
    positions = {upwards[0]: np.zeros(2)}
    for below, above in pairwise(upwards):
        tilt = np.radians((tilts[below] + tilts[above]) / 2)
        length = _SEGMENT_MM * size * draw.normal(1, 0.02) * (1 - 0.025 * (upwards.index(above) - 1))
        positions[above] = positions[below] + length * np.array([-np.sin(tilt), np.cos(tilt)])
    origin = positions["L3-L4"]
    return {level: (float(p[0] - origin[0]), float(p[1] - origin[1])) for level, p in positions.items()}


def _draw_disc(
    level: str,
    grade: str,
    centre: tuple[float, float],
    tilt: float,
    size: float,
    age: int,
    draw: np.random.Generator,
    finds: np.random.Generator,
) -> Disc:
    severity = ("A", "BC", "D").index(grade)
    kind = str(draw.choice(["B", "C"], p=[0.6, 0.4])) if grade == "BC" else grade
    low, high = SAC_AREA_MM2[kind]
    caudal = LEVELS.index(level) - LEVELS.index("L4-L5")
    shape, bulge, side = _draw_shape(severity, finds)
    thick_flavum = bool(finds.random() < (0.0, 0.3, 0.6)[severity])
    large_facets = bool(finds.random() < (0.0, 0.25, 0.5)[severity])
    disc = Disc(
        level=level,
        grade=grade,
        centre_2=centre,
        tilt=float(tilt),
        height=float(np.clip(draw.normal(10.5 - 1.0 * severity, 1.2), 5, 13) * size),
        width=float(draw.normal(50 + 1.5 * caudal, 1.8) * size),
        depth=float(draw.normal(35.5 - 0.4 * max(caudal, 0), 1.4) * size),
        degeneration=float(np.clip(draw.normal(0.1 + (age - 20) / 90 + 0.14 * severity, 0.22), 0, 1)),
        bulge=bulge,
        bulge_side=side,
        shape=shape,
        schizas=kind,
        sac_area=float(np.exp(draw.uniform(np.log(low), np.log(high)))) * (0.94 if level == "L5-S1" else 1.0),
        csf_share=float(draw.uniform(*CSF_SHARE[kind])),
        sac_flatness=float(draw.normal({"A": 1.32, "B": 1.58, "C": 1.75, "D": 2.1}[kind], 0.18)),
        flavum=float(np.clip(draw.normal(5.9, 0.4), 5.2, 7) if thick_flavum else np.clip(draw.normal(3.2, 0.4), 2, 4)),
        thick_flavum=thick_flavum,
        facets=float(draw.normal(1.26, 0.03) if large_facets else draw.normal(1.02, 0.04)),
        large_facets=large_facets,
        foramina=_draw_foramina(severity, side, finds),
    )
    return replace(disc, joint_fluid=0.5 + 0.4 * disc.tightness)


def _draw_shape(severity: int, finds: np.random.Generator) -> tuple[str, float, float]:
    """Return shape of the disc's back edge, how far it reaches (mm), and its side: a broad bulge has none."""
    if severity == 0 and finds.random() < 0.6:
        return "normal", float(finds.uniform(0.0, 1.0)), 0.0
    shape = str(finds.choice(["bulge", "protrusion", "extrusion"],
                             p=[(0.7, 0.3, 0.0), (0.58, 0.36, 0.06), (0.5, 0.3, 0.2)][severity]))  # fmt: skip
    reach = float(np.clip(finds.normal((2.3, 3.2, 4.6)[severity], 0.7), VISIBLE_BULGE_MM, (3.2, 5.5, 6.5)[severity]))
    if shape == "bulge":
        return shape, reach, 0.0
    return shape, reach + 0.6, float(finds.choice([-1.0, 0.0, 1.0], p=[0.37, 0.26, 0.37]))


def _draw_foramina(severity: int, side: float, finds: np.random.Generator) -> tuple[float, float]:
    """Return narrowing of the right and the left foramen; a lesion of one side narrows that one more often.

    A disc of grade A has open foramina: by the rubric their narrowing alone is B&C.
    """
    share = (0.0, 0.38, 0.6)[severity]
    closed = [finds.random() < share * (1.0 if side == 0 else 1.7 if side == here else 0.3) for here in (-1, 1)]
    right, left = (float(finds.uniform(0.75, 1.0)) if narrow else 0.0 for narrow in closed)
    return right, left

"""Disc level of axial slices, from known slices or from the blocks in which they were planned.

Axial slices of the lumbar spine are planned in blocks of 4 or 5 parallel slices, one block per disc; the block
of the last disc follows the sacrum and is the most angled. From the tail upwards the blocks are L5-S1, L4-L5, ...
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import combinations, pairwise

import numpy as np

from lss.cohorts.base import RawSlice
from lss.cohorts.blocks import (
    HEAD_3,
    MAX_BLOCK_MM,
    MAX_DISC_MM,
    MIN_DISC_MM,
    PARALLEL_DEGREES,
    along,
    angle,
    find_blocks,
    height,
    is_stack,
    length,
    normal,
)
from lss.cohorts.contrast import NO_ANATOMY
from lss.cohorts.tilts import chances
from lss.domain.grades import LEVELS
from lss.levels.second_opinion import SecondOpinion, second_opinion

MAX_MISSING, MAX_BELOW = 0.1, 0.03
"""Chances, by the tilts, that L5-S1 is missing or that the lowest block lies below it, above which the count is
doubtful. `benchmarks/level_counts.py` says how many right counts are doubted and how many wrong ones are not."""

MAX_WITH_IMAGES = 0.35
"""The same where the sagittal images confirm the count: their names, right in about 19 of 20 spines, make odds of 2
to 1 odds of 40 to 1. Images and tilts that contradict each other are for a reader."""

USUAL_APART_MM = (20.0, 46.0)
"""Distance between the middles of blocks of neighbouring discs, in the sagittal plane."""

MAX_TURN_DEGREES = 10.0
"""Blocks that count as one disc, a repeated scan or another weighting, are tilted alike."""

MIN_LENGTH_MM = 0.5
"""Three and more slices of one series do not lie within less."""

USUAL_DISCS = range(3, 6)
"""Discs that a lumbar study covers: the three lowest at least, the five lumbar ones at most."""

Level = tuple[str | None, str]
"""A level, None where unknown, and its reason."""


def assign_levels(
    slices: Sequence[RawSlice], known: Mapping[str, tuple[str, str]] | None = None, *, only_known: bool = False
) -> None:
    """Set `level` and `level_reason` of every axial slice of one patient, in place.

    Blocks of all weightings at one frame of reference are counted together: a disc that only T1 shows counts too.
    Where the study has sagittal T2 images that show the spine, they are asked too (`lss.levels.second_opinion`): they
    settle where the count begins, or contradict it. A reason that says "doubtful" asks for a look at the slice.

    Args:
        slices: all slices of the patient, of any plane.
        known: level and its source of some slices (a companion table, labels), by their `file`, or by `file#instance`
            where one file holds several: they fix the level of their block, or of the nearest slices where a block has
            several or is too long for one disc. Where the count of the blocks says another level, the reason says so
            and "doubtful": the table may mean another study.
        only_known: count no blocks; where `known` names no slice nearby, the level stays unknown.
    """
    known = known or {}
    groups: dict[tuple[str, str], dict[str, list[RawSlice]]] = defaultdict(lambda: defaultdict(list))
    for item in slices:
        if item.plane != "axial":
            continue
        if item.weighting in NO_ANATOMY:
            item.level, item.level_reason = None, f"not sought: {item.weighting}"
        elif item.geometry is None:
            item.level, item.level_reason = _known(item, known) or (None, "no position in the header")
        else:
            groups[item.study, item.geometry.frame][item.weighting].append(item)
    frames = Counter(study for study, _ in groups)
    unsure = {item.study for item in slices if item.plane != "axial" and "doubtful" in item.plane_reason}
    for (study, frame), group in groups.items():
        is_known = any(_known(item, known) for of_weighting in group.values() for item in of_weighting)
        stacks = [] if only_known or is_known else _set_stacks_apart(group)
        rows = [find_blocks(of_weighting) for of_weighting in group.values()]
        doubts = ["the study has axial blocks in another frame too"] if frames[study] > 1 else []
        doubts += ["another block of the study may be axial too"] if study in unsure else []
        ask = (lambda: None) if only_known or is_known else partial(second_opinion, slices, study, frame)
        counted = _count_discs(rows, doubts, ask)
        doubt = _out_of_order([item for blocks in rows for block in blocks for item in block], known)
        for blocks in rows:
            if only_known or any(_known(item, known) for block in blocks for item in block):
                by_count = [None if only_known else counted[id(block)][0] for block in blocks]
                _levels_from_known(blocks, known, by_count, doubt)
            else:
                for block in blocks:
                    _set(block, *counted[id(block)])
        for item in stacks:
            _set([item], *_level_beside(item, [block for blocks in rows for block in blocks]))


def _set_stacks_apart(group: dict[str, list[RawSlice]]) -> list[RawSlice]:
    """Return the slices of the stacks of one frame, taken out of `group`, where blocks planned for discs stand beside.

    A stack says nothing of the discs, and parallel to a block it would be one with it. Without such blocks `group`
    stays as it is.
    """
    series: dict[tuple[str, str], list[RawSlice]] = defaultdict(list)
    for weighting, slices in group.items():
        for item in slices:
            series[weighting, item.series].append(item)
    stacks = [slices for slices in series.values() if is_stack(slices)]
    apart = {id(item) for slices in stacks for item in slices}
    left = {weighting: [item for item in slices if id(item) not in apart] for weighting, slices in group.items()}
    if not any(slices and not _not_planned(find_blocks(slices)) for slices in left.values()):
        return []
    group.clear()
    group.update({weighting: slices for weighting, slices in left.items() if slices})
    return [item for slices in stacks for item in slices]


def _level_beside(item: RawSlice, blocks: list[list[RawSlice]]) -> Level:
    """Return the level of a stack's slice from the planned block whose middle its plane passes nearest."""
    normal_3 = normal(item)
    distances = [abs(np.mean([along(other, normal_3) for other in block]) - along(item, normal_3)) for block in blocks]
    block, distance = blocks[int(np.argmin(distances))], min(distances)
    if distance > MIN_DISC_MM:
        return None, f"of a stack, {distance:.0f} mm from the nearest planned block"
    turn = angle(normal_3, normal(block[0]))
    reason = f"of a stack, {distance:.1f} mm from the block of which: {block[0].level_reason}"
    if turn > MAX_TURN_DEGREES:
        reason += f"; doubtful: the slice lies {turn:.0f} degrees oblique to that block"
    return block[0].level, reason


def _count_discs(
    rows: list[list[list[RawSlice]]], doubts: list[str], ask: Callable[[], SecondOpinion | None]
) -> dict[int, Level]:
    """Return the level of each block by its `id`, discs being counted from the tail; `rows` holds the blocks of each
    weighting, and `ask` finds the spine on the sagittal images.

    A block beside another one (a repeated scan, another weighting) shows the same disc.
    """
    problems = [_not_planned(blocks) for blocks in rows]
    levels: dict[int, Level] = {
        id(block): (None, f"block {index} of {len(blocks)} from the tail; {problem}")
        for blocks, problem in zip(rows, problems, strict=True)
        for index, block in enumerate(blocks, start=1)
    }
    blocks = [block for row, problem in zip(rows, problems, strict=True) if not problem for block in row]
    discs = _discs_of(blocks)
    if not discs:
        return levels
    count = len(discs)
    rises = [_distance(below, above) for below, above in pairwise(discs)]
    gap = next((disc + 1 for disc, rise in enumerate(rises) if rise > MAX_DISC_MM), count)
    tilts = _tilts(discs)
    if gap < count:
        doubts = [*doubts, f"a gap of {rises[gap - 1]:.0f} mm in the count"]
    for index, block in ((index, block) for index, disc in enumerate(discs) for block in disc):
        where = f"disc {index + 1} of {count} from the tail, tilted {angle(normal(block[0]), HEAD_3):.0f} degrees"
        if count == 1:
            levels[id(block)] = None, f"{where}; only one disc, and nothing says which"
        elif index >= gap:
            levels[id(block)] = None, f"{where}; {rises[gap - 1]:.0f} mm above the one below: a disc may be missing"
        elif index >= len(LEVELS):
            levels[id(block)] = None, f"{where}; more blocks than lumbar discs"
        else:
            levels[id(block)] = LEVELS[-1 - index], where
    if count > 1:
        _add_remarks(levels, discs, tilts[:gap], [*doubts, *_doubts_of_count(discs)], ask())
    return levels


def _discs_of(blocks: list[list[RawSlice]]) -> list[list[list[RawSlice]]]:
    """Return the blocks of each disc, from the tail; blocks belong to one where their planes lie close together.

    Heights would not tell: the middles of two blocks along a steep sacrum may be at one height.
    """
    discs: list[list[list[RawSlice]]] = []
    for block in sorted(blocks, key=height):
        for disc in discs:
            if abs(_apart(disc, [block])) < MIN_DISC_MM:
                disc.append(block)
                break
        else:
            discs.append([block])
    return sorted(discs, key=lambda disc: float(np.mean([height(block) for block in disc])))


def _apart(below: list[list[RawSlice]], above: list[list[RawSlice]]) -> float:
    """Return how far the first blocks of two discs lie apart along the mean of their normals, mm towards the head."""
    mean_3 = _up(below[0]) + _up(above[0])
    return float((_middle(above[0]) - _middle(below[0])) @ mean_3 / np.linalg.norm(mean_3))


def _distance(below: list[list[RawSlice]], above: list[list[RawSlice]]) -> float:
    """Return the distance between the middles of two discs in the sagittal plane, mm."""
    middles = [np.mean([_middle(block) for block in disc], axis=0) for disc in (below, above)]
    return float(np.linalg.norm((middles[1] - middles[0])[1:]))


def _up(block: list[RawSlice]) -> np.ndarray:
    """Return the normal of a block, (3,), towards the head."""
    normal_3 = normal(block[0])
    return -normal_3 if normal_3[2] < 0 else normal_3


def _middle(block: list[RawSlice]) -> np.ndarray:
    return np.mean([item.geometry.centre_3 for item in block if item.geometry], axis=0)


def _tilts(discs: list[list[list[RawSlice]]]) -> list[float]:
    """Return the mean tilt of each disc about the left-right axis, degrees, the steepest one positive."""
    normals = [[_up(block) for block in disc] for disc in discs]
    tilts = [float(np.mean([np.degrees(np.arctan2(-y, z)) for _, y, z in disc])) for disc in normals]
    steepest = max(tilts, key=abs)
    return [-tilt for tilt in tilts] if steepest < 0 else tilts


def _add_remarks(
    levels: dict[int, Level],
    discs: list[list[list[RawSlice]]],
    tilts: list[float],
    others: list[str],
    opinion: SecondOpinion | None,
) -> None:
    """Add the doubts to the counted levels, in place; by the `tilts` less has to be sure where the sagittal images
    confirm some block and contradict none.
    """
    counted = [(block, *levels[id(block)]) for disc in discs for block in disc]
    heard = {id(block): opinion.on(block, level) for block, level, _ in counted if opinion and level}
    confirmed = any(confirms for confirms, _ in heard.values()) and not any(words for _, words in heard.values())
    of_beginning = _doubts_of_beginning(tilts, confirmed)
    for block, level, where in counted:
        if level is None:
            continue
        confirms, words = heard.get(id(block), (False, ""))
        doubts = [*([words] if words else []), *of_beginning, *others]
        remarks = "; the sagittal images agree" if confirms else ""
        levels[id(block)] = level, where + remarks + "".join(f"; doubtful: {doubt}" for doubt in doubts)


def _doubts_of_beginning(tilts: list[float], confirmed: bool) -> list[str]:
    """Return why the count may not begin at L5-S1, from the tilts of its discs from the lowest up; `confirmed` says
    that the sagittal images let it begin there.
    """
    doubts = []
    if tilts[0] < max(tilts):
        doubts.append("the lowest block is not the most angled")
    chance = chances(tilts)
    listed = ", ".join(f"{tilt:.0f}" for tilt in tilts)
    for share, limit, words in (
        (chance["L4-L5"] + chance["L3-L4"], MAX_MISSING, "L5-S1 may be missing"),
        (chance["S1-S2"], MAX_BELOW, "the lowest may lie below L5-S1"),
    ):
        if share > (MAX_WITH_IMAGES if confirmed else limit):
            chance_words = f"with a chance of {100 * share:.0f} %"
            doubts.append(f"by the tilts ({listed} degrees from below) {words}, {chance_words}")
    return doubts


def _doubts_of_count(discs: list[list[list[RawSlice]]]) -> list[str]:
    """Return why the count may have skipped or invented a disc."""
    doubts = []
    pairs = [pair for disc in discs for pair in combinations(disc, 2)]
    if any(angle(normal(one[0]), normal(other[0])) > MAX_TURN_DEGREES for one, other in pairs):
        doubts.append("blocks of unlike tilt or height count as one disc")
    for below, above in pairwise(discs):
        apart = _distance(below, above)
        if not USUAL_APART_MM[0] <= apart <= USUAL_APART_MM[1] and apart <= MAX_DISC_MM:
            doubts.append(f"blocks {apart:.0f} mm apart count as neighbouring discs")
    if len(discs) not in USUAL_DISCS:
        usual = f"{USUAL_DISCS.start} to {USUAL_DISCS.stop - 1}"
        doubts.append(f"{'fewer' if len(discs) < USUAL_DISCS.start else 'more'} discs than the usual {usual}")
    return list(dict.fromkeys(doubts))


def _not_planned(blocks: list[list[RawSlice]]) -> str:
    """Say why no block of this weighting can be counted; empty where they can."""
    if any(length(block) > MAX_BLOCK_MM for block in blocks):
        return "a block covers more than one disc"
    if any(len(block) > 2 and length(block) < MIN_LENGTH_MM and _one_series(block) for block in blocks):
        return "slices of one series lie at one place: their positions are not real"
    if all(len(block) == 1 and angle(normal(block[0]), normal(blocks[0][0])) < PARALLEL_DEGREES for block in blocks):
        return "single parallel slices, planned for no disc"
    return ""


def _one_series(block: list[RawSlice]) -> bool:
    return len({item.series for item in block}) == 1


def _levels_from_known(
    blocks: list[list[RawSlice]],
    known: Mapping[str, tuple[str, str]],
    counted: list[str | None],
    order: str,
) -> None:
    for block, by_count in zip(blocks, counted, strict=True):
        anchors = [(item, *known_level) for item in block if (known_level := _known(item, known))]
        if not anchors:
            _set(block, None, "no slice of this block has a known level")
            continue
        normal_3 = normal(block[0])
        multiple_discs = len({level for _, level, _ in anchors}) > 1 or length(block) > MAX_BLOCK_MM
        furthest = MIN_DISC_MM if multiple_discs else MAX_BLOCK_MM / 2  # from there on the next disc may be nearer
        for item in block:
            distances = [abs(along(anchor, normal_3) - along(item, normal_3)) for anchor, *_ in anchors]
            _, level, source = anchors[int(np.argmin(distances))]
            if min(distances) > furthest:
                _set([item], None, f"{min(distances):.0f} mm from the nearest slice of known level")
            else:
                away = f", {min(distances):.1f} mm away" if min(distances) else ""
                # where blocks are counted, the count says which of the known levels is in doubt
                doubt = order if by_count is None else ""
                if by_count not in (None, level):
                    doubt = f"; doubtful: the blocks say {by_count}"
                _set([item], level, f"{source}{away}{doubt}")


def _out_of_order(slices: list[RawSlice], known: Mapping[str, tuple[str, str]]) -> str:
    """Return a doubt where a known slice lies clearly above one of a higher disc: one of the two is wrong."""
    named = [(along(item, HEAD_3), LEVELS.index(at[0])) for item in slices if (at := _known(item, known))]
    wrong = any(height > other + MIN_DISC_MM and disc > above for height, disc in named for other, above in named)
    return "; doubtful: the known levels are not in the order of the slices' heights" if wrong else ""


def _known(item: RawSlice, known: Mapping[str, tuple[str, str]]) -> tuple[str, str] | None:
    """Return what is known of a slice's level, and its source."""
    return known.get(f"{item.file}#{item.instance}") or known.get(item.file)


def _set(block: list[RawSlice], level: str | None, reason: str) -> None:
    for item in block:
        item.level, item.level_reason = level, reason

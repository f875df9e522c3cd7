"""Disc level of axial slices, from known slices or from the blocks in which they were planned.

Axial slices of the lumbar spine are planned in blocks of 4 or 5 parallel slices, one block per disc; the block
of the last disc follows the sacrum and is the most angled. From the tail upwards the blocks are L5-S1, L4-L5, ...
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from functools import partial

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
from lss.domain.grades import LEVELS
from lss.levels.second_opinion import SecondOpinion, second_opinion

MIN_SACRUM_DEGREES = 20.0
"""A lowest block tilted less may not be L5-S1's: lumbosacral angles are 18 to 71 degrees, the sacral slope in stenosis
13.8 to 66.9; the discs above lie flatter, L4-L5 by up to about 20. What is lost by asking is a look at the slices."""

STEEP_SACRUM_DEGREES, MIN_STEP_DEGREES = 32.0, 13.0
"""From L4-L5 to L5-S1 the tilt grows by about 20 degrees, the wedge of L5 and of half of both discs; between the discs
above by about 10. A lowest block that is neither as steep nor so much steeper than the next may be that of L4-L5."""

MAX_ABOVE_DEGREES = 35.0
"""No disc above L5-S1 is tilted further: a lower block shows the sacrum or its joints."""

USUAL_RISE_MM = (20.0, 46.0)
"""Distance in height between blocks of neighbouring discs; a steep sacrum makes it small, a tall patient large."""

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
    blocks.sort(key=height)
    if not blocks:
        return levels
    heights = [height(block) for block in blocks]
    discs = [int(disc) for disc in np.cumsum([rise >= MIN_DISC_MM for rise in [0.0, *np.diff(heights)]])]
    count = discs[-1] + 1
    middles = [np.mean([at for at, disc in zip(heights, discs, strict=True) if disc == n]) for n in range(count)]
    rises = np.diff(middles)
    gap = next((disc + 1 for disc, rise in enumerate(rises) if rise > MAX_DISC_MM), count)
    tilts = [angle(normal(block[0]), HEAD_3) for block in blocks]
    if gap < count:
        doubts = [*doubts, f"a gap of {rises[gap - 1]:.0f} mm in the count"]
    for index, block in enumerate(blocks):
        where = f"disc {discs[index] + 1} of {count} from the tail, tilted {tilts[index]:.0f} degrees"
        if count == 1:
            levels[id(block)] = None, f"{where}; only one disc, and nothing says which"
        elif discs[index] >= gap:
            levels[id(block)] = None, f"{where}; {rises[gap - 1]:.0f} mm above the one below: a disc may be missing"
        elif discs[index] >= len(LEVELS):
            levels[id(block)] = None, f"{where}; more blocks than lumbar discs"
        else:
            levels[id(block)] = LEVELS[-1 - discs[index]], where
    if count > 1:
        of_beginning = _doubts_of_beginning(tilts, discs)
        _add_remarks(levels, blocks, of_beginning, [*doubts, *_doubts_of_count(tilts, heights, discs)], ask())
    return levels


def _add_remarks(
    levels: dict[int, Level],
    blocks: list[list[RawSlice]],
    of_beginning: list[str],
    others: list[str],
    opinion: SecondOpinion | None,
) -> None:
    """Add the doubts to the counted levels, in place; those of the beginning fall where the sagittal images confirm
    some block, and contradict none.
    """
    counted = [(block, *levels[id(block)]) for block in blocks]
    heard = {id(block): opinion.on(block, level) for block, level, _ in counted if opinion and level}
    confirmed = any(confirms for confirms, _ in heard.values()) and not any(words for _, words in heard.values())
    for block, level, where in counted:
        if level is None:
            continue
        confirms, words = heard.get(id(block), (False, ""))
        doubts = [*([words] if words else []), *([] if confirmed else of_beginning), *others]
        remarks = "; the sagittal images agree" if confirms else ""
        levels[id(block)] = level, where + remarks + "".join(f"; doubtful: {doubt}" for doubt in doubts)


def _doubts_of_beginning(tilts: list[float], discs: list[int]) -> list[str]:
    """Return why the count may not begin at L5-S1; values by block."""
    steepest = [
        max(tilt for tilt, disc in zip(tilts, discs, strict=True) if disc == number) for number in range(discs[-1] + 1)
    ]
    lowest, above, doubts = steepest[0], steepest[1], []
    if lowest < max(steepest):
        doubts.append("the lowest block is not the most angled")
    if lowest < MIN_SACRUM_DEGREES:
        doubts.append(f"the lowest block is tilted by only {lowest:.0f} degrees: L5-S1 may be missing")
    elif lowest < STEEP_SACRUM_DEGREES and lowest - above < MIN_STEP_DEGREES:
        step = f"by {lowest:.0f} degrees, the next by {above:.0f}"
        doubts.append(f"the lowest block is tilted {step}: L5-S1 may be missing")
    if above > MAX_ABOVE_DEGREES:
        doubts.append(f"the next block is tilted by {above:.0f} degrees: the lowest may lie below L5-S1")
    return doubts


def _doubts_of_count(tilts: list[float], heights: list[float], discs: list[int]) -> list[str]:
    """Return why the count may have skipped or invented a disc; values by block."""
    of_disc = [[index for index, disc in enumerate(discs) if disc == number] for number in range(discs[-1] + 1)]
    doubts = []
    for indices in of_disc:
        turns, places = [tilts[index] for index in indices], [heights[index] for index in indices]
        if max(turns) - min(turns) > MAX_TURN_DEGREES or max(places) - min(places) >= MIN_DISC_MM:
            doubts.append("blocks of unlike tilt or height count as one disc")
    rises = np.diff([np.mean([heights[index] for index in indices]) for indices in of_disc])
    for rise in rises[(rises < USUAL_RISE_MM[0]) | ((rises > USUAL_RISE_MM[1]) & (rises <= MAX_DISC_MM))]:
        doubts.append(f"blocks {rise:.0f} mm apart count as neighbouring discs")
    if len(of_disc) not in USUAL_DISCS:
        usual = f"{USUAL_DISCS.start} to {USUAL_DISCS.stop - 1}"
        doubts.append(f"{'fewer' if len(of_disc) < USUAL_DISCS.start else 'more'} discs than the usual {usual}")
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

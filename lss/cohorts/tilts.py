"""How well the tilts of axial blocks fit discs from L5-S1 up, against a count that begins a disc further up or down.

The tilts of neighbouring discs hang together: a steep L5-S1 stands below a steep L4-L5, and the step between the two
is the largest of the spine. So the tilts are judged together, as one draw from a normal distribution for each disc
that may be the lowest. Its means and spreads come from measured angles: the lumbosacral angle, 44.5 (standard
deviation 9.9) degrees in 274 people (supine radiographs, Okpala 2014), and the lordosis of the segments L5-S1 to L1-L2
in 324 people (Scientific Reports 12, s41598-022-21840-x, Table 2). A segment is a vertebra and the disc below it; how
the two share it, how S1-S2 is tilted, and the share of studies that begin at each disc are assumptions.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LUMBOSACRAL_DEG = (44.5, 9.9)
"""Angle of the upper end of the sacrum: mean, standard deviation."""

SEGMENTS_DEG = ((21.6, 7.7), (12.7, 5.1), (9.1, 4.2), (5.9, 4.1), (1.2, 3.6))
"""Lordosis of the segments L5-S1, L4-L5, L3-L4, L2-L3 and L1-L2: mean, standard deviation."""

DISCS_DEG = (13.5, 11.0, 9.0, 7.0, 5.0, 4.0)
"""Wedges of the discs L5-S1 to T12-L1, parts of their segments; each has `DISC_SHARE` of its segment's variance."""

DISC_SHARE = 0.6

S1_S2_DEG = (0.0, 6.0)
"""Tilt of S1-S2 beyond that of the sacrum's upper end: mean, standard deviation."""

LYING_DEG, PLANNING_DEG = 5.0, 3.0
"""Standard deviations of how the patient lies in the scanner, and of how a block is turned against its disc."""

LOWEST_DISCS = {"S1-S2": 0.03, "L5-S1": 0.85, "L4-L5": 0.09, "L3-L4": 0.03}
"""Discs at which a study may begin, from below, and the shares of studies that do."""

DISCS_JUDGED = 3
"""So many discs from the lowest are judged: the blocks above are often planned straight, whatever their discs' tilt."""


def chances(tilts: Sequence[float]) -> dict[str, float]:
    """Return the chance that the lowest disc is each of `LOWEST_DISCS`.

    Args:
        tilts: of the discs from the lowest up, degrees, positive as the sacrum is tilted. At least one.
    """
    seen = np.array(tilts[:DISCS_JUDGED])
    mean, covariance = _moments()
    logs = []
    for first, share in enumerate(LOWEST_DISCS.values()):
        own = slice(first, first + len(seen))
        away = seen - mean[own]
        spread = covariance[own, own]
        logs.append(np.log(share) - away @ np.linalg.solve(spread, away) / 2 - np.linalg.slogdet(spread)[1] / 2)
    weights = np.exp(np.array(logs) - max(logs))
    return {disc: float(weight) for disc, weight in zip(LOWEST_DISCS, weights / weights.sum(), strict=True)}


def _moments() -> tuple[np.ndarray, np.ndarray]:
    """Return means (discs,) and covariance (discs, discs) of the tilts of the discs S1-S2, L5-S1, ..., T12-L1.

    Each tilt is a sum of independent angles, times the weights of its row: sacrum, S1-S2, then disc and vertebra of
    each segment from below. The middle plane of a disc lies half its wedge above its lower end.
    """
    vertebrae = [segment - disc for (segment, _), disc in zip(SEGMENTS_DEG, DISCS_DEG, strict=False)]
    spreads = [spread for _, spread in (*SEGMENTS_DEG, SEGMENTS_DEG[-1])]
    means = [LUMBOSACRAL_DEG[0], S1_S2_DEG[0]]
    variances = [LUMBOSACRAL_DEG[1] ** 2 + LYING_DEG**2, S1_S2_DEG[1] ** 2]
    for disc, vertebra, spread in zip(DISCS_DEG, [*vertebrae, 0.0], spreads, strict=True):
        means += [disc, vertebra]
        variances += [DISC_SHARE * spread**2, (1 - DISC_SHARE) * spread**2]
    weights = np.zeros((len(DISCS_DEG) + 1, len(means)))
    weights[:, 0] = 1
    weights[0, 1] = 1
    for row in range(1, len(weights)):
        weights[row, 2 : 2 * row] = -1
        weights[row, 2 * row] = -0.5
    covariance = weights @ np.diag(variances) @ weights.T + PLANNING_DEG**2 * np.eye(len(weights))
    return weights @ np.array(means), covariance

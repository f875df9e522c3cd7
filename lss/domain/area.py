"""Eq. 10: how much of the target region is affected."""

from __future__ import annotations


def affected_area(masked_share: float, region_share: float) -> float:
    """Return the affected area in percent: masked pixels over the pixels H x W of the target region, 100 at most.

    Args:
        masked_share: pixels of the mask over those of the field of view, in [0, 1].
        region_share: pixels of the target region over those of the field of view; above 0, and above 1 where the
            region reaches beyond the field of view.

    The dilation of severe masks (Algorithm 1, line 9) may reach beyond the region, hence the limit.

    >>> affected_area(0.02, 0.05), affected_area(0.2, 0.1)
    (40.0, 100.0)
    """
    return min(100.0, 100.0 * masked_share / region_share)

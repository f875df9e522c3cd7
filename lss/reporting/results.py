"""The numbers that tables and figures are made from."""

from __future__ import annotations

from typing import Any, NamedTuple


class Results(NamedTuple):
    """Numbers of a run.

    Attributes:
        statistics: of the evaluate stage (results/statistics.json).
        comparison: of the ablation stage (results/ablation/comparison.json); None where only the rest is asked for.
    """

    statistics: dict[str, Any]
    comparison: dict[str, Any] | None = None

    @property
    def about(self) -> dict[str, Any]:
        """What was evaluated on what, by which conventions."""
        about: dict[str, Any] = self.statistics["about"]
        return about

    @property
    def was_compared(self) -> bool:
        """Whether the ablation trained anything."""
        return bool(self.comparison and self.comparison["measures"])

    @property
    def folds(self) -> dict[str, Any]:
        """What was pooled over folds and seeds (results/cross_validation.json); no measures where nothing was."""
        folds: dict[str, Any] = self.statistics.get("folds", {"about": {}, "measures": []})
        return folds

    @property
    def external(self) -> dict[str, Any]:
        """External cohorts, and archives of several that are one cohort, beside the test part
        (results/cases/external.json); no measures where there are none.
        """
        external: dict[str, Any] = self.statistics.get("external", {"about": {}, "measures": []})
        return external

"""Table 14: how sure the grades are, per disc."""

from __future__ import annotations

from collections.abc import Iterator

from lss.domain.grades import GRADES, LEVELS
from lss.evaluation.grade_sets import HAND_OVER_METRICS, PROBABILITIES, PROBABILITY_METRICS, SET_METRICS, WHOLE
from lss.evaluation.measures import Measure
from lss.reporting.names import model_name
from lss.reporting.results import Results
from lss.reporting.table_choice import FiledMeasures, models, select
from lss.reporting.table_record import UNDEFINED, TableRecord, intervals


def choose(measures: FiledMeasures) -> Iterator[Measure]:
    """Yield the sets, then their rivals, then the probabilities they are made of."""
    everywhere = ("all", *GRADES, *LEVELS)
    for source in ("grade_sets", "share_sets", "above_share_sets", "top_grade", "all_grades"):
        keys = models(measures, task="sets", source=source)
        yield from select(measures, keys, (*SET_METRICS, *WHOLE, *HAND_OVER_METRICS), everywhere)
    for source in PROBABILITIES:
        yield from select(measures, models(measures, task="sets", source=source), PROBABILITY_METRICS, ("all",))


def fitted_on(results: Results) -> str:
    """Return on how many patients the sets were fitted, and the thresholds for which these are too few."""
    parts = []
    for name, of in results.about["calibration"].items():
        lacking = [f"{100 * float(share):.0f} %" for share, value in of["thresholds"].items() if value is None]
        too_few = f", too few for {' and '.join(lacking)}: all grades" if lacking else ""
        parts.append(f"{model_name(name.split('/')[0])}: {of['patients']} patients{too_few}")
    return f"Fitted on: {'; '.join(parts)}." if parts else "No model was calibrated."


TABLE = TableRecord(
    "How sure: sets of grades and probabilities, per disc",
    ("system", "metric", "stratum"),
    lambda results: [
        "A set is of neighbouring grades: the most probable one, and neighbours until its probability exceeds a "
        "threshold, which is fitted on the validation part so that the set holds the grade of a disc of a new patient "
        f"with the stated probability (conformal, over patients; lss.calibration.grade_sets). {fitted_on(results)}",
        "Read coverage beside size: the set of all three grades holds every grade. The shares' sets come of the same "
        "procedure from the shares of the grades at the disc's level, without an image. The probability is promised "
        "over all discs, not for each grade or level. Handed over: more than one grade in the set of 90 %, or a surest "
        "grade less sure than on validation discs.",
        "Log loss and Brier score (0 to 2): the lower the better.",
        intervals(results),
        UNDEFINED,
    ],
    choose,
    main=(
        "covered_90", "set_size_90", "covered", "set_size", "handed_over", "right_kept", "right_handed_over", "log_loss"
    ),
)  # fmt: skip

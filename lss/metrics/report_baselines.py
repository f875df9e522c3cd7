"""What a generator has to beat, and the control that shows whether its reports depend on the image.

Plain functions on lists and arrays. Each baseline gives one report per test case, scored as any generator.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import cv2
import numpy as np

from lss.metrics.report_score import compare_findings
from lss.model.severity import Thresholds, grade_by_area
from lss.notes.findings import Finding, read_findings
from lss.notes.reference import reference_report
from lss.runtime.seeding import generator


def most_frequent_report(reports: list[str]) -> str:
    """Return the commonest of the training reports (not their augmented copies); the alphabetically first of equals.

    Raises ValueError on an empty list.
    """
    if not reports:
        raise ValueError("no training report to choose from")
    counts = Counter(reports)
    return min(counts, key=lambda report: (-counts[report], report))


def most_frequent_by(reports: list[str], groups: Sequence[object], wanted: Sequence[object]) -> list[str]:
    """Return for each wanted group (a level, or a level and a grade) its commonest training report.

    Args:
        reports: of the training part, with the group of each in `groups`; at least one.
        wanted: group of each test case; one that the training part does not hold gets its commonest report of all.
    """
    of_group: dict[object, list[str]] = {}
    for report, group in zip(reports, groups, strict=True):
        of_group.setdefault(group, []).append(report)
    chosen = {group: most_frequent_report(of_group.get(group, reports)) for group in set(wanted)}
    return [chosen[group] for group in wanted]


def central_report(reports: list[str], level: str | None) -> str:
    """Return the report with the best mean report score (`lss.metrics.report_score`) against all; of equals the
    commonest.

    What a table says best where whole texts rarely repeat: the text that agrees most with the others of its kind.

    Args:
        reports: of the training part, all about `level`; at least one.
    """
    alike: dict[tuple[Finding, ...], list[str]] = {}
    for report in reports:
        alike.setdefault(read_findings(report, level), []).append(report)
    of_each = list(alike.values())
    means = [
        sum(len(others) * compare_findings(own[0], others[0], level).score for others in of_each) for own in of_each
    ]
    best = max(means)
    return most_frequent_report(
        [text for own, mean in zip(of_each, means, strict=True) if mean == best for text in own]
    )


def central_by(
    reports: list[str], groups: Sequence[tuple[str | None, str]], wanted: Sequence[tuple[str | None, str]]
) -> list[str]:
    """Return for each wanted disc level and grade the `central_report` of the training reports of both.

    Where the training part has none of both: of the level; of a level that it does not have: its commonest report.
    """
    chosen: dict[tuple[str | None, str], str] = {}
    for level, grade in set(wanted):
        of_level = [(report, group[1]) for report, group in zip(reports, groups, strict=True) if group[0] == level]
        of_both = [report for report, of_one in of_level if of_one == grade] or [report for report, _ in of_level]
        chosen[level, grade] = central_report(of_both, level) if of_both else most_frequent_report(reports)
    return [chosen[group] for group in wanted]


def template_reports(areas_percent: list[float], thresholds: Thresholds) -> list[str]:
    """Return the severity sentence alone, filled from each predicted mask's area: what needs no language model."""
    return [reference_report(grade_by_area(area, thresholds), area, None, None) for area in areas_percent]


def thumbnail_features(image: np.ndarray, side: int = 16) -> np.ndarray:
    """Return features of an image for `nearest_reports`, of no network: an area-averaged thumbnail.

    Args:
        image: (Y, X), any real type.
        side: of the thumbnail, pixels.

    Returns:
        float32 (side * side,), zero mean and length 1 (zeros for a constant image), so that the Euclidean
        distance of two images does not depend on their brightness or contrast.
    """
    thumbnail = cv2.resize(image.astype(np.float32), (side, side), interpolation=cv2.INTER_AREA).ravel()
    thumbnail -= thumbnail.mean()
    length = float(np.linalg.norm(thumbnail))
    return thumbnail / length if length > 0 else thumbnail


def nearest_reports(
    train_features: np.ndarray,
    train_reports: list[str],
    test_features: np.ndarray,
    train_groups: Sequence[object] | None = None,
    test_groups: Sequence[object] | None = None,
) -> list[str]:
    """Return the report of the training image nearest to each test image (Euclidean; the first of equally near ones).

    Args:
        train_features: (N, F), with its N `train_reports`; N >= 1.
        test_features: (M, F).
        train_groups, test_groups: of each image, e.g. its level: the nearest one is sought within the test image's
            group, or among all images where the training part has none of it.
    """
    distances = (train_features**2).sum(axis=1)[None] - 2.0 * test_features @ train_features.T
    if train_groups is not None and test_groups is not None:
        same = np.array([[group == other for other in train_groups] for group in test_groups])
        distances[~same & same.any(axis=1, keepdims=True)] = np.inf
    return [train_reports[index] for index in distances.argmin(axis=1)]


def shuffled_partners(patients: list[str], seed: int) -> np.ndarray:
    """Draw for each case another patient's case: a permutation without a case of one's own patient.

    Scoring report i against reference partner[i] is the shuffled-image control: a generator that ignores the
    image scores there as it does against the true references. The cases of one patient go to many others, as many as a
    random permutation brings: with one other patient's note each, the control would depend on that note by chance.

    Args:
        patients: patient of each case.
        seed: of params.yaml.

    Returns:
        int64 (N,).

    Raises ValueError where no such permutation exists: a patient holds more than half of the cases.
    """
    keys = np.array(patients)
    if 2 * int(np.unique(keys, return_counts=True)[1].max()) > len(keys):
        raise ValueError("one patient holds more than half of the cases: no other patient's report for each of them")
    random = generator(seed, "shuffled_partners")
    partner = random.permutation(len(keys))
    for case in random.permutation(len(keys)):
        own = keys[case]
        if keys[partner[case]] == own:
            # Neither theirs nor paired with theirs: after an exchange both are well. There is one, since at most half
            # of the cases are theirs, at most half are paired with theirs, and this one is both.
            other = random.choice(np.flatnonzero((keys != own) & (keys[partner] != own)))
            partner[case], partner[other] = partner[other], partner[case]
    return partner


def partners_within(patients: list[str], groups: list[Sequence[object]], seed: int) -> tuple[np.ndarray, int]:
    """Draw for each case one of another patient in the same group, independently.

    A generator that knows no more of an image than its group (its level; its level and grade) scores against these
    references as against the true ones.

    Args:
        patients: patient of each case.
        groups: of each case, from the narrowest grouping to the widest; where no other patient is in a case's group of
            one, the next is asked.
        seed: of params.yaml.

    Returns:
        int64 (N,), and the number of cases that had to leave their narrowest group.

    Raises ValueError where a case has no partner in its widest group.
    """
    keys = np.array(patients)
    random = generator(seed, "partners_within", len(groups))
    partner, left = np.zeros(len(keys), dtype=np.int64), 0
    for case, patient in enumerate(keys):
        alike = (np.array([group == grouping[case] for group in grouping]) & (keys != patient) for grouping in groups)
        place, others = next(((place, same) for place, same in enumerate(alike) if same.any()), (-1, np.zeros(0, bool)))
        if place < 0:
            raise ValueError("a case has no other patient's in its group")
        partner[case] = random.choice(np.flatnonzero(others))
        left += place > 0
    return partner, left

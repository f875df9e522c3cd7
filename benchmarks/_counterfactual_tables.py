"""Table and figure of the counterfactual patient, from the rows that `benchmarks/counterfactual.py` writes."""

from __future__ import annotations

from collections.abc import Iterable
from math import factorial

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy.stats import spearmanr

from lss.metrics.bootstrap import Estimate, PatientBootstrap

Floats = NDArray[np.float64]

FOLLOWS = {
    "sac_mm2": (-1, 0, "sac measured in the image, mm²"),
    "mask_percent": (1, 1, "affected area by the mask, %"),
    "mean_grade": (1, 2, "mean grade by the probabilities"),
    "grade": (1, 0, "grade (A 0, B&C 1, D 2)"),
    "severity": (1, 0, "severity sentence (A 0, B&C 1, D 2)"),
}
"""Answers that should follow: 1 where they should rise as the sac narrows, digits that `lss read` shows, label."""

STAYS = {
    "findings": "findings that are not of the canal",
    "sides": "side named by the report",
    "level": "level named by the report",
}
"""What should stay; its column says whether it is another than at the step before."""


def shown(values: Iterable[float], digits: int) -> Floats:
    """The values as a reader sees them: what moves below the last shown digit does not move."""
    return np.round(np.asarray(list(values), np.float64), digits).astype(np.float64)


def correlation(values: Floats, sign: int) -> float:
    """Spearman's correlation with the order of the steps, positive as it should be; 0 for a constant."""
    known = ~np.isnan(values)
    if known.sum() < 3 or np.ptp(values[known]) == 0:
        return 0.0
    return sign * float(spearmanr(np.arange(len(values))[known], values[known]).statistic)


def monotone(values: Floats, sign: int) -> float:
    """1 where the answer moves and never backwards, else 0; steps without a value are passed over.

    >>> [monotone(np.array(values), 1) for values in ([0, 1, 1, 2], [0, 2, 1, 2], [1, 1, 1, 1], [0, np.nan, 1, 1])]
    [1.0, 0.0, 0.0, 1.0]
    """
    known = sign * values[~np.isnan(values)]
    return float(known.size >= 3 and (np.diff(known) >= 0).all() and known[-1] > known[0])


def monotone_by_chance(values: Floats) -> float:
    """How probable `monotone` is to be 1 for the same answers in an order drawn at random.

    >>> [monotone_by_chance(np.array(values)) for values in ([0, 1, 2], [0, 0, 1], [1, 1, 1])]
    [0.16666666666666666, 0.3333333333333333, 0.0]
    """
    known = values[~np.isnan(values)]
    times = np.unique(known, return_counts=True)[1]
    if known.size < 3 or times.size < 2:
        return 0.0
    return float(np.prod([factorial(int(count)) for count in times])) / factorial(known.size)


def change(values: Floats) -> float:
    """The last known value less the first."""
    known = values[~np.isnan(values)]
    return float(known[-1] - known[0]) if known.size else 0.0


def table(rows: pd.DataFrame) -> list[str]:
    """Markdown lines: means over patients with 95 % intervals of narrowing and rivals, less the stronger of which.

    The rivals: the noise alone, at a sac of one size; and the same answers in an order drawn at random, which is what
    an answer would do that moves as far and knows nothing of the sac. A constant answer scores 0 everywhere.
    """
    patients = sorted(rows["patient"].unique())
    bootstrap = PatientBootstrap([str(patient) for patient in patients], 2000, 0.95, 1)
    lines = [
        "| answer | measure | narrowing | noise alone | shuffled order | less the stronger rival |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    own = {kind: dict(list(of.groupby("patient"))) for kind, of in rows.groupby("series")}
    for name, (sign, digits, label) in FOLLOWS.items():
        series = {kind: [shown(own[kind][one][name], digits) for one in patients] for kind in ("narrowing", "noise")}
        for measure, of, chance in (
            ("Spearman with the narrowing", lambda values, sign=sign: correlation(values, sign), lambda _: 0.0),
            ("patients whose answer is monotone", lambda values, sign=sign: monotone(values, sign), monotone_by_chance),
        ):
            scores = {kind: np.array([of(values) for values in series[kind]]) for kind in series}
            scores["shuffled"] = np.array([chance(values) for values in series["narrowing"]])
            rival = max(("noise", "shuffled"), key=lambda kind: float(scores[kind].mean()))
            cells = [*scores.values(), scores["narrowing"] - scores[rival]]
            lines.append(f"| {label} | {measure} | " + " | ".join(text(bootstrap.mean(of)) for of in cells) + " |")
        last = [np.array([change(values) for values in series[kind]]) for kind in ("narrowing", "noise")]
        cells = [text(bootstrap.mean(of)) for of in (*last, last[0] - last[1])]
        lines.append(f"| {label} | last step less the first | {cells[0]} | {cells[1]} | | {cells[2]} |")
    for name, label in STAYS.items():
        moved = [
            np.array([own[kind][one][name].iloc[1:].mean() for one in patients]) for kind in ("narrowing", "noise")
        ]
        cells = [text(bootstrap.mean(of)) for of in (*moved, moved[0] - moved[1])]
        lines.append(f"| {label} | steps on which it changes | {cells[0]} | {cells[1]} | | {cells[2]} |")
    return lines


def other_discs(rows: pd.DataFrame) -> str:
    """What the narrowing of one disc changed on the others of the same study, in a sentence."""
    discs, patients = len(rows), rows["patient"].nunique()
    parts = [
        f"on {int((rows[name] != 0).sum())} the {label}"
        for name, label in (("grade", "mean grade"), ("area", "affected area"), ("sac", "measured sac"),
                            ("level", "level"))
    ]  # fmt: skip
    pixels = int((rows["pixels"] != 0).sum())
    return (
        f"Of the {discs} other discs of {patients} whole studies, read with the sac of L4-L5 at 200 and at 40 mm²: "
        f"pixels differ on {pixels}; {', '.join(parts)} changed."
    )


def text(estimate: Estimate) -> str:
    """An estimate with its interval, or with the words in its place."""
    if np.isnan(estimate.low):
        return f"{estimate.value:.2f} ({estimate.interval})"
    return f"{estimate.value:.2f} ({estimate.low:.2f} to {estimate.high:.2f})"


def draw(rows: pd.DataFrame, title: str) -> Figure:
    """A panel per answer against the drawn sac: each patient's course thin, the mean thick, and the mean of the noise
    alone.
    """
    narrowing, noise = (rows[rows["series"] == kind] for kind in ("narrowing", "noise"))
    figure = Figure(figsize=(11, 3.1), layout="constrained")
    for panel, (name, (_, _, label)) in zip(figure.subplots(1, len(FOLLOWS)), FOLLOWS.items(), strict=True):
        for _, own in narrowing.groupby("patient"):
            panel.plot(own["area"], own[name], color="#0072B2", alpha=0.22, linewidth=0.7)
        mean = narrowing.groupby("area")[name].mean()
        panel.plot(mean.index, mean, color="#0072B2", linewidth=2.2, marker="o", markersize=3, label="narrowing, mean")
        level = noise[name].mean()
        panel.plot(mean.index[[0, -1]], [level, level], color="#D55E00", linestyle="--", label="noise alone, 110 mm²")
        if name == "sac_mm2":
            panel.plot(mean.index, mean.index, color="0.4", linestyle=":", label="as drawn")
        panel.invert_xaxis()
        panel.set_xlabel("drawn sac, mm²")
        panel.set_title(label.replace(" in the", "\nin the").replace(" by the", "\nby the").replace(" (", "\n("))
    handles, labels = figure.axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False)
    figure.suptitle(title)
    return figure

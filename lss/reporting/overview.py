"""Facts on the run for the top of the page, from the stages' manifests."""

from __future__ import annotations

from collections import Counter
from typing import Any

from lss.cohorts.base import NOTHING_TO_MEND
from lss.domain.grades import GRADE_LABELS, GRADES
from lss.evaluation.measures import find
from lss.reporting.cards import in_order, printed
from lss.reporting.names import LOSSES, cohort_name, model_name

Manifest = dict[str, Any]


def overview(manifests: list[Manifest], statistics: dict[str, Any]) -> dict[str, Any]:
    """Return facts for the page; what no manifest states is left out.

    Returns:
        opening: the result in one sentence; made: cohort, date and commit; facts: (name, text) pairs; masks: rows of
        scores per backbone and loss, and sentences on their paired differences; subsets: rows (name, patients, slices
        per grade); models: rows of trained models; rejects, set_aside (no faults), unused: (reason, count)
        pairs; versions; stages: (name, count) rows; caveats.
    """
    facts_of = {stage: [m["facts"] for m in manifests if m["stage"] == stage] for stage in
                ("cohort", "ingest", "split", "train", "weights")}  # fmt: skip
    split = facts_of["split"][0] if facts_of["split"] else {}
    cohort = facts_of["cohort"][0] if facts_of["cohort"] else {}
    rejects = split.get("rejects", {})
    return {
        "opening": opening(statistics),
        "made": _made(cohort, statistics, manifests),
        "facts": _facts(split, statistics, manifests),
        "masks": _masks(statistics),
        "subsets": _subsets(split),
        "models": [_model(facts) for facts in facts_of["train"]],
        "rejects": _counted({why: n for why, n in rejects.items() if why not in NOTHING_TO_MEND}),
        "set_aside": _counted({why: n for why, n in rejects.items() if why in NOTHING_TO_MEND}),
        "unused": _counted(split.get("unused", {})),
        "versions": manifests[-1]["machine"]["versions"] if manifests else {},
        "platform": manifests[-1]["machine"]["platform"] if manifests else "",
        "stages": _stages(manifests),
        "caveats": _caveats(manifests),
    }


def _facts(split: dict[str, Any], statistics: dict[str, Any], manifests: list[Manifest]) -> list[tuple[str, str]]:
    about = statistics["about"]
    facts: list[tuple[str, str]] = []
    if "slices" in split:
        facts.append(("Slices", f"{split['used']:,} in use of {split['slices']:,} read"))
    facts.append(("Test part", f"{about['images']:,} slices of {about['patients']:,} patients"))
    subsets = in_order(split.get("subsets", {}))
    if shares := {name: part["patients_of"] for name, part in subsets.items() if "patients_of" in part}:
        facts.append(("Patients of each archive", "; ".join(f"{name}: {printed(of)}" for name, of in shares.items())))
    facts.append(("Grades by mask area", _thresholds(about["thresholds_percent"])))
    facts.append(("Intervals", f"{100 * about['confidence']:.0f} %, {about['interval']}"))
    seeds = {manifest["seed"] for manifest in manifests}
    if len(seeds) == 1:
        facts.append(("Seed", str(seeds.pop())))
    return facts


def _thresholds(thresholds: dict[str, Any]) -> str:
    """Return the area thresholds of each backbone, what they were fitted on, and which its reports go by."""
    texts = []
    for backbone, (low, high) in thresholds["calibrated"].items():
        text = f"{model_name(backbone)}: A below {low:.1f} %, D above {high:.1f} %"
        unreached = thresholds["unreached"][backbone]
        if low == high and "BC" not in unreached:
            unreached = [*unreached, "BC"]
        if unreached:
            text += f": no {' and no '.join(GRADE_LABELS[grade] for grade in unreached)}"
        text += f", fitted on {thresholds['fitted_on'][backbone]}"
        paper = "; its reports go by the paper's" if thresholds["used"][backbone] == "paper" else ""
        texts.append(text + paper)
    return ". ".join([*texts, "In the paper 10 % and 25 %"])


def opening(statistics: dict[str, Any]) -> str:
    """Return the result in one sentence: the best of each kind on all slices, beside the baselines."""
    about = statistics["about"]
    where = "the phantom cohort" if about["phantom"] else "the cohort"
    parts = []
    if masks := [row for row in _masks(statistics)["rows"] if row["dice"] is not None]:
        best = masks[0]
        drawn = "" if best["false"] is None else f", with a mask on {100 * best['false']:.0f} % of the normal ones"
        parts.append(
            f"masks reach a Dice of {best['dice']:.2f} on all slices ({best['backbone']}, {best['loss']}{drawn})"
        )
    heads = {"task": "classification", "source": "head", "metric": "accuracy", "stratum": "all"}
    if head := _best(statistics, heads):
        most = max(about["images_by_grade"].values()) / about["images"]
        rival = f"always the commonest grade: {most:.2f}"
        parts.append(f"the grade head is right on {head['value']:.2f} ({model_name(head['backbone'])}; {rival})")
    texts = {"task": "report", "source": "report", "metric": "finding_score", "stratum": "all"}
    if text := _best(statistics, texts):
        rivals = []
        for source, name in (
            ("central", "the most typical training report of level and grade"),
            ("shuffled_level_grade", "held against another patient's of the same level and grade"),
        ):
            wanted = {**texts, "source": source, "backbone": text["backbone"]}
            if held := find(statistics["measures"], **wanted):
                rivals.append(f"; {name}: {held['value']:.2f}")
        name = model_name(text["backbone"])
        parts.append(f"reports agree in findings by a score of {text['value']:.2f} ({name}{''.join(rivals)})")
    tested = f"On {about['images']:,} test slices of {about['patients']:,} patients of {where} "
    return tested + "; ".join(parts) + "." if parts else tested.strip() + "."


def _best(statistics: dict[str, Any], wanted: dict[str, str]) -> dict[str, Any] | None:
    """Return the measure of the highest value among those that match."""
    among = [
        row
        for row in statistics["measures"]
        if row["value"] is not None and all(row[name] == value for name, value in wanted.items())
    ]
    return max(among, key=lambda row: row["value"], default=None)


def _made(cohort: dict[str, Any], statistics: dict[str, Any], manifests: list[Manifest]) -> list[str]:
    """Return cohort, and commit of the program with its day; no day of the run: the same results are the same page."""
    last = manifests[-1] if manifests else {}
    commit, day = (last.get("machine", {}).get(name) for name in ("commit", "committed"))
    return [
        f"Cohort: {cohort_name(cohort, statistics['about']['cohort'] or 'not stated')}",
        f"Program: lss {last['machine']['versions']['lss']}, commit {commit}{f' of {day}' if day else ''}"
        if commit
        else "Commit: not recorded",
    ]


def _masks(statistics: dict[str, Any]) -> dict[str, Any]:
    """Return masks of each backbone and loss: Dice on all slices, the highest first, masks drawn on normal slices, Dice
    on non-empty ones; and a sentence per backbone on whether the loss in front differs from the others.
    """
    rows, sentences = [], []
    for backbone in dict.fromkeys(model[0] for model in statistics["models"]):
        losses = [loss for name, task, loss in statistics["models"] if (name, task) == (backbone, "segmentation")]
        rows += [_mask_row(statistics, backbone, loss) for loss in losses]
        if ahead := _ahead(statistics, backbone, losses):
            sentences.append(f"{model_name(backbone)}: {ahead}")
    return {"rows": sorted(rows, key=lambda row: -(row["dice"] or 0.0)), "sentences": sentences}


def _mask_row(statistics: dict[str, Any], backbone: str, loss: str) -> dict[str, Any]:
    wanted = {"task": "segmentation", "backbone": backbone, "loss": loss, "source": "mask", "reference": "pseudo_mask"}
    every, false, filled = (
        find(statistics["measures"], **wanted, metric=metric, stratum=stratum)
        for metric, stratum in (("dice", "all"), ("false_masks", "empty"), ("dice", "non_empty"))
    )
    return {
        "backbone": model_name(backbone),
        "loss": LOSSES.get(loss, loss),
        "dice": every and every["value"],
        "false": false and false["value"],
        "filled": filled and filled["value"],
    }


def _ahead(statistics: dict[str, Any], backbone: str, losses: list[str]) -> str:
    """Return what the paired differences of Dice on all slices say of the first loss against each other one."""
    words = []
    for loss in losses[1:]:
        pair = {"first": f"{backbone} {losses[0]}", "second": f"{backbone} {loss}"}
        family = "Dice against pseudo_mask, losses"
        for test in statistics["tests"]:
            if test["family"] == family and all(test[side] == name for side, name in pair.items()):
                names = [LOSSES.get(name, name) for name in (losses[0], loss)]
                better, worse = names if test["difference"] >= 0 else names[::-1]
                apart = test["low"] is not None and (test["low"] > 0 or test["high"] < 0)
                words.append(
                    f"{better} is ahead of {worse} by {abs(test['difference']):.3f} on all slices, "
                    f"{'beyond' if apart else 'not beyond'} the interval of the paired difference."
                )
    return " ".join(words)


def _subsets(split: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"name": name, "patients": part["patients"], "slices": [part["slices"].get(grade, 0) for grade in GRADES]}
        for name, part in in_order(split.get("subsets", {})).items()
    ]


def _model(facts: dict[str, Any]) -> dict[str, Any]:
    source = facts.get("weights", {}).get("source")
    return {
        "backbone": model_name(facts["backbone"]),
        "task": facts["task"],
        "loss": LOSSES.get(facts["loss"], facts["loss"]),
        "weights": {"tiny": "tiny, random", "published": "published", "none": "none, trained from scratch"}.get(
            source, "not stated"
        ),
        "parameters": facts["parameters"],
        "trained": facts["trained_parameters"],
        "quantised": "; ".join(
            f"{tower}: {of['layers']} layers ({', '.join(of['kinds'])})"
            for tower, of in facts.get("quantised", {}).items()
        ),
        "epochs": f"{facts['best_epoch']} of {facts['epochs']}",
        "device": facts["device"],
        "leak": facts["leak"],
    }


def _counted(counts: dict[str, int]) -> list[tuple[str, int]]:
    """Return values with their counts, the most frequent first."""
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))


def _stages(manifests: list[Manifest]) -> list[tuple[str, int]]:
    """Return runs of each stage, in the order of the chain; how long they took stands in the manifests."""
    return list(Counter(manifest["stage"] for manifest in manifests).items())


def _caveats(manifests: list[Manifest]) -> list[str]:
    texts = []
    for manifest in manifests:
        if manifest["stage"] == "split":
            for subset, missing in manifest["facts"].get("absent_grades", {}).items():
                labels = ", ".join(GRADE_LABELS[grade] for grade in missing)
                texts.append(f"The {subset} part holds no slice of grade {labels}: nothing can be said of it there.")
    return texts

"""Model cards (Mitchell et al. 2019) of the trained models, from manifests and statistics."""

from __future__ import annotations

from typing import Any

from lss.domain.grades import GRADES
from lss.evaluation.measures import find
from lss.evaluation.summary import RESEARCH_ONLY
from lss.fetch.sources import WEIGHT_LICENCES
from lss.reporting.cards import NOT_STATED, Card, Facts, Manifest, entry, estimate, first, in_order, listed, printed
from lss.reporting.names import LOSSES, METRIC_LABELS, SOURCES, STRATA, cohort_name, model_name, spell_out
from lss.training.registry import task_record

_TRAINING = ("batch_size", "micro_batch_size", "schedule", "gradient_clip", "bf16", "prompt", "queries", "grade_weight",
             "fusion", "heads", "d_shared", "mask_size", "resample_grid", "qlora")  # fmt: skip
_Named = tuple[str, str]
_RESULTS: dict[str, list[tuple[str, str, tuple[_Named, ...]]]] = {
    "classification": [
        ("head", "note_grade", (("accuracy", "all"), ("accuracy", "balanced"), ("f1", "macro"), ("kappa", "all"),
                                ("ece", "all"), ("ece_uncorrected", "all"))),
        ("head", "note_grade", tuple((name, grade) for name in ("recall", "precision", "auc") for grade in GRADES)),
        ("head", "true_grade", (("accuracy", "all"),)),
    ],
    "segmentation": [
        ("mask", "pseudo_mask", (("dice", "all"), ("false_masks", "empty"), ("dice", "non_empty"), ("dice", "balanced"),
                                 ("dice", "pooled"), ("iou", "non_empty"), ("hd95_mm", "non_empty"),
                                 *(("dice", grade) for grade in GRADES))),
        ("mask", "true_mask", (("dice", "non_empty"), ("hd95_mm", "non_empty"))),
    ],
    "report": [
        ("report", "report", tuple((name, "all") for name in ("cider_d", "bleu_4", "rouge_l", "meteor_1_5",
                                                              "distinct_reports", "grade_agreement"))),
        ("shuffled", "report", (("cider_d", "all"), ("grade_agreement", "all"))),
        ("level_grade", "report", (("cider_d", "all"), ("grade_agreement", "all"))),
        ("above_level_grade", "report", (("cider_d", "all"), ("grade_agreement", "all"))),
        ("most_frequent", "report", (("cider_d", "all"), ("grade_agreement", "all"))),
    ],
}  # fmt: skip
"""Task to (source, reference, metrics with their strata): what a card shows of the measures."""


def model_card(trained: Manifest, manifests: list[Manifest], statistics: dict[str, Any]) -> Card:
    """Return card of one trained model.

    Args:
        trained: its manifest of the stage train.
        manifests: of all stages.
        statistics: of the stage evaluate.
    """
    facts = trained["facts"]
    backbone, task, loss = facts["backbone"], facts["task"], facts["loss"]
    title = f"{model_name(backbone)}, {task}, {LOSSES.get(loss, loss)}"
    own = ("epochs", "best_epoch", "best_val_score", "train_samples", "val_samples", "device", "parameters",
           "trained_parameters", "execution")  # fmt: skip
    known = {"backbone", "task", "loss", "weights", "unused_weights", "leak", *own}
    return Card(
        f"Model card: {title}",
        [
            ("Model", [("Backbone", model_name(backbone)), ("Task", task_record(task).description),
                       ("Loss", LOSSES.get(loss, loss)),
                       *_weights(backbone, facts.get("weights"), manifests),
                       *_unused(facts),
                       *listed(facts, ("parameters", "trained_parameters")),
                       *listed({name: value for name, value in facts.items() if name not in known})]),
            ("Intended use", _use()),
            ("Training data", _data(manifests, facts)),
            ("Training", [("Epochs run", entry(facts, "epochs")),
                          *listed(facts, ("best_epoch", "best_val_score", "device", "execution")),
                          *_settings(task, loss, trained["params"]), ("Seed", str(trained.get("seed", NOT_STATED))),
                          ("Made with", _versions(trained))]),
            ("Results on the test part", _results(backbone, task, loss, statistics)),
            ("Caveats", [("Leak", "yes: it was given the prompt of the true grade" if facts.get("leak") else
                          "no" if "leak" in facts else NOT_STATED),
                         *((str(number), spell_out(text)) for number, text in enumerate(statistics["caveats"], 1))]),
        ],
    )  # fmt: skip


def _weights(backbone: str, weights: dict[str, Any] | None, manifests: list[Manifest]) -> Facts:
    """Return where the backbone's weights come from."""
    weights = weights or {}
    entries = [entry for entry in manifests if entry["stage"] == "weights" and entry["facts"]["backbone"] == backbone]
    settings = entries[0]["params"].get(backbone, {}) if entries else {}
    source = weights.get("source")
    more = {name: value for name, value in weights.items() if name not in ("backbone", "source")}
    if source == "tiny":
        named = [("Weights", "tiny: random, in the published format; nothing is learnt in them")]
        licence = "made by this program"
    elif source == "none":
        return [("Weights", "none: all of it was trained here")]
    else:
        named = [("Weights", printed(source)), ("Id on the hub", printed(settings.get("hub_id"))),
                 ("Revision", printed(settings.get("revision")))]  # fmt: skip
        hub_id = "" if settings.get("folder") else settings.get("hub_id", "")
        licence = WEIGHT_LICENCES.get(hub_id, NOT_STATED)
    return [*named, ("Licence of the weights", licence), *((f"Weights, {name}", text) for name, text in listed(more))]


def _unused(facts: dict[str, Any]) -> Facts:
    """Return tensors of the checkpoint's files that the model does without, by their names there; nothing for a
    baseline.
    """
    if "unused_weights" not in facts:
        return []
    named = "; ".join(f"{name} ({count:,})" for name, count in facts["unused_weights"].items())
    return [("Tensors of the weights not used", named or "none")]


def _use() -> Facts:
    return [
        ("For", "research on grading, segmenting and reporting lumbar spinal stenosis, and on the methods behind it"),
        ("Not for", "diagnosis, triage or any decision on a patient; other regions, planes or weightings than those it "
         "was trained on"),
        ("Who decides", RESEARCH_ONLY),
    ]  # fmt: skip


def _data(manifests: list[Manifest], facts: dict[str, Any]) -> Facts:
    cohort = first(manifests, "cohort")["facts"]
    split = first(manifests, "split")
    return [
        ("Cohort", cohort_name(cohort, NOT_STATED)),
        ("Owner's caveat", entry(cohort, "caveat")),
        *((f"Part {part}", printed(counts)) for part, counts in in_order(split["facts"].get("subsets", {})).items()),
        (
            "Plane and weighting",
            ", ".join(printed(split["params"].get(name)) for name in ("plane", "weighting")),
        ),
        *listed(facts, ("train_samples", "val_samples")),
        (
            "Labels",
            "grades read from radiologists' notes by a written rubric; masks made by rules from image and grade",
        ),
    ]


def _settings(task: str, loss: str, train: dict[str, Any]) -> Facts:
    """Return settings of the training that this model depends on."""
    of_task = {name: value for name, value in train.get(task, {}).items() if name != "losses"}
    of_loss = ("gamma", "pid") if loss.startswith("pid_tversky") else ()
    return [*((f"{name}, as set" if name == "Epochs" else name, text) for name, text in listed(of_task)),
            *listed(train, (*_TRAINING, *of_loss))]  # fmt: skip


def _versions(trained: Manifest) -> str:
    machine = trained.get("machine", {})
    versions = ", ".join(f"{name} {version}" for name, version in machine.get("versions", {}).items())
    return f"{printed(machine.get('platform'))}; {versions or NOT_STATED}"


def _results(backbone: str, task: str, loss: str, statistics: dict[str, Any]) -> Facts:
    """Return measures with interval and n; baselines and controls are named as such."""
    results: Facts = []
    for source, reference, names in _RESULTS[task]:
        own = {} if source == "most_frequent" else {"backbone": backbone, "loss": loss}
        for metric, stratum in names:
            measure = find(statistics["measures"], task=task, source=source, reference=reference, metric=metric,
                           stratum=stratum, **own)  # fmt: skip
            if measure is None and reference.startswith("true"):
                continue  # there is no truth but the phantom's
            place = "" if stratum == "all" else f", {STRATA[stratum]}"
            if task == "report":
                place = "" if source == "report" else f", {SOURCES[source]}"
            elif reference not in ("note_grade", "pseudo_mask"):
                place += f", against the {reference.replace('_', ' ')}"
            results.append((METRIC_LABELS[metric] + place, estimate(measure)))
    about = statistics["about"]
    return [*results, ("Intervals", f"{100 * about['confidence']:.0f} %, {about['interval']}")]

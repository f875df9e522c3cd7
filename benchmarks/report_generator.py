"""What would make the report generator better: tokens of the disc, several slices, a ranking term, other decoding.

    python benchmarks/report_generator.py train biomedclip 1 "as is" "disc tokens"
    python benchmarks/report_generator.py table

Needs a finished run: its shards, segmentation and classification models are taken, so that only report models are
trained. `train` does so for a backbone, a repeat and some arms (all by default), and keeps the texts of the validation
and test parts; `table` scores the findings part of all texts kept, without the severity sentence. Rivals of the
generator see no image but the grade that the backbone's own head gives. They are filled from training reports of the
same disc level and grade:

- commonest text: the most frequent one, word for word;
- majority findings: a sentence for each structure that more than half of those reports state, or deny;
- likely findings: the same with the share that scores best on the validation part;
- central text: the one with the best mean report score against the others.

Whatever is chosen is chosen on the validation part. Differences carry 95 % intervals over patients.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

import numpy as np
from _report_arms import ARMS, Arm, ArmTask, Seen, build_arm, look

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from report_findings import TrainingReports, commonest, sentences_of

from lss.backbones import load_backbone
from lss.domain.grades import GRADES
from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.language import cider_d
from lss.metrics.report_score import score_findings
from lss.model.finding_head import supported
from lss.model.report_generator import Decoding
from lss.model.saved import load_network, read_card
from lss.notes.findings import findings_part, read_findings
from lss.project import layout
from lss.project.models import Run, base_run
from lss.project.params import Params, load_params
from lss.runtime.seeding import derive_seed, generator
from lss.runtime.torch_setup import set_deterministic
from lss.training.data import BatchLoader, Subsets
from lss.training.loop import LoopSettings, train
from lss.training.report_task import plain_words
from lss.training.task import Setup

KEPT = Path("results/benchmarks/report_generator")
SAMPLES, TEMPERATURE = 12, 0.7
SHARES = (0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5)
CPU = torch.device("cpu")


def shards_of(params: Params) -> dict[str, list[Path]]:
    batches = layout.batch_names(params.cohort.batches)
    return {subset: [Path(layout.SHARD.format(subset=subset, batch=batch)) for batch in batches]
            for subset in layout.SUBSETS}  # fmt: skip


def train_arms(params: Params, backbone: str, repeat: int, arms: list[Arm]) -> None:
    """Train the arms one after the other from the same weights, and keep what they write."""
    KEPT.mkdir(parents=True, exist_ok=True)
    data = Subsets(shards_of(params), 0)
    seen: dict[str, Seen] = {}
    for arm in arms:
        path = KEPT / f"{backbone}-{arm.name}-{repeat}.json"
        if path.exists():
            continue
        set_deterministic(1, CPU)
        seed = derive_seed(params.seed, "train", backbone, "report", repeat)
        torch.manual_seed(seed)
        weights = Path(layout.WEIGHTS.format(backbone=backbone))
        loaded = load_backbone(backbone, weights, quantise=params.train.qlora.quantise, device=CPU, dtype=torch.float32)
        built_on = base_run(params.train, Run(backbone, "report", params.train.report.losses[0]))
        segmentation = Path(layout.MODEL.format(**built_on._asdict())) if built_on else None
        setup = Setup(loaded, params.train, params.train.report.losses[0], seed, CPU, segmentation, weights,
                      params.execution)  # fmt: skip
        sizes = (loaded.image_size, params.train.mask_size)
        if not seen:
            seen |= looked(setup, data, sizes)
            torch.manual_seed(seed)
            loaded = load_backbone(backbone, weights, quantise=params.train.qlora.quantise, device=CPU,
                                   dtype=torch.float32)  # fmt: skip
            setup = Setup(loaded, params.train, setup.loss, seed, CPU, segmentation, weights, params.execution)
        task = build_arm(setup, arm, seen)
        began = time.perf_counter()
        history = fitted(task, params, data, sizes, seed)
        seconds = time.perf_counter() - began
        texts = {subset: written(task, seen[subset], Decoding(), seed) for subset in ("val", "test")}
        kept: dict[str, Any] = {"arm": arm.name, "backbone": backbone, "repeat": repeat, "seconds": seconds,
                                "nll": history[-1]["val_nll"], "texts": texts}  # fmt: skip
        kept["relieved"] = {subset: relieved(task, seen[subset], texts[subset]) for subset in texts}
        kept["written"] = time.perf_counter() - began - seconds
        if arm.name in ("as is",):
            kept["samples"] = {subset: [written(task, seen[subset], Decoding("sample", temperature=TEMPERATURE), draw)
                                        for draw in range(SAMPLES)] for subset in ("val", "test")}  # fmt: skip
        path.write_text(json.dumps(kept))
        print(backbone, arm.name, repeat, f"{seconds:.0f} s, writing {kept['written']:.0f} s, in all "
              f"{time.perf_counter() - began:.0f} s, validation NLL {kept['nll']:.4f}", flush=True)  # fmt: skip


def looked(setup: Setup, data: Subsets, sizes: tuple[int, int]) -> dict[str, Seen]:
    from lss.training.report_task import build

    network = build(setup).module.eval()
    return {subset: look(network, BatchLoader(data.samples(subset, *sizes), 16, None).batches())
            for subset in layout.SUBSETS}  # fmt: skip


def fitted(task: ArmTask, params: Params, data: Subsets, sizes: tuple[int, int], seed: int) -> list[dict[str, float]]:
    of_task = params.train.report
    with tempfile.TemporaryDirectory() as folder:
        course = train(
            task,
            BatchLoader(data.samples("train", *sizes), params.train.micro_batch_size, seed),
            BatchLoader(data.samples("val", *sizes), params.train.micro_batch_size, None),
            LoopSettings(
                of_task.epochs, of_task.patience, params.train.batch_size // params.train.micro_batch_size,
                params.train.schedule, params.train.gradient_clip, False, CPU, checkpoint_seconds=1e9,
            ),
            state=Path(folder) / "state", key="", epochs_csv=Path(folder) / "epochs.csv",
        )  # fmt: skip
    return course.history


def written(task: ArmTask, seen: Seen, how: Decoding, seed: int) -> dict[str, str]:
    """Reports of a subset by slice key, 128 at once."""
    keys, texts = list(seen.rows), dict[str, str]()
    for first in range(0, len(keys), 128):
        part = keys[first : first + 128]
        streams = [generator(seed, "report", key) for key in part]
        texts |= dict(zip(part, task.module.write(task.evidence_of(part), how, streams), strict=True))
    return texts


def relieved(task: ArmTask, seen: Seen, texts: dict[str, str]) -> dict[str, str]:
    """The reports without the sentences that the finding head does not expect, as with `predict.unsupported: drop`."""
    keys = list(seen.rows)
    chances_BF = task.module.finding_chances(task.evidence_of(keys))
    return {
        key: supported(texts[key], seen.rows[key]["level"], of)[0] for key, of in zip(keys, chances_BF, strict=True)
    }


def head_grades(params: Params, backbone: str, subset: str) -> dict[str, str]:
    """Grade of each slice by the trained classification model of the backbone."""
    path = KEPT / f"{backbone}-head-{subset}.json"
    if not path.exists():
        run = Run(backbone, "classification", params.train.classification.losses[0])
        folder, weights = Path(layout.MODEL.format(**run._asdict())), Path(layout.WEIGHTS.format(backbone=backbone))
        network, card = load_network(folder, weights, CPU)
        samples = Subsets(shards_of(params), 0).samples(subset, card.image_size, read_card(folder).network["mask_size"])
        grades = dict[str, str]()
        for batch in BatchLoader(samples, 16, None).batches():
            with torch.no_grad():
                result = network(batch.image_B1YX, batch.grade_B, batch.query_B3).logits.argmax(dim=1)
            grades |= {row["slice_key"]: GRADES[g] for row, g in zip(batch.rows, result.tolist(), strict=True)}
        path.write_text(json.dumps(grades))
    return dict(json.loads(path.read_text()))


class Part:
    """Cases of a subset, and scores of texts for them."""

    def __init__(self, params: Params, subset: str) -> None:
        samples = Subsets(shards_of(params), 0).samples(subset, 8, 8)
        self.rows = [samples[~place, 0] for place in range(len(samples))]
        self.keys = [row["slice_key"] for row in self.rows]
        self.levels = [row["level"] for row in self.rows]
        self.references = [findings_part(row["report"]) for row in self.rows]
        evaluate = params.evaluate
        self.bootstrap = PatientBootstrap(
            [row["patient_key"] for row in self.rows], evaluate.bootstrap_draws, evaluate.confidence, params.seed
        )

    def score(self, texts: list[list[str]]) -> dict[str, np.ndarray]:
        """Means over repeats, per case."""
        parts = [[findings_part(text) for text in of_one] for of_one in texts]
        result = [score_findings(of_one, self.references, self.levels) for of_one in parts]
        words = [plain_words(text) for text in self.references]
        ciders = [np.asarray(cider_d([plain_words(text) for text in of_one], words)) for of_one in parts]
        return {name: np.mean([of_one[name] for of_one in result], axis=0) for name in result[0]} | {
            "cider": np.mean(ciders, axis=0)
        }


def likely_findings(texts: list[str], level: str | None, share: float) -> str:
    """A sentence, the commonest, for each structure that more than a share of the texts state, or deny."""
    saying: dict[tuple[str, bool], list[str]] = defaultdict(list)
    for text in texts:
        for sentence in sentences_of(text):
            for finding in {(of.structure, of.negated) for of in read_findings(sentence, level)}:
                saying[finding].append(sentence)
    return " ".join(dict.fromkeys(commonest(stated) for stated in saying.values() if len(stated) > share * len(texts)))


def central(texts: list[str], level: str | None) -> str:
    """The text with the best mean report score against all, the alphabetically first of equals."""
    names = sorted(set(texts))
    means = [score_findings([name] * len(texts), texts, [level] * len(texts))["finding_score"].mean() for name in names]
    return names[int(np.argmax(means))]


def rivals(params: Params, backbone: str, parts: dict[str, Part]) -> dict[str, dict[str, list[str]]]:
    """Texts of the tables for each subset."""
    training = TrainingReports()
    keys = {subset: [(row["level"], head_grades(params, backbone, subset)[row["slice_key"]]) for row in part.rows]
            for subset, part in parts.items()}  # fmt: skip
    centre = {key: central(texts, key[0]) for key, texts in training.texts.items()}
    by_share = {
        share: {
            subset: [likely_findings(training.texts.get(key, []), key[0], share) for key in of]
            for subset, of in keys.items()
        }
        for share in SHARES
    }
    best = max(SHARES, key=lambda share: parts["val"].score([by_share[share]["val"]])["finding_score"].mean())
    print(
        f"{backbone}: likely findings are those of a share above {best}, chosen on the validation part", file=sys.stderr
    )
    return {
        "commonest text": {s: [training.commonest_text(key) for key in of] for s, of in keys.items()},
        "majority findings": by_share[0.5],
        "likely findings": by_share[best],
        "central text": {s: [centre.get(key) or training.commonest_text(key) for key in of] for s, of in keys.items()},
    }


def consensus(samples: list[str], level: str | None) -> str:
    """Of several texts the one with the best mean report score against the others (minimum Bayes risk)."""
    parts = [findings_part(text) for text in samples]
    means = [score_findings([part] * len(parts), parts, [level] * len(parts))["finding_score"].sum() for part in parts]
    return samples[int(np.argmax(means))]


def table(params: Params) -> None:
    """Print validation and test scores of all arms and rivals, and how far the arms are above them."""
    parts = {subset: Part(params, subset) for subset in ("val", "test")}
    for subset, part in parts.items():
        print(f"\n{subset}: {len(part.rows)} images\n")
        print("| backbone | system | report score | CIDEr-D | precision | recall | invented | score above as is "
              "| score above likely findings | score above central text | CIDEr-D above commonest text |")  # fmt: skip
        print("| --- | --- " + "| ---: " * 9 + "|")
        for backbone in params.train.backbones:
            texts: dict[str, list[list[str]]] = {
                name: [of[subset]] for name, of in rivals(params, backbone, parts).items()
            }
            for path in sorted(KEPT.glob(f"{backbone}-*-[0-9].json")):
                kept = json.loads(path.read_text())
                texts.setdefault(kept["arm"], []).append([kept["texts"][subset][key] for key in part.keys])
                if "relieved" in kept:
                    texts.setdefault(f"{kept['arm']}, unsupported left out", []).append(
                        [kept["relieved"][subset][key] for key in part.keys]
                    )
                if "samples" in kept:
                    for count in (4, SAMPLES):
                        draws = kept["samples"][subset][:count]
                        texts.setdefault(f"{kept['arm']}, consensus of {count}", []).append(
                            [
                                consensus([d[k] for d in draws], level)
                                for k, level in zip(part.keys, part.levels, strict=True)
                            ]
                        )
            scores = {name: part.score(of) for name, of in texts.items()}
            for name, of in scores.items():
                gaps = [
                    "" if name == other or other not in scores else
                    "{0.value:+.3f} ({0.low:+.3f} to {0.high:+.3f})".format(
                        part.bootstrap.mean(of[metric] - scores[other][metric]))
                    for metric, other in (("finding_score", "as is"), ("finding_score", "likely findings"),
                                          ("finding_score", "central text"), ("cider", "commonest text"))
                ]  # fmt: skip
                agreed, invented, missed = (of[n].sum() for n in ("agreed", "invented", "missed"))
                score, consensus_score = of["finding_score"].mean(), of["cider"].mean()
                print(
                    f"| {backbone} | {name} ({len(texts[name])}) | {score:.3f} | {consensus_score:.3f} "
                    f"| {agreed / max(agreed + invented, 1):.3f} | {agreed / max(agreed + missed, 1):.3f} "
                    f"| {of['invented'].mean():.2f} | {' | '.join(gaps)} |",
                    flush=True,
                )


def main() -> None:
    params = load_params()
    if sys.argv[1:2] == ["train"]:
        arms = [ARMS[name] for name in sys.argv[4:]] or list(ARMS.values())
        train_arms(params, sys.argv[2], int(sys.argv[3]), arms)
    else:
        table(params)


if __name__ == "__main__":
    main()

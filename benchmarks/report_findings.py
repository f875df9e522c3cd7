"""Generated findings against tables that see no image but the head's grade, and what abstaining would change.

    python benchmarks/report_findings.py

Needs a finished run. Only the findings part of each report is scored, without the severity sentence. Rivals of the
generator, all from training reports of the same disc level and the grade that the backbone's own head gives:

- commonest text: the most frequent one, word for word;
- majority findings: one sentence for each structure that more than half of those reports state.

Abstaining drops the sentences of a generated report that state a finding which fewer than a share of those training
reports state. It is a filter over finished texts. All thresholds tried are printed, and none was chosen on other data.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict

import numpy as np

from lss.metrics.bootstrap import PatientBootstrap
from lss.metrics.language import cider_d
from lss.metrics.report_score import score_findings
from lss.notes.findings import findings_part, read_findings
from lss.project import layout
from lss.project.models import model_runs
from lss.project.params import load_params
from lss.storage.io import read_parquet
from lss.storage.schemas import CLASSIFICATION, REPORT
from lss.storage.shards import ShardReader
from lss.training.report_task import plain_words

SHARES = (0.2, 0.35, 0.5)
Key = tuple[str | None, str]


class TrainingReports:
    """Findings parts of the training reports, one per slice, by disc level and grade."""

    def __init__(self) -> None:
        batches = layout.batch_names(load_params().cohort.batches)
        columns = ["copy", "level", "grade", "report"]
        reader = ShardReader([layout.SHARD.format(subset="train", batch=batch) for batch in batches], columns)
        self.texts: dict[Key, list[str]] = defaultdict(list)
        for row in reader.iterate(range(len(reader))):
            if row["copy"] == 1:
                self.texts[row["level"], row["grade"]].append(findings_part(row["report"]))
        self.shares: dict[Key, dict[str, float]] = {}
        self.sentences: dict[Key, dict[str, str]] = {}
        for key, texts in self.texts.items():
            stating: dict[str, list[str]] = defaultdict(list)
            for text in texts:
                for sentence in sentences_of(text):
                    for structure in stated(sentence, key[0]):
                        stating[structure].append(sentence)
            self.shares[key] = {structure: len(texts_of) / len(texts) for structure, texts_of in stating.items()}
            self.sentences[key] = {structure: commonest(texts_of) for structure, texts_of in stating.items()}

    def commonest_text(self, key: Key) -> str:
        return commonest(self.texts.get(key, [""]))

    def majority_findings(self, key: Key) -> str:
        kept = [self.sentences[key][s] for s, share in self.shares.get(key, {}).items() if share > 0.5]
        return " ".join(dict.fromkeys(kept))

    def abstained(self, text: str, key: Key, share: float) -> str:
        known = self.shares.get(key, {})
        kept = [s for s in sentences_of(text) if all(known.get(f, 0.0) >= share for f in stated(s, key[0]))]
        return " ".join(kept)


def sentences_of(text: str) -> list[str]:
    return re.split(r"(?<=\.)\s+", text)


def stated(sentence: str, level: str | None) -> set[str]:
    return {finding.structure for finding in read_findings(sentence, level) if not finding.negated}


def commonest(texts: list[str]) -> str:
    return min(Counter(texts).items(), key=lambda pair: (-pair[1], pair[0]))[0]


def main() -> None:
    params = load_params()
    training = TrainingReports()
    runs = model_runs(params.train)
    print("| backbone | system | report score | CIDEr-D | precision | recall | invented | score less the generator's |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |")
    for run in (run for run in runs if run.task == "report"):
        rows = read_parquet(layout.PREDICTIONS.format(**run._asdict()), REPORT).to_pylist()
        head = next(other for other in runs if (other.backbone, other.task) == (run.backbone, "classification"))
        graded = read_parquet(layout.PREDICTIONS.format(**head._asdict()), CLASSIFICATION).to_pylist()
        grades = {row["slice_key"]: row["predicted"] for row in graded}
        keys = [(row["level"], grades[row["slice_key"]]) for row in rows]
        written = [findings_part(row["report"]) for row in rows]
        reference = [findings_part(row["reference"]) for row in rows]
        levels = [row["level"] for row in rows]
        systems = {
            "generator": written,
            "commonest text": [training.commonest_text(key) for key in keys],
            "majority findings": [training.majority_findings(key) for key in keys],
        } | {
            f"abstaining below {share}": [
                training.abstained(text, key, share) for text, key in zip(written, keys, strict=True)
            ]
            for share in SHARES
        }
        bootstrap = PatientBootstrap(
            [row["patient_key"] for row in rows],
            params.evaluate.bootstrap_draws,
            params.evaluate.confidence,
            params.seed,
        )
        own = score_findings(written, reference, levels)["finding_score"]
        for name, texts in systems.items():
            scores = score_findings(texts, reference, levels)
            agreed, invented, missed = (float(scores[part].sum()) for part in ("agreed", "invented", "missed"))
            consensus = float(np.mean(cider_d([plain_words(t) for t in texts], [plain_words(r) for r in reference])))
            gap = bootstrap.mean(scores["finding_score"] - own)
            difference = "" if name == "generator" else f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
            print(f"| {run.backbone} | {name} | {scores['finding_score'].mean():.3f} | {consensus:.3f} "
                  f"| {agreed / max(agreed + invented, 1):.3f} | {agreed / max(agreed + missed, 1):.3f} "
                  f"| {scores['invented'].mean():.2f} | {difference} |")  # fmt: skip


if __name__ == "__main__":
    main()

"""Does the augmentation give the grade away? Grades told from sharpness and noise alone, before and after balancing.

    python benchmarks/augmentation.py

Needs the stages up to pseudo_mask of the settings in params.yaml (`snakemake --cores 2 shards_all`). The training part
is written three times into a temporary folder: unchanged (every slice once, as it is), balanced by one law (as the
stage does), and balanced as it once was (originals, and copies of the rarer grades only). Four figures are taken of
each image that know nothing of anatomy; a logistic regression tells the grade from them, in folds by patient. Printed
is the area under the ROC curve, mean over pairs of grades, with the 95 % interval over patients of its difference.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lss.domain.grades import GRADES
from lss.imaging.noise import estimate_sigma
from lss.project import layout
from lss.project.params import load_params
from lss.stages import shards as stage
from lss.storage.shards import ShardReader, decode_image

DRAWS = 1000
PLAIN = {"rotation_deg": 0.0, "zoom": 0.0, "contrast": 0.0, "flip": False}


def figures(image: np.ndarray) -> list[float]:
    """Sharpness and noise of an image, whatever it shows: high-frequency share, Laplacian, gradient, noise."""
    floats = image.astype(np.float32)
    spread = float(floats.std()) + 1e-6
    spectrum = np.abs(np.fft.fftshift(np.fft.fft2(floats - floats.mean()))) ** 2
    row, column = np.indices(spectrum.shape)
    radius = np.hypot(row / spectrum.shape[0] - 0.5, column / spectrum.shape[1] - 0.5)
    high = spectrum[radius > 0.35].sum() / spectrum[radius > 0.15].sum()
    laplacian = np.abs(cv2.Laplacian(floats, cv2.CV_32F)).mean() / spread
    gradient = np.percentile(np.hypot(cv2.Sobel(floats, cv2.CV_32F, 1, 0), cv2.Sobel(floats, cv2.CV_32F, 0, 1)), 95)
    return [float(np.log(high)), float(np.log(laplacian)), gradient / spread, estimate_sigma(image) / spread]


def written(folder: Path, changes: Mapping[str, object], only: str = "train") -> list[dict]:
    """Rows of the training part under changed settings: figures, grade, patient, slice, copy."""
    params = load_params()
    settings = params.shards.model_copy(update=changes)
    rows = []
    for batch in layout.batch_names(params.cohort.batches):
        paths = {subset: folder / f"{subset}-{batch}.parquet" for subset in layout.SUBSETS}
        patterns = {"slices": layout.SLICES, "denoised": layout.DENOISED, "masks": layout.PSEUDO_MASKS}
        named: dict[str, Any] = {name: Path(pattern.format(batch=batch)) for name, pattern in patterns.items()}
        stage.run(settings, params.seed, batch=batch, split=Path(layout.SPLIT_BATCH.format(batch=batch)), shards=paths,
                  manifest=folder / "manifest.json", **named)  # fmt: skip
        reader = ShardReader([paths[only]], ["image", "grade", "patient_key", "slice_key", "copy"])
        for row in reader.iterate(range(len(reader))):
            rows.append(row | {"figures": figures(decode_image(row.pop("image")["bytes"]))})
    return rows


def grade_probabilities(rows: list[dict]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Out-of-fold probabilities of the grades (N, 3), true grades (N,), patients (N,)."""
    features = np.array([row["figures"] for row in rows])
    truth = np.array([GRADES.index(row["grade"]) for row in rows])
    patients = np.array([row["patient_key"] for row in rows])
    model = make_pipeline(StandardScaler(), LogisticRegression(class_weight="balanced", max_iter=1000))
    folds = GroupKFold(5)
    return cross_val_predict(model, features, truth, groups=patients, cv=folds, method="predict_proba"), truth, patients


def auc(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """Mean over pairs of grades (Hand and Till); NaN where one is missing."""
    if len(np.unique(truth)) < len(GRADES):
        return float("nan")
    return float(roc_auc_score(truth, probabilities, multi_class="ovo", labels=range(len(GRADES))))


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        originals = written(folder, PLAIN | {"balance": False})
        balanced = written(folder, {"balance": True})
    copied = [row for row in balanced if row["copy"] > 1]
    sets = {
        "originals": originals,
        "balanced by one law": balanced,
        "balanced by copies of the rarer grades (before)": [*originals, *copied],
    }
    scores = {kind: grade_probabilities(rows) for kind, rows in sets.items()}
    patients = np.unique(scores["originals"][2])
    random = np.random.default_rng(0)
    draws: dict[str, list[float]] = {kind: [] for kind in sets}
    for _ in range(DRAWS):
        chosen = random.choice(patients, len(patients))
        for kind, (probabilities, truth, of) in scores.items():
            places = np.concatenate([np.flatnonzero(of == patient) for patient in chosen])
            draws[kind].append(auc(probabilities[places], truth[places]))
    print("| training part | images | AUC of the grade | difference from the originals |\n| --- | ---: | ---: | ---: |")
    for kind, (probabilities, truth, _) in scores.items():
        gap = np.array(draws[kind]) - draws["originals"]
        low, high = np.nanpercentile(gap, (2.5, 97.5))
        value = auc(probabilities, truth)
        difference = f"{value - auc(*scores['originals'][:2]):+.3f} ({low:+.3f} to {high:+.3f})"
        print(f"| {kind} | {len(truth)} | {value:.3f} | {'' if kind == 'originals' else difference} |")
    print(f"{len(patients)} patients.", file=sys.stderr)


if __name__ == "__main__":
    main()

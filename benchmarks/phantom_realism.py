"""How well simple features tell the phantom's slices from real ones: AUC of a logistic regression, by plane.

    python benchmarks/phantom_realism.py FOLDER [--patients 12]

FOLDER holds `axial_t2/*.png` and `sagittal_t2/*.png`, 8-bit slices of real patients. An AUC of 0.5 is chance and
1.0 tells every slice. The features: grey levels, slopes, noise, power spectrum.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import cv2
import numpy as np
import pydicom
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from lss.phantom import archive

SEED = 20250
SIDE = 320


def scaled(image: np.ndarray) -> np.ndarray:
    """The slice at SIDE x SIDE with its minimum and maximum at 0 and 255, float64."""
    small = cv2.resize(image.astype(np.float32), (SIDE, SIDE), interpolation=cv2.INTER_AREA).astype(float)
    return np.rint((small - small.min()) / max(float(np.ptp(small)), 1.0) * 255)


def features(image: np.ndarray) -> dict[str, np.ndarray]:
    """Groups of simple features of an image from `scaled`."""
    slope = np.hypot(*np.gradient(image))
    detail = image - cv2.GaussianBlur(image, (0, 0), 1.0)
    spectrum = np.abs(np.fft.fftshift(np.fft.fft2(image - image.mean()))) ** 2
    radius = np.hypot(*(np.mgrid[:SIDE, :SIDE] - SIDE // 2))
    rings = [np.log(spectrum[(radius >= low) & (radius < 1.5 * low)].mean()) for low in (4, 9, 20, 45, 100)]
    return {
        "grey levels": np.percentile(image, [10, 25, 50, 75, 90, 97, 99.5]),
        "slopes": np.percentile(slope, [25, 50, 75, 90, 99]),
        "noise": np.array([np.median(np.abs(detail)), np.abs(detail).mean(), detail.std()]),
        "spectrum": np.array(rings),
    }


def auc(real: np.ndarray, ours: np.ndarray, groups: np.ndarray) -> float:
    """AUC on patients (of the phantom) and slices (real) that the regression did not see."""
    values, labels = np.vstack([real, ours]), np.r_[np.zeros(len(real)), np.ones(len(ours))]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))
    scores = cross_val_predict(model, values, labels, groups=groups, cv=GroupKFold(5), method="decision_function")
    return float(roc_auc_score(labels, scores))


def main() -> None:
    """Draw patients, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=12)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plans, _ = archive.plan_cohort(48, SEED)
        for plan in plans[: args.patients]:
            archive.write_patient(plan, Path(folder), SEED)
        for plane, series in (("axial_t2", "T2_TSE_TRA*"), ("sagittal_t2", "T2_TSE_SAG*")):
            files = sorted(Path(folder).glob(f"*/*/*/{series}/*.ima"))
            pictures = sorted((args.folder / plane).glob("*.png"))
            if not pictures:
                raise SystemExit(f"{args.folder / plane}: no PNG files; see --help for what FOLDER holds")
            ours = [features(scaled(pydicom.dcmread(file).pixel_array)) for file in files]
            real = [features(scaled(np.asarray(Image.open(p).convert("L")))) for p in pictures]
            names = [p.name for p in pictures] + [file.parents[2].name for file in files]
            groups = np.unique(names, return_inverse=True)[1]
            print(f"{plane}: {len(real)} real, {len(ours)} phantom slices")
            for name in (*ours[0], "all"):
                kinds = list(ours[0]) if name == "all" else [name]
                tables = [np.array([np.concatenate([row[k] for k in kinds]) for row in rows]) for rows in (real, ours)]
                print(f"  {name:<12} AUC {auc(*tables, groups):.3f}")


if __name__ == "__main__":
    main()

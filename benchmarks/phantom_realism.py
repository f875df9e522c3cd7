"""How well simple features tell the phantom's slices from real ones: AUC of a logistic regression, by plane.

    python benchmarks/phantom_realism.py FOLDER [--patients 12] [--others FOLDER]

FOLDER holds `axial_t2/*.png` and `sagittal_t2/*.png`, 8-bit slices of real patients. An AUC of 0.5 is chance and
1.0 tells every slice. The features: grey levels, slopes, noise, power spectrum. With `--others`, mid-sagittal slices
of other patients from other scanners, real is compared with real as well: what an AUC of so few patients means.
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
from lss.runtime.seeding import generator

SEED = 20250
SIDE = 320
DRAWS = 500

Pictures = list[tuple[str, np.ndarray]]


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


def scores_of(real: np.ndarray, ours: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """How much each slice looks like the second kind, by a regression that did not see its group."""
    values, labels = np.vstack([real, ours]), np.r_[np.zeros(len(real)), np.ones(len(ours))]
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, class_weight="balanced", max_iter=2000))
    return cross_val_predict(model, values, labels, groups=groups, cv=GroupKFold(5), method="decision_function")


def auc_with_interval(real: np.ndarray, ours: np.ndarray, groups: np.ndarray) -> str:
    """AUC with the 95 % percentile interval over groups drawn with replacement."""
    scores = scores_of(real, ours, groups)
    labels = np.r_[np.zeros(len(real)), np.ones(len(ours))]
    draw = generator(SEED, "benchmark", "realism")
    members = [np.flatnonzero(groups == group) for group in np.unique(groups)]
    drawn: list[float] = []
    while len(drawn) < DRAWS:
        rows = np.concatenate([members[index] for index in draw.integers(0, len(members), len(members))])
        if 0 < labels[rows].sum() < len(rows):
            drawn.append(float(roc_auc_score(labels[rows], scores[rows])))
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{roc_auc_score(labels, scores):.3f} ({low:.3f} to {high:.3f})"


def compare(title: str, first: Pictures, second: Pictures) -> None:
    """Print the AUC of each group of features between two sets of pictures, given by name of group and grey levels."""
    sides = [[features(scaled(image)) for _, image in pictures] for pictures in (first, second)]
    groups = np.unique([name for name, _ in first + second], return_inverse=True)[1]
    print(f"{title}: {len(first)} and {len(second)} slices")
    for name in (*sides[0][0], "all"):
        kinds = list(sides[0][0]) if name == "all" else [name]
        tables = [np.array([np.concatenate([row[kind] for kind in kinds]) for row in side]) for side in sides]
        print(f"  {name:<12} AUC {auc_with_interval(tables[0], tables[1], groups)}", flush=True)


def pictures_in(folder: Path) -> Pictures:
    """PNG files of real slices, each a group of its own, since their patients are not known."""
    files = sorted(folder.glob("*.png"))
    if not files:
        raise SystemExit(f"{folder}: no PNG files; see --help for what FOLDER holds")
    return [(file.name, np.asarray(Image.open(file).convert("L"))) for file in files]


def main() -> None:
    """Draw patients, compare, print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--patients", type=int, default=12)
    parser.add_argument("--others", type=Path, help="PNG files of mid-sagittal T2 slices of other real patients")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        plans, _ = archive.plan_cohort(48, SEED)
        for plan in plans[: args.patients]:
            archive.write_patient(plan, Path(folder), SEED)
        ours: dict[str, Pictures] = {}
        for plane, series in (("axial_t2", "T2_TSE_TRA*"), ("sagittal_t2", "T2_TSE_SAG*")):
            files = sorted(Path(folder).glob(f"*/*/*/{series}/*.ima"))
            ours[plane] = [(file.parents[2].name, pydicom.dcmread(file).pixel_array) for file in files]
            compare(f"{plane}, real and phantom", pictures_in(args.folder / plane), ours[plane])
        if args.others:
            others = pictures_in(args.others)
            count = len(archive.SAGITTAL_T2_MM)
            middle = ours["sagittal_t2"][count // 2 :: count]
            compare("mid-sagittal T2, other real patients and phantom", others, middle)
            compare("sagittal T2, other real patients and the real ones above", others,
                    pictures_in(args.folder / "sagittal_t2"))  # fmt: skip


if __name__ == "__main__":
    main()

"""Which pictures look unlike the training's, by the vision tower's features and by two plain rivals.

    python benchmarks/familiarity.py [--model results/models/biomedclip] [--pictures FOLDER ...] [--spacing 0.6875]

The share of slices beyond the threshold: of the test part, of phantom patients of other seeds, of drawn body parts, of
altered lumbar phantoms, and of folders of PNG files. The rivals get the same machinery (the fifth nearest of 256
training images, the distance within which 98 % of the validation part's lie) on other features: a histogram of grey
levels, and the picture itself at 8 x 8 pixels. The last column says on which share a canal is found.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import cv2
import numpy as np
import torch
from PIL import Image

from lss.inference.bundle import Bundle, load_bundle
from lss.inference.preparation import SliceImage, prepare_slice
from lss.model.batch import image_tensor
from lss.model.familiarity import MAX_BEYOND, REFERENCES, Familiarity, features
from lss.phantom.archive import IMAGES, plan_cohort, write_patient
from lss.read.study import open_study
from lss.storage.io import read_parquet
from lss.storage.schemas import SHARD
from lss.storage.shards import decode_image

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests/read"))
from other_bodies import ALTERED, DRAWN, SPACING_MM

Features = Callable[[np.ndarray], torch.Tensor]


def tower_of(bundle: Bundle) -> Features:
    """The features of the model's own judge."""

    @torch.no_grad()
    def of(image: np.ndarray) -> torch.Tensor:
        tensor = image_tensor(image, bundle.card.image_size)[None, None].float()
        return features(bundle.network.encoder.patches(tensor.to(bundle.device))).cpu()[0]  # type: ignore[union-attr, operator]

    return of


def histogram(image: np.ndarray) -> torch.Tensor:
    """Square roots of the shares of 32 grey levels up to 1.3 times the 99th percentile."""
    counts = np.histogram(image / max(float(np.percentile(image, 99)), 1), 32, (0, 1.3))[0]
    return torch.from_numpy(np.sqrt(counts / image.size)).float()


def coarse(image: np.ndarray) -> torch.Tensor:
    """The picture at 8 x 8 pixels, in units of its 99th percentile."""
    scaled = image.astype(np.float32) / max(float(np.percentile(image, 99)), 1)
    return torch.from_numpy(cv2.resize(scaled, (8, 8), interpolation=cv2.INTER_AREA).ravel())


def images_of(subset: str) -> tuple[list[np.ndarray], list[str]]:
    """One image of each slice of the shards of a subset, and its patient."""
    seen: dict[str, tuple[np.ndarray, str]] = {}
    for path in sorted(Path("data/shards").glob(f"{subset}-*.parquet")):
        for row in read_parquet(path, SHARD, ["slice_key", "patient_key", "image"]).to_pylist():
            seen.setdefault(row["slice_key"], (decode_image(row["image"]["bytes"]), row["patient_key"]))
    return [image for image, _ in seen.values()], [patient for _, patient in seen.values()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("results/models/biomedclip"))
    parser.add_argument("--pictures", type=Path, nargs="*", default=[])
    parser.add_argument("--spacing", type=float, default=0.6875)
    parser.add_argument("--patients", type=int, default=10, help="phantom patients of another seed")
    parser.add_argument("--seed", type=int, default=991)
    args = parser.parse_args()
    torch.set_num_threads(1)
    bundle = load_bundle(next(args.model.glob("classification-*")), device="cpu")
    ways: dict[str, Features] = {"tower": tower_of(bundle), "histogram": histogram, "8 x 8": coarse}
    train, val = images_of("train")[0], images_of("val")[0]
    order = np.random.default_rng(0).permutation(len(train))
    chosen = [train[order[index % len(train)]] for index in range(REFERENCES)]
    judges = {}
    for name, way in ways.items():
        reference = torch.stack([way(image) for image in chosen])
        judge = judges[name] = Familiarity(reference.shape[1] // 2)
        judge.fit(reference, torch.stack([way(image) for image in val]))

    def row(kind: str, images: list[np.ndarray], patients: list[str] | None = None, canal: float | None = None) -> None:
        said = {name: judges[name].beyond(torch.stack([way(i) for i in images])).numpy() for name, way in ways.items()}
        cells = [f"{share.mean():.2f}" for share in said.values()]
        if patients is not None:
            for at, share in enumerate(said.values()):
                of = [share[np.array(patients) == one].mean() > MAX_BEYOND for one in dict.fromkeys(patients)]
                cells[at] += f" ({sum(of)} of {len(of)} patients)"
        print(
            f"| {kind} | {len(images)} | {' | '.join(cells)} | {'' if canal is None else f'{canal:.2f}'} |", flush=True
        )

    def prepared(pictures: list[np.ndarray], spacing: float) -> tuple[list[np.ndarray], float]:
        made = [prepare_slice(SliceImage("", one, (spacing, spacing)), bundle.preparation, "cpu") for one in pictures]
        return [one.image for one in made], float(np.mean([one.region.detected for one in made]))

    print(f"| pictures | slices | {' | '.join(ways)} | canal found |\n| --- | ---: | ---: | ---: | ---: | ---: |")
    row("test part", *images_of("test"))
    lumbar, patients = [], []
    with tempfile.TemporaryDirectory() as folder:
        for plan in plan_cohort(args.patients, args.seed)[0]:
            write_patient(plan, Path(folder), args.seed)
            own = [one.pixels for one in open_study(Path(folder) / IMAGES / f"{plan.number:04d}").axial]
            lumbar += own
            patients += [str(plan.number)] * len(own)
    images, found = prepared(lumbar, SPACING_MM)
    row(f"phantom, seed {args.seed}", images, patients, found)
    for kind, draw in DRAWN.items():
        images, found = prepared([draw(seed) for seed in range(10)], SPACING_MM)
        row(f"drawn {kind}", images, canal=found)
    for kind, change in ALTERED.items():
        images, found = prepared([change(one) for one in lumbar[:24]], SPACING_MM)
        row(f"lumbar phantom, {kind}", images, canal=found)
    for folder_of in args.pictures:
        files = sorted(folder_of.glob("*.png"))[:30]
        read = [np.asarray(Image.open(path).convert("L"), np.uint16) for path in files]
        images, found = prepared(read, args.spacing)
        row(folder_of.name, images, canal=found)


if __name__ == "__main__":
    main()

"""Which maps of where a grade comes from can be believed: every method against maps that look at no network.

    OMP_NUM_THREADS=1 python benchmarks/explanations.py [--models results/models/biomedclip] [--cohort TEXT]
                                                        [--output FOLDER] [--record FILE]

Images: of each test patient the slice with the smallest true canal (the middle one without a truth). The grade
explained is the one that the model finds most probable. Scores and tests: `lss/explanations/scores.py` and
`scoreboard.py`. For the planted shortcut the model is trained on, on marked images of the training part whose grade is
that of the mark and of nothing else; how often it then names the mark's grade, with marks and without, stands first.

Writes explanations.csv (a row per image and map), explanations.png (the maps on a few images), and the record that
`lss read --explain` reads: explanations.json beside the models.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure

from lss.domain.grades import GRADES
from lss.evaluation.cases import decode_mask
from lss.explanations import maps, scoreboard, scores, shortcut
from lss.imaging.geometry import FieldOfView
from lss.model.batch import image_tensor
from lss.model.network import ClassificationNetwork, SegmentationNetwork
from lss.model.prompt_bank import prompt_queries
from lss.read.models import load_models
from lss.runtime.progress import progress
from lss.runtime.seeding import generator
from lss.runtime.torch_setup import set_deterministic
from lss.storage.io import read_parquet, write_json
from lss.storage.schemas import TRUTH
from lss.storage.shards import ShardReader, decode_image

SEED = 1
NOISE = 0.02
"""Of the image that the map should stand, in [0, 1]; images of the phantom have about as much after denoising."""

STEPS, BATCH, LEARNING_RATE = 300, 16, 3e-3
"""Of the training on marks."""


def images_of(subset: str, size: int, truth: Path | None) -> list[dict[str, Any]]:
    """Originals (test) or first copies (train) of a subset: image (size, size), level, patient, and the true canal."""
    columns = ["slice_key", "patient_key", "level", "grade", "copy", "image", "source_sha256", "crop_row",
               "crop_column"]  # fmt: skip
    canals = {}
    if truth is not None:
        canals = {row["source_sha256"]: row["canal_mask"]["bytes"] for row in read_parquet(truth, TRUTH).select(
            ["source_sha256", "canal_mask"]).to_pylist()}  # fmt: skip
    reader = ShardReader(sorted(Path("data/shards").glob(f"{subset}-*.parquet")), columns)
    rows = []
    for row in reader.iterate(range(len(reader))):
        if subset == "train" and row["copy"] != 1:
            continue
        pixels = decode_image(row.pop("image")["bytes"])
        view = FieldOfView(row["crop_row"], row["crop_column"], *pixels.shape)
        mask = canals.get(row["source_sha256"])
        canal = None if mask is None else view.crop(decode_mask(mask))
        rows.append({**row, "image": image_tensor(pixels, size).float().numpy(), "canal": canal})
    return rows


def narrowest(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """One slice of each patient: that of the smallest true canal, without a truth the middle one."""
    patients: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        patients.setdefault(row["patient_key"], []).append(row)
    known = all(row["canal"] is not None for row in rows)
    return [min(own, key=lambda row: row["canal"].sum()) if known else own[len(own) // 2] for own in patients.values()]


def query_of(level: str | None) -> torch.Tensor:
    return prompt_queries([level])


def train_on_marks(network: ClassificationNetwork, rows: list[dict[str, Any]]) -> ClassificationNetwork:
    """The same network, trained on images whose grade is that of the mark: drawn for each image and step."""
    draw = generator(SEED, "explanations", "marks")
    trained = [
        parameter
        for name, parameter in network.named_parameters()
        if parameter.is_floating_point() and ("lora" in name or not name.startswith("encoder.backbone"))
    ]
    for parameter in trained:
        parameter.requires_grad_(True)
    optimiser = torch.optim.AdamW(trained, LEARNING_RATE)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LEARNING_RATE, STEPS)
    for _ in progress(range(STEPS), "steps on marks", unit="step"):
        chosen = [rows[index] for index in draw.integers(0, len(rows), BATCH)]
        grades, others = shortcut.decoys(BATCH, draw), shortcut.decoys(BATCH, draw)
        images = [
            shortcut.marked(row["image"], int(grade), int(other))
            for row, grade, other in zip(chosen, grades, others, strict=True)
        ]
        batch = torch.from_numpy(np.stack(images))[:, None]
        query = torch.cat([query_of(row["level"]) for row in chosen])
        logits = network(batch, torch.zeros(BATCH, dtype=torch.int64), query).logits
        loss = torch.nn.functional.cross_entropy(logits, torch.from_numpy(grades))
        optimiser.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(trained, 1.0)
        optimiser.step()
        schedule.step()
    return network.eval().requires_grad_(False)


def marked_images(rows: list[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], int, int]]:
    """Test images with marks: the row with the marked image, the mark's grade, the other mark's row."""
    draw = generator(SEED, "explanations", "marks of the test")
    grades, others = shortcut.decoys(len(rows), draw), shortcut.decoys(len(rows), draw)
    for row, grade, other in zip(rows, grades.tolist(), others.tolist(), strict=True):
        yield {**row, "image": shortcut.marked(row["image"], grade, other)}, grade, other


@torch.no_grad()
def named(network: ClassificationNetwork, row: dict[str, Any]) -> int:
    """The grade that a network finds most probable."""
    image = torch.from_numpy(row["image"])[None, None]
    logits = network(image, torch.zeros(1, dtype=torch.int64), query_of(row["level"])).logits
    return int(logits.argmax(dim=-1))


def score(row: dict[str, Any], networks: dict[str, Any]) -> tuple[list[dict[str, Any]], dict[str, maps.Map]]:
    """Scores of every map of one image, and the maps."""
    image, query = torch.from_numpy(row["image"])[None, None], query_of(row["level"])
    grade = named(networks["grader"], row)
    probability = scores.probability_of(networks["grader"], query, grade)
    draw = generator(SEED, "explanations", "noise", row["slice_key"])
    noisy = image + torch.from_numpy(draw.normal(0, NOISE, image.shape).astype(np.float32))
    shuffled = maps.methods_of(networks["shuffled grader"], networks["shuffled masker"])
    found = {
        name: (method(image, query, grade), method(noisy, query, grade), shuffled[name](image, query, grade))
        for name, method in maps.methods_of(networks["grader"], networks["masker"]).items()
    }
    rivals = {
        "centre": (maps.centre(image), maps.centre(noisy)),
        "edges": (maps.edges(image), maps.edges(noisy)),
        "noise": (maps.noise(image, draw), maps.noise(image, draw)),
    }
    rows = []
    for name, (own, again, *random) in {**found, **rivals}.items():
        deletion, insertion = scores.deletion_insertion(row["image"], own, probability)
        rows.append({
            "patient": row["patient_key"], "slice": row["slice_key"], "method": name, "grade": GRADES[grade],
            "deletion": deletion, "insertion": insertion, "road": scores.road(row["image"], own, probability),
            "inside": np.nan if row["canal"] is None else scores.share_inside(own, row["canal"]),
            "repeated": scores.similarity(own, again),
            "randomised": scores.similarity(own, random[0]) if random else np.nan,
        })  # fmt: skip
    return rows, {name: own for name, (own, *_) in {**found, **rivals}.items()}


def shortcut_scores(
    networks: tuple[ClassificationNetwork, SegmentationNetwork], row: dict[str, Any], grade: int, other: int
) -> dict[str, float]:
    """How much more of each map lies on the mark that tells the grade."""
    image, query = torch.from_numpy(row["image"])[None, None], query_of(row["level"])
    asked = named(networks[0], row)
    found = {name: method(image, query, asked) for name, method in maps.methods_of(*networks).items()}
    draw = generator(SEED, "explanations", "noise on marks", row["slice_key"])
    found |= {"centre": maps.centre(image), "edges": maps.edges(image), "noise": maps.noise(image, draw)}
    return {name: shortcut.shown(own, grade, other) for name, own in found.items()}


def sheet(shown: list[tuple[dict[str, Any], dict[str, maps.Map]]]) -> Figure:
    """The maps on a few images, a row each."""
    names = list(shown[0][1])
    figure = Figure(figsize=(1.5 * (len(names) + 1), 1.7 * len(shown)), layout="constrained")
    for panels, (row, of) in zip(figure.subplots(len(shown), len(names) + 1, squeeze=False), shown, strict=True):
        for panel, name in zip(panels, ["", *names], strict=True):
            panel.imshow(row["image"], cmap="gray", vmin=0, vmax=1)
            if name:
                panel.imshow(of[name], cmap="inferno", alpha=0.55, vmin=0, vmax=1)
            panel.set_axis_off()
            panel.set_title(scoreboard.LABELS[name].replace(" of the grade's prompts", "").replace(" (", "\n(")
                            if name else f"{row['level']}, {row['grade']}", fontsize=7)  # fmt: skip
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=Path("results/models/biomedclip"))
    parser.add_argument("--cohort", default="48 phantom patients, tiny random backbone")
    parser.add_argument("--commit", default="", help="of the run that trained the models")
    parser.add_argument("--output", type=Path, default=Path("results/explanations"))
    parser.add_argument("--record", type=Path, help="where the record goes; beside the models by default")
    args = parser.parse_args()
    set_deterministic(1, torch.device("cpu"))
    models = load_models(args.models, "cpu")
    grader, masker = models.grader.network, models.masker.network
    size = models.grader.card.image_size
    test = narrowest(images_of("test", size, Path("data/truth/phantom.parquet")))
    networks = {
        "grader": grader,
        "masker": masker,
        "shuffled grader": scores.randomised(grader, SEED),
        "shuffled masker": scores.randomised(masker, SEED),
    }
    args.output.mkdir(parents=True, exist_ok=True)
    rows: list[dict[str, Any]] = []
    shown: list[Any] = []
    for row in progress(test, "images", unit="image"):
        of_image, of_methods = score(row, networks)
        rows += of_image
        if len(shown) < 4 and row["grade"] != (shown[-1][0]["grade"] if shown else ""):
            shown.append((row, of_methods))
    sheet(shown).savefig(args.output / "explanations.png", dpi=110)
    fresh = load_models(args.models, "cpu").grader.network
    if not isinstance(fresh, ClassificationNetwork) or not isinstance(masker, SegmentationNetwork):
        raise SystemExit(f"{args.models}: grades and masks are not predicted by this project's networks")
    by_mark = train_on_marks(fresh, images_of("train", size, None))
    planted = list(marked_images(test))
    with_marks = float(np.mean([named(by_mark, row) == grade for row, grade, _ in planted]))
    without = float(np.mean([named(by_mark, row) == grade for row, (_, grade, _) in zip(test, planted, strict=True)]))
    print(f"trained on marks, the network names the mark's grade on {with_marks:.2f} of the images, without marks on "
          f"{without:.2f}")  # fmt: skip
    on_marks = {
        row["slice_key"]: shortcut_scores((by_mark, masker), row, grade, other)
        for row, grade, other in progress(planted, "marked images", unit="image")
    }
    for row in rows:
        row["shortcut"] = on_marks[row["slice"]][row["method"]]
    table = pd.DataFrame(rows).round(4)
    table.to_csv(args.output / "explanations.csv", index=False)
    judged = scoreboard.judge([{str(k): v for k, v in row.items()} for row in table.to_dict("records")])
    made = {
        "model": models.name, "cohort": args.cohort, "commit": args.commit, "day": date.today().isoformat(),
        "images": len(test), "patients": int(table["patient"].nunique()),
        "accuracy_with_marks": round(with_marks, 4), "accuracy_without_marks": round(without, 4),
    }  # fmt: skip
    record = scoreboard.record_of(judged, made)
    write_json(args.record or args.models / scoreboard.RECORD, record)
    print("\n".join(scoreboard.table(judged)))
    print(f"\n{scoreboard.verdict(record, models.name)}")


if __name__ == "__main__":
    main()

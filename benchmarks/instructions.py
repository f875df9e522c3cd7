"""What fixing the processor's instructions costs, and what differs without it: one training under several sets.

Needs shards and weights (`snakemake --cores 2 shards_all weights_all`); then, in the project's folder,
`python benchmarks/instructions.py [BACKBONE TASK LOSS]` (default: smolvlm segmentation pid_tversky).

torch's own kernels, oneDNN, MKL and OpenBLAS choose their arithmetic when they start, each by a variable of its own.
The sets are set in the environment of `lss train` and `lss predict`, and the same model is trained under each: CPU
seconds of the training (other work on the machine counts little), the largest difference of a weight, and how far
the test predictions are from those of the first set. Every set is trained twice: two runs of one set have to agree.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
from safetensors.numpy import load_file
from tabulate import tabulate

NAMES = ("ATEN_CPU_CAPABILITY", "ONEDNN_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS", "OPENBLAS_CORETYPE")
SETS = {
    "as the machine has them": None,
    "AVX2": ("avx2", "AVX2", "AVX2", "Haswell"),
    "SSE4": ("default", "SSE41", "SSE4_2", "Nehalem"),
}


def main(backbone: str, task: str, loss: str) -> None:
    """Train under each set twice, and print the table."""
    from _phantom_slices import machine

    print(f"{machine()}; {backbone}, {task}, {loss}")
    with tempfile.TemporaryDirectory(dir=".", prefix=".instructions-") as name:
        runs = {
            (of, again): train(Path(name).resolve() / f"{number}-{again}", values, backbone, task, loss)
            for again in (1, 2)
            for number, (of, values) in enumerate(SETS.items())
        }
        seconds = {of: min(cpu_seconds(runs[of, again], backbone, task, loss) for again in (1, 2)) for of in SETS}
        name_of_first = next(iter(SETS))
        first, base = runs[name_of_first, 1], seconds[name_of_first]
        rows = []
        for of in SETS:
            one, two = runs[of, 1], runs[of, 2]
            rows.append([of, f"{seconds[of]:.1f}", f"{seconds[of] / base:.2f}", digest(one) == digest(two),
                         f"{weights_differ(first, one):.1e}", predictions_differ(first, one)])  # fmt: skip
    header = ["instructions", "CPU s", "times the first", "twice the same bytes", "largest difference of a weight",
              "test images predicted otherwise"]  # fmt: skip
    print(tabulate(rows, header, tablefmt="github", disable_numparse=True))


def train(folder: Path, values: tuple[str, ...] | None, backbone: str, task: str, loss: str) -> Path:
    """Train and predict in `folder`, under a set of instructions; returns `folder`."""
    folder.mkdir(parents=True)
    (folder / "params.yaml").write_bytes(Path("params.yaml").read_bytes())
    (folder / "data").symlink_to(Path("data").resolve())
    environment = {name: value for name, value in os.environ.items() if name not in NAMES} | {"OMP_NUM_THREADS": "1"}
    environment |= dict(zip(NAMES, values, strict=True)) if values else {}
    for verb in ("train", "predict"):
        command = ["lss", verb, "--backbone", backbone, "--task", task, "--loss", loss]
        subprocess.run(command, cwd=folder, env=environment, check=True, stderr=subprocess.DEVNULL)
    return folder


def cpu_seconds(folder: Path, backbone: str, task: str, loss: str) -> float:
    """Return the CPU time that the training's manifest states."""
    manifest = json.loads((folder / f"results/manifests/train/{backbone}-{task}-{loss}.json").read_text())
    return float(manifest["process_seconds"])


def weights_of(folder: Path) -> Path:
    """Return the file of the trained weights."""
    return next(folder.glob("results/models/*/*/model.safetensors"))


def digest(folder: Path) -> str:
    """Return the SHA-256 of weights and predictions."""
    files = [weights_of(folder), next(folder.glob("results/predictions/*/*.parquet"))]
    return hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()


def weights_differ(one: Path, two: Path) -> float:
    """Return the largest difference of a trained weight."""
    first, second = load_file(weights_of(one)), load_file(weights_of(two))
    return max(float(np.abs(first[name].astype(np.float64) - second[name]).max()) for name in first)


def predictions_differ(one: Path, two: Path) -> str:
    """Return of how many test images the grade, mask or report is another one."""
    tables = [pq.read_table(next(folder.glob("results/predictions/*/*.parquet"))) for folder in (one, two)]
    answers = [name for name in ("predicted", "mask", "report") if name in tables[0].column_names]
    if not answers:
        sys.exit(f"no column of an answer among {tables[0].column_names}")
    first, second = (table.select(answers).to_pylist() for table in tables)
    return f"{sum(a != b for a, b in zip(first, second, strict=True))} of {len(first)}"


if __name__ == "__main__":
    main(*(sys.argv[1:] or ("smolvlm", "segmentation", "pid_tversky")))

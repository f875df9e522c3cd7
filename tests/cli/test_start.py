"""Commands that look at a run start at once: none of them imports what only training, reading or drawing needs."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from small_run import make_run

HEAVY = {"torch", "torchvision", "transformers", "peft", "open_clip", "timm", "monai", "sklearn", "skimage", "pandas",
         "matplotlib", "nibabel", "pydicom", "highdicom", "datasets"}  # fmt: skip
TABLE = "results/tables/table2_segmentation.csv"
PROGRAM = """
import json, sys
from typer.testing import CliRunner
from lss.cli import app
done = CliRunner().invoke(app, sys.argv[1:])
print(json.dumps([done.exit_code, done.output[:200], sorted({name.split(".")[0] for name in sys.modules})]))
"""


def imported(folder: Path, *arguments: str) -> set[str]:
    """Packages that a process of its own has imported after `lss` with these arguments."""
    done = subprocess.run([sys.executable, "-c", PROGRAM, *arguments], cwd=folder, capture_output=True, text=True)
    code, errors, packages = json.loads(done.stdout.splitlines()[-1])
    assert code == 0, errors
    return set(packages)


@pytest.fixture(scope="module")
def finished(project_root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("finished")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        make_run(project_root, folder)
    return folder


@pytest.mark.parametrize(
    "arguments",
    [("--help",), ("--version",), ("train", "--help"), ("verify",), ("why", TABLE, "--row", "1")],
    ids=" ".join,
)
def test_nothing_heavy_is_imported(finished: Path, arguments: tuple[str, ...]) -> None:
    assert imported(finished, *arguments) & HEAVY == set()


def test_changes_imports_nothing_heavy_beside_snakemake(project_root: Path) -> None:
    packages = imported(project_root, "changes")
    assert packages & HEAVY == set() and "snakemake" not in packages  # which is asked in a process of its own


def test_what_is_looked_for_would_be_found(finished: Path) -> None:
    """The names above are those under which a stage that needs them has imported them."""
    program = (
        "import sys, lss.cli, lss.stages.predict, lss.stages.figures; print(*{n.split('.')[0] for n in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=finished, capture_output=True, text=True, check=True)
    assert {"torch", "matplotlib"} <= set(done.stdout.split())

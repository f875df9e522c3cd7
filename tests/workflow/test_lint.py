"""Snakemake's own linter has nothing to say, and the environment that rules name installs the project with its pins."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml
from project_copy import BIN, run


def test_the_linter_is_content(project_root: Path) -> None:
    output = run(project_root, str(BIN / "snakemake"), "--lint")  # raises on a status other than 0
    assert "your workflow is in a good condition" in output


def test_the_environment_of_the_rules_fits_the_package(project_root: Path) -> None:
    environment = yaml.safe_load((project_root / "workflow/envs/lss.yaml").read_text())
    (python,) = [name for name in environment["dependencies"] if name.startswith("python=")]
    required = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]["requires-python"]
    least, given = (tuple(map(int, text.split("."))) for text in (required.removeprefix(">="), python[7:]))
    assert given >= least
    script = (project_root / "workflow/envs/lss.post-deploy.sh").read_text()
    assert "-c requirements.txt -e ." in script
    named = [path for path in (project_root / "workflow/rules").glob("*.smk") if "\nrule " in path.read_text()]
    assert named and all('conda: "../envs/lss.yaml"' in path.read_text() for path in named)

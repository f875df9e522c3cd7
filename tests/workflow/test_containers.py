"""Dockerfile and Apptainer recipe: the pins of requirements.txt, one set of packages, no host of a registry."""

from __future__ import annotations

import fnmatch
import getpass
import os
import pwd
import re
import shutil
import subprocess
import tomllib
from pathlib import Path

import pytest

FILES = ("Dockerfile", "apptainer.def")


def words(project_root: Path, name: str) -> str:
    """The file without comments, continued lines joined."""
    lines = (project_root / name).read_text().replace("\\\n", " ").splitlines()
    return "\n".join(re.sub(r"\s+", " ", line) for line in lines if not line.lstrip().startswith("#"))


@pytest.mark.parametrize("name", FILES)
def test_the_image_installs_the_pins(project_root: Path, name: str) -> None:
    text = words(project_root, name)
    (asked,) = re.findall(r"uv pip install .*? -c requirements\.txt -e '\.\[(.+?)\]'", text)
    extras = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    pins = re.findall(r"^([\w.-]+)==", (project_root / "requirements.txt").read_text(), flags=re.M)
    pinned = {re.sub("[-_.]+", "-", pin).lower() for pin in pins}
    for extra in asked.split(","):
        assert {re.sub("[-_.]+", "-", package) for package in extras[extra]} <= pinned
    assert "--torch-backend=cpu" in text  # on the index, torch's own name means the CUDA build


def test_both_recipes_make_the_same(project_root: Path) -> None:
    docker, apptainer = (words(project_root, name) for name in FILES)
    assert re.findall(r"^From: (.+)$", apptainer, flags=re.M) == [
        image.replace("${PYTHON}", re.findall(r"ARG PYTHON=(.+)", docker)[0].strip())
        for image in re.findall(r"^FROM (\S+)", docker, flags=re.M)
    ]
    for argument in ("TORCH", "UV"):
        assert re.findall(rf"^ARG {argument}=(.+)$", docker, flags=re.M) == re.findall(
            rf"^ {argument}=(.+)$", apptainer, flags=re.M
        )
    installs = [
        re.findall(r"apt-get install -y --no-install-recommends ([a-z0-9 ]+?) *(?:&&|$)", text, flags=re.M)
        for text in (docker, apptainer)
    ]
    assert installs[0] == installs[1] and len(installs[0]) == 1
    extras = [re.findall(r"-e '\.\[(.+?)\]'", text) for text in (docker, apptainer)]
    assert extras[0] == extras[1]


@pytest.mark.parametrize("name", FILES)
def test_no_host_is_named(project_root: Path, name: str) -> None:
    """Images by their plain names, packages from whatever index the builder has."""
    text = (project_root / name).read_text()
    assert not re.search(r"https?://|index-url|find-links|\b[\w-]+\.(?:io|com|org|net)/", text)


def test_a_user_without_a_name_can_run(project_root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`--user 1234` is in no list of users: Snakemake ends with KeyError where no variable names one."""
    text = words(project_root, "Dockerfile")
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", {}.__getitem__)
    with pytest.raises((KeyError, OSError)):
        getpass.getuser()
    for name, value in re.findall(r"\b([A-Z_]+)=(\S+)", "\n".join(re.findall(r"^ENV (.+)$", text, flags=re.M))):
        monkeypatch.setenv(name, value)
    assert getpass.getuser() == "lss" and Path(os.environ["HOME"]) == Path("/tmp")


def test_nothing_but_code_goes_into_an_image(project_root: Path) -> None:
    """No data, results, weights, history: by the rules of .dockerignore, of which the last that fits counts."""
    rules = (project_root / ".dockerignore").read_text().splitlines()
    assert rules[1] == "*"
    kept = {rule[1:] for rule in rules if rule.startswith("!")}
    assert kept.isdisjoint({"data", "results", "logs", ".git", ".venv", ".dvc", "dvc.lock"})
    tracked = subprocess.run(["git", "ls-files"], cwd=project_root, capture_output=True, text=True).stdout.split()
    for rule in kept:
        assert any(fnmatch.fnmatch(file.split("/")[0], rule) for file in tracked), rule


def test_hadolint_has_nothing_to_say(project_root: Path) -> None:
    if (program := shutil.which("hadolint")) is None:
        pytest.skip("hadolint is not on the PATH: `make audit` fetches it and runs it on the Dockerfile")
    done = subprocess.run([program, "Dockerfile"], cwd=project_root, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout

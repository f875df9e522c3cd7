"""The worked example of docs/own-scans.md: its files are made here, its commands are run, its results compared."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import numpy as np
import pytest
import yaml
from dicom_files import smooth_pixels, write_patient
from PIL import Image
from typer.testing import CliRunner

from lss.cli import app

BLOCK = re.compile(r'^```(\w+)(?: title="([^"]+)")?\n(.*?)^```$', flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def page(project_root: Path) -> list[tuple[str, str, str]]:
    """Language, title and text of the page's blocks."""
    text = (project_root / "docs/own-scans.md").read_text(encoding="utf-8")
    return BLOCK.findall(text)


def make_scans(root: Path) -> None:
    """Twelve patients: DICOM of ten, pictures of patient 11, and of patient 12 a series whose name says nothing."""
    for number in range(1, 13):
        if number == 11:
            continue
        odd = {"SeriesDescription": "spine", "EchoTime": 50.0} if number == 12 else {}
        folder = "series4" if number == 12 else "t2_tra"
        files = write_patient(root / "made", f"{number:04d}", seed=number, PixelSpacing=[4.0, 4.0], **odd)
        for index, file in enumerate((file for file in files if "TRA" in file.name), start=1):
            target = root / f"{number:02d}" / folder / f"{index}.dcm"
            target.parent.mkdir(parents=True, exist_ok=True)
            file.rename(target)
        for file in files:
            if "SAG" in file.name and number != 12:
                (root / f"{number:02d}" / "t2_sag").mkdir()
                file.rename(root / f"{number:02d}" / "t2_sag" / "1.dcm")
            file.unlink(missing_ok=True)
    for index in range(1, 5):
        (root / "11/axial_t2").mkdir(parents=True, exist_ok=True)
        pixels = (smooth_pixels(1100 + index, (256, 256)) // 16).astype(np.uint8)
        Image.fromarray(pixels).save(root / f"11/axial_t2/{index}.png")
    broken = root / "03/t2_tra/5.dcm"
    broken.write_bytes(broken.read_bytes()[:2000])
    for folder in sorted((root / "made").rglob("*"), reverse=True):
        folder.rmdir()
    (root / "made").rmdir()


def listed(tree: str) -> set[str]:
    """The files that a tree of the page names; "1.dcm ... 12.dcm" are twelve, "03/ ... 10/" as the one before."""
    files, above = set(), ""
    for line in tree.splitlines()[1:]:
        name = line.strip()
        if name.endswith("/"):
            above = name
            continue
        folders = [above] if line.startswith("    ") else [""]
        if many := re.fullmatch(r"(\d+)/ \.\.\. (\d+)/", above):
            folders = [f"{number:02d}/" for number in range(int(many[1]), int(many[2]) + 1)]
        names = [name]
        if series := re.fullmatch(r"(.*/)(\d+)(\.\w+) \.\.\. (\d+)\.\w+", name):
            numbers = range(int(series[2]), int(series[4]) + 1)
            names = [f"{series[1]}{number}{series[3]}" for number in numbers]
        files |= {folder + one for folder in folders for one in names}
    return files


def set_values(settings: dict[str, object], changes: dict[str, object]) -> None:
    for key, value in changes.items():
        if isinstance(value, dict):
            set_values(settings[key], value)  # type: ignore[arg-type]
        else:
            assert key in settings, key
            settings[key] = value


def test_the_page_is_true(
    page: list[tuple[str, str, str]], project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "params.yaml").write_text((project_root / "params.yaml").read_text())
    make_scans(tmp_path / "scans")
    shown, ran = None, []
    for language, title, text in page:
        if language == "sh":
            for line in text.splitlines():
                command = line.split("#")[0].strip()
                if command.startswith("rm "):
                    for name in shlex.split(command)[1:]:
                        (tmp_path / name).unlink()
                elif command.startswith("lss "):
                    result = CliRunner().invoke(
                        app, shlex.split(command)[1:], catch_exceptions=False, env={"COLUMNS": "120"}
                    )
                    shown = [line.rstrip() for line in result.stdout.splitlines() if line.strip()]
                    ran.append((command, result.exit_code))
        elif language == "yaml":
            settings = yaml.safe_load((tmp_path / "params.yaml").read_text())
            set_values(settings, yaml.safe_load(text))
            (tmp_path / "params.yaml").write_text(yaml.safe_dump(settings, sort_keys=False))
        elif title == "tree":
            other = {str(path.relative_to("scans")) for path in Path("scans").rglob("*") if path.is_file()}
            assert listed(text) == other | {"notes.csv"}  # that comes next on the page
        elif language == "csv" and title.startswith("scans/"):
            (tmp_path / title).write_text(text, encoding="utf-8")
        elif language == "csv":
            assert Path(title).read_text(encoding="utf-8").startswith(text), title
        elif language == "text":
            assert shown == [line.rstrip() for line in text.splitlines() if line.strip()]
    assert ran == [("lss check scans", 1), ("lss check", 1), ("lss check", 0)]

"""`make audit`: a licence that binds or is not named is pointed out; not having looked is no pass."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import Distribution, distributions
from pathlib import Path

import pytest


@pytest.fixture
def audit(project_root: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(project_root / "workflow")
    import audit

    return audit


class Made(Distribution):
    """A package of these metadata."""

    def __init__(self, text: str) -> None:
        self.text = text

    def read_text(self, filename: str) -> str | None:
        return self.text if filename == "METADATA" else None

    def locate_file(self, path: object) -> Path:
        return Path(str(path))


@pytest.mark.parametrize(
    ("metadata", "licence", "doubtful"),
    [
        ("License-Expression: MIT", "MIT", False),
        ("License: BSD 3-Clause\n\n  and so on", "BSD 3-Clause", False),
        ("Classifier: License :: OSI Approved :: Apache Software License", "Apache Software License", False),
        ("Classifier: License :: OSI Approved :: GNU Affero General Public License v3",
         "GNU Affero General Public License v3", True),
        ("License-Expression: GPL-3.0-only", "GPL-3.0-only", True),
        ("License: Proprietary", "Proprietary", True),
        ("Summary: nothing said", "", True),
        ("Classifier: License :: Free for non-commercial use", "Free for non-commercial use", True),
    ],
)  # fmt: skip
def test_licence_of_a_package(audit, metadata: str, licence: str, doubtful: bool) -> None:
    result = audit.installed([Made(f"Metadata-Version: 2.1\nName: Some_Package\n{metadata}\n")])
    assert result == {"some-package": licence}
    assert audit.judge(result)[1] == (["some-package"] if doubtful else [])


def test_every_installed_package_may_be_used(audit) -> None:
    assert audit.judge(audit.installed(distributions()))[1] == []


@pytest.mark.parametrize(
    ("prints", "code", "expected"),
    [
        ("echo No known vulnerabilities found", 0, 0),
        ("echo Found 1 known vulnerability, 1 vulnerabilities", 1, 1),
        ("echo could not be audited: torch; echo No known vulnerabilities found", 0, 3),
        ("echo ConnectionError >&2", 1, 3),
        ("echo Failed to fetch pip-audit >&2", 2, 3),
    ],
)  # fmt: skip
def test_a_skipped_audit_is_no_pass(
    audit, prints: str, code: int, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """A program in pip-audit's place that says what it says with, without and with half a network."""
    (tmp_path / "uv").write_text(f"#!/bin/sh\ncat >/dev/null\n{prints}\nexit {code}\n")
    (tmp_path / "uv").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert audit.vulnerabilities() == expected
    assert ("NOT looked at" in capsys.readouterr().err) == (expected == 3)


def program(folder: Path, text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a program in uv's place."""
    (folder / "uv").write_text(f"#!/bin/bash\n{text}\n")
    (folder / "uv").chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(folder / "python"))


def test_a_bill_that_could_not_be_written_is_none(
    audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "sbom.json").write_text("an older one")
    program(tmp_path, "echo no network >&2; exit 2", monkeypatch)
    assert audit.bill(tmp_path / "sbom.json") == 3
    assert not (tmp_path / "sbom.json").exists()
    error = capsys.readouterr().err
    assert "sbom.json was NOT written" in error and error.strip().endswith("no network")


def test_the_bill_is_asked_of_this_environment(
    audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A program in its place that writes down what it was asked for, where it was asked to write."""
    text = """out=; for word in "$@"; do [ "$before" = --output-file ] && out=$word; before=$word; done
        printf '{"components": [], "asked": "%s"}' "$*" > "$out" """
    program(tmp_path, text, monkeypatch)
    assert audit.bill(tmp_path / "sbom.json") == 0
    asked = json.loads((tmp_path / "sbom.json").read_text())["asked"].split()
    assert asked[:2] == ["tool", "run"] and asked[-1] == str(tmp_path / "python")
    assert "sbom.json: 0 packages" in capsys.readouterr().out


def test_the_script_lists_licences_offline(project_root: Path) -> None:
    done = subprocess.run(
        [sys.executable, project_root / "workflow/audit.py", "--licences"], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0 and "MIT: " in done.stdout, done.stderr

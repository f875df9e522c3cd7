"""The hash of a stage's code: what changes it and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from lss.project import code

MODULE = '''"""What it does."""

import numpy

LIMIT = 3
"""What the limit is."""


def add(first, second):
    """Add."""
    from lss.parts.sum import plus  # later

    return plus(first, second, "text", 1.0)
'''


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    files = {
        "lss/__init__.py": "",
        "lss/errors.py": "TEXT = 1\n",
        "lss/stages/__init__.py": "",
        "lss/stages/one.py": MODULE,
        "lss/parts/__init__.py": "",
        "lss/parts/sum.py": "from lss import errors\nimport cv2\n\n\ndef plus(*values):\n    return sum(values)\n",
        "lss/parts/other.py": "OTHER = 1\n",
        "lss/parts/texts/words.csv": "a,b\n",
        "requirements.txt": "numpy==2.0 ; python_full_version < '3.12'\nnumpy==2.1\n"
        "opencv-python-headless==4.1\ntorch==3\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(code, "ROOT", tmp_path)
    return tmp_path


def hash_now() -> str:
    for cached in (code.read_module, code.code_parts, code._pins):
        cached.cache_clear()
    return code.code_hash("one")


@pytest.fixture(autouse=True)
def _forget():
    yield
    for cached in (code.read_module, code.code_parts, code._pins):
        cached.cache_clear()


def test_parts_are_what_is_imported_however_deep(project: Path) -> None:
    hash_now()
    assert list(code.code_parts("one")) == [
        "lss/parts/sum.py", "lss/parts/texts/words.csv", "lss/stages/one.py", "package numpy",
        "package opencv-python-headless",
    ]  # fmt: skip
    assert code.code_parts("one")["package numpy"] == "2.0 ; python_full_version < '3.12' | 2.1"


@pytest.mark.parametrize(
    ("file", "old", "new", "counts"),
    [
        ("lss/stages/one.py", "# later", "# now", False),
        ("lss/stages/one.py", '"""Add."""', '"""Subtract, in other words."""', False),
        ("lss/stages/one.py", '"""What the limit is."""\n', "", False),
        ("lss/stages/one.py", '    """Add."""\n', "", False),
        (
            "lss/stages/one.py",
            'plus(first, second, "text", 1.0)',
            "plus(\n        first, second, 'text', 1.0\n    )",
            False,
        ),
        ("lss/stages/one.py", "LIMIT = 3", "LIMIT = 4", True),
        ("lss/stages/one.py", "1.0)", "1)", True),
        ("lss/stages/one.py", '"text"', '"Add."', True),
        ("lss/stages/one.py", "first, second)", "second, first)", True),
        ("lss/parts/sum.py", "sum(values)", "max(values)", True),
        ("lss/errors.py", "1", "2", False),
        ("lss/parts/other.py", "1", "2", False),
        ("lss/parts/texts/words.csv", "a", "c", True),
        ("requirements.txt", "2.1", "2.2", True),
        ("requirements.txt", "torch==3", "torch==4", False),
    ],
)
def test_what_counts(project: Path, file: str, old: str, new: str, counts: bool) -> None:
    before, text = hash_now(), (project / file).read_text()
    assert old in text
    (project / file).write_text(text.replace(old, new, 1))
    assert (hash_now() != before) is counts


def test_every_package_that_is_imported_is_pinned() -> None:
    for stage in code.dvc_stages():
        for part, pin in code.code_parts(stage).items():
            assert pin != "not pinned", f"{stage}: {part}: see _NAMED_OTHERWISE in lss/project/code.py"
        assert "not installed" not in code.installed(stage).values()

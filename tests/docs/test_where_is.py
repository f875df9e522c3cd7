"""Every answer of docs/architecture.md to "Where is ...?" names a file that is there and holds what is named."""

from __future__ import annotations

import ast
import re
from pathlib import Path


def names_of(path: Path) -> set[str]:
    """Names that a module defines at its top; of a file of rules, the rules."""
    if path.suffix == ".smk":
        return set(re.findall(r"^rule (\w+):", path.read_text(), flags=re.M))
    body = ast.parse(path.read_text()).body
    names = {node.name for node in body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    return names | {target.id for node in body if isinstance(node, ast.Assign) for target in node.targets
                    if isinstance(target, ast.Name)}  # fmt: skip


def test_every_answer_holds(project_root: Path) -> None:
    table = (project_root / "docs/architecture.md").read_text().split("## Where is ...?")[1]
    answers = re.findall(r"`(\w+)` in `([\w/.]+)`", table)
    assert len(answers) >= 10
    assert [pair for pair in answers if pair[0] not in names_of(project_root / pair[1])] == []


def test_every_room_has_a_line(project_root: Path) -> None:
    text = (project_root / "docs/architecture.md").read_text()
    rooms = [path.parent.name for path in (project_root / "lss").glob("*/__init__.py")]
    assert [room for room in rooms if f"lss/{room}/" not in text] == []

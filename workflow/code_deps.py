"""Keep the code dependencies in dvc.yaml complete: every lss module that a stage's module imports, however deep.

    python workflow/code_deps.py            # say what is out of date, exit 1
    python workflow/code_deps.py --write    # rewrite dvc.yaml

Imports are read from the source text, also those inside functions, so nothing is imported here.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
# These carry no numbers: settings' types, paths, messages. Their change reruns nothing.
SILENT = {
    Path(f"lss/{name}.py")
    for name in (
        *("__init__", "domain/__init__", "project/__init__", "runtime/__init__", "stages/__init__", "storage/__init__"),
        *("errors", "fetch/sources", "runtime/progress"),
        *(f"project/{name}" for name in ("code", "layout", "manifest", "params", "plan_settings", "settings_file")),
    )
}


def module_file(name: str) -> Path | None:
    """File of the module `name` in this project, relative to its root; None for other packages."""
    stem = Path(*name.split("."))
    for path in (stem.with_suffix(".py"), stem / "__init__.py"):
        if (ROOT / path).is_file():
            return path
    return None


def imported(path: Path) -> set[Path]:
    """Project files that the file at `path` imports by itself."""
    found: set[Path | None] = set()
    for node in ast.walk(ast.parse((ROOT / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {module_file(alias.name) for alias in node.names if alias.name.startswith("lss")}
        elif isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("lss"):
            found.add(module_file(node.module))
            found |= {module_file(f"{node.module}.{alias.name}") for alias in node.names}
    return {path for path in found if path}


def closure(path: Path) -> list[str]:
    """The file at `path` and everything of the project it imports, directly or not; data files beside included."""
    seen: set[Path] = set()
    waiting = {path}
    while waiting:
        current = waiting.pop()
        seen.add(current)
        waiting |= imported(current) - seen
    folders = {module.parent for module in seen if module.parent != Path("lss")}
    data = {
        file.relative_to(ROOT)
        for folder in folders
        for file in (ROOT / folder).iterdir()
        if file.suffix in {".csv", ".yaml", ".j2", ".css", ".js", ".txt"}
    }
    return sorted(str(module) for module in (seen - SILENT) | data)


def main() -> int:
    """Compare dvc.yaml with the imports, and rewrite it if asked to."""
    yaml = YAML()
    yaml.width = 200
    yaml.indent(mapping=2, sequence=4, offset=2)
    path = ROOT / "dvc.yaml"
    document = yaml.load(path.read_text(encoding="utf-8"))
    stale = []
    for name, stage in document["stages"].items():
        code = closure(Path(f"lss/stages/{name}.py"))
        others = [dep for dep in stage["deps"] if not dep.startswith("lss/")]
        if list(stage["deps"]) != others + code:
            stale.append(name)
            stage["deps"] = others + code
    if stale and "--write" in sys.argv:
        with path.open("w", encoding="utf-8") as file:
            yaml.dump(document, file)
    print(f"dvc.yaml: code dependencies {'of ' + ', '.join(stale) + ' out of date' if stale else 'complete'}")
    return int(bool(stale) and "--write" not in sys.argv)


if __name__ == "__main__":
    raise SystemExit(main())

"""The code a stage depends on: every module it imports, however deep, data files beside those, packages they import.

A module counts by its syntax tree without docstrings: a comment, a docstring or the layout of its lines reruns nothing.
A package of others counts by its pin in requirements.txt. Imports are read from the source, those inside functions
too, and those that `import_module` makes of a registry's texts ("module:name"); an `__init__.py` counts where it is
imported by name, not on the way to a module beside it.
"""

from __future__ import annotations

import ast
import hashlib
import json
import re
import sys
from contextlib import suppress
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from lss.errors import LssError
from lss.storage.io import sha256_file, write_text

ROOT = Path(__file__).parent.parent.parent
CODE = "workflow/code.yaml"
"""One hash per stage, which DVC reads by its key; `make generated` and every run write it anew."""

SILENT = {
    f"lss/{name}.py"
    for name in (
        *("__init__", "domain/__init__", "project/__init__", "runtime/__init__", "stages/__init__", "storage/__init__"),
        *("errors", "fetch/sources", "runtime/progress", "backbones/registry", "losses/registry", "training/registry"),
        *(f"project/{name}" for name in ("code", "layout", "manifest", "params", "section", "settings_file")),
        *(f"{path.parent.name}/settings" for path in (ROOT / "lss").glob("*/settings.py")),
    )
}
"""Modules that carry no numbers: settings' types, paths, messages. Their change reruns nothing."""

_DATA = {".csv", ".yaml", ".j2", ".css", ".js", ".txt"}

_NAMED_OTHERWISE = {
    "PIL": "pillow",
    "cv2": "opencv-python-headless",
    "gdcm": "python-gdcm",
    "open_clip": "open-clip-torch",
    "ruamel": "ruamel-yaml",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
    "yaml": "pyyaml",
}
"""Package by the name it is imported under, where that is another one."""


class Module(NamedTuple):
    """A module as its source text says: SHA-256 of its tree, project files and packages that it imports by itself."""

    tree: str
    imports: frozenset[str]
    packages: frozenset[str]


@cache
def dvc_stages() -> dict[str, Any]:
    """Return the stages of dvc.yaml by name, in the order of the chain.

    Raises LssError where there is none, as beside a package that was installed from a wheel.
    """
    if not (ROOT / "dvc.yaml").is_file():
        raise LssError(
            f"{ROOT / 'dvc.yaml'}: is not there. The workflow (Snakefile, dvc.yaml) belongs to a checkout of the "
            "project, not to the installed package: clone it, run `make setup`, and use its `lss`."
        )
    return yaml.safe_load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))["stages"]


@cache
def code_parts(stage: str) -> dict[str, str]:
    """Return what the code of `stage` consists of, by name: SHA-256 of modules and data files, pins of packages."""
    seen = imported_modules(f"lss/stages/{stage}.py")
    parts = {path: module.tree for path, module in seen.items() if path not in SILENT}
    parts |= {path: sha256_file(ROOT / path) for path in _data_beside(seen.keys() - SILENT)}
    packages = set[str]().union(*(seen[path].packages for path in parts.keys() & seen.keys()))
    parts |= {f"package {name}": _pins().get(name, "not pinned") for name in packages}
    return dict(sorted(parts.items()))


def imported_modules(path: str) -> dict[str, Module]:
    """Return the module in the file at `path`, relative to the project's folder, and all that it imports."""
    waiting, seen = {path}, dict[str, Module]()
    while waiting:
        path = waiting.pop()
        seen[path] = read_module(path)
        waiting |= seen[path].imports - seen.keys()
    return seen


def code_hash(stage: str) -> str:
    """Return one SHA-256 over `code_parts`: two runs with equal hashes did the same."""
    return hashlib.sha256(json.dumps(code_parts(stage)).encode()).hexdigest()


def code_is_recorded(*, renew: bool) -> bool:
    """Return whether the file of hashes is up to date; with `renew` it is afterwards."""
    text = "# SHA-256 of each stage's code, see lss/project/code.py. Written by `make generated` and by every run.\n"
    text += "".join(f"{stage}: {code_hash(stage)}\n" for stage in dvc_stages())
    path = ROOT / CODE
    if path.is_file() and path.read_text(encoding="utf-8") == text:
        return True
    if renew:
        write_text(path, text)
    return False


def installed(stage: str) -> dict[str, str]:
    """Return versions at work of the packages that `stage` imports, whatever their pins say."""
    packages = [name.removeprefix("package ") for name in code_parts(stage) if name.startswith("package ")]
    versions = dict.fromkeys(packages, "not installed")
    for name in packages:
        with suppress(PackageNotFoundError):
            versions[name] = version(name)
    return versions


@cache
def read_module(path: str) -> Module:
    """Return the module in the file at `path`, relative to the project's folder."""
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    words: list[str] = []
    _spell(tree, words)
    imports: set[str] = set()
    packages: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        else:
            continue
        for name in names:
            package = name.split(".")[0]
            if package == "lss":
                imports |= {file for file in _files(name) if (ROOT / file).is_file()}
            elif package not in sys.stdlib_module_names:
                packages.add(_NAMED_OTHERWISE.get(package, package.replace("_", "-")))
    if "import_module" in words or "'import_module'" in words:  # it imports what the lists that it reads name
        imports |= {named for file in {path, *imports} for named in _named_modules(file)}
    digest = hashlib.sha256(" ".join(words).encode()).hexdigest()
    return Module(digest, frozenset(imports), frozenset(packages))


def _named_modules(path: str) -> set[str]:
    """Return modules that texts of a module name as "module:name", such as the registries of losses and backbones.

    "folder:*" names all in a folder, such as the tables.
    """
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    texts = (node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str))
    named = (text for text in texts if re.fullmatch(r"lss(\.\w+)+:(\w+|\*)", text))
    places = [name.partition(":") for name in named]
    files = {file for name, _, what in places if what != "*" for file in _files(name)}
    files |= {
        file.relative_to(ROOT).as_posix()
        for name, _, what in places if what == "*" for file in (ROOT / name.replace(".", "/")).glob("*.py")
    }  # fmt: skip
    return {file for file in files if (ROOT / file).is_file()}


def _spell(node: ast.AST, words: list[str]) -> None:
    """Write a tree out without texts that stand alone (docstrings), alike under every version of Python."""
    words.append(type(node).__name__)
    for name in node._fields:
        value = getattr(node, name, None)
        if value is None or value == [] or name in ("kind", "type_comment"):
            continue
        words.append(name)
        for part in value if isinstance(value, list) else [value]:
            if not isinstance(part, ast.AST):
                words.append(repr(part))
            elif not _is_bare_text(part):
                _spell(part, words)
        words.append(";")
    words.append(")")


def _is_bare_text(node: ast.AST) -> bool:
    """Return whether a statement is a text by itself: a docstring, or the description of the name above it."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)


def _files(module: str) -> tuple[str, str]:
    """Return where the source of a module may lie."""
    stem = module.replace(".", "/")
    return f"{stem}.py", f"{stem}/__init__.py"


def _data_beside(modules: set[str]) -> list[str]:
    """Return data files in the folders of these modules, and below where no package begins."""
    files = []
    for folder in {(ROOT / path).parent for path in modules} - {ROOT / "lss"}:
        for file in folder.rglob("*"):
            inner = file.relative_to(folder).parents
            if file.suffix in _DATA and not any((folder / part / "__init__.py").is_file() for part in inner[:-1]):
                files.append(file.relative_to(ROOT).as_posix())
    return files


@cache
def _pins() -> dict[str, str]:
    """Return lines of requirements.txt by package; of one that has several, for other versions of Python, all."""
    pins: dict[str, str] = {}
    path = ROOT / "requirements.txt"  # not beside a package that was installed from a wheel
    for line in path.read_text(encoding="utf-8").splitlines() if path.is_file() else ():
        name, separator, pin = line.partition("==")
        if separator:
            pins[name] = " | ".join(filter(None, (pins.get(name), pin.strip())))
    return pins

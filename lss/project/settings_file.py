"""Reading a YAML file of settings so that each mistake can be named with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from lss.errors import LssError

Lines = dict[tuple[str, ...], int]
"""Line by path of keys, counted from 1."""


def read_settings(path: Path | str) -> tuple[dict[str, Any], Lines]:
    """Return the settings in the file at `path`, and the line in which each key stands.

    Raises LssError where the file cannot be read, is not valid YAML, names a key twice (of which YAML libraries
    silently take the last), or holds no sections.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except OSError as error:
        raise LssError(f"{path}: cannot be read ({error.strerror}). Run in the project's folder.") from error
    except UnicodeDecodeError as error:
        raise LssError(f"{path}: is not UTF-8 text (byte {error.start}). Save it as UTF-8.") from error
    lines: Lines = {}
    try:
        _refuse_aliases(text, str(path))
        _walk(yaml.compose(text, yaml.SafeLoader), (), lines, str(path))
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise LssError(f"{path}{_where(error)}: is not valid YAML: {_parser_message(error)}") from error
    except (ValueError, OverflowError, RecursionError) as error:  # of 2020-13-45, a number of 5,000 digits, [[[[...
        raise LssError(f"{path}: holds a value that cannot be read ({error}). Correct it.") from error
    if not isinstance(raw, dict):
        raise LssError(f"{path}: should hold sections such as 'train:', found {type(raw).__name__}")
    return raw, lines


def _refuse_aliases(text: str, path: str) -> None:
    """Raise LssError for *names of YAML: a few lines of them stand for more than any memory holds."""
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            where = f", line {event.start_mark.line + 1}" if event.start_mark else ""
            raise LssError(f"{path}{where}: *{event.anchor} stands for another part. Write the part out.")


def _walk(node: yaml.Node | None, keys: tuple[str, ...], lines: Lines, path: str) -> None:
    """Collect the line of every key below `node`; LssError where a mapping has one twice."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        name = (*keys, str(key.value))
        line = key.start_mark.line + 1
        if name in lines:
            raise LssError(
                f"{path}, line {line}: {'.'.join(name)} stands there a second time, first in line {lines[name]}. "
                "Keep one of the two."
            )
        lines[name] = line
        _walk(value, name, lines, path)


def _where(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""


def _parser_message(error: yaml.YAMLError) -> str:
    """Return the parser's words in one line, with the line at which it began to go wrong, and the usual causes."""
    problem, context = getattr(error, "problem", None), getattr(error, "context", None)
    began = getattr(error, "context_mark", None)
    words = [f"{context} that begins in line {began.line + 1}" if context and began else context, problem or str(error)]
    message = ", ".join(word for word in words if word)
    causes = "a tab, a missing colon, bracket or quote, or a wrong indent"
    return f"{message}. Look at this line and the one before it for {causes}."

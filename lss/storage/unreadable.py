"""The message about a file of the chain that is missing or broken."""

from __future__ import annotations

from pathlib import Path

from lss.errors import LssError

_MADE_BY_RULES = ("results/", "data/interim/", "data/shards/", "data/truth/")
"""Where all files of a project are outputs of the workflow."""


def unreadable(
    path: Path | str, form: str, error: Exception, remedy: str = "Rerun the stage that writes it."
) -> LssError:
    """Return the error to raise for a file that cannot be read.

    Args:
        path: of the file, as the stage was given it.
        form: what it was read as, such as JSON.
        error: what reading it raised.
        remedy: what to do; of a missing file that a rule makes, the command that makes it is named instead.
    """
    name = Path(path).as_posix()
    if isinstance(error, FileNotFoundError) and name.startswith(_MADE_BY_RULES):
        return LssError(f"{name}: is not there. `snakemake --cores 8 {name}` makes it, and what it needs.")
    return LssError(f"{path}: cannot be read as {form} ({error}). {remedy}")

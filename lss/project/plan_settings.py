"""The settings that a plan of the workflow was made with, for its jobs.

An edit of params.yaml while jobs run must not reach some of them: a job would be recorded as made with the settings of
the plan, and be made with others. So Snakemake copies the file when it starts the first job, and names the copy to all
of them by a variable of their environment.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from lss.errors import LssError
from lss.project import layout
from lss.storage.io import write_text

VARIABLE = "LSS_SETTINGS"
"""Path of the copy that jobs read in place of params.yaml."""


def settings_path() -> Path:
    """Return file with the settings: the plan's copy for a job of the workflow, params.yaml for everything else."""
    return Path(os.environ.get(VARIABLE, layout.PARAMS))


class PlannedSettings:
    """The text of params.yaml as it was when this object was made.

    Raises LssError where it cannot be read as text.
    """

    def __init__(self) -> None:
        try:
            self._text = Path(layout.PARAMS).read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise LssError(f"{layout.PARAMS}: cannot be read ({error}). Run in the project's folder.") from error
        digest = hashlib.sha256(self._text.encode()).hexdigest()[:16]
        self.file = Path(layout.PLANNED_SETTINGS.format(digest=digest))

    def write(self) -> None:
        """Write the copy for the jobs."""
        for old in self.file.parent.glob("*.yaml"):
            old.unlink()  # of a run that ended: two runs of one folder exclude each other
        write_text(self.file, self._text)

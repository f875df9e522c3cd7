"""The epochs of a training as TensorBoard events."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from lss.storage.io import atomic_path


def write_events(folder: Path, history: list[dict[str, float]]) -> None:
    """Write the rows of epochs.csv as scalars, named like its columns, in place of what `folder` held.

    All of them at every epoch: a resumed training then shows each epoch once. A new file under a new name, since
    TensorBoard looks for new files but keeps reading an old one where it stopped.
    """
    from torch.utils.tensorboard import SummaryWriter  # here: it takes longer to import than an epoch of a toy

    with tempfile.TemporaryDirectory() as beside:
        with SummaryWriter(beside) as writer:
            for row in history:
                for name, value in row.items():
                    if name != "epoch":
                        writer.add_scalar(name, value, int(row["epoch"]))
        (written,) = Path(beside).iterdir()
        for left in folder.glob(".events.out.tfevents.*"):  # of a killed training: its name is never written again
            shutil.rmtree(left, ignore_errors=True)
        before = list(folder.glob("events.out.tfevents.*"))
        with atomic_path(folder / written.name) as temporary:
            shutil.copyfile(written, temporary)
    for file in before:
        file.unlink(missing_ok=True)

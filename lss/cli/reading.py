"""The verb that reads a new patient's study."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from lss.cli import app
from lss.project.params import load_params


@app.command(rich_help_panel="A new patient")
def read(
    study: Annotated[Path, typer.Argument(help="Folder, zip archive, DICOMDIR or NIfTI file of one patient.")],
    output: Annotated[Path, typer.Option(help="Folder to write. It identifies the patient.")],
    model: Annotated[Path, typer.Option(help="Folder of a backbone's trained models.")] = Path(
        "results/models/biomedclip"
    ),
    prior: Annotated[Path | None, typer.Option(help="An earlier study of the patient, to say what changed.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what lies in the output folder.")] = False,
    reports: Annotated[
        bool,
        typer.Option("--reports/--no-reports", help="Write reports; without them a long stack is read in seconds."),
    ] = True,
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Add maps of where each disc's grade comes from, and whether to believe them."),
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    spacing: Annotated[
        float | None, typer.Option(min=0.1, max=5, help="Pixel spacing of PNG or TIFF slices, mm, which state none.")
    ] = None,
) -> None:
    """Read one patient's study: per disc level, grade, millimetres of the sac, report; and the DICOM objects of it.

    Finds the axial T2 slices by position and header, the discs on the sagittal T2 slices, and names the levels by both
    the blocks and the anatomy; where these disagree the level is left to you. **Writes** a page (`index.html`),
    `study.json`, pictures and DICOM objects. A study that is none to be read (another body part, no axial T2, several
    patients) is refused with the reason, and nothing is written. A run that was interrupted goes on with the same
    command: slices that it had read are not read again.

    This is not the stage `predict`, which runs on the test part of the cohort.
    """
    from lss.read.run import Settings, read_study

    params = load_params()
    settings = Settings(
        params.predict,
        params.execution.predict_batch_size,
        params.seed,
        device,
        spacing,
        datetime.now(),
        reports,
        explain,
    )
    typer.echo(read_study(study, output, model, settings, prior=prior, overwrite=overwrite))

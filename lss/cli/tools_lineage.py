"""Verbs that follow results back to the raw files."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from lss.cli import app
from lss.cli.tools import PANEL
from lss.errors import LssError
from lss.project.params import load_params


@app.command(rich_help_panel=PANEL)
def verify() -> None:
    """Walk the lineage of all results down to the raw files, and name the first place where it breaks.

    Every file that a manifest states is hashed and compared, as an output with what is there and as an input with what
    made it; raw files are compared with the owner's list (`data/private/cohort_files.csv`), and that with the hash in
    the cohort's manifest. A break is named with file, manifest, expected and found SHA-256, the command that makes the
    file, and the remedy. Ends with 0 where the lineage is complete, else with 1.

    **Reads** params.yaml, the manifests and all files they name. **Writes** nothing.
    """
    from lss.lineage.verify import verify as walk

    result = walk(load_params())
    for note in result.notes:
        print(f"note: {note}", file=sys.stderr)
    if not result.breaks:
        typer.echo(
            f"complete: {result.files} files, {result.raw} of them raw, by {result.records} manifests; every result "
            "goes back to the raw files."
        )
        return
    typer.echo(f"{result.breaks[0]}")
    if len(result.breaks) > 1:
        places = "\n".join(f"  {later.file}: {later.what} ({later.stated_by})" for later in result.breaks[1:11])
        typer.echo(f"{len(result.breaks) - 1} more, nearest to the raw files first\n{places}")
    raise typer.Exit(1)


@app.command(rich_help_panel=PANEL)
def why(
    file: Annotated[Path, typer.Argument(help="A result, e.g. results/tables/table2_segmentation.csv.")],
    row: Annotated[
        int | None, typer.Option(min=1, help="Of a table, this row alone, counted without the header.")
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            help="Of a table, the rows with this value: COLUMN=VALUE, e.g. backbone=biomedclip; several times."
        ),
    ] = None,
    files: Annotated[
        bool, typer.Option("--files", help="List every file, raw ones too (their names may identify).")
    ] = False,
) -> None:
    """Print what a result was made from, step by step, down to the DICOM files: SHA-256, settings, commit.

    Where a step read many files, their number and one SHA-256 over all stand for them; `--files` lists them. Of a row
    of a table only what that row depends on is shown: the models it is about.

    **Reads** params.yaml, `results/manifests/`, `data/private/cohort_files.csv` (names of raw files).
    **Writes** nothing.
    """
    from lss.lineage.chain import read_chain
    from lss.lineage.raw import read_raw
    from lss.lineage.rows import Scope, scope_of_rows
    from lss.lineage.why import why_text

    params = load_params()
    path = inside(file)
    pairs = [text.partition("=") for text in where or []]
    if wrong := [text for text, (_, sign, _) in zip(where or [], pairs, strict=True) if not sign]:
        raise LssError(f"--where {wrong[0]}: should be COLUMN=VALUE, e.g. backbone=biomedclip.")
    scope = Scope()
    if row is not None or pairs:
        scope = scope_of_rows(path, params, row=row, where={column: value for column, _, value in pairs})
        typer.echo(f"of these rows, which are about: {'; '.join(scope.about)}")
    typer.echo(why_text(path, read_chain(params), read_raw(params), scope, all_files=files))


@app.command(rich_help_panel=PANEL)
def crate(
    output: Annotated[Path, typer.Option(help="Folder to write; empty, or not there yet.")],
) -> None:
    """Write the finished run as an RO-Crate: its results, and the provenance of each, in a format that others read.

    It holds tables, figures, page, cards, numbers, manifests, settings and workflow, and describes every job by what
    it read and wrote (Provenance Run Crate). Files of `data/`, models and predictions are named by SHA-256, not packed;
    of raw files there is one SHA-256 over all, and no name. **Look at it before you hand it on**: the page shows cases.

    **Reads** params.yaml, the manifests and all files they name: first `lss verify` must find the lineage complete.
    **Writes** the folder. Needs the extra `crate` (`pip install -c requirements.txt -e '.[crate]'`).
    """
    from lss.lineage.crate import write_crate

    write_crate(load_params(), output)
    typer.echo(f"{output}: an RO-Crate; ro-crate-metadata.json describes it.")


def inside(file: Path) -> str:
    """Return the path from the project's folder, as manifests have it."""
    try:
        return file.resolve().relative_to(Path.cwd().resolve()).as_posix()
    except ValueError:
        raise LssError(f"{file}: is not in this project's folder {Path.cwd()}. Run in the project's folder.") from None

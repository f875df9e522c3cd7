"""The command `lss`: every stage by hand, and helpers around the workflow.

Stage modules are imported inside their command, so that `lss --help` and small jobs start at once.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from lss import __version__
from lss.errors import LssError
from lss.runtime.faults import explain


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"lss {__version__}")
        raise typer.Exit


app = typer.Typer(
    name="lss",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    help="Lumbar spinal stenosis on MRI: a staged pipeline from raw MRI to tables, figures and reports.\n\n"
    "Stages run in this order: cohort, ingest, split, denoise, pseudo_mask, shards, weights, train, predict, "
    "evaluate, ablation, tables, figures, page. Each reads its own section of `params.yaml`. "
    "`snakemake --cores 8 all` runs what is needed of them.\n\n"
    "Research software: a radiologist decides.",
)


@app.callback()
def version(
    shown: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """Take the options that stand before a verb."""


# they register their verbs on `app`, in this order
from lss.cli import stages_data, stages_models, stages_results  # noqa: E402

# isort: split
from lss.cli import reading, tools, tools_data, tools_lineage  # noqa: E402

__all__ = [
    "app",
    "main",
    "reading",
    "stages_data",
    "stages_models",
    "stages_results",
    "tools",
    "tools_data",
    "tools_lineage",
]


def main() -> None:
    """Run the command line: user errors become one message, without a traceback."""
    try:
        app()
    except LssError as error:
        print(f"lss: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except Exception as error:
        if (message := explain(error)) is None:
            raise
        where = getattr(error, "filename", None)
        print(f"lss: {f'{where}: ' if where else ''}{message}", file=sys.stderr)
        raise SystemExit(2) from None

"""Verbs beside the stages: what a person needs around the workflow."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from lss.cli import app
from lss.errors import LssError
from lss.project import layout
from lss.project.models import of_cohort, of_part
from lss.project.params import load_params

PANEL = "Tools"


@app.command(rich_help_panel=PANEL)
def doctor() -> None:
    """Say what this machine can do: versions, GPU, Java, disk, data and weights, and the remedy for each lack."""
    from lss.tools.doctor import examine

    raise typer.Exit(examine(load_params()))


@app.command(rich_help_panel=PANEL)
def preset(name: Annotated[str, typer.Argument(help="phantom, paper, paper-literal or ablation.")]) -> None:
    """Rewrite params.yaml for a purpose, and print each setting that changes; comments and all other settings stay.

    **phantom**: the embedded cohort and tiny backbones, minutes on a CPU.

    **paper**: the paper's archive, published backbones and hyperparameters, with a field of view around the canal and
    each backbone's own patches. For results on real scans, take this one.

    **paper-literal**: the paper to the letter: whole slices, 196 patch tokens, Algorithm 1 without a region, eq. 4 as
    written, the stated area thresholds, and the prompt of the true grade, which tells the networks the answer (all
    results are flagged as leaking). To see what the text gives, not to be compared with other work.

    **ablation**: laid over what is set: losses, fusions and a U-Net compared over three repeats.
    """
    from lss.project.presets import apply_preset

    for line in apply_preset(name, Path(layout.PARAMS)):
        typer.echo(line)


@app.command(rich_help_panel=PANEL)
def sync() -> None:
    """Tell Snakemake that the files are current, after `dvc checkout`, `dvc pull` or a hit in DVC's run cache."""
    from lss.project.workflow import sync as agree

    agree(Path.cwd())
    typer.echo("Snakemake and DVC agree: nothing to be done.")


@app.command(rich_help_panel=PANEL)
def clean(
    force: Annotated[bool, typer.Option("--force", help="Also delete what DVC could not bring back.")] = False,
) -> None:
    """Delete everything a run made (`make clean`); refuse where neither DVC's cache nor a remote has it.

    The cache, raw archives, published weights, labels and `data/private` stay.
    """
    from lss.tools.clean import clean as delete

    typer.echo(f"Deleted: {', '.join(delete(Path.cwd(), force=force))}. To bring it back: dvc checkout, then lss sync.")


@app.command(rich_help_panel=PANEL)
def changes(
    cores: Annotated[
        int | None, typer.Option(min=1, help="Cores that the run will get, for its time; all where not given.")
    ] = None,
) -> None:
    """Say what `snakemake all` would run again, because of which edit, and about how long it would take.

    A line per edited setting (value of the last run -> value in params.yaml), module of the code or file of yours:
    "train.gamma: 0.75 -> 2.0: 12 trainings, 12 predictions, evaluate, ablation, tables, figures, page; about 6 min".
    Edits that rerun the same jobs share one list. Times are those of the last run. `snakemake -n` lists every file.
    """
    from lss.tools.changes import changes_text

    typer.echo(changes_text(Path.cwd(), load_params(), cores or len(os.sched_getaffinity(0))))


@app.command(rich_help_panel=PANEL)
def keep(
    revision: Annotated[
        str | None, typer.Argument(help="Git revision or name of a DVC experiment; the workspace if not given.")
    ] = None,
) -> None:
    """Keep a finished run's cases, metrics and settings in `kept/`, to compare another run with it."""
    from lss.tools.kept_runs import keep as keep_run

    folder = keep_run(Path.cwd(), revision)
    typer.echo(f"{folder.name}\nCompare another run with it: evaluate.compare_with: {folder.name} in params.yaml.")


@app.command(rich_help_panel=PANEL)
def results(
    output: Annotated[Path | None, typer.Option(help="Markdown file to write; printed if not given.")] = None,
) -> None:
    """Print the main numbers of the finished run as Markdown: cohort, weights, caveats, tables with intervals."""
    from lss.project.manifest import read_manifest
    from lss.project.models import stage_manifests
    from lss.reporting.results_text import results_text
    from lss.storage.io import read_json, write_text

    manifests = [read_manifest(path) for path in layout.of_first_trial(stage_manifests(load_params()))]
    text = results_text(read_json(layout.STATISTICS), read_json(layout.ABLATION), manifests)
    if output:
        write_text(output, text)
    else:
        typer.echo(text)


@app.command(rich_help_panel=PANEL)
def check(
    folder: Annotated[
        Path | None, typer.Argument(help="The cohort's files; those of `cohort.root` if not given.", show_default=False)
    ] = None,
    output: Annotated[Path, typer.Option(help="What to write, without ending: OUTPUT.csv and OUTPUT.html.")] = Path(
        layout.CHECK
    ),
    external: Annotated[
        str | None, typer.Option(help="Label of an external cohort: its entry takes the place of `cohort`.")
    ] = None,
    part: Annotated[
        str | None, typer.Option(help="Label of one of several archives (cohort.parts): that one alone.")
    ] = None,
) -> None:
    """Name all problems of a cohort before anything runs, each with the setting or the table's column that mends it.

    Every file is read as the chain would read it, with the settings of params.yaml; where these do not fit the folder
    (another kind of cohort, a table or column of another name), the check says so, guesses, and goes on. **Stops the
    run**: must be mended. **Left out**: a file or a row that cannot be used. **To be looked at**: used, but doubtful,
    or without a level and so without a grade. Ends with 0 where nothing is to be mended or looked at, else with 1.

    **Reads** the cohort's files and tables. **Writes** a CSV (every problem, with the file's name) and a contact sheet
    (thumbnails with plane, weighting and level). Both name patients: only you may read them.
    """
    from lss.checking.cohort import check_cohort
    from lss.checking.problems import COLUMNS
    from lss.checking.report import print_checked, summary
    from lss.checking.sheet import ContactSheet
    from lss.storage.io import OWNER_ONLY, write_csv, write_text

    params = of_part(of_cohort(load_params(), external), part)
    sheet = ContactSheet()
    checked = check_cohort(params, folder, see=sheet.add)
    print_checked(checked, params.cohort)
    write_csv(f"{output}.csv", [problem.row() for problem in checked.problems], COLUMNS, mode=OWNER_ONLY)
    write_text(f"{output}.html", sheet.html(checked, summary(checked)), mode=OWNER_ONLY)
    typer.echo(
        f"{output}.csv names every file, {output}.html shows the slices. Keep both, and these lines, from others."
    )
    if not checked.is_clean:
        raise typer.Exit(1)


@app.command(rich_help_panel=PANEL)
def inspect(
    json_file: Annotated[Path | None, typer.Option("--json", help="Also write the fingerprint to this file.")] = None,
    doubtful: Annotated[
        Path | None, typer.Option(help="Also list the slices whose level, weighting or spacing is in doubt: a CSV.")
    ] = None,
) -> None:
    """Print a fingerprint of the ingested cohort: patients, series, spacings in mm, grey levels, grades, rejects."""
    from lss.storage.io import write_csv, write_json
    from lss.tools.inspect import DOUBTFUL_COLUMNS, doubtful_slices, fingerprint_table, inspect_cohort

    params = load_params()
    slices, rejects = (
        [Path(pattern.format(batch=batch)) for batch in layout.batch_names(params.cohort.batches)]
        for pattern in (layout.SLICES, layout.REJECTS)
    )
    fingerprint = inspect_cohort(slices, rejects)
    typer.echo(fingerprint_table(fingerprint))
    if json_file:
        write_json(json_file, fingerprint)
    if doubtful:
        write_csv(doubtful, doubtful_slices(slices), DOUBTFUL_COLUMNS)


@app.command(rich_help_panel=PANEL)
def pseudonyms(
    file: Annotated[Path, typer.Argument(help="CSV or Excel with one row per patient.")],
    column: Annotated[str, typer.Option(help="Its column of patients' ids, as the cohort has them.")],
    output: Annotated[Path, typer.Option(help="CSV to write: all columns, and patient_key.")],
    part: Annotated[
        str | None, typer.Option(help="Label of the one of several archives (cohort.parts) that all ids are of.")
    ] = None,
) -> None:
    """Add the pseudonyms to a table of patients, e.g. to make the file of `split.file` from it.

    **The output tells who is who**: keep it as you keep the patients' data, and out of git. It is written so that only
    you may read it.
    """
    from lss.cohorts import privacy
    from lss.storage.io import OWNER_ONLY, write_csv

    params = load_params()
    of_part(params, part)  # there is such an archive
    if part is None and (labels := params.cohort.labels):
        raise LssError(f"the cohort is several archives. Name that of these ids: --part, one of {', '.join(labels)}.")
    names = privacy.pseudonyms(params.ingest.pseudonym_key_file, params.seed, part or "")
    rows = privacy.add_pseudonyms(file, column, names)
    write_csv(output, rows, list(rows[0]) if rows else [column, "patient_key"], mode=OWNER_ONLY)
    typer.echo(f"{len(rows)} patients in {output}, which identifies them: keep it from others.")


@app.command(name="grade-notes", rich_help_panel=PANEL)
def grade_notes(
    file: Annotated[Path, typer.Argument(help="Excel or CSV of radiologists' notes, one row per patient.")],
    output: Annotated[Path, typer.Option(help="CSV to write: patient_id, grade, level_grades, evidence, doubtful.")],
    patient_column: Annotated[str | None, typer.Option(help="Column of patient ids; guessed if not given.")] = None,
    note_column: Annotated[str | None, typer.Option(help="Column of the notes; guessed if not given.")] = None,
) -> None:
    """Read stenosis grades (A, BC, D, none) out of radiologists' notes by the rubric (docs/severity-rubric.md).

    The column "doubtful" quotes wording that no rule knows; the summary says in how many notes. Look at those yourself.
    """
    from lss.notes.grade_file import grade_file

    typer.echo(grade_file(file, output, patient_column, note_column))


@app.command(rich_help_panel=PANEL)
def plan(
    tflops: Annotated[
        float, typer.Option(min=0.001, help="What your card sustains, TFLOP/s; 10 is a guess for one of 12 GB.")
    ] = 10.0,
) -> None:
    """Say before training what each backbone and task needs: parameters, tokens, GPU memory in GiB, batch, time."""
    from lss.tools.plan import plan_text

    typer.echo(plan_text(load_params(), tflops))


@app.command(name="convert-weights", rich_help_panel=PANEL)
def convert_weights(
    folder: Annotated[Path, typer.Argument(help="Folder with a published checkpoint in a pickled .bin file.")],
) -> None:
    """Convert a published pickled checkpoint to safetensors, once and explicitly (read with weights_only)."""
    from lss.backbones.convert import convert_pickled

    for path in convert_pickled(folder):
        typer.echo(f"written: {path}")

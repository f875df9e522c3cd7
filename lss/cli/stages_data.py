"""The verbs of the stages from raw files to shards. A stage finds its paths in `lss.project.layout`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lss.cli import app, jobs
from lss.errors import LssError
from lss.project import layout
from lss.project.models import fold_shard, further_folds, of_cohort
from lss.project.params import load_params


@app.command(rich_help_panel=jobs.PANEL)
def cohort(
    threads: Annotated[int | None, typer.Option(help="CPU cores to draw the phantom on; all where not given.")] = None,
    external: jobs.External = None,
) -> None:
    """Make the phantom cohort, or check that a real one is in place.

    **Reads** params.yaml `cohort`; for a real cohort the files in `cohort.root`, where nothing is written; of several
    archives those in the `root` of each of `cohort.parts`.

    **Writes** `data/interim/cohort.json` (number and bytes of the raw files, one SHA-256 over all),
    `data/interim/cohort/batch-NN.json` (one SHA-256 over the raw files and notes of a batch's patients) and
    `data/private/cohort_files.csv` (every raw file with size and SHA-256: names patients, for the data's owner only);
    for the phantom also the DICOM files, the Excel of notes, and `data/truth/phantom.parquet` (true canal masks and
    grades, for evaluation only).
    """
    from lss.stages import cohort as stage

    params, states = jobs.settings_of_job("cohort", external), jobs.place(layout.COHORT_BATCH, external)
    stage.run(
        params.cohort,
        params.seed,
        ingest=params.ingest,
        files=Path(layout.EXTERNAL_FILES.format(external=external) if external else layout.COHORT_FILES),
        states=dict(zip(layout.batch_names(params.cohort.batches), jobs.of_batches(params, states), strict=True)),
        private=Path(jobs.place(layout.PRIVATE_FILES, external)),
        truth=Path(layout.EXTERNAL_TRUTH.format(external=external) if external else layout.TRUTH),
        manifest=jobs.manifest("cohort", external=external),
        processes=threads,
        external=external,
    )


@app.command(rich_help_panel=jobs.PANEL)
def ingest(batch: jobs.Batch, external: jobs.External = None) -> None:
    """Read raw images and notes of one batch of patients into the slice table; drop identifiers.

    **Reads** the raw cohort.

    **Writes** `data/interim/slices/batch-NN.parquet` (one row per slice: pseudonyms, plane, weighting, disc level,
    position and spacing in mm, pixels as stored with 12 bits, note, grade, each with its reason),
    `data/interim/rejects/batch-NN.parquet` (what could not be used, why, and the remedy) and
    `data/private/rejects/batch-NN.csv` (the same with the files' names: names patients, for the data's owner only).
    """
    from lss.stages import ingest as stage

    params = jobs.settings_of_job("ingest", external)
    jobs.check_batch(params, batch)
    stage.run(
        params.cohort,
        params.ingest,
        params.seed,
        batch=batch,
        slices=Path(jobs.place(layout.SLICES, external).format(batch=batch)),
        rejects=Path(jobs.place(layout.REJECTS, external).format(batch=batch)),
        private=Path(jobs.place(layout.PRIVATE_REJECTS, external).format(batch=batch)),
        manifest=jobs.manifest("ingest", f"batch-{batch}", external=external),
        external=external,
    )


@app.command(rich_help_panel=jobs.PANEL)
def split(external: jobs.External = None) -> None:
    """Divide the patients into train, val and test; stop if any patient or image stands in two of them.

    **Reads** all slice tables and tables of rejects.

    **Writes** `data/interim/split.parquet` (subset per slice, with the reason where a slice is not used), its parts
    `data/interim/split/batch-NN.parquet` and `data/interim/used/batch-NN.parquet`, by which later stages see what has
    changed for a batch, and
    `data/interim/rejects.parquet` (all rejects).

    With `--external` all of that cohort is test part, and none of it may stand in the cohort trained on, whose split
    and slice tables it **reads** too; it **writes** the same files in `data/interim/split/external/LABEL/`.
    """
    from lss.stages import split as stage

    params = jobs.settings_of_job("split", external)
    if external:
        stage.deal_external(
            params.split,
            params.seed,
            label=external,
            slices=jobs.of_batches(params, jobs.place(layout.SLICES, external)),
            rejects=jobs.of_batches(params, jobs.place(layout.REJECTS, external)),
            training_split=Path(layout.SPLIT),
            training_slices=jobs.of_batches(params, layout.SLICES),
            split=Path(layout.EXTERNAL_SPLIT.format(external=external)),
            parts=jobs.of_batches(params, jobs.place(layout.SPLIT_BATCH, external)),
            used=jobs.of_batches(params, jobs.place(layout.USED, external)),
            all_rejects=Path(layout.EXTERNAL_ALL_REJECTS.format(external=external)),
            manifest=jobs.manifest("split", external=external),
        )
        return
    stage.run(
        params.split,
        params.seed,
        slices=jobs.of_batches(params, layout.SLICES),
        rejects=jobs.of_batches(params, layout.REJECTS),
        split=Path(layout.SPLIT),
        parts=jobs.of_batches(params, layout.SPLIT_BATCH),
        used=jobs.of_batches(params, layout.USED),
        all_rejects=Path(layout.ALL_REJECTS),
        manifest=jobs.manifest("split"),
    )


@app.command(rich_help_panel=jobs.PANEL)
def denoise(batch: jobs.Batch, external: jobs.External = None) -> None:
    """Denoise the used slices of one batch by non-local means (eq. 1-2).

    **Reads** `data/interim/slices/batch-NN.parquet` (pixels in stored grey levels, 12 bits) and
    `data/interim/used/batch-NN.parquet`.

    **Writes** `data/interim/denoised/batch-NN.parquet`: pixels in the same grey levels, the estimated noise sigma and
    the filtering parameter h, both in grey levels.
    """
    from lss.stages import denoise as stage

    params = jobs.settings_of_job("denoise", external)
    jobs.check_batch(params, batch)
    jobs.claim_gpus(params, "denoise")
    stage.run(
        params.denoise,
        params.seed,
        execution=params.execution,
        slices=Path(jobs.place(layout.SLICES, external).format(batch=batch)),
        split=Path(jobs.place(layout.USED, external).format(batch=batch)),
        denoised=Path(jobs.place(layout.DENOISED, external).format(batch=batch)),
        manifest=jobs.manifest("denoise", f"batch-{batch}", external=external),
    )


@app.command(name="pseudo_mask", rich_help_panel=jobs.PANEL)
def pseudo_mask(batch: jobs.Batch, external: jobs.External = None) -> None:
    """Make the report-conditioned pseudo-masks of one batch (Algorithm 1).

    **Reads** `data/interim/denoised/batch-NN.parquet`, `data/interim/slices/batch-NN.parquet` (grades, spacing in mm),
    `data/interim/used/batch-NN.parquet`.

    **Writes** `data/interim/pseudo_masks/batch-NN.parquet`: mask (PNG, 0 or 255), region of interest in pixels, mask
    area in mm2, and whether the canal was found.
    """
    from lss.stages import pseudo_mask as stage

    params = of_cohort(load_params(), external)
    jobs.check_batch(params, batch)
    stage.run(
        params.pseudo_mask,
        params.seed,
        slices=Path(jobs.place(layout.SLICES, external).format(batch=batch)),
        split=Path(jobs.place(layout.USED, external).format(batch=batch)),
        denoised=Path(jobs.place(layout.DENOISED, external).format(batch=batch)),
        masks=Path(jobs.place(layout.PSEUDO_MASKS, external).format(batch=batch)),
        manifest=jobs.manifest("pseudo_mask", f"batch-{batch}", external=external),
    )


@app.command(rich_help_panel=jobs.PANEL)
def shards(batch: jobs.Batch, fold: jobs.Fold = None, external: jobs.External = None) -> None:
    """Crop, balance and augment one batch, and write it as training shards.

    **Reads** slices, denoised pixels and pseudo-masks of the batch, and `data/interim/split/batch-NN.parquet`.

    **Writes** `data/shards/{train,val,test}-NN.parquet`: 16-bit PNG image, 8-bit PNG mask, grade, level, reference
    report, mask area in percent of the image, pixel spacing in mm. Only the training part is augmented.
    An external cohort has a test part alone.
    """
    from lss.stages import shards as stage

    params = of_cohort(load_params(), external)
    jobs.check_batch(params, batch)
    if external and fold is not None:
        raise LssError(f"--external {external}: such a cohort has no folds. Leave --fold out.")
    tested = jobs.trial(params, fold, repeat=1).fold
    pattern, another = fold_shard(params, tested), tested if tested in further_folds(params) else None
    folder = "" if another is None else f"fold-{another}/"
    subsets = ("test",) if external else layout.SUBSETS
    stage.run(
        params.shards,
        params.seed,
        batch=batch,
        slices=Path(jobs.place(layout.SLICES, external).format(batch=batch)),
        split=Path(jobs.place(layout.SPLIT_BATCH, external).format(batch=batch)),
        denoised=Path(jobs.place(layout.DENOISED, external).format(batch=batch)),
        masks=Path(jobs.place(layout.PSEUDO_MASKS, external).format(batch=batch)),
        shards={s: Path(jobs.place(pattern, external).format(subset=s, batch=batch)) for s in subsets},
        manifest=jobs.manifest("shards", f"{folder}batch-{batch}", external=external),
        fold=another,
    )

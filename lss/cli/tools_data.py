"""Verbs around raw data and weights: fetching, pinning, looking, scoring."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from lss.backbones.registry import backbone_names
from lss.cli import app
from lss.cli.tools import PANEL
from lss.errors import LssError
from lss.fetch.mendeley import BASE
from lss.fetch.sources import MENDELEY, WEIGHT_LICENCES, Source
from lss.project import layout
from lss.project.params import Params, load_params


class What(StrEnum):
    """What `lss fetch` can be asked for."""

    images = "images"
    notes = "notes"
    labels = "labels"
    slice_numbers = "slice-numbers"
    weights = "weights"
    all = "all"


@app.command(rich_help_panel=PANEL)
def fetch(
    what: Annotated[list[What], typer.Argument(help="One or several; `all` is everything.", show_choices=True)],
    base: Annotated[str, typer.Option(help="Where Mendeley Data's interface is reached, e.g. a mirror.")] = BASE,
) -> None:
    """Download the paper's archive, notes, label images and slice numbers, and the backbones' weights.

    **Reads** params.yaml `cohort.root` (of several archives that of the first named lss), `cohort.experts`, `weights`,
    `train.backbones`.

    **Writes** the files where those settings expect them (archives stay packed), each folder with a `fetched.json`:
    address, version, size, SHA-256, and whether the publisher states that hash. A broken download goes on where it
    ended. Weights come from the hub at the revisions in params.yaml (HF_ENDPOINT names a mirror), without code.
    """
    from lss.fetch.datasets import fetch_dataset

    params = load_params()
    asked = [one for one in What if one != What.all] if What.all in what else what
    folders = {one: _folder(one, params) for one in asked if one != What.weights}
    for one, folder in folders.items():
        source = MENDELEY[one.value]
        _say(f"{source.title}: {source.page}, {source.size}, {source.licence}, to {folder}/")
        for path in fetch_dataset(source, folder, base):
            typer.echo(f"{path}: {path.stat().st_size:,} bytes")
        if one == What.labels:
            _track(folder)
    if What.weights in asked:
        _fetch_weights(params)


def _folder(what: What, params: Params) -> Path:
    """Return where a dataset belongs. Raises LssError where the settings have no place for it."""
    source: Source = MENDELEY[what.value]
    if what == What.labels:
        if params.cohort.experts is None:
            raise LssError(
                "params.yaml: cohort.experts: is null, so the label images have no place. Name a folder, e.g. "
                "data/experts (`lss preset paper` does)."
            )
        return params.cohort.experts
    roots = [archive.root for archive in params.cohort.archives.values() if archive.name == "lss"]
    if not roots:
        raise LssError(
            f"params.yaml: cohort.name: is '{params.cohort.title}', which does not use the {source.title}. Run `lss "
            "preset paper`, or set it to 'lss' and cohort.root to a folder for it."
        )
    return roots[0]


def _fetch_weights(params: Params) -> None:
    from lss.fetch.weights import fetch_weights

    for backbone in params.train.backbones:
        checkpoint = getattr(params.weights, backbone)
        folder = checkpoint.folder or Path(layout.PUBLISHED.format(backbone=backbone))
        for repository in filter(None, (checkpoint, checkpoint.companion)):
            licence = WEIGHT_LICENCES.get(repository.hub_id, "licence: see its card")
            _say(f"{repository.hub_id} at {repository.revision}, {licence}, to {folder}/")
        for hub_id, commit in fetch_weights(backbone, checkpoint, folder).items():
            typer.echo(f"{folder}: {hub_id} at commit {commit}")
        for place in (folder, *(path for path in folder.iterdir() if path.is_dir())):
            if any(place.glob("*.bin")) and not any(place.glob("*.safetensors")):
                typer.echo(f"{place}: published as a pickle. Convert it once: lss convert-weights {place}")


def _track(folder: Path) -> None:
    """Have DVC record what no stage has as its output."""
    from lss.project.workflow import track

    if note := track(folder):
        typer.echo(note)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


@app.command(name="pin-weights", rich_help_panel=PANEL)
def pin_weights() -> None:
    """Write into params.yaml the commits that the revisions of all weights stand for on the hub now."""
    from lss.fetch.weights import resolve
    from lss.project.presets import Setting, write_settings

    params = load_params()
    settings: list[Setting] = []
    for backbone in backbone_names():
        checkpoint = params.weights.of(backbone)
        settings.append((("weights", backbone, "revision"), resolve(checkpoint)))
        if checkpoint.companion:
            settings.append((("weights", backbone, "companion", "revision"), resolve(checkpoint.companion)))
    for line in write_settings(settings, Path(layout.PARAMS), "pinned weights") or [
        "All revisions are pinned already."
    ]:
        typer.echo(line)


@app.command(name="score-masks", rich_help_panel=PANEL)
def score_masks() -> None:
    """Hold the pseudo-masks against label images that experts drew: Dice by grade and by ingredient of Algorithm 1.

    **Reads** the label images named in `cohort.experts`; slices, denoised slices and pseudo-masks in `data/interim/`.

    **Writes** `results/pseudo_masks_expert.csv` (a row per label: how its slice was found, areas in mm2, Dice) and
    `results/pseudo_masks_expert_rejects.csv` (labels that could not be scored, with reason and remedy).
    """
    from lss.tools.expert_scores import score_masks as score

    typer.echo(score(load_params(), Path(layout.EXPERT_SCORES), Path(layout.EXPERT_REJECTS)))
    _say(f"written: {layout.EXPERT_SCORES}, {layout.EXPERT_REJECTS}")


@app.command(name="show-masks", rich_help_panel=PANEL)
def show_masks(
    count: Annotated[int, typer.Option(help="Number of slices, as many of each grade as there are.", min=1)] = 12,
    output: Annotated[Path, typer.Option(help="Where the picture goes, as PNG and as SVG.")] = Path(layout.MASK_SHEET),
) -> None:
    """Draw some slices on their way to a pseudo-mask: raw, denoised, region of interest, edges, mask.

    **Reads** slices, denoised slices, pseudo-masks and split in `data/interim/`. **Writes** the picture.
    """
    from lss.tools.show_masks import show_masks as show

    for path in show(load_params(), count, output):
        typer.echo(path)

"""The verb `lss read`: from a study's files to a folder of results that appears whole."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import cv2
from numpy.typing import NDArray

from lss.dicom_out.provenance import Provenance
from lss.errors import LssError
from lss.inference.settings import PredictParams
from lss.read.dicom_objects import dicom_objects
from lss.read.document import study_document
from lss.read.explained import explain
from lss.read.models import Models, load_models
from lss.read.page import interval_text, study_page
from lss.read.pictures import overlay, sagittal_picture
from lss.read.reading import Reading, read_slices
from lss.read.resume import SliceCache
from lss.read.study import open_prior, open_study
from lss.storage.io import atomic_folder, read_json, write_json, write_text

DOCUMENT = "study.json"

IDENTIFIES = """This folder identifies a patient: names of files, identifiers and DICOM objects are the study's.
Keep it as you keep the images. Research software, no medical device: a radiologist decides.
"""


@dataclass(frozen=True)
class Settings:
    """How a study is read.

    Attributes:
        writing: the section predict: how reports are written.
        batch_size: slices that the networks see at a time.
        seed: of params.yaml.
        device: auto, cpu or cuda.
        assumed_spacing_mm: pixel spacing of pictures, which have none.
        timestamp: date and time in the DICOM objects.
        reports: whether reports are written, which takes most of the time of a long stack.
        explain: whether maps are made of where each disc's grade comes from.
    """

    writing: PredictParams
    batch_size: int
    seed: int
    device: str
    assumed_spacing_mm: float | None
    timestamp: datetime
    reports: bool = True
    explain: bool = False


def read_study(
    study: Path, output: Path, model: Path, settings: Settings, *, prior: Path | None = None, overwrite: bool = False
) -> str:
    """Read a study into the folder `output`; return a few lines for the reader.

    Raises:
        RefusedError: where the study cannot be read, or the prior is another patient's; nothing is written.
        LssError: where output exists, or no model is trained.
    """
    _refuse_output(output, overwrite)
    opened = open_study(study, settings.assumed_spacing_mm)
    earlier = None if prior is None else open_prior(prior, opened, settings.assumed_spacing_mm)
    models = load_models(model, settings.device)
    preparation = models.grader.preparation
    inputs = {"model": models.name, "writing": settings.writing.model_dump(), "seed": settings.seed,
           "reports": settings.reports, "device": str(models.grader.device)}  # fmt: skip
    cache = SliceCache(output, inputs)
    with cache.locked():
        _refuse_output(output, overwrite)  # again: another process may have written it meanwhile
        reading = read_slices(opened, preparation, models, settings.writing, settings.seed, settings.batch_size,
                              cache=cache, reports=settings.reports)  # fmt: skip
        before = None
        if earlier is not None:
            before = read_slices(earlier, preparation, None, settings.writing, settings.seed, settings.batch_size)
        document = write_reading(reading, before, models, output, settings)
        cache.clear()
    resumed = f"{cache.reused} slices were read by an earlier run that had not ended\n" if cache.reused else ""
    return resumed + _summary(document, output)


def _refuse_output(output: Path, overwrite: bool) -> None:
    """Raise LssError where a reading cannot be written to `output`, before the study is read.

    Nothing is replaced but an earlier reading or an empty folder, also where it may be.
    """
    if output.exists():
        if not output.is_dir() or (any(output.iterdir()) and not (output / DOCUMENT).is_file()):
            raise LssError(f"{output}: exists and is no reading of a study. Name another folder with --output.")
        if (output / DOCUMENT).is_file() and not overwrite:
            software = _software_of(output / DOCUMENT)
            raise LssError(
                f"{output}: a study was read into this folder already{software}. Look at {output / 'index.html'}, "
                "give --overwrite to read anew, or another --output."
            )
    trial = output.parent / f".{output.name}-trial"
    try:
        write_text(trial, "")  # minutes before anything else is written
        trial.unlink()
    except LssError as error:
        raise LssError(str(error).replace(str(trial), str(output))) from error


def _software_of(document: Path) -> str:
    """Return version and model of an earlier reading, in words; "" where study.json does not name them."""
    try:
        software = read_json(document)["software"]
        return f" (lss {software['version']}, model {software['model']})"
    except (LssError, KeyError, TypeError):
        return ""


def write_reading(
    reading: Reading, before: Reading | None, models: Models, output: Path, settings: Settings
) -> dict[str, Any]:
    """Write study.json, the page, the pictures and the DICOM objects; return the content of study.json."""
    by = Provenance(reading.study.axial[0].study, models.name, settings.seed, settings.timestamp)
    objects = dicom_objects(reading, study_document(reading, models, before, {}), by)
    kinds = {f"dicom/{name}": kind for name, (kind, _) in objects.items()}
    document = study_document(reading, models, before, kinds)
    explained = explain(reading, models) if settings.explain else None
    if explained is not None:
        document["explanations"] = explained.document
    with atomic_folder(output) as folder:
        write_text(folder / "README.txt", IDENTIFIES)
        (folder / "overlays").mkdir()
        for one in reading.slices:
            if one.prepared is not None:
                _save(overlay(one), folder / "overlays" / f"slice-{one.number:03d}.png")
        for file, picture in (explained.pictures if explained else {}).items():
            _save(picture, folder / file)
        sagittal = None
        if reading.spine is not None:
            drawn = sagittal_picture(reading.spine, reading.study.slices, reading.slices)
            if drawn is not None:
                sagittal = "overlays/sagittal.png"
                _save(drawn, folder / sagittal)
        if objects:
            (folder / "dicom").mkdir()
        for name, (_, dataset) in objects.items():
            dataset.save_as(folder / "dicom" / name, enforce_file_format=True)
        write_json(folder / DOCUMENT, document)
        write_text(folder / "index.html", study_page(document, sagittal))
    return document


def _save(picture: NDArray[Any], path: Path) -> None:
    if not cv2.imwrite(str(path), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR)):
        raise LssError(f"{path}: cannot be written. Is the disk full?")


def _summary(document: dict[str, Any], output: Path) -> str:
    lines = []
    for disc in document["discs"]:
        area = disc["area_mm2"]
        size = f"sac, mm2: {interval_text(area)}" if area else "sac not measured"
        level = disc["level"] or f"level uncertain (block {disc['block']})"
        lines.append(
            f"{level}: grade {disc['grade'] or 'not read'}, {size}, slices {disc['slices'][0]}-{disc['slices'][-1]}"
        )
    if not document["discs"]:
        grades = Counter(one["grade"] or "not read" for one in document["slices"])
        listed = ", ".join(f"{grade} ({count})" for grade, count in sorted(grades.items()))
        lines.append(f"no discs, since levels are not known; slices by grade: {listed}")
    for number in document["look_first"]:
        disc = document["discs"][number - 1]
        place = disc["level"] or f"block {disc['block']}"
        lines.append(f"look first at {place}: {'; '.join(disc['reasons'])}")
    reasons = Counter(row["reason"] for row in document["left_out"])
    if reasons:
        lines.append("left out: " + ", ".join(f"{reason} ({count})" for reason, count in reasons.most_common()))
    lines.append(document["research_only"])
    lines.append(f"written: {output}/index.html, study.json; it identifies a patient")
    return "\n".join(lines)

"""Maps of where the grade of each disc comes from, on the page of a reading, with what is known of their worth."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from lss.domain.grades import GRADES
from lss.explanations.maps import Map, attention_of_prompts, methods_of
from lss.explanations.scoreboard import LABELS, load_record, verdict
from lss.inference.bundle import Bundle
from lss.model.prompt_bank import prompt_queries
from lss.notes.prompts import GRADE_PROMPTS, TEST_WORDING, level_index, prompt_text
from lss.read.models import Models
from lss.read.pictures import RGB, SCALE, grey
from lss.read.reading import DiscReading, Reading, SliceReading
from lss.runtime.progress import progress


@dataclass(frozen=True)
class Explanations:
    """Maps of a reading.

    Attributes:
        document: for study.json, by its schema: the verdict, and of each map its slice, method and picture's file.
        pictures: by file name, of the field of view that the models see, with the map in colour.
    """

    document: dict[str, Any]
    pictures: dict[str, RGB]


def explain(reading: Reading, models: Models, *, shown: bool = True) -> Explanations:
    """Return the maps of one slice of each graded disc, where its sac is smallest; in the order of the scoreboard.

    Raises LssError where the scoreboard beside the models cannot be read.
    """
    record = load_record(models.folder)
    passed = {method["name"]: method["passed"] for method in record["methods"]} if record else {}
    alike = models.masker.preparation == models.grader.preparation
    methods = methods_of(models.grader.network, models.masker.network if alike else None)  # type: ignore[arg-type]
    names = sorted(methods, key=lambda name: [*passed, name].index(name))
    tested = record is not None and record["model"] == models.name
    maps: list[dict[str, Any]] = []
    prompts: list[dict[str, Any]] = []
    pictures: dict[str, RGB] = {}

    def add(rows: list[dict[str, Any]], one: SliceReading, name: str, found: Map, about: dict[str, Any]) -> None:
        file = f"overlays/slice-{one.number:03d}-{name}.png"
        pictures[file] = map_picture(one, found)
        rows.append({"slice": one.number, **about, "picture": file})

    for one in progress([_explained(disc) for disc in reading.discs], "maps", unit="disc", shown=shown):
        if one is None or one.grade is None:
            continue
        image = _image(one, models.grader)
        query = prompt_queries([one.level.level]).to(image.device)
        with torch.autocast(image.device.type, torch.bfloat16, enabled=models.grader.card.bf16):
            for name in names:
                about = {"grade": one.grade, "method": LABELS[name], "passed": passed.get(name, []) if tested else None}
                add(maps, one, name, methods[name](image, query, GRADES.index(one.grade)), about)
            if "mask_attention" not in methods:
                continue
            of_prompts = attention_of_prompts(models.masker.network, image, query)  # type: ignore[arg-type]
        if len(of_prompts) < len(GRADE_PROMPTS):  # joined to one query
            continue
        for number, (prompt, found) in enumerate(zip(GRADE_PROMPTS, of_prompts, strict=True), start=1):
            text = prompt_text(prompt, TEST_WORDING, level_index(one.level.level))
            add(prompts, one, f"prompt-{number}", found, {"grade": prompt.grade, "prompt": text})
    return Explanations({"verdict": verdict(record, models.name), "maps": maps, "prompts": prompts}, pictures)


def map_picture(one: SliceReading, found: Map) -> RGB:
    """Return the models' field of view of a slice in grey, with a map in colour where it is not 0, (n, n, 3)."""
    if one.prepared is None:
        raise ValueError(f"slice {one.number} was not prepared")
    side = round(one.prepared.view.rows * one.item.row_spacing_mm * SCALE)
    picture = cv2.resize(grey(one.prepared.image), (side, side), interpolation=cv2.INTER_CUBIC)
    values = cv2.resize(found, (side, side), interpolation=cv2.INTER_LINEAR)
    colours = cv2.applyColorMap((values * 255).round().astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    share = 0.6 * values[..., None]
    mixed = (1 - share) * picture[..., None] + share * colours
    return np.asarray(mixed.round().clip(0, 255), np.uint8)


def _explained(disc: DiscReading) -> SliceReading | None:
    """Return the slice of a disc whose grade is explained: that of the smallest sac, or the first that was graded."""
    graded = [one for one in disc.slices if one.grade is not None and not one.unfamiliar]
    return disc.smallest if disc.smallest in graded else next(iter(graded), None)


def _image(one: SliceReading, grader: Bundle) -> torch.Tensor:
    """Return a slice as the grading model sees it, (1, 1, Y, X)."""
    if one.prepared is None:
        raise ValueError(f"slice {one.number} was not prepared")
    return grader.batch([one.prepared]).image_B1YX.to(grader.device)

"""Cases for the page's browser: pictures as data URIs, masks as transparent layers, texts and scores."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import Any

import cv2
import numpy as np
from matplotlib import colormaps
from matplotlib.colors import to_rgb
from numpy.typing import NDArray

from lss.domain.grades import GRADE_LABELS
from lss.reporting.case_data import CaseData
from lss.reporting.names import model_name
from lss.reporting.report_marks import finding_marks, origin
from lss.reporting.rgb_pictures import enlarge, grey, heat, outline
from lss.reporting.style import FALSE_NEGATIVE, PREDICTION
from lss.reporting.view_marks import BAR_MM
from lss.runtime.seeding import generator

_SIDE = 224
_FLOATS_SHOWN = 4


def choose_cases(data: CaseData, count: int, seed: int, changed: Iterable[str] = ()) -> dict[str, str]:
    """Return slice_key to why it is shown: a third each of the worst, the best, and drawn at random; then those
    `changed`.

    Worst and best by the mean Dice over the backbones' first segmentation models; of the best, cases in which both
    masks are empty come last, as there is nothing to see.
    """
    dice: dict[str, list[float]] = {}
    nothing: set[str] = set()
    for backbone in data.backbones:
        for row in data.of_model("segmentation", backbone, data.first_loss(backbone, "segmentation")):
            dice.setdefault(row["slice_key"], []).append(row["dice"])
            if row["empty"] in ("both", "reference"):
                nothing.add(row["slice_key"])
    mean = {key: float(np.mean(values)) for key, values in dice.items()}
    third = max(count // 3, 1)
    worst = sorted(mean, key=lambda key: (mean[key], key))[:third]
    best = sorted((key for key in mean if key not in worst), key=lambda key: (key in nothing, -mean[key], key))[:third]
    left = sorted(set(mean) - set(worst) - set(best))
    drawn = generator(seed, "page cases").permutation(len(left))[: max(count - len(worst) - len(best), 0)]
    chosen = dict.fromkeys(worst, "worst") | dict.fromkeys(best, "best")
    chosen |= {left[index]: "random" for index in sorted(drawn)}
    return dict.fromkeys(changed, "changed") | chosen


def page_cases(data: CaseData, chosen: dict[str, str]) -> list[dict[str, Any]]:
    """Return what the browser shows of each chosen case (JSON values): picture, layers, grades, scores, reports per
    model.
    """
    by_model = {
        (task, backbone): {
            row["slice_key"]: row for row in data.of_model(task, backbone, data.first_loss(backbone, task))
        }
        for task in ("segmentation", "report")
        for backbone in data.backbones
        if data.first_loss(backbone, task)
    }
    grades = {backbone: data.grades(backbone) for backbone in data.backbones}
    cases = []
    for key, why in chosen.items():
        first = grades[data.backbones[0]][key]
        reference = data.reference_mask(key, data.predicted_mask(data.backbones[0], key).shape)
        reports = [rows[key] for (task, _), rows in by_model.items() if task == "report"]
        view = data.view(key)
        cases.append(
            {
                "key": key,
                "why": why,
                "patient": first["patient_key"],
                "level": first["level"] or "unknown",
                "grade": GRADE_LABELS[first["grade"]],
                "image": _jpeg(grey(data.image(key), _SIDE)),
                "sides": list(view.sides or ()),
                "bar": round(100 * BAR_MM / view.width_mm, 2),  # percent of the picture's width
                "reference": _layer(outline(reference, _SIDE), FALSE_NEGATIVE, 1.0),
                "referenceReport": reports[0]["reference"] if reports else "",
                "models": [
                    _of_model(data, backbone, key, grades[backbone][key], by_model) for backbone in data.backbones
                ],
            }
        )
    return cases


def _of_model(
    data: CaseData, backbone: str, key: str, grades: dict[str, Any], by_model: dict[tuple[str, str], Any]
) -> dict[str, Any]:
    prediction = data.segmentation(backbone, key)
    scores = by_model["segmentation", backbone][key]
    report = by_model.get(("report", backbone), {}).get(key)
    answers = {"head": grades["head"], "mask area": grades["area_own"], "text": grades["text"]}
    return {
        "name": model_name(backbone),
        "mask": _layer(enlarge(data.predicted_mask(backbone, key), _SIDE), PREDICTION, 0.45),
        "attention": _attention(prediction),
        "dice": round(scores["dice"], _FLOATS_SHOWN),
        "iou": round(scores["iou"], _FLOATS_SHOWN),
        "hd95": round(scores["hd95_mm"], 1),
        "empty": scores["empty"],
        "area": round(prediction["area_percent"], 1),
        "confidence": prediction["mean_confidence"] and round(prediction["mean_confidence"], 2),
        "severe": grades["p_D"] and round(grades["p_D"], 2),
        "said": {source: GRADE_LABELS[grade] if grade else "none" for source, grade in answers.items()},
        "agree": grades["agree"],
        "report": report["report"] if report else "",
        "disagreements": list(report["disagreements"]) if report else [],
        "findings": finding_marks(report) if report else [],
        "contradicts": bool(report and report["contradictions"]),
        "origin": origin(report) if report else "",
        "firstReport": (report and report["first_report"]) or "",
    }


def _attention(prediction: dict[str, Any]) -> str:
    """Return a picture of the attention; empty where there is none, as for a U-Net."""
    if prediction["attention"] is None:
        return ""
    shape = prediction["grid_rows"], prediction["grid_columns"]
    attention = np.frombuffer(prediction["attention"], "<f2").astype(np.float64).reshape(shape)
    coloured = (colormaps["inferno"](heat(attention, _SIDE // 2))[..., :3] * 255).astype(np.uint8)
    return _jpeg(coloured)


def _jpeg(picture: NDArray[np.uint8]) -> str:
    bgr = np.ascontiguousarray(picture[..., ::-1])
    return _uri("jpeg", cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, 85])[1].tobytes())


def _layer(mask: NDArray[np.bool_], colour: str, opacity: float) -> str:
    """Return a mask as a transparent PNG in one colour."""
    red, green, blue = (round(255 * part) for part in to_rgb(colour))
    layer = np.zeros((*mask.shape, 4), dtype=np.uint8)
    layer[mask] = (blue, green, red, round(255 * opacity))
    return _uri("png", cv2.imencode(".png", layer)[1].tobytes())


def _uri(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"

"""Figure 11: what other prompts change."""

from __future__ import annotations

from matplotlib.figure import Figure

from lss.reporting.figure_record import Drawn, FigureRecord
from lss.reporting.names import model_name
from lss.reporting.prompt_figure import PromptCase, draw_prompts
from lss.reporting.results import Results
from lss.reporting.selection import typical_cases


def draw(drawn: Drawn) -> Figure:
    """Draw masks under other prompts: the cases of Figure 4, for each backbone that has prompts."""
    data, per_grade = drawn.data, drawn.params.cases_per_grade
    first = data.backbones[0]
    chosen = typical_cases(
        data.of_model("segmentation", first, data.first_loss(first, "segmentation")), "dice", per_grade
    )
    shown = []
    for row in chosen:
        key = row["slice_key"]
        for backbone in data.backbones:
            own, exchanged = data.predicted_mask(backbone, key), data.exchanged_masks(backbone, key)
            if exchanged:
                reference = data.reference_mask(key, own.shape)
                name = model_name(backbone)
                shown.append(PromptCase(data.image(key), data.view(key), reference, own, exchanged, row, name))
    return draw_prompts(shown, "What the networks draw when their prompts say something else")


def _was_exchanged(results: Results) -> bool:
    """Return whether a network has prompts that can be exchanged."""
    return any(row["source"].startswith("said_") for row in results.statistics["measures"])


FIGURE = FigureRecord(
    "What other prompts change.",
    "The cases of Figure 4, the middle of the view enlarged: the image with the outline of the reference, the mask "
    "with the network's own prompts, and with other words: yellow is in both masks, blue only with the other "
    "words, orange only with the own. Below, Dice against the pseudo-mask and the number of pixels that differ, "
    "of those in either mask. Single cases; Table 12 has the whole test part.",
    draw,
    shown=_was_exchanged,
)

"""Findings read from the image, and reports checked against them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

import lss.runtime.torch_setup  # noqa: F401
from lss.metrics.report_score import compare_findings
from lss.model.finding_head import STATEMENTS, FindingHead, expected_score, statements_of, supported
from lss.model.report_encoder import CELLS, Evidence

SEVERITY = "Severe spinal canal stenosis, 31.2 % of the region is affected."
REFERENCE = (
    "Disc bulge at L4-L5. Features of muscle spasm. No nerve root compression. Narrowing of the left neural foramen."
)


def certain(reference: str) -> np.ndarray:
    """A head that knows the reference."""
    return statements_of(reference, "L4-L5").double().numpy()


def test_statements_are_those_of_the_images_level_and_of_the_whole_spine():
    message = {
        STATEMENTS[place] for place in statements_of(REFERENCE + " Disc protrusion at L3-L4.", "L4-L5").nonzero()
    }
    assert message == {
        ("disc bulge", False, None),
        ("muscle spasm", False, None),
        ("nerve root compression", True, None),
        ("foraminal narrowing", False, None),
        ("foraminal narrowing", False, "left"),
    }


@pytest.mark.parametrize(
    "text",
    [
        REFERENCE,
        "Disc bulge at L4-L5.",
        "No disc bulge at L4-L5.",
        "Disc bulge at L4-L5. Schmorl's nodules. Spondylosis.",
        "Narrowing of the left neural foramen. No nerve root compression.",
        "Disc protrusion at L3-L4.",
        "",
    ],
)
def test_expected_score_under_certainty_is_the_score(text):
    expected = compare_findings(text, REFERENCE, "L4-L5").score
    assert expected_score(text, "L4-L5", certain(REFERENCE)) == pytest.approx(expected)


def test_expected_score_under_doubt_by_hand():
    chances = np.zeros(len(STATEMENTS))
    chances[STATEMENTS.index(("foraminal narrowing", False, None))] = 0.8
    chances[STATEMENTS.index(("foraminal narrowing", False, "left"))] = 0.5
    chances[STATEMENTS.index(("muscle spasm", False, None))] = 0.4
    text = "Narrowing of the left neural foramen."
    assert expected_score(text, "L4-L5", chances) == pytest.approx(2 * (0.8 + 0.5) / 2 / (1 + 1.2))


def test_what_the_image_does_not_support_is_left_out_and_nothing_else():
    invented = ["Multilevel Schmorl's nodules.", "No disc bulge at L4-L5."]
    report = f"{SEVERITY} Disc bulge at L4-L5. {invented[0]} Features of muscle spasm. The patient was calm."
    kept, left_out = supported(report, "L4-L5", certain(REFERENCE))
    assert kept == f"{SEVERITY} Disc bulge at L4-L5. Features of muscle spasm. The patient was calm."
    assert left_out == invented[:1]
    assert supported(f"{SEVERITY} {REFERENCE}", "L4-L5", certain(REFERENCE)) == (f"{SEVERITY} {REFERENCE}", [])
    alone = f"{SEVERITY} {invented[1]}"
    assert supported(alone, "L4-L5", certain(REFERENCE)) == (alone, [])  # one sentence of findings stays
    assert supported(SEVERITY, "L4-L5", certain(REFERENCE)) == (SEVERITY, [])


def test_head_learns_what_a_cell_and_the_level_show_and_no_image_depends_on_another():
    random = torch.Generator().manual_seed(0)
    images, width = 64, 6
    visual = torch.randn(images, CELLS, 2 * width, generator=random)
    levels = ["L4-L5" if index % 2 else "L3-L4" for index in range(images)]
    reports = [
        " ".join([f"Disc bulge at {level}." if of[5, 0] > 0 else f"No disc lesion at {level}.",
                  "Features of muscle spasm." if level == "L4-L5" else ""])
        for of, level in zip(visual, levels, strict=True)
    ]  # fmt: skip
    evidence = Evidence(visual, torch.zeros(images, 1, 64, 64), torch.zeros(images, 0, 0), [0.0] * images,
                        [None] * images, [None] * images, list(levels))  # fmt: skip
    target = torch.stack([statements_of(*of) for of in zip(reports, levels, strict=True)])
    torch.manual_seed(0)
    head = FindingHead(width)
    optimiser = torch.optim.AdamW(head.parameters(), lr=5e-3)
    for _ in range(150):
        optimiser.zero_grad()
        nn.functional.binary_cross_entropy_with_logits(head(evidence), target).backward()
        optimiser.step()
    head.eval()
    with torch.no_grad():
        together = head(evidence)
        alone = torch.cat([head(evidence.at([place])) for place in range(images)])
    torch.testing.assert_close(together, alone)
    for statement in (("disc bulge", False, None), ("muscle spasm", False, None)):
        place = STATEMENTS.index(statement)
        assert ((together[:, place] > 0) == (target[:, place] > 0)).float().mean() > 0.95

"""Model cards and the data sheet: every fact of the manifests, nothing invented, no raw id."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import pytest

from lss.reporting.cards import Card, to_markdown
from lss.reporting.data_sheet import data_sheet
from lss.reporting.model_cards import model_card

RAW = ("0417", "MUELLER^ANNA", "/mnt/hospital")
ABOUT = {"cohort": "folder", "phantom": False, "images": 60, "patients": 11, "images_by_grade": {"A": 40, "D": 20},
         "images_by_level": {"L4-L5": 60}, "confidence": 0.95, "interval": "percentile over patients, 77 draws",
         "weights": {"smolvlm": "published"}}  # fmt: skip
FILES = {f"{RAW[2]}/{RAW[0]}/{RAW[1]}.dcm": {"sha256": "0", "bytes": 5}}


def manifest(stage: str, facts: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    machine = {"platform": "Linux-9", "versions": {"torch": "2.99"}}
    return {"stage": stage, "facts": facts, "params": params, "seed": 424242, "inputs": FILES, "outputs": FILES,
            "machine": machine, "seconds": 1.0}  # fmt: skip


TRAIN = {
    "backbone": "smolvlm", "task": "segmentation", "loss": "pid_tversky", "device": "cuda:7", "train_samples": 1357,
    "val_samples": 246, "epochs": 29, "best_epoch": 23, "best_val_score": 0.81234, "trained_parameters": 777001,
    "parameters": 256484001, "leak": True, "quantised": {"vision": {"layers": 72}},
    "unused_weights": {"vision_model.encoder.layers.*": 16},
    "weights": {"backbone": "smolvlm", "source": "published", "commits": {"a/b": "c0ffee"}},
}  # fmt: skip
MANIFESTS = [
    manifest("cohort", {"cohort": "folder", "caveat": "Paired <arbitrarily>.", "files": 4321, "bytes": 987654},
             {"name": "folder", "root": RAW[2]}),
    manifest("ingest", {"pseudonym_key": "a secret file", "rejects": {}}, {"ingest": {"unnamed_level": "none",
             "unknown_level": "note"}}),
    manifest("split", {"slices": 5005, "used": 303, "rejects": {"truncated file": 17}, "unused": {"plane sagittal": 88},
                       "absent_grades": {"val": ["D"]}, "train_copies_of_cohort": {"A": 200, "BC": 199},
                       "subsets": {"train": {"patients": 31, "slices": {"A": 200, "BC": 65}}}},
             {"plane": "axial", "weighting": ["T2"], "file": f"{RAW[2]}/split.csv", "folds": None}),
    manifest("denoise", {}, {"method": "nlm", "h_factor": 1.23}),
    manifest("pseudo_mask", {"region_of_interest": {"canal found": 290, "centre": 13}, "empty_masks": 111},
             {"roi": "canal", "kernel_severe": 9}),
    manifest("pseudo_mask", {"region_of_interest": {"canal found": 10}, "empty_masks": 4}, {}),
    manifest("shards", {}, {"rotation_deg": 3.5}),
    manifest("weights", {"backbone": "smolvlm"}, {"smolvlm": {"hub_id": "HuggingFaceTB/SmolVLM-256M-Instruct",
             "revision": "deadbeef", "folder": None}}),
    manifest("train", TRAIN, {"batch_size": 8, "gamma": 0.75, "resample_grid": None, "pid": {"kp": 0.05},
             "segmentation": {"epochs": 30, "encoder_learning_rate": 1e-5, "losses": ["pid_tversky"]}}),
]  # fmt: skip
STATISTICS = {
    "about": ABOUT,
    "caveats": ["Leak: smolvlm/segmentation/pid_tversky were told the grade.", "Paired <arbitrarily>."],
    "measures": [{"task": "segmentation", "backbone": "smolvlm", "loss": "pid_tversky", "source": "mask",
                  "reference": "pseudo_mask", "metric": "dice", "stratum": "non_empty", "value": 0.654, "low": 0.5,
                  "high": 0.7, "interval": "bca", "n": 37, "patients": 10}],
}  # fmt: skip


def card(manifests: list[dict[str, Any]]) -> str:
    return to_markdown(model_card(manifests[-1], manifests, STATISTICS))


@pytest.mark.parametrize(
    "fact",
    ["# Model card: SmolVLM, segmentation, PID-Tversky", "**Weights**: published",
     "**Id on the hub**: HuggingFaceTB/SmolVLM-256M-Instruct", "**Revision**: deadbeef", "a/b: c0ffee",
     "**Licence of the weights**: Apache-2.0", "**Parameters**: 256,484,001", "**Trained parameters**: 777,001",
     "**Quantised**: vision: (layers: 72)",
     "**Tensors of the weights not used**: vision_model.encoder.layers.\\* (16)",
     "**Epochs run**: 29", "**Epochs, as set**: 30", "**Best epoch**: 23",
     "**Best validation score**: 0.8123", "**Device**: cuda:7", "**Train samples**: 1,357",
     "**Validation samples**: 246",
     "**Encoder learning rate**: 1e-05", "**Batch size**: 8", "**Gamma**: 0.75", "**PID**: kp: 0.05",
     "**Resample grid**: none", "**Mask size**: not stated", "**Seed**: 424242", "torch 2.99", "Linux-9",
     "**Part train**: patients: 31, slices: (A: 200, B&C: 65)", "**Plane and weighting**: axial, T2",
     "**Dice, non-empty reference**: 0.654 (0.500 to 0.700); 37 images of 10 patients", "**Dice**: not stated",
     "**Leak**: yes: it was given the prompt of the true grade", "Paired \\<arbitrarily>.", "not a medical device",
     "95 %, percentile over patients, 77 draws"],
)  # fmt: skip
def test_model_card_lists_the_training(fact: str) -> None:
    assert fact in card(MANIFESTS)


@pytest.mark.parametrize(
    "fact",
    ["**Licence**: not stated", "**Owner's caveat**: Paired \\<arbitrarily>.", "**Files**: 4,321", "**Bytes**: 987,654",
     "**Slices read**: 5,005", "**Slices in use**: 303", "**Test images by level**: L4-L5: 60",
     "**Key of the pseudonyms**: a secret file", "**Discs that a note does not name**: none",
     "**Region of interest**: canal found: 300, centre: 13", "**Empty masks**: 115", "**Kernel severe**: 9",
     "h factor: 1.23", "rotation deg: 3.5", "**Given by a file**: yes", "**Folds**: none",
     "**Files and notes that could not be used**: truncated file: 17", "**Slices of another kind**: plane sagittal: 88",
     "**Grades absent from a part**: validation: D", "not a medical device"],
)  # fmt: skip
def test_data_sheet_lists_the_cohort(fact: str) -> None:
    assert fact in to_markdown(data_sheet(MANIFESTS, STATISTICS))


def test_no_raw_id_or_path_gets_in() -> None:
    text = card(MANIFESTS) + to_markdown(data_sheet(MANIFESTS, STATISTICS))
    assert not any(raw in text for raw in RAW)


def test_what_is_missing_says_so() -> None:
    """Of nothing but the model's name: every fact is there, none is made up."""
    trained = {"stage": "train", "facts": {"backbone": "smolvlm", "task": "report", "loss": "focal"}, "params": {}}
    nothing = STATISTICS | {"measures": [], "caveats": []}
    text = to_markdown(model_card(trained, [trained], nothing))
    for name in ("Weights", "Licence of the weights", "Parameters", "Cohort", "Epochs run", "Device", "Seed", "Leak",
                 "CIDEr-D", "Best validation score", "Owner's caveat"):  # fmt: skip
        assert f"**{name}**: not stated" in text, name
    sheet = to_markdown(data_sheet([], nothing | {"about": ABOUT | {"cohort": None}}))
    for name in ("From", "Licence", "Slices read", "Region of interest", "Key of the pseudonyms", "Denoising"):
        assert f"**{name}**: not stated" in sheet, name
    assert "0" not in sheet.split("## De-identification")[1].split("## Use")[0]


def test_a_line_of_markdown_stays_one_line() -> None:
    assert "- **Name**: first second\n" in to_markdown(Card("T", [("H", [("Name", "first\n\nsecond")])]))


@pytest.mark.parametrize(
    "hostile",
    ["<script>alert(1)</script>", "![x](javascript:alert(1))", "*a* **b** _c_ __d__ e_f", "`code` ``x``",
     "&lt;b&gt; &#60;", "<!--<script>", "\\<b>", "a | b", "[x]: javascript:y"],
)  # fmt: skip
def test_what_a_user_wrote_is_text_in_markdown(hostile: str) -> None:
    """Rendered by an independent CommonMark parser."""
    markdown = pytest.importorskip("markdown_it").MarkdownIt("commonmark")
    html = markdown.render(to_markdown(Card("T", [("H", [("Caveat", f"a {hostile} b")])])))
    (line,) = re.findall(r"<li>(.*?)</li>", html)
    assert unescape(line) == f"<strong>Caveat</strong>: a {hostile} b"
    assert re.sub(r"</?(strong|li)>", "", line).count("<") == 0

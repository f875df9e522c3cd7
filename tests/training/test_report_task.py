"""The report task on tiny checkpoints: frozen parts stay, losses are right, a saved model writes the same."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import numpy as np
import pytest
import torch

from lss.backbones import load_backbone, qlora
from lss.backbones.tiny_checkpoints import write_tiny_checkpoint
from lss.errors import LssError
from lss.inference.bundle import load_bundle
from lss.inference.settings import PredictParams
from lss.losses.focal import IGNORED
from lss.model.batch import Batch
from lss.model.finding_head import STATEMENTS, statements_of, supported
from lss.model.network import SegmentationNetwork, network_config
from lss.model.prompt_bank import prompt_queries
from lss.model.report_encoder import Location
from lss.model.report_generator import Decoding, ReportGenerator
from lss.model.report_text import state_area, tidy
from lss.model.saved import ModelCard, load_network, save_model
from lss.model.severity import PAPER_THRESHOLDS, area_percent, calibrate_thresholds, grade_by_area
from lss.notes.reference import severity_sentence
from lss.notes.report_consistency import check_report
from lss.project.params import load_params
from lss.stages.predict import prediction_row
from lss.storage.io import write_json
from lss.training import report_task
from lss.training.settings import TrainParams
from lss.training.task import Setup

CPU = torch.device("cpu")
EXECUTION = load_params().execution
PLACE = Location("L4-L5", region_share=0.25, canal_column=0.4, sides="RL")
REPORTS = [
    "No significant spinal canal stenosis, 0.0 % of the region is affected. Feature of muscle spasm.",
    "Mild to moderate spinal canal compression, 1.5 % of the region is affected.",
    "Severe spinal canal stenosis, 3.0 % of the region is affected. Diffuse disc bulge at L4-L5.",
]


@pytest.fixture(scope="module")
def params(project_root: Path) -> TrainParams:
    params = load_params(project_root / "params.yaml").train
    report = params.report.model_copy(update={"max_tokens": 60, "decoder_width": 32})
    return params.model_copy(update={"report": report})


def _card(params: TrainParams, backbone: str, task: str, grid: tuple[int, int]) -> ModelCard:
    return ModelCard(
        backbone=backbone, task=task, loss="x", quantise=True, bf16=False, image_size=0, grid=list(grid),
        network=vars(network_config(params)), leak=False, best_epoch=1, best_score=0.0,
        train=params.model_dump(mode="json"),
    )  # fmt: skip


def _load(name: str, weights: Path) -> Any:
    return load_backbone(name, weights, quantise=True, device=CPU, dtype=torch.float32)


@pytest.fixture(scope="module", params=["biomedclip", "smolvlm", "llava_med"])
def trained_segmentation(request, tmp_path_factory, params) -> tuple[str, Path, Path]:
    """A random segmentation model of each backbone, saved as the stage train does: name, weights, folder."""
    name = request.param
    weights, folder = (tmp_path_factory.mktemp(f"{name}-{what}") for what in ("weights", "segmentation"))
    write_tiny_checkpoint(name, weights, seed=3)
    write_json(weights / "manifest.json", {})
    torch.manual_seed(0)
    backbone = _load(name, weights)
    qlora.add_adapters(backbone, ("vision",), rank=params.qlora.rank, alpha=params.qlora.alpha, dropout=0.0)
    with torch.no_grad():  # B is zero at first: give the adapters something to say
        for parameter in qlora.adapter_parameters(backbone):
            parameter.normal_(std=0.1)
    network = SegmentationNetwork(backbone, network_config(params))
    save_model(folder, _card(params, name, "segmentation", backbone.grid), network, backbone)
    return name, weights, folder


def _task(of: tuple[str, Path, Path], params: TrainParams, loss: str = "focal") -> report_task.ReportTask:
    name, weights, folder = of
    torch.manual_seed(1)
    return report_task.build(Setup(_load(name, weights), params, loss, 0, CPU, folder, weights, EXECUTION))


def _batch(task: report_task.ReportTask) -> Batch:
    return _batch_of(task.module)


def _batch_of(network: ReportGenerator) -> Batch:
    side = network.backbone.image_size
    rows = [
        dict(sample_key=f"s{i}", slice_key=f"s{i}", patient_key="p", grade=grade, report=text, **asdict(PLACE))
        for i, (grade, text) in enumerate(zip(("A", "BC", "D"), REPORTS, strict=True))
    ]  # fmt: skip
    image = torch.rand(3, 1, side, side, generator=torch.Generator().manual_seed(2))
    return Batch(image, torch.zeros(3, 1, 8, 8), torch.arange(3), REPORTS, rows)


def _predict(
    model: Path, weights: Path, batches: list[Batch], how: str, unsupported: str = "keep"
) -> list[dict[str, Any]]:
    settings = PredictParams(
        decoding="greedy", beams=1, temperature=1.0, unsupported=unsupported, on_contradiction=how, attempts=2
    )
    bundle = load_bundle(model, weights=weights, device="cpu")
    result = [(batch, bundle.predict(batch, writing=settings)) for batch in batches]
    return [prediction_row(*pair) for batch, of_batch in result for pair in zip(batch.rows, of_batch, strict=True)]


def _one_by_one(batch: Batch) -> list[Batch]:
    return [
        Batch(batch.image_B1YX[i : i + 1], batch.mask_B1YX[i : i + 1], batch.grade_B[i : i + 1], [batch.report[i]],
              [batch.rows[i]])
        for i in range(len(batch))
    ]  # fmt: skip


def test_learns_with_the_segmentation_network_frozen_and_writes_the_same_after_saving(
    trained_segmentation, params, tmp_path
):
    name, weights, folder = trained_segmentation
    task = _task(trained_segmentation, params)
    batch = _batch(task)
    network = task.module
    parts = [part for group in task.parameter_groups() for part in group["params"]]
    assert {id(part) for part in parts} == {id(part) for part in network.parameters() if part.requires_grad}

    published, _ = load_network(folder, weights, CPU)
    optimiser = torch.optim.AdamW(parts, lr=5e-3)
    network.train()
    losses = []
    for _ in range(12):
        optimiser.zero_grad()
        loss = task.loss(batch)
        loss.backward()
        losses.append(loss.item())
        optimiser.step()
    assert losses[-1] < 0.5 * losses[0]
    task.end_epoch([task.counts()])
    assert network.encoder.thresholds == PAPER_THRESHOLDS  # nothing is calibrated on what is trained on

    network.eval()
    with torch.no_grad():
        expected = published(batch.image_B1YX, batch.grade_B).logits
        now = network.segmentation(batch.image_B1YX, batch.grade_B).logits
    torch.testing.assert_close(now, expected)  # neither its decoder nor its adapters moved

    scores = task.validate([batch])
    assert set(scores) == {
        "score", "right_reports", "text_grade", "cider_d", "nll", "finding_loss", "head_grade", "threshold_mild",
        "threshold_severe",
    }  # fmt: skip
    areas = np.array(network.look(batch.image_B1YX, batch.grade_B, [PLACE] * 3).area_percent)
    by_hand = calibrate_thresholds(areas, ["A", "BC", "D"])
    assert network.encoder.thresholds == (scores["threshold_mild"], scores["threshold_severe"]) == by_hand
    assert task.facts()["area_thresholds"]["calibrated"] == list(by_hand)
    # fresh, not from the float16 cache
    evidence = network.look(batch.image_B1YX, batch.grade_B, [PLACE] * 3)
    written = network.write(evidence, Decoding())
    task.write_batch_size = 2
    assert task._write(evidence) == written  # two and one at a time, in the same order
    card = _card(params, name, "report", task.backbone.grid)
    save_model(tmp_path, card, network, task.backbone)
    assert (tmp_path / "adapter" / "adapter_config.json").is_file()
    rows = _predict(tmp_path, weights, [batch], "keep")
    assert [row["report"] for row in rows] == written
    assert [row["reference"] for row in rows] == REPORTS
    assert [row["area_percent"] for row in rows] == evidence.area_percent
    assert {(row["origin"], row["attempts"], row["first_report"]) for row in rows} == {("first", 1, None)}

    assert not any(row["left_out"] for row in rows)
    chances = network.finding_chances(evidence)
    for row, text, of in zip(_predict(tmp_path, weights, [batch], "keep", "drop"), written, chances, strict=True):
        assert (row["report"], row["left_out"]) == supported(text, "L4-L5", of)
        assert sorted(f"{row['report']} {' '.join(row['left_out'])}".split()) == sorted(text.split())

    thresholds = network.encoder.thresholds
    assert [row["mask_grade"] for row in rows] == [grade_by_area(a, thresholds) for a in evidence.area_percent]
    expected = [severity_sentence(row["mask_grade"], row["area_percent"]) for row in rows]
    settled = _predict(tmp_path, weights, [batch], "template")
    for row, first, template in zip(settled, written, expected, strict=True):
        replaced = row["origin"] == "template"
        assert (row["report"], row["first_report"]) == ((template, first) if replaced else (first, None))
        assert not check_report(
            row["report"], area_percent=row["area_percent"], mask_grade=row["mask_grade"], level="L4-L5"
        ).contradicts
    together = _predict(tmp_path, weights, [batch], "regenerate")
    alone = [row for part in _one_by_one(batch) for row in _predict(tmp_path, weights, [part], "regenerate")]
    assert together == alone
    assert {row["origin"] for row in together} <= {"first", "regenerated", "template"}
    assert all((row["origin"] == "first") == (row["first_report"] is None) for row in together)


def test_evidence_does_not_depend_on_the_batch(trained_segmentation, params):
    task = _task(trained_segmentation, params)
    batch = _batch(task)
    places = [PLACE] * 3
    together = task.module.look(batch.image_B1YX, batch.grade_B, places)
    alone = task.module.look(batch.image_B1YX[1:2], batch.grade_B[1:2], places[1:2])
    assert torch.equal(together.visual_BMV[1:2], alone.visual_BMV)
    assert together.area_percent[1] == alone.area_percent[0]


def test_looking_at_a_batch_at_once_finds_the_same(trained_segmentation, params):
    """What a GPU does; on the CPU, where it is compared, only rounding may differ."""
    network = _task(trained_segmentation, params).module.eval()
    batch = _batch_of(network)
    one_by_one = network.look(batch.image_B1YX, batch.grade_B, [PLACE] * 3)
    visual, coverage, projected, mask = network.find(batch.image_B1YX, batch.grade_B, prompt_queries([PLACE.level] * 3))
    torch.testing.assert_close(visual, one_by_one.visual_BMV, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(coverage, one_by_one.coverage_B1SS)
    torch.testing.assert_close(projected, one_by_one.projected_BML, atol=1e-4, rtol=1e-4)
    assert area_percent(mask, [PLACE.region_share] * 3) == one_by_one.area_percent


@torch.no_grad()
def test_the_language_model_reads_the_image_through_the_published_projector(trained_segmentation, params):
    """The first positions of what it is given are the projector's patches, averaged over 4 x 4 cells by hand."""
    name = trained_segmentation[0]
    network = _task(trained_segmentation, params).module.eval()
    backbone, batch = network.backbone, _batch_of(network)
    evidence = network.look(batch.image_B1YX, batch.grade_B, [PLACE] * 3)
    if name == "biomedclip":
        assert evidence.projected_BML.shape == (3, 0, 0) and network.prefix_tokens == 0
        return
    patches = backbone.project_patches(backbone.patch_tokens(backbone.normalise(batch.image_B1YX[:, 0])))
    rows, columns = backbone.projected_grid
    assert patches.shape == (3, rows * columns, backbone.language_width)
    maps = patches.reshape(3, rows, columns, -1)
    # cell i of n pixels in 4 cells: floor(i n / 4) to ceil((i + 1) n / 4)
    edges = [(i * rows // 4, -(-(i + 1) * rows // 4)) for i in range(4)]
    cells = [maps[:, top:bottom, left:right].mean(dim=(1, 2)) for top, bottom in edges for left, right in edges]
    given = []
    handle = backbone.text_tower.register_forward_pre_hook(
        lambda _, __, named: given.append(named["inputs_embeds"]), with_kwargs=True
    )
    network.write(evidence, Decoding())
    handle.remove()
    torch.testing.assert_close(given[0][:, :16], torch.stack(cells, dim=1), atol=1e-4, rtol=1e-4)
    assert given[0].shape[1] == network.prefix_tokens + 1  # and the token that opens a report
    assert not torch.allclose(given[0][0, :16], given[0][2, :16], atol=1e-4)  # another image, other tokens


def test_a_slice_stored_mirrored_gets_the_other_side_and_one_of_unknown_sides_none(
    trained_segmentation, params, tmp_path
):
    """Taught on both ways of storing, from training to the checked row: the pixels are the same, the sides are not."""
    name, weights, _ = trained_segmentation
    task = _task(trained_segmentation, params)
    one = _batch(task)
    views = ["RL", "LR", None, "AP"]
    message = {
        "RL": "Left",
        "LR": "Right",
        None: "Left",
        "AP": "Right",
    }  # what the note says, not what may be said of it
    texts = [
        f"Severe spinal canal stenosis, 3.0 % of the region is affected. {message[of]} foraminal narrowing."
        for of in views
    ]
    rows = [one.rows[2] | {"sample_key": f"v{of}", "slice_key": f"v{of}", "sides": of, "report": text}
            for of, text in zip(views, texts, strict=True)]  # fmt: skip
    batch = Batch(
        one.image_B1YX[2:].repeat(4, 1, 1, 1), one.mask_B1YX[2:].repeat(4, 1, 1, 1), torch.full((4,), 2), texts, rows
    )
    network, known = task.module, [0, 1]
    taught = Batch(batch.image_B1YX[known], batch.mask_B1YX[known], batch.grade_B[known], texts[:2], rows[:2])
    parts = [part for group in task.parameter_groups() for part in group["params"]]
    optimiser = torch.optim.AdamW(parts, lr=5e-3)
    network.eval()  # no dropout: learnt sooner
    with torch.no_grad():
        mirrored = Batch(batch.image_B1YX[1:2], batch.mask_B1YX[1:2], batch.grade_B[1:2], texts[1:2], rows[1:2])
        as_seen = Batch(batch.image_B1YX[:1], batch.mask_B1YX[:1], batch.grade_B[:1], texts[:1], rows[:1])
        assert task.loss(mirrored) == task.loss(as_seen), "to the network it is one image with one text"
    for _ in range(60):
        optimiser.zero_grad()
        task.loss(taught).backward()
        optimiser.step()
    card = _card(params, name, "report", task.backbone.grid)
    save_model(tmp_path, card, network, task.backbone)
    written = _predict(tmp_path, weights, [batch], "keep")
    assert [row["report"].split(". ")[1] for row in written] == [
        "Left foraminal narrowing.", "Right foraminal narrowing.", "Foraminal narrowing.", "Foraminal narrowing.",
    ]  # fmt: skip
    sides = [row["mask_side"] for row in written]
    assert sides[1] == {"left": "right", "right": "left", None: None}[sides[0]] and sides[2:] == [None, None]
    chances = network.finding_chances(task._look(batch))
    left, right = (STATEMENTS.index(("foraminal narrowing", False, side)) for side in ("left", "right"))
    assert chances[0, left] > 0.5 > chances[0, right] and chances[1, right] > 0.5 > chances[1, left]


def test_pixels_are_looked_at_once(trained_segmentation, params, monkeypatch):
    """From the second epoch on a batch comes without pixels, and its loss stays the same."""
    task = _task(trained_segmentation, params)
    task.module.eval()
    batch = _batch(task)
    first = task.loss(batch)
    assert {row["sample_key"] for row in batch.rows} <= set(task.known)
    monkeypatch.setattr(task.module, "look", None)
    nothing = torch.empty(3, 1, 0, 0)
    assert torch.equal(task.loss(Batch(nothing, nothing, batch.grade_B, batch.report, batch.rows)), first)


def test_a_resumed_task_knows_whether_it_calibrates(trained_segmentation, params):
    task, other = _task(trained_segmentation, params), _task(trained_segmentation, params)
    batch = _batch(task)
    task.loss(batch)
    assert task.state()["calibrated"] is None
    task.end_epoch([task.counts()])
    with torch.no_grad():
        task.validate([batch])
    other.load_state(json.loads(json.dumps(task.state())))
    assert other.state() == task.state() and other.state()["calibrated"] is not None
    assert other.facts() == task.facts()
    with torch.no_grad():  # what is known already is not fitted anew
        other.validate([Batch(batch.image_B1YX, batch.mask_B1YX, batch.grade_B.flip(0), batch.report, batch.rows)])
    assert other.facts() == task.facts()


def test_a_calibration_that_leaves_a_grade_out_says_so(trained_segmentation, params):
    task = _task(trained_segmentation, params)
    task._calibrate([0.0, 0.0, 60.0, 61.0], ["A", "A", "BC", "D"])
    assert task.facts()["area_thresholds"]["unreached"] == []
    task._calibrate([0.0, 0.0, 60.0, 60.0], ["A", "A", "BC", "D"])
    assert task.facts()["area_thresholds"]["unreached"] in (["BC"], ["D"])


def test_losses_are_those_of_the_logits(trained_segmentation, params):
    batch_losses = {}
    for loss in ("focal", "nll"):
        task = _task(trained_segmentation, params, loss)
        batch = _batch(task)
        task.module.eval()
        with torch.no_grad():
            batch_losses[loss] = task.loss(batch).item()
            evidence = task._look(batch)
            texts = [state_area(*pair) for pair in zip(REPORTS, evidence.area_percent, strict=True)]
            ids, target = task.module.teacher_forcing_ids(texts)
            features, grade_logits = task.module.encoder(evidence)
            context = task.module.writer.context(features, evidence.projected_BML)
            logits = task.module.writer.teacher_forced(context, ids)
            chances = task.module.finding_head(evidence).sigmoid()
    counted = target != IGNORED
    p = logits.softmax(dim=-1)[counted].gather(1, target[counted][:, None])
    grade_loss = -(grade_logits.log_softmax(dim=-1).diagonal()).mean()
    message = torch.stack([statements_of(report, "L4-L5") for report in REPORTS]).bool()
    finding_loss = -torch.where(message, chances, 1 - chances).log().mean()
    for loss, gamma in (("focal", 2.0), ("nll", 0.0)):
        words = ((1 - p) ** gamma * -p.log()).mean()
        expected = words + params.report.grade_weight * grade_loss + finding_loss
        assert batch_losses[loss] == pytest.approx(expected.item(), rel=1e-4)


def test_texts_survive_the_tokenizer(trained_segmentation, params):
    module = _task(trained_segmentation, params).module
    ids, target = module.teacher_forcing_ids(REPORTS)
    assert ids[:, 0].tolist() == [module.writer.begin_id] * 3
    assert (ids[:, 1:][target[:, 1:] != IGNORED] == target[:, :-1][target[:, 1:] != IGNORED]).all()
    for row, report in enumerate(REPORTS):
        words = [token for token in target[row].tolist() if token != IGNORED]
        assert words[-1] == module.writer.end_id
        text = tidy(module.backbone.tokenizer.decode(words[:-1], skip_special_tokens=True))
        assert text.lower() == report.lower()


def test_reports_that_do_not_fit_are_cut_and_counted(trained_segmentation, params):
    report = params.report.model_copy(update={"max_tokens": 20})
    task = _task(trained_segmentation, params.model_copy(update={"report": report}))
    module = task.module
    lengths = [len(module.backbone.tokenizer(text, add_special_tokens=False)["input_ids"]) for text in REPORTS]
    ids, target = module.teacher_forcing_ids(REPORTS)
    assert ids.shape[1] == min(20, max(lengths) + 1)
    for row, length in enumerate(lengths):
        taught = [token for token in target[row].tolist() if token != IGNORED]
        assert len(taught) == min(length + 1, 20)
        assert (taught[-1] == module.writer.end_id) == (length < 20)  # the end is taught where it is one
        assert module.is_cut(REPORTS[row]) == (length >= 20)
    batch = _batch(task)
    for _ in range(2):  # a second epoch counts nothing twice
        task.loss(batch)
        task.end_epoch([task.counts()])
        module.eval()
        task.validate([batch, batch])
    cut = sum(length >= 20 for length in lengths)
    assert cut > 0 and task.facts()["reports_cut"] == {"train": cut, "val": 2 * cut}
    resumed = _task(trained_segmentation, params.model_copy(update={"report": report}))
    resumed.load_state(json.loads(json.dumps(task.state())))
    assert resumed.facts() == task.facts()


def test_thresholds_of_the_paper_are_used_where_asked_for_and_the_calibrated_ones_still_reported(
    trained_segmentation, params
):
    report = params.report.model_copy(update={"thresholds": "paper"})
    task = _task(trained_segmentation, params.model_copy(update={"report": report}))
    task.loss(_batch(task))
    task.end_epoch([task.counts()])
    task.module.eval()
    columns = task.validate([_batch(task)])
    assert (columns["threshold_mild"], columns["threshold_severe"]) == PAPER_THRESHOLDS
    result = task.facts()["area_thresholds"]
    assert result["used"] == "paper" and result["paper"] == list(PAPER_THRESHOLDS) != result["calibrated"]


def test_a_foreign_segmentation_model_is_refused(trained_segmentation, params):
    other = params.model_copy(update={"mask_size": params.mask_size * 2})
    with pytest.raises(LssError, match="not a segmentation model of the settings"):
        _task(trained_segmentation, other)
    name, weights, _ = trained_segmentation
    with pytest.raises(LssError, match="name the model that draws it"):
        report_task.build(Setup(_load(name, weights), params, "focal", 0, CPU, None, weights, EXECUTION))

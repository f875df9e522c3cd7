"""Two processes over gloo: the course of one process that accumulates, and going on after an interruption."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch
from processes import run_in_processes
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from toy_task import ToyBatches, ToyTask

from lss.errors import LssError
from lss.storage.io import read_json, write_json
from lss.training.checkpoints import NAME, trained_tensors
from lss.training.loop import LoopSettings, train
from lss.training.parallel import Processes, join

CPU = torch.device("cpu")


class Interrupted(Exception):
    pass


class InterruptedTask(ToyTask):
    def __init__(self, at: int, **options):
        super().__init__(**options)
        self.left = at

    def loss(self, batch):
        if not self.left:
            raise Interrupted
        self.left -= 1
        return super().loss(batch)


def course(folder: Path, task, micro_batch: int, accumulate: int, processes: Processes | None = None) -> None:
    """Train, and leave what came out of it in `folder`, a file per process."""
    rank = processes.rank if processes else 0
    # before a batch norm it has no effect: its gradient is rounding alone, which AdamW would scale up
    task.module[0].bias.requires_grad_(False)
    settings = LoopSettings(4, 4, accumulate, "cosine", 1.0, False, CPU, checkpoint_seconds=0.0)
    done = train(
        task,
        ToyBatches(micro_batch),
        ToyBatches(8, shuffle=False),
        settings,
        state=folder / "state",
        key="key",
        epochs_csv=folder / "epochs.csv",
        processes=processes,
    )
    write_json(folder / f"history-{rank}.json", done.history)
    save_file({name: tensor.clone() for name, tensor in trained_tensors(task.module).items()}, folder / f"{rank}.st")


def of_several(
    count: int,
    folder: Path,
    micro_batch: int,
    accumulate: int,
    interrupt: int | None,
    options: dict,
    scores: list | None,
) -> None:
    """In each of `count` processes."""
    torch.set_num_threads(1)
    task = ToyTask(**options) if interrupt is None else InterruptedTask(interrupt, **options)
    task.scores = scores
    processes = join(count, "cpu")
    torch.manual_seed(processes.rank)
    course(folder, task, micro_batch, accumulate, processes)
    processes.end()


def two(folder: Path, micro_batch: int, accumulate: int, interrupt=None, scores=None, count=2, **options) -> list:
    folder.mkdir(exist_ok=True)
    return run_in_processes(count, of_several, count, folder, micro_batch, accumulate, interrupt, options, scores)


# 24 samples: 3 full steps; or 5 micro-batches, the last of 4 samples, in steps of 2, 2 and 1: one process has none;
# or micro-batches of 3, 4 of them a step, 2 for each process. What batch norm keeps for validation is not that of one
# process, so errors counted by it are compared without.
@pytest.mark.parametrize(
    ("micro_batch", "accumulate", "recounts", "batch_norm"),
    [(4, 2, False, True), (5, 2, False, True), (3, 4, False, True), (5, 2, True, False)],
)
def test_two_processes_take_the_course_of_one_that_accumulates(tmp_path, micro_batch, accumulate, recounts, batch_norm):
    (tmp_path / "one").mkdir()
    options, scores = {"dropout": 0.0, "recounts": recounts, "batch_norm": batch_norm}, [0.1, 0.2, 0.3, 0.4]
    task = ToyTask(**options)
    task.scores = list(scores)
    course(tmp_path / "one", task, micro_batch, accumulate)
    assert two(tmp_path / "two", micro_batch, accumulate, scores=scores, **options) == [0, 0]
    expected, result = (read_json(tmp_path / name / "history-0.json") for name in ("one", "two"))
    assert len(result) == 4
    for one, other in zip(expected, result, strict=True):
        assert other == pytest.approx(one, rel=1e-4)
        assert (other["fp"], other["fn"], other["beta"]) == (one["fp"], one["fn"], one["beta"])
    assert len({row["beta"] for row in result}) > 1
    weights, first, second = (load_file(tmp_path / name) for name in ("one/0.st", "two/0.st", "two/1.st"))
    for name, weight in weights.items():
        assert torch.equal(first[name], second[name]), name  # the processes never part
        if "running" not in name and "tracked" not in name:
            torch.testing.assert_close(first[name], weight, rtol=1e-4, atol=1e-5)
    assert any("running_var" in name for name in weights) == batch_norm


@pytest.mark.parametrize("interrupt", [3, 7])
def test_two_processes_go_on_exactly(tmp_path, interrupt):
    """With dropout, which draws from a generator of each process."""
    assert two(tmp_path / "whole", 5, 2, dropout=0.2) == [0, 0]
    assert two(tmp_path / "cut", 5, 2, interrupt, dropout=0.2) == [1, 1]
    assert not (tmp_path / "cut/history-0.json").exists()
    assert two(tmp_path / "cut", 5, 2, dropout=0.2) == [0, 0]
    for name in ("history-0.json", "0.st", "1.st", "epochs.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes(), name


# interrupted in the second epoch after its first step: of 2, 2 and 1 micro-batches, or of 4 and 4
@pytest.mark.parametrize(
    ("before", "after", "interrupt", "micro_batch", "accumulate"),
    [(2, 1, 4, 5, 2), (1, 2, 7, 5, 2), (4, 2, 3, 3, 4)],
)
def test_goes_on_with_another_number_of_processes(tmp_path, before, after, interrupt, micro_batch, accumulate):
    """The course of one process: the same samples in every step, the same counts; weights but for rounding."""
    options, scores = {"dropout": 0.0, "batch_norm": False}, [0.1, 0.2, 0.3, 0.4]
    assert two(tmp_path / "one", micro_batch, accumulate, scores=list(scores), count=1, **options) == [0]
    cut = tmp_path / "cut"
    assert two(cut, micro_batch, accumulate, interrupt, scores=list(scores), count=before, **options) == [1] * before
    with safe_open(cut / "state" / NAME, "pt") as file:
        header = file.metadata()
    progress, states = json.loads(header["progress"]), json.loads(header["states"])
    assert (progress["epoch"], progress["step"]) == (1, 1) and len(states["processes"]) == before
    assert sum(map(sum, (of_one["counts"] for of_one in states["processes"]))) > 0
    assert two(cut, micro_batch, accumulate, scores=scores[1:], count=after, **options) == [0] * after
    expected, result = (read_json(tmp_path / name / "history-0.json") for name in ("one", "cut"))
    assert len(result) == 4
    for one, other in zip(expected, result, strict=True):
        assert other == pytest.approx(one, rel=1e-4)
        assert (other["fp"], other["fn"], other["beta"]) == (one["fp"], one["fn"], one["beta"])
    weights, again = load_file(tmp_path / "one/0.st"), load_file(cut / "0.st")
    for name, weight in weights.items():
        torch.testing.assert_close(again[name], weight, rtol=1e-4, atol=1e-5)


def terminated(folder: Path) -> None:
    """In each of two processes; the second alone gets SIGTERM, in its second step."""

    class Noticed(ToyTask):
        steps = 0

        def loss(self, batch):
            self.steps += 1
            if self.steps == 2 and processes.rank == 1:
                os.kill(os.getpid(), signal.SIGTERM)
            return super().loss(batch)

    torch.set_num_threads(1)
    processes = join(2, "cpu")
    course(folder, Noticed(), 4, 2, processes)


def test_sigterm_to_one_process_stops_all_with_a_checkpoint(tmp_path):
    assert run_in_processes(2, terminated, tmp_path) == [143, 143]
    with safe_open(tmp_path / "state" / NAME, "pt") as file:
        progress = json.loads(file.metadata()["progress"])
    assert (progress["epoch"], progress["step"]) == (0, 2)


def test_a_process_that_was_not_started_as_one_of_several_is_refused(monkeypatch):
    with pytest.raises(LssError, match=r"execution\.processes is 2.*one of 1"):
        join(2, "cpu")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(LssError, match=r"execution\.processes is 1.*one of 2"):
        join(1, "cpu")


def test_one_process_exchanges_nothing():
    alone = Processes(CPU)
    value = torch.tensor(3.0)
    alone.sum_(value)
    assert (value.item(), alone.gather([1]), alone.agree({"a": 2}), alone.main) == (3.0, [[1]], {"a": 2}, True)


def average_of_two(folder: Path) -> None:
    """Each process with statistics and gradients of its own, and a frozen norm, which stays."""
    processes = join(2, "cpu")
    trained, frozen = torch.nn.BatchNorm2d(2), torch.nn.BatchNorm2d(2).requires_grad_(False)
    for norm in (trained, frozen):
        norm.running_mean.fill_(1.0 + processes.rank)
        norm.running_var.fill_(3.0 * processes.rank)
    trained.weight.grad = torch.tensor([1.0, 10.0]) * (1 + processes.rank)
    processes.sum_gradients(list(trained.parameters()))
    processes.average_statistics(torch.nn.Sequential(trained, frozen))
    message = {"gradient": trained.weight.grad.tolist(), "none": trained.bias.grad is None}
    kept = {"mean": trained.running_mean.tolist(), "var": trained.running_var.tolist()}
    write_json(folder / f"{processes.rank}.json", message | kept | {"frozen": frozen.running_mean.tolist()})
    processes.end()


def test_gradients_are_summed_and_statistics_averaged(tmp_path):
    assert run_in_processes(2, average_of_two, tmp_path) == [0, 0]
    for rank in range(2):
        assert read_json(tmp_path / f"{rank}.json") == {
            "gradient": [3.0, 30.0], "none": True, "mean": [1.5, 1.5], "var": [1.5, 1.5], "frozen": [1.0 + rank] * 2,
        }  # fmt: skip

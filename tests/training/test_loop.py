"""The loop: learning, determinism, accumulation, early stopping, and going on after being killed."""

import csv
import multiprocessing
import random
import time

import pytest
import torch
from toy_task import ToyBatches, ToyTask

from lss.errors import LssError
from lss.training.checkpoints import NAME, trained_tensors
from lss.training.loop import LoopSettings, train


def settings(**changes):
    values = {
        "epochs": 4,
        "patience": 4,
        "accumulate": 1,
        "schedule": "cosine",
        "gradient_clip": 1.0,
        "bf16": False,
        "device": torch.device("cpu"),
        "checkpoint_seconds": 0.0,
    }
    return LoopSettings(**(values | changes))


def run(folder, task=None, data=None, key="settings", events=False, **changes):
    task = task or ToyTask()
    course = train(
        task,
        data or ToyBatches(),
        ToyBatches(8, shuffle=False),
        settings(**changes),
        state=folder / "state",
        key=key,
        epochs_csv=folder / "epochs.csv",
        events=folder / "events" if events else None,
    )
    return {name: tensor.clone() for name, tensor in trained_tensors(task.module).items()}, course


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_learns_and_logs(tmp_path):
    _, course = run(tmp_path, epochs=6)
    assert course.history[-1]["train_loss"] < 0.9 * course.history[0]["train_loss"]
    with (tmp_path / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == list("123456")
    wanted = {"epoch", "train_loss", "val_score", "alpha", "beta", "fp", "fn", "lr_first", "lr_rest"}
    assert wanted <= rows[0].keys()
    assert all(float(row["lr_rest"]) == pytest.approx(2 * float(row["lr_first"])) for row in rows)
    assert 0.02 > float(rows[1]["lr_rest"]) > float(rows[-1]["lr_rest"]) >= 0
    assert {float(row["beta"]) for row in rows} != {0.7}


def test_same_seed_same_bytes(tmp_path):
    one, other = run(tmp_path / "one")[0], run(tmp_path / "other")[0]
    assert same(one, other)
    assert (tmp_path / "one/epochs.csv").read_bytes() == (tmp_path / "other/epochs.csv").read_bytes()


def test_accumulated_micro_batches_are_one_batch(tmp_path):
    """For a loss that is a mean over images, and without batch norm: the same steps up to rounding."""

    class MeanTask(ToyTask):
        def loss(self, batch):
            return torch.nn.functional.mse_loss(self.module(batch.image_B1YX), batch.mask_B1YX)

    whole, _ = run(tmp_path / "8", MeanTask(batch_norm=False), ToyBatches(8))
    parts, _ = run(tmp_path / "5", MeanTask(batch_norm=False), ToyBatches(2), accumulate=4)
    for name in whole:
        assert torch.allclose(whole[name], parts[name], atol=1e-5), name


def test_stops_early_and_keeps_the_best_epoch(tmp_path):
    task = ToyTask()
    task.scores = [0.5, 0.8, 0.7, 0.8, 0.6, 0.9]
    best, course = run(tmp_path, task, epochs=10, patience=3, schedule="constant")
    assert (len(course.history), course.best_epoch, course.best_score) == (5, 1, 0.8)
    until_best = ToyTask()
    until_best.scores = [0.5, 0.8]
    assert same(best, run(tmp_path / "two", until_best, epochs=2, schedule="constant")[0])


def test_gradients_are_clipped(tmp_path):
    """AdamW's second moments show what came in: after clipping no gradient is longer than the norm."""
    run(tmp_path, epochs=1, gradient_clip=1e-3)
    from safetensors.torch import load_file

    state = load_file(tmp_path / "state" / NAME)
    squares = [value.sum().item() for name, value in state.items() if name.endswith("exp_avg_sq")]
    steps = len(ToyBatches())
    assert 0 < sum(squares) <= (1 - 0.999**steps) * 1e-6 * 1.001


def test_a_loss_that_is_not_finite_is_told(tmp_path):
    class Broken(ToyTask):
        def loss(self, batch):
            return super().loss(batch) * float("nan")

    with pytest.raises(LssError, match="learning rate"):
        run(tmp_path, Broken())


def test_bf16_autocast_trains(tmp_path):
    _, course = run(tmp_path, epochs=6, bf16=True)
    assert course.history[-1]["train_loss"] < course.history[0]["train_loss"]


def test_a_finished_run_called_again_gives_the_same(tmp_path):
    first, course = run(tmp_path)
    again, course_again = run(tmp_path, ToyTask(learning_rate=123.0))  # its own state is not looked at
    assert same(first, again) and course == course_again


def test_a_checkpoint_of_other_settings_is_refused(tmp_path, capsys):
    run(tmp_path, key="old", epochs=2)
    fresh, _ = run(tmp_path, key="new")
    assert "refused" in capsys.readouterr().err
    assert same(fresh, run(tmp_path / "clean", key="new")[0])


@pytest.mark.parametrize("damage", [b"", b"\x00" * 100])
def test_a_broken_checkpoint_is_told_and_left(tmp_path, capsys, damage):
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / NAME).write_bytes(damage)
    weights, _ = run(tmp_path)
    assert "cannot be read" in capsys.readouterr().err
    assert same(weights, run(tmp_path / "clean")[0])


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("at_step", [1, 3, 6, 7, 13, 20])
def test_goes_on_exactly_from_any_step(tmp_path, at_step):
    class Interrupt(ToyTask):
        left = at_step

        def loss(self, batch):
            if not self.left:
                raise Interrupted
            self.left -= 1
            return super().loss(batch)

    whole, course = run(tmp_path / "whole")
    with pytest.raises(Interrupted):
        run(tmp_path / "cut", Interrupt())
    torch.manual_seed(99)  # a new process starts with other random numbers
    resumed, resumed_course = run(tmp_path / "cut")
    assert same(whole, resumed) and course == resumed_course
    assert (tmp_path / "whole/epochs.csv").read_bytes() == (tmp_path / "cut/epochs.csv").read_bytes()


def test_tensorboard_shows_each_epoch_once_after_a_resume(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    class Interrupt(ToyTask):
        left = 15  # in the third epoch

        def loss(self, batch):
            if not self.left:
                raise Interrupted
            self.left -= 1
            return super().loss(batch)

    with pytest.raises(Interrupted):
        run(tmp_path, Interrupt(), events=True)
    run(tmp_path, events=True)
    shown = EventAccumulator(str(tmp_path / "events")).Reload()
    with (tmp_path / "epochs.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 4
    assert set(shown.Tags()["scalars"]) == rows[0].keys() - {"epoch"}
    for name in shown.Tags()["scalars"]:
        points = [(point.step, point.value) for point in shown.Scalars(name)]
        assert points == [(int(row["epoch"]), pytest.approx(float(row[name]), rel=1e-6)) for row in rows], name
    assert len(list((tmp_path / "events").iterdir())) == 1


def test_killed_at_random_moments_ends_with_the_same_bytes(tmp_path):
    """SIGKILL, 20 times, wherever it hits: in a step, in writing a checkpoint, between epochs."""
    began = time.monotonic()
    whole, course = run(tmp_path / "whole", epochs=8, patience=8)
    duration = time.monotonic() - began
    context = multiprocessing.get_context("fork")
    moments = random.Random(11)
    for _ in range(20):
        process = context.Process(target=run, args=(tmp_path / "cut",), kwargs={"epochs": 8, "patience": 8})
        process.start()
        process.join(timeout=moments.uniform(0, duration / 3))
        process.kill()
        process.join()
    resumed, resumed_course = run(tmp_path / "cut", epochs=8, patience=8)
    assert same(whole, resumed) and course == resumed_course
    assert (tmp_path / "whole/epochs.csv").read_bytes() == (tmp_path / "cut/epochs.csv").read_bytes()

"""The loop: learning, determinism, accumulation, early stopping, and going on after being killed."""

import csv
import json
import multiprocessing
import os
import random
import signal
import time

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from toy_task import ToyBatches, ToyTask

from lss.errors import LssError
from lss.training import checkpoints
from lss.training.checkpoints import NAME, Progress, trained_tensors
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


def test_errors_counted_at_the_epochs_end_are_those_of_its_last_weights(tmp_path):
    """Counted once more here, over all images at once, with what the training left."""
    task = ToyTask(recounts=True)
    task.scores = [0.1]
    _, course = run(tmp_path, task, epochs=1)
    batch = next(iter(ToyBatches(24, shuffle=False).batches()))
    task.module.eval()
    with torch.no_grad():
        drawn, true = task.module(batch.image_B1YX) > 0, batch.mask_B1YX > 0.5
    assert course.history[0]["fp"] == int((drawn & ~true).sum())
    assert course.history[0]["fn"] == int((~drawn & true).sum())
    running = run(tmp_path / "running", epochs=1)[1].history[0]
    assert (running["fp"], running["fn"]) != (course.history[0]["fp"], course.history[0]["fn"])
    assert running["train_loss"] == course.history[0]["train_loss"]  # the count changes nothing of the steps before


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
    state = load_file(tmp_path / "state" / NAME)
    squares = [value.sum().item() for name, value in state.items() if name.endswith("exp_avg_sq")]
    steps = len(ToyBatches())
    assert 0 < sum(squares) <= (1 - 0.999**steps) * 1e-6 * 1.001


def test_a_loss_that_is_not_finite_is_an_error(tmp_path):
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


@pytest.mark.parametrize("change", ["wider", "one layer more", "another optimiser state"])
def test_a_checkpoint_of_another_shape_is_refused(tmp_path, capsys, change):
    """Under the same key: then the code that builds the model changed without its hash, or the file is odd."""
    run(tmp_path, epochs=2)
    path = tmp_path / "state" / NAME
    with safe_open(path, "pt") as file:
        header = file.metadata()
    tensors = load_file(path)
    if change == "wider":
        tensors = {name: torch.cat([t, t]) if name.endswith("0.weight") else t for name, t in tensors.items()}
    elif change == "one layer more":
        tensors |= {"model/9.weight": torch.zeros(1), "best/9.weight": torch.zeros(1)}
    else:
        tensors["optimiser/0/exp_avg"] = torch.zeros(3)
    header.pop("sha256")
    header["sha256"] = checkpoints._digest(header, tensors)  # so that its shapes are what is looked at
    save_file(tensors, path, metadata=header)
    fresh, _ = run(tmp_path, epochs=2)
    assert "does not fit this model; refused" in capsys.readouterr().err
    assert same(fresh, run(tmp_path / "clean", epochs=2)[0])


@pytest.mark.parametrize("damage", [lambda _: b"", lambda _: b"\x00" * 100, lambda whole: whole[: len(whole) // 2]])
def test_a_broken_checkpoint_is_reported_and_left(tmp_path, capsys, damage):
    run(tmp_path, epochs=1)
    path = tmp_path / "state" / NAME
    path.write_bytes(damage(path.read_bytes()))
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


class Noticed(ToyTask):
    """Gets SIGTERM in a step, in a batch of the count at an epoch's end, or in one of the validation."""

    def __init__(self, place, call, **options):
        super().__init__(**options)
        self.place, self.left = place, call

    def notice(self, place):
        if place == self.place:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGTERM)

    def loss(self, batch):
        self.notice("step")
        return super().loss(batch)

    def count(self, batch):
        self.notice("count")
        super().count(batch)

    def validate(self, batches):
        def seen():
            for batch in batches:
                self.notice("validation")
                yield batch

        return super().validate(seen())


# of 6 steps, 6 batches to count and 3 to validate in each epoch: where the checkpoint has to be
@pytest.mark.parametrize(
    ("place", "call", "at"),
    [("step", 3, (0, 3)), ("step", 6, (0, 6)), ("count", 8, (1, 6)), ("count", 12, (1, 6)), ("validation", 4, (1, 6)),
     ("validation", 6, (2, 0))],
)  # fmt: skip
def test_sigterm_leaves_a_checkpoint_of_its_moment(tmp_path, capsys, place, call, at):
    """Without the notice a checkpoint would be written at the ends of epochs alone."""
    seldom = {"checkpoint_seconds": 1e9}
    whole, course = run(tmp_path / "whole", ToyTask(recounts=True), **seldom)
    with pytest.raises(SystemExit) as left:
        run(tmp_path / "cut", Noticed(place, call, recounts=True), **seldom)
    assert left.value.code == 143
    assert f"Stopped by SIGTERM at epoch {at[0] + 1}, step {at[1]}" in capsys.readouterr().err
    with safe_open(tmp_path / "cut/state" / NAME, "pt") as file:
        progress = Progress(**json.loads(file.metadata()["progress"]))
    assert (progress.epoch, progress.step) == at
    torch.manual_seed(99)
    resumed, resumed_course = run(tmp_path / "cut", ToyTask(recounts=True), **seldom)
    assert same(whole, resumed) and course == resumed_course
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


def test_sigterm_in_the_last_validation_ends_the_training_as_always(tmp_path):
    whole, course = run(tmp_path / "whole", epochs=1)
    noticed, noticed_course = run(tmp_path / "late", Noticed("validation", 3), epochs=1)
    assert same(whole, noticed) and course == noticed_course


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


class Counting(ToyTask):
    """Tells another process how many steps it has begun, and how long the last one took."""

    def __init__(self, steps, seconds):
        super().__init__()
        self.steps, self.seconds, self.began = steps, seconds, None

    def loss(self, batch):
        now = time.monotonic()
        if self.began is not None:
            self.seconds.value = now - self.began
        self.began = now
        self.steps.value += 1
        return super().loss(batch)


def test_killed_at_random_moments_ends_with_the_same_bytes(tmp_path):
    """SIGKILL, 20 times, each at a random moment of a running training: in a step, in writing, between epochs."""
    length = {"epochs": 50, "patience": 50}
    whole, course = run(tmp_path / "whole", **length)
    context = multiprocessing.get_context("fork")
    steps, seconds = context.Value("q", 0, lock=False), context.Value("d", 0.0, lock=False)
    moments = random.Random(11)
    places = set()
    for _ in range(20):
        target = steps.value + moments.randint(2, 9)
        child = context.Process(target=run, args=(tmp_path / "cut", Counting(steps, seconds)), kwargs=length)
        child.start()
        while steps.value < target and child.is_alive():
            time.sleep(1e-4)
        time.sleep(moments.uniform(0, seconds.value))
        assert child.is_alive()
        child.kill()
        child.join()
        assert child.exitcode == -signal.SIGKILL
        with safe_open(tmp_path / "cut/state" / NAME, "pt") as file:
            at = Progress(**json.loads(file.metadata()["progress"]))
        assert not at.finished
        places.add((at.epoch, at.step))
    assert len(places) > 15, "the kills are to strike at different places"
    resumed, resumed_course = run(tmp_path / "cut", **length)
    assert same(whole, resumed) and course == resumed_course
    assert (tmp_path / "whole/epochs.csv").read_bytes() == (tmp_path / "cut/epochs.csv").read_bytes()
    assert [path.name for path in (tmp_path / "cut/state").iterdir()] == [NAME]


def test_what_a_kill_left_beside_the_events_is_swept(tmp_path):
    left = tmp_path / "events/.events.out.tfevents.1.machine.7.0.abcdefgh"
    left.mkdir(parents=True)
    (left / "events.out.tfevents.1.machine.7.0").write_text("half")
    run(tmp_path, events=True, epochs=1)
    assert [path.name.startswith("events.out.") for path in (tmp_path / "events").iterdir()] == [True]


def test_killed_within_the_writing_of_a_checkpoint(tmp_path, monkeypatch):
    """Half a file is beside the last whole one: training goes on from that, and the half is swept."""
    whole, course = run(tmp_path / "whole")
    written = []
    real = checkpoints.save_file

    def half(tensors, path, metadata):
        real(tensors, path, metadata=metadata)
        written.append(path)
        if len(written) == 9:
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
            os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(checkpoints, "save_file", half)
    child = multiprocessing.get_context("fork").Process(target=run, args=(tmp_path / "cut",))
    child.start()
    child.join()
    assert child.exitcode == -signal.SIGKILL and len(list((tmp_path / "cut/state").iterdir())) == 2
    monkeypatch.undo()
    resumed, resumed_course = run(tmp_path / "cut")
    assert same(whole, resumed) and course == resumed_course
    assert [path.name for path in (tmp_path / "cut/state").iterdir()] == [NAME]

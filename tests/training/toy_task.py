"""A small task for tests of the loop: noisy masks, a network with dropout and batch norm, a loss that adapts."""

import torch
from torch import nn

from lss.losses.pid_tversky import PidController, PidTverskyLoss
from lss.model.batch import Batch
from lss.training.task import Task

COUNT, SIZE = 24, 12


class ToyBatches:
    """Stands in for BatchLoader: seeded images, a new order every epoch."""

    def __init__(self, batch_size=4, shuffle=True):
        draw = torch.Generator().manual_seed(5)
        self.image = torch.rand(COUNT, 1, SIZE, SIZE, generator=draw)
        self.mask = (self.image > 0.7).float()
        self.grade = torch.arange(COUNT) % 3
        self.batch_size = batch_size
        self.shuffle = shuffle

    def __len__(self):
        return -(-COUNT // self.batch_size)

    def size(self, number):
        return min(self.batch_size, COUNT - number * self.batch_size)

    def batches(self, epoch=0, start=0, known=(), rank=0, processes=1):
        order = torch.arange(COUNT)
        if self.shuffle:
            order = torch.randperm(COUNT, generator=torch.Generator().manual_seed(epoch))
        micro_batches = order.split(self.batch_size)
        for first in range(start, len(micro_batches), processes):
            dealt = micro_batches[first : first + processes]
            chosen = dealt[rank] if rank < len(dealt) else dealt[0]
            yield Batch(self.image[chosen], self.mask[chosen], self.grade[chosen])


class ToyTask(Task):
    def __init__(self, learning_rate=1e-2, batch_norm=True, dropout=0.2, recounts=False):
        torch.manual_seed(7)
        norm = nn.BatchNorm2d(4) if batch_norm else nn.Identity()
        drop = nn.Dropout(dropout if batch_norm else 0.0)
        self.module = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), norm, nn.ReLU(), drop, nn.Conv2d(4, 1, 1))
        self.backbone = None
        self.recounts = recounts
        self.learning_rate = learning_rate
        self.mask_loss = PidTverskyLoss(PidController(0.1, 0.05, 0.05, 0.7, 2.0), gamma=0.75)
        self.errors = [0, 0]
        self.scores = None

    def parameter_groups(self):
        layers = list(self.module)
        return [
            {"name": "first", "params": [*layers[0].parameters()], "lr": self.learning_rate, "weight_decay": 0.01},
            {
                "name": "rest",
                "params": [p for layer in layers[1:] for p in layer.parameters()],
                "lr": 2 * self.learning_rate,
                "weight_decay": 0.0,
            },
        ]

    def loss(self, batch):
        logits = self.module(batch.image_B1YX)
        if not self.recounts:
            self.add_errors(logits, batch)
        return self.mask_loss(logits, batch.mask_B1YX)

    def count(self, batch):
        self.add_errors(self.module(batch.image_B1YX), batch)

    def add_errors(self, logits, batch):
        wrong = (logits > 0) != (batch.mask_B1YX > 0.5)
        self.errors[0] += int((wrong & (logits > 0)).sum())
        self.errors[1] += int((wrong & (logits <= 0)).sum())

    def validate(self, batches):
        right = [((self.module(b.image_B1YX) > 0) == (b.mask_B1YX > 0.5)).float().mean().item() for b in batches]
        return {"score": self.scores.pop(0) if self.scores else sum(right) / len(right)}

    def counts(self):
        return self.errors

    def load_counts(self, counts):
        self.errors = [sum(column) for column in zip(*counts, strict=True)] or [0, 0]

    def end_epoch(self, counts):
        errors = [sum(column) for column in zip(*counts, strict=True)]
        columns = self.mask_loss.columns() | {"fp": errors[0], "fn": errors[1]}
        self.mask_loss.end_epoch(*errors)
        self.errors = [0, 0]
        return columns

    def state(self):
        return {"loss": self.mask_loss.state_dict()}

    def load_state(self, state):
        self.mask_loss.load_state_dict(state["loss"])

"""A training step rehearsed on tensors that have a size but no memory: its bytes and FLOPs are counted, not guessed.

The network is the one that training builds, on torch's device "meta"; forward and backward pass run as in training,
with its autocast and its recomputation, under torch's FakeTensorMode, whose tensors are shapes only. Since the
layers of a tower are alike, towers of one and of two layers are rehearsed and the rest follows. Two differences are
left: kernels are the CPU's, and a language model is given an attention mask that it does without in earnest. A backbone
of at most `SMALL` parameters is rehearsed on zeros, which is quicker than pretending.
"""

from __future__ import annotations

import copy
import tempfile
import weakref
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

from lss.backbones import backbone_class
from lss.backbones.base import Backbone, Tower
from lss.backbones.published import write_configuration
from lss.backbones.settings import CheckpointParams
from lss.errors import LssError
from lss.model.batch import Batch
from lss.model.mask_encoder import COVERAGE_SIZE
from lss.model.network import ClassificationNetwork, SegmentationNetwork
from lss.model.report_encoder import CELLS, Evidence
from lss.model.report_generator import ReportGenerator
from lss.project import layout
from lss.project.params import Params
from lss.tools.need import Step
from lss.training import classification_task, segmentation_task
from lss.training.registry import task_record
from lss.training.task import Setup

Network = ClassificationNetwork | SegmentationNetwork | ReportGenerator
TOWERS: tuple[Tower, ...] = ("vision", "language")
SMALL = 10_000_000
"""Parameters of a backbone whose tensors are made in earnest."""
CPU, META = torch.device("cpu"), torch.device("meta")

# the CPU's kernel of attention is not in torch's list
_ATTENTION = torch.ops.aten._scaled_dot_product_flash_attention
FLOPS = {
    **flop_registry,
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu: flop_registry[_ATTENTION],
    torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward: flop_registry[
        torch.ops.aten._scaled_dot_product_flash_attention_backward
    ],
}
"""Formula of an operator's FLOPs, from its arguments' shapes."""


def empty_backbone(name: str, params: Params) -> Backbone:
    """Return the backbone of these settings without weights, on "meta", in the type that its frozen weights get."""
    checkpoint: CheckpointParams = getattr(params.weights, name)
    folder = Path(layout.WEIGHTS.format(backbone=name))
    with tempfile.TemporaryDirectory() as temporary:
        if params.weights.source == "tiny":
            from lss.backbones.tiny_checkpoints import write_tiny_checkpoint

            folder = Path(temporary)
            write_tiny_checkpoint(name, folder, params.seed)
        elif checkpoint.folder is not None:
            folder = checkpoint.folder
        else:
            try:
                write_configuration(checkpoint.hub_id, Path(temporary))
                folder = Path(temporary)
            except LssError:
                if not (folder / "manifest.json").is_file():
                    raise
        with META:
            backbone = backbone_class(name).empty(folder)
    for parameter in backbone.parameters():
        parameter.data = parameter.data.to(torch.bfloat16 if params.train.bf16 else torch.float32)
    return backbone.requires_grad_(False)


def build(backbone: Backbone, task: str, params: Params) -> Network:
    """Return the network that training builds for `task`, on "meta": right in sizes, types, and in what is trained.

    `backbone` is an empty one, and part of it afterwards.
    """
    # no tokenizer is at hand, and nothing may be asked of a tower without weights: answers of the right shape do
    backbone.tokenizer = _Words(_vocabulary(backbone))
    backbone.prompt_embeddings = lambda prompts: torch.zeros(len(prompts), backbone.text_width, device=CPU)  # type: ignore[method-assign]
    backbone.set_gradient_checkpointing(params.execution.gradient_checkpointing)
    with META:
        return build_network(task, _setup(backbone, task, params, META))


def build_network(task: str, setup: Setup) -> Network:
    """Return the untrained network of a task."""
    network: Network = import_module(task_record(task).builder.partition(":")[0]).build_network(setup)
    return network


def _setup(backbone: Backbone, task: str, params: Params, device: torch.device) -> Setup:
    loss = params.train.of(task).losses[0]
    return Setup(backbone, params.train, loss, 0, device, None, Path(), params.execution)


def rehearse(backbone: Backbone, task: str, params: Params, images: int) -> dict[str, Step]:
    """Return what every pass of a training takes, by name, with micro-batches of `images`.

    Keys: `learn`, the pass that is learnt from; `validate`, the same without gradients. For reports also `look`, which
    every image gets once, and `write`: the last token of `execution.write_batch_size` reports that are as long as
    they may get, with all that is kept of the tokens before. `backbone` is an empty one, and stays as it is.
    """
    one, two = (rehearse_layers(count, backbone, task, params, images) for count in (1, 2))
    of_task: Tower = "language" if task_record(task).predicts == "report" else "vision"
    tower: dict[str, Tower] = {"learn": of_task, "validate": of_task, "write": of_task, "look": "vision"}
    more = {key: len(backbone.layers(tower[key])) - 1 for key in one}
    return {key: one[key] + (two[key] + one[key] * -1) * more[key] for key in one}


def rehearse_layers(count: int, backbone: Backbone, task: str, params: Params, images: int) -> dict[str, Step]:
    """Run `rehearse` with towers of at most `count` layers."""
    backbone = copy.deepcopy(backbone)
    for tower in TOWERS:
        del backbone.layers(tower)[count:]
    small = sum(parameter.numel() for parameter in backbone.parameters()) <= SMALL
    network = build(backbone, task, params)
    with nullcontext() if small else FakeTensorMode(allow_non_fake_inputs=True):
        _on_cpu(network)
        for parameter in network.parameters():
            if parameter.requires_grad:
                parameter.grad = torch.zeros_like(parameter)  # of the micro-batches before
        network.train()
        return {key: count_step(run, params.train.bf16) for key, run in passes(network, task, params, images)}


def passes(network: Network, task: str, params: Params, images: int) -> Iterator[tuple[str, Callable[[], Any]]]:
    """Yield what training does, by name (see `rehearse`); reports are as long as they may get."""
    backbone = network.backbone if isinstance(network, ReportGenerator) else network.encoder.backbone
    setup, train = _setup(backbone, task, params, CPU), params.train
    image = torch.zeros(images, 1, backbone.image_size, backbone.image_size)
    mask = torch.zeros(images, 1, train.mask_size, train.mask_size)
    batch = Batch(image, mask, torch.zeros(images, dtype=torch.long))
    if isinstance(network, ClassificationNetwork):
        classification = classification_task.ClassificationTask(network, setup)
        yield "learn", lambda: classification.loss(batch).backward()
        yield "validate", _without_gradients(network, lambda: network(image, batch.grade_B))
    elif isinstance(network, SegmentationNetwork):
        segmentation = segmentation_task.make_task(network, setup)
        yield "learn", lambda: segmentation.loss(batch).backward()
        yield "validate", _without_gradients(network, lambda: segmentation.count(batch))
    else:
        evidence = _evidence(network, images)
        ids = torch.zeros(images, train.report.max_tokens, dtype=torch.long)
        of_loss = (evidence, ids, ids, batch.grade_B, train.report.focal_gamma, train.report.grade_weight)
        silent = [""] * images

        def loss() -> Tensor:
            return network(*of_loss) + network.finding_loss(evidence, silent)

        yield "learn", lambda: loss().backward()
        yield "validate", _without_gradients(network, loss)
        yield "look", lambda: network.find(image, batch.grade_B, None)
        yield "write", _without_gradients(network, _last_token(network, params))


def _evidence(network: ReportGenerator, images: int) -> Evidence:
    """Return evidence of `images` images, as training keeps it."""
    width, language = network.backbone.width, network.backbone.language_width
    return Evidence(
        torch.zeros(images, CELLS, 2 * width, dtype=torch.half),
        torch.zeros(images, 1, COVERAGE_SIZE, COVERAGE_SIZE, dtype=torch.half),
        torch.zeros(images, CELLS if language else 0, language, dtype=torch.half),
        area_percent=[0.0] * images,
        mask_sides=[None] * images,
        view_sides=[None] * images,
        levels=[None] * images,
    )


def _last_token(network: ReportGenerator, params: Params) -> Callable[[], Any]:
    """Return the last step of writing; what the steps before have left in the cache is taken anew, so that it is
    counted.
    """
    reports, writer = params.execution.write_batch_size, network.writer
    network.eval()  # in training, recomputed layers keep no cache
    with torch.no_grad():
        evidence = _evidence(network, reports)
        features_BRL, _ = network.encoder(evidence)
        words_BT = torch.zeros(reports, max(0, params.train.report.max_tokens - 2), dtype=torch.long)
        _, cache = writer.open(writer.context(features_BRL, evidence.projected_BML), words_BT)
    network.train()

    def run() -> None:
        writer.select(cache, torch.arange(reports))
        writer.step(torch.zeros(reports, dtype=torch.long), cache)

    return run


def _without_gradients(network: Network, run: Callable[[], Any]) -> Callable[[], Any]:
    """Return the pass as validation does it: the network in eval mode."""

    def quietly() -> None:
        network.eval()
        with torch.no_grad():
            run()
        network.train()

    return quietly


def count_step(run: Callable[[], Any], bf16: bool) -> Step:
    """Run a pass and count it."""
    with Counter() as counter, torch.autocast("cpu", torch.bfloat16, enabled=bf16):
        run()
    return Step(counter.peak, counter.flops)


class Counter(TorchDispatchMode):
    """Counts what operators compute, and the bytes of what they make that live at the same time.

    Attributes:
        now: bytes that live at this moment; what was there before is not counted.
        peak: the most so far.
        flops: so far; of matrix products, convolutions and attention.
    """

    def __init__(self) -> None:
        super().__init__()
        self.now = self.peak = self.flops = 0
        self._known: set[int] = set()  # ids of living storages

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        for storage in _storages((args, kwargs)):
            self._see(storage, 0)
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            self._see(storage, storage.nbytes())
        if formula := FLOPS.get(func._overloadpacket):
            self.flops += formula(*args, **(kwargs or {}), out_val=result)
        return result

    def _see(self, storage: torch.UntypedStorage, size: int) -> None:
        if id(storage) in self._known:
            return
        self._known.add(id(storage))
        self.now += size
        self.peak = max(self.peak, self.now)
        weakref.finalize(storage, self._forget, id(storage), size)

    def _forget(self, storage: int, size: int) -> None:
        self._known.discard(storage)
        self.now -= size


def _storages(values: Any) -> Iterator[torch.UntypedStorage]:
    return (leaf.untyped_storage() for leaf in tree_leaves(values) if isinstance(leaf, Tensor))


def _on_cpu(network: nn.Module) -> None:
    """Swap parameters and buffers for zeros on the CPU, in place; under FakeTensorMode they take no memory."""
    made: dict[int, Tensor] = {}  # a tensor that two modules share stays shared

    def zeros(tensor: Tensor) -> Tensor:
        if id(tensor) not in made:
            new = torch.zeros(tensor.shape, dtype=tensor.dtype, device=CPU)
            is_parameter = isinstance(tensor, nn.Parameter)
            made[id(tensor)] = nn.Parameter(new, requires_grad=tensor.requires_grad) if is_parameter else new
        return made[id(tensor)]

    for module in network.modules():
        for values in (module._parameters, module._buffers):
            for key, tensor in values.items():
                if tensor is not None:
                    values[key] = zeros(tensor)  # type: ignore[assignment]


class _Words:
    """Stands in for a tokenizer: its length, and ids that exist."""

    bos_token_id = eos_token_id = cls_token_id = sep_token_id = pad_token_id = 0

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count


def _vocabulary(backbone: Backbone) -> int:
    model = backbone.model
    config = model.text.transformer.config if backbone.language_model is None else model.config.text_config
    return int(config.vocab_size)

"""Counts what a training needs, on the network that training builds but without memory for its tensors."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator

import lss.runtime.torch_setup  # noqa: F401  isort: skip
from torch import nn

from lss.backbones.base import Backbone
from lss.model.report_generator import ReportGenerator
from lss.project.params import Params
from lss.tools.need import Need
from lss.tools.rehearsal import Network, build, rehearse
from lss.training.report_task import WRITTEN

OPTIMISER_BYTES = 12  # per trained number: float32 gradient and the two moments of AdamW


def estimate(empty: Backbone, task: str, params: Params) -> Need:
    """Count and estimate for one empty backbone, which stays as it is, and one of `lss.project.models.TASKS`."""
    train = params.train
    one, two = (rehearse(empty, task, params, images) for images in (1, 2))
    backbone = copy.deepcopy(empty)
    published = {id(part): part.numel() for part in backbone.parameters()}
    quantised = [layer.weight for layer in quantised_layers(backbone)] if train.qlora.quantise else []
    loading = stored_bytes(backbone, backbone, train.qlora.quantise)
    network = build(backbone, task, params)  # which gives back the text tower, where it is not needed any more
    added = [part for part in network.parameters() if id(part) not in published]
    trained = sum(part.numel() for part in added if part.requires_grad)
    held = {id(part) for part in network.parameters()}
    unpacked = max((weight.numel() * weight.itemsize for weight in quantised if id(weight) in held), default=0)
    return Need(
        parameters=sum(published.values()) + sum(part.numel() for part in added),
        trained=trained,
        quantised_layers=len(quantised),
        quantised_weights=sum(weight.numel() for weight in quantised),
        grid=backbone.grid,
        text_tokens=_text_tokens(network, train.report.max_tokens),
        held_bytes=stored_bytes(network, backbone, train.qlora.quantise) + trained * OPTIMISER_BYTES + unpacked,
        loading_bytes=loading,
        passes={key: (one[key], two[key]) for key in one},
        recounts=task == "segmentation" and train.pid.count == "epoch_end",
        longest_report=train.report.max_tokens if task == "report" else 0,
        written_at_once=params.execution.write_batch_size,
        reports_written=WRITTEN if task == "report" else 0,
    )


def _text_tokens(network: Network, max_tokens: int) -> int:
    """Return tokens of the prefix, where there is one, and of the report."""
    if not isinstance(network, ReportGenerator):
        return 0
    return network.prefix_tokens + max_tokens


def stored_bytes(network: nn.Module, backbone: Backbone, quantise: bool) -> int:
    """Return the bytes of all parameters and buffers, those of the backbone's towers in NF4 if `quantise`."""
    four_bits = {id(layer.weight) for layer in quantised_layers(backbone)} if quantise else set()
    tensors = {id(tensor): tensor for tensor in (*network.parameters(), *network.buffers())}
    return sum(
        nf4_bytes(tensor.numel()) if key in four_bits else tensor.numel() * tensor.itemsize
        for key, tensor in tensors.items()
    )


def quantised_layers(backbone: Backbone) -> Iterator[nn.Linear]:
    """Yield the layers that QLoRA stores in 4 bits: every linear one of the towers, adapters left out."""
    towers = tuple(backbone.tower_prefixes.values())
    for name, module in backbone.model.named_modules():
        if type(module) is nn.Linear and name.startswith(towers) and ".lora_" not in name:
            yield module


def nf4_bytes(weights: int) -> int:
    """Return the bytes of a layer's weights in NF4 with double quantisation, as bitsandbytes stores them.

    4 bits each; an 8-bit scale per 64; per 256 of those a float32; and the tables: 16 levels of the weights and 256
    of the scales, and the scales' mean, in float32.
    """
    scales = math.ceil(weights / 64)
    return math.ceil(weights / 2) + scales + 4 * math.ceil(scales / 256) + 4 * (16 + 256 + 1)

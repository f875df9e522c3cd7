"""The weights of a DINOv2 vision tower in an ONNX file, under the names that timm gives them.

What torch's exporter does to them: the matrix of a linear layer loses its name and is transposed, while its bias, which
is added next, keeps its own; the matrices lie in the order of the graph's nodes (key before value before query); the
position embedding is split into that of [CLS] and that of the patches, and resampled to the image's grid by the graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from torch import Tensor, nn

from lss.errors import LssError

_FLOAT = 1  # onnx.proto, TensorProto.DataType
_FIELDS: dict[str, list[tuple[str, int, str]]] = {
    "Model": [("graph", 7, "Graph")],
    "Graph": [("node", 1, "Node*"), ("initializer", 5, "Tensor*")],
    "Node": [("input", 1, "string*"), ("output", 2, "string*"), ("op_type", 4, "string")],
    "Tensor": [("dims", 1, "int64*"), ("data_type", 2, "int32"), ("name", 8, "string"), ("raw_data", 9, "bytes")],
}
"""The messages and fields of onnx.proto that are read: (name, number, type), * for repeated."""

_WHOLE = {
    "embeddings.cls_token": "cls_token",
    "embeddings.patch_embeddings.projection.weight": "patch_embed.proj.weight",
    "embeddings.patch_embeddings.projection.bias": "patch_embed.proj.bias",
    "layernorm.weight": "norm.weight",
    "layernorm.bias": "norm.bias",
}
"""Names of transformers' Dinov2Model and what timm calls them, outside the layers."""

_QKV = ("query", "key", "value")
"""In timm one matrix, in this order."""

_PAIRS = {
    "norm1": "norm1",
    "attention.output.dense": "attn.proj",
    "norm2": "norm2",
    "mlp.fc1": "mlp.fc1",
    "mlp.fc2": "mlp.fc2",
}
_BLOCK = {
    **{f"{theirs}.{kind}": f"{ours}.{kind}" for theirs, ours in _PAIRS.items() for kind in ("weight", "bias")},
    "layer_scale1.lambda1": "ls1.gamma",
    "layer_scale2.lambda1": "ls2.gamma",
}
"""The same within a layer, apart from query, key and value."""


def vision_weights(path: Path, grid: int) -> dict[str, Tensor]:
    """Weights of timm's VisionTransformer, float32, from an exported model whose vision tower is called `backbone`.

    Args:
        path: of the ONNX file.
        grid: patches along a side of the image; the position embedding is resampled to it as the graph does.

    Raises LssError where the file is not of that kind, or has weights that are not known.
    """
    graph = _read(path).graph
    tensors = {one.name: _tensor(one, path) for one in graph.initializer if one.data_type == _FLOAT}
    named = _named(graph, tensors)
    result = {name.removeprefix("backbone."): value for name, value in named.items() if name.startswith("backbone.")}
    try:
        weights = {ours: result.pop(theirs) for theirs, ours in _WHOLE.items()}
        weights["pos_embed"] = _positions(graph, tensors, grid)
        layer = 0
        while f"encoder.layer.{layer}.norm1.weight" in result:
            prefix = f"encoder.layer.{layer}."
            for kind in ("weight", "bias"):
                parts = [result.pop(f"{prefix}attention.attention.{part}.{kind}") for part in _QKV]
                weights[f"blocks.{layer}.attn.qkv.{kind}"] = torch.cat(parts)
            weights |= {f"blocks.{layer}.{ours}": result.pop(prefix + theirs) for theirs, ours in _BLOCK.items()}
            layer += 1
    except (KeyError, StopIteration) as error:
        raise LssError(f"{path}: is no exported DINOv2 with transformers' names: {error} is missing") from error
    if result:
        raise LssError(f"{path}: these weights of its vision tower are not known: {', '.join(result)}")
    return weights


def _read(path: Path) -> Any:
    """The file as messages of `_FIELDS`; what they lack is skipped."""
    file = descriptor_pb2.FileDescriptorProto(name="onnx_part.proto", package="part")
    kinds = descriptor_pb2.FieldDescriptorProto
    for message, fields in _FIELDS.items():
        described = file.message_type.add(name=message)
        for name, number, kind in fields:
            field = described.field.add(name=name, number=number)
            field.label = kinds.LABEL_REPEATED if kind.endswith("*") else kinds.LABEL_OPTIONAL
            plain = kind.rstrip("*")
            if plain in _FIELDS:
                field.type, field.type_name = kinds.TYPE_MESSAGE, f".part.{plain}"
            else:
                field.type = kinds.Type.Value(f"TYPE_{plain.upper()}")
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    model = message_factory.GetMessageClass(pool.FindMessageTypeByName("part.Model"))()
    try:
        model.ParseFromString(path.read_bytes())
    except Exception as error:  # protobuf's own, whose class differs between its implementations
        raise LssError(f"{path}: is no ONNX file: {error}") from error
    return model


def _tensor(one: Any, path: Path) -> Tensor:
    values = np.frombuffer(one.raw_data, "<f4")
    if values.size != np.prod(one.dims, dtype=np.int64):
        raise LssError(f"{path}: {one.name}: {values.size} values where its shape {list(one.dims)} needs others")
    return torch.from_numpy(values.reshape(list(one.dims)).copy())


def _named(graph: Any, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors that have a name of the model's, and the linear layers' matrices by the bias that is added next."""
    added = {output: node for node in graph.node if node.op_type == "Add" for output in node.input}
    named = {name: value for name, value in tensors.items() if "::" not in name}
    for node in graph.node:
        if node.op_type == "MatMul" and node.input[1] in tensors:
            biases = [name for name in added[node.output[0]].input if name.endswith(".bias")]
            for bias in biases:
                named[bias.removesuffix("bias") + "weight"] = tensors[node.input[1]].T.contiguous()
    return named


def _positions(graph: Any, tensors: Mapping[str, Tensor], grid: int) -> Tensor:
    """Position embedding (1, 1 + grid * grid, D): that of [CLS] is put before the resampled one of the patches."""

    def unnamed_input(kind: str) -> Tensor:
        return next(
            tensors[name]
            for node in graph.node
            for name in node.input
            if node.op_type == kind and name in tensors and "::" in name
        )

    patches_1ND, cls_11D = unnamed_input("Reshape"), unnamed_input("Concat")
    side = round(patches_1ND.shape[1] ** 0.5)
    maps_1DYX = patches_1ND.reshape(1, side, side, -1).permute(0, 3, 1, 2)
    resampled = nn.functional.interpolate(maps_1DYX, (grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([cls_11D, resampled.flatten(2).transpose(1, 2)], dim=1)

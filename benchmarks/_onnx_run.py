"""Patch tokens as ONNX Runtime computes them: `python _onnx_run.py MODEL.onnx INPUT.npy OUTPUT.npy`.

Runs in an environment of its own (packages onnx and onnxruntime, neither needed by `lss`). INPUT: float32 (B, 3, Y, X),
normalised. OUTPUT: (B, N, D), what the vision tower hands on to the model's decoder, without [CLS].
"""

import sys

import numpy as np
import onnx
import onnxruntime

model = onnx.load(sys.argv[1])
last = next(node.output[0] for node in model.graph.node if "backbone.layernorm.bias" in node.input)
model.graph.output.append(onnx.helper.make_tensor_value_info(last, onnx.TensorProto.FLOAT, None))
session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
(tokens,) = session.run([last], {session.get_inputs()[0].name: np.load(sys.argv[2])})
np.save(sys.argv[3], tokens[:, 1:])

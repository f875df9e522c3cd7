"""How torch is set up before any model is built: torchvision beside a CPU torch, bitsandbytes, determinism, device.

Importing this module is enough for the first two: whatever imports open_clip, timm, transformers or bitsandbytes
imports it before.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

# cuBLAS reads it when its first handle is made; without it deterministic matrix products are refused.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")

import torch

from lss.errors import LssError

# peft still asks transformers by the old name; nothing a user of this project could change.
warnings.filterwarnings("ignore", r".*gradient_checkpointing.* is deprecated", FutureWarning)

_OPERATORS = ("nms", "qnms")
_library: torch.library.Library | None = None
_bitsandbytes: torch.library.Library | None = None


def define_torchvision_operators() -> None:
    """Let a torchvision wheel built for CUDA be imported beside a CPU-only torch.

    torchvision registers fake kernels for operators that its compiled part defines; where that part cannot be
    loaded (it needs CUDA's libraries), the import fails with `operator torchvision::nms does not exist`. Then,
    and only then, the schemas of the two operators are defined here. They get no kernel: nothing in this
    project calls them. Under a CUDA or ROCm torch this does nothing.
    """
    global _library
    built_for_gpu = torch.version.cuda is not None or getattr(torch.version, "hip", None) is not None
    if built_for_gpu or _library is not None or "torchvision" in sys.modules or _compiled_part_loads():
        return
    _library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in _OPERATORS:
        _library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")


def _compiled_part_loads() -> bool:
    """Return whether torchvision's own library can be loaded (it then defines the operators itself)."""
    spec = importlib.util.find_spec("torchvision")
    if spec is None or spec.origin is None:
        return False
    for library in Path(spec.origin).parent.glob("_C*.so"):
        try:
            torch.ops.load_library(str(library))
        except OSError:
            return False
    return hasattr(torch.ops.torchvision, _OPERATORS[0])


def import_bitsandbytes() -> None:
    """Import bitsandbytes without what its import would drag in.

    It wraps the plain-torch versions of its operators in torch.compile while it is imported. That imports dynamo and
    inductor, five seconds of every process, and would compile C++ at the first call of one of them, if there is
    a compiler. They run as written here. Its advice to install a package that downloads kernels is not passed on.
    """
    logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
    real = torch.compile
    torch.compile = _as_written  # type: ignore[assignment]
    try:
        import bitsandbytes  # noqa: F401
    finally:
        torch.compile = real


def unpack_whole_blocks() -> None:
    """Have bitsandbytes unpack 4-bit weights on the CPU as they were packed: block after block over the flat weight.

    Its AVX-512 kernel begins a new block with every row. Where rows are no multiple of the block (64 weights), as in
    the tiny backbones, it takes the wrong scales: such weights are off by a quarter, on CPUs with AVX-512 alone.
    Given rows of one block each it is right, and equal to the kernels of other CPUs.
    """
    global _bitsandbytes
    kernel = torch.library.get_kernel("bitsandbytes::dequantize_4bit", "CPU")

    def unpack(
        keys: Any, packed: Any, scales: Any, block: int, kind: str, shape: Sequence[int], dtype: torch.dtype
    ) -> torch.Tensor:
        count = math.prod(shape)
        rows = (count // block, block) if count % block == 0 else (1, count)
        return kernel.call_boxed(keys, packed, scales, block, kind, rows, dtype).reshape(shape)

    _bitsandbytes = torch.library.Library("bitsandbytes", "IMPL")
    with warnings.catch_warnings(action="ignore", category=UserWarning):  # that it overrides
        _bitsandbytes.impl("dequantize_4bit", unpack, "CPU", with_keyset=True, allow_override=True)


def _as_written(function: Callable[..., Any] | None = None, **_: Any) -> Any:
    """Stand in for torch.compile, called or used as a decorator with arguments."""
    return (lambda given: given) if function is None else function


define_torchvision_operators()
import_bitsandbytes()
unpack_whole_blocks()


def resolve_device(name: str) -> torch.device:
    """Return the device called `name` (auto, cpu, cuda); `auto` is the GPU where there is one, else the CPU.

    Raises LssError when `cuda` is asked for and torch finds none.
    """
    available = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if available else "cpu")
    if name == "cuda" and not available:
        raise LssError("params.yaml: device: cuda is set, but torch finds no CUDA GPU. Set device: auto or cpu.")
    return torch.device(name)


def to_device(values: torch.Tensor, device: torch.device) -> torch.Tensor:
    """Copy `values` from the CPU to `device`, without waiting for a GPU.

    A copy from ordinary memory waits until the GPU has done all it was given so far; one from pinned memory does not.
    """
    if device.type == "cuda":
        values = values.pin_memory()
    return values.to(device, non_blocking=True)


def set_deterministic(threads: int, device: torch.device) -> None:
    """Make results on the CPU the same bytes in every run.

    Args:
        threads: CPU threads of one operation. The order of a sum depends on their number, so it comes from
            params.yaml, never from the machine.
        device: where the work is done.
    """
    torch.set_num_threads(threads)
    # The backward pass of a bilinear resize has no deterministic kernel on a GPU: there a warning, no refusal.
    torch.use_deterministic_algorithms(True, warn_only=device.type == "cuda")
    # Every operator used here fills its own output; without this each allocation is written twice.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    torch.backends.cudnn.benchmark = False

"""transformers' `from_pretrained` under the project's rules: safetensors only, nothing fetched, no partial load."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from transformers.utils import logging as transformers_logging

from lss.backbones.files import refuse_partial, require_safetensors
from lss.backbones.qlora import quantisation_config, use_one_cpu_kernel
from lss.errors import LssError


def load_pretrained(
    model_class: Any,
    folder: Path,
    *,
    quantise: bool,
    keep: tuple[str, ...],
    device: torch.device,
    dtype: torch.dtype,
    may_miss: tuple[str, ...] = (),
    may_exceed: tuple[str, ...] = (),
    **options: Any,
) -> Any:
    """Load `model_class` from a local folder.

    Args:
        model_class: a model class of transformers.
        folder: with `config.json` (unless `config` is among the options) and safetensors.
        quantise: store linear layers in NF4, all but those in `keep`.
        keep: full names of modules that are not quantised.
        device: where it goes.
        dtype: type of what is not quantised, and of the computation.
        may_miss, may_exceed: prefixes of weights that may be absent from the files or superfluous in them.
        options: further ones of `from_pretrained` (`config`, `key_mapping`).

    Raises:
        LssError: no safetensors, or weights that are missing, superfluous or of another shape.
    """
    require_safetensors(folder)
    if not sys.stderr.isatty():
        transformers_logging.disable_progress_bar()  # a log file is no place for it
    if quantise:
        options["quantization_config"] = quantisation_config(dtype, keep)
    try:
        model, info = model_class.from_pretrained(
            folder,
            dtype=dtype,
            device_map={"": device},
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
            **options,
        )
    except RuntimeError as error:
        raise LssError(f"{folder}: weights do not fit the model: {error}") from error
    refuse_partial(
        folder,
        [key for key in info["missing_keys"] if not key.startswith(may_miss or ("\0",))],
        [key for key in info["unexpected_keys"] if not key.startswith(may_exceed or ("\0",))],
    )
    if quantise:
        use_one_cpu_kernel(model)
    return model

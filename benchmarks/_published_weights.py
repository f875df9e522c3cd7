"""Checkpoints of the published sizes and formats with random weights, for timing where nothing can be fetched."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import torch
from safetensors.torch import save_file
from sentencepiece import sentencepiece_model_pb2
from torch import Tensor
from transformers import Idefics3Config, Idefics3ForConditionalGeneration, LlavaForConditionalGeneration

from lss.backbones.biomedclip import BiomedClip
from lss.backbones.convert import original_llava_key
from lss.backbones.llava_med import read_configuration
from lss.backbones.published import write_configuration
from lss.backbones.tiny_tokenizers import write_bert_tokenizer, write_llama_tokenizer, write_smollm_tokenizer
from lss.storage.io import atomic_path, read_json, write_json, write_text

EMBEDDINGS = (".word_embeddings.weight", ".embed_tokens.weight")
FILLER = "\N{BLACK SQUARE}"
FILE_BYTES = 2**30  # what is made and written at a time: a 7B never lies in memory


def write_random_checkpoint(name: str, hub_id: str, folder: Path, file_bytes: int = FILE_BYTES) -> None:
    """Write what `load_backbone` reads: configuration, tokenizer, safetensors in files of `file_bytes`."""
    write_configuration(hub_id, folder)
    {"biomedclip": write_bert_tokenizer, "smolvlm": write_smollm_tokenizer, "llava_med": write_llama_tokenizer}[name](
        folder
    )
    shapes = _shapes(name, folder)
    fill_vocabulary(folder, max(len(shape) for key, shape in shapes.items() if key.endswith(EMBEDDINGS)))
    if name == "biomedclip":  # one file, in single precision
        _save(folder / "open_clip_model.safetensors", shapes, torch.float32)
        return
    files = list(_split(shapes, file_bytes))
    weight_map: dict[str, str] = {}
    for number, part in enumerate(files, start=1):
        file = f"model-{number:05d}-of-{len(files):05d}.safetensors"
        _save(folder / file, part, torch.bfloat16)
        weight_map |= dict.fromkeys(part, file)
    write_json(folder / "model.safetensors.index.json", {"metadata": {}, "weight_map": weight_map})


def fill_vocabulary(folder: Path, size: int) -> None:
    """Lengthen the vocabulary of the small tokenizer in `folder` to `size` by tokens that no text has.

    A published model has a row of its embeddings for each of 30,000 and more tokens, and `load_backbone` asks whether
    tokenizer and model belong together.
    """
    if (words := folder / "vocab.txt").exists():  # BERT's: a line each
        known = words.read_text().splitlines()
        write_text(words, "\n".join([*known, *(f"##{FILLER}{number}" for number in range(len(known), size))]) + "\n")
    elif (merges := folder / "tokenizer.json").exists():  # GPT-2's: numbered
        content = read_json(merges)
        vocabulary = content["model"]["vocab"]
        vocabulary |= {f"{FILLER}{number}": number for number in range(len(vocabulary), size)}
        write_json(merges, content)
    else:  # Llama's: pieces with scores
        proto: Any = sentencepiece_model_pb2  # its classes are made at run time
        pieces = proto.ModelProto.FromString((folder / "tokenizer.model").read_bytes())
        for number in range(len(pieces.pieces), size):
            pieces.pieces.add(piece=f"{FILLER}{number}", score=-1e6 - number)
        with atomic_path(folder / "tokenizer.model") as temporary:
            temporary.write_bytes(pieces.SerializeToString())


def _shapes(name: str, folder: Path) -> dict[str, Tensor]:
    """Every tensor of the checkpoint by its published name, on "meta"."""
    with torch.device("meta"):
        if name == "biomedclip":
            return BiomedClip.empty(folder).model.state_dict()
        if name == "smolvlm":
            return Idefics3ForConditionalGeneration(Idefics3Config.from_pretrained(folder)).state_dict()
        model = LlavaForConditionalGeneration(read_configuration(folder))
        return {original_llava_key(key): tensor for key, tensor in model.state_dict().items()}


def _split(shapes: dict[str, Tensor], file_bytes: int) -> Iterator[dict[str, Tensor]]:
    part: dict[str, Tensor] = {}
    for name, shape in shapes.items():
        if part and 2 * sum(tensor.numel() for tensor in (*part.values(), shape)) > file_bytes:
            yield part
            part = {}
        part[name] = shape
    yield part


def _save(path: Path, shapes: dict[str, Tensor], dtype: torch.dtype) -> None:
    with atomic_path(path) as temporary:
        save_file({name: _random(shape, dtype) for name, shape in shapes.items()}, temporary, {"format": "pt"})


def _random(shape: Tensor, dtype: torch.dtype) -> Tensor:
    """Matrices of the usual spread; of vectors, those of norms are one, biases zero: nearly, it is for timing."""
    if not shape.is_floating_point():  # positions
        return torch.arange(shape.numel()).reshape(shape.shape).contiguous()
    if shape.dim() < 2:
        return torch.ones(shape.shape, dtype=dtype)
    return torch.empty(shape.shape, dtype=dtype).normal_(std=0.02)

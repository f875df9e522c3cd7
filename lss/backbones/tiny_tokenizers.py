"""Small tokenizers in the formats the three backbones are published with, trained on `tiny_text`."""

from __future__ import annotations

import io
from collections import Counter
from pathlib import Path
from typing import Any

import lss.runtime.torch_setup  # noqa: F401  isort: skip
import sentencepiece
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from lss.backbones.tiny_text import sentences
from lss.storage.io import atomic_path, write_json, write_text

VOCABULARY = 768
BERT_SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
SMOLLM_SPECIAL = (
    "<|endoftext|>",
    "<|im_start|>",
    "<|im_end|>",
    "<fake_token_around_image>",
    "<image>",
    "<global-img>",
    "<end_of_utterance>",
)


def write_bert_tokenizer(folder: Path) -> int:
    """Write a WordPiece tokenizer, lower case, as BiomedBERT's (`vocab.txt`, `tokenizer_config.json`);
    return its size.
    """
    normalise, split = normalizers.BertNormalizer(lowercase=True), pre_tokenizers.BertPreTokenizer()
    words = Counter(word for line in sentences() for word, _ in split.pre_tokenize_str(normalise.normalize_str(line)))
    # whole words and single characters: the library's WordPiece trainer gives another order in every process
    by_count = sorted(words, key=lambda word: (-words[word], word))
    characters = [chr(code) for code in range(33, 127) if not chr(code).isupper()]
    pieces = [*BERT_SPECIAL, *characters, *(f"##{character}" for character in characters), *by_count]
    vocabulary = list(dict.fromkeys(pieces))[:VOCABULARY]
    write_text(folder / "vocab.txt", "".join(f"{token}\n" for token in vocabulary))
    names = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
    _write_config(folder, "BertTokenizer", names, do_lower_case=True, model_max_length=512)
    return len(vocabulary)


def write_smollm_tokenizer(folder: Path) -> int:
    """Write a byte-level BPE tokenizer as SmolLM2's (`tokenizer.json`, `tokenizer_config.json`); return its size."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=list(SMOLLM_SPECIAL),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(sentences(), trainer)
    with atomic_path(folder / "tokenizer.json") as temporary:
        tokenizer.save(str(temporary), pretty=True)
    names = {"bos": "<|im_start|>", "eos": "<end_of_utterance>", "unk": "<|endoftext|>", "pad": "<|im_end|>"}
    _write_config(folder, "GPT2Tokenizer", names, padding_side="left", model_max_length=8192)
    return tokenizer.get_vocab_size()


def write_llama_tokenizer(folder: Path) -> int:
    """Write a sentencepiece BPE tokenizer with byte fallback as Mistral's (`tokenizer.model`,
    `tokenizer_config.json`); return its size.
    """
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(sentences()),
        model_writer=model,
        model_type="bpe",
        vocab_size=VOCABULARY,
        byte_fallback=True,
        split_digits=True,
        normalization_rule_name="identity",
        num_threads=1,
        minloglevel=2,
    )
    with atomic_path(folder / "tokenizer.model") as temporary:
        temporary.write_bytes(model.getvalue())
    names = {"bos": "<s>", "eos": "</s>", "unk": "<unk>"}
    _write_config(folder, "LlamaTokenizer", names, add_bos_token=True, add_eos_token=False, legacy=True)
    return VOCABULARY


def _write_config(folder: Path, tokenizer_class: str, special: dict[str, str], **settings: Any) -> None:
    tokens = {f"{name}_token": token for name, token in special.items()}
    write_json(folder / "tokenizer_config.json", {"tokenizer_class": tokenizer_class, **tokens, **settings})
    write_json(folder / "special_tokens_map.json", tokens)

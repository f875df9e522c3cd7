"""Search every file of a folder for words, whatever they are packed or written in."""

from __future__ import annotations

import base64
import binascii
import gzip
import html
import io
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote_to_bytes

import pyarrow.parquet as pq
from PIL import Image

_BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{12,}={0,2}")
_STREAM = re.compile(rb"stream\r?\n")


def needles(words: Iterable[str]) -> dict[bytes, str]:
    """Each word in lower case as it may be written, to the word. UTF-16 needs no form of its own (`layers`)."""
    forms: dict[bytes, str] = {}
    for word in words:
        for text in (word.lower(), word.casefold(), unicodedata.normalize("NFD", word.lower())):
            forms[text.encode()] = word
            forms[text.encode("ascii", "backslashreplace")] = word  # JSON and Python escapes: \xfc
            escaped = text.encode("utf-16-be").hex()
            json_escaped = "".join(
                letter if letter.isascii() else f"\\u{escaped[4 * place : 4 * place + 4]}"
                for place, letter in enumerate(text)
            )
            forms[json_escaped.encode()] = word
        if not word.isascii():
            forms[word.lower().encode("latin-1")] = word
    return forms


def layers(data: bytes, depth: int = 0) -> Iterator[bytes]:
    """The bytes themselves, and what is packed in them: Parquet, zip (npz), gzip, PNG text, PDF streams, base64."""
    yield data
    if depth > 3:
        return
    if data[:4] == b"PAR1":
        yield from _values(data)
        return
    if data[:4] == b"PK\3\4":
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            yield "\n".join([*archive.namelist(), archive.comment.decode("latin-1")]).encode()
            for name in archive.namelist():
                yield from layers(archive.read(name), depth + 1)
        return
    if data[:2] == b"\x1f\x8b":
        yield from layers(gzip.decompress(data), depth + 1)
        return
    if data[:8] == b"\x89PNG\r\n\x1a\n":
        with Image.open(io.BytesIO(data)) as image:
            image.load()
            yield repr(image.info).encode()
        return
    for match in _STREAM.finditer(data) if b"%PDF" in data[:2048] else ():
        try:
            yield zlib.decompressobj().decompress(data[match.end() :])
        except zlib.error:
            continue
    if b"\0" in data:
        yield data.replace(b"\0", b"")  # UTF-16 of letters of one byte
        return
    yield html.unescape(data.decode("utf-8", "replace")).encode()
    yield unquote_to_bytes(data)
    unpacked = []
    for match in _BASE64.finditer(data):
        run = match[0].rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
        try:
            part = base64.b64decode(run[: len(run) // 4 * 4] if len(run) % 4 == 1 else run + b"=" * (-len(run) % 4))
        except binascii.Error:
            continue
        if part[:4] in (b"\x89PNG", b"PAR1", b"PK\3\4", b"%PDF") or part[:2] == b"\x1f\x8b":
            yield from layers(part, depth + 1)
        else:
            unpacked.append(part)
    yield b"\n".join(unpacked)
    yield b"\n".join(unpacked).replace(b"\0", b"")


def _values(data: bytes) -> Iterator[bytes]:
    """Values of a Parquet file, images among them."""
    for batch in pq.ParquetFile(io.BytesIO(data)).iter_batches(64):
        for column in batch.columns:
            texts = []
            for value in column.to_pylist():
                if isinstance(value, bytes):
                    yield from layers(value, 3) if value[:4] == b"\x89PNG" else (value,)
                else:
                    texts.append(str(value))
            yield "\n".join(texts).encode()


def found(data: bytes, forms: dict[bytes, str]) -> set[str]:
    """Words that stand in some bytes, in whatever letters."""
    result = set()
    for layer in layers(data):
        lowered = layer.lower()
        # capitals with accents have no case among bytes
        folded = lowered if lowered.isascii() else lowered + b"\n" + lowered.decode("utf-8", "ignore").lower().encode()
        result |= {word for form, word in forms.items() if form in folded}
    return result


def search(folder: Path, words: Iterable[str]) -> dict[str, set[str]]:
    """Path within `folder` of each file, of which content or path holds words, to the words. Links are not followed."""
    forms, result = needles(words), {}
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        words_found = found(name.encode("utf-8", "surrogateescape"), forms)
        if path.is_file() and not path.is_symlink():
            words_found |= found(path.read_bytes(), forms)
        if words_found:
            result[name] = words_found
    return result

"""One mutator for every format: flips, splices, cuts, edited lengths, hostile tokens; and edits that know the format.

Mutation `number` of a target is the same bytes on every machine: `random.Random` is seeded by both.
"""

# ruff: noqa: E501  (a list of cases)
from __future__ import annotations

import gzip
import io
import random
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable, Sequence

import pydicom
from pydicom.dataelem import DataElement

Draw = random.Random
Edit = Callable[[bytes, Draw], bytes]
"""Changes a whole file as its format allows."""

TOKENS = (
    b"", b"\0" * 8, b"\xff" * 8, b"nan", b"-inf", b"1e999", b"-1", b"9" * 400, b"0x10", b"\xc3\x28", b"\xed\xa0\x80", b"\xef\xbb\xbf",
    "\u202e\u0130\u0663\u00b2\u2028\ufdfa".encode(), b"../../evil", b"/etc/passwd", b"C:\\evil", b"%s%n", b"\r\n", b'"', b"'", b"\\",
    b"\t;|,", b"<!--<script>", b"{{7*7}}", b"=cmd|'/c x'!A1", b"[[[[[[[[", b"{" * 60, b"&a *a", b"!!python/object:os.system", b"<<: *a",
    b"\x80\x04cos\nsystem\n(S'x'\ntR.", b"<!ENTITY a SYSTEM 'file:///etc/passwd'>", b"\xfe\xff\xdd\xe0\0\0\0\0", b"\xff\xfe\x00\xe0",
    b"SQ\0\0\xff\xff\xff\xff", b"1.2.840.10008.1.2.4.90", b"1.2.840.10008.1.2.1.99", b"MONOCHROME1", b"PALETTE COLOR",
)  # fmt: skip
"""Pieces that have broken readers: numbers that are none, encodings, paths, quotes, code, ends of sequences."""

_NUMBERS = (0, 1, -1, 2, 127, 128, 255, 256, 32767, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1)
_VALUES: tuple[object, ...] = (
    b"", b"\0", b"\xff" * 7, "", " ", "0", "-1", "1e400", "NaN", "inf", "9" * 400, "1\\2\\3\\4\\5\\6\\7", "\\\\\\", "0\\0\\0\\0\\0\\0",
    "1,5\\0,5", "a" * 5000, "\u0130\u202e\u00b2", "1.2.840.10008.1.2.4.90", "YES", "MONOCHROME1", "\x1b$B", "../..", 0, -1, 65535, 2**32 - 1,
    1e300, float("nan"), None,
)  # fmt: skip
_REPRESENTATIONS = "AE AS CS DA DS FD FL IS LO LT OB OW PN SH SL SQ SS ST TM UI UL UN US UT".split()


def mutated(name: str, number: int, seeds: Sequence[bytes], edits: Sequence[Edit] = ()) -> bytes:
    """Mutation `number` of the target `name`: one of its seeds, changed one to six times."""
    draw = random.Random(f"{name}/{number}")
    data = draw.choice(seeds)
    for _ in range(draw.choice((1, 1, 1, 2, 3, 6))):
        if edits and draw.random() < 0.6:
            data = draw.choice(edits)(data, draw)
        else:
            data = any_bytes(data, draw, seeds)
    return data


def any_bytes(data: bytes, draw: Draw, seeds: Sequence[bytes] = ()) -> bytes:
    """One change that knows no format; half of them fall into the first 400 bytes, where headers are."""
    place = draw.randrange(min(len(data), draw.choice((400, len(data)))) or 1) if data else 0
    length = draw.choice((1, 2, 4, 8, 16, 64, 300))
    kind = draw.randrange(9)
    if kind == 0 and data:
        return data[:place] + bytes([data[place] ^ (1 << draw.randrange(8))]) + data[place + 1 :]
    if kind == 1:
        return data[:place]
    if kind == 2:
        return data[:place] + data[place + length :]
    if kind == 3:
        return data[: place + length] + data[place:]
    if kind == 4:  # a length, a count or an offset
        layout = draw.choice(("<H", ">H", "<I", ">I", "<Q", ">Q"))
        size = struct.calcsize(layout)
        return data[:place] + struct.pack(layout, draw.choice(_NUMBERS) % 2 ** (8 * size)) + data[place + size :]
    if kind == 5:
        return data[:place] + draw.choice(TOKENS) + data[place:]
    if kind == 6:
        token = draw.choice(TOKENS)
        return data[:place] + token + data[place + len(token) :]
    if kind == 7:
        other = draw.choice(seeds) if seeds else data
        start = draw.randrange(len(other) or 1)
        return data[:place] + other[start : start + length] + data[place + length :]
    return data[:place] + draw.randbytes(length) + data[place + length :]


def dicom_element(data: bytes, draw: Draw) -> bytes:
    """Another value, representation or place for one element, in sequences too; one removed, doubled, or put deeper."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            file = pydicom.dcmread(io.BytesIO(data), force=True)
            sets = [file, file.file_meta]
            sets += [item for element in file if element.VR == "SQ" for item in element.value]
            within = draw.choice([one for one in sets if len(one)])
            tag = draw.choice(list(within.keys()))
            kind = draw.randrange(5)
            if kind == 0:
                del within[tag]
            elif kind == 1:
                within.add(DataElement(tag, draw.choice(_REPRESENTATIONS), draw.choice(_VALUES), validation_mode=0))
            elif kind == 2:
                within.add(DataElement(tag, within[tag].VR, draw.choice(_VALUES), validation_mode=0))
            elif kind == 3:
                other = within[draw.choice(list(within.keys()))]
                within.add(DataElement(tag, within[tag].VR, other.value, validation_mode=0))
            else:
                depth = draw.choice((1, 3, 40))
                inner = pydicom.Dataset()
                inner.add(within[tag])
                for _ in range(depth):
                    outer = pydicom.Dataset()
                    outer.SharedFunctionalGroupsSequence = [inner]
                    inner = outer
                file.update(inner)
            buffer = io.BytesIO()
            file.save_as(buffer, enforce_file_format=False)
            return buffer.getvalue()
    except Exception:  # what pydicom cannot write is changed as bytes
        return any_bytes(data, draw)


def repacked_zip(data: bytes, draw: Draw) -> bytes:
    """One member changed, renamed or doubled, the archive otherwise whole."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as packed:
            parts = [(info.filename, packed.read(info)) for info in packed.infolist()]
    except Exception:
        return any_bytes(data, draw)
    place = draw.randrange(len(parts) or 1)
    if parts:
        name, content = parts[place]
        kind = draw.randrange(4)
        if kind == 0:
            parts[place] = (
                any_bytes(name.encode(), draw).decode("utf-8", "replace").replace("\0", "")[:200] or "x",
                content,
            )
        elif kind == 1:
            parts.append((name, any_bytes(content, draw)))
        else:
            parts[place] = name, any_bytes(content, draw)
    buffer = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        warnings.simplefilter("ignore")
        for name, content in parts:
            packed.writestr(name, content)
    return buffer.getvalue()


def regzipped(data: bytes, draw: Draw) -> bytes:
    """The bytes within a gzip file changed, whose checksum is right again."""
    try:
        return gzip.compress(any_bytes(gzip.decompress(data), draw), 1, mtime=0)
    except Exception:
        return any_bytes(data, draw)


def png_chunk(data: bytes, draw: Draw) -> bytes:
    """One chunk of a PNG changed, its checksum made right; that of the pixels unpacked, changed and packed again."""
    chunks, place = [], 8
    while place + 12 <= len(data):
        size = int.from_bytes(data[place : place + 4], "big")
        chunks.append([data[place + 4 : place + 8], data[place + 8 : place + 8 + size]])
        place += 12 + size
    if not chunks or data[:4] != b"\x89PNG":
        return any_bytes(data, draw)
    chunk = draw.choice(chunks)
    if chunk[0] == b"IDAT":
        try:
            chunk[1] = zlib.compress(any_bytes(zlib.decompress(chunk[1]), draw))
        except zlib.error:
            chunk[1] = any_bytes(chunk[1], draw)
    else:
        chunk[draw.randrange(2)] = any_bytes(chunk[1] or b"x", draw) if draw.random() < 0.8 else b"tEXt"
    packed = (kind[:4].ljust(4, b"x") + content for kind, content in chunks)
    return data[:8] + b"".join(
        (len(chunk) - 4).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big") for chunk in packed
    )


def safetensors_header(data: bytes, draw: Draw) -> bytes:
    """The JSON in front of the tensors changed, its length made right."""
    size = int.from_bytes(data[:8], "little")
    header = any_bytes(data[8 : 8 + size], draw) if size < len(data) else data[8:]
    return len(header).to_bytes(8, "little") + header + data[8 + size :]


def text_line(data: bytes, draw: Draw) -> bytes:
    """A line of a text removed, doubled, moved, indented or with another value."""
    lines = data.split(b"\n")
    place, other = draw.randrange(len(lines)), draw.randrange(len(lines))
    kind = draw.randrange(5)
    if kind == 0:
        del lines[place]
    elif kind == 1:
        lines.insert(other, lines[place])
    elif kind == 2:
        lines[place], lines[other] = lines[other], lines[place]
    elif kind == 3:
        lines[place] = b" " * draw.randrange(1, 9) + lines[place]
    else:
        head, sign, _ = lines[place].partition(draw.choice((b":", b",", b" ")))
        lines[place] = head + sign + b" " + draw.choice(TOKENS)
    return b"\n".join(lines)

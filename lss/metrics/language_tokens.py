"""Words of a report as the COCO caption metrics see them: Penn Treebank tokens, lower case, no punctuation."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

import pycocoevalcap.tokenizer.ptbtokenizer as published

from lss.errors import LssError
from lss.runtime.java import java_command

START_SECONDS, TEXTS_PER_SECOND = 300.0, 100
"""Bounds of how long the tokeniser may take: it starts within a second or two and takes thousands of texts a second."""

# Control characters (line feed, carriage return, vertical tab, form feed, file separators, next line ...) and
# Unicode's line and paragraph separators. The tokeniser takes one text per line and counts some of these as line
# ends: a single one shifts every later text to the wrong pair, silently.
_SEPARATORS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# METEOR's own field separator.
_METEOR_FIELD = re.compile(r"\|{3,}")


def clean_text(text: str) -> str:
    """Return the text on one line, safe for the tokeniser and METEOR.

    Line separators, other control characters and runs of three or more `|` become a space; lone surrogates,
    which have no UTF-8 form, become `?`. Everything else, also what is not ASCII, stays.

    >>> clean_text("L4-L5:\\r\\n\\u2028normal")
    'L4-L5: normal'
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    return _METEOR_FIELD.sub(" ", _SEPARATORS.sub(" ", text)).strip()


def ptb_tokenise(texts: list[str]) -> list[str]:
    """Return tokens of each text, joined by single spaces; an empty text gives "".

    Stanford's PTBTokenizer as pycocoevalcap runs it, in one Java process for all texts. Texts are cleaned by
    `clean_text` before. Brackets come out as the words `-lrb-` and `-rrb-`.

    Raises LssError when Java cannot be run, or when texts and lines do not match.
    """
    unique = list(dict.fromkeys(map(clean_text, texts)))
    if not any(unique):
        return [""] * len(texts)
    lines = _run(unique)
    if len(lines) != len(unique):
        raise LssError(
            f"PTB tokeniser: {len(unique)} texts went in, {len(lines)} came out. "
            "See its message above and what `lss doctor` says about Java."
        )
    words = ([word for word in line.rstrip().split(" ") if word not in published.PUNCTUATIONS] for line in lines)
    tokens_of = {text: " ".join(of_text) for text, of_text in zip(unique, words, strict=True)}
    return [tokens_of[clean_text(text)] for text in texts]


def _run(texts: list[str]) -> list[str]:
    """Return the tokeniser's line for each text; LssError where Java cannot be run, fails or hangs."""
    jar = Path(published.__file__).parent / published.STANFORD_CORENLP_3_4_1_JAR
    command = [*java_command(), "-cp", jar, "edu.stanford.nlp.process.PTBTokenizer", "-preserveLines", "-lowerCase"]
    limit = START_SECONDS + len(texts) / TEXTS_PER_SECOND
    with tempfile.TemporaryDirectory(prefix="lss-tokens-") as folder:
        file = Path(folder) / "texts"
        file.write_text("\n".join(texts), encoding="utf-8")
        try:
            done = subprocess.run([*command, file], stdout=subprocess.PIPE, timeout=limit)
        except OSError as error:
            raise LssError(f"PTB tokeniser: {error}. See what `lss doctor` says about Java.") from error
        except subprocess.TimeoutExpired as error:
            raise LssError(
                f"PTB tokeniser: its Java process did not end within {limit:.0f} s, and was ended. Is the machine "
                "short of memory or overloaded? `lss doctor` says more; then run evaluate again."
            ) from error
    lines = done.stdout.decode().split("\n")
    return lines if any(lines[len(texts) :]) else lines[: len(texts)]  # beyond the texts there is the last line's end

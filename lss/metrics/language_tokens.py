"""Words of a report as the COCO caption metrics see them: Penn Treebank tokens, lower case, no punctuation."""

from __future__ import annotations

import re

from pycocoevalcap.tokenizer.ptbtokenizer import PTBTokenizer

from lss.errors import LssError
from lss.runtime.java import java_on_path

# Control characters (line feed, carriage return, vertical tab, form feed, file separators, next line ...) and
# Unicode's line and paragraph separators. The tokeniser takes one text per line and counts some of these as line
# ends: a single one shifts every later text to the wrong pair, silently.
_SEPARATORS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]+")
# METEOR's own field separator.
_METEOR_FIELD = re.compile(r"\|{3,}")


def clean_text(text: str) -> str:
    """The text on one line, safe for the tokeniser and METEOR.

    Line separators, other control characters and runs of three or more `|` become a space; lone surrogates,
    which have no UTF-8 form, become `?`. Everything else, also what is not ASCII, stays.

    >>> clean_text("L4-L5:\\r\\n\\u2028normal")
    'L4-L5: normal'
    """
    text = text.encode("utf-8", "replace").decode("utf-8")
    return _METEOR_FIELD.sub(" ", _SEPARATORS.sub(" ", text)).strip()


def ptb_tokenise(texts: list[str]) -> list[str]:
    """Tokens of each text, joined by single spaces; an empty text gives "".

    Stanford's PTBTokenizer as pycocoevalcap runs it, in one Java process for all texts. Texts are cleaned by
    `clean_text` before. Brackets come out as the words `-lrb-` and `-rrb-`.

    Raises LssError when Java cannot be run, or when texts and lines do not match.
    """
    unique = list(dict.fromkeys(map(clean_text, texts)))
    if not any(unique):
        return [""] * len(texts)
    with java_on_path():
        try:
            tokenised = PTBTokenizer().tokenize({i: [{"caption": text}] for i, text in enumerate(unique)})
        except OSError as error:
            raise LssError(f"PTB tokeniser: {error}. See what `lss doctor` says about Java.") from error
    if len(tokenised) != len(unique):
        raise LssError(
            f"PTB tokeniser: {len(unique)} texts went in, {len(tokenised)} came out. "
            "See its message above and what `lss doctor` says about Java."
        )
    tokens_of = {text: tokenised[i][0] for i, text in enumerate(unique)}
    return [tokens_of[clean_text(text)] for text in texts]

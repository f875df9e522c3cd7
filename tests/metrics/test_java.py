"""Java programs that hang, die, or answer with noise; and the same tokens whatever the system's language."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from lss.errors import LssError
from lss.metrics import language_meteor, language_tokens
from lss.metrics.language_meteor import MeteorProcess
from lss.metrics.language_tokens import ptb_tokenise


def stand_in(folder: Path, body: str, patch: pytest.MonkeyPatch) -> None:
    """A program of its own in Java's place, for both."""
    program = folder / "java"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    for module in (language_meteor, language_tokens):
        patch.setattr(module, "java_command", lambda: [program])
    patch.setattr(language_meteor, "ANSWER_SECONDS", 0.5)
    patch.setattr(language_tokens, "START_SECONDS", 0.5)


PROGRAMS = {
    "sleeps": (
        "exec sleep 600",
        "gave no answer for 0.5 s at a pair of 1 and 2 words, and was ended",
        "did not end within",
    ),
    "reads and says nothing": ("cat >/dev/null", "gave no answer", "texts went in, 1 came out"),
    "ends at once": ("exit 0", "its Java process ended at a pair of 1 and 2 words", "2 texts went in, 1 came out"),
    "fails": ("exit 3", "its Java process ended", "2 texts went in, 1 came out"),
    "is killed": ("kill -9 $$", "its Java process ended", "2 texts went in, 1 came out"),
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_java_that_gives_nothing(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    body, of_meteor, of_tokeniser = PROGRAMS[name]
    stand_in(tmp_path, body, monkeypatch)
    with MeteorProcess() as meteor, pytest.raises(LssError) as error:
        meteor.score(["a"], ["a b"])
    assert of_meteor in str(error.value) and "lss doctor" in str(error.value)
    with pytest.raises(LssError) as error:
        ptb_tokenise(["a text", "another"])
    assert of_tokeniser in str(error.value) and "lss doctor" in str(error.value)


def test_a_java_that_fills_its_messages_does_not_halt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    stand_in(tmp_path, "yes warning | head -c 1000000 >&2; while read line; do echo 0.5; done", monkeypatch)
    monkeypatch.setattr(language_meteor, "ANSWER_SECONDS", 30.0)
    with MeteorProcess() as meteor:
        assert meteor._ask("EVAL", 1, "all") == ["0.5"]


def test_tokens_do_not_depend_on_the_language_of_the_system() -> None:
    """Turkish has an i without a dot; the locale C knows no letter beyond ASCII."""
    text = "INDENTATION of the THECAL sac, Ödem \u2265 5 mm"
    script = f"from lss.metrics.language_tokens import ptb_tokenise\nprint(ascii(ptb_tokenise([{text!r}])))"
    messages = set()
    for environment in (
        {"LC_ALL": "C"},
        {"LC_ALL": "C.UTF-8"},
        {"LC_ALL": "C", "JAVA_TOOL_OPTIONS": "-Duser.language=tr -Dstdout.encoding=US-ASCII"},
    ):
        done = subprocess.run(
            [sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=120
        )
        messages.add(done.stdout)
    assert messages == {"['indentation of the thecal sac \\xf6dem \\u2265 5 mm']\n"}

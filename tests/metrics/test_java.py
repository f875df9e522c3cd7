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
from lss.runtime.java import java_command, java_executable


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


HOSTILE = {
    "user.language": "tr",
    "user.country": "TR",
    "file.encoding": "ISO-8859-1",
    "stdout.encoding": "US-ASCII",
    "stdin.encoding": "UTF-16",
}


def test_java_runs_in_english_and_utf_8_whatever_the_system_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Java itself lists its settings, which the system's variable changes where the command says nothing of them."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", " ".join(f"-D{name}={value}" for name, value in HOSTILE.items()))

    def settings(command: list[str | Path]) -> dict[str, str]:
        shown = subprocess.run([*command, "-XshowSettings:properties", "-version"], capture_output=True, timeout=120)
        lines = (line.split(" = ") for line in shown.stderr.decode("utf-8", "replace").splitlines())
        return {
            parts[0].strip(): parts[1].strip() for parts in lines if len(parts) == 2 and parts[0].strip() in HOSTILE
        }

    assert settings([java_executable()]) == HOSTILE, "without the options it would be otherwise"
    properties = settings(java_command())
    assert {name: properties.pop(name) for name in ("user.language", "user.country")} == {
        "user.language": "en", "user.country": "US"
    }  # fmt: skip
    assert properties and set(properties.values()) == {"UTF-8"}


def test_meteor_lowers_letters_as_english_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """Turkish makes another letter of I: without the options the score is 0.2."""
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Duser.language=tr")
    with MeteorProcess() as meteor:
        assert meteor.score(["INDENTATION of the LIGAMENT"], ["indentation of the ligament"])[0] == 1.0
    assert isinstance(meteor._process, subprocess.Popen) and meteor._process.returncode is not None, "it has ended"


def test_tokens_are_the_same_in_another_language() -> None:
    """Turkish has an i without a dot; the locale C knows no letter beyond ASCII. The tokeniser minds neither."""
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

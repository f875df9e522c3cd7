"""Files appear whole or not at all, and what a kill leaves is swept."""

import os
import signal
import subprocess
import sys

import pytest

from lss.storage import io
from lss.storage.io import atomic_folder, atomic_path, write_text


def test_an_error_leaves_the_old_file_and_nothing_beside(tmp_path):
    write_text(tmp_path / "a.txt", "old")
    with pytest.raises(ValueError, match="midway"), atomic_path(tmp_path / "a.txt") as temporary:
        temporary.write_text("new")
        raise ValueError("midway")
    assert (tmp_path / "a.txt").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_what_a_killed_writer_left_is_removed_by_the_next(tmp_path):
    script = (
        "import os, signal, sys\nfrom lss.storage.io import atomic_path\n"
        "with atomic_path(sys.argv[1]) as temporary:\n"
        "    temporary.write_text('half')\n    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    target = tmp_path / "shard[0].parquet"
    assert subprocess.run([sys.executable, "-c", script, target]).returncode == -signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 1 and not target.exists()
    for neighbour in ("shard[0].csv", ".shard[0].parquet", "xshard[0].parquet", ".shard0.abcdefgh.parquet"):
        (tmp_path / neighbour).write_text("another's")
    write_text(target, "whole")
    assert target.read_text() == "whole"
    assert len(list(tmp_path.iterdir())) == 5


def test_a_folder_takes_the_place_of_the_old_one(tmp_path):
    for names in (("a", "b"), ("c",)):
        with atomic_folder(tmp_path / "adapter") as temporary:
            for name in names:
                (temporary / name).write_text(name)
    assert [path.relative_to(tmp_path).as_posix() for path in sorted(tmp_path.rglob("*"))] == ["adapter", "adapter/c"]


def test_the_bytes_are_on_the_disk_before_the_name_is(tmp_path, monkeypatch):
    seen = []
    real = os.fsync

    def fsync(handle):
        seen.append(((tmp_path / "a.txt").exists(), os.fstat(handle).st_size))
        real(handle)

    monkeypatch.setattr(io.os, "fsync", fsync)
    write_text(tmp_path / "a.txt", "12345")
    assert seen == [(False, 5)]

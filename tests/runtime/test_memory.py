"""Limits of control groups, on files as the kernel writes them."""

import os

import pytest

from lss.runtime.memory import memory_limit

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.parametrize(
    ("files", "membership", "expected"),
    [
        ({}, None, MACHINE),
        ({"memory.max": "max\n"}, "0::/\n", MACHINE),
        ({"memory.max": "1048576\n"}, "0::/\n", 2**20),
        # a container: the path is the host's, only the uppermost group is mounted
        ({"memory.max": "1048576\n"}, "0::/docker/abc\n", 2**20),
        # a job of a scheduler: a group above the process's own has the tighter limit
        ({"jobs/memory.max": "2097152\n", "jobs/7/memory.max": "4194304\n"}, "0::/jobs/7\n", 2**21),
        # version 1; without a limit the kernel writes a number beyond any memory
        ({"memory/memory.limit_in_bytes": "9223372036854771712\n"}, "5:cpu,cpuacct:/\n4:memory:/\n", MACHINE),
        ({"memory/job/memory.limit_in_bytes": "3145728\n"}, "5:cpu,cpuacct:/\n4:memory:/job\n", 3 * 2**20),
    ],
)
def test_the_tightest_limit_counts(tmp_path, files, membership, expected):
    for name, text in files.items():
        (tmp_path / "groups" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "groups" / name).write_text(text)
    if membership is not None:
        (tmp_path / "membership").write_text(membership)
    assert memory_limit(tmp_path / "groups", tmp_path / "membership") == expected

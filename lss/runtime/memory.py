"""How much memory this process may use: the machine's, or less where a container or a job scheduler says so."""

from __future__ import annotations

import os
from pathlib import Path


def memory_limit(groups: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Return bytes: the least of the machine's memory and of the limits of this process's control groups.

    Args:
        groups: where control groups are mounted (version 2, or version 1 with the folder `memory`).
        membership: the kernel's list of this process's groups, lines `number:controllers:/path`.
    """
    limits = [os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")]
    lines = membership.read_text().splitlines() if membership.is_file() else []
    for _, controllers, path in (line.split(":", 2) for line in lines):
        if controllers not in ("", "memory"):
            continue
        root, name = (groups / "memory", "memory.limit_in_bytes") if controllers else (groups, "memory.max")
        here = root / path.lstrip("/")
        # the limit of any group above counts as well; inside a container only the uppermost is to be seen
        for group in (here, *(parent for parent in here.parents if parent.is_relative_to(root))):
            text = (group / name).read_text().strip() if (group / name).is_file() else "max"
            if text.isdigit():
                limits.append(int(text))
    return min(limits)

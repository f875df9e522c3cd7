"""Explain what the machine refused (space, rights, memory, a worker), with the remedy."""

from __future__ import annotations

import errno
import re

_AGAIN = "Then give the same command again: what is finished stays, a training goes on from its last checkpoint."

_KNOWN = {
    errno.ENOSPC: ("no space left on the disk", f"Free some (docs/troubleshooting.md says what can go). {_AGAIN}"),
    errno.EDQUOT: ("your quota on this disk is used up", f"Free some space, or have the quota raised. {_AGAIN}"),
    errno.EFBIG: ("the file is larger than this disk or your limit allows", f"Raise it (ulimit -f). {_AGAIN}"),
    errno.EROFS: ("this disk can only be read", "Mount it for writing, or run in a folder where you may write."),
    errno.EACCES: ("permission denied", "Give this user the right to it (chmod, chown), or run elsewhere."),
    errno.EPERM: ("not permitted", "Give this user the right to it (chmod, chown, chattr), or run elsewhere."),
    errno.EIO: ("the disk or network drive failed", f"Look at it. {_AGAIN}"),
    errno.ESTALE: ("the network drive lost it", f"Look at the drive. {_AGAIN}"),
    errno.ENAMETOOLONG: ("the path is too long", "Move the project to a shorter one."),
    errno.EMFILE: ("too many open files", f"Raise the limit (ulimit -n), or work with fewer cores. {_AGAIN}"),
    errno.ENFILE: ("too many open files on this machine", f"Close other programs. {_AGAIN}"),
    errno.EEXIST: ("a file is where a folder should be", "Move that file away."),
    errno.ENOTDIR: ("a part of this path is a file", "Move that file away."),
    errno.EISDIR: ("a folder is where a file should be", "Move that folder away."),
    errno.ENOMEM: ("out of memory", f"Work with fewer cores, or give it more memory. {_AGAIN}"),
    errno.EAGAIN: ("no further process or thread may start", f"Work with fewer cores (ulimit -u). {_AGAIN}"),
}
"""What the numbers mean and how to go on; the system's own words depend on its language."""

_NUMBER = re.compile(r"\(os error (\d+)\)|\[[Ee]rrno (\d+)\]")
_MEMORY = re.compile(r"out of memory|can't allocate memory|failed to allocate|malloc of size|std::bad_alloc", re.I)
_THREAD = re.compile(r"can't start new thread|failed to create thread|pthread_create", re.I)
_WORKER = re.compile(r"terminated abruptly|worker \(pid.*\) (is killed|exited unexpectedly)", re.I)


def explain(error: BaseException) -> str | None:
    """Return what the machine refused, with its remedy; None where the fault is not the machine's.

    Libraries that are not Python's own say it in the text of other exceptions (safetensors, Arrow, torch, OpenCV).
    """
    text = str(error)
    if isinstance(error, MemoryError) or _MEMORY.search(text):
        return f"{_explanation(errno.ENOMEM)} A training takes less with a smaller train.micro_batch_size."
    if _WORKER.search(text):
        return f"a worker process was killed, most often by the kernel: {_explanation(errno.ENOMEM)}"
    if _THREAD.search(text):
        return _explanation(errno.EAGAIN)
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (match := _NUMBER.search(text)):
        number = int(match[1] or match[2])
    return _explanation(number) if number in _KNOWN else None


def _explanation(number: int) -> str:
    return ". ".join(_KNOWN[number])

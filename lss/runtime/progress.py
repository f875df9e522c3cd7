"""Progress on long work: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterable, Iterator, Sized
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")

_SECONDS_BETWEEN_LINES = 10.0


def progress(
    items: Iterable[T],
    what: str,
    total: int | None = None,
    unit: str = "it",
    *,
    nested: bool = False,
    shown: bool = True,
) -> Iterator[T]:
    """Iterate over `items` and show on stderr `what`, count, rate and time left.

    One `nested` in another leaves no trace when it ends; a log mentions it only where it takes long. Nothing is printed
    unless `shown`.
    """
    if not shown:
        yield from items
        return
    if sys.stderr.isatty():
        yield from tqdm(items, desc=what, total=total, unit=unit, leave=not nested)
        return
    if total is None and isinstance(items, Sized):
        total = len(items)
    start = last = time.monotonic()
    done = 0
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= _SECONDS_BETWEEN_LINES and done != total:
            print(tqdm.format_meter(done, total or 0, now - start, prefix=what, unit=unit), file=sys.stderr)
            last = now
    if nested:
        return
    print(
        tqdm.format_meter(done, total or done, time.monotonic() - start, prefix=what, unit=unit),
        file=sys.stderr,
    )


def duration(seconds: float) -> str:
    """Return a time in the unit that fits.

    >>> duration(7.0), duration(150), duration(9000)
    ('7 s', '2.5 min', '2.5 h')
    """
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.1f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"

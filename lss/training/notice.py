"""Notice of a coming end: SIGTERM, which schedulers send some seconds before they take a machine away."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self, TypeVar

EXIT_CODE = 128 + signal.SIGTERM
"""What a training ends with that was stopped by the notice: as if the signal had ended it."""

T = TypeVar("T")


class Notice:
    """A block within which SIGTERM ends nothing, but is noted.

    Outside the main thread Python hands out no signals, and nothing is noted.

    Attributes:
        came: whether it has come.
    """

    def __init__(self) -> None:
        self.came = False
        self._before: Any = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._before is not None:
            signal.signal(signal.SIGTERM, self._before)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = True

    def until(self, items: Iterator[T], leave: Callable[[], object]) -> Iterator[T]:
        """Yield `items`; call `leave` before the first that is asked for after the notice."""
        for item in items:
            if self.came:
                leave()
            yield item


def ignore(_: int) -> None:
    """Let a process that decodes samples outlive the notice, which may be sent to all processes of a job.

    It ends with the training: torch's loader sees to it. To be given to the loader as `worker_init_fn`.
    """
    signal.signal(signal.SIGTERM, signal.SIG_IGN)

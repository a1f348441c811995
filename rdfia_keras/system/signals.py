"""Ctrl-C and SIGTERM: the first asks a training to end in good order, the second ends the process at once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rdfia_keras.system.native_logs import end_watch


def _exit_now(code: int) -> None:
    end_watch()
    os._exit(code)


@contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """While active, Ctrl-C ends the process without a KeyboardInterrupt.

    For the import of large libraries: their code may swallow the exception, and nothing is there yet to be saved.
    """

    def end(_signum: int, _frame: FrameType | None) -> None:
        os.write(sys.stderr.fileno(), b"interrupted\n")
        _exit_now(130)

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class StopRequest:
    """While active, notes the first SIGINT or SIGTERM instead of dying of it.

    Attributes:
        signum: The signal that came, or None.

    Example:
        >>> with StopRequest() as stop:
        ...     while not stop:
        ...         work()
    """

    def __init__(self) -> None:
        self.signum: int | None = None
        self._before: dict[int, Any] = {}

    def __bool__(self) -> bool:
        return self.signum is not None

    def exit_code(self, otherwise: int) -> int:
        """130 or 143 when a signal came."""
        return otherwise if self.signum is None else 128 + self.signum

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self:
            _exit_now(128 + signum)
        self.signum = signum
        # A handler may run inside another write to stderr, where print() would raise a RuntimeError.
        os.write(sys.stderr.fileno(), b"\nstopping after this batch; press Ctrl-C again to stop at once\n")

    def __enter__(self) -> "StopRequest":
        for signum in (signal.SIGINT, signal.SIGTERM):
            self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_exc: object) -> None:
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

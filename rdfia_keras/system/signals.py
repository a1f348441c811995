"""Ctrl-C and SIGTERM: the first stops a training after the current batch, the second ends the process at once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any


@contextmanager
def exit_on_interrupt() -> Iterator[None]:
    """End the process on Ctrl-C, without a KeyboardInterrupt, while active.

    For the import of large libraries: their code may swallow the exception, and there is nothing to save yet.
    """

    def end(_signum: int, _frame: FrameType | None) -> None:
        os.write(sys.stderr.fileno(), b"interrupted while Keras was loading: nothing had started yet\n")
        os._exit(130)

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class StopRequest:
    """A note of the first SIGINT or SIGTERM, instead of dying of it, while active.

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
        """Return 130 or 143 when a signal came."""
        return otherwise if self.signum is None else 128 + self.signum

    def _handle(self, signum: int, _frame: FrameType | None) -> None:
        if self:
            os._exit(128 + signum)
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

"""Ctrl-C and SIGTERM: the first asks a training to end in good order, the second ends the process at once."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def ending_at_once() -> Iterator[None]:
    """While active, Ctrl-C ends the process without a KeyboardInterrupt.

    For the import of large libraries: their code may swallow the exception, and nothing is there yet to be saved.
    """

    def end(_signum, _frame):
        os.write(sys.stderr.fileno(), b"interrupted\n")
        os._exit(130)

    before = signal.signal(signal.SIGINT, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class StopRequest:
    """While active, notes the first SIGINT or SIGTERM instead of dying of it.

    Attributes:
        signum: The signal that came, or None.
    """

    def __init__(self):
        self.signum: int | None = None
        self._before = {}

    def __bool__(self) -> bool:
        return self.signum is not None

    def exit_code(self, otherwise: int) -> int:
        """130 or 143 when a signal came."""
        return 128 + self.signum if self else otherwise

    def _handle(self, signum, _frame):
        if self:
            os._exit(128 + signum)
        self.signum = signum
        # A handler may run inside another write to stderr, where print() would raise a RuntimeError.
        os.write(sys.stderr.fileno(), b"\nstopping in a moment; once more to stop at once\n")

    def __enter__(self) -> "StopRequest":
        for signum in (signal.SIGINT, signal.SIGTERM):
            self._before[signum] = signal.signal(signum, self._handle)
        return self

    def __exit__(self, *_exc):
        for signum, handler in self._before.items():
            signal.signal(signum, handler)

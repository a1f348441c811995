"""Output of native libraries: kept off the terminal, unless they fail or `--debug` is given."""

import faulthandler
import logging
import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr

_silenced = False


def silence_native_logs() -> None:
    """Ask TensorFlow to print nothing but the error that ends the process, and Python to report a native crash.

    What is printed before TensorFlow reads its log level is for `captured_native_logs`.
    """
    global _silenced
    # Standard error was closed before the process started, or it is done already: a notebook trains more than once.
    if sys.stderr is None or _silenced:
        return
    _silenced = True
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    # A copy of the terminal's descriptor, which no capture changes.
    faulthandler.enable(os.dup(2), all_threads=False)


@contextmanager
def captured_native_logs() -> Iterator[None]:
    """Send what native libraries print inside to a file; show it when an exception leaves the block.

    Without `silence_native_logs`, print everything. `sys.stderr` always writes to the terminal.
    """
    if not _silenced:
        yield
        return
    with tempfile.TemporaryFile() as log, open(os.dup(2), "w", buffering=1, errors="backslashreplace") as terminal:  # noqa: PTH123
        os.dup2(log.fileno(), 2)
        try:
            with redirect_stderr(terminal):
                yield
        except BaseException:
            log.seek(0)
            terminal.write(log.read().decode(errors="replace"))
            raise
        finally:
            os.dup2(terminal.fileno(), 2)

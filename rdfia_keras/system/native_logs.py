"""What native libraries print: kept off the terminal, shown when a process fails.

TensorFlow and CUDA print while they load and compile, in part before any log level is read. Their lines go to a
temporary file; when the process dies inside native code, a watcher prints the end of it.
"""

import logging
import os
import re
import signal
import sys
import tempfile
from contextlib import suppress
from typing import IO

TAIL_LINES = 8
# Notices and warnings in the formats of absl and TensorFlow, and what they print about themselves.
_NOISE = re.compile(
    r"^(\d{4}-\d\d-\d\d [\d:.]+: )?[IW](\d{4} | )|^WARNING: All log messages|^To enable the following|^\s*$"
)

_log: IO[bytes] | None = None
_life_line: int | None = None


def silence_native_logs() -> None:
    """Send file descriptor 2 to a temporary file; `sys.stderr` keeps a copy of the real one.

    Where processes cannot fork (Windows) nothing would be left to show the file of a process that died, so native
    logs stay on the terminal there.
    """
    global _log
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    if not hasattr(os, "fork"):
        return
    with suppress(OSError, ValueError):
        real = os.dup(2)
        # Line by line, so that progress and errors come in order.
        sys.stderr = open(real, "w", buffering=1, encoding=sys.stderr.encoding, errors="backslashreplace")  # noqa: PTH123, SIM115
        _log = tempfile.TemporaryFile()  # noqa: SIM115 (as long as the process)
        _watch(real)
        os.dup2(_log.fileno(), 2)


def _watch(real: int) -> None:
    """Fork a watcher that outlives this process and prints the log's tail unless `end_watch` was called."""
    global _life_line
    ours, theirs = os.pipe()[::-1]
    if os.fork():
        os.close(theirs)
        _life_line = ours
        return
    # In the watcher: nothing but a read, so that a fork of this small process costs milliseconds.
    for signum in (signal.SIGINT, signal.SIGTERM):
        signal.signal(signum, signal.SIG_IGN)
    os.close(ours)
    with suppress(OSError):
        for descriptor in (0, 1):
            os.close(descriptor)
        ended = os.read(theirs, 1)
        if not ended and (lines := native_log_tail()):
            os.write(
                real, ("\n".join(["the process ended inside a native library, which printed:", *lines]) + "\n").encode()
            )
    os._exit(0)


def end_watch() -> None:
    """Tell the watcher that this process ends by itself."""
    global _life_line
    if _life_line is not None:
        with suppress(OSError):
            os.write(_life_line, b".")
            os.close(_life_line)
        _life_line = None


def native_log_tail() -> list[str]:
    """The last lines of the native log that are more than notices; empty where nothing was silenced."""
    if _log is None:
        return []
    size = os.fstat(_log.fileno()).st_size
    text = os.pread(_log.fileno(), 20_000, max(0, size - 20_000)).decode("utf-8", "replace")
    return [line for line in text.splitlines() if not _NOISE.match(line)][-TAIL_LINES:]

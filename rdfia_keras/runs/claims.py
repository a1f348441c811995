"""Which process trains what: a lock for a run that is wanted, before it has a folder."""

import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.store import Query
from rdfia_keras.system.terminal import note

FOLDER = ".claims"


class Busy(RdfiaError):
    """Another process trains the run."""


@contextmanager
def claimed(out: Path, query: Query, wait: bool = True) -> Iterator[None]:
    """While active, no other process trains what `query` asks for into the same results folder.

    The system lets go of it when the process ends, however it ends.

    Args:
        out: The results folder.
        query: What is wanted.
        wait: Until the other process has finished it.

    Raises:
        Busy: When another process has claimed it, without `wait`.
        RdfiaError: When the folder cannot be written.
    """
    name = hashlib.sha256(json.dumps(query.key(), sort_keys=True, default=str).encode()).hexdigest()[:16]
    lock = FileLock(make_folder(out / FOLDER) / f"{name}.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            if not wait:
                raise Busy("another process trains it") from error
            note("another process trains the same; waiting for it to end")
            lock.acquire()
    except OSError as error:
        raise RdfiaError(f"cannot write into {out / FOLDER}: {error.strerror}; choose another --out") from error
    try:
        yield
    finally:
        lock.release()

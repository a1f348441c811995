"""Locks for a run that is wanted, before it has a folder."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.run import RunLocked
from rdfia_keras.runs.store import Query
from rdfia_keras.system.terminal import note

FOLDER = ".locks"


@contextmanager
def locked(out: Path, query: Query, wait: bool = True) -> Iterator[None]:
    """Keep other processes away from the run that a query asks for, while active.

    The system releases the lock when the process ends, however it ends.

    Args:
        out: The folder that has the lock: the results folder for the process that trains the run.
        query: The run that is wanted.
        wait: Whether to wait until the other process has finished it.

    Raises:
        RunLocked: If another process has locked it, without `wait`.
        RdfiaError: If the folder cannot be written.
    """
    folder = make_folder(out / FOLDER)
    lock = FileLock(folder / f"{hashlib.sha256(query.key.encode()).hexdigest()[:16]}.lock")
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            if not wait:
                raise RunLocked("another process trains it; wait for it to end") from error
            note("another process trains the same; waiting for it to end")
            lock.acquire()
    except OSError as error:
        raise RdfiaError(f"cannot write into {folder}: {error.strerror}; choose another --out") from error
    try:
        yield
    finally:
        lock.release()

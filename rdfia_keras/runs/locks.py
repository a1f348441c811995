"""Locks for a run that is wanted, before it has a folder."""

import hashlib
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.run import RunLocked
from rdfia_keras.runs.store import Query
from rdfia_keras.system.terminal import note

LOCKS_FOLDER = ".locks"


def lock_wanted(out: Path, query: Query, wait: bool = True) -> AbstractContextManager[Any]:
    """Lock the run that a query asks for against other processes, until the end of the `with` block.

    The system releases the lock when the process ends, however it ends. The lock lies in `out`: the results folder for
    the process that trains the run.

    Raises:
        RunLocked: If another process has locked it, without `wait`.
        RdfiaError: If the folder cannot be written.
    """
    folder = make_folder(out / LOCKS_FOLDER)
    name = hashlib.sha256(query.key.encode()).hexdigest()[:16]
    lock = FileLock(folder / f"{name}.lock", fallback_to_soft=False)
    try:
        return lock.acquire(timeout=0)
    except Timeout as error:
        if not wait:
            raise RunLocked("another process trains it; wait for it to end") from error
        note("another process trains the same; waiting for it to end")
        return lock.acquire()
    except OSError as error:
        raise RdfiaError(f"cannot write into {folder}: {error.strerror}; choose another --out") from error

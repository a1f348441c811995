"""Which process trains what: locks for a run that is wanted, before it has a folder."""

import hashlib
import json
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.store import Query
from rdfia_keras.system.terminal import note

FOLDER = ".claims"


class RunLocked(RdfiaError):
    """Another process has claimed the run."""


def claimed(out: Path, query: Query, wait: bool = True) -> AbstractContextManager[Any]:
    """Claim what `query` asks for in a folder, so that no other process does, until the end of the `with`.

    The system lets go of the claim when the process ends, however it ends.

    Args:
        out: The folder: that of the results for who trains a run.
        query: What is wanted.
        wait: Until the other process has finished it.

    Raises:
        RunLocked: When another process has claimed it, without `wait`.
        RdfiaError: When the folder cannot be written.
    """
    name = hashlib.sha256(json.dumps(query.key(), sort_keys=True, default=str).encode()).hexdigest()[:16]
    folder = make_folder(out / FOLDER)
    lock = FileLock(folder / f"{name}.lock")
    try:
        return lock.acquire(timeout=0)
    except Timeout as error:
        if not wait:
            raise RunLocked("another process trains it; wait for it to end") from error
        note("another process trains the same; waiting for it to end")
        return lock.acquire()
    except OSError as error:
        raise RdfiaError(f"cannot write into {folder}: {error.strerror}; choose another --out") from error

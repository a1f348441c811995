"""Which process trains what: locks for a run that is wanted, before it has a folder."""

import hashlib
import json
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.store import Query
from rdfia_keras.system.terminal import note

FOLDER = ".claims"
# Who sees to it that a run is trained, and who trains it. These are two processes on a cluster, where the one that
# trains may outlive the other for a moment.
DRIVER, WORKER = "driver", "worker"


class Busy(RdfiaError):
    """Another process trains the run."""


@contextmanager
def claimed(out: Path, query: Query, wait: bool = True, roles: Sequence[str] = (DRIVER, WORKER)) -> Iterator[None]:
    """While active, no other process has these roles in what `query` asks for, in the same results folder.

    The system lets go of them when the process ends, however it ends.

    Args:
        out: The results folder.
        query: What is wanted.
        wait: Until the other process has finished it.
        roles: In their order above, so that no two processes wait for each other.

    Raises:
        Busy: When another process has claimed it, without `wait`.
        RdfiaError: When the folder cannot be written.
    """
    name = hashlib.sha256(json.dumps(query.key(), sort_keys=True, default=str).encode()).hexdigest()[:16]
    folder = make_folder(out / FOLDER)
    with ExitStack() as held:
        for role in roles:
            held.enter_context(_lock(folder / f"{name}.{role}.lock", wait))
        yield


def _lock(path: Path, wait: bool) -> FileLock:
    """A lock that is held."""
    lock = FileLock(path)
    try:
        try:
            lock.acquire(timeout=0)
        except Timeout as error:
            if not wait:
                raise Busy("another process trains it") from error
            note("another process trains the same; waiting for it to end")
            lock.acquire()
    except OSError as error:
        raise RdfiaError(f"cannot write into {path.parent}: {error.strerror}; choose another --out") from error
    return lock

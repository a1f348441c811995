"""The results that ship with the package: records and histories of every registered experiment."""

import functools
from pathlib import Path

from rdfia_keras.runs.store import RunStore, Snapshot

FOLDER = Path(__file__).resolve().parents[1] / "reference"


def reference_store() -> RunStore:
    """The package's own results, to be read only."""
    return RunStore(FOLDER)


# They do not change while a process runs.
@functools.cache
def reference_snapshot() -> Snapshot:
    """The same, read once."""
    return Snapshot(FOLDER)

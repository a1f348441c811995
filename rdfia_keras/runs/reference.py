"""The results that ship with the package: records and histories of every registered experiment."""

from pathlib import Path

from rdfia_keras.runs.store import RunStore

FOLDER = Path(__file__).resolve().parents[1] / "reference"


def reference_store() -> RunStore:
    """The package's own results, to be read only."""
    return RunStore(FOLDER)

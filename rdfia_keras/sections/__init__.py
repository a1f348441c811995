"""What each homework section does: load, build, train, record, plot. Only here training and plots meet."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class Options:
    """What every command shares.

    Attributes:
        out: The results folder.
        quick: A minute at most; every output says QUICK.
        overwrite: Replace the folder of an earlier run of the same name.
        device: `auto`, `cpu` or `gpu`.
    """

    out: Path = Path("results")
    quick: bool = False
    overwrite: bool = False
    device: str = "auto"


@dataclass(frozen=True)
class Result:
    """What a command answers with.

    Attributes:
        record: The content of the run's `metrics.json`.
        folder: The run's folder.
        table: Rows of the result table, column name to text.
        exit_code: What the process should exit with.
    """

    record: dict
    folder: Path
    table: list[dict[str, str]]
    exit_code: int = 0


def percent(accuracy: float | None) -> str:
    """A fraction for people; a dash where there is none."""
    return "-" if accuracy is None else f"{accuracy:.2%}"


def confusion(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts (n_y, n_y): true classes in rows, predicted ones in columns."""
    n_y = probabilities.shape[1]
    return np.bincount(labels * n_y + probabilities.argmax(axis=1), minlength=n_y * n_y).reshape(n_y, n_y)

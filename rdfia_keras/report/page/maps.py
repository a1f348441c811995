"""The weights of a perceptron by epoch, from which the page computes its decision map."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from rdfia_keras.report.page.charts import number
from rdfia_keras.runs.listing import DAMAGE

FILE = "weights.npz"
PARAMETERS = ("W_h", "b_h", "W_y", "b_y")


def read(folder: Path) -> dict[str, Any] | None:
    """The map of a run's folder; None where it keeps no weights, or they are damaged.

    Returns:
        epochs: Those whose weights are kept, 0 for the initial ones.
        weights: By parameter, an array for each epoch.
        points: Test points, each as x1, x2 and class.
        reach: Of the square around the origin that has all points.
    """
    try:
        with np.load(folder / FILE, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in (*PARAMETERS, "epochs", "points", "labels")}
        points, labels = found["points"], found["labels"]
        return {
            "epochs": found["epochs"].tolist(),
            "weights": {name: _rounded(found[name]) for name in PARAMETERS},
            "points": [[number(x), number(y), label] for (x, y), label in zip(points, labels.tolist(), strict=True)],
            "reach": number(max(2.0, 1.1 * float(np.abs(points).max()))),
        }
    except (*DAMAGE, EOFError, zipfile.BadZipFile):
        return None


def _rounded(array: np.ndarray) -> Any:
    """Nested lists of numbers of five digits."""
    return number(float(array)) if array.ndim == 0 else [_rounded(one) for one in array]

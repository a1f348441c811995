"""The weights of a perceptron by epoch, from which the page computes its decision map."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rdfia_keras.errors import RdfiaError
from rdfia_keras.report.page.charts import number
from rdfia_keras.runs.listing import DAMAGE

FILE = "weights.npz"
PARAMETERS = ("W_h", "b_h", "W_y", "b_y")


def read(folder: Path) -> dict[str, Any] | None:
    """The map of a run's folder; None where it keeps no weights.

    Returns:
        epochs: Those whose weights are kept, 0 for the initial ones.
        weights: By parameter, an array for each epoch.
        points: Test points, each as x1, x2 and class.
        reach: Of the square around the origin that has all points.

    Raises:
        RdfiaError: When they are damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as arrays:
            found = {name: arrays[name] for name in (*PARAMETERS, "epochs", "points", "labels")}
        _check(found)
    except (*DAMAGE, EOFError, zipfile.BadZipFile) as error:
        raise RdfiaError(f"{FILE}: {error}") from error
    points, labels = found["points"], found["labels"]
    return {
        "epochs": found["epochs"].tolist(),
        "weights": {name: _rounded(found[name]) for name in PARAMETERS},
        "points": [[number(x), number(y), label] for (x, y), label in zip(points, labels.tolist(), strict=True)],
        "reach": number(max(2.0, 1.1 * float(np.abs(points).max()))),
    }


def _check(found: Mapping[str, np.ndarray]) -> None:
    """Refuse arrays that are no training of points of a plane in two classes."""
    epochs, n_h = found["W_h"].shape[:2]
    shapes = {"W_h": (epochs, n_h, 2), "b_h": (epochs, n_h), "W_y": (epochs, 2, n_h), "b_y": (epochs, 2)}
    shapes |= {"epochs": (epochs,), "points": (len(found["labels"]), 2)}
    wrong = [name for name, shape in shapes.items() if found[name].shape != shape or not found[name].size]
    if wrong or not set(found["labels"].tolist()) <= {0, 1}:
        raise ValueError(f"{wrong[0] if wrong else 'labels'} has another shape or other values than a map needs")


def _rounded(array: np.ndarray) -> Any:
    """Nested lists of numbers of five digits."""
    return number(float(array)) if array.ndim == 0 else [_rounded(one) for one in array]

"""The weights of a perceptron by epoch, from which the page computes its decision map."""

import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs.run import UNREADABLE_ERRORS
from rdfia_keras.web.report.plotly_charts import rounded_list

FILE = "weights.npz"
PARAMETERS = ("W_h", "b_h", "W_y", "b_y")


def read_weights(folder: Path) -> dict[str, Any] | None:
    """Read the weights of a run's folder; return None if there are none.

    Returns:
        epochs: The epochs with weights; 0 for the initial ones.
        weights: An array for each epoch, by parameter.
        points: Test points, each as x1, x2 and class.

    Raises:
        RdfiaError: If the file is damaged.
    """
    path = folder / FILE
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in (*PARAMETERS, "epochs", "points", "labels")}
        _check(arrays)
    except (*UNREADABLE_ERRORS, EOFError, zipfile.BadZipFile) as error:
        raise RdfiaError(f"{FILE}: {error}") from error
    points = zip(rounded_list(arrays["points"]), arrays["labels"].tolist(), strict=True)
    return {
        "epochs": arrays["epochs"].tolist(),
        "weights": {name: rounded_list(arrays[name]) for name in PARAMETERS},
        "points": [[*point, label] for point, label in points],
    }


def _check(arrays: Mapping[str, np.ndarray]) -> None:
    """Raise a ValueError unless the arrays are a training of points of a plane in two classes."""
    epochs, n_h = arrays["W_h"].shape[:2]
    shapes = {"W_h": (epochs, n_h, 2), "b_h": (epochs, n_h), "W_y": (epochs, 2, n_h), "b_y": (epochs, 2)}
    shapes |= {"epochs": (epochs,), "points": (len(arrays["labels"]), 2)}
    wrong = [name for name, shape in shapes.items() if arrays[name].shape != shape or not arrays[name].size]
    if wrong or not set(arrays["labels"].tolist()) <= {0, 1}:
        raise ValueError(f"{wrong[0] if wrong else 'labels'} has another shape or other values than a map needs")

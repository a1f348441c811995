"""Initial weights of the perceptron from a JSON file: W_h, b_h, W_y and b_y as lists of numbers."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np

from rdfia_keras.config import MlpConfig
from rdfia_keras.data.base import Dataset
from rdfia_keras.errors import RdfiaError


def read_initial_weights(config: MlpConfig, data: Dataset) -> dict[str, np.ndarray] | None:
    """The weights of the file that `init` names; None where it names none.

    Returns:
        W_h (n_h, n_x), b_h (n_h,), W_y (n_y, n_h) and b_y (n_y,), float64.

    Raises:
        RdfiaError: If the file cannot be read, or its weights do not fit the data and the number of hidden units.
    """
    if config.init is None:
        return None
    path, values = Path(config.init), _read(Path(config.init))
    n_x, n_h, n_y = data.train.x.shape[1], config.hidden_units, len(data.classes)
    shapes = {"W_h": (n_h, n_x), "b_h": (n_h,), "W_y": (n_y, n_h), "b_y": (n_y,)}
    if not isinstance(values, dict) or set(values) != set(shapes):
        raise RdfiaError(f"{path} must be a JSON object with {', '.join(shapes)} and nothing else")
    weights = {name: _array(path, name, values[name]) for name in shapes}
    if len(weights["b_h"]) != n_h:
        raise RdfiaError(
            f"{path} has {len(weights['b_h'])} hidden units and hidden_units (--hidden) is {n_h}; make them equal"
        )
    for name, shape in shapes.items():
        if weights[name].shape != shape:
            raise RdfiaError(
                f"{path}: {name} has shape {weights[name].shape} and needs {shape} for {data.name}; correct the file"
            )
    return weights


def _read(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise RdfiaError(f"cannot read {path}: {error.strerror}; correct init (--init)") from error
    except (ValueError, RecursionError) as error:
        raise RdfiaError(f"{path} is no JSON; save the weights again") from error


def _array(path: Path, name: str, value: Any) -> np.ndarray:
    """A list, or a list of equally long lists, of finite numbers."""
    rows = value if isinstance(value, list) and value and all(isinstance(row, list) for row in value) else [value]
    is_table = all(isinstance(row, list) and len(row) == len(rows[0]) for row in rows)
    if not is_table or not all(_is_number(one) for row in rows for one in row):
        raise RdfiaError(f"{path}: {name} must be a list of finite numbers, or of equally long lists of them")
    return np.array(value, np.float64)


def _is_number(value: Any) -> bool:
    return (
        isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and abs(value) < 1e300
    )

"""The perceptron's initial weights: drawn, or read from a JSON file of W_h, b_h, W_y and b_y as lists of numbers."""

import json
from pathlib import Path
from typing import Any

import numpy as np

from rdfia_keras.config import MlpConfig
from rdfia_keras.data.dataset import Dataset
from rdfia_keras.errors import RdfiaError

# Sums of larger weights overflow.
LARGEST = 1e300


def init(config: MlpConfig, data: Dataset) -> dict[str, np.ndarray]:
    """Return the initial weights of every implementation: those of the file that the config names, or drawn."""
    return read_initial_weights(config, data) or init_params(
        data.train.x.shape[1], config.hidden_units, len(data.classes), config.init_std, config.seed
    )


def init_params(n_x: int, n_h: int, n_y: int, std: float, seed: int) -> dict[str, np.ndarray]:
    """Draw weights from N(0, std²), with zero biases: W_h (n_h, n_x), b_h (n_h,), W_y (n_y, n_h), b_y (n_y,)."""
    rng = np.random.default_rng(seed)
    return {
        "W_h": rng.normal(0, std, (n_h, n_x)),
        "b_h": np.zeros(n_h),
        "W_y": rng.normal(0, std, (n_y, n_h)),
        "b_y": np.zeros(n_y),
    }


def read_initial_weights(config: MlpConfig, data: Dataset) -> dict[str, np.ndarray] | None:
    """Read the weights of the file that `init` names; None where it names none.

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
            f"{path} has {len(weights['b_h'])} hidden units and hidden_units (--hidden-units) is {n_h}; make them equal"
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
    """Convert a list, or a list of equally long lists, of finite numbers."""
    try:
        array = np.array(value)
    except (ValueError, OverflowError):  # Lists of different lengths, or a whole number past all floats.
        array = np.array(None)
    if array.dtype.kind not in "iuf" or array.ndim == 0 or not (np.abs(array) < LARGEST).all():
        raise RdfiaError(f"{path}: {name} must be a list of finite numbers, or of equally long lists of them")
    return array.astype(np.float64)

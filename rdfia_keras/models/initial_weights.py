"""The perceptron's initial weights, in NumPy only."""

import numpy as np

from rdfia_keras.config import MlpConfig
from rdfia_keras.data import Dataset, read_initial_weights


def init_params(n_x: int, n_h: int, n_y: int, std: float, seed: int) -> dict[str, np.ndarray]:
    """Weights drawn from N(0, std²), biases zero: W_h (n_h, n_x), b_h (n_h,), W_y (n_y, n_h), b_y (n_y,)."""
    rng = np.random.default_rng(seed)
    return {
        "W_h": rng.normal(0, std, (n_h, n_x)),
        "b_h": np.zeros(n_h),
        "W_y": rng.normal(0, std, (n_y, n_h)),
        "b_y": np.zeros(n_y),
    }


def init(config: MlpConfig, data: Dataset) -> dict[str, np.ndarray]:
    """The initial weights of every implementation: those of the file that the config names, or drawn."""
    return read_initial_weights(config, data) or init_params(
        data.train.x.shape[1], config.hidden_units, len(data.classes), config.init_std, config.seed
    )

"""The order of the training examples, in NumPy only."""

import numpy as np


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """Return a permutation of 0..count-1 for an epoch."""
    return np.random.default_rng([seed, epoch]).permutation(count)

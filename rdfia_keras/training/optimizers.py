"""Optimizers by name (question 28)."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras

from rdfia_keras.config import CnnConfig

# By name of `config.OPTIMIZERS`: makes the optimizer with a learning rate. Each has a fixed name of its own, since a
# checkpoint holds its variables by path and Keras would number a process's second optimizer.
OPTIMIZERS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    "sgd": partial(keras.optimizers.SGD, name="sgd"),
    "momentum": partial(keras.optimizers.SGD, momentum=0.9, name="momentum"),
    "nesterov": partial(keras.optimizers.SGD, momentum=0.9, nesterov=True, name="nesterov"),
    "rmsprop": partial(keras.optimizers.RMSprop, name="rmsprop"),
    "adam": partial(keras.optimizers.Adam, name="adam"),
}
# Arguments, by name, where PyTorch's defaults differ from Keras's. Its RMSprop divides by √v + 1e-8, Keras's by
# √(v + epsilon): 1e-16 gives the same smallest divisor.
PYTORCH_DEFAULTS: dict[str, dict[str, float]] = {"rmsprop": {"rho": 0.99, "epsilon": 1e-16}, "adam": {"epsilon": 1e-8}}


def make_optimizer(config: CnnConfig, lr: Any) -> keras.optimizers.Optimizer:
    """Make the optimizer of a config, with its first learning rate or one of Keras's schedules."""
    changed = PYTORCH_DEFAULTS.get(config.optimizer, {}) if config.framework_defaults == "pytorch" else {}
    return OPTIMIZERS[config.optimizer](lr, **changed)

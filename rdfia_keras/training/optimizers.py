"""Optimizers by name: each registers here, under a name of `config.OPTIMIZERS` (question 28)."""

from collections.abc import Callable
from typing import Any

import keras

from rdfia_keras import config
from rdfia_keras.registry import Registry

# By name: makes the optimizer with a learning rate. Each has a fixed name of its own, since a checkpoint holds its
# variables by path and Keras would number a process's second optimizer.
OPTIMIZERS: Registry[Callable[..., keras.optimizers.Optimizer]] = Registry(
    "optimizer", tuple(config.OPTIMIZERS), declared_in="config.OPTIMIZERS"
)
# Arguments, by name, where PyTorch's defaults differ from Keras's. Its RMSprop divides by √v + 1e-8, Keras's by
# √(v + epsilon): 1e-16 gives the same smallest divisor.
PYTORCH_DEFAULTS: dict[str, dict[str, float]] = {"rmsprop": {"rho": 0.99, "epsilon": 1e-16}, "adam": {"epsilon": 1e-8}}


def make_optimizer(settings: config.CnnConfig, lr: Any) -> keras.optimizers.Optimizer:
    """The optimizer of a config.

    Args:
        lr: Its first learning rate, or one of Keras's schedules.
    """
    changed = PYTORCH_DEFAULTS.get(settings.optimizer, {}) if settings.framework_defaults == "pytorch" else {}
    return OPTIMIZERS[settings.optimizer](lr, **changed)


@OPTIMIZERS.register("sgd")
def sgd(lr: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(lr, name="sgd")


@OPTIMIZERS.register("momentum")
def momentum(lr: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(lr, momentum=0.9, name="momentum")


@OPTIMIZERS.register("nesterov")
def nesterov(lr: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.SGD(lr, momentum=0.9, nesterov=True, name="nesterov")


@OPTIMIZERS.register("rmsprop")
def rmsprop(lr: float, **defaults: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.RMSprop(lr, name="rmsprop", **defaults)


@OPTIMIZERS.register("adam")
def adam(lr: float, **defaults: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(lr, name="adam", **defaults)

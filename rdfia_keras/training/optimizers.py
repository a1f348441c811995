"""Optimizers by name: each registers here, under a name of `config.OPTIMIZERS` (question 28)."""

from collections.abc import Callable

import keras

from rdfia_keras import config
from rdfia_keras.registry import Registry

# By name: makes the optimizer with a learning rate. Each has a fixed name of its own, since a checkpoint holds its
# variables by path and Keras would number a process's second optimizer.
OPTIMIZERS: Registry[Callable[[float], keras.optimizers.Optimizer]] = Registry(
    "optimizer", tuple(config.OPTIMIZERS), declared_in="config.OPTIMIZERS"
)


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
def rmsprop(lr: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.RMSprop(lr, name="rmsprop")


@OPTIMIZERS.register("adam")
def adam(lr: float) -> keras.optimizers.Optimizer:
    return keras.optimizers.Adam(lr, name="adam")

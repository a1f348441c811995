"""Learning-rate schedules as Keras callbacks (questions 26 and 28).

A schedule is one class, registered where it is defined under a name of `config.SCHEDULES`.
"""

import math
from typing import Any

import keras

from rdfia_keras import config
from rdfia_keras.registry import Registry

SCHEDULES: Registry[type["LearningRateSchedule"]] = Registry(
    "learning-rate schedule", config.SCHEDULES, declared_in="config.SCHEDULES"
)


class LearningRateSchedule(keras.callbacks.Callback):
    """Set the learning rate at the start of each epoch.

    It also puts the rate into the epoch's logs, as `learning_rate`: the number itself, where the optimizer's variable
    would give it rounded to float32.

    Args:
        lr: The learning rate of the first epoch.

    Example:
        >>> model.fit(x, y, epochs=10, callbacks=[ExponentialDecay(0.1)])
    """

    def __init__(self, lr: float):
        super().__init__()
        self.lr = lr

    def rate(self, epoch: float) -> float:
        """The learning rate of an epoch, counted from 0; a fraction is a place within it."""
        raise NotImplementedError

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        self.model.optimizer.learning_rate = self.rate(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        if logs is not None:
            logs["learning_rate"] = self.rate(epoch)


@SCHEDULES.register("constant")
class ConstantRate(LearningRateSchedule):
    """The same learning rate in every epoch."""

    def rate(self, epoch: float) -> float:
        return self.lr


@SCHEDULES.register("exponential")
class ExponentialDecay(LearningRateSchedule):
    """lr · 0.95^epoch (question 26)."""

    def rate(self, epoch: float) -> float:
        return float(self.lr * 0.95**epoch)


@SCHEDULES.register("step")
class StepDecay(LearningRateSchedule):
    """lr · 0.1^⌊epoch / 10⌋ (question 28)."""

    def rate(self, epoch: float) -> float:
        return float(self.lr * 0.1 ** math.floor(epoch / 10))


@SCHEDULES.register("inverse")
class InverseTimeDecay(LearningRateSchedule):
    """lr / (1 + 0.1 epoch) (question 28)."""

    def rate(self, epoch: float) -> float:
        return self.lr / (1 + 0.1 * epoch)

"""Learning-rate schedules as Keras callbacks (questions 26 and 28).

A schedule is one class, and one entry of `SCHEDULES` under a name of `config.SCHEDULES`.
"""

import math
from typing import Any

import keras
from keras import ops

from rdfia_keras.models.augmentation import PACKAGE


class LearningRateSchedule(keras.callbacks.Callback):
    """Set the learning rate at the start of each epoch, or let the optimizer change it within epochs.

    It also puts the rate into the epoch's logs, as `learning_rate`: the number itself, where the optimizer's variable
    would give it rounded to float32.

    Args:
        lr: The learning rate of the first epoch.
        steps: Iterations of the whole training; for a schedule that follows them.

    Example:
        >>> model.fit(x, y, epochs=10, callbacks=[ExponentialDecay(0.1)])
    """

    def __init__(self, lr: float, steps: int = 1):
        super().__init__()
        self.lr = lr
        self.steps = steps

    @property
    def initial(self) -> Any:
        """The learning rate of a new optimizer: a number, or a schedule of Keras's that it follows by itself."""
        return self.lr

    def rate(self, epoch: float) -> float:
        """Return the learning rate of an epoch, counted from 0; a fraction is a place within it."""
        raise NotImplementedError

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Set the learning rate of the epoch."""
        self.model.optimizer.learning_rate = self.rate(epoch)

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Put the learning rate into the logs."""
        if logs is not None:
            logs["learning_rate"] = self.rate(epoch)


class ConstantRate(LearningRateSchedule):
    """A learning rate that is the same in every epoch."""

    def rate(self, epoch: float) -> float:
        """Return lr."""
        return self.lr


class ExponentialDecay(LearningRateSchedule):
    """lr · 0.95^epoch (question 26)."""

    def rate(self, epoch: float) -> float:
        """Return lr · 0.95^epoch."""
        return float(self.lr * 0.95**epoch)


class StepDecay(LearningRateSchedule):
    """lr · 0.1^⌊epoch / 10⌋ (question 28)."""

    def rate(self, epoch: float) -> float:
        """Return lr · 0.1^⌊epoch / 10⌋."""
        return float(self.lr * 0.1 ** math.floor(epoch / 10))


class IterationSchedule(LearningRateSchedule):
    """Base class of the schedules that count iterations, which the optimizer follows by itself.

    Raises:
        ValueError: If the optimizer was not made with the schedule's `initial`; `fit` raises it before the first step.
    """

    def on_train_begin(self, logs: dict[str, Any] | None = None) -> None:
        """Raise `ValueError` if the optimizer would not follow."""
        optimizer = getattr(self.model.optimizer, "inner_optimizer", self.model.optimizer)
        if optimizer.get_config()["learning_rate"] != keras.optimizers.schedules.serialize(self.initial):
            raise ValueError(
                f"{type(self).__name__} needs an optimizer that is made with its `initial`: compile the model with "
                "keras.optimizers.SGD(schedule.initial), where schedule is this callback"
            )

    def on_epoch_begin(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Do nothing: the optimizer follows by itself."""


class IterationDecay(IterationSchedule):
    """lr · 0.998^t, where t counts iterations, not epochs (question 28, figure 19).

    The report's η₀ · r^(t / t_u), with its "step size" of 0.002 read as the part that each iteration takes off:
    r = 1 - 0.002 and t_u = 1. Over 391 batches the rate falls to 46 %, and to a thousandth in nine epochs.

    Like `Triangular` it needs an optimizer that is made with its `initial`.

    Example:
        >>> schedule = IterationDecay(0.1)
        >>> model.compile(keras.optimizers.SGD(schedule.initial), loss)
        >>> model.fit(x, y, epochs=10, callbacks=[schedule])
    """

    kept = 0.998

    @property
    def initial(self) -> Any:
        """The schedule of Keras that counts iterations."""
        return keras.optimizers.schedules.ExponentialDecay(self.lr, decay_steps=1, decay_rate=self.kept)

    def rate(self, epoch: float) -> float:
        """Return the learning rate at a place in the training that Keras is carrying out, whose batches it counts."""
        return float(self.lr * self.kept ** (epoch * self.params["steps"]))


class InverseTimeDecay(LearningRateSchedule):
    """lr / (1 + 0.1 epoch) (question 28)."""

    def rate(self, epoch: float) -> float:
        """Return lr / (1 + 0.1 epoch)."""
        return self.lr / (1 + 0.1 * epoch)


class Triangular(IterationSchedule):
    """A `Triangle` over the whole training. Like `IterationDecay` it needs an optimizer made with its `initial`.

    Example:
        >>> schedule = Triangular(0.1, steps=10 * 391)
        >>> model.compile(keras.optimizers.SGD(schedule.initial), loss)
        >>> model.fit(x, y, epochs=10, callbacks=[schedule])
    """

    @property
    def initial(self) -> Any:
        """The schedule of the optimizer, which counts iterations."""
        return Triangle(self.lr, self.steps)

    def rate(self, epoch: float) -> float:
        """Return the learning rate at a place in the training that Keras is carrying out, whose batches it counts."""
        return float(self.initial(epoch * self.params["steps"]))


@keras.saving.register_keras_serializable(PACKAGE)
class Triangle(keras.optimizers.schedules.LearningRateSchedule):
    """From a fifth of lr up to lr over 23 % of the iterations, then down to 7 % of it (Jordan 2024, arXiv 2404.00498).

    Args:
        lr: The highest learning rate.
        steps: Iterations of the whole training.
    """

    first, peak, last = 0.2, 0.23, 0.07

    def __init__(self, lr: float, steps: int):
        self.lr = lr
        self.steps = steps

    def __call__(self, step: Any) -> Any:
        """Return the learning rate of an iteration, counted from 0."""
        # Beyond its end the rate stays: on the line it would become negative.
        done = ops.minimum(ops.cast(step, "float32") / self.steps, 1.0)
        up = self.first + (1 - self.first) * done / self.peak
        down = self.last + (1 - self.last) * (1 - done) / (1 - self.peak)
        return self.lr * ops.minimum(up, down)

    def get_config(self) -> dict[str, Any]:
        """Return what the schedule is made of."""
        return {"lr": self.lr, "steps": self.steps}


SCHEDULES: dict[str, type[LearningRateSchedule]] = {
    "constant": ConstantRate,
    "exponential": ExponentialDecay,
    "step": StepDecay,
    "step-iteration": IterationDecay,
    "inverse": InverseTimeDecay,
    "triangular": Triangular,
}

"""Optimizers by name (question 28), and the one of the second ladder."""

from collections.abc import Callable
from functools import partial
from typing import Any

import keras
from keras import ops

from rdfia_keras.config import CnnConfig
from rdfia_keras.models.augmentation import PACKAGE

# How much faster the biases of a fast batch normalization learn.
FAST_BIASES = 64


@keras.saving.register_keras_serializable(PACKAGE)
class LookaheadSGD(keras.optimizers.SGD):
    """SGD whose weights are pulled back to their running average every few steps.

    Every `every` steps the average a of a weight w becomes d a + (1 - d) w, and w becomes a. The decay d rises from 0
    to `decay` with the cube of the training's progress: the average follows at first and settles at the end. After the
    last step w is a; steps that mixed_float16 skips are not counted. Sources: Zhang et al. 2019, arXiv 1907.08610;
    Jordan 2024, arXiv 2404.00498, section 3.4.

    Args:
        learning_rate: As for `keras.optimizers.SGD`, like all further arguments.
        steps: Iterations of the whole training; 0 for no average.
        every: Steps from one average to the next.
        decay: The decay at the end of the training.
        bias_rate: Factor of the learning rate of batch normalization's biases.

    Example:
        >>> model.compile(LookaheadSGD(0.1, momentum=0.9, nesterov=True, steps=10 * 391), loss)
    """

    def __init__(self, learning_rate=0.01, steps=0, every=5, decay=0.95**5, bias_rate=1.0, **kwargs):
        super().__init__(learning_rate, **kwargs)
        self.steps, self.every, self.decay, self.bias_rate = steps, every, decay, bias_rate
        self._averages = []

    def build(self, variables):
        """Make the averages, which begin as the weights are."""
        if self.built:
            return
        super().build(variables)
        if self.steps:
            self._averages = self.add_optimizer_variables(variables, "average")
            for average, variable in zip(self._averages, variables, strict=True):
                average.assign(ops.copy(variable))  # JAX would share the memory.

    def update_step(self, gradient, variable, learning_rate):
        """Update one variable by its gradient."""
        # TensorFlow passes its own variable, of another name.
        name = self._trainable_variables[self._get_variable_index(variable)].name
        faster = self.bias_rate if name == "beta" else 1.0
        super().update_step(gradient, variable, learning_rate * faster)

    def apply(self, grads, trainable_variables=None):
        """Update the variables, and pull them back where it is their turn."""
        super().apply(grads, trainable_variables)
        if not self.steps:
            return
        progress = ops.minimum(ops.cast(self.iterations, "float32") / self.steps, 1.0)
        decay, due = self.decay * progress**3, self.iterations % self.every == 0
        ends = ops.logical_or(due, self.iterations >= self.steps)
        for average, variable in zip(self._averages, self._trainable_variables, strict=True):
            # JAX takes no variable of Keras's in `where`.
            old, weight = ops.convert_to_tensor(average), ops.convert_to_tensor(variable)
            new = ops.where(due, decay * old + (1 - decay) * weight, old)
            average.assign(new)
            variable.assign(ops.where(ends, new, weight))

    def get_config(self):
        """Return what the optimizer is made of."""
        own = {"steps": self.steps, "every": self.every, "decay": self.decay, "bias_rate": self.bias_rate}
        return {**super().get_config(), **own}


# By name of `config.OPTIMIZERS`: makes the optimizer with a learning rate. Each has a fixed name of its own, since a
# checkpoint holds its variables by path and Keras would number a process's second optimizer.
OPTIMIZERS: dict[str, Callable[..., keras.optimizers.Optimizer]] = {
    "sgd": partial(keras.optimizers.SGD, name="sgd"),
    "momentum": partial(keras.optimizers.SGD, momentum=0.9, name="momentum"),
    "nesterov": partial(LookaheadSGD, momentum=0.9, nesterov=True, name="nesterov"),
    "rmsprop": partial(keras.optimizers.RMSprop, name="rmsprop"),
    "adam": partial(keras.optimizers.Adam, name="adam"),
}
# Arguments, by name, where PyTorch's defaults differ from Keras's. Its RMSprop divides by √v + 1e-8, Keras's by
# √(v + epsilon): 1e-16 gives the same smallest divisor.
PYTORCH_DEFAULTS: dict[str, dict[str, float]] = {"rmsprop": {"rho": 0.99, "epsilon": 1e-16}, "adam": {"epsilon": 1e-8}}


def make_optimizer(config: CnnConfig, lr: Any, steps: int = 1) -> keras.optimizers.Optimizer:
    """Make the optimizer of a config, with a learning rate or one of Keras's schedules, for a number of steps."""
    changed: dict[str, Any] = {}
    if config.framework_defaults == "pytorch":
        changed |= PYTORCH_DEFAULTS.get(config.optimizer, {})
    # A rule of the config: these three are set with a `LookaheadSGD` only.
    if config.weight_decay:
        changed["weight_decay"] = config.weight_decay
    if config.lookahead:
        changed["steps"] = steps
    if config.fast_batch_norm:
        changed["bias_rate"] = FAST_BIASES
    return OPTIMIZERS[config.optimizer](lr, **changed)

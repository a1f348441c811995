"""PyTorch's defaults for the layers of a Keras model: the report's networks were written in PyTorch."""

import math

import keras
import numpy as np
from keras import layers, ops

from rdfia_keras.models.augmentation import PACKAGE

# Of batch normalization. The momentum is by Keras's definition, 1 minus PyTorch's momentum of 0.1. Keras's defaults are
# 0.99 and 0.001.
BATCH_NORM = {"momentum": 0.9, "epsilon": 1e-5}


def draw_as_pytorch(model: keras.Model, seed: int) -> None:
    """Draw the weights of a new model as PyTorch does.

    Kernels and biases of convolutions and dense layers are drawn from U(-1/√n, 1/√n), where n is the number of inputs
    of a unit (`kaiming_uniform_` with a = √5). Keras draws kernels from U(±√(6 / (inputs + outputs))) and starts biases
    at 0. A layer with a `Dirac` initializer keeps its weights, and so does what is not trained.
    """
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Dense) and not isinstance(layer.kernel_initializer, Dirac):
            limit = 1 / math.sqrt(math.prod(layer.kernel.shape[:-1]))
            for variable in layer.trainable_variables:
                variable.assign(rng.uniform(-limit, limit, variable.shape))


@keras.saving.register_keras_serializable(PACKAGE)
class Dirac(keras.initializers.Initializer):
    """Kernels of a convolution that begins as the identity on its first channels.

    Output i is input i, for as many channels as there are inputs and outputs. Further outputs are drawn from
    U(-1/√n, 1/√n), where n is the number of inputs of a unit. It is `torch.nn.init.dirac_` on PyTorch's usual draw;
    `keras.initializers.Identity` is for matrices.

    Args:
        seed: Seed of the further outputs.

    Example:
        >>> conv = keras.layers.Conv2D(64, 3, padding="same", use_bias=False, kernel_initializer=Dirac())
    """

    def __init__(self, seed: int | None = None):
        self.seed = seed

    def __call__(self, shape, dtype=None):
        """Return a kernel (k, k, inputs, outputs) with an odd k."""
        height, width, inputs, outputs = shape
        drawn = keras.initializers.VarianceScaling(1 / 3, "fan_in", "uniform", seed=self.seed)(shape, dtype=dtype)
        same = min(inputs, outputs)
        identity = np.zeros((height, width, inputs, same), "float32")
        identity[height // 2, width // 2, range(same), range(same)] = 1
        return ops.concatenate([ops.cast(identity, drawn.dtype), drawn[..., same:]], axis=-1)

    def get_config(self):
        """Return what the initializer is made of."""
        return {"seed": self.seed}

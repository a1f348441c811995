"""PyTorch's defaults for the layers of a Keras model: the report's networks were written in PyTorch."""

import math

import keras
import numpy as np
from keras import layers

# In Keras's terms: the share of the moving average that stays, 1 minus PyTorch's momentum of 0.1.
BATCH_NORM_MOMENTUM, BATCH_NORM_EPSILON = 0.9, 1e-5


def use_pytorch_defaults(model: keras.Model, seed: int) -> None:
    """Draw a new model's weights as PyTorch does, and give its batch normalization PyTorch's momentum and epsilon.

    Kernels and biases of convolutions and dense layers are drawn from U(-1/√n, 1/√n), where n is the number of inputs
    of a unit (`kaiming_uniform_` with a = √5). Keras draws kernels from U(±√(6 / (inputs + outputs))), starts biases at
    0, and has a momentum of 0.99 and an epsilon of 0.001.

    Call it before the model is trained or called: its functions may be compiled then.
    """
    rng = np.random.default_rng(seed)
    for layer in model.layers:
        if isinstance(layer, layers.Conv2D | layers.Dense):
            limit = 1 / math.sqrt(math.prod(layer.kernel.shape[:-1]))
            for variable in (layer.kernel, layer.bias):
                variable.assign(rng.uniform(-limit, limit, variable.shape))
        elif isinstance(layer, layers.BatchNormalization):
            layer.momentum, layer.epsilon = BATCH_NORM_MOMENTUM, BATCH_NORM_EPSILON

"""Batch normalization by TensorFlow's fused kernel, where there is one (question 34)."""

import keras
from keras import ops

from rdfia_keras.config import CnnConfig
from rdfia_keras.models.augmentation import PACKAGE
from rdfia_keras.models.pytorch_defaults import BATCH_NORM

# The momentum of `fast_batch_norm`, by Keras's definition.
FAST_MOMENTUM = 0.6


def batch_normalization(config: CnnConfig, name: str) -> keras.layers.Layer:
    """Make a batch normalization with the config's framework's defaults, or the fast one."""
    arguments = dict(BATCH_NORM) if config.framework_defaults == "pytorch" else {}
    if config.fast_batch_norm:
        arguments |= {"momentum": FAST_MOMENTUM, "scale": False}
    return BatchNormalization(dtype=config.precision, name=name, **arguments)


@keras.saving.register_keras_serializable(PACKAGE)
class BatchNormalization(keras.layers.BatchNormalization):
    """`keras.layers.BatchNormalization` over the channels of images, computed by one kernel.

    On TensorFlow, Keras composes it of a dozen operations, which cost a quarter of the step on a CPU. Other back ends
    use Keras's. `models.saving` writes Keras's own layer, so that a saved model does not need this one.

    Input and output (N, H, W, C), in the layer's compute dtype; statistics are float32.
    """

    def call(self, inputs, training=None, mask=None):
        """Normalize by the statistics of the batch in training, and by the moving ones otherwise."""
        last = len(inputs.shape) == 4 and self.axis in (-1, 3)
        if keras.backend.backend() != "tensorflow" or mask is not None or not last or self.synchronized:
            return super().call(inputs, training=training, mask=mask)
        import tensorflow as tf

        learning = bool(training) and self.trainable
        channels = inputs.shape[-1]
        moving = (ops.convert_to_tensor(self.moving_mean), ops.convert_to_tensor(self.moving_variance))
        outputs, mean, variance = tf.compat.v1.nn.fused_batch_norm(
            ops.cast(inputs, self.compute_dtype),
            ops.convert_to_tensor(self.gamma) if self.scale else ops.ones(channels),
            ops.convert_to_tensor(self.beta) if self.center else ops.zeros(channels),
            *((None, None) if learning else moving),
            epsilon=self.epsilon,
            is_training=learning,
        )
        if learning:
            # The kernel's variance is of a sample, Keras's of the batch itself.
            count = ops.cast(ops.prod(ops.shape(inputs)[:3]), "float32")
            variance = variance * (count - 1) / count
            self.moving_mean.assign(moving[0] * self.momentum + mean * (1 - self.momentum))
            self.moving_variance.assign(moving[1] * self.momentum + variance * (1 - self.momentum))
        return outputs


def plain(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Return Keras's own layer in place of this one, for a model that is saved; any other layer as it is."""
    if isinstance(layer, BatchNormalization):
        return keras.layers.BatchNormalization.from_config(layer.get_config())
    return layer

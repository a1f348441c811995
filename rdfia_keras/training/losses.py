"""The loss of the networks on images."""

import keras
from keras import ops

from rdfia_keras.models.augmentation import PACKAGE


@keras.saving.register_keras_serializable(PACKAGE)
class SmoothedCrossEntropy(keras.losses.Loss):
    """Cross-entropy of logits against labels, a part of whose probability is shared among all classes.

    Keras's own label smoothing needs one-hot targets. Source: Szegedy et al. 2016, arXiv 1512.00567, section 7.

    Args:
        smoothing: That part: 0.2 leaves 0.82 for the label of ten classes and gives 0.02 to each other.
    """

    def __init__(self, smoothing: float = 0.1, name: str = "smoothed_cross_entropy", **kwargs):
        super().__init__(name=name, **kwargs)
        self.smoothing = smoothing

    def call(self, y_true, y_pred):
        """Return the loss of each example (N,), from labels (N,) or (N, 1) and logits (N, n_y)."""
        y_true = ops.reshape(y_true, (-1,))
        of_label = ops.sparse_categorical_crossentropy(y_true, y_pred, from_logits=True)
        of_all = -ops.mean(ops.log_softmax(y_pred), axis=-1)
        return (1 - self.smoothing) * of_label + self.smoothing * of_all

    def get_config(self):
        """Return what the loss is made of."""
        return {**super().get_config(), "smoothing": self.smoothing}


def cross_entropy(smoothing: float = 0.0) -> keras.losses.Loss:
    """Return Keras's cross-entropy of logits, or the smoothed one."""
    if smoothing:
        return SmoothedCrossEntropy(smoothing)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)

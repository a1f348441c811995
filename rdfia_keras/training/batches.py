"""Batches of a split, gathered as training asks for them, in an order that is given."""

import math
from collections.abc import Callable, Iterator
from typing import Any

import keras
import numpy as np

from rdfia_keras.data import Split

# Gives the examples of an epoch, in order, from their number.
Order = Callable[[int], np.ndarray]


def batches(split: Split, size: int, order: Order = np.arange) -> Any:
    """Return (images, labels) batches of one epoch for `model.fit` and `model.evaluate`; the last may be smaller.

    `order` gives the order of the examples at the start of each epoch.

    On TensorFlow it is a `tf.data` pipeline, since `fit` over a `keras.utils.PyDataset` leaves a small CPU idle for
    whole epochs; the other back ends read the `PyDataset`, and need no TensorFlow. Pass `shuffle=False` to `fit`.
    """
    if keras.backend.backend() == "tensorflow":
        return _pipeline(split, size, order)
    return _Batches(split, size, order)


def _pipeline(split: Split, size: int, order: Order) -> Any:
    """Yield batches of indices in Python, gathered by TensorFlow on one thread beside the training."""
    import tensorflow as tf

    def rows() -> Iterator[np.ndarray]:
        indices = order(len(split)).astype(np.int32)
        for begin in range(0, len(indices), size):
            yield indices[begin : begin + size]

    # The examples stay in the machine's memory: a GPU gets each batch.
    with tf.device("CPU"):
        x, y = tf.constant(split.x), tf.constant(split.y)
    data = tf.data.Dataset.from_generator(rows, output_signature=tf.TensorSpec((None,), "int32"))
    # Of unknown length, `fit` would warn that it ran out of data.
    data = data.apply(tf.data.experimental.assert_cardinality(math.ceil(len(split) / size)))
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    options.threading.max_intra_op_parallelism = 1
    return data.map(lambda i: (tf.gather(x, i), tf.gather(y, i))).prefetch(2).with_options(options)


class _Batches(keras.utils.PyDataset):
    """Batches for back ends that do not read `tf.data`."""

    def __init__(self, split: Split, size: int, order: Order):
        super().__init__()
        self.split, self.size, self.order = split, size, order

    def __len__(self) -> int:
        return math.ceil(len(self.split) / self.size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = self.order(len(self.split))[index * self.size : (index + 1) * self.size]
        return self.split.x[rows], self.split.y[rows]

"""What tests of trainings share: a callback that does something in mid epoch, and when two trainings are equal."""

import keras
import numpy as np

from rdfia_keras.training.callbacks import EpochHistory, variables_by_path


class Doing(keras.callbacks.Callback):
    """Call a function after a batch of an epoch, both counted from 1."""

    def __init__(self, epoch: int, batch: int, function):
        super().__init__()
        self.when, self.function, self.now = (epoch, batch), function, (0, 0)

    def on_epoch_begin(self, epoch, logs=None):
        self.now = (epoch + 1, 0)

    def on_train_batch_end(self, batch, logs=None):
        self.now = (self.now[0], batch + 1)
        if self.now == self.when:
            self.function()


def numbers(history: EpochHistory):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in history.rows]


def assert_equal_training(model, history, other, other_history):
    assert numbers(history) == numbers(other_history)
    for variables in (lambda m: m.weights, lambda m: m.optimizer.variables):
        one, again = variables_by_path(variables(model)), variables_by_path(variables(other))
        assert one.keys() == again.keys()
        for path, value in one.items():
            np.testing.assert_array_equal(again[path], value, err_msg=path)

"""The convnets as this package trains and evaluates them, and as plain Keras does."""

import os
import tempfile
import threading
import time
import traceback
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.noise import CIFAR, CLASSES, images
from benchmarks.registry import Work
from rdfia_keras.config import CnnConfig, RunOptions

# Multiply-adds counted as two, forward and backward, of the homework's network on one image of 32x32.
FLOP_AN_IMAGE = 134e6


def ours(config: CnnConfig, count: int, shape: tuple[int, int, int] = CIFAR) -> Work:
    """Epochs of `training.fit` over `count` images, timed without the evaluation after each, of one image."""
    model, data, config = _model(config, count, 1, shape)
    from rdfia_keras.training.callbacks import EpochHistory, StopOnRequest
    from rdfia_keras.training.fit import fit

    def train(gate: Any) -> None:
        fit(model, data, config, EpochHistory(), [StopOnRequest(False), gate])

    return _epochs(train, count, training_only=True)


def ours_as_the_command(config: CnnConfig, count: int, test_count: int) -> Work:
    """Epochs with all that `rdfia cnn` does in one: evaluation, checkpoint, history file and progress."""
    model, data, config = _model(config, count, test_count)
    from rdfia_keras.experiments import match_registered
    from rdfia_keras.sections.common import create_run
    from rdfia_keras.system.backend import check_device
    from rdfia_keras.system.terminal import Progress
    from rdfia_keras.training.callbacks import Checkpoint, EpochHistory, HistoryFile, ProgressReport, StopOnRequest
    from rdfia_keras.training.fit import fit

    def train(gate: Any) -> None:
        with ExitStack() as around:
            folder = Path(around.enter_context(tempfile.TemporaryDirectory()))
            experiment = match_registered(config)
            run = create_run(experiment, data, RunOptions(out=folder, device="cpu"), check_device("cpu"))
            around.enter_context(run)
            history, steps = EpochHistory(), -(-count // config.batch_size)
            progress = around.enter_context(Progress(experiment.name, config.epochs or 0, steps))
            saving = [Checkpoint(run.folder, history), HistoryFile(run.folder / "history.csv", history)]
            showing = [ProgressReport(progress, history), StopOnRequest(False)]
            fit(model, data, config, history, [*saving, *showing, gate])

    return _epochs(train, count)


def _epochs(train: Any, count: int, training_only: bool = False) -> Work:
    """One `fit` that goes on through all timings, as in a run, and waits between two epochs.

    Args:
        train: Calls `fit` with the callback that it is given.
        training_only: Let the clock stop where an epoch's evaluation begins.
    """
    import keras

    go, done = threading.Semaphore(0), threading.Semaphore(0)

    class Gate(keras.callbacks.Callback):
        begin = trained = 0.0

        def on_epoch_begin(self, epoch, logs=None):
            go.acquire()
            self.begin = time.perf_counter()

        def on_test_begin(self, logs=None):
            self.trained = time.perf_counter() - self.begin

        def on_epoch_end(self, epoch, logs=None):
            done.release()

    gate = Gate()

    def run() -> None:
        try:
            train(gate)
        except BaseException:
            traceback.print_exc()
        # It is not to end at all: nobody would wake the main thread.
        os._exit(1)

    threading.Thread(target=run, daemon=True).start()

    def work() -> float | None:
        go.release()
        done.acquire()
        return gate.trained if training_only else None

    return Work(work, count)


def ours_in_a_loop(config: CnnConfig, count: int, test_count: int = 0) -> Work:
    """The same training, and evaluation, in a loop over `train_on_batch` written by hand."""
    model, data, config = _model(config, count, max(1, test_count))
    from rdfia_keras.training.callbacks import epoch_order, set_random_streams
    from rdfia_keras.training.fit import EVALUATION_BATCH
    from rdfia_keras.training.schedules import SCHEDULES

    schedule, epoch = SCHEDULES[config.schedule](config.lr), 0

    def work() -> None:
        nonlocal epoch
        set_random_streams(model, config.seed, epoch)
        model.optimizer.learning_rate = schedule.rate(epoch)
        order = epoch_order(config.seed, epoch, count)
        for begin in range(0, count, config.batch_size):
            rows = order[begin : begin + config.batch_size]
            logs = model.train_on_batch(data.train.x[rows], data.train.y[rows], return_dict=True)
            float(logs["loss"]), float(logs["accuracy"])
        model.reset_metrics()
        for begin in range(0, test_count, EVALUATION_BATCH):
            part = slice(begin, begin + EVALUATION_BATCH)
            model.test_on_batch(data.test.x[part], data.test.y[part], return_dict=True)
        epoch += 1

    return Work(work, count)


def ours_evaluation(config: CnnConfig, count: int) -> Work:
    """Loss and accuracy over a test set, as after each epoch of `rdfia cnn`."""
    model, data, _ = _model(config, count, 1)
    from rdfia_keras.training.fit import evaluate

    return Work(lambda: evaluate(model, data.train), count)


def _model(
    config: CnnConfig, count: int, test_count: int, shape: tuple[int, int, int] = CIFAR
) -> tuple[Any, Any, CnnConfig]:
    """The compiled model and its data, as `rdfia cnn --device cpu` makes them."""
    # Before anything of Keras is imported, as in the command: what it sets is read at that import.
    from rdfia_keras.system.backend import set_up_backend

    set_up_backend("cpu")
    from rdfia_keras.data import Dataset, Split
    from rdfia_keras.models.convnet import build_convnet
    from rdfia_keras.training.fit import compile_model

    config = replace(config, epochs=1_000_000)
    data = Dataset("noise", Split(*images(count, shape)), Split(*images(test_count, shape)), CLASSES)
    model = build_convnet(config, data)
    compile_model(model, config)
    return model, data, config


def keras_fit(count: int, batch_size: int) -> Work:
    """`model.fit` of the homework's network in float32, as the Keras tutorials write it."""
    import keras
    from keras import layers

    x, y = images(count)
    model = keras.Sequential([keras.Input(CIFAR), layers.Rescaling(1 / 255)])
    for filters in (32, 64, 64):
        model.add(layers.Conv2D(filters, 5, padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(2))
    for layer in (layers.Flatten(), layers.Dense(1000, activation="relu"), layers.Dense(10, activation="softmax")):
        model.add(layer)
    model.compile(keras.optimizers.SGD(0.1), "sparse_categorical_crossentropy", metrics=["accuracy"])
    return Work(lambda: model.fit(x, y, batch_size=batch_size, verbose=0), count)


def matrix_product(precision: str) -> Work:
    """What the machine can do at most: large square products, counted as the images that their operations amount to."""
    from rdfia_keras.system.backend import set_up_backend

    set_up_backend("cpu")
    import tensorflow as tf

    n, times = 2048, 4
    a, b = (tf.cast(tf.random.normal((n, n)), precision.removeprefix("mixed_")) for _ in range(2))

    @tf.function
    def product():
        return tf.linalg.matmul(a, b)

    def work() -> None:
        for _ in range(times):
            product()[0, 0].numpy()

    return Work(work, times * 2 * n**3 / FLOP_AN_IMAGE)

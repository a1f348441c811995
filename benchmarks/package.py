"""This package as a contender. Of the benchmarks, only this module imports `rdfia_keras`."""

import itertools
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.matches import Work
from benchmarks.noise import CIFAR, images, write_cifar

# The names that are written twice are for the other modules.
from rdfia_keras.config import AUGMENTATIONS as AUGMENTATIONS
from rdfia_keras.config import IMPLEMENTATIONS as IMPLEMENTATIONS
from rdfia_keras.config import OPTIMIZERS as OPTIMIZERS
from rdfia_keras.config import CnnConfig
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.runs.environment import environment as environment
from rdfia_keras.runs.files import write_atomic as write_atomic
from rdfia_keras.system.backend import precision_warning as precision_warning

ROOT = Path(__file__).resolve().parents[1]
CLASSES = tuple("0123456789")
PERCEPTRON_EPOCHS = 20  # for one timing, each of 20 steps of 10 examples


# --- convnets ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Training:
    """A training of a convnet on noise, for this package and for its references.

    Attributes:
        device: `cpu` or `gpu`.
        tf32: Whether a GPU may compute in TF32 what is float32.
        images, test_images: How many there are. Evaluation is left out of a timing, so it has one image.
    """

    config: CnnConfig
    images: int
    test_images: int = 1
    shape: tuple[int, int, int] = CIFAR
    device: str = "cpu"
    tf32: bool = False

    @property
    def precision(self) -> str:
        """The Keras policy, or `tf32`."""
        return "tf32" if self.tf32 and self.config.precision == "float32" else self.config.precision


def experiment_config(name: str) -> CnnConfig:
    """Return the settings of a registered convnet."""
    config = REGISTRY[name].config
    assert isinstance(config, CnnConfig)
    return config


def train(training: Training, as_the_command: bool = False, **settings: Any) -> Work:
    """Time epochs of `training.fit`, without the evaluation after each.

    Args:
        training: The training.
        as_the_command: Do, and time, all that `rdfia cnn` does in an epoch: evaluation, checkpoint, history, progress.
        settings: Settings in place of the config's own.
    """
    model, data, config = _model_and_data(replace(training, config=replace(training.config, **settings)))
    import keras

    from rdfia_keras.system.terminal import Progress
    from rdfia_keras.training.callbacks import Checkpoint, EpochHistory, HistoryFile, ProgressReport, StopOnRequest
    from rdfia_keras.training.fit import fit

    class Stopwatch(keras.callbacks.Callback):
        begin = trained = evaluated = 0.0

        def on_epoch_begin(self, epoch, logs=None):
            self.begin = time.perf_counter()

        def on_test_begin(self, logs=None):
            self.trained = time.perf_counter() - self.begin

        def on_epoch_end(self, epoch, logs=None):
            self.evaluated = time.perf_counter() - self.begin

    stopwatch, history, folder = Stopwatch(), EpochHistory(), tempfile.TemporaryDirectory()
    callbacks: list[Any] = [StopOnRequest(False)]
    if as_the_command:
        progress = Progress("noise", epochs=1, batches=-(-training.images // config.batch_size))
        callbacks += [Checkpoint(Path(folder.name), history), HistoryFile(Path(folder.name) / "history.csv", history)]
        callbacks += [ProgressReport(progress, history)]

    def work() -> float:
        # It goes on after the epochs that `history` holds.
        fit(model, data, replace(config, epochs=len(history.rows) + 1), history, [*callbacks, stopwatch])
        return stopwatch.evaluated if as_the_command else stopwatch.trained

    return Work(work, training.images)


def train_in_a_loop(training: Training, with_evaluation: bool = False) -> Work:
    """Time the same training, and evaluation if asked for, in a loop over `train_on_batch` written by hand."""
    model, data, config = _model_and_data(training)
    from rdfia_keras.training.callbacks import epoch_order, set_random_streams
    from rdfia_keras.training.fit import EVALUATION_BATCH
    from rdfia_keras.training.schedules import SCHEDULES

    schedule, epoch = SCHEDULES[config.schedule](config.lr), 0

    def work() -> None:
        nonlocal epoch
        set_random_streams(model, config.seed, epoch)
        model.optimizer.learning_rate = schedule.rate(epoch)
        order = epoch_order(config.seed, epoch, training.images)
        for begin in range(0, training.images, config.batch_size):
            rows = order[begin : begin + config.batch_size]
            logs = model.train_on_batch(data.train.x[rows], data.train.y[rows], return_dict=True)
            float(logs["loss"]), float(logs["accuracy"])
        model.reset_metrics()
        for begin in range(0, training.test_images if with_evaluation else 0, EVALUATION_BATCH):
            part = slice(begin, begin + EVALUATION_BATCH)
            model.test_on_batch(data.test.x[part], data.test.y[part], return_dict=True)
        epoch += 1

    return Work(work, training.images)


def train_to_accuracy(training: Training, accuracy: float) -> Work:
    """Time trainings on CIFAR-10, from seed 0 on, until one ends with a test accuracy; evaluation is included."""
    set_up(training.device, training.tf32)
    from rdfia_keras.models.convnet import build_convnet
    from rdfia_keras.training.callbacks import EpochHistory
    from rdfia_keras.training.fit import compile_model, fit

    data, seeds = cifar10(), itertools.count()

    def work() -> None:
        reached = 0.0
        while reached < accuracy:
            config, history = replace(training.config, seed=next(seeds)).resolve(), EpochHistory()
            model = build_convnet(config, data)
            compile_model(model, config, data)
            fit(model, data, config, history, [])
            reached = history.rows[-1]["test_accuracy"]

    return Work(work, warm_ups=0)


def cifar10() -> Any:
    """Return CIFAR-10, from the folder that RDFIA_DATA names or as the package downloads it."""
    from rdfia_keras.data import load_images

    folder = os.environ.get("RDFIA_DATA")
    return load_images("cifar10", Path(folder) if folder else None)


def evaluate_images(training: Training) -> Work:
    """Time loss and accuracy over the images, as over a test set after each epoch of `rdfia cnn`."""
    model, data, _ = _model_and_data(training)
    from rdfia_keras.training.fit import evaluate

    def work() -> None:
        evaluate(model, data.train)

    return Work(work, training.images)


def peak_gpu_memory(training: Training) -> Work:
    """Measure the most megabytes that TensorFlow holds on the GPU in an epoch."""
    epochs = train(training)
    import tensorflow as tf

    def work() -> float:
        epochs.run()
        return tf.config.experimental.get_memory_info("GPU:0")["peak"] / 1e6

    return Work(work, warm_ups=0)


def set_up(device: str = "cpu", tf32: bool = True) -> None:
    """Make the settings of `rdfia --device`, before anything of Keras is imported: they are read at that import.

    Raises:
        RdfiaError: If the GPU is asked for and Keras's back end sees none.
    """
    from rdfia_keras.system.backend import check_device, set_up_backend

    if device == "gpu" and not tf32:
        os.environ["NVIDIA_TF32_OVERRIDE"] = "0"
    set_up_backend(device)
    check_device(device)


def _model_and_data(training: Training) -> tuple[Any, Any, CnnConfig]:
    """Return the compiled model and its data as `rdfia cnn` makes them."""
    set_up(training.device, training.tf32)
    from rdfia_keras.data import Dataset, Split
    from rdfia_keras.models.convnet import build_convnet
    from rdfia_keras.training.fit import compile_model

    config = training.config.resolve()
    parts = [Split(*images(count, training.shape)) for count in (training.images, training.test_images)]
    data = Dataset("noise", *parts, CLASSES)
    model = build_convnet(config, data)
    compile_model(model, config, data)
    return model, data, config


def augmentation_layer(name: str) -> Callable[[Any], Any]:
    """Return the augmentation of a model that `compile_model` made ready."""
    model, _, _ = _model_and_data(Training(CnnConfig(augmentations=(name,)), images=10, test_images=10))
    from rdfia_keras.models.convnet import augmentation_of

    layer = augmentation_of(model)
    return lambda batch: layer(batch, training=True)


def image_statistics(config: CnnConfig, numbers: np.ndarray) -> tuple[np.ndarray, ...]:
    """Return mean, variances and axes for whitening, or mean and standard deviation of each channel."""
    from rdfia_keras.models.statistics import channel_statistics, principal_axes

    return principal_axes(numbers) if config.whitening else channel_statistics(numbers)


# --- the perceptron ---------------------------------------------------------------------------------------------------


def circles() -> tuple[np.ndarray, ...]:
    """Return x (200, 2) and one-hot labels (200, 2) of the training set, then of the test set."""
    from rdfia_keras.data import load_vectors, one_hot

    data = load_vectors("circles")
    return data.train.x, one_hot(data.train.y, 2), data.test.x, one_hot(data.test.y, 2)


def perceptron(implementation: str) -> Work:
    """Time one implementation as `rdfia mlp` runs it: every epoch with train and test loss and accuracy."""
    set_up()
    from rdfia_keras.data import load_vectors
    from rdfia_keras.data.initial_weights import init
    from rdfia_keras.training.perceptron_epochs import Trainer

    data, config = load_vectors("circles"), REGISTRY["circles"].config
    trainer = Trainer(implementation, config, data, init(config, data))

    def work() -> None:
        for first in range(0, PERCEPTRON_EPOCHS, trainer.chunk):
            trainer.epochs(first, trainer.chunk)

    return Work(work, PERCEPTRON_EPOCHS * 20)


# --- commands ---------------------------------------------------------------------------------------------------------


def command(arguments: list[str], noise: bool = False, memory: bool = False) -> Work:
    """Time a whole process of Python, in a fresh folder.

    Args:
        arguments: Arguments of the interpreter.
        noise: Let it read noise in CIFAR-10's layout; then it runs long, and without a round of warming up.
        memory: Take its peak resident megabytes in place of its seconds.
    """

    def work() -> float:
        with tempfile.TemporaryDirectory() as folder:
            if noise:
                write_cifar(Path(folder))
            return run_python([*arguments, *(["--data-dir", folder] if noise else [])])[1 if memory else 0]

    return Work(work, warm_ups=0 if noise else 1)


def run_python(arguments: list[str]) -> tuple[float, float]:
    """Return seconds and peak megabytes of one process.

    Raises:
        SystemExit: If it fails.
    """
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    env = {**os.environ, "PYTHONPATH": path}
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as errors:
        line = [sys.executable, *arguments]
        begin = time.perf_counter()
        process = subprocess.Popen(line, cwd=folder, env=env, stdout=subprocess.DEVNULL, stderr=errors)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"{' '.join(arguments)} failed: {errors.read().decode(errors='replace')[-500:]}")
    return seconds, round(usage.ru_maxrss / 1024)

"""Training on any Keras backend: order, random streams, schedules, the loop over epochs, and what it all came to.

Everything random in an epoch is a function of (seed, epoch), so a training that was cut off and goes on from the last
finished epoch ends with the same weights as one that never stopped.
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import keras
import numpy as np

from rdfia_keras.data import Split
from rdfia_keras.experiments import CnnExperiment
from rdfia_keras.records import best_row
from rdfia_keras.runtime import accelerated

EVALUATION_BATCH = 500


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """A permutation of 0..count-1 for this epoch. (`fit(shuffle=True)` repeats one permutation after seeding.)"""
    return np.random.default_rng([seed, epoch]).permutation(count)


class Batches(keras.utils.PyDataset):
    """Batches (images, labels) of a split, gathered when they are asked for, in a given order."""

    def __init__(self, split: Split, batch_size: int, order: np.ndarray | None = None):
        super().__init__()
        self.split = split
        self.batch_size = batch_size
        self.order = order

    def __len__(self) -> int:
        return math.ceil(len(self.split) / self.batch_size)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        rows = slice(index * self.batch_size, (index + 1) * self.batch_size)
        if self.order is not None:
            rows = self.order[rows]
        return self.split.x[rows], self.split.y[rows]


def channel_statistics(images: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation per channel of uint8 images (N, H, W, C), on pixels in [0, 1].

    Counted exactly from each channel's histogram, without a float copy of the images. For the training set alone:
    question 20.
    """
    values = np.arange(256) / 255
    mean, std = [], []
    for channel in range(images.shape[-1]):
        share = np.bincount(images[..., channel].ravel(), minlength=256) / images[..., channel].size
        mean.append(float(share @ values))
        std.append(float(np.sqrt(share @ (values - mean[-1]) ** 2)))
    # A constant channel has nothing to normalise.
    return mean, [s if s > 0 else 1.0 for s in std]


def principal_axes(images: np.ndarray, size: int | None = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean (d,), variances (d,) and eigenvectors (d, d, in columns) of the pixels, the largest variance first.

    For the training set alone: question 20 again. d is 3072 on CIFAR-10, where this takes some seconds.

    Args:
        images: uint8 (N, H, W, C), read as pixels in [0, 1].
        size: Height and width of the centre that is used; None for all of it.
    """
    top = (images.shape[1] - (size or images.shape[1])) // 2
    images = images[:, top : images.shape[1] - top, top : images.shape[2] - top] if top else images
    mean = images.mean(axis=0, dtype=np.float64).ravel() / 255
    products = np.zeros((len(mean), len(mean)), np.float32)
    # A part at a time: all of CIFAR-10 as floats would be 600 MB.
    for begin in range(0, len(images), 5000):
        part = images[begin : begin + 5000].reshape(-1, len(mean)).astype(np.float32) / 255 - mean.astype(np.float32)
        products += part.T @ part
    variances, vectors = np.linalg.eigh(products / len(images))
    return mean.astype(np.float32), variances[::-1], vectors[:, ::-1]


def learning_rate(schedule: str, lr: float, epoch: int) -> float:
    """The learning rate of an epoch, counted from 0 (questions 26 and 28).

    `exponential`: x 0.95 an epoch; `step`: x 0.1 every 10 epochs; `inverse`: lr / (1 + 0.1 epoch).
    """
    factors = {
        "constant": 1.0,
        "exponential": 0.95**epoch,
        "step": 0.1 ** (epoch // 10),
        "inverse": 1 / (1 + 0.1 * epoch),
    }
    return lr * factors[schedule]


def make_optimizer(name: str, lr: float) -> keras.optimizers.Optimizer:
    """`sgd`, `momentum`, `nesterov` (both 0.9), `rmsprop` or `adam`."""
    if name in ("sgd", "momentum", "nesterov"):
        momentum = 0.0 if name == "sgd" else 0.9
        return keras.optimizers.SGD(lr, momentum=momentum, nesterov=name == "nesterov")
    return {"rmsprop": keras.optimizers.RMSprop, "adam": keras.optimizers.Adam}[name](lr)


def compile_model(model: keras.Model, experiment: CnnExperiment) -> None:
    """Attach optimizer, loss and accuracy.

    XLA is left to accelerators: on a CPU it makes convolutions two to three times slower.
    """
    optimizer = make_optimizer(experiment.optimizer, experiment.lr)
    if experiment.precision == "mixed_float16":
        optimizer = keras.optimizers.LossScaleOptimizer(optimizer)
    model.compile(
        optimizer,
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        metrics=["accuracy"],
        jit_compile="auto" if accelerated() or keras.backend.backend() == "jax" else False,
        auto_scale_loss=False,
    )
    optimizer.build(model.trainable_variables)


def seed_epoch(model: keras.Model, seed: int, epoch: int) -> None:
    """Set every random stream of the model (dropout, augmentation) from (seed, epoch)."""
    streams = [variable for variable in model.variables if variable.name == "seed_generator_state"]
    for number, variable in enumerate(streams):
        state = np.random.SeedSequence([seed, epoch, number]).generate_state(2)
        variable.assign(state.astype(variable.dtype))


@dataclass
class State:
    """Where a training stands: all that a checkpoint keeps.

    Attributes:
        history: A row for each finished epoch.
        weights: The model's variables after the last finished epoch, by position.
        optimizer: The optimizer's variables then.
        best_weights: The model's variables after the best epoch so far.
    """

    history: list[dict] = field(default_factory=list)
    weights: list[np.ndarray] = field(default_factory=list)
    optimizer: list[np.ndarray] = field(default_factory=list)
    best_weights: list[np.ndarray] = field(default_factory=list)

    def arrays(self) -> dict[str, np.ndarray]:
        """The arrays by name, `weights.000` and so on."""
        groups = ("weights", "optimizer", "best_weights")
        return {f"{group}.{i:03d}": array for group in groups for i, array in enumerate(getattr(self, group))}

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray], history: list[dict]) -> "State":
        state = cls(history=history)
        for name in sorted(arrays):
            getattr(state, name.split(".")[0]).append(arrays[name])
        return state


class Diverged(Exception):
    """The loss or a weight is no longer a finite number."""


@dataclass
class Watch:
    """What is looked at between two batches.

    Attributes:
        stop: Truth-tested after each batch.
        on_batch: Called with the number of batches done in this epoch.
        diverged_at: The batch after which the loss was no longer finite.
    """

    stop: object = False
    on_batch: Callable[[int], None] | None = None
    diverged_at: int | None = None

    def ends(self, batch: int, loss: float) -> bool:
        """Report that `batch` batches are done; whether that is enough for this epoch."""
        if not math.isfinite(loss):
            self.diverged_at = batch
        if self.on_batch:
            self.on_batch(batch)
        return bool(self.stop or self.diverged_at)


def fit(
    model: keras.Model,
    experiment: CnnExperiment,
    train: Split,
    test: Split,
    state: State,
    stop: object,
    on_epoch: Callable[[State], None],
    on_batch: Callable[[int], None] | None = None,
) -> None:
    """Train from the first epoch that `state` does not hold up to `experiment.epochs`.

    Args:
        model: Compiled; its variables are set from `state` when that holds any.
        state: Where to begin; brought up to date after each epoch, in place.
        stop: Truth-tested after each batch; the epoch it cuts short leaves no trace in `state`.
        on_epoch: Called with `state` after each epoch: the place to save it.
        on_batch: Called with the number of batches done in this epoch.

    Raises:
        Diverged: When the loss or a weight is not finite; `state` then holds the last finite epoch.
    """
    if state.weights:
        set_variables(model, state.weights)
        for variable, value in zip(model.optimizer.variables, state.optimizer, strict=True):
            variable.assign(value)
    for epoch in range(len(state.history), experiment.epochs):
        begin = time.perf_counter()
        watch = Watch(stop, on_batch)
        train_loss, train_accuracy = train_epoch(model, experiment, train, epoch, watch)
        if stop:
            return
        values = get_variables(model)
        if watch.diverged_at or not all(np.isfinite(value).all() for value in values):
            batch = f", batch {watch.diverged_at}" if watch.diverged_at else ""
            raise Diverged(f"the loss or a weight stopped being a finite number in epoch {epoch + 1}{batch}")
        test_loss, test_accuracy = evaluate(model, test)
        state.history.append(
            {
                "epoch": epoch + 1,
                "lr": learning_rate(experiment.schedule, experiment.lr, epoch),
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "test_loss": test_loss,
                "test_accuracy": test_accuracy,
                "seconds": round(time.perf_counter() - begin, 3),
            }
        )
        state.weights = values
        state.optimizer = [keras.ops.convert_to_numpy(variable).copy() for variable in model.optimizer.variables]
        if best_row(state.history) is state.history[-1]:
            state.best_weights = values
        on_epoch(state)


def train_epoch(
    model: keras.Model, experiment: CnnExperiment, train: Split, epoch: int, watch: Watch | None = None
) -> tuple[float, float]:
    """Every step of one epoch, counted from 0; loss and accuracy are averaged over it, while the weights change.

    On a CPU the batches are handed over one by one: under `fit`, TensorFlow's input threads often leave a whole epoch
    with one core of two. An accelerator keeps `fit`, which need not wait for the loss of each batch.
    """
    watch = watch or Watch()
    seed_epoch(model, experiment.seed, epoch)
    model.optimizer.learning_rate = learning_rate(experiment.schedule, experiment.lr, epoch)
    batches = Batches(train, experiment.batch_size, epoch_order(experiment.seed, epoch, len(train)))
    if accelerated():
        return _fit_epoch(model, batches, watch)
    measured = []
    for i in range(len(batches)):
        measured.append(_measured(batches[i], model.train_on_batch))
        if watch.ends(i + 1, measured[-1][1]):
            break
    return _average(measured)


def _measured(batch: tuple[np.ndarray, np.ndarray], work: Callable) -> tuple[int, float, float]:
    """Hand a batch to the model: how many examples it had, their mean loss and accuracy."""
    logs = work(*batch, return_dict=True)
    return len(batch[1]), float(logs["loss"]), float(logs["accuracy"])


def _average(measured: list[tuple[int, float, float]]) -> tuple[float, float]:
    """Loss and accuracy over batches of different sizes."""
    count, loss, accuracy = np.array(measured).T
    return float(count @ loss / count.sum()), float(count @ accuracy / count.sum())


def _fit_epoch(model: keras.Model, batches: Batches, watch: Watch) -> tuple[float, float]:
    def on_train_batch_end(batch, logs):
        model.stop_training = watch.ends(batch + 1, logs["loss"])

    callback = keras.callbacks.LambdaCallback(on_train_batch_end=on_train_batch_end)
    # Keras would shuffle the batches once more, from a random state of its own.
    result = model.fit(batches, shuffle=False, verbose=0, callbacks=[callback])
    return result.history["loss"][0], result.history["accuracy"][0]


def get_variables(model: keras.Model) -> list[np.ndarray]:
    """The model's weights, trained or not, as copies. Random streams are left out: they follow from (seed, epoch)."""
    return [keras.ops.convert_to_numpy(weight).copy() for weight in model.weights]


def set_variables(model: keras.Model, values: list[np.ndarray]) -> None:
    """What `get_variables` gave, put back."""
    for weight, value in zip(model.weights, values, strict=True):
        weight.assign(value)


def evaluate(model: keras.Model, split: Split) -> tuple[float, float]:
    """Loss and accuracy over a split."""
    batches = Batches(split, EVALUATION_BATCH)
    return _average([_measured(batches[i], model.test_on_batch) for i in range(len(batches))])


def predict(model: keras.Model, split: Split) -> np.ndarray:
    """Class probabilities (N, n_y), float64."""
    batches = Batches(split, EVALUATION_BATCH)
    logits = np.concatenate([model.predict_on_batch(batches[i][0]) for i in range(len(batches))]).astype(np.float64)
    e = np.exp(logits - logits.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def augmented(model: keras.Model, images: np.ndarray, times: int) -> np.ndarray | None:
    """Training versions of some images, (N, times, H, W, C) with pixels 0..255, or None without augmentation."""
    layers = [layer for layer in model.layers if layer.name.startswith("random_")]
    if not layers:
        return None
    versions = []
    for _ in range(times):
        x = images
        for layer in layers:
            x = layer(x, training=True)
        versions.append(np.asarray(x, np.float32))
    return np.stack(versions, axis=1)

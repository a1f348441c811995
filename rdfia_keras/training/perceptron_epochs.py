"""The epochs of the perceptron's training: many in one compiled call, since a call costs more than their steps."""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from rdfia_keras.config import MlpConfig
from rdfia_keras.data import Dataset, one_hot
from rdfia_keras.data.dataset import epoch_order
from rdfia_keras.data.initial_weights import init
from rdfia_keras.models import perceptron
from rdfia_keras.runs.history import EpochRow
from rdfia_keras.training.callbacks import Diverged

# Chance gives log n_y, a few nats; a thousand times that comes from steps that only overshoot.
DIVERGED_LOSS = 1000.0
# Numbers that are kept of the weights of all epochs together: a megabyte.
MAX_KEPT = 125_000

Weights = dict[str, np.ndarray]


@dataclass
class State:
    """One implementation's training so far: what a checkpoint keeps.

    Attributes:
        weights: The weights after the last finished epoch, by name.
        history: A row for each finished epoch.
        by_epoch: Weights after some epochs, from 0 (before training) on; empty if they are not kept.
    """

    weights: Weights
    history: list[EpochRow] = field(default_factory=list)
    by_epoch: dict[int, Weights] = field(default_factory=dict)

    def keep(self, epochs: int) -> None:
        """Add the present weights to `by_epoch`; of very many epochs keep every second, fourth, ... and the last one.

        Each step is a multiple of the one before, so that a run that is made longer keeps what one call would have.
        """
        size, step, last = sum(weight.size for weight in self.weights.values()), 1, len(self.history)
        while epochs * size > step * MAX_KEPT:
            step *= 2
        self.by_epoch[last] = self.weights
        epochs_kept = [epoch for epoch in self.by_epoch if epoch % step == 0 or epoch == last]
        self.by_epoch = {epoch: self.by_epoch[epoch] for epoch in epochs_kept}


class Trainer:
    """One implementation with its compiled function and its data.

    Args:
        implementation: One of `config.IMPLEMENTATIONS`.
        config: Batch size, learning rate and seed.
        data: Vectors.
        weights: The initial weights, by name.
    """

    # Epochs in one compiled call, and the most examples for which that is worth while.
    CHUNK = 10
    CHUNKED_EXAMPLES = 5000

    def __init__(self, implementation: str, config: MlpConfig, data: Dataset, weights: Weights):
        self.implementation = implementation
        self.config = config
        self.network = perceptron.IMPLEMENTATIONS[implementation](weights, config.lr)
        x, y, bounds = _joined(data)
        self.data = perceptron.tensors(x, y)
        self.examples = len(data.train)
        self.chunk = self.CHUNK if self.examples <= self.CHUNKED_EXAMPLES else 1
        self.compiled = perceptron.compile_epochs(self.network, min(config.batch_size, self.examples), bounds)

    def restart(self, config: MlpConfig, weights: Weights) -> None:
        """Begin again from other weights, in another order and with another learning rate, without compiling anew."""
        self.config = config
        self.network.restart(weights, config.lr)

    def epochs(self, first: int, count: int) -> list[EpochRow]:
        """Train from epoch `first`, counted from 0, for `count` epochs (at most `chunk`), and return their rows.

        Training loss and accuracy are measured over the whole training set after the epoch, as the test ones are.
        """
        begin = time.perf_counter()
        orders = np.zeros((self.chunk, self.examples), np.int32)
        for i in range(count):
            orders[i] = epoch_order(self.config.seed, first + i, self.examples)
        measured = self.compiled(*self.data, *perceptron.tensors(orders, np.array(count, np.int32))).numpy()[:count]
        seconds = round((time.perf_counter() - begin) / count, 6)
        return [
            _row(self.implementation, first + i + 1, self.config.lr, scores, seconds)
            for i, scores in enumerate(measured.tolist())
        ]


class CompiledEpochs:
    """The trainer of the last training, used again where its compiled function fits: for the seeds of a sweep."""

    def __init__(self) -> None:
        self._key: tuple[object, ...] | None = None
        self._trainer: Trainer | None = None

    def trainer(self, implementation: str, config: MlpConfig, data: Dataset, weights: Weights) -> Trainer:
        """Return a trainer that begins from some weights."""
        validation = data.validation and data.validation.digest
        drawn = data.train.digest if config.train_examples else None
        key = (implementation, config.hidden_units, config.batch_size, data.digest, drawn, validation)
        if self._trainer is not None and key == self._key:
            self._trainer.restart(config, weights)
        else:
            self._key, self._trainer = key, Trainer(implementation, config, data, weights)
        return self._trainer


def fit(
    implementation: str, config: MlpConfig, data: Dataset, state: State, stop: object, compiled: CompiledEpochs
) -> Iterator[EpochRow]:
    """Train one implementation from where `state` stands, and bring it up to date as epochs are finished.

    Args:
        implementation: One of `config.IMPLEMENTATIONS`.
        config: A config with every default filled in.
        data: Vectors.
        state: If its `by_epoch` holds weights, those after each epoch are added.
        stop: Ends the training, once it is true, after a compiled call.
        compiled: The compiled epochs of the last training, used again where they fit.

    Yields:
        The row of each finished epoch.

    Raises:
        Diverged: If the loss is not a number, or so large that the steps can only overshoot; the state stays before it.
    """
    epochs = config.epochs or 0
    trainer = compiled.trainer(implementation, config, data, state.weights)
    limit = 1 if state.by_epoch else trainer.chunk
    while len(state.history) < epochs and not stop:
        done = len(state.history)
        rows = trainer.epochs(done, min(limit, epochs - done))
        bad_row = next((row for row in rows if not row["train_loss"] < DIVERGED_LOSS), None)
        if bad_row and len(rows) > 1:
            # Once more from before, epoch by epoch, to keep the weights of the last good one.
            trainer.restart(config, state.weights)
            limit = 1
            continue
        if bad_row:
            loss, epoch = bad_row["train_loss"], bad_row["epoch"]
            raise Diverged(f"{implementation}: the training loss is {loss:.3g} after epoch {epoch}")
        state.weights = trainer.network.weights()
        state.history += rows
        if state.by_epoch:
            state.keep(epochs)
        yield from rows


def fit_lbfgs(config: MlpConfig, data: Dataset) -> State:
    """Run an iteration of L-BFGS for each epoch (question 28); both see the whole training set in it.

    It is done in one go, from the initial weights: what the method remembers of earlier steps is in no checkpoint.
    """
    begin = time.perf_counter()
    epochs = config.epochs or 0
    weights, measured = perceptron.lbfgs(init(config, data), *_joined(data), epochs)
    seconds = round((time.perf_counter() - begin) / epochs, 6)
    return State(
        weights, [_row("manual", i + 1, config.lr, scores, seconds) for i, scores in enumerate(measured.tolist())]
    )


def _joined(data: Dataset) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Join examples and one-hot targets of training, test and, if there is one, validation; with where each begins."""
    splits = [split for split in (data.train, data.test, data.validation) if split]
    x, y = np.concatenate([split.x for split in splits]), np.concatenate([split.y for split in splits])
    return x, one_hot(y, len(data.classes)), np.cumsum([len(split) for split in splits[:-1]]).tolist()


def _row(implementation: str, epoch: int, lr: float, scores: list[float], seconds: float) -> EpochRow:
    """Return the row of an epoch; `scores` are loss and accuracy of training, test and, if there is one, validation."""
    parts = ("train", "test", "validation")
    names = [f"{part}_{measure}" for part in parts for measure in ("loss", "accuracy")]
    row: Any = {"implementation": implementation, "epoch": epoch, "lr": lr, "seconds": seconds}
    row |= zip(names, scores, strict=False)
    return row

"""How the perceptron is trained: many epochs in one compiled call, since a call costs more than their steps."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from rdfia_keras.config import MlpConfig
from rdfia_keras.data import Dataset, one_hot
from rdfia_keras.data.initial_weights import init
from rdfia_keras.models import perceptron
from rdfia_keras.runs.records import EpochRow
from rdfia_keras.training.callbacks import Diverged
from rdfia_keras.training.order import epoch_order

# Chance gives log n_y, a few nats; a thousand times that comes of steps that only overshoot.
DIVERGED_LOSS = 1000.0


@dataclass
class State:
    """One implementation's training so far: what a checkpoint keeps.

    Attributes:
        weights: After the last finished epoch, by name.
        history: A row for each finished epoch.
    """

    weights: dict[str, np.ndarray]
    history: list[EpochRow] = field(default_factory=list)


class Trainer:
    """One implementation with its compiled function and its data.

    Args:
        implementation: A name of `config.IMPLEMENTATIONS`.
        weights: Where it begins, as `init` gives them.
    """

    # Epochs in one compiled call, and the most examples for which that is worth while.
    CHUNK = 10
    CHUNKED_EXAMPLES = 5000

    def __init__(self, implementation: str, config: MlpConfig, data: Dataset, weights: dict[str, np.ndarray]):
        self.implementation = implementation
        self.config = config
        self.network = perceptron.IMPLEMENTATIONS[implementation](weights, config.lr)
        x, y, bounds = _joined(data)
        self.data = perceptron.tensors(x, y)
        self.examples = len(data.train)
        self.chunk = self.CHUNK if self.examples <= self.CHUNKED_EXAMPLES else 1
        self.compiled = perceptron.compile_epochs(self.network, min(config.batch_size, self.examples), bounds)

    def restart(self, config: MlpConfig, weights: dict[str, np.ndarray]) -> None:
        """Begin again from other weights, in another order and with another learning rate, without compiling anew."""
        self.config = config
        self.network.restart(weights, config.lr)

    def epochs(self, first: int, count: int) -> list[EpochRow]:
        """Train from epoch `first`, counted from 0, for `count` epochs, at most `chunk`: their rows of the history.

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


def _joined(data: Dataset) -> tuple[np.ndarray, np.ndarray, list[int]]:
    """Examples and one-hot targets of training, test and, if there is one, validation; and where each next begins."""
    splits = [split for split in (data.train, data.test, data.validation) if split]
    x, y = np.concatenate([split.x for split in splits]), np.concatenate([split.y for split in splits])
    return x, one_hot(y, len(data.classes)), np.cumsum([len(split) for split in splits[:-1]]).tolist()


def _row(implementation: str, epoch: int, lr: float, scores: list[float], seconds: float) -> EpochRow:
    train_loss, train_accuracy, test_loss, test_accuracy, *validation = scores
    row: EpochRow = {
        "implementation": implementation,
        "epoch": epoch,
        "lr": lr,
        "train_loss": train_loss,
        "train_accuracy": train_accuracy,
        "test_loss": test_loss,
        "test_accuracy": test_accuracy,
        "seconds": seconds,
    }
    if validation:
        row["validation_loss"], row["validation_accuracy"] = validation
    return row


# The latest one only: it holds a copy of its data.
_LATEST: dict[tuple[object, ...], Trainer] = {}


def trainer_from(implementation: str, config: MlpConfig, data: Dataset, weights: dict[str, np.ndarray]) -> Trainer:
    """A trainer that begins from some weights; the latest one if its compiled function fits."""
    held_out = data.validation and data.validation.digest
    drawn = data.train.digest if config.train_examples else None
    key = (implementation, config.hidden_units, config.batch_size, data.digest, drawn, held_out)
    if key in _LATEST:
        _LATEST[key].restart(config, weights)
    else:
        _LATEST.clear()
        _LATEST[key] = Trainer(implementation, config, data, weights)
    return _LATEST[key]


def train(
    implementation: str,
    config: MlpConfig,
    data: Dataset,
    state: State,
    stop: object,
    on_epoch: Callable[[EpochRow], None],
) -> None:
    """Train one implementation from where `state` stands, which is brought up to date as epochs are finished.

    Args:
        config: With every default filled in.
        stop: Truth-tested between compiled calls.
        on_epoch: Called with each finished epoch.

    Raises:
        Diverged: When the loss is no number, or so large that the steps can only overshoot; the state stays before it.
    """
    epochs = config.epochs or 0
    trainer = trainer_from(implementation, config, data, state.weights)
    limit = trainer.chunk
    while len(state.history) < epochs and not stop:
        done = len(state.history)
        rows = trainer.epochs(done, min(limit, epochs - done))
        wrong = next((row for row in rows if not row["train_loss"] < DIVERGED_LOSS), None)
        if wrong and len(rows) > 1:
            # Once more from before, epoch by epoch, to keep the weights of the last good one.
            trainer.restart(config, state.weights)
            limit = 1
            continue
        if wrong:
            loss, epoch = wrong["train_loss"], wrong["epoch"]
            raise Diverged(f"{implementation}: the training loss is {loss:.3g} after epoch {epoch}")
        state.weights = trainer.network.weights()
        state.history += rows
        for row in rows:
            on_epoch(row)


# Numbers that are kept of all epochs together: a megabyte.
MAX_KEPT = 125_000


def weights_by_epoch(
    implementation: str, config: MlpConfig, data: Dataset, stop: object
) -> tuple[list[int], dict[str, np.ndarray]]:
    """Train once more, epoch by epoch, which gives the same bits, and keep the weights on the way.

    Args:
        stop: Truth-tested between epochs, after which the rest is left out.

    Returns:
        Epochs, 0 for the initial weights: all of them, or every second, third, ... of very many. By parameter, the
        weights after each of them.
    """
    weights, epochs = init(config, data), config.epochs or 0
    trainer = trainer_from(implementation, config, data, weights)
    step = -(-epochs * sum(one.size for one in weights.values()) // MAX_KEPT)
    kept, found = [0], {name: [one] for name, one in weights.items()}
    for epoch in range(epochs):
        if stop:
            break
        trainer.epochs(epoch, 1)
        if (epoch + 1) % step == 0 or epoch + 1 == epochs:
            kept.append(epoch + 1)
            for name, one in trainer.network.weights().items():
                found[name].append(one)
    return kept, {name: np.stack(some) for name, some in found.items()}


def train_lbfgs(config: MlpConfig, data: Dataset) -> State:
    """Question 28: an iteration of L-BFGS for each epoch; both see the whole training set in it.

    It is done in one go, from the initial weights: what the method remembers of earlier steps is in no checkpoint.
    """
    begin = time.perf_counter()
    epochs = config.epochs or 0
    weights, measured = perceptron.lbfgs(init(config, data), *_joined(data), epochs)
    seconds = round((time.perf_counter() - begin) / epochs, 6)
    return State(
        weights, [_row("manual", i + 1, config.lr, scores, seconds) for i, scores in enumerate(measured.tolist())]
    )

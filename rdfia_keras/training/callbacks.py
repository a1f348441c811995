"""Keras callbacks, one behaviour each; every one works in anybody's `model.fit`.

Compile the model with `metrics=["accuracy"]` for `EpochHistory` and `Validation`: they record the accuracy.
What ends a training raises: after `stop_training` Keras would still evaluate and report the cut epoch as a whole one.
Where several are used, their order is the order in which they act at the end of an epoch: `fit.fit` shows it.
"""

import math
import time
from pathlib import Path
from typing import Any

import keras
import numpy as np

from rdfia_keras.data.dataset import epoch_order
from rdfia_keras.errors import RdfiaError
from rdfia_keras.runs.checkpoint import Arrays, load_last, of_this_run, save_next
from rdfia_keras.runs.files import write_atomic
from rdfia_keras.runs.history import EpochRow, check_rows, chosen_row, history_bytes
from rdfia_keras.system.terminal import Progress

Logs = dict[str, Any] | None
CHECKPOINT_SCHEMA = 1


class StopTraining(Exception):
    """Ends `fit` at once; the epoch that it cuts short leaves no trace."""


class Diverged(Exception):
    """The loss or a weight is no longer a finite number."""


class EpochSeeds(keras.callbacks.Callback):
    """Make everything random in an epoch a function of (seed, epoch).

    Sets the states of the model's random streams (dropout, augmentation) at the start of each epoch, and gives the
    order of the examples. A training that resumes at an epoch then continues as if it had never stopped.

    Args:
        seed: The training's seed.
        epoch: The first epoch, counted from 0.

    Example:
        >>> from rdfia_keras.training.batches import batches
        >>> seeds = EpochSeeds(seed=0)
        >>> model.fit(batches(split, 128, seeds.order), shuffle=False, callbacks=[seeds])
    """

    def __init__(self, seed: int, epoch: int = 0):
        super().__init__()
        self.seed = seed
        self.epoch = epoch

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Set the random streams of the epoch, and its number where a layer goes by it."""
        self.epoch = epoch
        set_random_streams(self.model, self.seed, epoch)

    def order(self, count: int) -> np.ndarray:
        """Return a permutation of 0..count-1 for the epoch, which `fit(shuffle=True)` would repeat after seeding."""
        return epoch_order(self.seed, self.epoch, count)


def set_random_streams(model: keras.Model, seed: int, epoch: int) -> None:
    """Set every random stream of a model from (seed, epoch), and every variable that holds the epoch."""
    for variable in model.variables:
        if variable.name == "epoch":
            variable.assign(epoch)
    streams = [variable for variable in model.variables if variable.name == "seed_generator_state"]
    for number, variable in enumerate(streams):
        state = np.random.SeedSequence([seed, epoch, number]).generate_state(2)
        variable.assign(state.astype(variable.dtype))


class StopOnRequest(keras.callbacks.Callback):
    """End the training after the batch, or the call of several, in which a stop was asked for.

    Args:
        stop: An object that becomes true, such as `StopRequest`, which notes Ctrl-C.

    Raises:
        StopTraining: If a stop was asked for; `fit` raises it.

    Example:
        >>> from rdfia_keras.system.signals import StopRequest
        >>> with StopRequest() as stop, contextlib.suppress(StopTraining):
        ...     model.fit(x, y, epochs=10, callbacks=[StopOnRequest(stop)])
    """

    def __init__(self, stop: object):
        super().__init__()
        self.stop = stop

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Raise `StopTraining` if a stop was asked for."""
        if self.stop:
            raise StopTraining


class StopOnDivergence(keras.callbacks.Callback):
    """End the training when the loss or a weight stops being a finite number.

    Each look at the loss waits for a GPU: compile the model with `steps_per_execution` there.

    Raises:
        Diverged: If one is not; `fit` raises it before the callbacks after this one save anything of the epoch.

    Example:
        >>> model.fit(x, y, callbacks=[StopOnDivergence()])
    """

    def __init__(self) -> None:
        super().__init__()
        self._epoch = 0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Note the epoch, for the message."""
        self._epoch = epoch

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Raise `Diverged` if the loss is not finite."""
        # The loss in the logs is the epoch's running mean: once it is not finite it stays so.
        if logs and not math.isfinite(float(logs["loss"])):
            # The last call of an epoch may hold fewer batches than Keras counts.
            last = min(batch + 1, self.params.get("steps") or batch + 1)
            raise Diverged(f"the loss stopped being a finite number in epoch {self._epoch + 1}, batch {last}")

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Raise `Diverged` if the loss or a weight is not finite."""
        finite = math.isfinite(float((logs or {}).get("loss", 0.0)))
        if not finite or not all(np.isfinite(value).all() for value in variables_by_path(self.model.weights).values()):
            raise Diverged(f"the loss or a weight stopped being a finite number in epoch {epoch + 1}")


class Validation(keras.callbacks.Callback):
    """Measure loss and accuracy on a third part of the data after each epoch: `validation_` in the logs.

    `fit` has a place for one such part only, where this package puts the test set. Put it before an `EpochHistory`.

    Args:
        data: Batches of (x, y), as `model.evaluate` reads them.

    Example:
        >>> from rdfia_keras.training.batches import batches
        >>> history = EpochHistory()
        >>> callbacks = [Validation(batches(split, 500)), history]
        >>> model.fit(x, y, validation_data=(x_test, y_test), callbacks=callbacks)
        >>> history.rows[-1]["validation_accuracy"]
    """

    def __init__(self, data: Any):
        super().__init__()
        self.data = data

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add the loss and the metrics of the validation data to the logs."""
        measured = self.model.evaluate(self.data, verbose=0, return_dict=True)
        if logs is not None:
            logs |= {f"validation_{name}": value for name, value in measured.items()}


class EpochHistory(keras.callbacks.Callback):
    """Collect a row for each epoch, as `history.csv` has it.

    Training loss and accuracy are averages over the epoch, while the weights change; `test_` columns are what `fit`
    calls `val_`, and `validation_` columns are there with a `Validation`. Put it after a `LearningRateSchedule`, whose
    exact rate it takes from the logs. Compile the model with `metrics=["accuracy"]`: without it accuracies are NaN.

    Attributes:
        rows: The finished epochs.

    Example:
        >>> history = EpochHistory()
        >>> model.fit(x, y, validation_data=(x_test, y_test), callbacks=[history])
        >>> history.rows[-1]["test_accuracy"]
    """

    def __init__(self) -> None:
        super().__init__()
        self.rows: list[EpochRow] = []
        self._begin = 0.0

    def on_epoch_begin(self, epoch: int, logs: Logs = None) -> None:
        """Start the clock."""
        self._begin = time.perf_counter()

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Add the row of the epoch."""
        logs = logs or {}
        rate = logs.get("learning_rate", self.model.optimizer.learning_rate)
        row: EpochRow = {
            "epoch": epoch + 1,
            "lr": float(rate),
            "train_loss": float(logs["loss"]),
            "train_accuracy": float(logs.get("accuracy", math.nan)),
            "test_loss": float(logs.get("val_loss", math.nan)),
            "test_accuracy": float(logs.get("val_accuracy", math.nan)),
            "seconds": round(time.perf_counter() - self._begin, 3),
        }
        if "validation_loss" in logs:
            row["validation_loss"] = float(logs["validation_loss"])
            row["validation_accuracy"] = float(logs.get("validation_accuracy", math.nan))
        self.rows.append(row)


class HistoryFile(keras.callbacks.Callback):
    """Write the rows of an `EpochHistory` to a CSV file after each epoch; the file is whole at any time.

    Example:
        >>> history = EpochHistory()
        >>> model.fit(x, y, callbacks=[history, HistoryFile(Path("history.csv"), history)])
    """

    def __init__(self, path: Path, history: EpochHistory):
        super().__init__()
        self.path = path
        self.history = history

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the file anew."""
        write_atomic(self.path, history_bytes(self.history.rows))


class Checkpoint(keras.callbacks.Callback):
    """Keep all that a training needs to resume, after each epoch, in one file that is either whole or not used.

    That is the model's weights and the optimizer's variables, by path, the weights after the best epoch so far, the
    history, and where it was trained. Random streams are left out: `EpochSeeds` sets them. Keras numbers what has no
    name of its own, so name layers and optimizer where a process makes several models.

    Args:
        folder: `checkpoints/` is made in it.
        history: The epochs so far; put it before this callback.
        facts: Back end, device, precision and XLA: a resume elsewhere would not end with equal bits.

    Attributes:
        weights: The weights after the last finished epoch, by path; empty before the first.
        best_weights: The weights after the best epoch: of the validation, or without a `Validation` of the test set.

    Example:
        >>> history = EpochHistory()
        >>> checkpoint = Checkpoint(Path("run"), history)
        >>> done = checkpoint.restore(model)
        >>> model.fit(x, y, initial_epoch=done, epochs=10, callbacks=[history, checkpoint])
    """

    def __init__(self, folder: Path, history: EpochHistory, facts: dict[str, Any] | None = None):
        super().__init__()
        self.folder = folder
        self.history = history
        self.facts = facts or {}
        self.weights: Arrays = {}
        self.best_weights: Arrays = {}

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Write the checkpoint of the epoch."""
        rows = self.history.rows
        self.weights = variables_by_path(self.model.weights)
        if chosen_row(rows) is rows[-1]:
            self.best_weights = self.weights
        groups = {
            "model": self.weights,
            "optimizer": variables_by_path(self.model.optimizer.variables),
            "best": self.best_weights,
        }
        arrays = {f"{group}/{path}": value for group, values in groups.items() for path, value in values.items()}
        meta = {"schema": CHECKPOINT_SCHEMA, "history": rows, "facts": self.facts}
        save_next(self.folder, arrays, meta)

    def restore(self, model: keras.Model) -> int:
        """Bring a compiled model to the last checkpoint, if there is one.

        Returns:
            The number of finished epochs.

        Raises:
            RdfiaError: If the checkpoint is damaged, of another training, or was made elsewhere.
        """
        arrays, meta = load_last(self.folder)
        if not arrays:
            return 0
        if meta.get("schema") != CHECKPOINT_SCHEMA:
            raise RdfiaError(f"{self.folder}: its checkpoint is of another version of this package; start a new run")
        with of_this_run(self.folder):
            for fact, value in self.facts.items():
                if meta["facts"].get(fact) != value:
                    raise RdfiaError(
                        f"cannot resume {self.folder}: {fact} was {meta['facts'].get(fact)} and is {value} now, so it "
                        "would not end with the same bits; resume it where it was started, or start a new run"
                    )
            rows = check_rows(meta["history"])
            groups: dict[str, Arrays] = {"model": {}, "optimizer": {}, "best": {}}
            for name, array in arrays.items():
                group, path = name.split("/", 1)
                groups[group][path] = array
            # `fit` would make the optimizer's variables with its first batch only.
            if not model.optimizer.built:
                model.optimizer.build(model.trainable_variables)
            set_variables(model.weights, groups["best"])  # They are read at the end of the training.
            set_variables(model.weights, groups["model"])
            set_variables(model.optimizer.variables, groups["optimizer"])
        self.weights, self.best_weights, self.history.rows = groups["model"], groups["best"], rows
        return len(self.history.rows)


def variables_by_path(variables: list[keras.Variable]) -> Arrays:
    """Return copies of the values of variables, by path."""
    return {variable.path: np.array(keras.ops.convert_to_numpy(variable)) for variable in variables}


def set_variables(variables: list[keras.Variable], values: Arrays) -> None:
    """Put back what `variables_by_path` gave.

    Raises:
        KeyError, ValueError: If paths or shapes differ.
    """
    if len(variables) != len(values):
        raise ValueError(f"{len(variables)} variables, but {len(values)} values")
    for variable in variables:
        variable.assign(values[variable.path])


class ProgressReport(keras.callbacks.Callback):
    """Show the training on the terminal.

    Args:
        progress: The bar, which is a context manager.
        history: The rows to show; put it before this callback.

    Example:
        >>> history = EpochHistory()
        >>> with Progress("convnet", epochs=5, batches=100) as progress:
        ...     model.fit(x, y, epochs=5, verbose=0, callbacks=[history, ProgressReport(progress, history)])
    """

    def __init__(self, progress: Progress, history: EpochHistory):
        super().__init__()
        self.progress = progress
        self.history = history

    def on_train_batch_end(self, batch: int, logs: Logs = None) -> None:
        """Show the batches of the epoch."""
        self.progress.batch(min(batch + 1, self.progress.batches))

    def on_epoch_end(self, epoch: int, logs: Logs = None) -> None:
        """Show the row of the epoch."""
        self.progress.epoch(self.history.rows[-1])

"""Train the first epochs of a run again and compare them with its record."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rdfia_keras.config import RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import match_registered
from rdfia_keras.runs.environment import bit_facts, environment
from rdfia_keras.runs.history import EpochRow, scores
from rdfia_keras.runs.run import Run
from rdfia_keras.system.backend import backend_name
from rdfia_keras.training.get_or_train import Resources, check_data

# Another processor or number of threads rounds the sums in another order. That moves the training loss of a first
# epoch by less than this fraction; a layer that computes something else moves it by more.
CLOSE = 0.02


@dataclass(frozen=True)
class Verification:
    """The first epochs of a run beside the same epochs trained today.

    Attributes:
        run: The run.
        recorded: The epochs of its history.
        repeated: The same epochs, trained now.
        changes: What differs between the two machines and may change the last bits, in words.
        exit_code: That of the training; 130 or 143 if a signal stopped it.
    """

    run: Run
    recorded: Sequence[EpochRow]
    repeated: Sequence[EpochRow]
    changes: Sequence[str]
    exit_code: int

    @property
    def loss_change(self) -> float:
        """The largest relative change of the training loss of an epoch."""
        pairs = zip(self.recorded, self.repeated, strict=True)
        return max(abs(new["train_loss"] - old["train_loss"]) / max(old["train_loss"], 1e-9) for old, new in pairs)

    @property
    def verdict(self) -> str:
        """`equal`: all digits of the scores; `close`: the training loss within `CLOSE`; `different`; `interrupted`."""
        if len(self.repeated) < len(self.recorded):
            return "interrupted" if self.exit_code > 128 else "different"
        if [scores(row) for row in self.recorded] == [scores(row) for row in self.repeated]:
            return "equal"
        return "close" if self.loss_change <= CLOSE else "different"


def verify(run: Run, epochs: int, options: RunOptions, resources: Resources) -> Verification:
    """Train the first epochs of a run again, no more than it has, in a temporary folder.

    Raises:
        RdfiaError: If the run has no history, its data are others now, or no epoch can be trained.
    """
    if not run.config.epochs:
        raise RdfiaError(f"{run.name} is not trained in epochs: rdfia {run.section} fits it again in a moment")
    recorded = _first(run, epochs)
    length = max((row["epoch"] for row in recorded), default=0)
    if not length:
        raise RdfiaError(f"{run.name} has no finished epoch to compare with")
    check_data(run, resources.data(run.config), run.quick)
    experiment = match_registered(run.config if run.config.epochs_shape_it else replace(run.config, epochs=length))
    with tempfile.TemporaryDirectory() as folder:
        again = resources.train(
            experiment, replace(options, out=Path(folder), quick=run.quick, until=length), draw=False
        )
        repeated = _first(again, length)
        if not repeated and again.status != "interrupted":
            raise RdfiaError(f"{run.name}: no epoch can be trained here: {again.result.reason}")
    before = run.record.environment if run.record else run.started
    return Verification(run, recorded, repeated, _changes(before), again.exit_code or 0)


def _first(run: Run, epochs: int) -> list[EpochRow]:
    return [row for row in run.history() if row["epoch"] <= epochs]


def _changes(recorded: Mapping[str, Any]) -> list[str]:
    """Return versions, processor and threads that are others today than those recorded, in words."""
    backend = backend_name()
    before, now = bit_facts(recorded, backend), bit_facts(environment(), backend)
    changed = {name: value for name, value in before.items() if value not in (None, now[name])}
    return [f"{name} {now[name]} instead of {value}" for name, value in changed.items()]

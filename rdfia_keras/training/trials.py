"""The trials of a sweep: which there are, and their training one after the other."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from rdfia_keras.config import RunOptions
from rdfia_keras.experiments import Experiment, Sweep
from rdfia_keras.runs.locks import lock_wanted
from rdfia_keras.runs.run import Run, RunLocked
from rdfia_keras.runs.store import FINISHED, Query, RunStore
from rdfia_keras.system.signals import StopRequest
from rdfia_keras.training.get_or_train import Resources, get_or_train
from rdfia_keras.training.job import report_cut_epochs, run_name

# Of the results folder: what sweeps write.
SWEEPS_FOLDER = "sweeps"


@dataclass(frozen=True)
class Trial:
    """One training of a sweep: the number of its configuration, its experiment with the seed, and its run."""

    configuration: int
    experiment: Experiment
    query: Query

    @property
    def name(self) -> str:
        """Name of its run's folder."""
        return run_name(self.experiment)


@dataclass(frozen=True)
class TrialResult:
    """The end of a trial: its run, None if it was cut short, and an exit code above 1 if the user wants no more."""

    trial: Trial
    run: Run | None
    exit_code: int = 0


# Trains trials and yields each as it ends.
Train = Callable[[Sequence[Trial], Resources], Iterator[TrialResult]]


def plan(sweep: Sweep, quick: bool) -> list[Trial]:
    """Return the trials, configuration by configuration, so that one compiled function serves all seeds."""
    most = max(sweep.grid.get("epochs", ()), default=None)
    report_cut_epochs(most, quick, *(base.section for base in sweep.bases))
    trials = []
    for number, experiment in enumerate(sweep.configurations()):
        for seed in range(sweep.seeds):
            seeded = replace(experiment, config=replace(experiment.config, seed=seed))
            trials.append(Trial(number, seeded, Query(config=seeded.config, quick=quick, also_equal=sweep.also_equal)))
    return trials


def train_in_turn(trials: Iterable[Trial], resources: Resources) -> Iterator[TrialResult]:
    """Train trials in this process, first those that no other process is training."""
    with StopRequest() as stop:
        postponed: list[Trial] = []
        for wait, turn in ((False, trials), (True, postponed)):
            for trial in turn:
                if stop:
                    yield TrialResult(trial, None, stop.exit_code(0))
                    return
                try:
                    with lock_trial(trial, resources.options, wait):
                        result = train_trial(trial, resources, wait)
                except RunLocked:
                    postponed.append(trial)
                    continue
                yield result
                if result.exit_code > 1:
                    return


def lock_trial(trial: Trial, options: RunOptions, wait: bool) -> AbstractContextManager[Any]:
    """Lock a trial against other sweeps until the end of the `with` block; with `wait`, once they have ended it.

    The process that trains it locks its run besides. On a cluster that is another process, which may outlive this one
    for a moment, and which may not see this results folder.

    Raises:
        RunLocked: If another sweep has locked it, without `wait`.
    """
    return lock_wanted(options.out / SWEEPS_FOLDER, trial.query, wait)


def train_trial(trial: Trial, resources: Resources, wait: bool = True) -> TrialResult:
    """Find, resume or train one trial.

    Raises:
        RunLocked: If another process trains it, without `wait`.
    """
    store = store_of(trial, resources.options)
    run = get_or_train(trial.experiment, trial.query, resources, store=store, wait=wait, draw=False)
    return TrialResult(trial, run if run.status in FINISHED else None, run.exit_code or 0)


def store_of(trial: Trial, options: RunOptions) -> RunStore:
    """Return the store of only its own folders: reading all before each trial would take longer than the trial."""
    return RunStore(options.out, names=f"{trial.name}*")

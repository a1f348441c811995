"""Section sweep: experiments x settings x seeds, each an ordinary run, then one table and two pictures of all."""

import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from typing import Any

from rdfia_keras.config import RunOptions
from rdfia_keras.experiments import Experiment, Sweep
from rdfia_keras.report import sweeps as report
from rdfia_keras.report.result import Result
from rdfia_keras.report.tables import percent
from rdfia_keras.runs.claims import RunLocked, claimed
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.records import StoredRun, test_accuracy
from rdfia_keras.runs.store import Query, RunStore, Snapshot
from rdfia_keras.sections.common import run_name
from rdfia_keras.sections.get_or_train import Load, get_or_train, loader
from rdfia_keras.system.signals import StopRequest
from rdfia_keras.system.terminal import duration_in_words, note

FOLDER = "sweeps"
QUICK_SEEDS = 3


@dataclass(frozen=True)
class Trial:
    """One training of a sweep.

    Attributes:
        configuration: Number of its configuration.
        experiment: With its seed.
        query: Which run will do.
    """

    configuration: int
    experiment: Experiment
    query: Query

    @property
    def name(self) -> str:
        return run_name(self.experiment)


@dataclass(frozen=True)
class Ended:
    """How a trial ended.

    Attributes:
        run: None when it was cut short.
        exit_code: Above 1 when the user wants no more.
    """

    trial: Trial
    run: StoredRun | None
    exit_code: int = 0


def plan(sweep: Sweep, quick: bool) -> list[Trial]:
    """The trials, configuration by configuration, so that one compiled function serves all seeds."""
    trials = []
    for number, experiment in enumerate(sweep.configurations()):
        precision = getattr(experiment.config, "precision", None) if "precision" in dict(sweep.grid) else None
        for seed in range(sweep.seeds):
            seeded = replace(experiment, config=experiment.config.with_seed(seed))
            query = Query(config=seeded.config, precision=precision, quick=quick, exact=sweep.exact)
            trials.append(Trial(number, seeded, query))
    return trials


# Trains trials and tells of each as it ends.
Train = Callable[[Sequence[Trial], RunOptions], Iterator[Ended]]


def run(
    sweep: Sweep,
    options: RunOptions,
    dry_run: bool = False,
    load: Load | None = None,
    train: Train | None = None,
) -> Result:
    """Train the trials of a sweep that are not there yet, and compare.

    Args:
        dry_run: Only say which there are.
        load: Gives the data of a config; by default from `options.data_dir`.
        train: By default one trial after the other, in this process.

    Raises:
        RdfiaError: When data, device or output folder cannot be used, or the disk fills up.
    """
    if options.quick:
        sweep = replace(sweep, seeds=min(sweep.seeds, QUICK_SEEDS))
    trials = plan(sweep, options.quick)
    snapshot = Snapshot(options.out)
    found = {trial: run for trial in trials if (run := snapshot.find_finished(trial.query))}
    missing = [trial for trial in trials if trial not in found]
    if dry_run:
        return _listing(trials, found, options)
    folder = make_folder(options.out / FOLDER / (f"{sweep.name}-quick" if options.quick else sweep.name))
    note(f"{sweep.name}: {len(trials):,} trials, {len(found):,} of them finished earlier")
    exit_code, progress = 0, _Progress(len(missing))
    train = train or (lambda trials, options: train_in_turn(trials, options, load or loader(options)))
    for ended in train(missing, options) if missing else ():
        exit_code = max(exit_code, ended.exit_code)
        if ended.run:
            found[ended.trial] = ended.run
            progress.ended(ended)
    return conclude(sweep, trials, found, folder, options, exit_code)


class _Progress:
    """Tells how far a sweep is, at most about once a second.

    Args:
        trials: How many are to be trained.
    """

    SECONDS_BETWEEN_LINES = 1.0

    def __init__(self, trials: int):
        self.trials = trials
        self._done = 0
        self._begin = self._last_line = time.monotonic()

    def ended(self, ended: Ended) -> None:
        self._done += 1
        now, left = time.monotonic(), self.trials - self._done
        if now - self._last_line < self.SECONDS_BETWEEN_LINES and left:
            return
        self._last_line = now
        assert ended.run is not None, "it ended"
        record = ended.run.record
        accuracy = percent(test_accuracy(record.final)) if record.status == "ok" else record.status
        rest = duration_in_words((now - self._begin) / self._done * left)
        note(f"[{self._done}/{self.trials}] {ended.trial.name}: test {accuracy}" + (f", {rest} left" if left else ""))


def train_in_turn(trials: Iterable[Trial], options: RunOptions, load: Load) -> Iterator[Ended]:
    """Train trials in this process, first those that no other process is training."""
    with StopRequest() as stop:
        postponed: list[Trial] = []
        for wait, turn in ((False, trials), (True, postponed)):
            for trial in turn:
                if stop:
                    yield Ended(trial, None, stop.exit_code(0))
                    return
                try:
                    with claimed_trial(trial, options, wait):
                        ended = train_trial(trial, options, load, wait)
                except RunLocked:
                    postponed.append(trial)
                    continue
                yield ended
                if ended.exit_code > 1:
                    return


def claimed_trial(trial: Trial, options: RunOptions, wait: bool) -> AbstractContextManager[Any]:
    """Claim a trial, so that no other sweep trains it, until the end of the `with`.

    Whoever trains it claims its run besides. On a cluster that is another process, which may outlive this one for a
    moment, and which may not see this results folder.

    Args:
        wait: Until another sweep has ended it.

    Raises:
        RunLocked: When another sweep has claimed it, without `wait`.
    """
    return claimed(options.out / FOLDER, trial.query, wait)


def train_trial(trial: Trial, options: RunOptions, load: Load, wait: bool = True) -> Ended:
    """Find, resume or train one trial.

    Raises:
        RunLocked: When another process trains it, without `wait`.
    """
    run, finished = get_or_train(
        trial.experiment, trial.query, options, load, store=store_of(trial, options), wait=wait, brief=True
    )
    return Ended(trial, run, finished.exit_code if finished else 0)


def store_of(trial: Trial, options: RunOptions) -> RunStore:
    """Only its own folders: a look at all of them before each trial of many would take longer than the trial."""
    return RunStore(options.out, names=f"{trial.name}*")


def conclude(
    sweep: Sweep,
    trials: Sequence[Trial],
    found: dict[Trial, StoredRun],
    folder: Any,
    options: RunOptions,
    exit_code: int,
) -> Result:
    """Write and show whatever is finished."""
    configurations = sweep.configurations()
    groups: list[list[report.Trial]] = [[] for _ in configurations]
    for trial in trials:
        if trial in found:
            groups[trial.configuration].append(report.Trial.of(found[trial], trial.experiment.config))
    content = report.write(sweep, configurations, groups, folder, options.quick)
    left = len(trials) - len(found)
    failed = sum(row["failed"] for row in content["rows"])
    hints = [f"interrupted: {left:,} of {len(trials):,} trials are left; the same command resumes"] if left else []
    hints += [f"{failed:,} trials failed: see the column failed, and rdfia runs --status failed"] if failed else []
    return Result(
        data=content,
        table=report.table(content["rows"], content["varied"]),
        paths=[folder],
        hint="\n".join(hints),
        quick=options.quick,
        exit_code=max(exit_code, 1 if failed else 0),
    )


def _listing(trials: Sequence[Trial], found: dict[Trial, StoredRun], options: RunOptions) -> Result:
    """Which trials are finished, which would resume, and which are missing."""
    rows = []
    for trial in trials:
        run = found.get(trial)
        resumable = None if run else store_of(trial, options).find_resumable(trial.query)
        state = run.record.status if run else ("resumes" if resumable else "missing")
        rows.append(
            {
                "trial": trial.name,
                "epochs": str(trial.experiment.config.epochs),
                "state": {"ok": "finished"}.get(state, state),
                "run": str(run.folder if run else resumable or "-"),
            }
        )
    counts = Counter(row["state"] for row in rows)
    counted = ", ".join(f"{counts[state]:,} {state}" for state in sorted(counts))
    return Result(data={"trials": rows}, table=rows, lines=[f"{len(rows):,} trials: {counted}"])

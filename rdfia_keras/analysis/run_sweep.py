"""A sweep as a whole: what it lacks is trained, and whatever is finished is compared."""

import json
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path

from rdfia_keras.analysis import seeds, sweep_table
from rdfia_keras.analysis.published import estimated_seconds
from rdfia_keras.analysis.tables import percent
from rdfia_keras.config import RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import Experiment, Sweep
from rdfia_keras.result import Result
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.history import accuracy_of
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import Snapshot
from rdfia_keras.system.terminal import duration_in_words, note
from rdfia_keras.training.get_or_train import Resources, with_data
from rdfia_keras.training.trials import SWEEPS_FOLDER, Train, Trial, TrialResult, plan, store_of, train_in_turn

QUICK_SEEDS = 3
SECONDS_BETWEEN_LINES = 1.0


def run_sweep(sweep: Sweep, resources: Resources, dry_run: bool = False, train: Train = train_in_turn) -> Result:
    """Train the trials of a sweep that are not there yet, and compare; with `dry_run` only list them.

    `train` trains trials, here or on a cluster.

    Raises:
        RdfiaError: If data, device or output folder cannot be used, or the disk fills up.
    """
    for line in sweep.understood():
        note(line)
    options = resources.options
    if options.quick:
        sweep = replace(sweep, seeds=min(sweep.seeds, QUICK_SEEDS))
    snapshot = Snapshot(options.out)
    trials = plan(sweep, options.quick)
    # A list can do without the data, which may not be on this machine yet.
    with suppress(RdfiaError) if dry_run else nullcontext():
        trials = [replace(trial, query=with_data(trial.query, snapshot, resources)) for trial in trials]
    finished = {trial: run for trial in trials if (run := snapshot.find_finished(trial.query))}
    missing = [trial for trial in trials if trial not in finished]
    time_needed = "" if options.quick else _about([trial.experiment for trial in missing])
    if dry_run:
        return list_trials(trials, finished, options, time_needed)
    make_folder(options.out / SWEEPS_FOLDER)
    note(f"{sweep.name}: {_count(len(trials))}, {len(finished):,} of them finished earlier{time_needed}")
    exit_code = 0
    for result in _reported(train(missing, resources) if missing else (), len(missing)):
        exit_code = max(exit_code, result.exit_code)
        if result.run:
            finished[result.trial] = result.run
    return conclude(sweep, trials, finished, options, exit_code)


def _count(trials: int) -> str:
    return f"{trials:,} trial{'' if trials == 1 else 's'}"


def _about(experiments: Sequence[Experiment]) -> str:
    """Return how long trainings take, as the end of a line; empty where nothing of the kind was measured."""
    seconds = estimated_seconds(experiments)
    # Below this nobody waits.
    if seconds is None or seconds < 10:
        return ""
    return f"; about {duration_in_words(seconds)} on the machine of the reference results"


def _reported(results: Iterable[TrialResult], trials: int) -> Iterator[TrialResult]:
    """Pass on the results of trials, and report how far the sweep is, at most about once a second."""
    done, begin = 0, time.monotonic()
    last_line = begin
    for result in results:
        yield result
        if result.run is None:
            continue
        done += 1
        now, remaining = time.monotonic(), trials - done
        if now - last_line < SECONDS_BETWEEN_LINES and remaining:
            continue
        last_line, record = now, result.run.result
        accuracy = percent(accuracy_of(record.final)) if record.status == "ok" else record.status
        time_left = f", {duration_in_words((now - begin) / done * remaining)} left" if remaining else ""
        note(f"[{done}/{trials}] {result.trial.name}: test {accuracy}{time_left}")


def conclude(
    sweep: Sweep, trials: Sequence[Trial], finished: dict[Trial, Run], options: RunOptions, exit_code: int
) -> Result:
    """Write and show whatever is finished."""
    name = f"{sweep.name}-quick" if options.quick else sweep.name
    runs = {f"{run.folder.parent.name}/{run.folder.name}" for run in finished.values()}
    folder = _folder_for(options.out / SWEEPS_FOLDER, name, runs)
    groups: list[list[seeds.Outcome]] = [[] for _ in sweep.configurations()]
    for trial in trials:
        if trial in finished:
            groups[trial.configuration].append(seeds.Outcome.of(finished[trial], trial.experiment.config))
    content = sweep_table.write(sweep, sweep.configurations(), groups, folder, options.quick)
    missing = len(trials) - len(finished)
    failed = sum(row["failed"] for row in content["rows"])
    hints = []
    if missing:
        hints.append(f"interrupted: {missing:,} of {_count(len(trials))} are left; the same command resumes")
    if failed:
        hints.append(f"{_count(failed)} failed: rdfia runs --status failed lists them")
    return Result(
        data=content,
        table=sweep_table.table(content["rows"], content["varied"]),
        paths=[folder],
        hint="\n".join(hints),
        quick=options.quick,
        exit_code=max(exit_code, 1 if failed else 0),
    )


def _folder_for(parent: Path, name: str, runs: set[str]) -> Path:
    """Return `name`, or the first of `name-2`, `name-3`, ..., whose table has no other runs than these.

    So a sweep with fewer seeds, other values or other data never overwrites a table.
    """
    number = 1
    while True:
        folder = parent / (name if number == 1 else f"{name}-{number}")
        earlier: set[str] = set()
        with suppress(OSError, ValueError, KeyError, TypeError):
            rows = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))["rows"]
            earlier = {run for row in rows for run in row["runs"]}
        if earlier <= runs:
            return make_folder(folder)
        number += 1


def list_trials(trials: Sequence[Trial], finished: dict[Trial, Run], options: RunOptions, time_needed: str) -> Result:
    """List which trials are finished, which would resume, and which are missing."""
    rows = []
    for trial in trials:
        run = finished.get(trial)
        resumable = None if run else store_of(trial, options).find_resumable(trial.query)
        state = run.result.status if run else ("resumes" if resumable else "missing")
        used = run or resumable
        rows.append(
            {
                "trial": trial.name,
                "epochs": str(trial.experiment.config.epochs),
                "state": {"ok": "finished"}.get(state, state),
                "run": str(used.folder) if used else "-",
            }
        )
    states = Counter(row["state"] for row in rows)
    counted = ", ".join(f"{states[state]:,} {state}" for state in sorted(states))
    return Result(data={"trials": rows}, table=rows, lines=[f"{_count(len(rows))}: {counted}{time_needed}"])

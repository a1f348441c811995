"""`rdfia sweep`: experiments x settings x seeds, each trial an ordinary run, then one table and two pictures of all."""

import functools
import importlib.util
import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rdfia_keras.commands._options import command
from rdfia_keras.config import AT_LEAST_1, FRACTION, MAX_NAME, RunOptions, Setting
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.experiments import Experiment, Sweep, declare_sweep
from rdfia_keras.result import Result

if TYPE_CHECKING:
    from rdfia_keras.runs.run import Run
    from rdfia_keras.training.get_or_train import Resources
    from rdfia_keras.training.trials import Train, Trial, TrialResult

QUICK_SEEDS = 3
SECONDS_BETWEEN_LINES = 1.0


@command(
    options=("out", "data_dir", "quick", "device", "deterministic"),
    examples=(
        "rdfia sweep circles --set lr=0.03,0.07,0.2 --seeds 20",
        "rdfia sweep learning-rate",
        "rdfia sweep ladder --seeds 3",
        "rdfia sweep cnn --set dataset=digits --set dropout_rate=0,0.25,0.5 --dry-run",
        "rdfia sweep ladder --address auto --num-gpus 0.5",
    ),
)
def sweep(
    options: RunOptions,
    names: Annotated[
        list[str],
        typer.Argument(
            help="Experiments or sweeps by name (see rdfia list), ladder, bonus, or a bare section: mlp, cnn.",
            metavar="NAME...",
        ),
    ],
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=V1,V2,...",
            help="Values of a setting, by its option's name; repeat it for a grid. crop+flip is one value.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        Setting(
            "Number of seeds per configuration: 0, 1, ...", check=AT_LEAST_1, shown_default="3; a named sweep's own"
        ),
    ] = None,
    name: Annotated[
        str | None, Setting("Name of the sweep's folder.", shown_default="made of the names and fields")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only list the trials and what is already there.")] = False,
    ray: Annotated[
        bool,
        typer.Option(
            "--ray",
            help="Train as many trials at once as this machine has cores for; needs the extra 'cluster'.",
            rich_help_panel="Cluster",
        ),
    ] = False,
    address: Annotated[
        str | None,
        Setting("Train on the Ray cluster at this address; auto: the one that this machine is part of.", "Cluster"),
    ] = None,
    num_cpus: Annotated[
        int | None, Setting("Cores of each trial.", "Cluster", check=AT_LEAST_1, shown_default="1")
    ] = None,
    num_gpus: Annotated[
        float | None,
        Setting("GPUs of each trial; with 0.5 two share one.", "Cluster", check=FRACTION, shown_default="0"),
    ] = None,
) -> Result:
    """Train experiments with every combination of some settings, from several seeds: means and standard deviations.

    Finished trials on the same data are not trained again, and interrupted ones resume: run the same command again.
    More seeds add trials, more epochs lengthen them.
    """
    if name is not None and (not name.strip() or "/" in name or name.startswith(".")):
        raise ConfigError(f"--name {name!r} cannot be a folder's name: leave out slashes and a leading dot")
    if name is not None and len(name.encode()) > MAX_NAME:
        raise ConfigError(f"--name has {len(name.encode())} bytes; at most {MAX_NAME} make a folder's name")
    on_cluster = ray or address is not None
    if not on_cluster and (num_cpus or num_gpus) is not None:
        raise ConfigError("--num-cpus and --num-gpus need --ray or --address: without them trials take turns")
    declared = declare_sweep(names, assignments or (), seeds, name)
    from rdfia_keras.training.get_or_train import Resources
    from rdfia_keras.training.trials import train_in_turn

    train: Train = train_in_turn
    if on_cluster:
        check_cluster(options, address, num_gpus)
        from rdfia_keras.training.cluster import Cluster
        from rdfia_keras.training.cluster import train as train_on_cluster

        train = functools.partial(train_on_cluster, cluster=Cluster(address, num_cpus or 1, num_gpus or 0.0))
    return run_sweep(declared, Resources(options), dry_run, train)


def check_cluster(options: RunOptions, address: str | None, num_gpus: float | None) -> None:
    """Refuse options of a cluster that cannot be, before anything starts.

    Raises:
        ConfigError: If device and number of GPUs contradict each other, or the address is not valid.
        RdfiaError: If Ray is not installed.
    """
    if address not in (None, "auto") and not re.fullmatch(r".+:\d+", str(address)):
        raise ConfigError(f"--address must be HOST:PORT, or auto, not {address!r}")
    if options.device == "gpu" and not num_gpus:
        raise ConfigError("--device gpu needs --num-gpus, such as --num-gpus 1")
    if options.device == "cpu" and num_gpus:
        raise ConfigError("--num-gpus and --device cpu exclude each other: leave one out")
    if importlib.util.find_spec("ray") is None:
        raise RdfiaError("Ray is not installed: run pip install '.[cluster]' in a checkout")


def run_sweep(sweep: Sweep, resources: "Resources", dry_run: bool, train: "Train") -> Result:
    """Train the trials of a sweep that are not there yet, and compare.

    Args:
        sweep: What to train.
        resources: Data and options of the trainings.
        dry_run: Only list them.
        train: Trains trials, here or on a cluster.

    Raises:
        RdfiaError: If data, device or output folder cannot be used, or the disk fills up.
    """
    from rdfia_keras.runs.files import make_folder
    from rdfia_keras.runs.store import Snapshot
    from rdfia_keras.system.terminal import note
    from rdfia_keras.training.get_or_train import with_data
    from rdfia_keras.training.trials import SWEEPS_FOLDER, plan

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
    time_needed = "" if options.quick else about([trial.experiment for trial in missing])
    if dry_run:
        return list_trials(trials, finished, options, time_needed)
    make_folder(options.out / SWEEPS_FOLDER)
    note(f"{sweep.name}: {count(len(trials))}, {len(finished):,} of them finished earlier{time_needed}")
    exit_code, progress = 0, SweepProgress(len(missing))
    for result in train(missing, resources) if missing else ():
        exit_code = max(exit_code, result.exit_code)
        if result.run:
            finished[result.trial] = result.run
            progress.report(result)
    return conclude(sweep, trials, finished, options, exit_code)


def count(trials: int) -> str:
    """Return a number of trials in words."""
    return f"{trials:,} trial{'' if trials == 1 else 's'}"


def about(experiments: Sequence[Experiment]) -> str:
    """Return how long trainings take, as the end of a line; empty where nothing of the kind was measured."""
    from rdfia_keras.analysis.published import estimated_seconds
    from rdfia_keras.system.terminal import duration_in_words

    seconds = estimated_seconds(experiments)
    # Below this nobody waits.
    if seconds is None or seconds < 10:
        return ""
    return f"; about {duration_in_words(seconds)} on the machine of the reference results"


def folder_for(parent: Path, name: str, runs: set[str]) -> Path:
    """Return `name`, or the first of `name-2`, `name-3`, ..., whose table has no other runs than these.

    So a sweep with fewer seeds, other values or other data never overwrites a table.
    """
    from rdfia_keras.runs.files import make_folder

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


class SweepProgress:
    """Reports how far a sweep is, at most about once a second.

    Args:
        trials: The number of trials to train.
    """

    def __init__(self, trials: int):
        self.trials = trials
        self._done = 0
        self._begin = self._last_line = time.monotonic()

    def report(self, result: "TrialResult") -> None:
        """Report a trial that ended."""
        from rdfia_keras.analysis.tables import percent
        from rdfia_keras.runs.history import accuracy_of
        from rdfia_keras.system.terminal import duration_in_words, note

        self._done += 1
        now, remaining = time.monotonic(), self.trials - self._done
        if now - self._last_line < SECONDS_BETWEEN_LINES and remaining:
            return
        self._last_line = now
        assert result.run is not None, "it ended"
        record = result.run.result
        accuracy = percent(accuracy_of(record.final)) if record.status == "ok" else record.status
        words = duration_in_words((now - self._begin) / self._done * remaining)
        time_left = f", {words} left" if remaining else ""
        note(f"[{self._done}/{self.trials}] {result.trial.name}: test {accuracy}{time_left}")


def conclude(
    sweep: Sweep,
    trials: "Sequence[Trial]",
    finished: "dict[Trial, Run]",
    options: RunOptions,
    exit_code: int,
) -> Result:
    """Write and show whatever is finished."""
    from rdfia_keras.analysis import seeds, sweep_table
    from rdfia_keras.training.trials import SWEEPS_FOLDER

    name = f"{sweep.name}-quick" if options.quick else sweep.name
    runs = {f"{run.folder.parent.name}/{run.folder.name}" for run in finished.values()}
    folder = folder_for(options.out / SWEEPS_FOLDER, name, runs)
    groups: list[list[seeds.Outcome]] = [[] for _ in sweep.configurations()]
    for trial in trials:
        if trial in finished:
            groups[trial.configuration].append(seeds.Outcome.of(finished[trial], trial.experiment.config))
    content = sweep_table.write(sweep, sweep.configurations(), groups, folder, options.quick)
    missing = len(trials) - len(finished)
    failed = sum(row["failed"] for row in content["rows"])
    hints = []
    if missing:
        hints.append(f"interrupted: {missing:,} of {count(len(trials))} are left; the same command resumes")
    if failed:
        hints.append(f"{count(failed)} failed: see the column failed, and rdfia runs --status failed")
    return Result(
        data=content,
        table=sweep_table.table(content["rows"], content["varied"]),
        paths=[folder],
        hint="\n".join(hints),
        quick=options.quick,
        exit_code=max(exit_code, 1 if failed else 0),
    )


def list_trials(
    trials: "Sequence[Trial]", finished: "dict[Trial, Run]", options: RunOptions, time_needed: str
) -> Result:
    """List which trials are finished, which would resume, and which are missing."""
    from rdfia_keras.training.trials import store_of

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
    return Result(data={"trials": rows}, table=rows, lines=[f"{count(len(rows))}: {counted}{time_needed}"])

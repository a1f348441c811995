"""The reference's runs from several seeds: means with their spread, and gains that are paired by seed."""

import json
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rdfia_keras.experiments import REGISTRY, Experiment
from rdfia_keras.report.spread import Gain, Spread, paired_gain
from rdfia_keras.report.sweeps import Trial, summarize
from rdfia_keras.runs.records import EpochRow
from rdfia_keras.runs.reference import FOLDER, reference_snapshot

# How many of the last epochs an average is taken over, where a single epoch may be a lucky one.
LAST = 5


def reference_trials(experiment: Experiment) -> dict[int, Trial]:
    """The whole runs of an experiment that ship with the package, by seed, over the experiment's own epochs.

    Of two from one seed the longer one, as `RunStore.find_finished` has it.
    """
    epochs = experiment.config.epochs or 0
    runs = sorted(reference_snapshot().of_experiment(experiment.config), key=lambda run: run.record.epochs)
    return {
        run.config.seed: Trial.of(run, experiment.config)
        for run in runs
        if run.record.epochs >= epochs and run.record.status == "ok"
    }


def mean_of_last(rows: Sequence[EpochRow], epochs: int) -> float:
    """The mean test accuracy of the last `LAST` of so many epochs."""
    return statistics.fmean(row["test_accuracy"] for row in rows[max(0, epochs - LAST) : epochs])


@dataclass(frozen=True)
class Comparison:
    """An experiment beside its base, over the epochs that both have.

    Attributes:
        epochs: As many as the shorter one has.
        gain: Of the mean test accuracy of the last epochs, paired by seed; None when they share no seed.
    """

    epochs: int
    gain: Gain | None


def compare_with_base(experiment: Experiment) -> Comparison | None:
    """An experiment beside the one that it changes; None without one."""
    base = REGISTRY.get(experiment.base or "")
    if base is None:
        return None
    epochs = min(experiment.config.epochs or 0, base.config.epochs or 0)
    return Comparison(epochs, paired_gain(_last_means(base, epochs), _last_means(experiment, epochs)))


def _last_means(experiment: Experiment, epochs: int) -> Mapping[int, float]:
    return {seed: mean_of_last(trial.rows, epochs) for seed, trial in reference_trials(experiment).items()}


def spread_rows(experiments: Sequence[Experiment]) -> list[dict]:
    """The rows of `plots.sweep_points`, from the reference."""
    rows = [summarize(one, list(reference_trials(one).values()), ()) for one in experiments]
    return [{**row, "label": row["experiment"]} for row in rows if row["n"]]


def spread_of(experiment: Experiment, measure: str) -> Spread | None:
    """A measure of `Trial.measures` over the reference's seeds.

    The perceptron's many runs are in the reference's sweeps only.
    """
    if experiment.section == "mlp":
        return Spread.of(_swept(experiment, measure))
    return Spread.of(trial.measures()[measure] for trial in reference_trials(experiment).values())


def _swept(experiment: Experiment, measure: str) -> list[float]:
    """The values of an experiment in the first of the reference's sweeps that has it."""
    for path in sorted(FOLDER.glob("sweeps/*/sweep.json")):
        for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
            if row["experiment"] == experiment.name and row["epochs"] == experiment.config.epochs:
                return list(row[measure]["values"])
    return []

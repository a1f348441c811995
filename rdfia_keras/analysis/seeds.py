"""Statistics over seeds: means and standard deviations, paired differences, and the threshold for a difference.

The best epoch of one training is partly luck, and another seed gives another result. A difference between experiments
counts as significant where it is above the threshold: twice the standard deviation over seeds.
"""

import functools
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rdfia_keras.config import Config, MlpConfig
from rdfia_keras.experiments import LADDER, REGISTRY, Experiment
from rdfia_keras.runs.history import EpochRow, summary_rows, test_accuracy
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import REFERENCE_FOLDER, reference_snapshot

# The number of last epochs that are averaged, because a single epoch may be a lucky one.
LAST = 5
# The measures that are compared over equal epochs, with their headings in tables.
MEASURES = {"best": "best", "last": "last", "last_five": f"mean of the last {LAST}"}
# The only data set on which several seeds of several experiments were trained.
DATASET = LADDER[0].config.dataset


@dataclass(frozen=True)
class Statistics:
    """Statistics of a number over several runs.

    Attributes:
        n: Number of runs.
        mean: The mean.
        std: The sample standard deviation (n - 1 in the denominator); None for a single run.
        min: The lowest value.
        max: The highest value.
    """

    n: int
    mean: float
    std: float | None
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Statistics | None":
        """Return the statistics of the finite values; None when there is none."""
        finite = [value for value in values if value is not None and math.isfinite(value)]
        if not finite:
            return None
        std = statistics.stdev(finite) if len(finite) > 1 else None
        return cls(len(finite), statistics.fmean(finite), std, min(finite), max(finite))

    def percents(self) -> str:
        """Return mean and standard deviation of fractions as text: `81.70 ± 0.21 %`."""
        return f"{self.mean:.2%}" if self.std is None else f"{100 * self.mean:.2f} ± {100 * self.std:.2f} %"


@dataclass(frozen=True)
class PairedDifference:
    """The difference between two experiments, paired by seed.

    Attributes:
        n: Number of pairs.
        mean: Mean of the differences.
        interval: Ends of the 95 % confidence interval of the mean, by Student's t; None for a single pair.
    """

    n: int
    mean: float
    interval: tuple[float, float] | None

    @property
    def is_significant(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def paired_difference(before: Mapping[int, float], after: Mapping[int, float]) -> PairedDifference | None:
    """Return the difference of values by seed, `after` - `before`, over their common seeds; None without one."""
    from scipy.stats import t

    differences = Statistics.of(after[seed] - before[seed] for seed in before.keys() & after.keys())
    if differences is None:
        return None
    n, mean = differences.n, differences.mean
    if differences.std is None:
        return PairedDifference(n, mean, None)
    half = float(t.ppf(0.975, n - 1)) * differences.std / math.sqrt(n)
    return PairedDifference(n, mean, (mean - half, mean + half))


# --- the runs of an experiment ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Outcome:
    """A finished training with one seed.

    Attributes:
        run: The run, which may be longer than the configuration asks for.
        rows: The epochs that the configuration asks for.
    """

    run: Run
    rows: tuple[EpochRow, ...]

    @classmethod
    def of(cls, run: Run, config: Config) -> "Outcome":
        """Return a run as the outcome of a configuration."""
        rows = run.history()
        if isinstance(config, MlpConfig):
            rows = [row for row in rows if row.get("implementation") == config.implementations[0]]
        return cls(run, tuple(rows[: config.epochs]))

    @property
    def ok(self) -> bool:
        """Whether the training ended well."""
        return self.run.result.status == "ok"

    def measures(self) -> dict[str, float | None]:
        """Return the test accuracy of the last epoch, of the best one, and of the one selected by validation."""
        return {name: test_accuracy(row) for name, row in summary_rows(self.rows).items()}


def reference_trials(experiment: Experiment) -> dict[int, Outcome]:
    """Return the whole runs of an experiment that ship with the package, by seed, over the experiment's own epochs.

    Of two runs with one seed the longer one counts, as in `RunStore.find_finished`.
    """
    epochs = experiment.config.epochs or 0
    runs = sorted(reference_snapshot().of_experiment(experiment.config), key=lambda run: run.result.epochs)
    return {
        run.config.seed: Outcome.of(run, experiment.config)
        for run in runs
        if run.result.epochs >= epochs and run.result.status == "ok"
    }


def reference_statistics(experiment: Experiment, measure: str) -> Statistics | None:
    """Return the statistics of a measure of `Outcome.measures` over the reference's seeds.

    The perceptron's many runs are only in the reference's sweeps.
    """
    if experiment.section == "mlp":
        return Statistics.of(_swept(experiment, measure))
    return Statistics.of(trial.measures()[measure] for trial in reference_trials(experiment).values())


def _swept(experiment: Experiment, measure: str) -> list[float]:
    """Return the values of an experiment in the first of the reference's sweeps that has it."""
    for path in sorted(REFERENCE_FOLDER.glob("sweeps/*/sweep.json")):
        for row in json.loads(path.read_text(encoding="utf-8"))["rows"]:
            if row["experiment"] == experiment.name and row["epochs"] == experiment.config.epochs:
                return list(row[measure]["values"])
    return []


# --- experiments over equal epochs ------------------------------------------------------------------------------------


def measures(rows: Sequence[EpochRow], epochs: int) -> dict[str, float]:
    """Return the test accuracies of the first `epochs` epochs, by the names of `MEASURES`."""
    accuracies = [row["test_accuracy"] for row in rows[:epochs]]
    return {"best": max(accuracies), "last": accuracies[-1], "last_five": statistics.fmean(accuracies[-LAST:])}


def measures_by_seed(experiment: Experiment, epochs: int) -> dict[int, dict[str, float]]:
    """Return the measures of the reference's runs of an experiment that are long enough, by seed."""
    trials = reference_trials(experiment)
    return {seed: measures(trial.rows, epochs) for seed, trial in sorted(trials.items()) if len(trial.rows) >= epochs}


# The reference does not change while a process runs.
@functools.cache
def statistics_at(experiment: Experiment, epochs: int) -> dict[str, Statistics] | None:
    """Return the statistics of each measure over the reference's seeds, after `epochs` epochs; None without a run."""
    values = measures_by_seed(experiment, epochs).values()
    by_name = ((name, Statistics.of(value[name] for value in values)) for name in MEASURES)
    return {name: value for name, value in by_name if value} or None


def _with_several_seeds(epochs: int) -> list[dict[str, Statistics]]:
    """Return the statistics of the experiments on the ladder's data that have several seeds and enough epochs."""
    on_data = (experiment for experiment in REGISTRY.values() if experiment.config.dataset == DATASET)
    statistics_of_each = [values for experiment in on_data if (values := statistics_at(experiment, epochs))]
    return [values for values in statistics_of_each if values["last"].n > 1]


def degrees_of_freedom(epochs: int) -> int:
    """Return the degrees of freedom of `standard_deviations`: each experiment counts with its seeds less one."""
    return sum(values["last"].n - 1 for values in _with_several_seeds(epochs))


def standard_deviations(epochs: int) -> dict[str, float]:
    """Return the standard deviation of each measure over seeds, pooled over the experiments on the ladder's data.

    Returns:
        By measure, the root of the mean variance, weighted with the degrees of freedom. Empty when no experiment in the
        reference has several seeds and enough epochs.
    """
    several, freedom = _with_several_seeds(epochs), degrees_of_freedom(epochs)
    if not several:
        return {}
    variances = {
        name: sum((values[name].n - 1) * (values[name].std or 0) ** 2 for values in several) / freedom
        for name in MEASURES
    }
    return {name: math.sqrt(variance) for name, variance in variances.items()}


@dataclass(frozen=True)
class DifferenceToBase:
    """An experiment compared with the one that it changes, over equal epochs.

    Attributes:
        epochs: The epochs of the shorter experiment.
        seeds: Numbers of seeds of the experiment and of its base.
        means: Mean of each measure over the experiment's seeds.
        differences: The means minus the means over the base's seeds.
        threshold: Twice the standard deviation over seeds, by measure; empty for other data than the ladder's.
        paired: The difference in the mean of the last epochs, paired by seed.
    """

    epochs: int
    seeds: tuple[int, int]
    means: Mapping[str, float]
    differences: Mapping[str, float]
    threshold: Mapping[str, float]
    paired: PairedDifference | None

    @property
    def significant(self) -> tuple[str, ...]:
        """The measures in which the difference is above the threshold."""
        return tuple(name for name, value in self.threshold.items() if abs(self.differences[name]) > value)

    @property
    def direction(self) -> int:
        """1 for a gain in every measure above the threshold, -1 for such a loss, otherwise 0."""
        if len(self.significant) < len(MEASURES):
            return 0
        return int(min(self.differences.values()) > 0) - int(max(self.differences.values()) < 0)


def difference_to_base(experiment: Experiment) -> DifferenceToBase | None:
    """Compare an experiment with its base in the reference; return None where one of them has no run there."""
    base = REGISTRY.get(experiment.base or "")
    if base is None or base.config.dataset != experiment.config.dataset:
        return None
    epochs = min(experiment.config.epochs or 0, base.config.epochs or 0)
    before, after = statistics_at(base, epochs), statistics_at(experiment, epochs)
    if before is None or after is None:
        return None
    deviations = standard_deviations(epochs) if experiment.config.dataset == DATASET else {}
    return DifferenceToBase(
        epochs,
        (after["last"].n, before["last"].n),
        {name: value.mean for name, value in after.items()},
        {name: value.mean - before[name].mean for name, value in after.items()},
        {name: 2 * std for name, std in deviations.items()},
        paired_difference_over(base, experiment, epochs),
    )


def paired_difference_over(base: Experiment, experiment: Experiment, epochs: int) -> PairedDifference | None:
    """Return the difference in the mean of the last epochs, paired by seed."""
    before, after = (
        {seed: values["last_five"] for seed, values in measures_by_seed(either, epochs).items()}
        for either in (base, experiment)
    )
    return paired_difference(before, after)

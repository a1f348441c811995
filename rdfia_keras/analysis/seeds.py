"""Statistics over seeds: means and standard deviations, and whether a difference between experiments is settled.

Another seed gives another result. Two experiments are compared in the mean of their last five epochs, after equally
many epochs, with a 95 % confidence interval. Its standard deviation is pooled over the experiments that have several
seeds and the same framework's defaults, since that of three runs says little. Whether differences are settled is
tested with Holm's correction for their number.
"""

import functools
import json
import math
import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from rdfia_keras.config import Config, MlpConfig
from rdfia_keras.experiments import LADDER, MODERN_LADDER, REGISTRY, Experiment
from rdfia_keras.result import percent
from rdfia_keras.runs.history import EpochRow, accuracy_of, summary_rows
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import REFERENCE_FOLDER, reference_snapshot

# The number of last epochs that are averaged, because a single epoch may be a lucky one.
LAST = 5
# Of intervals.
CONFIDENCE = 0.95
# The measures that are compared over equal epochs, with their headings in tables.
MEASURES = {"best": "best", "last": "last", "last_five": f"mean of the last {LAST}"}
# The only data set on which several seeds of several experiments were trained.
DATASET = LADDER[0].config.dataset


@dataclass(frozen=True)
class Statistics:
    """Statistics of a number over n runs.

    The standard deviation is that of a sample (n - 1 in the denominator); a single run has none.
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
        return percent(self.mean, 2) if self.std is None else f"{100 * self.mean:.2f} ± {100 * self.std:.2f} %"


@dataclass(frozen=True)
class PairedDifference:
    """The mean difference between two experiments over n pairs of equal seeds.

    The interval is its 95 % confidence interval, by Student's t; a single pair has none.
    """

    n: int
    mean: float
    interval: tuple[float, float] | None


def paired_difference(before: Mapping[int, float], after: Mapping[int, float]) -> PairedDifference | None:
    """Return the difference of values by seed, `after` - `before`, over their common seeds; None without one."""
    from scipy.stats import t

    differences = Statistics.of(after[seed] - before[seed] for seed in before.keys() & after.keys())
    if differences is None:
        return None
    n, mean = differences.n, differences.mean
    if differences.std is None:
        return PairedDifference(n, mean, None)
    half = float(t.ppf((1 + CONFIDENCE) / 2, n - 1)) * differences.std / math.sqrt(n)
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
        return {name: accuracy_of(row) for name, row in summary_rows(self.rows).items()}


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


def pooled(epochs: int, *frameworks: str, dataset: str = DATASET) -> tuple[dict[str, float], int]:
    """Return the standard deviation of each measure over seeds, pooled over experiments, and its degrees of freedom.

    The experiments are those on the data set that have several seeds and the defaults of the frameworks, `pytorch` or
    `keras`; only the first epochs count. The result is the root of the mean variance, weighted with the degrees of
    freedom: each experiment counts with its seeds less one. It is empty without such experiments.
    """
    experiments = (
        experiment
        for experiment in REGISTRY.values()
        if experiment.section == "cnn"
        and experiment.config.dataset == dataset
        and experiment.config.framework_defaults in frameworks
        # Their learning rate follows the number of epochs: their first epochs are not those of a shorter training.
        and experiment not in MODERN_LADDER
    )
    statistics_of_each = [values for experiment in experiments if (values := statistics_at(experiment, epochs))]
    several = [values for values in statistics_of_each if values["last"].n > 1]
    freedom = sum(values["last"].n - 1 for values in several)
    variances = {
        name: sum((values[name].n - 1) * (values[name].std or 0) ** 2 for values in several) / freedom
        for name in (MEASURES if several else ())
    }
    return {name: math.sqrt(variance) for name, variance in variances.items()}, freedom


@dataclass(frozen=True)
class Difference:
    """An experiment compared with another one, over equally many epochs.

    Attributes:
        epochs: The epochs of the shorter experiment.
        seeds: Numbers of seeds of the experiment and of the other one.
        means: Mean of each measure over the experiment's seeds.
        differences: The means minus those of the other one.
        interval: Ends of the 95 % confidence interval of the difference in the mean of the last epochs, by Student's t
            with the pooled standard deviation; None where no experiment on the data has several seeds.
        p_value: The probability of such a difference or a larger one between equal experiments; None likewise.
        paired: The same difference paired by seed.
    """

    epochs: int
    seeds: tuple[int, int]
    means: Mapping[str, float]
    differences: Mapping[str, float]
    interval: tuple[float, float] | None
    p_value: float | None
    paired: PairedDifference | None

    @property
    def gain(self) -> float:
        """The difference in the mean of the last epochs."""
        return self.differences["last_five"]


def difference_to_base(experiment: Experiment) -> Difference | None:
    """Compare an experiment with its base in the reference; return None where one of them has no run there."""
    base = REGISTRY.get(experiment.base or "")
    if base is None or base.config.dataset != experiment.config.dataset:
        return None
    return difference(experiment, base)


def difference(experiment: Experiment, other: Experiment) -> Difference | None:
    """Compare two experiments on the same data; return None where one of them has no run in the reference."""
    from scipy.stats import t

    epochs = min(experiment.config.epochs or 0, other.config.epochs or 0)
    before, after = statistics_at(other, epochs), statistics_at(experiment, epochs)
    if before is None or after is None:
        return None
    differences = {name: value.mean - before[name].mean for name, value in after.items()}
    n, n_other = after["last"].n, before["last"].n
    interval, p_value = None, None
    frameworks = {getattr(each.config, "framework_defaults", "") for each in (experiment, other)}
    deviations, freedom = pooled(epochs, *frameworks, dataset=experiment.config.dataset)
    if deviations:
        gain = differences["last_five"]
        error = deviations["last_five"] * math.sqrt(1 / n + 1 / n_other)
        half = float(t.ppf((1 + CONFIDENCE) / 2, freedom)) * error
        interval, p_value = (gain - half, gain + half), float(2 * t.sf(abs(gain) / error, freedom))
    before_by_seed, after_by_seed = (
        {seed: values["last_five"] for seed, values in measures_by_seed(either, epochs).items()}
        for either in (other, experiment)
    )
    means = {name: value.mean for name, value in after.items()}
    paired = paired_difference(before_by_seed, after_by_seed)
    return Difference(epochs, (n, n_other), means, differences, interval, p_value, paired)


def settled(differences: Mapping[str, Difference]) -> dict[str, bool]:
    """Return which of several differences are settled, by name, with Holm's correction for their number."""
    tested = {name: each.p_value for name, each in differences.items() if each.p_value is not None}
    still, result = True, dict.fromkeys(differences, False)
    for rank, name in enumerate(sorted(tested, key=tested.__getitem__)):
        still = still and tested[name] * (len(tested) - rank) < 1 - CONFIDENCE
        result[name] = still
    return result

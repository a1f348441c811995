"""What an experiment changes, over equal epochs and in three measures, against the spread that seeds show.

One training has a best epoch that is partly luck, and one seed is not another: a difference counts as larger than the
noise only where it is more than twice the spread.
"""

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rdfia_keras.experiments import LADDER, REGISTRY, Experiment
from rdfia_keras.report.seeds import LAST, mean_of_last, reference_trials
from rdfia_keras.report.spread import Spread
from rdfia_keras.runs.records import EpochRow

# The only data whose spread over seeds is known.
DATASET = LADDER[0].config.dataset
MEASURES = ("best", "last", f"mean of the last {LAST}")


def measures(rows: Sequence[EpochRow], epochs: int) -> dict[str, float]:
    """Test accuracies of the first so many epochs, by the names of `MEASURES`."""
    accuracies = [row["test_accuracy"] for row in rows[:epochs]]
    return dict(zip(MEASURES, (max(accuracies), accuracies[-1], mean_of_last(rows, epochs)), strict=True))


def measured(experiment: Experiment, epochs: int) -> dict[int, dict[str, float]]:
    """The measures of the reference's runs of an experiment, by seed; of those that are long enough."""
    trials = reference_trials(experiment)
    return {seed: measures(one.rows, epochs) for seed, one in sorted(trials.items()) if len(one.rows) >= epochs}


# The reference does not change while a process runs.
@functools.cache
def spreads(experiment: Experiment, epochs: int) -> dict[str, Spread] | None:
    """Mean and sample standard deviation of each measure over the reference's seeds; None without a run."""
    values = measured(experiment, epochs).values()
    found = {name: Spread.of(one[name] for one in values) for name in MEASURES}
    return {name: spread for name, spread in found.items() if spread} or None


def noise(epochs: int) -> dict[str, float]:
    """The spread of each measure over seeds, on the ladder's data.

    Returns:
        By measure, the sample standard deviation pooled over the experiments that have several seeds and enough epochs
        in the reference: the root of the mean variance, in which each counts with its seeds less one. Empty without
        such an experiment.
    """
    known = [one for one in REGISTRY.values() if one.section == "cnn" and one.config.dataset == DATASET]
    seeded = [one for experiment in known if (one := spreads(experiment, epochs))]
    pooled = {}
    for name in MEASURES:
        parts = [(one[name].n - 1, one[name].std) for one in seeded]
        several = [(freedom, std) for freedom, std in parts if std is not None]
        if several:
            variance = sum(freedom * std**2 for freedom, std in several) / sum(freedom for freedom, _ in several)
            pooled[name] = math.sqrt(variance)
    return pooled


@dataclass(frozen=True)
class Judgement:
    """An experiment beside the one that it changes.

    Attributes:
        epochs: Of both, the shorter one's.
        seeds: Of the experiment and of its base.
        values: Mean of each measure over the experiment's seeds.
        differences: From the mean over the base's seeds.
        noise: As `noise` gives it; empty for other data than the ladder's.
    """

    epochs: int
    seeds: tuple[int, int]
    values: Mapping[str, float]
    differences: Mapping[str, float]
    noise: Mapping[str, float]

    @property
    def clear(self) -> tuple[str, ...]:
        """The measures in which the difference is more than twice the spread."""
        return tuple(name for name, std in self.noise.items() if abs(self.differences[name]) > 2 * std)


def judge(experiment: Experiment) -> Judgement | None:
    """An experiment's runs in the reference beside those of its base; None where one of them has none."""
    base = REGISTRY.get(experiment.base or "")
    if base is None or base.config.dataset != experiment.config.dataset:
        return None
    epochs = min(experiment.config.epochs or 0, base.config.epochs or 0)
    ours, theirs = spreads(experiment, epochs), spreads(base, epochs)
    if ours is None or theirs is None:
        return None
    return Judgement(
        epochs,
        (ours["last"].n, theirs["last"].n),
        {name: one.mean for name, one in ours.items()},
        {name: one.mean - theirs[name].mean for name, one in ours.items()},
        noise(epochs) if experiment.config.dataset == DATASET else {},
    )

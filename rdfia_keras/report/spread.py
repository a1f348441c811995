"""Means over several seeds and how far the seeds are apart."""

import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class Spread:
    """A number over several runs.

    Attributes:
        n: Runs.
        mean: Of them.
        std: The sample standard deviation (n - 1 in the denominator); None of a single run.
        min: The lowest.
        max: The highest.
    """

    n: int
    mean: float
    std: float | None
    min: float
    max: float

    @classmethod
    def of(cls, values: Iterable[float | None]) -> "Spread | None":
        """The spread of some values; None when there is none. Values that are None or NaN do not count."""
        finite = [value for value in values if value is not None and math.isfinite(value)]
        if not finite:
            return None
        std = statistics.stdev(finite) if len(finite) > 1 else None
        return cls(len(finite), statistics.fmean(finite), std, min(finite), max(finite))

    def to_dict(self) -> dict[str, Any]:
        return asdict(self)

    def percents(self) -> str:
        """Mean and standard deviation of fractions: `81.70 ± 0.21 %`."""
        return f"{self.mean:.2%}" if self.std is None else f"{100 * self.mean:.2f} ± {100 * self.std:.2f} %"


@dataclass(frozen=True)
class Gain:
    """A difference that is paired by seed.

    Attributes:
        n: Pairs.
        mean: Of the differences.
        interval: The ends of the 95 % confidence interval of the mean, by Student's t; None of a single pair.
    """

    n: int
    mean: float
    interval: tuple[float, float] | None

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return self.interval is not None and (self.interval[0] > 0 or self.interval[1] < 0)


def paired_gain(before: Mapping[int, float], after: Mapping[int, float]) -> Gain | None:
    """The gain from `before` to `after`, each by seed, over the seeds that both have; None when they share none."""
    from scipy.stats import t

    differences = Spread.of(after[seed] - before[seed] for seed in before.keys() & after.keys())
    if differences is None:
        return None
    n, mean = differences.n, differences.mean
    if differences.std is None:
        return Gain(n, mean, None)
    half = float(t.ppf(0.975, n - 1)) * differences.std / math.sqrt(n)
    return Gain(n, mean, (mean - half, mean + half))

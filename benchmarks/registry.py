"""What a benchmark consists of: groups of matches, each between contenders that do the same work."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

# A target: at least or at most this ratio, whichever is better for the unit; a pair is a range.
Target = float | tuple[float, float] | None
# A value of each unit, from seconds and from how many things were done in them.
UNITS: dict[str, Callable[[float, float], float]] = {
    "images/s": lambda seconds, units: units / seconds,
    "µs/step": lambda seconds, units: seconds / units * 1e6,
    "s": lambda seconds, units: seconds,
    "MB": lambda seconds, units: units,
}
MORE_IS_BETTER = ("images/s",)


@dataclass(frozen=True)
class Work:
    """What a contender makes in its own process.

    Attributes:
        run: Does the same amount of work every time. Where it returns a float, that is the seconds that count.
        units: How many steps or images that is.
        facts: What else was measured, for the tables.
    """

    run: Callable[[], object]
    units: float
    facts: Mapping[str, Any] = field(default_factory=dict)


# Sets itself up and returns its work. Frameworks are imported inside, so that a process loads only its own.
Contender = Callable[[], Work]


@dataclass(frozen=True)
class Ratio:
    """A comparison: of the ratios to each of `to`, the one that is worse for `of` counts."""

    of: str
    to: tuple[str, ...]
    target: Target = None


@dataclass(frozen=True)
class Match:
    """Contenders that take turns: A B C A B C ..."""

    name: str
    contenders: Mapping[str, Any]
    ratios: tuple[Ratio, ...]


@dataclass(frozen=True)
class Group:
    """Matches of one unit, measured in one way.

    Attributes:
        kind: `workers`: a process for each contender, timed in turn; `commands`: whole commands, timed from outside;
            `memory`: peak resident memory of whole commands, run once, against the ratios' targets in MB.
    """

    name: str
    title: str
    unit: str
    matches: tuple[Match, ...]
    kind: str = "workers"

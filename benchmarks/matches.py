"""The parts of a benchmark: groups of matches between contenders that do the same work, and the ratios aimed at."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

# At least or at most this ratio, whichever is better for the unit; a pair is a range.
Target = float | tuple[float, float] | None
# By contender: a value for each turn.
Values = Mapping[str, list[float]]
# A value of each unit, from what a piece of work took and from how many steps or images were in it.
UNITS: dict[str, Callable[[float, float], float]] = {
    "images/s": lambda seconds, count: count / seconds,
    "µs/step": lambda seconds, count: seconds / count * 1e6,
    "s": lambda seconds, count: seconds,
    "MB": lambda megabytes, count: megabytes,
}
MORE_IS_BETTER = ("images/s",)


@dataclass(frozen=True)
class Work:
    """The work of a contender in each of its turns.

    Attributes:
        run: The work, of the same amount every time. If it returns a number, that counts in place of its seconds.
        count: The number of steps or images in it.
        facts: Other measurements, for the tables.
        warm_ups: Rounds before the first turn, for tracing, compiling and caches.
    """

    run: Callable[[], float | None]
    count: float = 1
    facts: Mapping[str, Any] = field(default_factory=dict)
    warm_ups: int = 2


# Sets itself up and returns its work, in a process of its own. Frameworks are imported inside, so that a process loads
# only its own; it must be picklable, such as a `partial` of a module's function.
Contender = Callable[[], Work]


@dataclass(frozen=True)
class Ratio:
    """A comparison: of the ratios to each of `to`, the one that is worse for `of` counts; to nothing, the value."""

    of: str
    to: tuple[str, ...]
    target: Target = None


@dataclass(frozen=True)
class Match:
    """Contenders that take turns."""

    name: str
    contenders: Mapping[str, Contender]
    ratios: tuple[Ratio, ...] = ()


@dataclass(frozen=True)
class Group:
    """Matches of one unit.

    Attributes:
        turns: Set where fewer turns are enough, or all that there is time for.
        on_request: Measured only if it is named, since it takes hours and needs CIFAR-10.
    """

    name: str
    matches: tuple[Match, ...]
    unit: str = "images/s"
    turns: int | None = None
    on_request: bool = False


def compare(match: Match, unit: str, values: Values) -> list[dict[str, Any]]:
    """Return a row for each ratio of a match of which both sides were measured."""
    rows = []
    for ratio in match.ratios:
        others = [name for name in ratio.to if values.get(name)]
        if values.get(ratio.of) and (others or not ratio.to):
            rows.append({"match": match.name, **_compare(ratio, unit, values, others)})
    return rows


def _compare(ratio: Ratio, unit: str, values: Values, others: list[str]) -> dict[str, Any]:
    """Return the worse of the ratios to the others: each the median of the ratios turn by turn."""
    more = unit in MORE_IS_BETTER
    own = values[ratio.of]
    if not ratio.to:
        return {"of": ratio.of, "to": None, "ratio": median(own), **_judge(median(own), ratio.target, more)}
    turns = {name: [a / b for a, b in zip(own, values[name], strict=True)] for name in others}
    to = (min if more else max)(turns, key=lambda name: median(turns[name]))
    middle = median(turns[to])
    verdict = _judge(middle, ratio.target, more)
    rounded = {"ratio": round(middle, 4), **verdict, "turns": [round(turn, 4) for turn in turns[to]]}
    return {"of": ratio.of, "to": to, **rounded}


def _judge(ratio: float, target: Target, more_is_better: bool) -> dict[str, Any]:
    """Return a target in words, whether it is met, and the ratio in units of the target, for a cost its inverse."""
    if target is None:
        return {"target": None, "share": None, "met": None}
    if isinstance(target, tuple):
        low, high = target
        words, share = f"{low} to {high}", min(ratio / low, high / ratio)
    elif more_is_better:
        words, share = f"≥ {target}", ratio / target
    else:
        words, share = f"≤ {target}", target / ratio
    return {"target": words, "share": round(share, 4), "met": share >= 1}

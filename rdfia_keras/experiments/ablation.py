"""Ablation: what each step of a ladder is worth, left out of a later step and added alone to the first one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from rdfia_keras.errors import ConfigError, choose
from rdfia_keras.experiments.registry import (
    KERAS_LADDER,
    LADDER,
    MODERN_LADDER,
    Experiment,
    match_registered,
    on_dataset,
)
from rdfia_keras.experiments.sweeps import SEEDS, Sweep

LADDERS = (LADDER, KERAS_LADDER, MODERN_LADDER)


@dataclass(frozen=True)
class Ingredient:
    """What one step of a ladder adds to the step before.

    Attributes:
        name: The step's name.
        left_out: The whole without it; None if other settings of the whole need it.
        alone: The ladder's first step with it; None if it needs other settings.
    """

    name: str
    left_out: Experiment | None
    alone: Experiment | None


@dataclass(frozen=True)
class Ablation:
    """A step of a ladder, taken apart.

    Attributes:
        start: The ladder's first step.
        whole: The step.
        ingredients: What each step from the second to this one adds.
    """

    start: Experiment
    whole: Experiment
    ingredients: tuple[Ingredient, ...]

    @classmethod
    def of(cls, name: str, dataset: str | None = None) -> "Ablation":
        """Take a step of a ladder apart, on its own data or on others.

        Raises:
            ConfigError: If no ladder has a later step of this name.
        """
        ladders = {step.name: ladder[: place + 1] for ladder in LADDERS for place, step in enumerate(ladder) if place}
        registered = ladders[choose("step of a ladder", name, ladders)]
        steps = [on_dataset(step, dataset or step.config.dataset) for step in registered]
        start, whole = steps[0], steps[-1]
        ingredients = []
        for (before, after), step in zip(pairwise(steps), registered[1:], strict=True):
            removed, added = _different(after, before), _different(before, after)
            ingredients.append(Ingredient(step.name, _with(whole, removed), _with(start, added)))
        return cls(start, whole, tuple(ingredients))

    def changes(self) -> dict[Experiment, str]:
        """Return what each experiment leaves out of the whole or adds to the start, in words."""
        words = {self.start: "the start", self.whole: "the whole"}
        for each in self.ingredients:
            words |= {each.left_out: f"without {each.name}"} if each.left_out not in (None, self.start) else {}
            words |= {each.alone: f"{each.name} alone"} if each.alone not in (None, self.whole) else {}
        return words

    def sweep(self, seeds: int | None) -> Sweep:
        """Return the sweep that trains it."""
        bases = [self.start, self.whole]
        bases += [one for each in self.ingredients for one in (each.left_out, each.alone) if one]
        return Sweep(name=f"ablate-{self.whole.name}", bases=tuple(dict.fromkeys(bases)), seeds=seeds or SEEDS)


def _different(before: Experiment, after: Experiment) -> dict[str, Any]:
    """Return what `after` has of the settings that define an experiment and differ."""
    old, new = before.config.identity(), after.config.identity()
    return {name: value for name, value in new.items() if value != old[name]}


def _with(base: Experiment, changes: Mapping[str, Any]) -> Experiment | None:
    """Return an experiment with these settings and no others changed; None if its rules forbid them together."""
    try:
        return match_registered(replace(base.config, **changes))
    except ConfigError:
        return None

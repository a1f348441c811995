"""Ablation: what each step of a ladder is worth, left out of a later step and added alone to the first one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from rdfia_keras.config import settings
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
        whole: The step.
        start: The ladder's first step.
        ingredients: What each step from the second to this one adds.
    """

    whole: Experiment
    start: Experiment
    ingredients: tuple[Ingredient, ...]

    @classmethod
    def of(cls, name: str, dataset: str | None = None) -> "Ablation":
        """Take a step of a ladder apart, on its own data or on others.

        Raises:
            ConfigError: If no ladder has a later step of this name.
        """
        ladders = {step.name: ladder[: place + 1] for ladder in LADDERS for place, step in enumerate(ladder) if place}
        steps = ladders[choose("step of a ladder", name, ladders)]
        start, *later = (on_dataset(step, dataset or step.config.dataset) for step in steps)
        found = []
        for step, (before, after) in zip(steps[1:], pairwise((start, *later)), strict=True):
            names = [
                name
                for name, setting in settings(after.config).items()
                if setting.defines_experiment and _value(before, name) != _value(after, name)
            ]
            left_out = _with(later[-1], {name: _value(before, name) for name in names})
            found.append(Ingredient(step.name, left_out, _with(start, {name: _value(after, name) for name in names})))
        return cls(later[-1], start, tuple(found))

    def sweep(self, seeds: int | None) -> Sweep:
        """Return the sweep that trains it."""
        bases = [self.start, self.whole]
        bases += [one for each in self.ingredients for one in (each.left_out, each.alone) if one]
        return Sweep(name=f"ablate-{self.whole.name}", bases=tuple(dict.fromkeys(bases)), seeds=seeds or SEEDS)


def _value(experiment: Experiment, name: str) -> Any:
    return getattr(experiment.config, name)


def _with(base: Experiment, changes: Mapping[str, Any]) -> Experiment | None:
    """Return an experiment with these settings and no others changed; None if its config refuses them."""
    try:
        return match_registered(replace(base.config, **changes))
    except ConfigError:
        return None

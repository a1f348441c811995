"""Sweeps: experiments x settings x seeds, every combination a run of its own; and those that have a name."""

import itertools
import math
import re
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from rdfia_keras.config import (
    CONFIGS,
    MAX_NAME,
    Config,
    MlpConfig,
    dataset_name,
    parse_field,
    parse_value,
    setting_text,
    settings,
    short_name,
    value_type,
)
from rdfia_keras.errors import ConfigError, choose
from rdfia_keras.experiments.registry import (
    CIRCLES,
    LADDER,
    MODERN_LADDER,
    REGISTRY,
    Experiment,
    bonus_experiments,
    match_registered,
)

MAX_TRIALS = 10_000
SEEDS = 3
# What is trained in epochs, from a seed.
SECTIONS = ("mlp", "cnn")
GROUPS = {"ladder": lambda: LADDER, "modern": lambda: MODERN_LADDER, "bonus": bonus_experiments}


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Experiments, the values of some settings, and a number of seeds.

    Attributes:
        name: Folder name.
        bases: Experiments; each is trained with every combination of the values.
        grid: The values of each field.
        seeds: Number of seeds per configuration: 0, 1, ...
        label: What is varied, in words.
        question: The question that it answers.
    """

    name: str
    bases: tuple[Experiment, ...]
    grid: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    seeds: int = SEEDS
    label: str = ""
    question: str = ""

    @property
    def trials(self) -> int:
        """The number of trainings."""
        return len(self.bases) * self.seeds * math.prod(map(len, self.grid.values()))

    def understood(self) -> list[str]:
        """Return the values of each setting in words, so that a wrong comma shows before hours of training."""
        return [f"{name}: {', '.join(map(setting_text, values))}" for name, values in self.grid.items()]

    @property
    def also_equal(self) -> tuple[str, ...]:
        """Varied settings that do not define an experiment: runs that differ in them must not stand for each other."""
        return tuple(
            name
            for name, values in self.grid.items()
            if len(values) > 1 and any(not settings(base.config)[name].defines_experiment for base in self.bases)
        )

    def configurations(self) -> list[Experiment]:
        """Return each base with each combination of values.

        Raises:
            ConfigError: If a config refuses a combination.
        """
        combinations = [dict(zip(self.grid, values, strict=True)) for values in itertools.product(*self.grid.values())]
        return [changed(base, changes) for base in self.bases for changes in combinations]


def changed(base: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """Return an experiment with other settings: a registered one if it has them.

    Settings that were left to their defaults follow the changes: another optimizer takes its own learning rate.

    Raises:
        ConfigError: If the settings contradict each other.
    """
    if isinstance(base.config, MlpConfig) and "implementation" not in changes:
        # The four implementations give equal curves.
        changes = {"implementation": "manual", **changes}
    left_out = {name: None for name in _defaults(base.config) if name not in changes}
    return match_registered(replace(base.config, **{**left_out, **changes}))


def _defaults(config: Config) -> list[str]:
    """Return the fields that have the value which they would have, had they been left out."""
    resolved, defaults = config.resolve(), []
    for name, declared in config.__dataclass_fields__.items():
        with suppress(ConfigError):  # Another setting needs this one.
            if declared.default is None and replace(config, **{name: None}).resolve() == resolved:
                defaults.append(name)
    return defaults


# --- sweeps with a name: part 2.1 and its theory ----------------------------------------------------------------------


def _of_circles(name: str, label: str, question: str, **grid: tuple[Any, ...]) -> Sweep:
    """Declare a sweep of the circles over 20 seeds."""
    return Sweep(name=name, bases=(CIRCLES,), grid=grid, seeds=20, label=label, question=question)


SWEEPS: dict[str, Sweep] = {
    sweep.name: sweep
    for sweep in (
        _of_circles(
            "learning-rate", "learning rate η", "T11, 2.1", lr=(0.003, 0.01, 0.03, 0.07, 0.2, 0.5, 1.0, 2.0, 5.0)
        ),
        _of_circles("batch-size", "batch size", "T10, 2.1", batch_size=(1, 5, 10, 20, 50, 200)),
        _of_circles(
            "init", "standard deviation of the initial weights", "2.1", init_std=(0.0, 0.01, 0.1, 0.3, 1.0, 3.0)
        ),
        _of_circles("hidden", "hidden units n_h", "T4", hidden_units=(1, 2, 3, 4, 6, 10, 30, 100)),
        _of_circles("lbfgs", "L-BFGS instead of SGD", "28", lbfgs=(False, True)),
        # An epoch of fewer examples has fewer steps. L-BFGS takes its steps on the whole set: the two are not mixed up.
        _of_circles("examples", "training examples N", "T2", lbfgs=(True,), train_examples=(10, 20, 50, 100, 200)),
    )
}


# --- from text --------------------------------------------------------------------------------------------------------


def declare_sweep(
    names: Sequence[str], assignments: Sequence[str] = (), seeds: int | None = None, name: str | None = None
) -> Sweep:
    """Make a sweep from texts, and check it.

    Args:
        names: Registered experiments; `ladder`, `modern`, `bonus`; a bare section; or one of `SWEEPS` alone.
        assignments: `FIELD=V1,V2,...`; FIELD and each V as `parse_field` and `parse_value` take them.
        seeds: Number of seeds per configuration; None for 3, or a named sweep's own.
        name: Folder name; by default made of the names and fields.

    Raises:
        ConfigError: If something is unknown or not allowed, the grid is empty, or there are more than `MAX_TRIALS`.
    """
    if name is not None and (not name.strip() or "/" in name or name.startswith(".")):
        raise ConfigError(f"--name {name!r} cannot be a folder's name: leave out slashes and a leading dot")
    if name is not None and len(name.encode()) > MAX_NAME:
        raise ConfigError(f"--name has {len(name.encode())} bytes; at most {MAX_NAME} make a folder's name")
    known = [*GROUPS, *SECTIONS, *SWEEPS, *REGISTRY]
    names = [choose("experiment or sweep", text, known) for text in names]
    sweep = SWEEPS.get(names[0]) if len(names) == 1 else None
    if sweep is None:
        sweep = Sweep(name="", bases=tuple(dict.fromkeys(base for text in names for base in _bases(text))))
    values = _grid(sweep.bases, assignments)
    title = name or short_name("-".join([*names, *(field.replace("_", "-") for field in values)]))
    sweep = replace(sweep, name=title, grid={**sweep.grid, **values}, seeds=seeds or sweep.seeds)
    if sweep.trials > MAX_TRIALS:
        raise ConfigError(f"that makes {sweep.trials:,} trials; at most {MAX_TRIALS:,} are allowed: leave values out")
    sweep.configurations()
    return sweep


def _bases(text: str) -> tuple[Experiment, ...]:
    """Return the experiments that a name means.

    Raises:
        ConfigError: If it means none that can be swept.
    """
    if text in GROUPS:
        return GROUPS[text]()
    if text in SECTIONS:
        return (match_registered(CONFIGS[text]()),)
    if text in REGISTRY and REGISTRY[text].section in SECTIONS:
        return (REGISTRY[text],)
    if text in REGISTRY:
        raise ConfigError(f"{text} is not trained in epochs, so there is nothing to sweep: see rdfia svm")
    raise ConfigError(f"{text} is a sweep of its own: name it alone")


def _grid(bases: Sequence[Experiment], assignments: Sequence[str]) -> dict[str, tuple[Any, ...]]:
    """Return the values of each field from `FIELD=V1,V2,...`.

    Raises:
        ConfigError: If the config of a base does not have the field, or does not take a value.
    """
    kinds = list(dict.fromkeys(type(base.config) for base in bases))
    grid: dict[str, tuple[Any, ...]] = {}
    for assignment in assignments:
        text, _, values = assignment.partition("=")
        if not values.strip():
            raise ConfigError(f"--set {assignment}: give one value or several, as in lr=0.03,0.1")
        field = parse_field(kinds[0], text)
        if field == "seed":
            raise ConfigError("--set seed: say how many seeds with --seeds")
        if field in grid:
            raise ConfigError(f"--set {field} is given twice: put all its values into one, as in {field}=V1,V2")
        _refuse_decimal_comma(kinds[0], field, values)
        # Every kind of config must know the field by this name and take the values.
        parsed = [[parse_value(kind, parse_field(kind, field), value) for value in values.split(",")] for kind in kinds]
        chosen = [dataset_name(value) for value in parsed[0]] if field == "dataset" else parsed[0]
        grid[field] = tuple(dict.fromkeys(chosen))
    return grid


def _refuse_decimal_comma(kind: type[Config], field: str, text: str) -> None:
    """Refuse `0,3` for a number: who writes it means 0.3 more often than the two values 0 and 3.

    Raises:
        ConfigError: With both ways to write it.
    """
    likely = re.fullmatch(r"\s*0,(\d+)\s*", text) or re.search(r"(?<![\d.])0,(0\d+)(?![\d.])", text)
    if likely and value_type(kind.__dataclass_fields__[field].type)[0] is float:
        digits = likely.group(1)
        raise ConfigError(
            f"--set {field}={text}: a comma separates two values; write 0.{digits} for the number, "
            f"or 0.0,{digits} for the values 0 and {digits}",
            (field,),
        )

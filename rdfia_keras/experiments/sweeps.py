"""Sweeps: experiments x settings x seeds, every combination a run of its own; and the studies, which are sweeps."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rdfia_keras.config import CONFIGS, Config, MlpConfig, dataset_name, parse_field, parse_value, settings
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments.base import REGISTRY, Experiment
from rdfia_keras.experiments.bonus import bonus_experiments
from rdfia_keras.experiments.ladder import LADDER
from rdfia_keras.experiments.matching import match_registered
from rdfia_keras.experiments.perceptron import CIRCLES

MAX_TRIALS = 10_000
# What is trained in epochs, from a seed.
SECTIONS = ("mlp", "cnn")


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """Experiments, the values of some settings, and a number of seeds.

    Attributes:
        name: Of its folder.
        bases: Experiments; each is trained with every combination of the values.
        grid: By field, its values.
        seeds: Trainings of each configuration, from seeds 0, 1, ...
        label: What is varied, in words.
        question: Which it answers.
    """

    name: str
    bases: tuple[Experiment, ...]
    grid: tuple[tuple[str, tuple[Any, ...]], ...] = ()
    seeds: int = 3
    label: str = ""
    question: str = ""

    @property
    def trials(self) -> int:
        """How many trainings it has."""
        size = len(self.bases) * self.seeds
        for _, values in self.grid:
            size *= len(values)
        return size

    @property
    def exact(self) -> tuple[str, ...]:
        """Varied settings that make no other experiment: runs that differ in them must not stand for each other."""
        return tuple(
            name
            for name, values in self.grid
            if len(values) > 1 and any(not settings(base.config)[name].identity for base in self.bases)
        )

    def configurations(self) -> list[Experiment]:
        """Each base with each combination of values.

        Raises:
            ConfigError: When a config refuses a combination.
        """
        names = [name for name, _ in self.grid]
        combinations = list(itertools.product(*(values for _, values in self.grid)))
        return [changed(base, dict(zip(names, values, strict=True))) for base in self.bases for values in combinations]


def changed(base: Experiment, changes: Mapping[str, Any]) -> Experiment:
    """An experiment with other settings: a registered one if it has them.

    Settings that were left to their defaults follow the changes: another optimizer takes its own learning rate.

    Raises:
        ConfigError: When the settings do not go together.
    """
    if isinstance(base.config, MlpConfig) and "implementation" not in changes:
        # The four implementations give equal curves.
        changes = {"implementation": "manual", **changes}
    left_out = {name: None for name in _defaults(base.config) if name not in changes}
    return match_registered(replace(base.config, **{**left_out, **changes}))


def _defaults(config: Config) -> list[str]:
    """Fields that have the value which they would have, had they been left out."""
    resolved = config.resolve()
    optional = [name for name, field in config.__dataclass_fields__.items() if field.default is None]
    return [name for name in optional if replace(config, **{name: None}).resolve() == resolved]


# --- from text --------------------------------------------------------------------------------------------------------


def declare_sweep(names: Sequence[str], assignments: Sequence[str], seeds: int, name: str | None = None) -> Sweep:
    """A sweep from texts, checked.

    Args:
        names: Of registered experiments; `ladder`, `bonus`; or a bare section.
        assignments: `FIELD=V1,V2,...`; FIELD and each V as `parse_field` and `parse_value` take them.
        seeds: Trainings of each configuration.
        name: Of its folder; by default made of the names and fields.

    Raises:
        ConfigError: On what is unknown or not allowed, on an empty grid, and on more than `MAX_TRIALS`.
    """
    bases = tuple(dict.fromkeys(base for text in names for base in _bases(text)))
    grid = _grid(bases, assignments)
    title = name or "-".join([*names, *(field.replace("_", "-") for field, _ in grid)])
    sweep = Sweep(name=title, bases=bases, grid=tuple(grid), seeds=seeds)
    if sweep.trials > MAX_TRIALS:
        raise ConfigError(f"that makes {sweep.trials:,} trials; at most {MAX_TRIALS:,} are allowed: leave values out")
    sweep.configurations()
    return sweep


def _bases(text: str) -> tuple[Experiment, ...]:
    groups = {"ladder": LADDER, "bonus": bonus_experiments()}
    if text in groups:
        return groups[text]
    if text in SECTIONS:
        return (match_registered(CONFIGS[text]()),)
    if text in REGISTRY and REGISTRY[text].section in SECTIONS:
        return (REGISTRY[text],)
    if text in REGISTRY:
        raise ConfigError(f"{text} is not trained in epochs, so there is nothing to sweep: see rdfia svm")
    known = [*groups, *SECTIONS, *(name for name, one in REGISTRY.items() if one.section in SECTIONS)]
    raise ConfigError(f"no experiment is called {text!r}; choose from {', '.join(known)}")


def _grid(bases: Sequence[Experiment], assignments: Sequence[str]) -> list[tuple[str, tuple[Any, ...]]]:
    kinds = list(dict.fromkeys(type(base.config) for base in bases))
    grid: dict[str, tuple[Any, ...]] = {}
    for text in assignments:
        typed, _, values = text.partition("=")
        if not values.strip():
            raise ConfigError(f"--set {text}: give one value or several, as in lr=0.03,0.1")
        field = parse_field(kinds[0], typed)
        if field == "seed":
            raise ConfigError("--set seed: say how many seeds with --seeds")
        if field in grid:
            raise ConfigError(f"--set {field} is given twice: put all its values into one, as in {field}=V1,V2")
        for kind in kinds:
            parsed = [parse_value(kind, parse_field(kind, typed), value) for value in values.split(",")]
            parsed = [dataset_name(value) for value in parsed] if field == "dataset" else parsed
            grid[field] = tuple(dict.fromkeys(parsed))
    return list(grid.items())


# --- studies ----------------------------------------------------------------------------------------------------------


STUDIES: dict[str, Sweep] = {}


def _study(name: str, field: str, values: tuple[Any, ...], question: str, label: str) -> None:
    """Register a study: one setting of the perceptron over its values (part 2.1)."""
    STUDIES[name] = Sweep(
        name=f"study-{name}", bases=(CIRCLES,), grid=((field, values),), seeds=20, label=label, question=question
    )


_study("learning-rate", "lr", (0.003, 0.01, 0.03, 0.07, 0.2, 0.5, 1.0, 2.0, 5.0), "T11, 2.1", "learning rate η")
_study("batch-size", "batch_size", (1, 5, 10, 20, 50, 200), "T10, 2.1", "batch size")
_study("init", "init_std", (0.0, 0.01, 0.1, 0.3, 1.0, 3.0), "2.1", "standard deviation of the initial weights")
_study("hidden", "hidden_units", (1, 2, 3, 4, 6, 10, 30, 100), "T4", "hidden units n_h")
_study("lbfgs", "lbfgs", (False, True), "28", "L-BFGS in place of SGD")
# An epoch of fewer examples has fewer steps: L-BFGS, which takes its steps on the whole set, does not mix up the two.
STUDIES["examples"] = Sweep(
    name="study-examples",
    bases=(CIRCLES,),
    grid=(("lbfgs", (True,)), ("train_examples", (10, 20, 50, 100, 200))),
    seeds=20,
    label="training examples N",
    question="T2",
)


def study_of(name: str, dataset: str, seeds: int) -> Sweep:
    """A study on a data set, with a number of seeds."""
    study = STUDIES[name]
    if dataset == CIRCLES.config.dataset:
        return replace(study, seeds=seeds)
    base = Experiment(name=dataset, config=replace(CIRCLES.config, dataset=dataset))
    return replace(study, name=f"{dataset}-{study.name}", bases=(base,), seeds=seeds)

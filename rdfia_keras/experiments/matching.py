"""Which registered experiment a config repeats, and what a run is called that repeats none."""

import re
from dataclasses import replace
from pathlib import Path

from rdfia_keras.config import Config, flag, settings
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments.base import REGISTRY, Experiment, same_identity


def match_registered(config: Config) -> Experiment:
    """The experiment of a config: the registered one whose settings it repeats, else one of its own.

    Args:
        config: As the user gave it. Without epochs it takes the registered experiment's, or those that suit the data.

    Returns:
        An experiment whose config is `config` with every default filled in. One that is not registered is named for its
        settings and has nothing published beside it.
    """
    asked = config.resolve()
    for known in REGISTRY.values():
        if same_identity(known.config, asked):
            if known.config.epochs is None:
                return replace(known, config=asked)
            return replace(known, config=replace(asked, epochs=config.epochs or known.config.epochs))
    return Experiment(name=describe(asked), config=asked)


def describe(config: Config) -> str:
    """A folder name made of the settings that are not the defaults: `digits-augment-dropout`."""
    usual = type(config)()
    words = []
    for name, known in settings(config).items():
        value = getattr(config.resolve(), name)
        if known.identity and value != _default(config, name, getattr(usual, name)):
            words += _words(name, value, known.switch and known.switch.value, flag(name, known))
    words = words or [str(config.section)]
    name = "-".join(words)
    return f"{name}-other" if name in REGISTRY else name


def _default(config: Config, name: str, usual: object) -> object:
    """What a setting would be, had it been left out."""
    try:
        return getattr(replace(config, **{name: usual}).resolve(), name)
    except ConfigError:  # Another setting needs this one.
        return usual


def _words(name: str, value: object, switched: object, typed: str) -> list[str]:
    """A setting in a folder's name: a name as it is, a number after its option, a switch by its flag."""
    option = typed.removeprefix("--")
    if name == "dataset":
        return [_file_word(value) or "images"]
    if name == "init":
        return ["init", _file_word(value)]
    if isinstance(value, tuple):
        return ["augment"] if value == switched else list(value)
    if isinstance(value, bool):
        return [option if value else f"no-{option}"]
    if isinstance(value, str):
        return [value]
    if switched is not None:
        option = option.removesuffix("-rate")
    return [option if value == switched else f"{option}-{value:g}"]


def _file_word(value: object) -> str:
    """The last part of a path, without what no folder's name should have."""
    return re.sub(r"[^\w.-]+", "-", Path(str(value)).name.removesuffix(".csv").removesuffix(".json"))


def on_dataset(experiment: Experiment, dataset: str) -> Experiment:
    """The experiment on other data: nothing published stands beside it."""
    if experiment.config.dataset == dataset:
        return experiment
    return match_registered(replace(experiment.config, dataset=dataset))

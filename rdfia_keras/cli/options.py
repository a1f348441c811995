"""Options made from settings: what a config or a parameter says of itself becomes what people type."""

import inspect
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Annotated, Any, get_args

import typer

from rdfia_keras.config import Setting, check_value, flag, label, value_type
from rdfia_keras.errors import ConfigError


def parameters(config: Any, names: tuple[str, ...] | None = None) -> Iterator[inspect.Parameter]:
    """The typer parameters of a config's settings, or of those that are named."""
    chosen = [
        field for field in fields(config) if "setting" in field.metadata and (names is None or field.name in names)
    ]
    for field in chosen:
        known, default = field.metadata["setting"], None if field.default is MISSING else field.default
        if known.switch:
            option = typer.Option(known.switch.flag, help=known.switch.help, rich_help_panel=known.panel)
            yield _parameter(switch_name(known), bool, option, False)
        yield parameter(field.name, field.type, known, default)


def parameter(name: str, annotation: Any, known: Setting, default: Any) -> inspect.Parameter:
    """The typer parameter of one setting."""
    kind, optional, many = value_type(annotation)
    typed = flag(name, known)
    if kind is bool and optional:
        typed = f"{typed}/--no-{typed.removeprefix('--')}"
    option = typer.Option(
        typed,
        help=known.help,
        rich_help_panel=known.panel,
        envvar=known.envvar or None,
        show_default=known.shown_default or (default is not None and kind is not bool),
        metavar="|".join((*known.choices, *([f"FILE{known.suffix}"] if known.suffix else []))) or None,
        autocompletion=_completion(known.choices) if known.choices else None,
    )
    # A switch's value is only used with its switch, a repeated option starts from nothing.
    if many or known.switch:
        return _parameter(name, list[str] | None if many else kind | None, option, None)
    return _parameter(name, annotation, option, default)


def _parameter(name: str, annotation: Any, option: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option]
    )


def _completion(choices: tuple[str, ...]) -> Any:
    return lambda incomplete: [choice for choice in choices if choice.startswith(incomplete)]


def switch_name(known: Setting) -> str:
    """The parameter of a setting's switch."""
    assert known.switch is not None
    return known.switch.flag.removeprefix("--").replace("-", "_")


def own_parameters(function: Any, taken: tuple[str, ...]) -> Iterator[inspect.Parameter]:
    """A function's own parameters: typer's annotations as they are, a `Setting` as an option."""
    for name, declared in inspect.signature(function).parameters.items():
        if name in taken:
            continue
        known = next((fact for fact in get_args(declared.annotation)[1:] if isinstance(fact, Setting)), None)
        if known is None:
            yield declared.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        else:
            yield parameter(name, get_args(declared.annotation)[0], known, declared.default)


def check_own(function: Any, values: Mapping[str, Any]) -> None:
    """Check the values of a function's own parameters against their settings.

    Raises:
        ConfigError: On the first that is not allowed.
    """
    for name, declared in inspect.signature(function).parameters.items():
        known = next((fact for fact in get_args(declared.annotation)[1:] if isinstance(fact, Setting)), None)
        if known and name in values:
            check_value(f"{name} ({flag(name, known)})", name, get_args(declared.annotation)[0], values[name], known)


def collect(config: Any, values: dict[str, Any], typed: set[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Take a config's settings out of a command's parameters.

    Args:
        values: The parameters' values; those that belong to `config` are removed.
        typed: Names of the parameters that were given on the command line.

    Returns:
        The settings of `config`, and those among them that were given.

    Raises:
        ConfigError: When a value was given without the switch that it belongs to.
    """
    taken, given = {}, {}
    for field in fields(config):
        known = field.metadata.get("setting")
        if known is None or field.name not in values:
            continue
        value, names = values.pop(field.name), {field.name}
        if known.switch:
            names.add(switch_name(known))
            on = values.pop(switch_name(known))
            value = _switched(config, field.name, known, on, value, field.default)
        elif value is None and not value_type(field.type)[1]:
            value = field.default
        taken[field.name] = Path(value) if field.type is Path else value
        if names & typed:
            given[field.name] = taken[field.name]
    return taken, given


def _switched(config: Any, name: str, known: Setting, on: bool, value: Any, default: Any) -> Any:
    """The value of a setting with a switch: the switch's own, or what was given with it."""
    assert known.switch is not None
    if isinstance(default, tuple):
        return tuple(dict.fromkeys([*(known.switch.value if on else ()), *(value or ())]))
    if value is not None and not on:
        raise ConfigError(f"{label(config, name)} needs {known.switch.flag}", (name,))
    if value is not None:
        return value
    return known.switch.value if on else default

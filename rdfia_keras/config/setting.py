"""One setting: its help text, its checks, and the rules between settings. Standard library only."""

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from rdfia_keras.errors import ConfigError

if typing.TYPE_CHECKING:
    from rdfia_keras.config.sections import Config


@dataclass(frozen=True)
class Check:
    """A condition on one value, and what an error says when it does not hold."""

    says: str
    holds: Callable[[Any], bool]
    example: Any


POSITIVE = Check("must be a finite number above 0", lambda value: value > 0 and math.isfinite(value), 0.5)
NOT_NEGATIVE = Check("must be a finite number, at least 0", lambda value: value >= 0 and math.isfinite(value), 0.5)
RATE = Check("must be between 0 and 1 (0: none)", lambda value: 0 <= value < 1, 0.25)
FRACTION = Check("must be between 0 and 1", lambda value: 0 <= value <= 1, 0.5)
AT_LEAST_1 = Check("must be at least 1", lambda value: value >= 1, 3)
AT_LEAST_2 = Check("must be at least 2", lambda value: value >= 2, 3)
PIXELS = Check("must be at least 0", lambda value: value >= 0, 3)
DEGREE = Check("must be between 1 and 10", lambda value: 1 <= value <= 10, 4)
SEED = Check("must be between 0 and 4294967295", lambda value: 0 <= value < 2**32, 7)


@dataclass(frozen=True)
class Switch:
    """A flag without a value that stands for a usual one: `--dropout` for a rate of 0.5."""

    flag: str
    value: Any
    help: str


@dataclass(frozen=True)
class Setting:
    """What is known of a setting besides its type and default.

    Attributes:
        help: One line for `--help`.
        panel: Of the help page.
        flag: What people type; by default `--` and the field's name.
        choices: The values that it may take, or each value of a tuple.
        suffix: Of a file that it may name, beside its choices: `.csv`.
        check: A condition on its value, or on each value of a tuple.
        switch: A flag that sets it to a usual value. A tuple's own flag then appends to that value; any other needs it.
        shown_default: The default in words, where it depends on other settings.
        identity: Whether it makes another experiment. Two runs that differ in other settings only are runs of one
            experiment.
        envvar: An environment variable that may give the value.
    """

    help: str
    panel: str = "Run"
    flag: str = ""
    choices: tuple[str, ...] = ()
    suffix: str = ""
    check: Check | None = None
    switch: Switch | None = None
    shown_default: str = ""
    identity: bool = True
    envvar: str = ""


def setting(default: Any, help: str, **facts: Any) -> Any:
    """A dataclass field with its `Setting`."""
    return dataclasses.field(default=default, metadata={"setting": Setting(help, **facts)})


def settings(config: Any) -> dict[str, Setting]:
    """The `Setting` of each field of a config, or of its class."""
    return {field.name: field.metadata["setting"] for field in fields(config) if "setting" in field.metadata}


def flag(name: str, known: Setting) -> str:
    """What people type for a setting."""
    return known.flag or "--" + name.replace("_", "-")


def value_type(annotation: Any) -> tuple[type, bool, bool]:
    """Of `int | None`, `tuple[str, ...]` and the like: the type of one value, whether None may stand, whether many."""
    kinds = typing.get_args(annotation) if isinstance(annotation, types.UnionType) else (annotation,)
    optional = type(None) in kinds
    kind = next(kind for kind in kinds if kind is not type(None))
    if typing.get_origin(kind) is tuple:
        return typing.get_args(kind)[0], optional, True
    return kind, optional, False


# --- rules between settings -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Requires:
    """One setting that is only possible with certain values of another, or with any value that is set."""

    field: str
    other: str
    values: tuple[str, ...] = ()

    def is_broken_by(self, config: "Config") -> bool:
        value = getattr(config, self.other)
        return is_set(config, self.field) and (value not in self.values if self.values else value is None)

    def says(self, config: "Config | type[Config]") -> str:
        values = f" {' or '.join(self.values)}" if self.values else ""
        return f"{label(config, self.field)} needs {label(config, self.other)}{values}"


@dataclass(frozen=True)
class Excludes:
    """Two settings that do not go together."""

    field: str
    other: str

    def is_broken_by(self, config: "Config") -> bool:
        return is_set(config, self.field) and is_set(config, self.other)

    def says(self, config: "Config | type[Config]") -> str:
        return f"{label(config, self.field)} and {label(config, self.other)} exclude each other: leave one out"


def is_set(config: "Config", name: str) -> bool:
    """Whether a setting is anything but off: None, False, 0 and an empty tuple are."""
    return bool(getattr(config, name))


def label(config: Any, name: str) -> str:
    """A setting as errors name it, for those who write Python and those who type options."""
    return f"{name} ({flag(name, settings(config)[name])})"


def check(config: Any) -> None:
    """Check each value by itself, then the rules between them.

    Raises:
        ConfigError: On the first that does not hold.
    """
    for field in fields(config):
        if setting := field.metadata.get("setting"):
            check_value(label(config, field.name), field.name, field.type, getattr(config, field.name), setting)
    for rule in getattr(config, "rules", ()):
        if rule.is_broken_by(config):
            raise ConfigError(rule.says(config), (rule.field, rule.other))


def check_value(named: str, name: str, annotation: Any, value: Any, known: Setting) -> None:
    """Check one value against its type and its `Setting`.

    Raises:
        ConfigError: With `named` as its subject.
    """
    kind, optional, many = value_type(annotation)
    if value is None and optional:
        return
    if many and not isinstance(value, tuple):
        raise ConfigError(f"{named} must be a tuple or a list, not {value!r}", (name,))
    for one in value if many else (value,):
        if not _is_a(kind, one):
            raise ConfigError(f"{named} must be {_TYPE_NAMES.get(kind, kind.__name__)}, not {one!r}", (name,))
        if (known.choices or known.suffix) and not _is_named(one, known):
            raise ConfigError(f"{named} must be {_names(known)}, not {one!r}", (name,))
        if known.check and not known.check.holds(one):
            raise ConfigError(f"{named} {known.check.says}, not {one}", (name,))


def _is_named(value: str, known: Setting) -> bool:
    return value in known.choices or bool(known.suffix and value.endswith(known.suffix))


def _names(known: Setting) -> str:
    """The values that may be named, in words."""
    file = f"a {known.suffix} file" if known.suffix else ""
    choices = f"one of {', '.join(known.choices)}" if known.choices else ""
    return ", or ".join(words for words in (choices, file) if words)


_TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _is_a(kind: type, value: Any) -> bool:
    if kind in (int, float):
        return isinstance(value, numbers.Integral if kind is int else numbers.Real) and not isinstance(value, bool)
    return isinstance(value, kind)

"""One setting: its help text, its checks, and the rules between settings. Standard library only."""

import dataclasses
import math
import numbers
import types
import typing
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

from rdfia_keras.errors import ConfigError, in_any_case

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
# Of an array: NumPy refuses sizes far beyond it with an error of its own.
SIZE = Check("must be between 1 and 1,000,000,000", lambda value: 1 <= value <= 10**9, 3)
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
    """A setting of a config, besides its type and default.

    Attributes:
        help: One line for `--help`.
        panel: Part of the help page.
        flag: What people type; by default `--` and the field's name.
        choices: The values that it may take, or each value of a tuple.
        suffix: How a file ends that it may name instead of a choice: `.csv`.
        check: A condition on its value, or on each value of a tuple.
        switch: A flag that sets it to a usual value. A tuple's own flag appends to that value; any other replaces it.
        shown_default: The default in words, where it depends on other settings.
        defines_experiment: Whether another value makes another experiment. Two runs that differ in other settings only
            are runs of one experiment.
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
    defines_experiment: bool = True
    envvar: str = ""


def setting(default: Any, help: str, **facts: Any) -> Any:
    """Make a dataclass field with its `Setting`."""
    return dataclasses.field(default=default, metadata={"setting": Setting(help, **facts)})


def settings(config: Any) -> dict[str, Setting]:
    """Return the `Setting` of each field of a config, or of its class."""
    return {field.name: field.metadata["setting"] for field in fields(config) if "setting" in field.metadata}


def flag(name: str, setting: Setting) -> str:
    """Return what people type for a setting."""
    return setting.flag or "--" + name.replace("_", "-")


def value_type(annotation: Any) -> tuple[type, bool, bool]:
    """Take an annotation such as `int | None` or `tuple[str, ...]` apart.

    Returns:
        The type of a value, whether None is allowed, and whether there are several values.
    """
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
        """Return whether a config breaks the rule."""
        met = getattr(config, self.other) in self.values if self.values else is_set(config, self.other)
        return is_set(config, self.field) and not met

    def says(self, config: "Config | type[Config]") -> str:
        """Return the error's sentence."""
        values = f" {' or '.join(self.values)}" if self.values else ""
        return f"{label(config, self.field)} needs {label(config, self.other)}{values}"


@dataclass(frozen=True)
class Excludes:
    """Two settings that do not go together."""

    field: str
    other: str

    def is_broken_by(self, config: "Config") -> bool:
        """Return whether a config breaks the rule."""
        return is_set(config, self.field) and is_set(config, self.other)

    def says(self, config: "Config | type[Config]") -> str:
        """Return the error's sentence."""
        return f"{label(config, self.field)} and {label(config, self.other)} exclude each other: leave one out"


class Ignores(Excludes):
    """A switch with which another setting has no effect, so that only its default may stand."""

    def is_broken_by(self, config: "Config") -> bool:
        """Return whether a config breaks the rule."""
        usual = config.__dataclass_fields__[self.other].default
        return is_set(config, self.field) and getattr(config, self.other) != usual


def is_set(config: "Config", name: str) -> bool:
    """Return whether a setting is on; None, False, 0 and an empty tuple are off."""
    return bool(getattr(config, name))


def label(config: Any, name: str) -> str:
    """Name a setting in an error, for those who write Python and those who type options: `lr (--lr)`."""
    return f"{name} ({flag(name, settings(config)[name])})"


def check(config: Any) -> None:
    """Check each value by itself and keep it as `check_value` returns it, then check the rules between them.

    Raises:
        ConfigError: On the first that does not hold.
    """
    for field in fields(config):
        if setting := field.metadata.get("setting"):
            value = check_value(field.name, field.type, getattr(config, field.name), setting)
            object.__setattr__(config, field.name, value)
    for rule in getattr(config, "rules", ()):
        if rule.is_broken_by(config):
            raise ConfigError(rule.says(config), (rule.field, rule.other))


def check_value(name: str, annotation: Any, value: Any, setting: Setting) -> Any:
    """Check one value against its type and its `Setting`.

    Returns:
        The value; a choice in the case in which it is declared, a number of NumPy's as one of Python's, and several
        values, also as a list or as a text such as `crop+flip`, as a tuple.

    Raises:
        ConfigError: With its `label` as the subject.
    """
    kind, optional, many = value_type(annotation)
    if value is None and optional:
        return None
    if not many:
        return _check_item(name, kind, value, setting)
    items = [part.strip() for part in value.split("+")] if isinstance(value, str) else value
    if not isinstance(items, tuple | list):
        raise ConfigError(f"{name} ({flag(name, setting)}) must be a tuple or a list, not {value!r}", (name,))
    return tuple(_check_item(name, kind, item, setting) for item in items)


def _check_item(name: str, kind: type, item: Any, setting: Setting) -> Any:
    subject = f"{name} ({flag(name, setting)})"
    if not _is_a(kind, item):
        raise ConfigError(f"{subject} must be {_TYPE_NAMES.get(kind, kind.__name__)}, not {item!r}", (name,))
    if (setting.choices or setting.suffix) and not _may_be(item, setting):
        raise ConfigError(f"{subject} must be {_choices_in_words(setting)}, not {item!r}", (name,))
    if setting.check and not setting.check.holds(item):
        raise ConfigError(f"{subject} {setting.check.says}, not {item}", (name,))
    if setting.choices:
        return in_any_case(item, setting.choices)
    return kind(item) if kind in (int, float) else item


def _may_be(value: str, setting: Setting) -> bool:
    is_file = bool(setting.suffix) and value.lower().endswith(setting.suffix)
    return is_file or in_any_case(value, setting.choices) in setting.choices


def _choices_in_words(setting: Setting) -> str:
    """Return the values that a setting may have, in words."""
    file = f"a {setting.suffix} file" if setting.suffix else ""
    choices = f"one of {', '.join(setting.choices)}" if setting.choices else ""
    return ", or ".join(words for words in (choices, file) if words)


_TYPE_NAMES = {int: "a whole number", float: "a number", bool: "true or false", str: "a text"}


def _is_a(kind: type, value: Any) -> bool:
    if kind in (int, float):
        return isinstance(value, numbers.Integral if kind is int else numbers.Real) and not isinstance(value, bool)
    return isinstance(value, kind)

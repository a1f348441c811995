"""Options made from settings, and the decorator that makes a command of a function."""

import inspect
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, get_args

import typer
from typer.core import TyperCommand, TyperGroup

from rdfia_keras.commands._completion import NAMES, completion
from rdfia_keras.commands._output import plain_errors, show
from rdfia_keras.config import (
    CnnConfig,
    Config,
    RunOptions,
    Setting,
    check_value,
    flag,
    parse_number,
    settings,
    value_type,
)
from rdfia_keras.errors import ConfigError
from rdfia_keras.result import Result

ALL_OPTIONS = tuple(settings(RunOptions))

# Options that several commands have.
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel="Run")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show tracebacks and the native libraries' own logs.", rich_help_panel="Run")
]
_CNN = settings(CnnConfig)
Epochs = Annotated[int | None, replace(_CNN["epochs"], shown_default="each experiment's own")]
Precision = Annotated[str | None, replace(_CNN["precision"], shown_default="each experiment's own")]
Seed = Annotated[int, _CNN["seed"]]
Runs = Annotated[
    list[str],
    typer.Argument(
        help="A run's folder, or its name as rdfia runs prints it; reference/... for a result of the package.",
        metavar="RUN",
    ),
]
OtherImages = Annotated[
    str | None,
    typer.Option(help="Other images: cifar10, mnist, digits, or a folder.", show_default="each experiment's own"),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Only list the trials and what is already there.")]
OpenPage = Annotated[bool, typer.Option("--open", help="Show the page in the browser.")]
PNG = ".png"
# Choices longer than this would be broken within a word by a help page of 80 columns.
LONGEST_METAVAR = 22


class PlainHelp:
    """A command whose help page names no type of a flag: it takes no value."""

    def get_params(self, ctx: Any) -> Any:
        """Return the parameters, flags without a type."""
        params = super().get_params(ctx)  # type: ignore[misc]
        for param in params:
            if getattr(param, "is_flag", False):
                param.metavar = ""
        return params


class PlainCommand(PlainHelp, TyperCommand):
    """A `PlainHelp` without subcommands."""


class PlainGroup(PlainHelp, TyperGroup):
    """A `PlainHelp` with subcommands."""


@dataclass(frozen=True)
class Command:
    """A function that is a command. It can be called as before.

    Attributes:
        function: It takes `config` and `options`, as far as they are asked for, and its own parameters.
        name: What people type; by default the function's name.
        config: Whose settings become options.
        options: Names of the `RunOptions` that the command takes.
        examples: Shown below the help.
        without: Settings of the config that the command does not take.
    """

    function: Callable[..., Result]
    name: str
    config: type[Config] | None
    options: tuple[str, ...]
    examples: Sequence[str]
    without: tuple[str, ...] = ()

    def __call__(self, *args: Any, **kwargs: Any) -> Result:
        return self.function(*args, **kwargs)

    def register(self, app: typer.Typer, panel: str | None = None) -> None:
        """Add the command to an application, in a panel of its help page."""
        epilog = f"Examples:  {'  |  '.join(self.examples)}" if self.examples else None

        def run(ctx: typer.Context, json: bool, debug: bool, **values: Any) -> None:
            show(self._answer(values), json)

        # The help would keep the line breaks within a paragraph.
        text = re.sub(r"(?<!\n)\n(?!\n)", " ", inspect.getdoc(self.function) or "")
        run.__name__ = self.function.__name__
        run.__signature__ = inspect.Signature(self._signature())  # type: ignore[attr-defined]
        app.command(self.name, help=text, epilog=epilog, rich_help_panel=panel, cls=PlainCommand)(plain_errors(run))

    def _answer(self, values: dict[str, Any]) -> Result:
        """Call the function with the values of all parameters."""
        arguments: dict[str, Any] = {}
        if self.config:
            arguments["config"] = self.config(**_collect(self.config, values))
        if self.options:
            arguments["options"] = RunOptions(**_collect(RunOptions, values))
        _check_own(self.function, values)
        return self.function(**arguments, **values)

    def _signature(self) -> list[inspect.Parameter]:
        """Return the context, then the options in the order in which help pages show them."""

        def option(name: str, annotation: Any) -> inspect.Parameter:
            return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=False, annotation=annotation)

        context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
        own = _own_parameters(self.name, self.function)
        taken = set(settings(self.config)).difference(self.without) if self.config else ()
        from_config = parameters(self.config, taken) if self.config else ()
        # The data beside the config's own settings of data.
        shared = sorted(parameters(RunOptions, self.options), key=lambda parameter: parameter.name != "data_dir")
        return [context, *own, *from_config, *shared, option("json", Json), option("debug", Debug)]


def command(
    name: str | None = None,
    *,
    config: type[Config] | None = None,
    options: tuple[str, ...] = ALL_OPTIONS,
    examples: Sequence[str] = (),
    without: tuple[str, ...] = (),
) -> Callable[[Callable[..., Result]], Command]:
    """Make a command of a function. The arguments are those of `Command`.

    Example:
        >>> @command(config=SvmConfig, options=("out",), examples=("rdfia svm",))
        ... def svm(config: SvmConfig, options: RunOptions) -> Result:
        ...     '''Fit SVM kernels.'''
    """
    return lambda function: Command(function, name or function.__name__, config, options, examples, without)


# --- parameters of typer from settings --------------------------------------------------------------------------------


def parameters(config: Any, names: Collection[str]) -> Iterator[inspect.Parameter]:
    """Yield the typer parameters of the named settings of a config."""
    for field in fields(config):
        if field.name not in names:
            continue
        setting, default = field.metadata["setting"], None if field.default is MISSING else field.default
        if setting.switch:
            option = typer.Option(setting.switch.flag, help=setting.switch.help, rich_help_panel=setting.panel)
            yield _parameter(_switch_name(setting), bool, option, False)
        yield parameter(field.name, field.type, setting, default)


def parameter(name: str, annotation: Any, setting: Setting, default: Any) -> inspect.Parameter:
    """Return the typer parameter of one setting."""
    kind, optional, many = value_type(annotation)
    flags = flag(name, setting)
    if kind is bool and optional:
        flags = f"{flags}/--no-{flags.removeprefix('--')}"
    metavar, help = _choices(kind, setting)
    option = typer.Option(
        flags,
        help=help,
        rich_help_panel=setting.panel,
        envvar=setting.envvar or None,
        show_default=setting.shown_default or (default is not None and kind is not bool),
        metavar=metavar,
        # What is no number is refused by the config, in the words of every other value.
        parser=(lambda text: parse_number(kind, text)) if kind in (int, float) else None,
        autocompletion=completion(lambda: setting.choices) if setting.choices else None,
    )
    # A value counts with its switch and without it, a repeated option starts from nothing.
    if many or setting.switch:
        return _parameter(name, list[str] | None if many else kind | None, option, None)
    return _parameter(name, annotation, option, default)


def _parameter(name: str, annotation: Any, option: Any, default: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, option]
    )


def _choices(kind: type, setting: Setting) -> tuple[str | None, str]:
    """Return the metavar of an option and its help text, which lists the choices where the metavar has no place."""
    if kind in (int, float):
        return f"<{kind.__name__}>", setting.help
    metavar = "|".join((*setting.choices, *([f"FILE{setting.suffix}"] if setting.suffix else [])))
    if len(metavar) <= LONGEST_METAVAR or not setting.choices:
        return metavar or None, setting.help
    return (
        f"CHOICE|FILE{setting.suffix}" if setting.suffix else "CHOICE",
        f"{setting.help} ({', '.join(setting.choices)})",
    )


def _switch_name(setting: Setting) -> str:
    assert setting.switch is not None
    return setting.switch.flag.removeprefix("--").replace("-", "_")


def _own_parameters(command: str, function: Any) -> Iterator[inspect.Parameter]:
    """Yield a function's own parameters: typer's annotations, with their completion, a `Setting` as an option."""
    for name, declared in inspect.signature(function).parameters.items():
        if name in ("config", "options"):
            continue
        setting = _setting_of(declared)
        if setting is None:
            if names := NAMES.get((command, name)):
                get_args(declared.annotation)[1].autocompletion = completion(names)
            yield declared.replace(kind=inspect.Parameter.KEYWORD_ONLY)
        else:
            yield parameter(name, get_args(declared.annotation)[0], setting, declared.default)


def _setting_of(declared: inspect.Parameter) -> Setting | None:
    return next((fact for fact in get_args(declared.annotation)[1:] if isinstance(fact, Setting)), None)


# --- values -----------------------------------------------------------------------------------------------------------


def _check_own(function: Any, values: dict[str, Any]) -> None:
    """Check the values of a function's own parameters against their settings.

    Raises:
        ConfigError: On the first that is not allowed.
    """
    for name, declared in inspect.signature(function).parameters.items():
        setting = _setting_of(declared)
        if setting and name in values:
            values[name] = check_value(name, get_args(declared.annotation)[0], values[name], setting)


def _collect(config: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Take the settings of a config out of a command's values."""
    taken = {}
    for field in fields(config):
        setting = field.metadata.get("setting")
        if setting is None or field.name not in values:
            continue
        value = values.pop(field.name)
        if setting.switch:
            on = values.pop(_switch_name(setting))
            value = _switched(setting, on, value, field.default)
        elif value is None and not value_type(field.type)[1]:
            value = field.default
        taken[field.name] = Path(value) if field.type is Path else value
    return taken


def _switched(setting: Setting, on: bool, value: Any, default: Any) -> Any:
    """Return the value of a setting with a switch: the switch's own, or what was given with it."""
    assert setting.switch is not None
    if isinstance(default, tuple):
        return tuple(dict.fromkeys([*(setting.switch.value if on else ()), *(value or ())]))
    if value is not None:
        return value
    return setting.switch.value if on else default


def check_png(plot: Path | None) -> None:
    """Refuse a file for a plot that does not end in .png.

    Raises:
        ConfigError: With the name.
    """
    if plot and plot.suffix.lower() != PNG:
        raise ConfigError(f"--plot must end in {PNG}, not {plot}")

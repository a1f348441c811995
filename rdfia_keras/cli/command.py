"""A command is a function and a call: its options come from its config, its result is printed in one place."""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from rdfia_keras.cli.options import check_own, collect, own_parameters, parameters
from rdfia_keras.cli.output import plain_errors, show
from rdfia_keras.config import Config, RunOptions, check_values
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.report.result import Result

ALL_OPTIONS = tuple(field.name for field in fields(RunOptions))
# What --resume without a folder becomes; no run's folder is called so.
LATEST = "<latest>"
# Decided when a run starts.
FIXED_AT_THE_START = ("quick", "overwrite", "deterministic", "check_gradients")


def command(
    app: typer.Typer,
    name: str | None = None,
    *,
    config: type[Config] | None = None,
    options: tuple[str, ...] = ALL_OPTIONS,
    resumable: bool = False,
    examples: Sequence[str] = (),
) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Register a function as a command.

    The function gets `config`, a checked config made from the options; `options`, a `RunOptions`; and its own
    parameters. It returns a `Result`.

    Args:
        config: Whose settings become options.
        options: Names of the `RunOptions` that the command takes.
        resumable: Whether `--resume` resumes a run of the section instead.
        examples: Shown below the help.
    """

    def register(function: Callable[..., Result]) -> Callable[..., Result]:
        def run(ctx: typer.Context, json: bool, debug: bool, **values: Any) -> None:
            typed = {known for known in values if _is_typed(ctx, known)}
            resume = values.pop("resume", None)
            given_options, given = collect(RunOptions, values, typed)
            if resume is not None:
                show(_resume(resume, config, RunOptions(**given_options), given, values, typed), json)
            arguments: dict[str, Any] = {}
            if config:
                taken, _ = collect(config, values, typed)
                arguments["config"] = config(**taken)
            if options:
                arguments["options"] = RunOptions(**given_options)
            check_own(function, values)
            show(function(**arguments, **values), json)

        run.__name__, run.__doc__ = function.__name__, function.__doc__
        run.__signature__ = inspect.Signature(_signature(function, config, options, resumable))  # type: ignore[attr-defined]
        epilog = f"Examples:  {'  |  '.join(examples)}" if examples else None
        kind = _Resumable if resumable else TyperCommand
        app.command(name, epilog=epilog, cls=kind)(plain_errors(run))
        return function

    return register


def _signature(
    function: Callable[..., Result], config: type[Config] | None, options: tuple[str, ...], resumable: bool
) -> list[inspect.Parameter]:
    """Context, then the options in the order in which help pages show them."""

    def option(name: str, annotation: Any, default: Any) -> inspect.Parameter:
        return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)
    shared = list(parameters(RunOptions, options))
    own = list(own_parameters(function, ("config", "options")))
    data = [one for one in shared if one.name == "data_dir"]
    found = [*own, *(parameters(config) if config else ()), *data, *(one for one in shared if one.name != "data_dir")]
    if resumable:
        found.append(option("resume", Resume, None))
    found += [option("json", Json, False), option("debug", Debug, False)]
    return [context, *found]


Resume = Annotated[
    str | None,
    typer.Option(
        metavar="[RUN]",
        help="Resume an interrupted run: its folder or name, or the latest in --out; see rdfia resume.",
        show_default="none",
        rich_help_panel="Run",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON.", rich_help_panel="Run")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show tracebacks and the native libraries' own logs.", rich_help_panel="Run")
]


def _is_typed(ctx: typer.Context, name: str) -> bool:
    source = ctx.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _resume(
    resume: str,
    config: type[Config] | None,
    options: RunOptions,
    given: dict[str, Any],
    values: dict[str, Any],
    typed: set[str],
) -> Result:
    """Resume a run of the command's section; `typed` names the parameters that were given."""
    for name in FIXED_AT_THE_START:
        if name in typed:
            raise ConfigError(
                f"--{name.replace('_', '-')} cannot go with --resume: a run continues as it was started", (name,)
            )
    if not resume:
        raise RdfiaError("--resume: the name of the run's folder is empty")
    assert config is not None
    from rdfia_keras.sections import resume as section

    _, settings = collect(config, values, typed)
    check_values(config, settings)
    more = {name: value for name, value in values.items() if name in typed}
    folder = None if resume == LATEST else Path(resume)
    return section.run(folder, options, {**given, **settings}, config.section, **more)


class _Resumable(TyperCommand):
    """A command whose `--resume` can stand alone: an option's value cannot be left out otherwise."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        filled = []
        for i, word in enumerate(args):
            filled.append(word)
            if word == "--resume" and (i + 1 == len(args) or args[i + 1].startswith("-")):
                filled.append(LATEST)
        return super().parse_args(ctx, filled)

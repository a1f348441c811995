"""Commands on runs: resume, runs, compare."""

from pathlib import Path
from typing import Annotated

import typer

from rdfia_keras.cli.command import command
from rdfia_keras.cli.queries import Epochs
from rdfia_keras.config import AT_LEAST_1, CONFIGS, STATUSES, RunOptions, Setting
from rdfia_keras.report.result import Result

LIST = "List"


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(
        app,
        options=("out", "data_dir", "device"),
        examples=("rdfia resume", "rdfia resume cnn/augment", "rdfia resume results/cnn/augment --epochs 80"),
    )(resume)
    command(
        app,
        options=("out",),
        examples=(
            "rdfia runs",
            "rdfia runs --section cnn --sort best --limit 10",
            "rdfia runs --set lr=0.1 --set augmentations=crop+flip --csv",
            "rdfia runs --reference",
        ),
    )(runs)
    command(
        app,
        options=("out",),
        examples=("rdfia compare cnn/baseline cnn/augment", "rdfia compare results/cnn/augment reference/cnn/augment"),
    )(compare)


def resume(
    options: RunOptions,
    run: Annotated[
        Path | None,
        typer.Argument(
            help="A run's folder, or its name as rdfia runs prints it.",
            show_default="the latest unfinished run in --out",
        ),
    ] = None,
    epochs: Epochs = None,
) -> Result:
    """Resume an interrupted run, or make a finished one longer.

    It ends with the same bits as a run that was never interrupted.
    """
    from rdfia_keras.sections import resume as section

    given = {"epochs": epochs, "data_dir": options.data_dir, "device": options.device}
    given = {name: value for name, value in given.items() if value not in (None, "auto")}
    return section.run(run, options, given)


def runs(
    options: RunOptions,
    section: Annotated[
        str | None,
        Setting("Runs of this section only.", panel=LIST, choices=tuple(CONFIGS), shown_default="all of them"),
    ] = None,
    experiment: Annotated[
        str | None, Setting("Runs of this experiment only.", panel=LIST, shown_default="all of them")
    ] = None,
    status: Annotated[
        str | None, Setting("Runs that ended so only.", panel=LIST, choices=STATUSES, shown_default="all of them")
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Runs with this setting only; repeat it for several settings, or for several values of one.",
            show_default="all of them",
            rich_help_panel=LIST,
        ),
    ] = None,
    sort: Annotated[
        str | None,
        Setting(
            "best, selected, final or epochs, highest first; loss, seconds, parameters, seed, experiment, status or "
            "any setting, lowest first.",
            panel=LIST,
            shown_default="by name",
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="In the other order.", rich_help_panel=LIST)] = False,
    limit: Annotated[
        int | None, Setting("At most so many runs.", panel=LIST, check=AT_LEAST_1, shown_default="all of them")
    ] = None,
    reference: Annotated[
        bool,
        typer.Option("--reference", help="List the results that ship with the package instead.", rich_help_panel=LIST),
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the list as CSV.", rich_help_panel="Run")] = False,
) -> Result:
    """List the runs in --out, also unfinished and damaged ones, with the settings that differ among them."""
    from rdfia_keras.analysis.run_list import Filter, list_runs
    from rdfia_keras.runs.reference import reference_store
    from rdfia_keras.runs.store import RunStore

    store = reference_store() if reference else RunStore(options.out)
    chosen = Filter(section=section, experiment=experiment, status=status, settings=tuple(fields or ()))
    return list_runs(store, chosen, sort, reverse, limit, csv)


def compare(
    options: RunOptions,
    names: Annotated[
        list[str],
        typer.Argument(
            help="A run's folder, or its name as rdfia runs prints it; reference/... for a result of the package.",
            metavar="RUN",
        ),
    ],
    plot: Annotated[
        Path | None,
        typer.Option(help="File for the plot, a PNG.", show_default="compare/<names>.png in --out"),
    ] = None,
) -> Result:
    """Compare runs: the settings that differ, the results side by side, and the curves in one plot."""
    from rdfia_keras.analysis.comparison import compare_runs

    return compare_runs(names, options.out, plot)

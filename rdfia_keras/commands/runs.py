"""`rdfia runs`: a list of runs."""

import sys
from typing import Annotated

import typer

from rdfia_keras.commands._options import command
from rdfia_keras.config import AT_LEAST_1, CONFIGS, STATUSES, RunOptions, Setting
from rdfia_keras.result import Result

PANEL = "List"


@command(
    options=("out",),
    examples=(
        "rdfia runs",
        "rdfia runs --section cnn --sort best --limit 10",
        "rdfia runs --set lr=0.1 --set augmentations=crop+flip --csv",
        "rdfia runs --reference",
    ),
)
def runs(
    options: RunOptions,
    section: Annotated[
        str | None, Setting("Only runs of this section.", panel=PANEL, choices=tuple(CONFIGS), shown_default="all")
    ] = None,
    experiment: Annotated[
        str | None, Setting("Only runs of this experiment.", panel=PANEL, shown_default="all")
    ] = None,
    status: Annotated[
        str | None, Setting("Only runs with this status.", panel=PANEL, choices=STATUSES, shown_default="all")
    ] = None,
    fields: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="FIELD=VALUE",
            help="Only runs with this setting; repeat it for several settings, or for several values of one.",
            show_default="all",
            rich_help_panel=PANEL,
        ),
    ] = None,
    sort: Annotated[
        str | None,
        Setting(
            "best, selected, final or epochs, highest first; loss, seconds, parameters, seed, experiment, status or "
            "any setting, lowest first.",
            panel=PANEL,
            shown_default="by name",
        ),
    ] = None,
    reverse: Annotated[bool, typer.Option("--reverse", help="Reverse the order.", rich_help_panel=PANEL)] = False,
    limit: Annotated[
        int | None, Setting("Show at most N runs.", panel=PANEL, check=AT_LEAST_1, shown_default="all")
    ] = None,
    reference: Annotated[
        bool,
        typer.Option("--reference", help="List the results that ship with the package instead.", rich_help_panel=PANEL),
    ] = False,
    every: Annotated[
        bool,
        typer.Option("--all", help="List every run: each seed, and the trials of sweeps.", rich_help_panel=PANEL),
    ] = False,
    csv: Annotated[bool, typer.Option("--csv", help="Print the list as CSV.", rich_help_panel="Run")] = False,
) -> Result:
    """List the runs in --out, also unfinished and damaged ones, with the settings that differ among them.

    In a terminal, runs that differ only by their seed share a row, with mean and standard deviation.
    """
    from rdfia_keras.analysis.run_list import Filter, list_runs
    from rdfia_keras.runs.store import RunStore, reference_store

    store = reference_store() if reference else RunStore(options.out)
    chosen = Filter(section=section, experiment=experiment, status=status, settings=tuple(fields or ()))
    join_seeds = sys.stdout.isatty() and not every
    return list_runs(store, chosen, sort, reverse, limit, csv, trials=every, join_seeds=join_seeds)

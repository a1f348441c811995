"""Commands on runs: resume."""

from pathlib import Path
from typing import Annotated

import typer

from rdfia_keras.cli.command import command
from rdfia_keras.cli.queries import Epochs
from rdfia_keras.config import RunOptions
from rdfia_keras.report.result import Result


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(
        app,
        options=("out", "data_dir", "device"),
        examples=("rdfia resume", "rdfia resume results/cnn/augment", "rdfia resume results/cnn/augment --epochs 80"),
    )(resume)


def resume(
    options: RunOptions,
    run: Annotated[
        Path | None, typer.Argument(help="A run's folder.", show_default="the latest unfinished run in --out")
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

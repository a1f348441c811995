"""`rdfia compare`: runs side by side."""

from pathlib import Path
from typing import Annotated

import typer

from rdfia_keras.commands._options import Runs, check_png, command
from rdfia_keras.config import RunOptions
from rdfia_keras.result import Result


@command(
    options=("out",),
    examples=("rdfia compare cnn/baseline cnn/augment", "rdfia compare results/cnn/augment reference/cnn/augment"),
)
def compare(
    options: RunOptions,
    names: Runs,
    plot: Annotated[
        Path | None,
        typer.Option(help="File for the plot, a PNG.", show_default="compare/<names>.png in --out"),
    ] = None,
) -> Result:
    """Compare runs: settings that differ, results side by side, and the curves in one plot."""
    check_png(plot)
    from rdfia_keras.analysis.comparison import compare_runs

    return compare_runs(names, options.out, plot)

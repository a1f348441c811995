"""`rdfia figure`: the report's figures, from your runs, else from the package's reference."""

from functools import partial
from typing import Annotated

import typer

from rdfia_keras.commands._options import Epochs, Precision, Seed, command
from rdfia_keras.config import RunOptions
from rdfia_keras.experiments import FIGURES, figure_keys
from rdfia_keras.result import Result


@command(
    options=("out", "data_dir", "quick", "device"),
    examples=("rdfia figure 7", "rdfia figure 1 2 3", "rdfia figure flips", "rdfia figure all"),
)
def figure(
    options: RunOptions,
    numbers: Annotated[list[str], typer.Argument(help="1 to 23 of the report, flips, or all.", metavar="NUMBER...")],
    train: Annotated[
        bool, typer.Option("--train", help="Train what has no finished run in --out, however long it takes.")
    ] = False,
    precision: Precision = None,
    epochs: Epochs = None,
    seed: Seed = 0,
) -> Result:
    """Draw figures of the report from your runs, or from the reference results that come with this package."""
    keys = figure_keys(numbers)
    from rdfia_keras.analysis.figures import draw_figures
    from rdfia_keras.analysis.published import wanted_run
    from rdfia_keras.training.get_or_train import Resources
    from rdfia_keras.training.job import report_cut_epochs

    shown = {experiment.section for key in keys for experiment, _ in FIGURES[key].panels}
    report_cut_epochs(epochs, options.quick and train, *shown)
    query = partial(wanted_run, seed=seed, epochs=epochs, precision=precision, quick=options.quick)
    return draw_figures(keys, query, Resources(options), train)

"""`rdfia resume`: go on with a run."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rdfia_keras.commands._options import command
from rdfia_keras.config import CnnConfig, RunOptions, settings
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.result import Result

if TYPE_CHECKING:
    from rdfia_keras.runs.run import Run

Epochs = Annotated[
    int | None,
    replace(settings(CnnConfig)["epochs"], help="Epochs in all, those before included.", shown_default="the run's own"),
]


@command(
    options=("out", "data_dir", "device"),
    examples=("rdfia resume", "rdfia resume cnn/augment", "rdfia resume results/cnn/augment --epochs 80"),
)
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

    On the same machine, it ends with the same bits as a run that was never interrupted.
    """
    from rdfia_keras.analysis.tables import run_result
    from rdfia_keras.runs.run import Run
    from rdfia_keras.system.terminal import note
    from rdfia_keras.training.get_or_train import Resources
    from rdfia_keras.training.get_or_train import resume as resume_run

    with Run.open(folder_of(run, options.out)) as opened:
        length = check_length(opened, epochs)
        if opened.is_finished(length):
            note(f"{opened.folder} is finished already; --epochs makes it longer")
            return run_result(opened)
        options = as_started(opened, options)
        return run_result(resume_run(opened, length, options, Resources(options)))


def folder_of(run: Path | None, out: Path) -> Path:
    """Return the folder that a folder or a name means; without one that of the latest unfinished run.

    Raises:
        RdfiaError: If there is none.
    """
    from rdfia_keras.runs.store import RunStore, find_run
    from rdfia_keras.system.terminal import note

    if run is None:
        latest = RunStore(out).latest_unfinished().folder
        note(f"resuming {latest}, the latest unfinished run; name another to resume that")
        return latest
    return run if run.exists() else find_run(run, out).folder


def check_length(run: "Run", epochs: int | None) -> int:
    """Return the number of epochs that a run is to have.

    Raises:
        RdfiaError: If it is not trained in epochs.
        ConfigError: If it would get shorter, or longer where its schedule goes by all epochs.
    """
    before = run.config.epochs
    if before is None:
        raise RdfiaError(
            f"cannot resume {run.folder}: this is a run of rdfia {run.section}, which cannot be resumed; run it again"
        )
    if epochs and epochs < before:
        raise ConfigError(
            f"cannot resume {run.folder}: epochs (--epochs) was {before} and can only grow, not become {epochs}"
        )
    if epochs and epochs > before and run.config.epochs_shape_it:
        raise ConfigError(
            f"cannot make {run.folder} longer: its schedule or its average goes by all {before} epochs; start a "
            f"new run with --epochs {epochs}"
        )
    return epochs or before


def as_started(run: "Run", options: RunOptions) -> RunOptions:
    """Return the options with which a run was started; data folder and device can be given anew."""
    started = run.started_options()
    device = started.device if options.device == "auto" else options.device
    return replace(started, out=options.out, device=device, data_dir=options.data_dir or started.data_dir)

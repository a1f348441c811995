"""`rdfia resume`: go on with a run."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from rdfia_keras.commands._options import Epochs, command
from rdfia_keras.config import RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.result import Result


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

    It ends with the same bits as a run that was never interrupted.
    """
    from rdfia_keras.analysis.tables import run_result
    from rdfia_keras.runs.run import Run
    from rdfia_keras.runs.store import RunStore
    from rdfia_keras.system.terminal import note
    from rdfia_keras.training.get_or_train import Resources
    from rdfia_keras.training.get_or_train import resume as resume_run

    store = RunStore(options.out)
    if run is None:
        folder = store.latest_unfinished().folder
    elif run.exists():
        folder = run
    else:
        named = store.named(run.as_posix())
        folder = named.folder if named else run
    with Run.open(folder) as opened:
        if opened.config.epochs is None:
            raise RdfiaError(
                f"cannot resume {folder}: this is a run of rdfia {opened.section}, which cannot be resumed; "
                "run it again"
            )
        asked = epochs or opened.config.epochs
        if asked < opened.config.epochs:
            raise RdfiaError(
                f"cannot resume {folder}: epochs (--epochs) was {opened.config.epochs} and can only grow, "
                f"not become {asked}"
            )
        if opened.is_finished(asked):
            note(f"{folder} is finished already; --epochs makes it longer")
            return run_result(opened)
        recorded = opened.started["options"]
        data_dir = options.data_dir or (Path(recorded["data_dir"]) if recorded["data_dir"] else None)
        options = replace(
            options,
            quick=recorded["quick"],
            deterministic=recorded["deterministic"],
            device=recorded["device"] if options.device == "auto" else options.device,
            data_dir=data_dir,
        )
        return run_result(resume_run(opened, asked, options, Resources(options)))

"""Commands on trained models: predict, inspect."""

from pathlib import Path
from typing import Annotated

import typer

from rdfia_keras.cli.command import command
from rdfia_keras.config import AT_LEAST_1, RunOptions, Setting
from rdfia_keras.report.result import Result

Best = Annotated[bool, typer.Option("--best", help="Take the run's best.keras, not the model of its last epoch.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(
        app,
        options=("out", "device"),
        examples=(
            "rdfia predict cnn/augment cat.jpg dog.png",
            "rdfia predict results/cnn/augment/best.keras pictures/",
            "find . -name '*.png' | rdfia predict cnn/augment - --json",
        ),
    )(predict)
    command(
        app,
        options=("out", "data_dir", "device"),
        examples=("rdfia inspect cnn/batch-norm-pytorch", "rdfia inspect results/cnn/augment --best"),
    )(inspect)


def predict(
    options: RunOptions,
    model: Annotated[
        str, typer.Argument(help="A run of rdfia cnn, by folder or name, or a .keras file.", metavar="RUN|MODEL")
    ],
    images: Annotated[
        list[str],
        typer.Argument(help="PNG and JPEG files, folders of them, or - for a list on stdin.", metavar="IMAGE..."),
    ],
    top: Annotated[int, Setting("Classes to show of each image.", check=AT_LEAST_1)] = 5,
    best: Best = False,
    plot: Annotated[
        Path | None, typer.Option(help="File for the picture, a PNG.", show_default="predict/<name>.png in --out")
    ] = None,
) -> Result:
    """Predict the classes of images: a table, and a picture with bars and where the network looked."""
    from rdfia_keras.sections import predict as section

    return section.run(model, images, options, top=top, best=best, plot=plot)


def inspect(
    options: RunOptions,
    run: Annotated[str, typer.Argument(help="A run of rdfia cnn, by folder or name.", metavar="RUN")],
    best: Best = False,
) -> Result:
    """Inspect a trained network: scores by class, calibration, filters, mistakes with their reasons, disturbances."""
    from rdfia_keras.sections import inspection

    return inspection.run(run, options, best=best)

"""`rdfia predict`: the most probable classes of pictures, and where the network looked."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdfia_keras.commands._options import check_png, command
from rdfia_keras.config import AT_LEAST_1, RunOptions, Setting
from rdfia_keras.result import Result, percent

if TYPE_CHECKING:
    import keras
    import numpy as np
    from matplotlib.figure import Figure

# Rows of the picture: what still fits a screen.
MAX_DRAWN = 12
Best = Annotated[bool, typer.Option("--best", help="Use best.keras instead of the last epoch's model.")]


@command(
    options=("out", "device"),
    examples=(
        "rdfia predict digits five.png",
        "rdfia predict cnn/augment cat.jpg dog.png",
        "rdfia predict results/cnn/augment/best.keras pictures/",
        "find . -name '*.png' | rdfia predict cnn/augment - --json",
    ),
)
def predict(
    options: RunOptions,
    model: Annotated[
        str,
        typer.Argument(
            help="A run of rdfia cnn, by folder or name, or a .keras file; digits and cifar10 ship.",
            metavar="RUN|MODEL",
        ),
    ],
    images: Annotated[
        list[str],
        typer.Argument(help="Image files, folders of them, or - for a list on stdin.", metavar="IMAGE..."),
    ],
    top: Annotated[int, Setting("Classes to show of each image.", check=AT_LEAST_1)] = 5,
    best: Best = False,
    plot: Annotated[
        Path | None, typer.Option(help="File for the picture, a PNG.", show_default="predict/<name>.png in --out")
    ] = None,
) -> Result:
    """Predict the classes of images: a table, and a picture with bars and where the network looked."""
    check_png(plot)
    from rdfia_keras.data.image_folder import list_pictures, read_pictures
    from rdfia_keras.models.model_files import find_model
    from rdfia_keras.models.predictions import most_probable
    from rdfia_keras.runs.files import make_folder
    from rdfia_keras.system.backend import set_up_backend
    from rdfia_keras.system.terminal import note

    saved = find_model(model, options.out, best)
    paths, left_out = list_pictures(read_names(images))
    for file in left_out:
        note(f"warning: left out: {file}")
    path = plot or make_folder(options.out / "predict") / f"{saved.name.replace('/', '-')}.png"
    set_up_backend(options.device)
    from rdfia_keras import plots
    from rdfia_keras.models.saving import load_model
    from rdfia_keras.training.fit import predict_images

    network = load_model(saved.path)
    pixels = read_pictures(paths, network.input.shape[1:])
    classes = saved.classes(network.output.shape[-1])
    probabilities = predict_images(network, pixels)
    tops = most_probable(probabilities, classes, top)
    method, figure = draw(network, paths[:MAX_DRAWN], pixels[:MAX_DRAWN], probabilities[:MAX_DRAWN], tops, saved.name)
    make_folder(path.parent)
    plots.save(figure, path, smoke_test=saved.quick)
    rows = [
        {"image": str(image), "classes": [{"class": name, "probability": value} for name, value in top_classes]}
        for image, top_classes in zip(paths, tops, strict=True)
    ]
    return Result(
        data={
            "model": str(saved.path),
            "classes": list(classes),
            "images": rows,
            "left_out": left_out,
            "map": method,
            "plot": str(path),
        },
        table=[table_row(row) for row in rows],
        lines=[] if len(paths) <= MAX_DRAWN else [f"the picture shows the first {MAX_DRAWN} of {len(paths)}"],
        paths=[path],
        quick=saved.quick,
        exit_code=1 if left_out else 0,
    )


def read_names(names: Sequence[str]) -> list[str]:
    """Return the names, with those on stdin, one a line, in place of `-`."""
    all_names: list[str] = []
    for name in names:
        all_names += [line.strip() for line in sys.stdin if line.strip()] if name == "-" else [name]
    return all_names


def draw(
    network: "keras.Model",
    paths: Sequence[Path],
    images: "np.ndarray",
    probabilities: "np.ndarray",
    tops: Sequence[Sequence[tuple[str, float]]],
    name: str,
) -> tuple[str, "Figure"]:
    """Draw images as the network gets them, their bars and where it looked; return the method of the last as well."""
    from rdfia_keras import plots
    from rdfia_keras.analysis.attribution import where_it_looks

    method, maps = where_it_looks(network, images, probabilities.argmax(axis=1))
    heading = f"{name}: picture, {method} of the first class, probabilities"
    names = [image.name for image in paths]
    return method, plots.prediction_rows(images, names, tops[: len(names)], maps, heading)


def table_row(row: dict[str, Any]) -> dict[str, str]:
    """Return an image and its classes as text."""
    cells = {
        f"{number}.": f"{first['class']} {percent(first['probability'])}"
        for number, first in enumerate(row["classes"], start=1)
    }
    return {"image": row["image"], **cells}

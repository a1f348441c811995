"""`rdfia playground`: a page that trains the perceptron live."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING

from rdfia_keras.commands._options import OpenPage, command
from rdfia_keras.config import MlpConfig, RunOptions, label
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.result import Result
from rdfia_keras.system.terminal import note

if TYPE_CHECKING:
    from rdfia_keras.data import Dataset

PAGE = "playground.html"


@command(
    config=MlpConfig,
    without=("implementation", "lbfgs", "validation"),
    options=("out", "data_dir"),
    examples=(
        "rdfia playground --open",
        "rdfia playground --lr 2 --seed 3",
        "rdfia playground --dataset points.csv",
    ),
)
def playground(config: MlpConfig, options: RunOptions, open_page: OpenPage = False) -> Result:
    """Write a page that trains the perceptron live, offline: each step taken apart, networks side by side."""
    from rdfia_keras.data import load_vectors, read_initial_weights
    from rdfia_keras.runs.files import make_folder, write_atomic
    from rdfia_keras.web.playground.playground_page import playground_page

    config = config.resolve()
    check_settings(config)
    data = load_vectors(config.dataset, options.data_dir)
    check_points(data)
    initial = read_initial_weights(config, data)
    text = playground_page(config, data, initial, course_folder(options, data)).encode()
    path = make_folder(options.out) / PAGE
    write_atomic(path, text)
    if open_page:
        show_page(path)
    return Result(data={"page": str(path), "bytes": len(text)}, paths=[path])


def course_folder(options: RunOptions, data: "Dataset") -> str | None:
    """Return the folder that the data come from, for the command in the page; None for data of the package."""
    folder = str(options.data_dir)
    return folder if options.data_dir is not None and folder in data.source else None


def show_page(path: Path) -> None:
    """Show a page in the browser, or say that there is none: the page is written all the same."""
    if not webbrowser.open(path.resolve().as_uri()):
        note(f"no browser can be started here; open {path} yourself")


def check_settings(config: MlpConfig) -> None:
    """Raise a ConfigError for a setting that the page cannot train with."""
    from rdfia_keras.web.playground.playground_page import LIMITS

    for name in ("hidden_units", "epochs"):
        if getattr(config, name) > LIMITS[name]:
            raise ConfigError(f"{label(config, name)} must be at most {LIMITS[name]} in the playground", (name,))


def check_points(data: "Dataset") -> None:
    """Raise an error for data that the page cannot draw."""
    from rdfia_keras.web.playground.playground_page import LIMITS

    points = len(data.train) + len(data.test)
    if data.train.x.shape[1] != 2:
        raise ConfigError(
            f"the playground draws points of a plane: {data.name} is none; choose circles or a CSV file of points"
        )
    if points > LIMITS["points"] or len(data.classes) > LIMITS["classes"]:
        raise RdfiaError(
            f"{data.name} has {points} points of {len(data.classes)} classes and the playground takes at most "
            f"{LIMITS['points']} of {LIMITS['classes']}; give a smaller file"
        )

"""Section playground: the page of `report/playground.py`, from the settings and the data of `rdfia mlp`."""

import webbrowser
from pathlib import Path

from rdfia_keras.config import MlpConfig, RunOptions, label
from rdfia_keras.data import Dataset, load_vectors, read_initial_weights
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.report import playground
from rdfia_keras.result import Result
from rdfia_keras.runs.files import make_folder, write_atomic

PAGE = "playground.html"


def run(config: MlpConfig, options: RunOptions, open_page: bool = False) -> Result:
    """Write the page, and show it in the browser if asked.

    Raises:
        ConfigError: When a setting is none that the page can train with.
        RdfiaError: When the data or the weights cannot be used, or the page cannot be written.
    """
    config = config.resolve()
    check_settings(config)
    data = load_vectors(config.dataset, options.data_dir)
    check_points(data)
    initial = read_initial_weights(config, data)
    of_the_course = options.data_dir is not None and str(options.data_dir) in data.source
    text = playground.page(config, data, initial, str(options.data_dir) if of_the_course else None)
    path = make_folder(options.out) / PAGE
    write_atomic(path, text.encode())
    if open_page:
        show(path)
    return Result(data={"page": str(path), "bytes": len(text.encode())}, paths=[path])


def show(path: Path) -> None:
    """Show a page in the browser."""
    if not webbrowser.open(path.resolve().as_uri()):
        raise RdfiaError(f"no browser can be started here; open {path} yourself")


def check_settings(config: MlpConfig) -> None:
    """Refuse what the page does not do."""
    if config.lbfgs:
        raise ConfigError("the playground trains by SGD: leave lbfgs (--lbfgs) out", ("lbfgs",))
    if config.validation:
        raise ConfigError("the playground holds nothing out: leave validation (--validation) out", ("validation",))
    for name in ("hidden_units", "epochs"):
        if getattr(config, name) > playground.LIMITS[name]:
            raise ConfigError(
                f"{label(config, name)} must be at most {playground.LIMITS[name]} in the playground", (name,)
            )


def check_points(data: Dataset) -> None:
    """Refuse data that the page cannot draw."""
    points, limits = len(data.train) + len(data.test), playground.LIMITS
    if data.train.x.shape[1] != 2:
        raise ConfigError(
            f"the playground draws points of a plane: {data.name} is none; choose circles or a CSV file of points"
        )
    if points > limits["points"] or len(data.classes) > limits["classes"]:
        raise RdfiaError(
            f"{data.name} has {points} points of {len(data.classes)} classes and the playground takes at most "
            f"{limits['points']} of {limits['classes']}; give a smaller file"
        )

"""The playground: an HTML page that trains the perceptron of part 2.1 in the browser."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rdfia_keras.config import MlpConfig, settings
from rdfia_keras.data import Dataset
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.learn.exercises import of_part
from rdfia_keras.web.shared.document import render_page, script_json

STYLES = ("shared/style.css", "playground/page.css")
MODULES = ("playground/main.mjs",)
# The most that the page trains, so that it stays quick and small.
LIMITS = {"hidden_units": 200, "epochs": 1000, "points": 2000, "classes": 6}
# The settings of the page, with their labels.
LABELS = {
    "lr": "eta (learning rate)",
    "batch_size": "batch size",
    "hidden_units": "n_h (hidden units)",
    "init_std": "std of the weights",
    "seed": "seed",
    "epochs": "epochs",
}
COMPARABLE = ("lr", "batch_size", "init_std", "hidden_units")


def playground_page(
    config: MlpConfig, data: Dataset, initial: Mapping[str, np.ndarray] | None = None, data_dir: str | None = None
) -> str:
    """Return the whole page; see `body_values`."""
    values = body_values(config, data, initial, data_dir)
    return render_page("playground/page.html", STYLES, MODULES, root="main", **values)


def body_values(
    config: MlpConfig, data: Dataset, initial: Mapping[str, np.ndarray] | None = None, data_dir: str | None = None
) -> dict[str, Any]:
    """Return the values of `body.html`, except `root`, the name of its outermost element.

    Args:
        config: The settings at first, with every default filled in.
        data: Points of a plane.
        initial: The initial weights; None to draw them in the page.
        data_dir: The folder of the data, for the command that the page shows.
    """
    from markupsafe import Markup

    return {
        "facts": Markup(script_json(facts(config, data, initial, data_dir))),
        "settings": LABELS.items(),
        "comparable": [(name, LABELS[name]) for name in COMPARABLE],
        "data_name": data.name,
    }


def facts(
    config: MlpConfig, data: Dataset, initial: Mapping[str, np.ndarray] | None, data_dir: str | None
) -> dict[str, Any]:
    """Return the data of the page, which `App` of `app.mjs` reads."""
    splits = {"train": data.train, "test": data.test}
    points = {
        name: [[*x, label] for x, label in zip(split.x.tolist(), split.y.tolist(), strict=True)]
        for name, split in splits.items()
    }
    return {
        "settings": page_settings(config),
        "python_defaults": page_settings(MlpConfig(dataset=config.dataset)),
        "limits": LIMITS,
        "comparable": COMPARABLE,
        "data": {"name": data.name, "classes": list(data.classes), **points},
        "initial": initial and {name: value.tolist() for name, value in initial.items()},
        "presets": presets(),
        "mistakes": mistakes(),
        "command": {
            "data_dir": data_dir,
            "dataset": None if config.dataset in settings(config)["dataset"].choices else config.dataset,
            "init": config.init,
        },
    }


def presets() -> list[dict[str, Any]]:
    """Return titles and settings: the perceptrons of the report's figures, and weights that never learn."""
    words = {"lr": "eta = {:g}", "batch_size": "batch size {}"}
    defaults = page_settings(MlpConfig())
    rows = []
    for experiment in REGISTRY.values():
        if isinstance(experiment.config, MlpConfig):
            values = page_settings(experiment.config)
            changed = [words[name].format(value) for name, value in values.items() if value != defaults[name]]
            title = f"figure {experiment.report.figure}: {', '.join(changed) or 'the circles'}"
            rows.append({"title": title, "settings": values})
    return [*rows, {"title": "all weights zero", "settings": {**defaults, "init_std": 0.0}}]


def mistakes() -> list[dict[str, str]]:
    """Return the mistakes that `mistakes.mjs` can make, with the sentences of `rdfia learn check`."""
    return [
        {"exercise": exercise.name, "name": mistake.name, "sentence": mistake.sentence}
        for exercise in of_part("mlp")
        for mistake in exercise.mistakes
        if mistake.name
    ]


def page_settings(config: MlpConfig) -> dict[str, Any]:
    """Return the settings of the page, with the defaults filled in."""
    config = config.resolve()
    return {name: getattr(config, name) for name in LABELS}

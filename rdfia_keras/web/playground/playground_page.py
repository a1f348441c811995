"""The playground: one HTML page that trains the perceptron of part 2.1 by itself."""

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
# What the page trains at most, so that it stays quick and small.
LIMITS = {"hidden_units": 200, "epochs": 1000, "points": 2000, "classes": 6}
# The settings that the page has, as it names them.
LABELS = {
    "lr": "eta (learning rate)",
    "batch_size": "batch size",
    "hidden_units": "n_h (hidden units)",
    "init_std": "standard deviation of the weights",
    "seed": "seed",
    "epochs": "epochs",
}
COMPARABLE = ("lr", "batch_size", "init_std", "hidden_units")


def playground_page(
    config: MlpConfig, data: Dataset, initial: Mapping[str, np.ndarray] | None = None, data_dir: str | None = None
) -> str:
    """Return the whole page.

    Args:
        config: With every default filled in: where the page begins.
        data: Points of a plane.
        initial: The weights to begin from; drawn in the page where there are none.
        data_dir: For the command that the page shows, if the data come from there.
    """
    values = body_values(config, data, initial, data_dir)
    return render_page("playground/page.html", STYLES, MODULES, root="main", **values)


def body_values(
    config: MlpConfig, data: Dataset, initial: Mapping[str, np.ndarray] | None = None, data_dir: str | None = None
) -> dict[str, Any]:
    """Return what `body.html` shows, wherever it stands, beside `root`: the name of its outermost element."""
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
    """Return the data in the page, which `App` of `app.mjs` reads."""
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
            "implementation": config.implementation,
            "data_dir": data_dir,
            "dataset": None if config.dataset in settings(config)["dataset"].choices else config.dataset,
            "init": config.init,
        },
    }


def presets() -> list[dict[str, Any]]:
    """Return titles and settings: the perceptrons of the report's figures, and weights that never learn."""
    words = {"lr": "eta = {:g}", "batch_size": "batch size {}"}
    usual = page_settings(MlpConfig())
    rows = []
    for experiment in REGISTRY.values():
        if isinstance(experiment.config, MlpConfig):
            own = page_settings(experiment.config)
            changed = [words[name].format(value) for name, value in own.items() if value != usual[name]]
            title = f"figure {experiment.reference.figure}: {', '.join(changed) or 'the circles'}"
            rows.append({"title": title, "settings": own})
    return [*rows, {"title": "all weights zero", "settings": {**usual, "init_std": 0.0}}]


def mistakes() -> list[dict[str, str]]:
    """Return the mistakes that `mistakes.mjs` makes, with the sentences of `rdfia learn check`."""
    return [
        {"exercise": exercise.name, "name": mistake.name, "sentence": mistake.sentence}
        for exercise in of_part("mlp")
        for mistake in exercise.mistakes
        if mistake.name
    ]


def page_settings(config: MlpConfig) -> dict[str, Any]:
    """Return the settings that the page has, with the defaults filled in."""
    config = config.resolve()
    return {name: getattr(config, name) for name in LABELS}

"""The playground: one HTML page that trains the perceptron of part 2.1 by itself.

The page is Jinja2 templates, a style and JavaScript modules, all in `rdfia_keras/page/`. It makes no request: what it
needs is in it, and its Content-Security-Policy allows its own script and style only.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np

from rdfia_keras.config import MlpConfig, settings
from rdfia_keras.data import Dataset
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.learn.exercises import of_part
from rdfia_keras.report.page import document

# In an order in which each uses only those before it.
MODULES = (
    *("ziggurat", "rng", "perceptron", "mistakes", "training", "points", "settings", "dom", "chart", "map"),
    *("app", "step", "panels", "switches", "controls", "main"),
)
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


def page(
    config: MlpConfig, data: Dataset, initial: Mapping[str, np.ndarray] | None = None, data_dir: str | None = None
) -> str:
    """The whole page.

    Args:
        config: With every default filled in: where the page begins.
        data: Points of a plane.
        initial: The weights to begin from; drawn in the page where there are none.
        data_dir: For the command that the page shows, if the data come from there.
    """
    from markupsafe import Markup

    style, script = document.text("style.css") + document.text("playground.css"), document.bundle(MODULES)
    return (
        document.templates()
        .get_template("playground.html")
        .render(
            style=Markup(style),
            script=Markup(script),
            style_hash=Markup(document.csp_hash(style)),
            script_hash=Markup(document.csp_hash(script)),
            root="main",
            **parts(config, data, initial, data_dir),
        )
    )


def parts(
    config: MlpConfig, data: Dataset, initial: Mapping[str, np.ndarray] | None = None, data_dir: str | None = None
) -> dict[str, Any]:
    """What `playground-body.html` is made of, wherever it stands, beside `root`: the name of its outermost element."""
    from markupsafe import Markup

    return {
        "facts": Markup(document.script_json(facts(config, data, initial, data_dir))),
        "settings": LABELS.items(),
        "comparable": [(name, LABELS[name]) for name in COMPARABLE],
        "data_name": data.name,
    }


def facts(
    config: MlpConfig, data: Dataset, initial: Mapping[str, np.ndarray] | None, data_dir: str | None
) -> dict[str, Any]:
    """What the page is told: `App` of `page/app.mjs` reads it."""
    usual = MlpConfig(dataset=config.dataset).resolve()
    return {
        "settings": _settings(config),
        "python_defaults": _settings(usual),
        "limits": LIMITS,
        "data": {
            "name": data.name,
            "classes": list(data.classes),
            **{
                name: [[*x, label] for x, label in zip(split.x.tolist(), split.y.tolist(), strict=True)]
                for name, split in (("train", data.train), ("test", data.test))
            },
        },
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
    """Titles and settings: the perceptrons of the report's figures, and weights that never learn."""
    words = {"lr": "eta = {:g}", "batch_size": "batch size {}"}
    found = []
    for experiment in REGISTRY.values():
        if isinstance(experiment.config, MlpConfig):
            changed = {name: value for name, value in _settings(experiment.config).items() if value != _USUAL[name]}
            what = ", ".join(words[name].format(value) for name, value in changed.items()) or "the circles"
            found.append({"title": f"figure {experiment.reference.figure}: {what}", "settings": {**_USUAL, **changed}})
    return [*found, {"title": "all weights zero", "settings": {**_USUAL, "init_std": 0.0}}]


def mistakes() -> list[dict[str, str]]:
    """The mistakes that `page/mistakes.mjs` makes, with the sentences of `rdfia learn check`."""
    return [
        {"exercise": exercise.name, "name": mistake.name, "sentence": mistake.sentence}
        for exercise in of_part("mlp")
        for mistake in exercise.mistakes
        if mistake.name
    ]


def _settings(config: MlpConfig) -> dict[str, Any]:
    return {name: getattr(config.resolve(), name) for name in LABELS}


_USUAL = _settings(MlpConfig())

"""What Tab completes: names of experiments, runs, figures, exercises and augmentations."""

from collections.abc import Callable, Iterable

from rdfia_keras.config import AUGMENTATIONS, CONFIGS, RunOptions
from rdfia_keras.experiments import FIGURES, REGISTRY, SWEEPS
from rdfia_keras.experiments.sweeps import GROUPS


def runs() -> Iterable[str]:
    """Return the names of the runs in the usual results folder, without reading them."""
    folders = sorted(path.parent for path in RunOptions().out.glob("*/*/config.json"))
    return [f"{folder.parent.name}/{folder.name}" for folder in folders]


def exercises() -> Iterable[str]:
    """Return the names of the exercises."""
    from rdfia_keras.learn.exercises import EXERCISES

    return EXERCISES


# By command and parameter.
NAMES: dict[tuple[str, str], Callable[[], Iterable[str]]] = {
    ("improve", "names"): lambda: [name for name, experiment in REGISTRY.items() if experiment.section == "cnn"],
    ("sweep", "names"): lambda: [*GROUPS, *CONFIGS, *SWEEPS, *REGISTRY],
    ("figure", "numbers"): lambda: [*FIGURES, "all"],
    ("augment-preview", "names"): lambda: AUGMENTATIONS,
    **{key: runs for key in (("resume", "run"), ("compare", "names"), ("predict", "model"), ("inspect", "run"))},
    **{(command, "name"): exercises for command in ("hint", "solution")},
}


def completion(names: Callable[[], Iterable[str]]) -> Callable[[str], list[str]]:
    """Return what typer calls for the names that begin with what is typed."""
    return lambda incomplete: [name for name in names() if name.startswith(incomplete)]

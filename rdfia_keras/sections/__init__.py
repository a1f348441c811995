"""What each homework section does: load, build, train, record, plot. Only here training and plots meet."""

from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from rdfia_keras.data import Dataset
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import CnnExperiment, MlpExperiment
from rdfia_keras.records import Run
from rdfia_keras.runtime import backend_name

# Of the training and of the test set, in a --quick run of mlp or cnn.
QUICK_EXAMPLES = 2000


@dataclass(frozen=True)
class Options:
    """What every command shares.

    Attributes:
        out: The results folder.
        quick: A minute at most; every output says QUICK.
        overwrite: Replace the folder of an earlier run of the same name.
        device: `auto`, `cpu` or `gpu`.
        data_dir: Where the data came from; kept in the record, so that a resumed run finds it again.
        deterministic: Whether operations were chosen that give equal bits in every run.
    """

    out: Path = Path("results")
    quick: bool = False
    overwrite: bool = False
    device: str = "auto"
    data_dir: Path | None = None
    deterministic: bool = False

    def config(self) -> dict:
        """What a run's `config.json` keeps of the options."""
        data_dir = self.data_dir and str(self.data_dir.resolve())
        return {
            "quick": self.quick,
            "data_dir": data_dir,
            "deterministic": self.deterministic,
            "asked_device": self.device,
            "backend": backend_name(),
        }


@dataclass(frozen=True)
class Result:
    """What a command answers with.

    Attributes:
        record: The content of the run's `metrics.json`.
        folder: The run's folder.
        exit_code: What the process should exit with.
    """

    record: dict
    folder: Path
    exit_code: int = 0


@dataclass(frozen=True)
class Unfinished:
    """A run to go on with, found and checked before anything heavy is imported.

    Attributes:
        run: Its folder, locked.
        experiment: What it was begun with, with the epochs that are wanted now.
        options: What it was begun with; `out` and `overwrite` have no meaning any more.
        digest: Of the data set that it was begun with.
        finished: Whether nothing is left to do.
    """

    run: Run
    experiment: MlpExperiment | CnnExperiment
    options: Options
    digest: str
    finished: bool

    def check_data(self, dataset: Dataset) -> None:
        """Refuse to go on with other data.

        Raises:
            RdfiaError: When the data set is not the one that the run was begun with.
        """
        if self.options.quick:
            dataset = dataset.take(QUICK_EXAMPLES)
        if dataset.digest != self.digest:
            raise RdfiaError(
                f"--resume {self.run.folder}: the data set {dataset.name} is another one now "
                f"(digest {dataset.digest}, begun with {self.digest}); point --data-dir to the one it was begun with"
            )


def find_unfinished(section: str, folder: Path, given: dict, epochs: int | None, device: str | None) -> Unfinished:
    """Read a run's folder and hold what the user asks for now against what it was begun with.

    Args:
        section: `mlp` or `cnn`.
        folder: The run's folder.
        given: Experiment fields that the user gave explicitly now, with their values.
        epochs: The number of epochs wanted now; None for the run's own.
        device: Where to compute now; None for where it was begun.

    Raises:
        RdfiaError: When the folder is no such run's, or something but a larger number of epochs differs.
    """
    run = Run.open(folder)
    config = run.config()
    if config.get("section") != section:
        raise RdfiaError(f"--resume {folder}: this is a run of rdfia {config.get('section')}, not of rdfia {section}")
    fields = {key: tuple(value) if isinstance(value, list) else value for key, value in config["experiment"].items()}
    try:
        experiment = {"mlp": MlpExperiment, "cnn": CnnExperiment}[section](**fields)
    except TypeError as error:
        raise RdfiaError(f"--resume {folder}: config.json has other settings than this version knows") from error
    for key, value in given.items():
        if value != getattr(experiment, key):
            raise RdfiaError(
                f"--resume {folder}: {key.replace('_', '-')} was {getattr(experiment, key)} and is now {value}; "
                "only --epochs may change, so leave the option out or start a new run"
            )
    if config.get("backend") != backend_name():
        raise RdfiaError(
            f"--resume {folder}: it was begun with the {config.get('backend')} back end and this is {backend_name()}; "
            f"set KERAS_BACKEND={config.get('backend')}"
        )
    wanted = epochs or experiment.epochs
    if wanted < experiment.epochs:
        raise RdfiaError(f"--resume {folder}: --epochs was {experiment.epochs} and can only grow, not become {wanted}")
    options = Options(
        out=folder.parent.parent,
        quick=config["quick"],
        device=device or config.get("asked_device", "auto"),
        data_dir=config.get("data_dir") and Path(config["data_dir"]),
        deterministic=config.get("deterministic", False),
    )
    finished = run.status(wanted) == "ok"
    return Unfinished(run, replace(experiment, epochs=wanted), options, config["dataset"]["digest"], finished)


def confusion(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Counts (n_y, n_y): true classes in rows, predicted ones in columns."""
    n_y = probabilities.shape[1]
    return np.bincount(labels * n_y + probabilities.argmax(axis=1), minlength=n_y * n_y).reshape(n_y, n_y)

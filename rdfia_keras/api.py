"""The package from Python: train an experiment, load a run, look at it and predict with it."""

import base64
import html
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rdfia_keras.analysis.comparison import find_run
from rdfia_keras.analysis.tables import percent
from rdfia_keras.config import CONFIGS, Config, RunOptions, setting_text
from rdfia_keras.errors import ConfigError, RdfiaError, did_you_mean
from rdfia_keras.experiments import REGISTRY, match_registered
from rdfia_keras.runs.records import Record, StoredRun, read_record
from rdfia_keras.runs.store import Query, RunStore

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

OUT = Path("results")


def train(
    name: str,
    *,
    out: str | Path = OUT,
    data_dir: str | Path | None = None,
    quick: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    **settings: Any,
) -> "Run":
    """Train an experiment, as the command line does; a run that was interrupted is resumed.

    Args:
        name: A registered experiment (`rdfia list`) or a section: `mlp`, `svm` or `cnn`.
        out: The results folder. A finished run in it with the same settings is not trained again.
        data_dir: Folder with circles.mat, mnist.npz or cifar-10-batches-py/.
        quick: Smoke test: few examples and epochs.
        overwrite: Replace a run of the same settings.
        device: `auto`, `cpu` or `gpu`.
        settings: Any field of `MlpConfig`, `SvmConfig` or `CnnConfig`, such as `epochs=2`, `lr=0.05`,
            `augmentations=("crop", "flip")`, `seed=1`.

    Returns:
        The run. One that diverged has `metrics["status"] == "failed"`.

    Raises:
        ConfigError: When the experiment or a setting does not exist, or settings contradict each other.
        RdfiaError: When the data, the device or the results folder cannot be used.
        KeyboardInterrupt: When the training is interrupted; the same call resumes it.

    Example:

    >>> run = rdfia_keras.train("augment", epochs=2, data_dir="data")
    >>> run.history["test_accuracy"]
    """
    experiment = match_registered(config_of(name, settings))
    options = RunOptions(
        out=Path(out), data_dir=None if data_dir is None else Path(data_dir), quick=quick, overwrite=overwrite,
        device=device,
    )  # fmt: skip
    from rdfia_keras.sections.get_or_train import get_or_train, loader

    query = Query(config=experiment.config, precision=settings.get("precision"), quick=quick)
    found, _ = get_or_train(experiment, query, options, loader(options))
    if found is None:
        raise KeyboardInterrupt("the training was interrupted; the same call resumes it")
    return Run(found, _name(found.folder, options.out))


def config_of(name: str, settings: Mapping[str, Any]) -> Config:
    """The config of an experiment or a section, with some settings changed.

    Raises:
        ConfigError: When one does not exist.
    """
    if name in REGISTRY:
        config = REGISTRY[name].config
    elif name in CONFIGS:
        config = CONFIGS[name]()
    else:
        raise ConfigError(f"there is no experiment {name!r}: {did_you_mean(name, [*CONFIGS, *REGISTRY])}")
    known = [field.name for field in fields(config)]
    for setting in settings:
        if setting not in known:
            raise ConfigError(
                f"{config.section} has no setting {setting!r}: {did_you_mean(setting, known)}", (setting,)
            )
    # A list is how most people write several names.
    return replace(
        config, **{key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    )


def load_run(name: str | Path, out: str | Path = OUT) -> "Run":
    """Load a finished run.

    Args:
        name: Its folder, or its name as `rdfia runs` prints it: `cnn/augment`, `augment`, and `reference/cnn/augment`
            for a result that ships with the package.
        out: The results folder.

    Raises:
        RdfiaError: When there is no such run, or it has no record yet.
    """
    found = find_run(str(name), RunStore(Path(out)))
    stored = read_record(found.folder)
    if stored is None:
        raise RdfiaError(f"{found.name} has not ended yet ({found.status}): run rdfia resume {found.folder}")
    return Run(stored, found.name)


def _name(folder: Path, out: Path) -> str:
    return folder.relative_to(out).as_posix() if folder.is_relative_to(out) else folder.name


@dataclass(frozen=True)
class Run:
    """A run that ended: what was asked for, what came out, and its model.

    In a notebook it shows itself.

    Attributes:
        stored: Its folder and its record.
        name: As `rdfia runs` prints it.
    """

    stored: StoredRun
    name: str

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.stored.folder

    @property
    def record(self) -> Record:
        """All of its `metrics.json`."""
        return self.stored.record

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by its name."""
        return self.record.config.to_dict()

    @property
    def metrics(self) -> dict[str, Any]:
        """What came out: status, and test accuracy of the best, the selected and the last epoch (fractions).

        `selected` is None without a validation set, `published` where the report gives no value.
        """
        record = self.record
        found: dict[str, Any] = {"status": record.status, "published": record.reference.get("published")}
        for which in ("best", "selected", "final"):
            one = getattr(record, which)
            found[which] = None if one is None else one["test_accuracy"]
        found["best_epoch"] = (record.best or {}).get("epoch")
        return {**found, "epochs": record.epochs, "seconds": record.seconds}

    @cached_property
    def history(self) -> dict[str, np.ndarray]:
        """Columns of `history.csv` by name, each (epochs,): epoch, lr, train_loss, train_accuracy, test_loss, ...

        The perceptron's runs of several implementations have a column `implementation`. Without epochs it is empty.
        """
        if not self.record.epochs:
            return {}
        rows: list[Any] = list(self.stored.history())
        return {name: np.array([row[name] for row in rows]) for name in rows[0]}

    def plot(self) -> "Figure":
        """Loss and accuracy by epoch, as in the run's `curves.png`.

        Raises:
            RdfiaError: When the run has no epochs.
        """
        from rdfia_keras import plots

        rows: list[Any] = list(self.stored.history()) if self.record.epochs else []
        if not rows:
            raise RdfiaError(f"{self.name} has no epochs to plot; its pictures are in {self.folder}")
        if "implementation" in rows[0]:
            names = dict.fromkeys(row["implementation"] for row in rows)
            return plots.implementations(
                {name: [row for row in rows if row["implementation"] == name] for name in names}, self.name
            )
        return plots.learning_curves(rows, self.name, published=self.record.reference.get("published"))

    def model(self, best: bool = False) -> "keras.Model":
        """The trained network, from uint8 images (N, H, W, C) to logits (N, n_y).

        Args:
            best: The model of the chosen epoch (`best.keras`) in place of the last one's.

        Raises:
            RdfiaError: When the run has none: only those of `cnn` do, and results of the package come without.
        """
        from rdfia_keras.sections.predict import model_file
        from rdfia_keras.system.backend import set_up_backend

        path = model_file(self.folder, self.name, self.record.section, self.record.experiment, best)
        set_up_backend("auto")
        from rdfia_keras.models.saving import load_model

        return load_model(path)

    def predict(self, images: np.ndarray, best: bool = False) -> np.ndarray:
        """Probabilities (N, n_y) of the classes of images, uint8 (N, H, W, C).

        Raises:
            RdfiaError: When the run has no model, or the images are not of its size.
        """
        network, images = self.model(best), np.asarray(images)
        wanted = network.input.shape[1:]
        if images.dtype != np.uint8 or images.shape[1:] != wanted:
            raise RdfiaError(
                f"images are {images.dtype} {images.shape}; {self.name} takes uint8 (N, {', '.join(map(str, wanted))})"
            )
        from rdfia_keras.training.fit import predict_images

        return predict_images(network, images)

    def __repr__(self) -> str:
        return f"Run({self.name!r}, {_summary(self)})"

    def _repr_html_(self) -> str:
        usual = CONFIGS[self.record.section]().resolve().to_dict()
        changed = {name: value for name, value in self.settings.items() if value != usual.get(name)}
        rows = [(name, setting_text(value)) for name, value in changed.items()]
        table = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(str(text))}</td></tr>" for name, text in rows
        )
        picture = ""
        if self.record.epochs:
            from rdfia_keras.plots.saving import png

            data = base64.b64encode(png(self.plot())).decode()
            picture = f'<img alt="Loss and accuracy by epoch" src="data:image/png;base64,{data}">'
        return f"<p><b>{html.escape(self.name)}</b>: {html.escape(_summary(self))}</p><table>{table}</table>{picture}"


def _summary(run: Run) -> str:
    """Status and accuracies, in a line."""
    metrics = run.metrics
    words = [str(metrics["status"])]
    words += [f"best test {percent(metrics['best'])}"] if metrics["best"] is not None else []
    words += [f"last {percent(metrics['final'])}"] if metrics["final"] is not None else []
    words += [f"published {percent(metrics['published'])}"] if metrics["published"] is not None else []
    return ", ".join(words)

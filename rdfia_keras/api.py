"""The package from Python: train, sweep, list and compare runs, draw figures, load a run and predict with it."""

import base64
import html
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rdfia_keras.analysis.tables import percent
from rdfia_keras.config import CONFIGS, CnnConfig, Config, RunOptions, setting_text
from rdfia_keras.errors import ConfigError, RdfiaError, choose, did_you_mean
from rdfia_keras.experiments import REGISTRY, declare_sweep, figure_keys, match_registered
from rdfia_keras.result import Result
from rdfia_keras.runs.history import accuracy_of
from rdfia_keras.runs.record import Record
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import FINISHED, Query, RunStore, find_run
from rdfia_keras.system.native_logs import silence_native_logs

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

OUT = Path("results")
INTERRUPTED = "the training was interrupted; the same call resumes it"


def train(
    name: str,
    *,
    out: str | Path = OUT,
    data_dir: str | Path | None = None,
    quick: bool = False,
    overwrite: bool = False,
    device: str = "auto",
    **settings: Any,
) -> "LoadedRun":
    """Train an experiment, as the command line does. A run that was interrupted is resumed.

    Args:
        name: A registered experiment (`rdfia list`) or a section: `mlp`, `svm` or `cnn`.
        out: The results folder. A finished run in it with the same settings and data is not trained again.
        data_dir: Folder with circles.mat, mnist.npz or cifar-10-batches-py/; by default that of the environment
            variable RDFIA_DATA.
        quick: Smoke test: at most 500 examples and 2 epochs; `mlp` 2,000 and 20 epochs.
        overwrite: Replace a run of the same settings.
        device: `auto`, `cpu` or `gpu`.
        settings: Any field of `MlpConfig`, `SvmConfig` or `CnnConfig`, such as `epochs=2`, `lr=0.05`,
            `augmentations=("crop", "flip")`, `seed=1`.

    Returns:
        The run. One that diverged has `metrics["status"] == "failed"`.

    Raises:
        ConfigError: If the experiment or a setting does not exist, or settings contradict each other.
        RdfiaError: If the data, the device or the results folder cannot be used.
        KeyboardInterrupt: If the training is interrupted; the same call resumes it.

    Example:
        >>> run = rdfia_keras.train("augment", dataset="digits", train_examples=500, epochs=1)
        >>> run.history["test_accuracy"]
    """
    experiment = match_registered(config_of(name, settings))
    options = _options(out, data_dir, quick=quick, overwrite=overwrite, device=device)
    from rdfia_keras.training.get_or_train import Resources, get_or_train
    from rdfia_keras.training.job import report_cut_epochs

    report_cut_epochs(settings.get("epochs"), quick, experiment.section)
    silence_native_logs()
    run = get_or_train(experiment, Query(config=experiment.config, quick=quick), Resources(options))
    if run.status not in FINISHED:
        raise KeyboardInterrupt(INTERRUPTED)
    return LoadedRun(run)


def list_runs(out: str | Path = OUT, **filters: Any) -> list[dict[str, Any]]:
    """Return the runs of a results folder in the order of their names, a row each, as `rdfia runs --json` does.

    Args:
        out: The results folder.
        filters: `section="cnn"`, `experiment="augment"`, `status="failed"`, and `settings=("lr=0.1",)`, texts
            `FIELD=VALUE`. A run must match all of them.

    Raises:
        ConfigError: If there is no such filter, experiment, setting or value.
        RdfiaError: If there is no such folder.
    """
    from rdfia_keras.analysis.run_list import Filter
    from rdfia_keras.analysis.run_list import list_runs as list_all

    names = [field.name for field in fields(Filter)]
    for name in filters:
        if name not in names:
            raise ConfigError(f"list_runs has no filter {name!r}: {did_you_mean(name, names)}", (name,))
    return list(list_all(RunStore(Path(out)), Filter(**filters)).data["runs"])


def compare(*names: str, out: str | Path = OUT, plot: str | Path | None = None) -> Mapping[str, Any]:
    """Compare runs, as `rdfia compare` does: rows, the settings that differ, and the file of the plot.

    Args:
        names: As in `load_run`.
        out: The results folder.
        plot: File for the plot; by default in `compare/` of the results folder.
    """
    from rdfia_keras.analysis.comparison import compare_runs

    return compare_runs(names, Path(out), Path(plot) if plot else None).data


def sweep(
    *names: str,
    grid: Mapping[str, Sequence[Any]] | None = None,
    seeds: int | None = None,
    name: str | None = None,
    out: str | Path = OUT,
    data_dir: str | Path | None = None,
    quick: bool = False,
    device: str = "auto",
) -> Mapping[str, Any]:
    """Train experiments with every combination of some settings, from several seeds, as `rdfia sweep` does.

    Args:
        names: Registered experiments (`rdfia list`), `ladder`, `bonus`, `mlp` or `cnn`. Or one sweep that has a name,
            such as `learning-rate`.
        grid: The values of each setting, by its name. Every combination is trained.
        seeds: Number of seeds per configuration: 0, 1, ... By default 3, or a named sweep's own.
        name: Name of the sweep's folder in `sweeps/` of the results folder; by default made of names and settings.
        out: The results folder. Finished trials in it with the same settings and data are not trained again.
        data_dir: Folder with circles.mat, mnist.npz or cifar-10-batches-py/; by default that of the environment
            variable RDFIA_DATA.
        quick: Smoke test: at most 3 seeds, 500 examples and 2 epochs; `mlp` 2,000 and 20 epochs.
        device: `auto`, `cpu` or `gpu`.

    Returns:
        The content of `sweep.json`. Its `rows` hold a row for each configuration.

    Raises:
        ConfigError: If an experiment, a setting or a value does not exist, or there are too many trials.
        RdfiaError: If the data, the device or the results folder cannot be used.
        KeyboardInterrupt: If a training is interrupted; the same call resumes it.

    Example:
        >>> rdfia_keras.sweep("circles", grid={"lr": (0.03, 0.2)}, seeds=5)["rows"]
    """
    from rdfia_keras.analysis.run_sweep import run_sweep
    from rdfia_keras.training.get_or_train import Resources

    silence_native_logs()
    values = [f"{field}={','.join(map(setting_text, chosen))}" for field, chosen in (grid or {}).items()]
    resources = Resources(_options(out, data_dir, quick=quick, device=device))
    return _uninterrupted(run_sweep(declare_sweep(names, values, seeds, name), resources)).data


def figure(
    *numbers: int | str, train: bool = False, out: str | Path = OUT, data_dir: str | Path | None = None
) -> list[Path]:
    """Draw figures of the report, as `rdfia figure` does, and return their files.

    Args:
        numbers: 1 to 23, or the name of an extra figure, such as `flips`. `all` draws every figure.
        train: Train what has no finished run. Without it, the results that ship with the package stand in.
        out: The results folder, whose runs are drawn. The pictures go into its folder `figures/`.
        data_dir: Folder with circles.mat, mnist.npz or cifar-10-batches-py/; by default that of the environment
            variable RDFIA_DATA.

    Raises:
        ConfigError: If there is no such figure.
        RdfiaError: If a run is missing, or the data, the device or the results folder cannot be used.
        KeyboardInterrupt: If a training is interrupted; the same call resumes it.

    Example:
        >>> rdfia_keras.figure(7, "flips")
    """
    from rdfia_keras.analysis.figures import draw_figures
    from rdfia_keras.analysis.published import wanted_run
    from rdfia_keras.training.get_or_train import Resources

    silence_native_logs()
    keys = figure_keys([str(number) for number in numbers])
    result = draw_figures(keys, wanted_run, Resources(_options(out, data_dir)), train)
    return list(_uninterrupted(result).paths)


def _uninterrupted(result: Result) -> Result:
    """Return a result, unless a signal ended its trainings: a script should not go on with a part of them."""
    if result.exit_code > 128:
        raise KeyboardInterrupt(INTERRUPTED)
    return result


def _options(out: str | Path, data_dir: str | Path | None, **others: Any) -> RunOptions:
    """Return the options of a command; without a data folder, that of the environment variable RDFIA_DATA."""
    data_dir = data_dir or os.environ.get("RDFIA_DATA")
    return RunOptions(out=Path(out), data_dir=Path(data_dir) if data_dir else None, **others)


def config_of(name: str, settings: Mapping[str, Any]) -> Config:
    """Return the config of an experiment or a section, with some settings changed.

    Raises:
        ConfigError: If one does not exist.
    """
    name = choose("experiment", name, [*CONFIGS, *REGISTRY])
    config = REGISTRY[name].config if name in REGISTRY else CONFIGS[name]()
    names = [field.name for field in fields(config)]
    for setting in settings:
        if setting not in names:
            raise ConfigError(
                f"{config.section} has no setting {setting!r}: {did_you_mean(setting, names)}", (setting,)
            )
    return replace(config, **settings)


def load_run(name: str | Path, out: str | Path = OUT) -> "LoadedRun":
    """Load a finished run.

    Args:
        name: Its folder, or its name as `rdfia runs` prints it: `cnn/augment`, `augment`, and `reference/cnn/augment`
            for a result that ships with the package.
        out: The results folder.

    Raises:
        RdfiaError: If there is no such run, or it has no record yet.
    """
    run = find_run(name, Path(out))
    run.check_readable()
    _ = run.result  # Raises the error where there is no record.
    return LoadedRun(run)


@dataclass(frozen=True)
class LoadedRun:
    """A run that was trained: its settings, results, curves and model. In a notebook it shows itself.

    Attributes:
        run: The run on disk.
    """

    run: Run

    @property
    def name(self) -> str:
        """What `rdfia runs` calls it."""
        return self.run.name

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return self.run.folder

    @property
    def record(self) -> Record:
        """All of its `metrics.json`."""
        return self.run.result

    @property
    def settings(self) -> dict[str, Any]:
        """Every setting by its name."""
        return self.record.config.to_dict()

    @property
    def metrics(self) -> dict[str, Any]:
        """The results: status, and test accuracy of the best, the selected and the last epoch (fractions).

        `selected` is None without a validation set, `published` where the report gives no value.
        """
        record = self.record
        return {
            "status": record.status,
            "published": record.report.get("published"),
            "best": accuracy_of(record.best),
            "selected": accuracy_of(record.selected),
            "final": accuracy_of(record.final),
            "best_epoch": (record.best or {}).get("epoch"),
            "epochs": record.epochs,
            "seconds": record.seconds,
        }

    @cached_property
    def history(self) -> dict[str, np.ndarray]:
        """Columns of `history.csv` by name, each (epochs,): epoch, lr, train_loss, train_accuracy, test_loss, ...

        Of the perceptron's implementations it is the first one's; `histories` has all. Without epochs it is empty.
        """
        return next(iter(self.histories.values()), {})

    @cached_property
    def histories(self) -> dict[str, dict[str, np.ndarray]]:
        """The `history` of each implementation of the perceptron, by its name; other runs have one, without a name."""
        return {
            name: {column: np.array([row[column] for row in rows]) for column in rows[0]}
            for name, rows in self._rows().items()
        }

    def _rows(self) -> dict[str, list[Any]]:
        return self.run.histories() if self.record.epochs else {}

    def plot(self) -> "Figure":
        """Draw loss and accuracy by epoch, as in the run's `curves.png`.

        Raises:
            RdfiaError: If the run has no epochs.
        """
        from rdfia_keras import plots

        groups = self._rows()
        if not groups:
            raise RdfiaError(f"{self.name} has no epochs to plot; its pictures are in {self.folder}")
        if "" not in groups:
            return plots.implementations(groups, self.name)
        return plots.learning_curves(groups[""], self.name, published=self.record.report.get("published"))

    def model(self, best: bool = False) -> "keras.Model":
        """Return the trained network, from uint8 images (N, H, W, C) to logits (N, n_y), ready for `evaluate`.

        Args:
            best: The model of the chosen epoch (`best.keras`) instead of the last one's.

        Raises:
            RdfiaError: If the run has none: only those of `cnn` do, and of the package's own `digits` and `cifar10`.
        """
        from rdfia_keras.models.model_files import model_file
        from rdfia_keras.system.backend import set_up_backend

        path = model_file(self.run, best)
        silence_native_logs()
        set_up_backend("auto")
        from rdfia_keras.models.saving import load_model
        from rdfia_keras.training.fit import compile_model

        network, config = load_model(path), self.record.config
        assert isinstance(config, CnnConfig)
        compile_model(network, config)
        return network

    def predict(self, images: np.ndarray, best: bool = False) -> np.ndarray:
        """Return the probabilities (N, n_y) of the classes: softmax of what `model` returns.

        Args:
            images: uint8 (N, H, W, C). Of a perceptron on points of a plane: the points (N, 2).
            best: Use the chosen epoch instead of the last one.

        Raises:
            RdfiaError: If the run has no model, or the images are not of its size.
        """
        images = np.asarray(images)
        if self.record.section == "mlp":
            return self._predict_points(images, best)
        network = self.model(best)
        shape = network.input.shape[1:]
        if images.dtype != np.uint8 or images.shape[1:] != shape:
            raise RdfiaError(
                f"images are {images.dtype} {images.shape}; {self.name} takes uint8 (N, {', '.join(map(str, shape))})"
            )
        from rdfia_keras.training.fit import predict_images

        return predict_images(network, images)

    def _predict_points(self, points: np.ndarray, best: bool) -> np.ndarray:
        """Return the probabilities of points (N, 2), by the weights that the first implementation left."""
        from scipy.special import softmax

        if not (file := self.folder / "weights.npz").is_file():
            raise RdfiaError(f"{self.name} has no weights.npz: only a perceptron on points of a plane leaves one")
        if points.ndim != 2 or points.shape[1] != 2:
            raise RdfiaError(f"points are {points.shape}; {self.name} takes (N, 2)")
        with np.load(file) as saved:
            at = int(np.flatnonzero(saved["epochs"] == self.metrics["best_epoch"])[0]) if best else -1
            w_h, b_h, w_y, b_y = (saved[name][at] for name in ("W_h", "b_h", "W_y", "b_y"))
        probabilities: np.ndarray = softmax(np.tanh(points @ w_h.T + b_h) @ w_y.T + b_y, axis=1)
        return probabilities

    def __repr__(self) -> str:
        return f"LoadedRun({self.name!r}, {_summary(self)})"

    def _repr_html_(self) -> str:
        usual = CONFIGS[self.record.section]().resolve().to_dict()
        changed = {name: value for name, value in self.settings.items() if value != usual.get(name)}
        rows = [(name, setting_text(value)) for name, value in changed.items()]
        table = "".join(
            f"<tr><td>{html.escape(name)}</td><td>{html.escape(str(text))}</td></tr>" for name, text in rows
        )
        picture = ""
        if self.record.epochs:
            from rdfia_keras.plots.png import png

            data = base64.b64encode(png(self.plot())).decode()
            picture = f'<img alt="Loss and accuracy by epoch" src="data:image/png;base64,{data}">'
        return f"<p><b>{html.escape(self.name)}</b>: {html.escape(_summary(self))}</p><table>{table}</table>{picture}"


def _summary(run: LoadedRun) -> str:
    """Return status and accuracies, in a line."""
    metrics = run.metrics
    words = [str(metrics["status"])]
    words += [f"best test {percent(metrics['best'])}"] if metrics["best"] is not None else []
    words += [f"last {percent(metrics['final'])}"] if metrics["final"] is not None else []
    words += [f"published {percent(metrics['published'])}"] if metrics["published"] is not None else []
    return ", ".join(words)

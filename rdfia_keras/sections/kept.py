"""Kept records: find the run that answers an experiment, go on with one that was cut off, or begin it.

A run is found by what its `metrics.json` says of its settings, not by its folder's name, so that a record which came
without its checkpoints, from a repository for example, serves as well.
"""

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from rdfia_keras.data import Dataset
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import (
    CIRCLES,
    CnnExperiment,
    Experiment,
    MlpExperiment,
    Setting,
    SvmExperiment,
    same_settings,
)
from rdfia_keras.records import Run, remove_run
from rdfia_keras.sections import Options, Result, Unfinished, find_unfinished

TYPES = {"mlp": MlpExperiment, "svm": SvmExperiment, "cnn": CnnExperiment}
# A training that diverged ended as well.
FINISHED = ("ok", "failed")


@dataclass(frozen=True)
class Kept:
    """A finished run.

    Attributes:
        experiment: What was run.
        record: Its `metrics.json`.
        folder: Where it lies.
    """

    experiment: Experiment
    record: dict
    folder: Path

    @property
    def epochs(self) -> int:
        """How many were trained; 0 for what is not trained in epochs."""
        return self.record["final"]["epoch"] if self.record["final"] else 0

    def history(self) -> list[dict]:
        """A row for each epoch, numbers as numbers; an `implementation` stays text.

        Raises:
            RdfiaError: When `history.csv` is missing or damaged.
        """
        path = self.folder / "history.csv"
        try:
            with path.open(newline="") as file:
                return [
                    {key: value if key == "implementation" else float(value) for key, value in row.items()}
                    for row in csv.DictReader(file)
                ]
        except (OSError, ValueError, TypeError) as error:
            raise RdfiaError(f"cannot read {path}: {error}; remove the folder to train it again") from error


@dataclass(frozen=True)
class Wanted:
    """Which runs of an experiment will do.

    Attributes:
        seed: Of the run.
        epochs: At least so many.
        precision: None for any.
        quick: Whether quick runs are wanted, which never stand for real ones.
        implementations: Of the perceptron: at least so many.
    """

    seed: int
    epochs: int
    precision: str | None
    quick: bool
    implementations: int = 1

    def fits(self, experiment: Experiment, found: Experiment, facts: dict) -> bool:
        """Whether a run of `found` may stand for `experiment`, whatever its number of epochs.

        Args:
            facts: Its `metrics.json` or `config.json`: how quick it was, and how many implementations it has.
        """
        precision = getattr(found, "precision", None)
        return (
            same_settings(experiment, found)
            and found.seed == self.seed
            and facts["quick"] == self.quick
            and len(facts.get("implementations", "1")) >= self.implementations
            and (self.precision is None or precision is None or precision == self.precision)
        )


def find(out: Path, experiment: Experiment, wanted: Wanted) -> Kept | None:
    """The whole run of most epochs; without one a run that diverged, since it would diverge again."""
    found = []
    for path in sorted((out / experiment.section).glob("*/metrics.json")):
        kept = read(path.parent)
        if not (kept and wanted.fits(experiment, kept.experiment, kept.record)):
            continue
        whole = kept.record["status"] == "ok" and (kept.epochs >= wanted.epochs or wanted.quick)
        # In another number format it might not diverge.
        asked = wanted.precision or getattr(experiment, "precision", None)
        diverged = kept.record["status"] == "failed" and getattr(kept.experiment, "precision", None) == asked
        if whole or diverged:
            found.append(kept)
    return max(found, key=lambda kept: (kept.record["status"] == "ok", kept.epochs), default=None)


def read(folder: Path) -> Kept | None:
    """The run of a folder, or None where there is no whole record of this version's."""
    try:
        record = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
        return Kept(experiment_of(record["section"], record["settings"]), record, folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None


def experiment_of(section: str, settings: dict) -> Experiment:
    """An experiment from what JSON made of it.

    Raises:
        KeyError, TypeError: When it is of a version with other settings.
    """
    kind = TYPES[section]
    values = {key: tuple(value) if isinstance(value, list) else value for key, value in settings.items()}
    if kind is SvmExperiment:
        for key in ("settings", "sweep"):
            values[key] = tuple(Setting(**one) for one in values[key])
    return kind(**{field.name: values[field.name] for field in fields(kind) if field.name in values})


def find_begun(out: Path, experiment: Experiment, wanted: Wanted, device: str | None) -> Unfinished | None:
    """A run that was cut off, or that is shorter than wanted: with a checkpoint to go on from, or nothing to lose."""
    for path in sorted((out / experiment.section).glob("*/config.json")):
        run = Run(path.parent)
        if not (run.folder / "checkpoints").is_dir() and _has_epochs(run.folder):
            continue
        try:
            config = run.config()
            found = experiment_of(config["section"], config["experiment"])
        except (RdfiaError, KeyError, TypeError):
            continue
        if wanted.fits(experiment, found, config) and found.epochs <= wanted.epochs and run.is_free():
            return find_unfinished(experiment.section, run.folder, {}, None if wanted.quick else wanted.epochs, device)
    return None


def _has_epochs(folder: Path) -> bool:
    """Whether the history, if there is one, has a row below its header."""
    try:
        return (folder / "history.csv").read_bytes().count(b"\n") > 1
    except OSError:
        return False


def remove(out: Path, experiment: Experiment, wanted: Wanted) -> None:
    """Delete the runs that would be kept or gone on with, and no others."""
    for path in [*(out / experiment.section).glob("*/metrics.json"), *(out / experiment.section).glob("*/config.json")]:
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            found = experiment_of(facts["section"], facts["settings" if path.name == "metrics.json" else "experiment"])
            if wanted.fits(experiment, found, facts):
                remove_run(path.parent)
        except (OSError, ValueError, KeyError, TypeError):
            continue


def obtain(
    experiment: Experiment,
    wanted: Wanted,
    options: Options,
    load: Callable[[str], Dataset],
) -> tuple[Kept | None, Result | None]:
    """The kept run of an experiment, trained now as far as it is not there yet.

    Args:
        load: Gives a data set by its name.

    Returns:
        The kept run, None when the training was cut short; and what the training came to, None when there was none.
    """
    experiment = replace(experiment, seed=wanted.seed)
    if not isinstance(experiment, SvmExperiment):
        experiment = replace(experiment, epochs=wanted.epochs)
    begun = None
    if options.overwrite:
        remove(options.out, experiment, wanted)
        options = replace(options, overwrite=False)
    elif kept := find(options.out, experiment, wanted):
        return kept, None
    elif not isinstance(experiment, SvmExperiment):  # Those are fitted in a moment: there is nothing to go on with.
        begun = find_begun(options.out, experiment, wanted, options.device)
    data = load(experiment.dataset)
    if begun:
        begun.check_data(data)
        result = train(begun.experiment, data, replace(begun.options, data_dir=options.data_dir), begun)
    else:
        if wanted.precision and isinstance(experiment, CnnExperiment):
            experiment = replace(experiment, precision=wanted.precision)
        result = train(experiment, data, options, None)
    return read(result.folder) if result.record["status"] in FINISHED else None, result


def train(experiment: Experiment, data: Dataset, options: Options, begun: Unfinished | None) -> Result:
    """Run an experiment in its section."""
    if experiment.section == "svm":
        from rdfia_keras.sections import svm

        return svm.run(experiment, data, options)
    if experiment.section == "mlp":
        from rdfia_keras.mlp import IMPLEMENTATIONS
        from rdfia_keras.sections import mlp

        # Their curves are equal: figure 1 shows it once.
        names = tuple(IMPLEMENTATIONS) if experiment.name == CIRCLES.name else ("manual",)
        return mlp.run(experiment, names, data, options, begun)
    import keras

    from rdfia_keras.sections import cnn

    keras.utils.clear_session()
    return cnn.run(experiment, data, options, begun)

"""The run of an experiment: found in the results folder, resumed, or trained."""

import functools
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from rdfia_keras.config import CnnConfig, Config, MlpConfig, RunOptions, SvmConfig
from rdfia_keras.data import Dataset, load_images, load_vectors
from rdfia_keras.experiments import Experiment
from rdfia_keras.experiments.perceptron import CIRCLES
from rdfia_keras.runs.claims import claimed
from rdfia_keras.runs.folder import Run
from rdfia_keras.runs.records import StoredRun, read_record
from rdfia_keras.runs.store import FINISHED, Query, RunStore
from rdfia_keras.sections import cnn, mlp, svm
from rdfia_keras.sections.common import Finished
from rdfia_keras.sections.resume import check_backend, check_data, check_files, resume
from rdfia_keras.system.backend import require_tensorflow, set_up_backend

# Gives the data of a config.
Load = Callable[[Config], Dataset]


def loader(options: RunOptions) -> Load:
    """A function that loads the data of a config, each set once, and gets the back end ready for what follows."""

    @functools.cache
    def load(section: str, name: str) -> Dataset:
        if section == "mlp":
            require_tensorflow("the perceptron")
        data = (load_images if section == "cnn" else load_vectors)(name, options.data_dir)
        if section != "svm":  # Kernels need no back end.
            set_up_backend(options.device, options.deterministic)
        return data

    return lambda config: load(config.section, config.dataset)


def query_of(experiment: Experiment, seed: int, epochs: int | None, precision: str | None, quick: bool) -> Query:
    """Which runs of an experiment will do.

    Args:
        epochs: At least so many; None for the experiment's own number.
        precision: None for any.
    """
    config = experiment.config
    if isinstance(config, SvmConfig):
        return Query(config=replace(config, seed=seed), quick=quick)
    if isinstance(config, MlpConfig):
        # The four curves are equal: figure 1 shows it once.
        implementation = "all" if experiment.name == CIRCLES.name else "manual"
        asked = replace(config, seed=seed, epochs=epochs or config.epochs, implementation=implementation)
        return Query(config=asked, quick=quick)
    assert isinstance(config, CnnConfig)
    return Query(config=replace(config, seed=seed, epochs=epochs or config.epochs), precision=precision, quick=quick)


def get_or_train(
    experiment: Experiment,
    query: Query,
    options: RunOptions,
    load: Load,
    *,
    store: RunStore | None = None,
    wait: bool = True,
    brief: bool = False,
) -> tuple[StoredRun | None, Finished | None]:
    """The finished run of an experiment, trained now as far as it is not there yet.

    Args:
        store: Where to look for it; by default all of `options.out`.
        wait: While another process trains it.
        brief: Leave out what takes longer than the training of a perceptron: its progress and its pictures.

    Returns:
        The run, None when the training was cut short; and how the training ended, None when there was none.

    Raises:
        RunLocked: When another process trains it, without `wait`.
    """
    store = store or RunStore(options.out)
    experiment = replace(experiment, config=query.config)
    with claimed(options.out, query, wait):
        if options.overwrite:
            store.delete(query)
            options = replace(options, overwrite=False)
        elif found := store.find_finished(query):
            return found, None
        finished = _train(experiment, query, options, load, store.find_resumable(query), brief)
    return read_record(finished.folder) if finished.record.status in FINISHED else None, finished


def _train(
    experiment: Experiment, query: Query, options: RunOptions, load: Load, resumable: Path | None, brief: bool
) -> Finished:
    config = experiment.config
    data = load(config)
    if isinstance(config, SvmConfig):  # Fitted in a moment: there is nothing to resume.
        return svm.train(experiment, data, options)
    if resumable:
        with Run.open(resumable) as run:
            check_backend(run, run.facts()["backend"])
            check_files(run, run.facts(), config)
            check_data(run, run.facts(), data, options.quick)
            more = {"brief": brief} if isinstance(config, MlpConfig) else {}
            config = run.config()
            return resume(run, config if query.quick else config.with_epochs(query.epochs), data, options, **more)
    if isinstance(config, MlpConfig):
        return mlp.train(experiment, data, options, brief=brief)
    assert isinstance(config, CnnConfig)
    import keras

    keras.utils.clear_session()
    if query.precision:
        experiment = replace(experiment, config=replace(config, precision=query.precision))
    return cnn.train(experiment, data, options)

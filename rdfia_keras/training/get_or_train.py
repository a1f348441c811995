"""The run of an experiment: found in the results folder, resumed, or trained."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rdfia_keras.config import Config, RunOptions
from rdfia_keras.data import Dataset, load_images, load_vectors
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import Experiment, match_registered
from rdfia_keras.runs.files import file_digests
from rdfia_keras.runs.locks import lock_wanted
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import Query, RunStore
from rdfia_keras.system.backend import backend_name, require_tensorflow, set_up_backend
from rdfia_keras.system.terminal import note
from rdfia_keras.training.job import prepare_data, report_large_batch, shorten


class Resources:
    """Resources that the trainings of one process share: data sets, the back end, the last compiled perceptron.

    Args:
        options: The options of every training.
        load: Returns the data of a config; by default they are read from `options.data_dir`.
    """

    def __init__(self, options: RunOptions, load: Callable[[Config], Dataset] | None = None):
        self.options = options
        self._load = load or self._load_from_disk
        self._data: dict[tuple[str, str], Dataset] = {}
        # Digests of data that cannot be read, each from the first finished run on them.
        self.trusted: dict[tuple[Any, ...], str | None] = {}
        self._compiled: Any = None

    def data(self, config: Config) -> Dataset:
        """Return the data of a config.

        Raises:
            RdfiaError: If they cannot be read.
        """
        key = (config.section, config.dataset)
        if key not in self._data:
            self._data[key] = self._load(config)
            if remark := self._data[key].remark:
                note(remark)
        return self._data[key]

    def _load_from_disk(self, config: Config) -> Dataset:
        load = load_images if config.section == "cnn" else load_vectors
        return load(config.dataset, self.options.data_dir)

    def prepared(self, config: Config) -> Dataset:
        """Return what a run of a config uses of its data.

        Raises:
            RdfiaError: If the data cannot be read, or are too few.
        """
        return prepare_data(self.data(config), config, self.options.quick)

    def train(
        self,
        experiment: Experiment,
        options: RunOptions,
        resumed: Run | None = None,
        draw: bool = True,
        animate: bool = False,
    ) -> Run:
        """Train an experiment of any section, from its beginning or from where a run was cut off.

        Without `draw` show no progress and draw no pictures of the perceptron; `animate` is for the perceptron alone.

        Raises:
            RdfiaError: If data, device or results folder cannot be used.
        """
        config = experiment.config
        if config.section == "mlp":
            require_tensorflow("the perceptron")
        # Data first: a missing or damaged file is reported before the seconds that a back end takes to load.
        data = prepare_data(self.data(config), config, options.quick)
        if options.quick and not resumed:
            experiment = shorten(experiment)
        if draw:
            report_large_batch(data, config)
        if config.section == "svm":  # Fitted in a moment, without a back end.
            from rdfia_keras.training.train_kernels import train_kernels

            return train_kernels(experiment, data, options)
        set_up_backend(options.device, options.deterministic)
        if config.section == "mlp":
            from rdfia_keras.training.perceptron_epochs import CompiledEpochs
            from rdfia_keras.training.train_perceptron import train_perceptron

            self._compiled = self._compiled or CompiledEpochs()
            return train_perceptron(
                experiment, data, options, resumed, animate=animate, draw=draw, compiled=self._compiled
            )
        import keras

        from rdfia_keras.training.train_convnet import train_convnet

        keras.utils.clear_session()
        return train_convnet(experiment, data, options, resumed)


def get_or_train(
    experiment: Experiment,
    query: Query,
    resources: Resources,
    *,
    store: RunStore | None = None,
    wait: bool = True,
    draw: bool = True,
) -> Run:
    """Return the run of an experiment, trained now as far as it is not there yet.

    Args:
        experiment: Any experiment; it is trained with the query's settings.
        query: The run; its data are those of `resources` if it names none.
        resources: Data and options; with `overwrite` the run is trained anew.
        store: The runs to look among; by default all of the results folder.
        wait: Whether to wait while another process trains it.
        draw: As `Resources.train` takes it.

    Returns:
        The run. Its `exit_code` is None if it was finished before; its status is `interrupted` if it was cut short.

    Raises:
        RunLocked: If another process trains it, without `wait`.
        RdfiaError: If data, device or results folder cannot be used.
    """
    options = resources.options
    store = store or RunStore(options.out)
    experiment = replace(experiment, config=query.config)
    query = with_data(query, store, resources)
    with lock_wanted(options.out, query, wait):
        if options.overwrite:
            store.delete(query)
            options = replace(options, overwrite=False)
        elif run := store.find_finished(query):
            return run
        if run := store.find_resumable(query):
            epochs = run.epochs_asked if query.quick else query.epochs
            with Run.open(run.folder) as resumed:
                return resume(resumed, epochs, options, resources, draw=draw)
        check_digest(query, resources)
        return resources.train(experiment, options, draw=draw)


def check_digest(query: Query, resources: Resources) -> None:
    """Refuse data that are not the wanted ones, as a node of a cluster may have them.

    Raises:
        RdfiaError: If their digest is another one.
    """
    digest = resources.prepared(query.config).digest
    if query.data not in (None, digest):
        raise RdfiaError(
            f"the data set {query.config.dataset} is another one here (digest {digest}) than is asked for (digest "
            f"{query.data}); give every machine the same data"
        )


def with_data(query: Query, store: RunStore, resources: Resources) -> Query:
    """Return the query for the data of `resources`: a run on other data is another run.

    Where the data cannot be read and a run is finished, that run is taken on trust, unless it is to be trained anew.
    All runs that are taken so are on one data set.

    Raises:
        RdfiaError: If the data cannot be read and must be.
    """
    if query.data:
        return query
    try:
        return replace(query, data=resources.prepared(query.config).digest)
    except RdfiaError as error:
        config = query.config
        examples = getattr(config, "train_examples", None)
        key = (config.section, config.dataset, examples, config.seed if examples else None)
        trusted = replace(query, data=resources.trusted.get(key))
        run = None if resources.options.overwrite else store.find_finished(trusted)
        if run is None:
            raise
        resources.trusted[key] = run.data_digest
        note(f"warning: {error}. {run.folder} is used without checking that it was trained on these data")
        return replace(query, data=run.data_digest)


def resume(run: Run, epochs: int, options: RunOptions, resources: Resources, draw: bool = True) -> Run:
    """Train an opened run on from its last checkpoint, until it has so many epochs in all.

    It ends with the same bits as one that was never interrupted. `options` are those that it was started with.

    Raises:
        RdfiaError: If back end, files or data are others than at its start.
    """
    run.started_options()
    config = run.config
    backend = run.started["backend"]
    if backend != backend_name():
        raise RdfiaError(
            f"cannot resume {run.folder}: it was started with the {backend} back end and this is {backend_name()}; "
            f"set KERAS_BACKEND={backend}"
        )
    for name, digest in file_digests(config).items():
        if digest != run.files.get(name):
            raise RdfiaError(
                f"cannot resume {run.folder}: {getattr(config, name)} is another file now (digest {digest}, was "
                f"{run.files.get(name)}); put the old one back or start a new run"
            )
    check_data(run, resources.data(config), options.quick)
    return resources.train(match_registered(replace(config, epochs=epochs)), options, run, draw)


def check_data(run: Run, data: Dataset, quick: bool) -> None:
    """Refuse other data than those that a run was trained on.

    Raises:
        RdfiaError: If their digest is another one.
    """
    now = prepare_data(data, run.config, quick).describe()
    recorded = run.record.dataset if run.record else run.started.get("dataset", {})
    if recorded.get("digest") and now["digest"] != recorded["digest"]:
        raise RdfiaError(
            f"cannot go on with {run.folder}: the data set {data.name} is another one now (digest {now['digest']}, "
            f"was {recorded['digest']}); point --data-dir to the one it was started with"
        )
    if now.get("validation_digest") != recorded.get("validation_digest"):
        raise RdfiaError(
            f"cannot go on with {run.folder}: other examples would be held out for validation than at its start; "
            "resume it with the versions that it was started with, or start a new run"
        )

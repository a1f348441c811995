"""Section mlp: the perceptron four ways, on one data set, from the same weights and in the same order (figure 1)."""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import numpy as np

from rdfia_keras import checkpoints, mlp, plots, records, runtime
from rdfia_keras.data import Dataset, one_hot
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import MlpExperiment
from rdfia_keras.interrupt import StopRequest
from rdfia_keras.progress import Progress, note
from rdfia_keras.sections import QUICK_EXAMPLES, Options, Result, Unfinished, confusion
from rdfia_keras.training import Diverged, epoch_order

COLUMNS = ("implementation", *records.HISTORY_COLUMNS)
QUICK_EPOCHS = 20
# Chance gives log n_y, a few nats; a thousand times that comes of steps that only overshoot.
DIVERGED_LOSS = 1000.0
MOST_FRAMES = 75


def run(
    experiment: MlpExperiment,
    implementations: tuple[str, ...],
    dataset: Dataset,
    options: Options,
    unfinished: Unfinished | None = None,
    animated: bool = False,
) -> Result:
    """Train, record and plot the chosen implementations.

    Args:
        unfinished: The run to go on with instead of beginning one; `implementations` are then its own.
        animated: Draw the first implementation's decision map epoch by epoch as well.

    Raises:
        RdfiaError: When the device or the output folder cannot be used, or the disk fills up.
    """
    if options.quick:
        dataset = dataset.take(QUICK_EXAMPLES)
    if options.quick and not unfinished:
        experiment = replace(experiment, epochs=min(experiment.epochs, QUICK_EPOCHS))
    if animated and dataset.train.x.shape[1] != 2:
        raise RdfiaError(f"--animate draws points of a plane, and {dataset.name} has {dataset.train.x.shape[1]} inputs")
    device = runtime.check_device(options.device)
    states = {}
    if unfinished:
        run = unfinished.run
        implementations = tuple(run.config()["implementations"])
        states = _load_states(run)
        run.update_epochs(experiment.epochs)
    else:
        config = {
            "section": "mlp",
            "experiment": asdict(experiment),
            "implementations": list(implementations),
            "dataset": dataset.describe() | {"source": dataset.source},
            "device": device,
            **options.config(),
        }
        run = records.Run.create(options.out, "mlp", experiment.name, config, overwrite=options.overwrite)
    status, reason = "ok", None
    with StopRequest() as stop:
        try:
            for name in implementations:
                states.setdefault(name, State(init(experiment, dataset)))
                save = _Saver(run, states)
                with Progress(name, experiment.epochs, done=len(states[name].history)) as progress:

                    def on_epoch(row: dict, save=save, progress=progress) -> None:
                        save.now_and_then()
                        progress.epoch(row)

                    train(name, experiment, dataset, states[name], stop, on_epoch)
                save()
        except Diverged as error:
            status, reason = "failed", f"training diverged: {error}; try a smaller --lr (now {experiment.lr:g})"
            _Saver(run, states)()
            note(f"error: {reason}; the weights before are kept in {run.folder}")
        if animated and status == "ok" and not stop:
            note("drawing the decision map epoch by epoch")
            animate(experiment, implementations[0], dataset, run.folder, stop, options.quick)
    status = "interrupted" if stop else status
    record = _record(status, reason, experiment, dataset, options, device, states)
    if record["final"]:
        _draw(run, record, experiment, states, dataset, options)
    # The record comes last: a run whose status is ok has all its files.
    run.write_json("metrics.json", record)
    return Result(record, run.folder, stop.exit_code({"ok": 0, "failed": 1}.get(status)))


@dataclass
class State:
    """One implementation's training so far: what a checkpoint keeps.

    Attributes:
        weights: After the last finished epoch, by name.
        history: A row for each finished epoch.
    """

    weights: dict[str, np.ndarray]
    history: list[dict] = field(default_factory=list)


class _Saver:
    """Writes the checkpoint: an epoch of the circles takes less time than a flush to the disk, so not after each."""

    SECONDS = 1.0

    def __init__(self, run: records.Run, states: dict[str, State]):
        self.run = run
        self.states = states
        self.last = time.monotonic()

    def now_and_then(self) -> None:
        if time.monotonic() - self.last >= self.SECONDS:
            self()

    def __call__(self) -> None:
        arrays = {f"{name}.{key}": w for name, state in self.states.items() for key, w in state.weights.items()}
        history = {name: state.history for name, state in self.states.items()}
        checkpoints.save_next(self.run.folder, arrays, {"history": history})
        self.run.write_history([row for rows in history.values() for row in rows], COLUMNS)
        self.last = time.monotonic()


def _load_states(run: records.Run) -> dict[str, State]:
    """Every implementation that had begun; none when the run ended before its first checkpoint."""
    arrays, meta = checkpoints.load_last(run.folder)
    weights: dict[str, dict] = {}
    for key, array in arrays.items():
        name, parameter = key.split(".")
        weights.setdefault(name, {})[parameter] = array
    return {name: State(weights[name], history) for name, history in meta.get("history", {}).items()}


def check_gradients(experiment: MlpExperiment, dataset: Dataset) -> tuple[list[dict], float]:
    """The gradients by hand against GradientTape and finite differences, on the first examples of the data set.

    Returns:
        A row a parameter, and the largest relative error of all.
    """
    batch = dataset.train.take(50)
    params = init(experiment, dataset)
    rows = mlp.check_gradients(params, batch.x, one_hot(batch.y, len(dataset.classes)))
    return rows, max(max(row["tape"], row["finite_differences"]) for row in rows)


def animate(
    experiment: MlpExperiment, implementation: str, dataset: Dataset, folder: Path, stop: object, quick: bool = False
) -> Path | None:
    """Train once more, as before, and keep the decision map after each epoch: `decision-map.gif`.

    With many epochs every second, third, ... is a frame.

    Returns:
        The path, or None when a stop came.
    """
    weights = init(experiment, dataset)
    trainer = Trainer(implementation, experiment, dataset, weights)
    step = -(-experiment.epochs // MOST_FRAMES)
    panel = _decision_panel("before training", trainer.network, dataset)
    frames = [panel]
    for epoch in range(experiment.epochs):
        if stop:
            return None
        row = trainer.epochs(epoch, 1)[0]
        if (epoch + 1) % step == 0 or epoch + 1 == experiment.epochs:
            title = f"epoch {epoch + 1}: test {100 * row['test_accuracy']:.1f} %"
            frames.append(_decision_panel(title, trainer.network, dataset))
    data = plots.decision_animation(frames, dataset.classes, f"{implementation} on {dataset.name}", quick=quick)
    path = folder / "decision-map.gif"
    records.write_atomic(path, data)
    return path


def init(experiment: MlpExperiment, dataset: Dataset) -> dict[str, np.ndarray]:
    """The initial weights of every implementation."""
    return mlp.init_params(
        dataset.train.x.shape[1], experiment.hidden, len(dataset.classes), experiment.std, experiment.seed
    )


class Trainer:
    """One implementation with its compiled function and its data.

    Args:
        implementation: One of `mlp.IMPLEMENTATIONS`.
        weights: Where it begins, as `mlp.init_params` gives them.
    """

    # Epochs in one compiled call, and the most examples for which that is worth while.
    CHUNK = 10
    CHUNKED_EXAMPLES = 5000

    def __init__(
        self, implementation: str, experiment: MlpExperiment, dataset: Dataset, weights: dict[str, np.ndarray]
    ):
        self.implementation = implementation
        self.experiment = experiment
        self.network = mlp.IMPLEMENTATIONS[implementation](weights, experiment.lr)
        n_y = len(dataset.classes)
        train = mlp.tensors(dataset.train.x, one_hot(dataset.train.y, n_y))
        self.data = (*train, *mlp.tensors(dataset.test.x, one_hot(dataset.test.y, n_y)))
        self.examples = len(dataset.train)
        self.chunk = self.CHUNK if self.examples <= self.CHUNKED_EXAMPLES else 1
        self.compiled = mlp.compile_epochs(self.network, min(experiment.batch_size, self.examples))

    def restart(self, experiment: MlpExperiment, weights: dict[str, np.ndarray]) -> None:
        """Begin again from other weights and in another order, with the function compiled already."""
        self.experiment = experiment
        for name, value in weights.items():
            self.network.params[name].assign(value)

    def epochs(self, first: int, count: int) -> list[dict]:
        """Train from epoch `first`, counted from 0, for `count` epochs, at most `chunk`: their rows of the history.

        Training loss and accuracy are measured over the whole training set after the epoch, as the test ones are.
        """
        begin = time.perf_counter()
        orders = np.zeros((self.chunk, self.examples), np.int32)
        for i in range(count):
            orders[i] = epoch_order(self.experiment.seed, first + i, self.examples)
        measured = self.compiled(*self.data, *mlp.tensors(orders, np.int32(count))).numpy()[:count]
        seconds = round((time.perf_counter() - begin) / count, 6)
        names = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
        return [
            {
                "implementation": self.implementation,
                "epoch": first + i + 1,
                "lr": self.experiment.lr,
                **dict(zip(names, row, strict=True)),
                "seconds": seconds,
            }
            for i, row in enumerate(measured.tolist())
        ]


def train(
    implementation: str,
    experiment: MlpExperiment,
    dataset: Dataset,
    state: State,
    stop: object,
    on_epoch: Callable[[dict], None],
) -> None:
    """Train one implementation from where `state` stands, which is brought up to date as epochs are finished.

    Raises:
        Diverged: When the loss is no number, or so large that the steps can only overshoot; the state stays before it.
    """
    trainer = Trainer(implementation, experiment, dataset, state.weights)
    most = trainer.chunk
    while len(state.history) < experiment.epochs and not stop:
        done = len(state.history)
        rows = trainer.epochs(done, min(most, experiment.epochs - done))
        wrong = next((row for row in rows if not row["train_loss"] < DIVERGED_LOSS), None)
        if wrong and len(rows) > 1:
            # Once more from before, epoch by epoch, to keep the weights of the last good one.
            trainer, most = Trainer(implementation, experiment, dataset, state.weights), 1
            continue
        if wrong:
            loss, epoch = wrong["train_loss"], wrong["epoch"]
            raise Diverged(f"{implementation}: the training loss is {loss:.3g} after epoch {epoch}")
        state.weights = trainer.network.weights()
        state.history += rows
        for row in rows:
            on_epoch(row)


def _record(
    status: str,
    reason: str | None,
    experiment: MlpExperiment,
    dataset: Dataset,
    options: Options,
    device: str,
    states: dict[str, State],
) -> dict:
    histories = {name: state.history for name, state in states.items() if state.history}
    scores = {
        name: {"best": records.milestone(records.best_row(rows)), "final": records.milestone(rows[-1])}
        for name, rows in histories.items()
    }
    first = next(iter(scores.values()), {"best": None, "final": None})
    return records.metrics(
        status,
        "mlp",
        asdict(experiment),
        reason=reason,
        quick=options.quick,
        dataset=dataset.describe(),
        **first,
        implementations=scores,
        largest_difference=_largest_difference(list(histories.values())),
        weights_digest={name: checkpoints.digest(states[name].weights) for name in histories},
        seed=experiment.seed,
        precision="float64",
        device=device,
        seconds=round(sum(row["seconds"] for rows in histories.values() for row in rows), 3),
    )


def _largest_difference(histories: list[list[dict]]) -> float | None:
    """The largest gap between any two implementations' curves, loss or accuracy, train or test."""
    if len(histories) < 2:
        return None
    keys = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")
    length = min(map(len, histories))
    curves = np.array([[[row[key] for key in keys] for row in rows[:length]] for rows in histories])
    return float(np.ptp(curves, axis=0).max())


def _draw(
    run: records.Run,
    record: dict,
    experiment: MlpExperiment,
    states: dict[str, State],
    dataset: Dataset,
    options: Options,
) -> None:
    histories = {name: state.history for name, state in states.items() if state.history}
    networks = {name: mlp.IMPLEMENTATIONS[name](states[name].weights, experiment.lr) for name in histories}
    title = f"Perceptron on {dataset.name}" + (f" (figure {record['figure']})" if record["figure"] else "")
    plots.save(plots.implementations(histories, title, quick=options.quick), run.folder / "curves.png")
    if dataset.train.x.shape[1] == 2:
        panels = [_decision_panel(name, network, dataset) for name, network in networks.items()]
        figure = plots.decision_map(panels, dataset.classes, title=title, quick=options.quick)
        plots.save(figure, run.folder / "decision-map.png")
    else:
        name, network = next(iter(networks.items()))
        counts = confusion(mlp.predict(network, dataset.test.x), dataset.test.y)
        figure = plots.confusion_matrix(counts, dataset.classes, f"{dataset.name}, {name}", quick=options.quick)
        plots.save(figure, run.folder / "confusion.png")


def _decision_panel(name: str, network: mlp.Manual | mlp.Layers, dataset: Dataset) -> dict:
    """The probability of class 1 over [-2, 2]², every 0.1, with the test points."""
    axis = np.linspace(-2, 2, 41)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    probability = mlp.predict(network, grid.reshape(-1, 2))[:, 1].reshape(grid.shape[:2])
    return {
        "title": name,
        "grid_x": axis,
        "grid_y": axis,
        "probability": probability,
        "points": dataset.test.x,
        "labels": dataset.test.y,
    }

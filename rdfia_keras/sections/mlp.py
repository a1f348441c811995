"""Section mlp: the perceptron four ways, on one data set, from the same weights and in the same order (figure 1)."""

import io
import time
from collections.abc import Sequence
from contextlib import nullcontext
from typing import TYPE_CHECKING, Any

import numpy as np

from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.data import Dataset, load_vectors, one_hot, read_initial_weights
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments import Experiment, match_registered
from rdfia_keras.report.result import Result
from rdfia_keras.runs import checkpoints
from rdfia_keras.runs.files import file_digests, write_atomic
from rdfia_keras.runs.folder import Run
from rdfia_keras.runs.records import HISTORY_COLUMNS, EpochRow, Record, duration, milestones, scores
from rdfia_keras.sections.common import (
    Finished,
    begin_resume,
    create_run,
    make_record,
    prepare,
    save_figure,
    shorten,
)
from rdfia_keras.sections.predictions import confusion
from rdfia_keras.system.backend import check_device, cpu_unless_asked, placed_on, require_tensorflow, set_up_backend
from rdfia_keras.system.signals import StopRequest
from rdfia_keras.system.terminal import Progress, note

if TYPE_CHECKING:
    from rdfia_keras.training.perceptron import State

COLUMNS = ("implementation", *HISTORY_COLUMNS)
MAX_FRAMES = 75
# Their examples are pictures.
PIXEL_DATASETS = ("digits", "mnist")
SECONDS_BETWEEN_CHECKPOINTS = 1.0


def run(config: MlpConfig, options: RunOptions, animate: bool = False) -> Result:
    """Train the chosen implementations, record and draw them.

    Args:
        animate: Draw the first implementation's decision map epoch by epoch as well; circles only.

    Raises:
        RdfiaError: When the data, the device or the output folder cannot be used, or the disk fills up.
    """
    check_animation(config, animate)
    require_tensorflow("rdfia mlp")
    data = prepare(load_vectors(config.dataset, options.data_dir), config, options.quick)
    read_initial_weights(config, data)
    set_up_backend(cpu_unless_asked(options.device), options.deterministic)
    return train(match_registered(config), data, options, animate=animate).result()


def check_animation(config: MlpConfig, animate: bool) -> None:
    """Refuse to draw a decision map of data that are no points of a plane, or of a training without epochs."""
    if animate and config.lbfgs:
        raise ConfigError("animate (--animate) draws a map for each epoch of SGD: leave lbfgs (--lbfgs) out")
    if animate and config.dataset in PIXEL_DATASETS:
        raise ConfigError(
            "animate (--animate) draws points of a plane: it needs dataset (--dataset) circles or a CSV file of points"
        )


def train(
    experiment: Experiment,
    data: Dataset,
    options: RunOptions,
    resumed: Run | None = None,
    *,
    animate: bool = False,
    brief: bool = False,
) -> Finished:
    """Train an experiment's implementations from the beginning, or from where a run was cut off, and conclude them.

    Args:
        experiment: With the epochs that are asked for.
        resumed: The run to resume.
        animate: As of `run`.
        brief: Leave out progress and pictures: on the circles they take longer than the training.
    """
    if options.quick and not resumed:
        experiment = shorten(experiment)
    config = experiment.config
    assert isinstance(config, MlpConfig)
    data = prepare(data, config, options.quick)
    device = check_device(cpu_unless_asked(options.device))
    read_initial_weights(config, data)
    run = resumed or create_run(experiment, data, options, device)
    with run, placed_on(device):
        states = _load_states(run)
        if resumed:
            begin_resume(run, config, sum(len(state.history) for state in states.values()))
        with StopRequest() as stop:
            status, reason = _train_all(config, data, states, run, stop, brief)
            if animate and status == "ok":
                note("drawing the decision map epoch by epoch")
                _animate(config, data, run, stop, options.quick)
        status = "interrupted" if stop else status
        record = _record(run, experiment, data, states, options, status=status, reason=reason, device=device)
        if record.epochs and not brief:
            _draw(run, record, states, data)
        run.write_record(record)
    return Finished(record, run.folder, stop.exit_code(1 if status == "failed" else 0))


def _train_all(
    config: MlpConfig, data: Dataset, states: "dict[str, State]", run: Run, stop: StopRequest, brief: bool
) -> tuple[str, str | None]:
    """Train one implementation after the other: the status, and the reason of a failure."""
    from rdfia_keras.training.callbacks import Diverged
    from rdfia_keras.training.perceptron import State, init, train, train_lbfgs

    save = _Saver(run, states)
    try:
        for name in config.implementations:
            if config.lbfgs:
                states[name] = train_lbfgs(config, data)
                save()
                continue
            state = states.setdefault(name, State(init(config, data)))
            with nullcontext() if brief else Progress(name, config.epochs or 0, done=len(state.history)) as progress:

                def on_epoch(row: EpochRow, progress: Progress | None = progress) -> None:
                    save.now_and_then()
                    if progress:
                        progress.epoch(row)

                train(name, config, data, state, stop, on_epoch)
            save()
            if name == config.implementations[0] and not brief and _is_a_plane(data):
                _keep_weights(name, config, data, run, stop)
    except Diverged as error:
        save()
        reason = f"training diverged: {error}; try a smaller --lr (now {config.lr:g})"
        note(f"error: {reason}; the weights before it are saved in {run.folder}")
        return "failed", reason
    return "ok", None


def _keep_weights(name: str, config: MlpConfig, data: Dataset, run: Run, stop: object) -> None:
    """Write `weights.npz`: the weights of each epoch, from which the report page computes the decision map."""
    from rdfia_keras.training.perceptron import weights_by_epoch

    epochs, weights = weights_by_epoch(name, config, data, stop)
    if not stop:
        content = io.BytesIO()
        arrays: dict[str, Any] = {"epochs": np.array(epochs), "points": data.test.x, "labels": data.test.y, **weights}
        np.savez(content, **arrays)
        write_atomic(run.folder / "weights.npz", content.getvalue())


class _Saver:
    """Writes the checkpoint: an epoch of the circles takes less time than a flush to the disk, so not after each."""

    def __init__(self, run: Run, states: "dict[str, State]"):
        self.run = run
        self.states = states
        self.last = time.monotonic()

    def now_and_then(self) -> None:
        if time.monotonic() - self.last >= SECONDS_BETWEEN_CHECKPOINTS:
            self()

    def __call__(self) -> None:
        arrays = {f"{name}.{key}": w for name, state in self.states.items() for key, w in state.weights.items()}
        history = {name: state.history for name, state in self.states.items()}
        checkpoints.save_next(self.run.folder, arrays, {"history": history})
        self.run.write_history([row for rows in history.values() for row in rows], COLUMNS)
        self.last = time.monotonic()


def _load_states(run: Run) -> "dict[str, State]":
    """The implementations trained so far; none in a new run, or one that ended before its first checkpoint."""
    from rdfia_keras.training.perceptron import State

    arrays, meta = checkpoints.load_last(run.folder)
    weights: dict[str, dict[str, np.ndarray]] = {}
    for key, array in arrays.items():
        name, parameter = key.split(".")
        weights.setdefault(name, {})[parameter] = array
    return {name: State(weights[name], history) for name, history in meta.get("history", {}).items()}


def check_gradients(config: MlpConfig, options: RunOptions) -> Result:
    """Compare the gradients by hand with GradientTape and finite differences, on the data set's first examples."""
    require_tensorflow("rdfia mlp")
    data = load_vectors(config.dataset, options.data_dir)
    read_initial_weights(config, data)
    set_up_backend(cpu_unless_asked(options.device), options.deterministic)
    from rdfia_keras.models import perceptron
    from rdfia_keras.training.perceptron import init

    batch = data.train.take(50)
    with placed_on(check_device(cpu_unless_asked(options.device))):
        rows = perceptron.check_gradients(init(config, data), batch.x, one_hot(batch.y, len(data.classes)))
    largest = max(max(row["tape"], row["finite_differences"]) for row in rows)
    table = [{key: f"{v:.1e}" if isinstance(v, float) else str(v) for key, v in row.items()} for row in rows]
    return Result(
        data={"rows": rows, "largest": largest}, table=table, lines=[f"largest relative error: {largest:.1e}"]
    )


def _animate(config: MlpConfig, data: Dataset, run: Run, stop: object, quick: bool) -> None:
    """Train once more, as before, and draw the decision map after each epoch: `decision-map.gif`."""
    from rdfia_keras import plots

    name = config.implementations[0]
    frames = animation_frames(name, config, data, stop)
    if not stop:
        gif = plots.decision_animation(frames, data.classes, f"{name} on {data.name}", smoke_test=quick)
        write_atomic(run.folder / "decision-map.gif", gif)


def animation_frames(implementation: str, config: MlpConfig, data: Dataset, stop: object) -> list[dict[str, Any]]:
    """The decision map before training and after each epoch; with many, after every second, third, ... one."""
    from rdfia_keras.training.perceptron import Trainer, init

    epochs = config.epochs or 0
    trainer = Trainer(implementation, config, data, init(config, data))
    step = -(-epochs // MAX_FRAMES)
    frames = [_decision_panel("before training", trainer.network, data)]
    for epoch in range(epochs):
        if stop:
            break
        row = trainer.epochs(epoch, 1)[0]
        if (epoch + 1) % step == 0 or epoch + 1 == epochs:
            title = f"epoch {epoch + 1}: test {100 * row['test_accuracy']:.1f} %"
            frames.append(_decision_panel(title, trainer.network, data))
    return frames


def _record(
    run: Run,
    experiment: Experiment,
    data: Dataset,
    states: "dict[str, State]",
    options: RunOptions,
    **outcome: Any,
) -> Record:
    """The record of what has been trained."""
    config = experiment.config
    histories = {name: state.history for name, state in states.items() if state.history}
    by_name = {name: milestones(rows) for name, rows in histories.items()}
    first: dict[str, Any] = next(iter(by_name.values()), milestones([]))
    return make_record(
        run,
        experiment,
        data,
        options,
        **first,
        **outcome,
        epochs=first["final"]["epoch"] if first["final"] else 0,
        seconds=round(sum(duration(rows) for rows in histories.values()), 3),
        details={
            "implementations": by_name,
            "largest_difference": largest_difference(list(histories.values())),
            "files": file_digests(config),
            "weights_digest": {name: checkpoints.digest(states[name].weights) for name in histories},
        },
    )


def largest_difference(histories: Sequence[Sequence[EpochRow]]) -> float | None:
    """The largest gap between any two implementations' curves, loss or accuracy, train or test."""
    if len(histories) < 2:
        return None
    length = min(map(len, histories))
    curves = np.array([[scores(row) for row in rows[:length]] for rows in histories])
    return float(np.ptp(curves, axis=0).max())


def _draw(run: Run, record: Record, states: "dict[str, State]", data: Dataset) -> None:
    from rdfia_keras import plots
    from rdfia_keras.models import perceptron

    assert isinstance(record.config, MlpConfig)
    histories = {name: state.history for name, state in states.items() if state.history}
    networks = {name: perceptron.IMPLEMENTATIONS[name](states[name].weights, record.config.lr) for name in histories}
    figure = record.reference["figure"]
    title = f"Perceptron on {data.name}" + (f" (figure {figure})" if figure else "")
    save_figure(run, "curves.png", plots.implementations(histories, title), record.quick)
    if _is_a_plane(data):
        panels = [_decision_panel(name, network, data) for name, network in networks.items()]
        save_figure(run, "decision-map.png", plots.decision_map(panels, data.classes, title=title), record.quick)
    else:
        name, network = next(iter(networks.items()))
        counts = confusion(perceptron.predict(network, data.test.x), data.test.y)
        matrix = plots.confusion_matrix(counts, data.classes, f"{data.name}, {name}")
        save_figure(run, "confusion.png", matrix, record.quick)


def _is_a_plane(data: Dataset) -> bool:
    """Whether a map of probabilities can show the data: points of two classes."""
    return data.train.x.shape[1] == 2 and len(data.classes) == 2


def _decision_panel(name: str, network: Any, data: Dataset) -> dict[str, Any]:
    """The probability of class 1 over a square around all points, [-2, 2]² at least, with the test points."""
    from rdfia_keras.models import perceptron
    from rdfia_keras.plots import map_axis

    axis = map_axis(np.concatenate([data.train.x, data.test.x]))
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    probability = perceptron.predict(network, grid.reshape(-1, 2))[:, 1].reshape(grid.shape[:2])
    return {
        "title": name,
        "grid_x": axis,
        "grid_y": axis,
        "probability": probability,
        "points": data.test.x,
        "labels": data.test.y,
    }

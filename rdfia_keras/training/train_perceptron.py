"""The training of the perceptron four ways, from data to record (homework part 2.1, figure 1)."""

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from rdfia_keras import plots
from rdfia_keras.config import RunOptions
from rdfia_keras.data import Dataset, read_initial_weights
from rdfia_keras.data.initial_weights import init
from rdfia_keras.experiments import Experiment
from rdfia_keras.models import perceptron
from rdfia_keras.models.predictions import confusion
from rdfia_keras.result import percent
from rdfia_keras.runs.checkpoint import Arrays, digest, load_last, of_this_run, save_next
from rdfia_keras.runs.files import file_digests
from rdfia_keras.runs.history import EpochRow, check_rows, duration, scores, summary_rows
from rdfia_keras.runs.run import Run
from rdfia_keras.system.backend import check_device, cpu_unless_asked, placed_on
from rdfia_keras.system.signals import StopRequest
from rdfia_keras.system.terminal import Progress, note
from rdfia_keras.training.callbacks import Diverged
from rdfia_keras.training.job import Job
from rdfia_keras.training.perceptron_epochs import CompiledEpochs, State, fit, fit_lbfgs

MAX_FRAMES = 75
SECONDS_BETWEEN_CHECKPOINTS = 1.0


def train_perceptron(
    experiment: Experiment,
    data: Dataset,
    options: RunOptions,
    resumed: Run | None = None,
    *,
    animate: bool = False,
    draw: bool = True,
    compiled: CompiledEpochs | None = None,
) -> Run:
    """Train an experiment's implementations, one after the other, and leave the run's folder complete.

    Args:
        experiment: The experiment, with the number of epochs that is asked for.
        data: Vectors, as `prepare_data` returns them.
        options: Device, results folder and the like.
        resumed: The run to resume, opened.
        animate: Also draw the first implementation's decision map epoch by epoch, as `decision-map.gif`.
        draw: Show progress and draw pictures. On the circles both take longer than the training.
        compiled: The compiled epochs of the process's last training, used again where they fit.

    Returns:
        The run. Its `exit_code` says whether it diverged or was interrupted.

    Raises:
        RdfiaError: If the device cannot be used, or the folder cannot be written.
    """
    config = experiment.config
    device = check_device(cpu_unless_asked(options.device))
    read_initial_weights(config, data)  # A file that does not fit is refused before there is a folder.
    job = Job.start(experiment, data, options, device, resumed, animate=animate)
    with job.run as run, placed_on(device):
        states = load_states(run, init(config, data))
        if resumed:
            job.report_environment_change(sum(len(state.history) for state in states.values()))
        with StopRequest() as stop:
            reason = train_all(job, states, stop, draw, compiled or CompiledEpochs())
        status = "failed" if reason else "interrupted" if stop else "ok"
        if draw:
            draw_pictures(job, states)
        job.write_record(status=status, reason=reason, **outcome(job, states))
    run.exit_code = stop.exit_code(1 if reason else 0)
    return run


def train_all(
    job: Job, states: dict[str, State], stop: StopRequest, draw: bool, compiled: CompiledEpochs
) -> str | None:
    """Train one implementation after the other; return why the training diverged, or None."""
    config, data = job.config, job.data
    save = Saver(job.run, states)
    try:
        for name in config.implementations:
            if config.lbfgs:
                states[name] = fit_lbfgs(config, data)
                save()
                continue
            state = states.setdefault(name, State(init(config, data)))
            if draw and is_plane(data) and name == config.implementations[0] and not state.history:
                state.keep(config.epochs)
            with Progress(name, config.epochs, done=len(state.history)) if draw else nullcontext() as progress:
                for row in fit(name, config, data, state, stop, compiled):
                    save.now_and_then()
                    if progress:
                        progress.epoch(row)
            save()
    except Diverged as error:
        save()
        reason = f"training diverged: {error}; try a smaller --lr (now {config.lr:g})"
        note(f"error: {reason}; the weights before it are saved in {job.run.folder}")
        return reason
    return None


class Saver:
    """Writes the checkpoint: an epoch of the circles takes less time than a flush to the disk, so not after each."""

    def __init__(self, run: Run, states: dict[str, State]):
        self.run = run
        self.states = states
        self.last = time.monotonic()

    def now_and_then(self) -> None:
        """Write it if the last one is a second old."""
        if time.monotonic() - self.last >= SECONDS_BETWEEN_CHECKPOINTS:
            self()

    def __call__(self) -> None:
        """Write it now, and `history.csv`."""
        arrays: Arrays = {}
        for name, state in self.states.items():
            arrays |= {f"{name}/last/{parameter}": weight for parameter, weight in state.weights.items()}
            arrays |= {f"{name}/by_epoch/{parameter}": weight for parameter, weight in stacked(state).items()}
        meta = {
            "history": {name: state.history for name, state in self.states.items()},
            "epochs_kept": {name: list(state.by_epoch) for name, state in self.states.items()},
        }
        save_next(self.run.folder, arrays, meta)
        self.run.write_history([row for state in self.states.values() for row in state.history])
        self.last = time.monotonic()


def stacked(state: State) -> dict[str, np.ndarray]:
    """Return the weights that are kept by epoch: each parameter of shape (epochs, ...)."""
    if not state.by_epoch:
        return {}
    return {name: np.stack([weights[name] for weights in state.by_epoch.values()]) for name in state.weights}


def load_states(run: Run, initial: Mapping[str, np.ndarray]) -> dict[str, State]:
    """Return the implementations trained so far; none in a new run, or one that ended before its first checkpoint.

    All weights have the shapes of the initial ones.

    Raises:
        RdfiaError: If the checkpoint is damaged, or of another training.
    """
    arrays, meta = load_last(run.folder)
    with of_this_run(run.folder):
        states = {name: State({}, check_rows(history)) for name, history in meta.get("history", {}).items()}
        for key, array in arrays.items():
            name, kind, parameter = key.split("/")
            if kind == "last":
                states[name].weights[parameter] = array
            else:
                for epoch, weight in zip(meta["epochs_kept"][name], array, strict=True):
                    states[name].by_epoch.setdefault(epoch, {})[parameter] = weight
        shapes = {name: weight.shape for name, weight in initial.items()}
        for state in states.values():
            for weights in (state.weights, *state.by_epoch.values()):
                if {name: weight.shape for name, weight in weights.items()} != shapes:
                    raise ValueError("weights of other shapes")
    return states


def outcome(job: Job, states: dict[str, State]) -> dict[str, Any]:
    """Return what the record says of the training; `best` and `final` are those of the first implementation."""
    histories = {name: state.history for name, state in states.items() if state.history}
    by_name = {name: summary_rows(rows) for name, rows in histories.items()}
    first = next(iter(by_name.values()), summary_rows([]))
    return {
        **first,
        "epochs": first["final"]["epoch"] if first["final"] else 0,
        "seconds": round(sum(duration(rows) for rows in histories.values()), 3),
        "details": {
            "implementations": by_name,
            "largest_difference": largest_difference(list(histories.values())),
            "files": file_digests(job.config),
            "weights_digest": {name: digest(states[name].weights) for name in histories},
        },
    }


def largest_difference(histories: Sequence[Sequence[EpochRow]]) -> float | None:
    """Return the largest gap between any two implementations' curves, loss or accuracy, train or test."""
    if len(histories) < 2:
        return None
    length = min(map(len, histories))
    curves = np.array([[scores(row) for row in rows[:length]] for rows in histories])
    return float(np.ptp(curves, axis=0).max())


# --- pictures ---------------------------------------------------------------------------------------------------------


def draw_pictures(job: Job, states: dict[str, State]) -> None:
    """Draw curves.png; of points decision-map.png (and the GIF, and weights.npz for the page), else confusion.png."""
    config, data = job.config, job.data
    states = {name: state for name, state in states.items() if state.history}
    if not states:
        return
    networks = {name: perceptron.IMPLEMENTATIONS[name](state.weights, config.lr) for name, state in states.items()}
    shown = {name: "L-BFGS" if config.lbfgs else name for name in states}
    histories = {shown[name]: state.history for name, state in states.items()}
    title = f"Perceptron on {data.name}" + job.figure_note()
    job.save_figure("curves.png", plots.implementations(histories, title))
    if not is_plane(data):
        name, network = next(iter(networks.items()))
        counts = confusion(perceptron.predict(network, data.test.x), data.test.y)
        job.save_figure("confusion.png", plots.confusion_matrix(counts, data.classes, f"{data.name}, {shown[name]}"))
        return
    panels = [decision_panel(shown[name], network, data) for name, network in networks.items()]
    job.save_figure("decision-map.png", plots.decision_map(panels, data.classes, title=title))
    first = config.implementations[0]
    if first in states and states[first].by_epoch and len(states[first].history) >= config.epochs:
        write_weights(job, states[first])
        if job.run.started.get("animate"):
            write_animation(job, first, networks[first], states[first])


def write_weights(job: Job, state: State) -> None:
    """Write `weights.npz`: the weights by epoch, from which the report page computes the decision map."""
    test, epochs = job.data.test, np.array(list(state.by_epoch))
    job.run.write_arrays("weights.npz", {"epochs": epochs, "points": test.x, "labels": test.y, **stacked(state)})


def write_animation(job: Job, name: str, network: Any, state: State) -> None:
    """Draw the decision map epoch by epoch: `decision-map.gif`."""
    note("drawing the decision map epoch by epoch")
    title = f"{name} on {job.data.name}"
    frames = animation_frames(job, network, state)
    gif = plots.decision_animation(frames, job.data.classes, title, smoke_test=job.options.quick)
    job.run.write("decision-map.gif", gif)


def animation_frames(job: Job, network: Any, state: State) -> list[dict[str, Any]]:
    """Return the decision map before training and after each epoch; of many, every second, third, ... and the last."""
    epochs = list(state.by_epoch)
    shown = dict.fromkeys([*epochs[:: -(-(len(epochs) - 1) // MAX_FRAMES)], epochs[-1]])
    frames = []
    for epoch in shown:
        network.restart(state.by_epoch[epoch], job.config.lr)
        test = f"epoch {epoch}: test {percent(state.history[epoch - 1]['test_accuracy'])}"
        frames.append(decision_panel(test if epoch else "before training", network, job.data))
    return frames


def is_plane(data: Dataset) -> bool:
    """Return whether a map of probabilities can show the data: points in a plane, of two classes."""
    return data.train.x.shape[1] == 2 and len(data.classes) == 2


def decision_panel(name: str, network: Any, data: Dataset) -> dict[str, Any]:
    """Return the probability of class 1 over a square around all points, [-2, 2]² at least, with the test points."""
    axis = plots.map_axis(np.concatenate([data.train.x, data.test.x]))
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

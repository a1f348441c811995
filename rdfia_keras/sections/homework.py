"""What a student wrote in mlp.py, at work: the perceptron trained on the circles with those functions."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.data import Dataset, load_vectors, one_hot
from rdfia_keras.data.initial_weights import init
from rdfia_keras.learn.checking import RIGHT
from rdfia_keras.learn.exercises import of_part
from rdfia_keras.learn.session import Own, train_file
from rdfia_keras.learn.trainer import PART, Problem, Trained, Weights, ours, train
from rdfia_keras.result import Result
from rdfia_keras.runs.files import make_folder, to_json, write_atomic
from rdfia_keras.sections import playground
from rdfia_keras.sections.common import QUICK_EPOCHS
from rdfia_keras.training.order import epoch_order

FOLDER = "learn"
# Equal formulas that add in another order end closer than this; another formula does not.
ROUNDING = 1e-9
SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")


def run(file: Path, config: MlpConfig, options: RunOptions) -> Result:
    """Train with the student's functions and with ours; draw both.

    Args:
        file: The student's mlp.py; functions that are not written there yet are ours.

    Returns:
        With exit code 1 where the student's training diverges.

    Raises:
        RdfiaError: When one of the functions cannot be used, or the results cannot be written.
    """
    config = _shortened(config, options)
    data = load_vectors(config.dataset, options.data_dir)
    problem = make_problem(config, data)
    own, right = train_file(file, problem), train(ours(), problem)
    folder = make_folder(options.out / FOLDER)
    paths = _draw(own.trained, right, data, folder, options.quick)
    paths.append(_write_weights(own.trained.weights, folder))
    return Result(
        data={
            "written": [verdict.name for verdict in own.verdicts],
            "wrong": [verdict.as_dict() for verdict in own.verdicts if verdict.status != RIGHT],
            "history": own.trained.history,
            "ours": right.history,
            "diverged": own.trained.diverged,
        },
        table=_table(own.trained, right),
        lines=[*whose(own), *_compared(own.trained, right)],
        paths=paths,
        quick=options.quick,
        exit_code=1 if own.trained.diverged else 0,
    )


def play(file: Path, config: MlpConfig, options: RunOptions, open_page: bool) -> Result:
    """Train with the student's functions, and write the playground that begins from the trained weights.

    Raises:
        RdfiaError: As `run` does, or when no browser can be started.
    """
    config = _shortened(config, options)
    playground.check_settings(config)
    own = train_file(file, make_problem(config, load_vectors(config.dataset, options.data_dir)))
    folder = make_folder(options.out / FOLDER)
    weights = _write_weights(own.trained.weights, folder)
    begun = replace(config, init=str(weights))
    done = playground.run(begun, replace(options, out=folder), open_page)
    epochs = len(own.trained.history)
    after = f"The page begins from your weights after {epochs} epoch{'s' * (epochs != 1)}."
    lines = [*whose(own), *_divergence(own.trained), after]
    return replace(done, lines=lines, paths=[weights, *done.paths], quick=options.quick)


def _shortened(config: MlpConfig, options: RunOptions) -> MlpConfig:
    config = config.resolve()
    return replace(config, epochs=min(config.epochs or 0, QUICK_EPOCHS["mlp"])) if options.quick else config


def make_problem(config: MlpConfig, data: Dataset) -> Problem:
    """What `rdfia mlp` with this config would train: the same weights, in the same order."""
    count, classes = len(data.train), len(data.classes)
    return Problem(
        x=data.train.x,
        y=one_hot(data.train.y, classes),
        x_test=data.test.x,
        y_test=one_hot(data.test.y, classes),
        plane=np.stack(np.meshgrid(_axis(data), _axis(data)), axis=-1).reshape(-1, 2),
        orders=np.array([epoch_order(config.seed, epoch, count) for epoch in range(config.epochs or 0)]),
        **init(config, data),
        batch_size=min(config.batch_size, count),
        eta=config.lr,
    )


def _axis(data: Dataset) -> np.ndarray:
    """A side of a square around all points, [-2, 2]² at least."""
    from rdfia_keras.plots import map_axis

    return map_axis(np.concatenate([data.train.x, data.test.x]))


# --- what is told -----------------------------------------------------------------------------------------------------


def whose(own: Own) -> list[str]:
    """Which functions are the student's, which of them are wrong, and which are ours."""
    written = [verdict.name for verdict in own.verdicts]
    missing = [one.name for one in of_part(PART) if one.name not in written]
    lines = [f"Yours: {', '.join(written) or 'none yet'}."]
    if missing:
        lines.append(f"Ours, because they are not written yet: {', '.join(missing)}.")
    for verdict in own.verdicts:
        if verdict.status != RIGHT:
            causes = " Or: ".join(verdict.causes) or f"rdfia learn check --only {verdict.name} says how."
            lines.append(f"{verdict.name} is wrong: {causes}")
    return lines


def _compared(own: Trained, right: Trained) -> list[str]:
    length = min(len(own.history), len(right.history))
    gaps = np.abs(_scores(own, length) - _scores(right, length)).max(axis=1, initial=0)
    # A gap that is no number is a difference, too.
    apart = np.flatnonzero(~(gaps <= ROUNDING))
    lines = _divergence(own)
    if len(apart):
        lines.append(f"Your curves differ from ours from epoch {apart[0] + 1} on.")
    elif not own.diverged:
        lines.append(f"Your curves are ours: they differ by {gaps.max():.0e} at most.")
    return lines


def _divergence(trained: Trained) -> list[str]:
    if not trained.diverged:
        return []
    return [
        f"Training diverges in epoch {trained.diverged}: the loss is no longer a number below 1000. "
        "The weights before it are kept."
    ]


def _scores(trained: Trained, length: int) -> np.ndarray:
    return np.array([[row[name] for name in SCORES] for row in trained.history[:length]]).reshape(length, len(SCORES))


def _table(own: Trained, right: Trained) -> list[dict[str, str]]:
    """The last epoch of both."""
    return [
        {
            "functions": name,
            "epochs": str(len(trained.history)),
            "train loss": f"{last['train_loss']:.4f}",
            "train accuracy": f"{100 * last['train_accuracy']:.1f}%",
            "test loss": f"{last['test_loss']:.4f}",
            "test accuracy": f"{100 * last['test_accuracy']:.1f}%",
        }
        for name, trained in (("yours", own), ("ours", right))
        for last in trained.history[-1:]
    ]


# --- what is written --------------------------------------------------------------------------------------------------


def _write_weights(weights: Weights, folder: Path) -> Path:
    """The weights as `rdfia mlp --init` reads them."""
    path = folder / "weights.json"
    write_atomic(path, to_json({name: value.tolist() for name, value in weights.items()}).encode())
    return path


def _draw(own: Trained, right: Trained, data: Dataset, folder: Path, quick: bool) -> list[Path]:
    from rdfia_keras import plots

    trained = {"yours": own, "ours": right}
    title = f"mlp.py on {data.name}"
    histories = {name: one.history for name, one in trained.items() if one.history}
    curves = plots.implementations(histories, title) if histories else plots.notice(title, "no epoch was completed")
    maps = plots.decision_map([_panel(name, one, data) for name, one in trained.items()], data.classes, title=title)
    paths = [folder / "curves.png", folder / "decision-map.png"]
    for figure, path in zip((curves, maps), paths, strict=True):
        plots.save(figure, path, smoke_test=quick)
    return paths


def _panel(name: str, trained: Trained, data: Dataset) -> dict[str, Any]:
    axis = _axis(data)
    return {
        "title": name if _are_probabilities(trained.probabilities) else f"{name}, through our softmax",
        "grid_x": axis,
        "grid_y": axis,
        "probability": probabilities(trained)[:, 1].reshape(len(axis), len(axis)),
        "points": data.test.x,
        "labels": data.test.y,
    }


def probabilities(trained: Trained) -> np.ndarray:
    """y_hat of the plane's points; where it holds no probabilities, our softmax of y_tilde, and of NaN one half."""
    if _are_probabilities(trained.probabilities):
        return trained.probabilities
    outputs = np.nan_to_num(trained.outputs)
    return np.asarray(ours()["softmax"](outputs), dtype=float)


def _are_probabilities(values: np.ndarray) -> bool:
    """Whether the rows lie between 0 and 1 and sum to 1."""
    return bool(((values >= 0) & (values <= 1)).all() and np.allclose(values.sum(axis=1), 1))

"""`rdfia learn run`: the perceptron trained on the circles with the functions that a student wrote in mlp.py."""

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdfia_keras.commands._options import command
from rdfia_keras.config import MlpConfig, RunOptions, settings
from rdfia_keras.result import Result

if TYPE_CHECKING:
    import numpy as np

    from rdfia_keras.data import Dataset
    from rdfia_keras.learn.checker import Verdict
    from rdfia_keras.learn.trainer import Problem, TrainingResult, Weights

FOLDER = "learn"
# Equal formulas that add in another order end closer than this; another formula does not.
ROUNDING = 1e-9
SCORES = ("train_loss", "train_accuracy", "test_loss", "test_accuracy")

# Settings that the student's loop has not.
WITHOUT = tuple(set(settings(MlpConfig)) - {"lr", "batch_size", "hidden_units", "epochs", "seed"})
MlpFile = Annotated[
    Path | None,
    typer.Argument(help="A file like mlp.py, or its folder.", show_default="mlp.py here, else in homework/"),
]


@command(
    config=MlpConfig,
    without=WITHOUT,
    options=("out", "data_dir", "quick"),
    examples=("rdfia learn run", "rdfia learn run mlp.py --lr 2"),
)
def run(config: MlpConfig, options: RunOptions, file: MlpFile = None) -> Result:
    """Train the perceptron on the circles with your functions, and with ours for what is not written yet."""
    from rdfia_keras.data import load_vectors
    from rdfia_keras.learn.checker import RIGHT
    from rdfia_keras.learn.student import perceptron_file, train_file
    from rdfia_keras.learn.trainer import solutions, train
    from rdfia_keras.runs.files import make_folder

    config = shorten(config, options)
    data = load_vectors(config.dataset, options.data_dir)
    problem = make_problem(config, data)
    student, verdicts = train_file(perceptron_file(file), problem)
    reference = train(solutions(), problem)
    folder = make_folder(options.out / FOLDER)
    paths = _draw({"yours": student, "ours": reference}, data, folder, options.quick)
    paths.append(write_weights(student.weights, folder))
    return Result(
        data={
            "written": [verdict.name for verdict in verdicts],
            "wrong": [asdict(verdict) for verdict in verdicts if verdict.status != RIGHT],
            "history": student.history,
            "reference_history": reference.history,
            "diverged": student.diverged,
        },
        intro=_intro(config, data, options.quick),
        table=_table({"yours": student, "ours": reference}),
        lines=[*function_lines(verdicts), *_comparison(student, reference)],
        paths=paths,
        quick=options.quick,
        exit_code=1 if student.diverged else 0,
    )


def shorten(config: MlpConfig, options: RunOptions) -> MlpConfig:
    """Return the settings, over the few epochs of a smoke test if one is asked for."""
    from rdfia_keras.training.job import QUICK_EPOCHS

    config = config.resolve()
    return replace(config, epochs=min(config.epochs or 0, QUICK_EPOCHS["mlp"])) if options.quick else config


def make_problem(config: MlpConfig, data: "Dataset") -> "Problem":
    """Return what `rdfia mlp` with this config would train: the same weights, in the same order."""
    import numpy as np

    from rdfia_keras.data import one_hot
    from rdfia_keras.data.dataset import epoch_order
    from rdfia_keras.data.initial_weights import init
    from rdfia_keras.learn.trainer import Problem

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


def _axis(data: "Dataset") -> "np.ndarray":
    """Return a side of a square around all points, [-2, 2]² at least."""
    import numpy as np

    from rdfia_keras.plots import map_axis

    return map_axis(np.concatenate([data.train.x, data.test.x]))


# --- what is printed --------------------------------------------------------------------------------------------------


def _intro(config: MlpConfig, data: "Dataset", quick: bool) -> list[str]:
    too_short = f"{config.epochs} epochs are too few to compare: this only shows that your functions run."
    trained = f"The perceptron on {data.name}, last epoch: trained with your functions, and with our solutions."
    return [too_short, trained] if quick else [trained]


def function_lines(verdicts: Sequence["Verdict"]) -> list[str]:
    """Return which functions are the student's, which of them are wrong, and which are our solutions."""
    from rdfia_keras.learn.checker import RIGHT
    from rdfia_keras.learn.exercises import of_part
    from rdfia_keras.learn.trainer import PART

    written = [verdict.name for verdict in verdicts]
    missing = [exercise.name for exercise in of_part(PART) if exercise.name not in written]
    lines = [f"Yours: {', '.join(written) or 'none yet'}."]
    if missing:
        lines.append(f"Ours, because they are not written yet: {', '.join(missing)}.")
    for verdict in verdicts:
        if verdict.status != RIGHT:
            causes = [line for line in verdict.lines if line.endswith(verdict.causes)]
            text = " ".join(causes) or f"Run rdfia learn check --only {verdict.name} to see how."
            lines.append(f"{verdict.name} is wrong. {text}")
    return lines


def _comparison(student: "TrainingResult", reference: "TrainingResult") -> list[str]:
    import numpy as np

    yours, ours = (
        np.array([[row[name] for name in SCORES] for row in result.history]).reshape(-1, len(SCORES))
        for result in (student, reference)
    )
    length = min(len(yours), len(ours))
    gaps = np.abs(yours[:length] - ours[:length]).max(axis=1, initial=0)
    # A gap that is no number is a difference, too.
    apart = np.flatnonzero(~(gaps <= ROUNDING))
    lines = divergence(student)
    if len(apart):
        lines.append(f"Your curves differ from ours from epoch {apart[0] + 1} on.")
    elif not student.diverged:
        lines.append(
            "Your curves are ours, but for rounding." if gaps.any() else "Your curves are ours, to the last digit."
        )
    return lines


def divergence(result: "TrainingResult") -> list[str]:
    """Return a sentence on a training that diverged."""
    if not result.diverged:
        return []
    return [
        f"Training diverges in epoch {result.diverged}: the loss is no longer a number below 1000. "
        "The weights before it are kept."
    ]


def _table(results: "dict[str, TrainingResult]") -> list[dict[str, str]]:
    """Return the last epoch of each training."""
    return [
        {
            "functions": name,
            "epochs": str(len(result.history)),
            "train loss": f"{last['train_loss']:.4f}",
            "train accuracy": f"{100 * last['train_accuracy']:.1f}%",
            "test loss": f"{last['test_loss']:.4f}",
            "test accuracy": f"{100 * last['test_accuracy']:.1f}%",
        }
        for name, result in results.items()
        for last in result.history[-1:]
    ]


# --- what is written --------------------------------------------------------------------------------------------------


def write_weights(weights: "Weights", folder: Path) -> Path:
    """Write the weights as `rdfia mlp --init` reads them."""
    from rdfia_keras.runs.files import to_json, write_atomic

    path = folder / "weights.json"
    write_atomic(path, to_json({name: value.tolist() for name, value in weights.items()}).encode())
    return path


def _draw(results: "dict[str, TrainingResult]", data: "Dataset", folder: Path, quick: bool) -> list[Path]:
    from rdfia_keras import plots

    title = f"mlp.py on {data.name}"
    histories = {name: result.history for name, result in results.items() if result.history}
    curves = plots.implementations(histories, title) if histories else plots.notice(title, "no epoch was completed")
    panels = [_panel(name, result, data) for name, result in results.items()]
    maps = plots.decision_map(panels, data.classes, title=title)
    paths = [folder / "curves.png", folder / "decision-map.png"]
    for figure, path in zip((curves, maps), paths, strict=True):
        plots.save(figure, path, smoke_test=quick)
    return paths


def _panel(name: str, result: "TrainingResult", data: "Dataset") -> dict[str, Any]:
    """Return a decision map. Our softmax makes probabilities of y_tilde, since a wrong one may make none."""
    import numpy as np

    from rdfia_keras.learn.exercises import EXERCISES

    axis = _axis(data)
    return {
        "title": name,
        "grid_x": axis,
        "grid_y": axis,
        "probability": EXERCISES["softmax"](np.nan_to_num(result.outputs))[:, 1].reshape(len(axis), len(axis)),
        "points": data.test.x,
        "labels": data.test.y,
    }

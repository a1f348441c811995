"""The fit of support vector machines, from data to record (homework part 2.2, figures 4 and 5). Needs no TensorFlow."""

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from rdfia_keras import plots
from rdfia_keras.config import RunOptions
from rdfia_keras.data import Dataset
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import Experiment
from rdfia_keras.models import kernels
from rdfia_keras.runs.run import Run
from rdfia_keras.training.job import Job

DEVICE = "cpu (scikit-learn)"
MAX_PANELS = 4
# Of a panel: both coordinates of its grid.
AXIS = np.linspace(-2, 2, 101)


def train_kernels(experiment: Experiment, data: Dataset, options: RunOptions) -> Run:
    """Fit, record and draw the classifiers of an experiment on data from `prepare_data`.

    Raises:
        RdfiaError: If the folder cannot be written, or the training examples are of one class.
    """
    config = experiment.config
    if len(np.unique(data.train.y)) < 2:
        raise RdfiaError(f"{data.name}: all training examples are of one class; an SVM needs two or more")
    job = Job.start(experiment, data, options, DEVICE)
    with job.run as run:
        begin = time.perf_counter()
        splits = (data.train.x, data.train.y, data.test.x, data.test.y)
        classifiers, swept = kernels.classifiers(config)
        rows = kernels.sweep(classifiers, *splits, seed=config.seed)
        sweep = kernels.sweep(swept, *splits, seed=config.seed)
        seconds = round(time.perf_counter() - begin, 3)
        draw(job, classifiers, sweep)
        job.write_record(
            status="ok",
            epochs=0,
            seconds=seconds,
            best=max(rows + sweep, key=lambda row: row["test_accuracy"]),
            final=None,
            details={"scores": rows, "sweep": sweep},
        )
    run.exit_code = 0
    return run


def draw(job: Job, classifiers: Sequence[kernels.SvmParameters], sweep: list[dict[str, Any]]) -> None:
    """Draw kernels.png, of data in a plane, and sweep.png; write panels.npz, from which kernels.png can be redrawn."""
    data = job.data
    if data.train.x.shape[1] == 2:
        panels = [decision_panel(parameters, data, job.config.seed) for parameters in classifiers[:MAX_PANELS]]
        title = f"SVM on {data.name}, test points" + job.figure_note(4)
        job.save_figure("kernels.png", plots.svm_panels(panels, classes=data.classes, title=title))
        decisions = np.stack([panel["decision"] for panel in panels]).astype(np.float32)
        arrays = {"decisions": decisions, "axis": AXIS, "points": data.test.x, "labels": data.test.y}
        job.run.write_arrays("panels.npz", arrays)
    title = f"SVM on {data.name}: accuracy against C" + job.figure_note(5)
    job.save_figure("sweep.png", plots.svm_sweep(sweep, title))


def decision_panel(parameters: kernels.SvmParameters, data: Dataset, seed: int) -> dict[str, Any]:
    """Return decision values over [-2, 2]² with the test points, as `plots.svm_panels` takes them."""
    model = kernels.fit(parameters, data.train.x, data.train.y, seed)
    return {
        "title": parameters.label,
        "accuracy": float(model.score(data.test.x, data.test.y)),
        "grid_x": AXIS,
        "grid_y": AXIS,
        "decision": kernels.decision_values(model, np.stack(np.meshgrid(AXIS, AXIS), axis=-1)),
        "points": data.test.x,
        "labels": data.test.y,
    }

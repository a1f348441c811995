"""The fit of support vector machines, from data to record (homework part 2.2, figures 4 and 5). Needs no TensorFlow."""

import io
import time
from typing import Any

import numpy as np

from rdfia_keras import plots
from rdfia_keras.config import RunOptions
from rdfia_keras.data import Dataset
from rdfia_keras.experiments import Experiment
from rdfia_keras.models import svm
from rdfia_keras.runs.run import Run
from rdfia_keras.training.job import Job, prepare_data

DEVICE = "cpu (scikit-learn)"
MAX_PANELS = 4


def train_kernels(experiment: Experiment, data: Dataset, options: RunOptions) -> Run:
    """Fit, record and draw the classifiers of an experiment.

    Raises:
        RdfiaError: If the folder cannot be written.
    """
    config, data = experiment.config, prepare_data(data, experiment.config, options.quick)
    job = Job.start(experiment, data, options, DEVICE)
    with job.run as run:
        begin = time.perf_counter()
        splits = (data.train.x, data.train.y, data.test.x, data.test.y)
        drawn, swept = svm.machines(config)
        rows = svm.sweep(drawn, *splits, seed=config.seed)
        sweep = svm.sweep(swept, *splits, seed=config.seed)
        seconds = round(time.perf_counter() - begin, 3)
        draw(job, sweep)
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


def draw(job: Job, sweep: list[dict[str, Any]]) -> None:
    """Draw kernels.png, of data in a plane, and sweep.png; write panels.npz."""
    data = job.data
    if data.train.x.shape[1] == 2:
        drawn, _ = svm.machines(job.config)
        panels = [decision_panel(parameters, data, job.config.seed) for parameters in drawn[:MAX_PANELS]]
        title = f"SVM on {data.name}, test points" + job.figure_note(4)
        job.save_figure("kernels.png", plots.svm_panels(panels, classes=data.classes, title=title))
        job.run.write("panels.npz", panels_bytes(panels))
    title = f"SVM on {data.name}: accuracy against C" + job.figure_note(5)
    job.save_figure("sweep.png", plots.svm_sweep(sweep, title))


def decision_panel(parameters: svm.SvmParameters, data: Dataset, seed: int) -> dict[str, Any]:
    """Return decision values over [-2, 2]² with the test points, as `plots.svm_panels` takes them."""
    model = svm.fit(parameters.kernel, parameters.C, parameters.degree, data.train.x, data.train.y, seed)
    axis = np.linspace(-2, 2, 101)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    return {
        "title": parameters.label,
        "accuracy": svm.accuracy(model, data.test.x, data.test.y),
        "grid_x": axis,
        "grid_y": axis,
        "decision": svm.decision_values(model, grid),
        "points": data.test.x,
        "labels": data.test.y,
    }


def panels_bytes(panels: list[dict[str, Any]]) -> bytes:
    """Return what `kernels.png` is drawn from, so that it can be drawn again without fitting."""
    content = io.BytesIO()
    np.savez_compressed(
        content,
        decisions=np.stack([panel["decision"] for panel in panels]).astype(np.float32),
        axis=panels[0]["grid_x"],
        points=panels[0]["points"],
        labels=panels[0]["labels"],
    )
    return content.getvalue()

"""Section svm: kernels on the circles (figure 4) and the influence of C (figure 5). Needs no TensorFlow."""

import io
import time
from typing import Any

import numpy as np

from rdfia_keras.config import RunOptions, SvmConfig
from rdfia_keras.data import Dataset, load_vectors
from rdfia_keras.experiments import Experiment, match_registered
from rdfia_keras.report.result import Result
from rdfia_keras.runs.folder import Run
from rdfia_keras.sections.common import Finished, create_run, make_record, save_figure

DEVICE = "cpu (scikit-learn)"
QUICK_EXAMPLES = 500
# Kernel machines take time with the square of the examples; more than these make no difference to see.
MAX_EXAMPLES = 5000
MAX_PANELS = 4


def run(config: SvmConfig, options: RunOptions) -> Result:
    """Fit machines, record and draw them.

    Raises:
        RdfiaError: When the data or the output folder cannot be used.
    """
    data = load_vectors(config.dataset, options.data_dir)
    return train(match_registered(config), data, options).result()


def train(experiment: Experiment, data: Dataset, options: RunOptions) -> Finished:
    """Fit, record and draw the machines of an experiment."""
    from rdfia_keras.models import svm

    config = experiment.config
    assert isinstance(config, SvmConfig)
    data = data.take(QUICK_EXAMPLES if options.quick else MAX_EXAMPLES)
    with create_run(experiment, data, options, DEVICE) as run:
        begin = time.perf_counter()
        splits = (data.train.x, data.train.y, data.test.x, data.test.y)
        parameters, swept = svm.machines(config)
        scores = svm.sweep(parameters, *splits, seed=config.seed)
        sweep = svm.sweep(swept, *splits, seed=config.seed)
        record = make_record(
            run,
            experiment,
            data,
            options,
            status="ok",
            best=max(scores + sweep, key=lambda row: row["test_accuracy"]),
            final=None,
            epochs=0,
            seconds=round(time.perf_counter() - begin, 3),
            device=DEVICE,
            details={"scores": scores, "sweep": sweep},
        )
        _draw(run, experiment, data, sweep, options.quick)
        run.write_record(record)
    return Finished(record, run.folder)


def _draw(run: Run, experiment: Experiment, data: Dataset, sweep: list[dict[str, Any]], quick: bool) -> None:
    from rdfia_keras import plots
    from rdfia_keras.models import svm

    figure = experiment.reference.figure
    if data.train.x.shape[1] == 2:
        assert isinstance(experiment.config, SvmConfig)
        parameters, _ = svm.machines(experiment.config)
        panels = [_panel(one, data, experiment.config.seed) for one in parameters[:MAX_PANELS]]
        title = f"SVM on {data.name}, test points" + (" (figure 4)" if figure else "")
        save_figure(run, "kernels.png", plots.svm_panels(panels, classes=data.classes, title=title), quick)
        run.write("panels.npz", _panels_bytes(panels))
    title = f"SVM on {data.name}: accuracy against C" + (" (figure 5)" if figure else "")
    save_figure(run, "sweep.png", plots.svm_sweep(sweep, title), quick)


def _panels_bytes(panels: list[dict[str, Any]]) -> bytes:
    """What `kernels.png` is drawn from, so that it can be drawn again without fitting."""
    data = io.BytesIO()
    np.savez_compressed(
        data,
        decisions=np.stack([panel["decision"] for panel in panels]).astype(np.float32),
        axis=panels[0]["grid_x"],
        points=panels[0]["points"],
        labels=panels[0]["labels"],
    )
    return data.getvalue()


def _panel(parameters: Any, data: Dataset, seed: int) -> dict[str, Any]:
    """Decision values over [-2, 2]² with the test points."""
    from rdfia_keras.models import svm

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

"""Section svm: kernels on the circles (figure 4) and the influence of C (figure 5). Needs no TensorFlow."""

import io
import time
from dataclasses import asdict, replace

import numpy as np

from rdfia_keras import plots, records, svm
from rdfia_keras.data import Dataset
from rdfia_keras.experiments import FIGURE_4, SVM_KERNELS, SWEEP_C, Setting, SvmExperiment
from rdfia_keras.sections import Options, Result

QUICK_EXAMPLES = 500
# Kernel machines take time with the square of the examples; more than these make no difference to see.
MOST_EXAMPLES = 5000


def homework(dataset: str, seed: int = 0) -> SvmExperiment:
    """Figures 4 and 5, with LinearSVC and the polynomials of degree 1 to 5 beside them."""
    if dataset == SVM_KERNELS.dataset:
        return replace(SVM_KERNELS, seed=seed)
    name = f"{dataset}-{SVM_KERNELS.name}"
    return replace(SVM_KERNELS, name=name, dataset=dataset, seed=seed, figure=None, question=None, published=None)


def single(dataset: str, kernel: str, C: float, degree: int, seed: int = 0) -> SvmExperiment:
    """One setting, and the same kernel over C."""
    words = [] if dataset == "circles" else [dataset]
    words += [f"poly{degree}" if kernel == "poly" else kernel, f"C-{C:g}"]
    sweep = tuple(Setting(kernel, c, degree) for c in SWEEP_C)
    return SvmExperiment("-".join(words), dataset, (Setting(kernel, C, degree),), sweep, seed)


def run(experiment: SvmExperiment, dataset: Dataset, options: Options) -> Result:
    """Fit, record and plot.

    Raises:
        RdfiaError: When the output folder cannot be used.
    """
    dataset = dataset.take(QUICK_EXAMPLES if options.quick else MOST_EXAMPLES)
    run = records.Run.create(
        options.out,
        "svm",
        experiment.name,
        {
            "section": "svm",
            "experiment": asdict(experiment),
            "dataset": dataset.describe() | {"source": dataset.source},
            "device": "cpu (scikit-learn)",
            **options.config(),
        },
        overwrite=options.overwrite,
    )
    begin = time.perf_counter()
    splits = (dataset.train.x, dataset.train.y, dataset.test.x, dataset.test.y)
    scores = svm.sweep(experiment.settings, *splits, seed=experiment.seed)
    sweep = svm.sweep(experiment.sweep, *splits, seed=experiment.seed)
    best = max(scores + sweep, key=lambda row: row["test_accuracy"])
    record = records.metrics(
        "ok",
        "svm",
        asdict(experiment),
        quick=options.quick,
        dataset=dataset.describe(),
        best=best,
        final=None,
        scores=scores,
        sweep=sweep,
        seed=experiment.seed,
        precision="float64",
        device="cpu (scikit-learn)",
        seconds=round(time.perf_counter() - begin, 3),
    )
    _draw(run, experiment, dataset, sweep, options.quick)
    run.write_json("metrics.json", record)
    return Result(record, run.folder)


def _draw(run: records.Run, experiment: SvmExperiment, dataset: Dataset, sweep: list[dict], quick: bool) -> None:
    if dataset.train.x.shape[1] == 2:
        settings = experiment.settings[: len(FIGURE_4)]
        panels = [_panel(setting, dataset, experiment.seed) for setting in settings]
        title = f"SVM on {dataset.name}, test points" + (" (figure 4)" if experiment.figure else "")
        figure = plots.svm_panels(panels, classes=dataset.classes, title=title, quick=quick)
        plots.save(figure, run.folder / "kernels.png")
        run.write("panels.npz", _panels_bytes(panels))
    title = f"SVM on {dataset.name}: accuracy against C" + (" (figure 5)" if experiment.figure else "")
    plots.save(plots.svm_sweep(sweep, title, quick=quick), run.folder / "sweep.png")


def _panels_bytes(panels: list[dict]) -> bytes:
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


def _panel(setting: Setting, dataset: Dataset, seed: int) -> dict:
    """Decision values over [-2, 2]² with the test points."""
    model = svm.fit(setting.kernel, setting.C, setting.degree, dataset.train.x, dataset.train.y, seed)
    axis = np.linspace(-2, 2, 101)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1)
    return {
        "title": setting.label,
        "accuracy": svm.accuracy(model, dataset.test.x, dataset.test.y),
        "grid_x": axis,
        "grid_y": axis,
        "decision": svm.decision_values(model, grid),
        "points": dataset.test.x,
        "labels": dataset.test.y,
    }

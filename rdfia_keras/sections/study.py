"""Studies: one setting of the perceptron over several values, each from several seeds (part 2.1, theory 10 and 11)."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.data import Dataset, load_vectors, one_hot
from rdfia_keras.experiments import Experiment, Reference, Study
from rdfia_keras.report import tables
from rdfia_keras.report.result import Result
from rdfia_keras.runs.files import to_json
from rdfia_keras.runs.folder import Run
from rdfia_keras.runs.records import SCHEMA, environment, scores
from rdfia_keras.sections.common import QUICK_EXAMPLES, create_run, save_figure
from rdfia_keras.system.backend import check_device, cpu_unless_asked, placed_on, require_tensorflow, set_up_backend
from rdfia_keras.system.signals import StopRequest
from rdfia_keras.system.terminal import note

QUICK_SEEDS, QUICK_EPOCHS = 3, 20
COLUMNS = ("value", "seed", "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")
_STATISTICS = tuple(f"{column}_{statistic}" for column in COLUMNS[3:] for statistic in ("mean", "std"))

# By value: (seeds, epochs, 4), in the columns train and test loss and accuracy.
Curves = dict[float | str, np.ndarray]


def run(study: Study, dataset: str, seeds: int, options: RunOptions) -> Result:
    """Train every value of a study from every seed, record and draw mean and standard deviation.

    Raises:
        RdfiaError: When the data, the device or the output folder cannot be used.
    """
    require_tensorflow("rdfia study")
    data = load_vectors(dataset, options.data_dir)
    set_up_backend(cpu_unless_asked(options.device), options.deterministic)
    return train(study, data, seeds, options)


def train(study: Study, data: Dataset, seeds: int, options: RunOptions) -> Result:
    """Train, record and draw a study on some data."""
    config = MlpConfig(dataset=data.name, epochs=150)
    if options.quick:
        data = data.take(QUICK_EXAMPLES)
        seeds, config = min(seeds, QUICK_SEEDS), replace(config, epochs=QUICK_EPOCHS)
    name = f"study-{study.name}" if data.name == "circles" else f"{data.name}-study-{study.name}"
    experiment = Experiment(name=name, config=config, reference=Reference(question=study.question))
    device = check_device(cpu_unless_asked(options.device))
    facts = {"study": study.name, "seeds": seeds}
    with create_run(experiment, data, options, device, **facts, section="study") as run:
        with StopRequest() as stop, placed_on(device):
            curves = _measure(study, config, data, seeds, stop)
        rows = [summary(value, measured) for value, measured in curves.items()]
        record = {
            "schema": SCHEMA,
            "status": "interrupted" if stop else "ok",
            "section": "study",
            "experiment": name,
            "question": study.question,
            "quick": options.quick,
            "dataset": data.describe(),
            "seeds": seeds,
            "epochs": config.epochs,
            "rows": rows,
            "config": config.to_dict(),
            "device": device,
            "environment": environment(),
        }
        _draw(run, study, curves, f"{study.label} on {data.name}, {seeds} seeds", options.quick)
        run.write_history(_mean_rows(curves), ("value", "epoch", *_STATISTICS))
        run.write("metrics.json", to_json(record).encode())
    hint = f"interrupted: {len(curves)} of {len(study.values)} values are done; the same command starts anew"
    return Result(
        data=record,
        table=tables.study(rows),
        paths=[run.folder],
        hint=hint if stop else "",
        quick=options.quick,
        exit_code=stop.exit_code(0),
    )


def _measure(study: Study, config: MlpConfig, data: Dataset, seeds: int, stop: StopRequest) -> Curves:
    """The curves of each value that was finished."""
    curves: Curves = {}
    for value in study.values:
        changes: Mapping[str, Any] = {} if study.field == "method" else {study.field: value}
        measure = lbfgs_seeds if value == "L-BFGS" else train_seeds
        measured = measure(replace(config, **changes), seeds, data, stop)
        if stop:
            break
        curves[value] = measured
        last = 100 * measured[:, -1, 3]
        shown = value if isinstance(value, str) else f"{value:g}"
        note(f"{study.label} {shown}: test {np.nanmean(last):.1f} ± {np.nanstd(last):.1f} % over {seeds} seeds")
    return curves


def _draw(run: Run, study: Study, curves: Curves, title: str, quick: bool) -> None:
    from rdfia_keras import plots

    if curves:
        save_figure(run, "study.png", plots.study(study.label, curves, f"{title}: mean and standard deviation"), quick)


def train_seeds(config: MlpConfig, seeds: int, data: Dataset, stop: object) -> np.ndarray:
    """Curves from seeds 0, 1, ...: (seeds, epochs, 4), in the columns train and test loss and accuracy.

    One compiled function serves all seeds. What is no longer finite stays NaN, as does what a stop cut off.
    """
    from rdfia_keras.training.perceptron import Trainer, init

    epochs = config.epochs or 0
    trainer = Trainer("manual", config, data, init(config, data))
    curves = np.full((seeds, epochs, 4), np.nan)
    for seed in range(seeds):
        seeded = replace(config, seed=seed)
        trainer.restart(seeded, init(seeded, data))
        for first in range(0, epochs, trainer.chunk):
            if stop:
                return curves
            rows = trainer.epochs(first, min(trainer.chunk, epochs - first))
            curves[seed, first : first + len(rows)] = [scores(row) for row in rows]
    curves[~np.isfinite(curves)] = np.nan
    return curves


def lbfgs_seeds(config: MlpConfig, seeds: int, data: Dataset, stop: object) -> np.ndarray:
    """As `train_seeds`, with an iteration of L-BFGS for each epoch; both see the whole training set in it."""
    from rdfia_keras.models.perceptron import lbfgs
    from rdfia_keras.training.perceptron import init

    n_y, epochs = len(data.classes), config.epochs or 0
    arrays = (data.train.x, one_hot(data.train.y, n_y), data.test.x, one_hot(data.test.y, n_y))
    curves = np.full((seeds, epochs, 4), np.nan)
    for seed in range(seeds):
        if stop:
            break
        curves[seed] = lbfgs(init(replace(config, seed=seed), data), *arrays, epochs)
    return curves


def summary(value: float | str, curves: np.ndarray) -> dict[str, Any]:
    """Mean and standard deviation over the seeds, of the last epoch and of the best one."""
    last, best = curves[:, -1, 3], np.nanmax(curves[:, :, 3], axis=1)
    reached = curves[:, :, 3] >= 0.9
    epochs = np.where(reached.any(axis=1), reached.argmax(axis=1) + 1, curves.shape[1] + 1)
    return {
        "value": value,
        "last_mean": float(np.nanmean(last)),
        "last_std": float(np.nanstd(last)),
        "best_mean": float(np.nanmean(best)),
        "best_std": float(np.nanstd(best)),
        "last": [round(float(value), 4) for value in last],
        "epochs_to_90": int(np.median(epochs)) if np.median(epochs) <= curves.shape[1] else None,
    }


def _mean_rows(curves: Curves) -> list[dict[str, Any]]:
    rows = []
    for value, measured in curves.items():
        mean, std = measured.mean(axis=0), measured.std(axis=0)
        for epoch in range(measured.shape[1]):
            numbers = np.stack([mean[epoch], std[epoch]], axis=1).ravel().round(6)
            rows.append({"value": value, "epoch": epoch + 1, **dict(zip(_STATISTICS, numbers.tolist(), strict=True))})
    return rows

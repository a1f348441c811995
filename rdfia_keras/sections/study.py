"""Studies: one setting of the perceptron over several values, each from several seeds (part 2.1, theory 10 and 11)."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np

from rdfia_keras import plots, records, runtime
from rdfia_keras.data import Dataset, one_hot
from rdfia_keras.experiments import CIRCLES, MlpExperiment, Study
from rdfia_keras.interrupt import StopRequest
from rdfia_keras.mlp import lbfgs
from rdfia_keras.progress import note
from rdfia_keras.sections import QUICK_EXAMPLES, Options, mlp

QUICK_SEEDS, QUICK_EPOCHS = 3, 20
COLUMNS = ("value", "seed", "epoch", "train_loss", "train_accuracy", "test_loss", "test_accuracy")


@dataclass(frozen=True)
class Studied:
    """What a study came to.

    Attributes:
        record: The content of its `metrics.json`.
        folder: Its folder.
        exit_code: What the process should exit with.
    """

    record: dict
    folder: Path
    exit_code: int = 0


def run(study: Study, seeds: int, dataset: Dataset, options: Options) -> Studied:
    """Train every value from every seed, record and plot mean and standard deviation.

    Raises:
        RdfiaError: When the device or the output folder cannot be used.
    """
    name = f"study-{study.name}" if dataset.name == CIRCLES.dataset else f"{dataset.name}-study-{study.name}"
    base = replace(CIRCLES, name=name, dataset=dataset.name, figure=None, published=None)
    if options.quick:
        dataset = dataset.take(QUICK_EXAMPLES)
        seeds, base = min(seeds, QUICK_SEEDS), replace(base, epochs=QUICK_EPOCHS)
    device = runtime.check_device(options.device)
    config = {
        "section": "study",
        "experiment": asdict(base),
        "study": asdict(study),
        "seeds": seeds,
        "dataset": dataset.describe() | {"source": dataset.source},
        "device": device,
        **options.config(),
    }
    run = records.Run.create(options.out, "mlp", base.name, config, overwrite=options.overwrite)
    curves = {}
    with StopRequest() as stop:
        for value in study.values:
            experiment = base if study.field == "optimizer" else replace(base, **{study.field: value})
            train = lbfgs_seeds if value == "L-BFGS" else train_seeds
            measured = train(experiment, seeds, dataset, stop)
            if stop:
                break
            curves[value] = measured
            last = 100 * measured[:, -1, 3]
            name = f"{study.label} {plots.number(value)}"
            note(f"{name}: test {np.nanmean(last):.1f} ± {np.nanstd(last):.1f} % over {seeds} seeds")
    rows = [summary(value, measured) for value, measured in curves.items()]
    record = {
        "schema": records.SCHEMA,
        "status": "interrupted" if stop else "ok",
        "section": "study",
        "experiment": base.name,
        "question": study.question,
        "quick": options.quick,
        "dataset": dataset.describe(),
        "seeds": seeds,
        "epochs": base.epochs,
        "rows": rows,
        "settings": asdict(base),
        "device": device,
        "environment": records.environment(),
    }
    if curves:
        title = f"{study.label} on {dataset.name}, {seeds} seeds: mean and standard deviation"
        plots.save(plots.study(study.label, curves, title, quick=options.quick), run.folder / "study.png")
    if stop:
        note(f"interrupted: {len(curves)} of {len(study.values)} values are done; the same command begins anew")
    run.write_history(_mean_rows(curves), ("value", "epoch", *_STATISTICS))
    run.write_json("metrics.json", record)
    return Studied(record, run.folder, stop.exit_code(0))


def train_seeds(experiment: MlpExperiment, seeds: int, dataset: Dataset, stop: object) -> np.ndarray:
    """Curves from seeds 0, 1, ...: (seeds, epochs, 4), in the columns train and test loss and accuracy.

    One compiled function serves all seeds. What is no longer finite stays NaN, as does what a stop cut off.
    """
    trainer = mlp.Trainer("manual", experiment, dataset, mlp.init(experiment, dataset))
    curves = np.full((seeds, experiment.epochs, 4), np.nan)
    for seed in range(seeds):
        trainer.restart(replace(experiment, seed=seed), mlp.init(replace(experiment, seed=seed), dataset))
        for first in range(0, experiment.epochs, trainer.chunk):
            if stop:
                return curves
            rows = trainer.epochs(first, min(trainer.chunk, experiment.epochs - first))
            curves[seed, first : first + len(rows)] = [[row[key] for key in COLUMNS[3:]] for row in rows]
    curves[~np.isfinite(curves)] = np.nan
    return curves


def lbfgs_seeds(experiment: MlpExperiment, seeds: int, dataset: Dataset, stop: object) -> np.ndarray:
    """As `train_seeds`, with an iteration of L-BFGS for each epoch; both see the whole training set in it."""
    n_y = len(dataset.classes)
    data = (dataset.train.x, one_hot(dataset.train.y, n_y), dataset.test.x, one_hot(dataset.test.y, n_y))
    curves = np.full((seeds, experiment.epochs, 4), np.nan)
    for seed in range(seeds):
        if stop:
            break
        curves[seed] = lbfgs(mlp.init(replace(experiment, seed=seed), dataset), *data, experiment.epochs)
    return curves


def summary(value: float, curves: np.ndarray) -> dict:
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


_STATISTICS = tuple(f"{column}_{statistic}" for column in COLUMNS[3:] for statistic in ("mean", "std"))


def _mean_rows(curves: dict[float, np.ndarray]) -> list[dict]:
    rows = []
    for value, measured in curves.items():
        mean, std = measured.mean(axis=0), measured.std(axis=0)
        for epoch in range(measured.shape[1]):
            numbers = np.stack([mean[epoch], std[epoch]], axis=1).ravel().round(6)
            rows.append({"value": value, "epoch": epoch + 1, **dict(zip(_STATISTICS, numbers.tolist(), strict=True))})
    return rows

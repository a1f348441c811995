"""The tables of the reference results that documents show."""

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from rdfia_keras.analysis import seeds, tables
from rdfia_keras.analysis.base_differences import bonus, compared_with_bases, interval
from rdfia_keras.analysis.published import reference_run
from rdfia_keras.analysis.tables import Column, Row, make_table, percent
from rdfia_keras.experiments import LADDER, MODERN_LADDER, REGISTRY, Experiment, figures_of
from rdfia_keras.experiments.registry import KERAS_LADDER
from rdfia_keras.runs.history import accuracy_of
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import reference_store

MODERN_STEPS = {
    "modern-blocks": "3x3 blocks in place of 5x5 and the wide dense layer",
    "modern-whitening": "a first convolution that whitens patches",
    "modern-silu": "SiLU in place of ReLU",
    "modern-schedule": "Nesterov momentum, a triangular learning rate, weight decay, batches of 1,024",
    "modern-smoothing": "label smoothing",
    "modern-dirac": "Dirac kernels",
    "modern-batch-norm": "batch normalization with fast biases and without scale",
    "modern-lookahead": "an average of the weights",
    "modern-fast": "alternating flips and translations in place of crop and flip",
    "modern-94": "wider blocks, longer training",
}
WEIGHTS = {"blocks": "0.57 M", "wide-blocks": "1.16 M"}


def ladder() -> list[Row]:
    """Return the six steps of the ladder: published, and mean and standard deviation over the reference's seeds."""
    rows = []
    for experiment in LADDER:
        epochs = experiment.config.epochs or 0
        measured = seeds.statistics_at(experiment, epochs)
        row = {"step": experiment.name, "published": tables.published(vars(experiment.report))}
        row |= {
            heading: measured[name].percents() if measured else "-"
            for name, heading in reversed(seeds.MEASURES.items())
        }
        rows.append(row | {"n": str(measured["last"].n if measured else 0), "epochs": str(epochs)})
    return rows


def modern() -> list[Row]:
    """Return the steps of the second ladder: what each adds, and its results over the reference's seeds."""
    return [
        {
            "step": f"`{experiment.name}`",
            "adds": MODERN_STEPS[experiment.name],
            "epochs": str(experiment.config.epochs),
            "weights": WEIGHTS[experiment.config.network],
            **_accuracies(list(seeds.reference_trials(experiment).values())),
        }
        for experiment in MODERN_LADDER
    ]


def _accuracies(trials: Sequence[seeds.Outcome]) -> Row:
    """Return the last test accuracy, alone and averaged over six versions of each image, as cells of a table."""
    last = seeds.Statistics.of(trial.measures()["final"] for trial in trials)
    averaged = seeds.Statistics.of(trial.run.result.details["tta_test_accuracy"] for trial in trials)
    texts = [each.percents() if each else "-" for each in (last, averaged)]
    return {"last test": texts[0], "with test-time augmentation": texts[1], "n": str(len(trials))}


def gains(experiments: Sequence[Experiment]) -> list[Row]:
    """Return the difference of each experiment to its base in the mean of the last epochs."""
    columns: dict[str, Column] = {
        "experiment": "{experiment.name}",
        "compared with": "{experiment.base}",
        "epochs": "{compared.epochs}",
        "gain, points": lambda row: f"{100 * row['compared'].gain:+.2f}",
        "95 % interval": lambda row: interval(row["compared"].interval),
        "paired by seed": lambda row: interval(row["compared"].paired and row["compared"].paired.interval),
        "n": "{compared.seeds[0]} / {compared.seeds[1]}",
        "result": "{result}",
    }
    return make_table(compared_with_bases(experiments), columns)


def equal_epochs() -> list[Row]:
    """Return the six steps of the ladder over equal epochs: those of the shortest runs, then those of the longer."""
    lengths = sorted({experiment.config.epochs or 0 for experiment in LADDER})
    return [
        {"epochs": str(epochs), "step": experiment.name}
        | {heading: measured[name].percents() for name, heading in reversed(seeds.MEASURES.items())}
        | {"n": str(measured["last"].n)}
        for epochs in lengths
        for experiment in LADDER
        if (measured := seeds.statistics_at(experiment, epochs))
    ]


def selection() -> list[Row]:
    """Return the runs with a validation set: the epoch selected on it, and the best epoch on the test set."""
    columns: dict[str, Column] = {
        "run": "{folder.name}",
        "trained on": "{record.dataset[counts][train]:,}",
        "seed": "{config.seed}",
        "best on the test set": "{record.best[test_accuracy]:.2%} (epoch {record.best[epoch]})",
        "selected on the validation set": "{record.selected[test_accuracy]:.2%} (epoch {record.selected[epoch]})",
        "last": "{record.final[test_accuracy]:.2%}",
        seeds.MEASURES["last_five"]: "{last_five:.2%}",
        "best minus selected, points": "{optimism:+.2f}",
    }
    return make_table((_selection(run) for run in reference_store().runs("cnn") if run.result.selected), columns)


def _selection(run: Run) -> dict[str, Any]:
    best, selected = (accuracy_of(row) or 0 for row in (run.result.best, run.result.selected))
    last_five = seeds.measures(run.history(), run.result.epochs)["last_five"]
    row = {"folder": run.folder, "record": run.result, "config": run.config}
    return {**row, "last_five": last_five, "optimism": 100 * (best - selected)}


def results() -> list[Row]:
    """Return a row for every registered experiment that has a reference run."""
    runs = ((experiment, reference_run(experiment)) for experiment in REGISTRY.values())
    return [row for experiment, run in runs if run for row in _results(experiment, run)]


def _results(experiment: Experiment, run: Run) -> list[Row]:
    """Return a row for an experiment, or one for each kernel that the report gives a number for."""
    record, config = run.result, experiment.config
    row = {
        "figure": ", ".join(figures_of(experiment.name)) or "-",
        "experiment": experiment.name,
        "published": tables.published(asdict(experiment.report)),
        "reference, best (epoch)": f"{percent(accuracy_of(record.best))} ({(record.best or {}).get('epoch')})",
        "reference, last": percent(accuracy_of(record.final)),
        "epochs": str(record.epochs or "-"),
        "seeds": str(run.config.seed),
        "precision": getattr(record.config, "precision", "float64"),
        "data": record.dataset["name"],
    }
    if experiment.section == "svm":
        return [{**row, **kernel} for kernel in _kernels(experiment, run)]
    final, best = (seeds.reference_statistics(experiment, measure) for measure in ("final", "best"))
    if final and best and final.n > 1:
        row |= {"reference, best (epoch)": best.percents(), "reference, last": final.percents()}
        row |= {"epochs": str(config.epochs), "seeds": f"0 to {final.n - 1}"}
    return [row]


def _kernels(experiment: Experiment, run: Run) -> list[Row]:
    """Return the cells of each published kernel at its best C."""
    rows = []
    for (kernel, degree), published in tables.PUBLISHED_KERNELS.items():
        sweep = [row for row in run.result.details["sweep"] if (row["kernel"], row["degree"]) == (kernel, degree)]
        best = max(sweep, key=lambda row: row["test_accuracy"])
        name = f"polynomial of degree {degree}" if degree else kernel.upper()
        label = f"{experiment.name}: {name}, best C {best['C']:.2g}"
        accuracy = percent(best["test_accuracy"])
        rows.append({"experiment": label, "published": percent(published), "reference, best (epoch)": accuracy})
    return rows


TABLES: dict[str, Callable[[], list[Row]]] = {
    "ladder": ladder,
    "modern": modern,
    "gains": lambda: gains(LADDER[1:]),
    "defaults": lambda: gains(KERAS_LADDER),
    "equal epochs": equal_epochs,
    "bonus": bonus,
    "selection": selection,
    "results": results,
}

"""Comparison of runs with the published values, with the package's reference, and with the experiment they change."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rdfia_keras import plots
from rdfia_keras.config import BLOCKS, CnnConfig, MlpConfig
from rdfia_keras.experiments import REGISTRY, Experiment
from rdfia_keras.experiments.registry import BASELINE, CIRCLES, MNIST_LENET, MODERN_FAST
from rdfia_keras.runs.files import to_json, write_atomic
from rdfia_keras.runs.history import accuracy_of
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import Query, RunStore, reference_snapshot


def wanted_run(
    experiment: Experiment, seed: int = 0, epochs: int | None = None, precision: str | None = None, quick: bool = False
) -> Query:
    """Return the query for a run of an experiment that a figure or a table can show.

    `epochs` is the least number, None for the experiment's own. A `precision` of None is any.
    """
    config = replace(experiment.config, seed=seed)
    config = replace(config, epochs=epochs or config.epochs) if config.epochs else config
    if isinstance(config, MlpConfig):
        # The four curves are equal: figure 1 shows it once.
        config = replace(config, implementation="all" if experiment is CIRCLES else "manual")
    if precision and isinstance(config, CnnConfig):
        config = replace(config, precision=precision)
    return Query(config=config, any_precision=precision is None, quick=quick)


def reference_run(experiment: Experiment) -> Run | None:
    """Return the run of an experiment that ships with the package, whatever its length."""
    # Where the epochs shape a training, another length is another run.
    shortest = None if experiment.config.epochs_shape_it else 1
    return reference_snapshot().find_finished(wanted_run(experiment, epochs=shortest))


def runs_on_one_data_set(queries: Sequence[Query], own: RunStore, asked: str | None = None) -> list[Run | None]:
    """Return a run for each query, all on one data set: yours as far as they reach, else the package's.

    Args:
        queries: Of one data set by its name.
        own: Your runs.
        asked: Digest of the data that are asked for; None for the package's, else for any on which you have all runs.
    """
    shipped = [reference_snapshot().find_finished(query) for query in queries]
    digests = [asked] if asked else [run.data_digest for run in shipped if run]
    digests += [] if asked else [run.data_digest for query in queries for run in own.usable(query)]
    for digest in dict.fromkeys(digests):
        mine = [own.find_finished(replace(query, data=digest)) for query in queries]
        beside = [run if run and run.data_digest == digest else None for run in shipped]
        if any(mine) and all(pair[0] or pair[1] for pair in zip(mine, beside, strict=True)):
            return [run or other for run, other in zip(mine, beside, strict=True)]
    return shipped


def other_data(query: Query, own: RunStore, chosen: Run | None) -> str:
    """Return which of your runs of a query are left out because of their data, as a sentence; empty without one."""
    runs = [run for run in own.usable(query) if chosen and run.data_digest != chosen.data_digest]
    names = ", ".join(str(run.folder) for run in runs)
    return f"left out, for {'they are' if len(runs) > 1 else 'it is'} on other data: {names}" if runs else ""


def estimated_seconds(experiments: Sequence[Experiment]) -> float | None:
    """Return how long trainings took on the machine of the reference, or something near them; None if nothing is near.

    An experiment without a run in the reference takes as long by epoch as a simple one on its data.
    """
    total = 0.0
    for experiment in experiments:
        config = experiment.config
        simplest = (MODERN_FAST,) if getattr(config, "network", "") in BLOCKS else (CIRCLES, BASELINE, MNIST_LENET)
        similar = (base for base in simplest if base.config.dataset == config.dataset)
        runs = (reference_run(like) for like in (experiment, *similar) if like.section == experiment.section)
        run = next((run for run in runs if run), None)
        if run is None or not run.result.epochs:
            return None
        trained, wanted = (len(getattr(each, "implementations", [""])) for each in (run.config, config))
        total += run.result.seconds / run.result.epochs / trained * wanted * (config.epochs or 0)
    return total or None


def compare_with_published(experiment: Experiment, run: Run, store: RunStore) -> dict[str, Any]:
    """Return a run next to what was published and to the experiment that it changes, over no more epochs than its own.

    The store has the run of the other experiment, of the same seed, precision and data.
    """
    record, claim, reference = run.result, experiment.report, reference_run(experiment)
    return {
        "figure": claim.figure,
        "question": claim.question,
        "experiment": experiment.name,
        "base": experiment.base,
        "published": claim.published,
        "published_at_end": claim.published_at_end,
        "comment": claim.comment,
        "reference": reference and _reference_best(reference, experiment.config.epochs),
        "best": accuracy_of(record.best),
        "best_epoch": record.best and record.best["epoch"],
        "final": accuracy_of(record.final),
        "base_best": _base_best(experiment, run, store),
        "epochs": record.epochs,
        "seed": record.config.seed,
        "precision": getattr(record.config, "precision", "float64"),
        "dataset": record.dataset["name"],
        "status": record.status,
        "quick": record.quick,
        "seconds": record.seconds,
    }


def _reference_best(reference: Run, epochs: int | None) -> float | None:
    """Return the best test accuracy of a reference run, which may be longer, within the experiment's epochs."""
    record = reference.result
    if not epochs or not record.epochs or record.epochs <= epochs:
        return accuracy_of(record.best)
    return max(row["test_accuracy"] for row in reference.history()[:epochs])


def _base_best(experiment: Experiment, run: Run, store: RunStore) -> float | None:
    """Return the best test accuracy of the experiment that this one changes, over no more epochs than the run has."""
    base, record = REGISTRY.get(experiment.base or ""), run.result
    if not (base and base.config.dataset == experiment.config.dataset and record.epochs):
        return None
    epochs = min(record.epochs, base.config.epochs or record.epochs)
    query = wanted_run(base, record.config.seed, epochs, getattr(record.config, "precision", None), record.quick)
    base_run = store.find_finished(replace(query, data=run.data_digest))
    rows = base_run.history()[: record.epochs] if base_run else []
    return max((row["test_accuracy"] for row in rows), default=None)


def write(rows: Sequence[dict[str, Any]], folder: Path, name: str, quick: bool) -> list[Path]:
    """Write the rows as `name`.json, and draw them as `name`.png; as `name`-quick for smoke tests."""
    with_result = [row for row in rows if row["best"] is not None]
    data = " and ".join(sorted({row["dataset"] for row in with_result}))
    file = f"{name}-quick" if quick else name
    paths = [folder / f"{file}.json"]
    write_atomic(paths[0], to_json({"rows": list(rows)}).encode())
    if with_result:
        paths.append(folder / f"{file}.png")
        values = (
            "yours",
            *(key for key in ("reference", "published") if any(row[key] is not None for row in with_result)),
        )
        figure = plots.comparison(with_result, f"{name} on {data}: best test accuracy, {', '.join(values)}")
        plots.save(figure, paths[1], smoke_test=quick)
    return paths

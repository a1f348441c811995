"""Compare runs with what was published, with the package's reference, and with the experiment that they change."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from rdfia_keras import plots
from rdfia_keras.config import MlpConfig
from rdfia_keras.experiments import REGISTRY, Experiment
from rdfia_keras.runs.files import to_json, write_atomic
from rdfia_keras.runs.records import StoredRun, test_accuracy
from rdfia_keras.runs.reference import reference_store
from rdfia_keras.runs.store import Query, RunStore


def reference_run(experiment: Experiment) -> StoredRun | None:
    """Return the run of an experiment that ships with the package, whatever its length."""
    config = experiment.config
    if isinstance(config, MlpConfig):
        config = replace(config, implementation="manual")
    if config.epochs:
        config = config.with_epochs(1)
    return reference_store().find_finished(Query(config=config.with_seed(0)))


def compare_with_published(
    experiment: Experiment, run: StoredRun, store: RunStore, query: Callable[[Experiment], Query]
) -> dict[str, Any]:
    """Compare a run with what was published, and with the experiment that it changes over no more epochs than its own.

    Args:
        experiment: The run's experiment.
        run: The run.
        store: Has the run of the other experiment.
        query: Gives the query for an acceptable run of an experiment.
    """
    record, reference, shipped = run.record, experiment.reference, reference_run(experiment)
    return {
        "figure": reference.figure,
        "question": reference.question,
        "experiment": experiment.name,
        "base": experiment.base,
        "published": reference.published,
        "published_at_end": reference.published_at_end,
        "comment": reference.comment,
        "reference": shipped and _reference_best(shipped, experiment.config.epochs),
        "best": test_accuracy(record.best),
        "best_epoch": record.best and record.best["epoch"],
        "final": test_accuracy(record.final),
        "base_best": _base_best(experiment, run, store, query),
        "epochs": record.epochs,
        "seed": record.config.seed,
        "precision": getattr(record.config, "precision", "float64"),
        "dataset": record.dataset["name"],
        "status": record.status,
        "quick": record.quick,
        "seconds": record.seconds,
    }


def _reference_best(shipped: StoredRun, epochs: int | None) -> float | None:
    """Return the best accuracy over no more epochs than the experiment has: the run may be longer."""
    if not epochs or not shipped.record.epochs or shipped.record.epochs <= epochs:
        return test_accuracy(shipped.record.best)
    return max(row["test_accuracy"] for row in shipped.history()[:epochs])


def _base_best(
    experiment: Experiment, run: StoredRun, store: RunStore, query: Callable[[Experiment], Query]
) -> float | None:
    base, epochs = REGISTRY.get(experiment.base or ""), run.record.epochs
    if not (base and base.config.dataset == experiment.config.dataset and epochs):
        return None
    asked = query(base)
    shorter = replace(asked, config=replace(asked.config, epochs=min(epochs, base.config.epochs or epochs)))
    base_run = store.find_finished(shorter)
    rows = base_run.history()[:epochs] if base_run else []
    return max((row["test_accuracy"] for row in rows), default=None)


def write(rows: Sequence[dict[str, Any]], folder: Path, name: str, quick: bool) -> list[Path]:
    """Write the rows as `name`.json, and draw them as `name`.png; as `name`-quick for smoke tests."""
    drawn = [row for row in rows if row["best"] is not None]
    data = " and ".join(sorted({row["dataset"] for row in drawn}))
    file = f"{name}-quick" if quick else name
    paths = [folder / f"{file}.json"]
    write_atomic(paths[0], to_json({"rows": list(rows)}).encode())
    if drawn:
        paths.append(folder / f"{file}.png")
        figure = plots.comparison(drawn, f"{name} on {data}: best test accuracy, yours and published")
        plots.save(figure, paths[1], smoke_test=quick)
    return paths

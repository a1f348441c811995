"""Comparison of runs: the settings that differ, the results, and all curves in one plot."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from rdfia_keras.analysis import tables
from rdfia_keras.analysis.run_list import Row, differing
from rdfia_keras.config import short_name
from rdfia_keras.errors import ConfigError
from rdfia_keras.result import Result
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.history import EpochRow
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import find_run

# A plot has no more colours that can be distinguished.
MAX_RUNS = 10


def compare_runs(names: Sequence[str], out: Path, plot: Path | None = None) -> Result:
    """Compare runs, named as `find_run` takes them: settings that differ, results, and curves in one plot.

    Without `plot` the plot's file is in `compare/` of the results folder.

    Raises:
        ConfigError: If there are fewer than two runs, too many, or the same one twice.
        RdfiaError: If there is no such run, nothing of it can be read, or the plot cannot be written.
    """
    if not 2 <= len(names) <= MAX_RUNS:
        raise ConfigError(f"name 2 to {MAX_RUNS} runs to compare, not {len(names)}; see rdfia runs")
    runs = _with_unique_names([find_run(name, out) for name in names])
    rows = [run.summary() for run in runs]
    changed = differing(rows, without=("epochs",))
    curves = {run.name: run.curve() for run in runs}
    with_curve = {name: curve for name, curve in curves.items() if curve}
    path = plot or out / "compare" / _file_name([run.name for run in runs])
    if with_curve:
        _draw(with_curve, rows, path)
    return Result(
        data={
            "runs": rows,
            "differing": changed,
            "equal_weights": equal_weights(rows),
            "plot": path if with_curve else None,
        },
        intro=tables.numbered(rows),
        table=tables.run_comparison(rows, changed),
        lines=[*_remarks(rows, changed), *(_why_no_curve(run) for run in runs if not curves[run.name])],
        paths=[path] if with_curve else [],
        quick=any(run.quick for run in runs),
    )


def _with_unique_names(runs: Sequence[Run]) -> list[Run]:
    """Return the same runs; those of equal names in different folders get their whole paths as names."""
    folders = Counter(run.folder.resolve() for run in runs)
    for run in runs:
        run.check_readable()
        if folders[run.folder.resolve()] > 1:
            raise ConfigError(f"{run.name} is named twice: name two different runs to compare")
    names = Counter(run.name for run in runs)
    return [Run(run.folder, str(run.folder)) if names[run.name] > 1 else run for run in runs]


def equal_weights(rows: Sequence[Row]) -> list[list[str]]:
    """Return the names of runs whose weights are equal bit by bit, in groups of two and more."""
    groups: dict[str, list[str]] = {}
    for run in rows:
        if run["weights_digest"]:
            groups.setdefault(run["weights_digest"], []).append(run["run"])
    return [names for names in groups.values() if len(names) > 1]


def _remarks(rows: Sequence[Row], changed: Sequence[str]) -> list[str]:
    """Return remarks on equal settings, equal weights and different data."""
    of_one_section = len({run["section"] for run in rows}) == 1
    remarks = ["no setting differs"] if of_one_section and not changed else []
    remarks += [f"equal weights: {', '.join(names)}" for names in equal_weights(rows)]
    digests: dict[str, set[str]] = {}
    for run in rows:
        if run["data_digest"]:
            digests.setdefault(run["settings"]["dataset"], set()).add(run["data_digest"])
    different = [dataset for dataset, values in digests.items() if len(values) > 1]
    return remarks + [f"not the same {dataset} in all of these runs" for dataset in different]


def _why_no_curve(run: Run) -> str:
    if run.section == "svm":
        return f"no curve of {run.name}: svm is not trained in epochs"
    return f"no curve of {run.name}: " + ("history.csv is missing or damaged" if run.epochs else "no epoch is finished")


def _file_name(names: Sequence[str]) -> str:
    """Return `cnn-baseline-vs-cnn-augment.png`, shortened if the names are long."""
    file = "-vs-".join(names).replace("/", "-").replace("\\", "-")
    return f"{short_name(file.lstrip('-'))}.png"


def _draw(curves: dict[str, list[EpochRow]], rows: Sequence[Row], path: Path) -> None:
    from rdfia_keras import plots

    rows = [run for run in rows if run["run"] in curves]
    data = " and ".join(dict.fromkeys(Path(run["settings"]["dataset"]).name for run in rows))
    title = f"{len(rows)} run{'s' if len(rows) > 1 else ''} on {data}"
    figure = plots.runs_side_by_side({_label(name, curve): curve for name, curve in curves.items()}, title)
    make_folder(path.parent)
    plots.save(figure, path, smoke_test=any(run["quick"] for run in rows))


def _label(name: str, curve: Sequence[EpochRow]) -> str:
    """Return a run's name; for mlp, with the implementation that is drawn."""
    implementation = curve[0].get("implementation")
    return f"{name} ({implementation})" if implementation else name

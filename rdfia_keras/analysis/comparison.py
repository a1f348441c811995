"""Compare runs: the settings that differ, the results, and all curves in one plot."""

import hashlib
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from rdfia_keras.analysis import tables
from rdfia_keras.analysis.run_list import REFERENCE, Row, differing, name_below, row
from rdfia_keras.errors import ConfigError, RdfiaError, did_you_mean
from rdfia_keras.report.result import Result
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.listing import ListedRun, list_run
from rdfia_keras.runs.records import EpochRow
from rdfia_keras.runs.reference import reference_store
from rdfia_keras.runs.store import RunStore
from rdfia_keras.system.terminal import note

# A plot has no more colours that can be told apart.
MAX_RUNS = 10
# Bytes; file systems allow 255.
MAX_FILE_NAME = 100


def compare_runs(names: Sequence[str], out: Path, plot: Path | None = None) -> Result:
    """Compare runs: settings that differ, results, and curves in one plot.

    Args:
        names: Runs, as `find_run` takes them.
        out: The results folder.
        plot: Where the plot goes; None for a file in `compare/` of the results folder.

    Raises:
        ConfigError: On fewer than two runs, too many, one that is named twice, or a plot that is no PNG.
        RdfiaError: When there is no such run, nothing of it can be read, or the plot cannot be written.
    """
    if not 2 <= len(names) <= MAX_RUNS:
        raise ConfigError(f"name 2 to {MAX_RUNS} runs to compare, not {len(names)}; see rdfia runs")
    if plot and plot.suffix.lower() != ".png":
        raise ConfigError(f"--plot must end in .png, not {plot}")
    runs = _with_unique_names([find_run(name, RunStore(out)) for name in names])
    rows = [row(run) for run in runs]
    changed = differing(rows, without=("epochs",))
    curves = {run.name: run.curve() for run in runs}
    drawn = {run.name: curves[run.name] for run in runs if curves[run.name]}
    path = plot or out / "compare" / _file_name([run.name for run in runs])
    if drawn:
        _draw(drawn, rows, path)
    return Result(
        data={
            "runs": rows,
            "differing": changed,
            "equal_weights": equal_weights(rows),
            "plot": path if drawn else None,
        },
        intro=tables.numbered(rows),
        table=tables.run_comparison(rows, changed),
        lines=[*_remarks(rows, changed), *(_why_no_curve(run) for run in runs if not curves[run.name])],
        paths=[path] if drawn else [],
        quick=any(run.quick for run in runs),
    )


def find_run(text: str, store: RunStore) -> ListedRun:
    """Find a run by its folder, or by its name in the store or else among the package's results.

    Args:
        text: `results/cnn/augment`, `cnn/augment`, `augment` where one section has it, or `reference/cnn/augment`.

    Raises:
        RdfiaError: When there is none, there are several, or nothing of it can be read.
    """
    path = Path(text)
    if any((path / file).is_file() for file in ("config.json", "metrics.json")):
        return _read(path.resolve(), _name_of(path.resolve(), store))
    name = path.as_posix()
    if folder := store.folder_of(name):
        return _read(folder, name_below(store, folder))
    if folder := reference_store().folder_of(name.removeprefix(REFERENCE)):
        note(f"{text}: from the reference results of this package")
        return _read(folder, name_below(reference_store(), folder))
    names = [name_below(place, folder) for place in (store, reference_store()) for folder in place.folders()]
    names += [Path(name).name for name in names]
    hint = did_you_mean(name, names, otherwise="see rdfia runs and rdfia runs --reference")
    raise RdfiaError(f"there is no run {text} in {store.root}, no such folder and no such reference result: {hint}")


def _name_of(folder: Path, store: RunStore) -> str:
    """Return a run's name by its whole path: in the store, in the package, or else with its results folder's name."""
    for place in (RunStore(store.root.resolve()), reference_store()):
        with suppress(ValueError):
            return name_below(place, folder)
    return "/".join(folder.parts[-3:])


def _read(folder: Path, name: str) -> ListedRun:
    run = list_run(folder, name)
    if run is None:
        raise RdfiaError(f"{folder} holds a study, which is many trainings: name runs")
    if run.status == "unreadable":
        raise RdfiaError(f"cannot read {run.name}: the record in {folder} is damaged or of another version")
    return run


def _with_unique_names(runs: Sequence[ListedRun]) -> list[ListedRun]:
    """Name runs of equal names in different folders by their whole paths."""
    folders = Counter(run.folder.resolve() for run in runs)
    for run in runs:
        if folders[run.folder.resolve()] > 1:
            raise ConfigError(f"{run.name} is named twice: name runs that differ")
    names = Counter(run.name for run in runs)
    return [replace(run, name=str(run.folder)) if names[run.name] > 1 else run for run in runs]


def equal_weights(rows: Sequence[Row]) -> list[list[str]]:
    """Return the names of runs whose weights are equal bit by bit, in groups of two and more."""
    groups: dict[str, list[str]] = {}
    for run in rows:
        if run["weights_digest"]:
            groups.setdefault(run["weights_digest"], []).append(run["run"])
    return [names for names in groups.values() if len(names) > 1]


def _remarks(rows: Sequence[Row], changed: Sequence[str]) -> list[str]:
    """Return what the table does not say by itself."""
    of_one_section = len({run["section"] for run in rows}) == 1
    remarks = ["no setting differs"] if of_one_section and not changed else []
    remarks += [f"equal weights: {', '.join(names)}" for names in equal_weights(rows)]
    digests: dict[str, set[str]] = {}
    for run in rows:
        if run["data_digest"]:
            digests.setdefault(run["settings"]["dataset"], set()).add(run["data_digest"])
    return remarks + [f"not the same {data} in all of these runs" for data, seen in digests.items() if len(seen) > 1]


def _why_no_curve(run: ListedRun) -> str:
    if run.section == "svm":
        return f"no curve of {run.name}: svm is not trained in epochs"
    return f"no curve of {run.name}: " + ("history.csv is missing or damaged" if run.epochs else "no epoch is finished")


def _file_name(names: Sequence[str]) -> str:
    """Return `cnn-baseline-vs-cnn-augment.png`; of long names the first, and a digest of all."""
    file = "-vs-".join(names).replace("/", "-").replace("\\", "-")
    if len(file.encode()) > MAX_FILE_NAME:
        digest = hashlib.sha256(file.encode()).hexdigest()[:8]
        first = file.encode()[: MAX_FILE_NAME - 30].decode(errors="ignore").split("-vs-")[0]
        file = f"{first}-and-{len(names) - 1}-more-{digest}"
    return f"{file.lstrip('-')}.png"


def _draw(curves: dict[str, list[EpochRow]], rows: Sequence[Row], path: Path) -> None:
    from rdfia_keras import plots

    drawn = [run for run in rows if run["run"] in curves]
    data = " and ".join(dict.fromkeys(Path(run["settings"]["dataset"]).name for run in drawn))
    title = f"{len(drawn)} run{'s' if len(drawn) > 1 else ''} on {data}"
    figure = plots.runs_side_by_side({_label(name, curve): curve for name, curve in curves.items()}, title)
    make_folder(path.parent)
    plots.save(figure, path, smoke_test=any(run["quick"] for run in drawn))


def _label(name: str, curve: Sequence[EpochRow]) -> str:
    """Return a run's name, of mlp with the implementation that is drawn."""
    implementation = curve[0].get("implementation")
    return f"{name} ({implementation})" if implementation else name

"""The results of a sweep as JSON, CSV, table and pictures, a row for each configuration. Nothing is trained here."""

import csv
import functools
import io
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from rdfia_keras import plots
from rdfia_keras.analysis.seeds import Outcome, Statistics
from rdfia_keras.analysis.tables import Column, cell, make_table, published
from rdfia_keras.config import setting_text, settings
from rdfia_keras.experiments import Experiment, Sweep
from rdfia_keras.result import Table
from rdfia_keras.runs.environment import environment
from rdfia_keras.runs.files import to_json, write_atomic
from rdfia_keras.runs.history import duration, scores

# Measures of a run, in the order of tables.
MEASURES = ("final", "best", "selected")
RANGE = "{final[min]:.2%} to {final[max]:.2%}"
STATISTICS = ("mean", "std", "min", "max")
# Of more settings than these a row shows its experiment's name instead.
MAX_NAMED_BY_SETTINGS = 3


def varied_settings(configurations: Sequence[Experiment]) -> list[str]:
    """Return the names of the settings in which configurations differ, the seed aside."""
    configs = [experiment.config for experiment in configurations]
    names = dict.fromkeys(name for config in configs for name in settings(config) if name != "seed")
    return [name for name in names if len({getattr(config, name, None) for config in configs}) > 1]


def summarize(experiment: Experiment, trials: Sequence[Outcome], varied: Sequence[str]) -> dict[str, Any]:
    """Return a configuration's row. Failed trials are counted, and are in no mean.

    Its `epochs` are those that were trained: a smoke test trains fewer than the configuration asks for.
    """
    ok = [trial for trial in trials if trial.ok]
    measures_of_each = [trial.measures() for trial in ok]
    row: dict[str, Any] = {
        "experiment": experiment.name,
        "settings": {name: value for name in varied if (value := getattr(experiment.config, name, None)) is not None},
        "epochs": max((len(trial.rows) for trial in ok), default=experiment.config.epochs),
        "published": experiment.report.published,
        "published_at_end": experiment.report.published_at_end,
        "comment": experiment.report.comment,
        "n": len(ok),
        "failed": len(trials) - len(ok),
        "seeds": [trial.run.config.seed for trial in ok],
    }
    for name in MEASURES:
        values = [measures[name] for measures in measures_of_each]
        over_seeds = Statistics.of(values)
        row[name] = over_seeds and {**asdict(over_seeds), "values": values}
    seconds = Statistics.of(duration(trial.rows) for trial in ok)
    row["seconds"] = seconds and seconds.mean
    row["epochs_to_90"] = _epochs_to_90(ok)
    row["runs"] = [f"{trial.run.folder.parent.name}/{trial.run.folder.name}" for trial in trials]
    return row


def _epochs_to_90(trials: Sequence[Outcome]) -> float | None:
    """Return the median number of epochs to a test accuracy of 90 %; None if half of the runs never get there."""
    epochs = [
        next((row["epoch"] for row in trial.rows if row["test_accuracy"] >= 0.9), float("inf")) for trial in trials
    ]
    median = statistics.median(epochs) if epochs else float("inf")
    return None if median == float("inf") else median


def table(rows: Sequence[Mapping[str, Any]], varied: Sequence[str]) -> Table:
    """Return the rows as text, with the settings that differ unless the experiments' names stand for them."""
    shown = [] if _have_names(rows, varied) else varied
    columns: dict[str, Column] = {"experiment": "{experiment}"}
    columns |= {name: functools.partial(text_of, name=name) for name in shown}
    columns |= {"n": "{n}"}
    columns |= {
        f"{name} test": functools.partial(_percents, measure=name)
        for name in MEASURES
        if any(row[name] for row in rows)
    }
    columns |= {"final, lowest to highest": lambda row: cell(row, RANGE) if row["final"] else "-"}
    columns |= {"epochs to 90 %": "{epochs_to_90}"} if any(row["epochs_to_90"] for row in rows) else {}
    columns |= {"published": published} if any(row["published"] for row in rows) else {}
    columns |= {"failed": "{failed}"} if any(row["failed"] for row in rows) else {}
    return make_table(rows, columns)


def _have_names(rows: Sequence[Mapping[str, Any]], varied: Sequence[str]) -> bool:
    """Return whether names tell the rows apart better than settings, as on a ladder, whose steps differ in many."""
    return len(varied) > MAX_NAMED_BY_SETTINGS and len({row["experiment"] for row in rows}) == len(rows)


def text_of(row: Mapping[str, Any], name: str) -> str:
    """Return a setting of a row as it is typed; a dash if the section has no such setting."""
    value = row["settings"].get(name)
    return "-" if value is None else setting_text(value)


def _percents(row: Mapping[str, Any], measure: str) -> str:
    over_seeds = Statistics.of(row[measure]["values"] if row[measure] else ())
    return over_seeds.percents() if over_seeds else "-"


def to_csv(rows: Sequence[Mapping[str, Any]], varied: Sequence[str]) -> bytes:
    """Return CSV with a line for each configuration."""
    columns = ["experiment", *varied, "n", "failed"]
    columns += [f"{name}_{statistic}" for name in MEASURES for statistic in STATISTICS] + ["seconds", "runs"]
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    for row in rows:
        flat = {**row, **{name: text_of(row, name) for name in varied}, "runs": ";".join(row["runs"])}
        flat |= {f"{name}_{key}": row[name][key] for name in MEASURES if row[name] for key in STATISTICS}
        writer.writerow(flat)
    return text.getvalue().encode()


def write(
    sweep: Sweep, configurations: Sequence[Experiment], trials: Sequence[Sequence[Outcome]], folder: Path, quick: bool
) -> dict[str, Any]:
    """Write sweep.json, sweep.csv, sweep.png and curves.png into a folder; return the content of sweep.json.

    `trials` has the finished trials of each configuration.
    """
    varied = varied_settings(configurations)
    rows = [summarize(*pair, varied) for pair in zip(configurations, trials, strict=True)]
    content = {
        "schema": 1,
        "name": sweep.name,
        "question": sweep.question,
        "quick": quick,
        "seeds": sweep.seeds,
        "trials": sweep.trials,
        "varied": varied,
        "rows": rows,
        "environment": environment(),
    }
    write_atomic(folder / "sweep.json", to_json(content).encode())
    write_atomic(folder / "sweep.csv", to_csv(rows, varied))
    drawn = [
        {**row, "label": label(row, varied, rows, bool(sweep.label)), "curves": _curves(row_trials)}
        for row, row_trials in zip(rows, trials, strict=True)
        if row["n"]
    ]
    if drawn:
        title = f"{sweep.label or sweep.name}: mean and standard deviation over the seeds"
        plots.save(plots.sweep_points(drawn, title), folder / "sweep.png", smoke_test=quick)
        plots.save(plots.sweep_curves(drawn, title), folder / "curves.png", smoke_test=quick)
    return content


def label(row: Mapping[str, Any], varied: Sequence[str], rows: Sequence[Mapping[str, Any]], is_titled: bool) -> str:
    """Return a short label that tells the configuration of a row from those of all rows.

    `varied` names the settings that differ; `is_titled` says whether the picture's title tells so already.
    """
    if _have_names(rows, varied):
        return str(row["experiment"])
    values = {name: text_of(row, name) for name in varied}
    if len(values) == 1 and is_titled:
        return values[varied[0]]
    return ", ".join(f"{name} {value}" for name, value in values.items()) or str(row["experiment"])


def _curves(trials: Sequence[Outcome]) -> np.ndarray:
    """Return the `scores` of the trials that did not fail by epoch: (trials, epochs, 4), NaN if a run is shorter."""
    trials = [trial for trial in trials if trial.ok]
    curves = np.full((len(trials), max(len(trial.rows) for trial in trials), 4), np.nan)
    for curve, trial in zip(curves, trials, strict=True):
        curve[: len(trial.rows)] = [scores(row) for row in trial.rows]
    return curves

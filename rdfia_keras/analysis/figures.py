"""The report's figures from records: what each figure shows, and its PNG file.

The report page draws the same charts. What has no run is trained only where that is asked for.
"""

import zipfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from rdfia_keras import plots
from rdfia_keras.analysis.published import other_data, reference_run, runs_on_one_data_set
from rdfia_keras.analysis.tables import PUBLISHED_KERNELS, figure_rows
from rdfia_keras.config import SvmConfig
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import FIGURES, Experiment, ReportFigure
from rdfia_keras.models.kernels import classifiers
from rdfia_keras.plots.charts import Chart, run_curves, several_runs_curves
from rdfia_keras.result import Result, percent
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.history import EpochRow, accuracy_of
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import FINISHED, REFERENCE_FOLDER, Query, RunStore, Snapshot
from rdfia_keras.system.terminal import note
from rdfia_keras.training.get_or_train import Resources, get_or_train


@dataclass(frozen=True)
class Panel:
    """One panel of a figure: the label above it, its experiment, and the run that it is drawn from."""

    label: str
    experiment: Experiment
    run: Run

    @property
    def is_reference(self) -> bool:
        """Whether the run ships with the package."""
        return self.run.folder.is_relative_to(REFERENCE_FOLDER)

    @property
    def source(self) -> str:
        """`reference` or `yours`."""
        return "reference" if self.is_reference else "yours"

    @property
    def data_note(self) -> str:
        """That your data are not the reference's; empty where they are, or nothing is known of them."""
        reference, digest = reference_run(self.experiment), self.run.data_digest
        same = self.is_reference or reference is None or digest in (None, reference.data_digest)
        return "" if same else "on other data than the reference's"


def row(figure: ReportFigure, panel: Panel) -> dict[str, Any]:
    """Return the published value, the reference's, and your run's if the panel is drawn from one."""
    claim, record = panel.experiment.report, panel.run.result
    reference = panel.run if panel.is_reference else reference_run(panel.experiment)
    best, final = (None, None) if panel.is_reference else (record.best, record.final)
    return {
        "figure": figure.title,
        "panel": panel.label,
        "experiment": panel.experiment.name,
        "published": claim.published,
        "published_at_end": claim.published_at_end,
        "comment": claim.comment,
        "reference": reference and accuracy_of(reference.result.best),
        "best": accuracy_of(best),
        "best_epoch": best and best.get("epoch"),
        "final": accuracy_of(final),
        "source": "the reference" if panel.is_reference else str(panel.run.folder),
        "data": panel.data_note,
    }


# --- the runs of a figure ---------------------------------------------------------------------------------------------

Wanted = Callable[[Experiment], Query]


def draw_figures(keys: Sequence[str], wanted: Wanted, resources: Resources, train: bool) -> Result:
    """Draw figures, by their keys, into `figures/` of the results folder; with `train` train what is missing.

    `wanted` returns which run of an experiment is wanted.

    Raises:
        RdfiaError: If there is no such run and nothing is to be trained, or if something must be trained and its data,
            device or output folder cannot be used.
    """
    options, paths, rows, exit_code = resources.options, [], [], 0
    for figure in (FIGURES[key] for key in keys):
        if train:
            panels, exit_code = train_panels(figure, wanted, resources)
        else:
            panels = find_panels(figure, wanted, resources)
        if len(panels) < len(figure.panels):
            break
        paths.append(draw(figure, panels, options.out, options.quick))
        rows += [row(figure, panel) for panel in panels]
    return Result(
        data={"figures": rows, "paths": [str(path) for path in paths]},
        table=figure_rows(rows),
        paths=paths,
        hint="interrupted; the same command resumes from here" if len(paths) < len(keys) else "",
        quick=options.quick,
        exit_code=exit_code,
    )


def train_panels(figure: ReportFigure, wanted: Wanted, resources: Resources) -> tuple[list[Panel], int]:
    """Return the panels of a figure, trained now as far as they are not there yet, and the exit code.

    Fewer panels than the figure has mean that the user interrupted.
    """
    panels: list[Panel] = []
    exit_code = 0
    for experiment, label in figure.panels:
        run = get_or_train(experiment, wanted(experiment), resources)
        if run.exit_code is None:
            note(f"{experiment.name}: from {run.folder}")
        exit_code = run.exit_code or 0
        if run.status not in FINISHED:
            break
        panels.append(Panel(label, experiment, run))
    return panels, exit_code


def find_panels(figure: ReportFigure, wanted: Wanted, resources: Resources) -> list[Panel]:
    """Return the panels of a figure, those of each data set on the same data.

    Raises:
        RdfiaError: If a run is missing.
    """
    own, panels = Snapshot(resources.options.out), {}
    for dataset in dict.fromkeys(experiment.config.dataset for experiment, _ in figure.panels):
        group = [pair for pair in figure.panels if pair[0].config.dataset == dataset]
        queries = [wanted(experiment) for experiment, _ in group]
        runs = runs_on_one_data_set(queries, own, _asked_data(queries, own, resources))
        for (experiment, label), query, run in zip(group, queries, runs, strict=True):
            if run is None:
                raise RdfiaError(_missing(experiment, query))
            panel = panels[experiment.name] = Panel(label, experiment, run)
            source = "the reference results of this package" if panel.is_reference else str(run.folder)
            left_out = other_data(query, own, run)
            note(f"{experiment.name}: from {source}" + (f"; {left_out}" if left_out else ""))
    return [panels[experiment.name] for experiment, _ in figure.panels]


def _asked_data(queries: Sequence[Query], own: RunStore, resources: Resources) -> str | None:
    """Return the digest of the data in --data-dir; None without that option, or where only one data set is in use."""
    digests = {run.data_digest for query in queries for run in own.usable(query)}
    if resources.options.data_dir is None or not digests:
        return None
    return resources.prepared(queries[0].config).digest


def _missing(experiment: Experiment, query: Query) -> str:
    """Return the error on a panel without a run."""
    precision = "" if query.any_precision else f" in {getattr(query.config, 'precision', '')}"
    kind = "smoke test" if query.quick else "finished run"
    return (
        f"there is no {kind} of {experiment.name} with seed {query.config.seed} and {query.epochs} "
        f"epochs or more{precision}; add --train to train it now"
    )


# --- the content of a panel -------------------------------------------------------------------------------------------


def first_history(run: Run) -> list[EpochRow]:
    """Return the epochs of the only network, or of the first of several implementations."""
    return next(iter(run.histories().values()), [])


def curve_charts(figure: ReportFigure, panel: Panel, reference: Run | None = None) -> list[Chart]:
    """Describe loss and accuracy of a panel's network, or of several implementations.

    `reference` is the package's run, if the panel shows another one.

    Raises:
        ValueError: If the run has no epoch.
    """
    label = panel.label if len(figure.panels) > 1 else ""
    reference_rows = first_history(reference) if reference else []
    if figure.kind == "implementations":
        published = panel.experiment.report.published
        return several_runs_curves(panel.run.histories(), label, published, reference_rows)
    return run_curves(first_history(panel.run), label, _published(figure, panel), reference_rows)


def kernel_panels(run: Run) -> list[dict[str, Any]]:
    """Return the maps of a run's kernels, as `plots.svm_panels` takes them, each with its `score` as well.

    Raises:
        RdfiaError: If the file of the maps cannot be read.
    """
    path = run.folder / "panels.npz"
    try:
        with np.load(path, allow_pickle=False) as arrays:
            decisions, axis, points, labels = (arrays[key] for key in ("decisions", "axis", "points", "labels"))
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise RdfiaError(f"cannot read {path}: {error}; remove the folder to make it again") from error
    assert isinstance(run.config, SvmConfig)
    parameters, _ = classifiers(run.config)
    return [
        {
            "title": machine.label,
            "accuracy": score["test_accuracy"],
            "score": score,
            "grid_x": axis,
            "grid_y": axis,
            "decision": decision,
            "points": points,
            "labels": labels,
        }
        for machine, score, decision in zip(parameters, run.result.details["scores"], decisions, strict=False)
    ]


def _published(figure: ReportFigure, panel: Panel) -> float | None:
    """Return the value that the report gives for this very figure, or for an extra figure's experiment."""
    claim = panel.experiment.report
    return claim.published if str(claim.figure) == figure.key or not figure.key.isdigit() else None


# --- the PNG file -----------------------------------------------------------------------------------------------------


def draw(figure: ReportFigure, panels: Sequence[Panel], out: Path, quick: bool = False) -> Path:
    """Draw a figure into `figures/` of the results folder; a smoke test never replaces the picture of a real run."""
    path = make_folder(out / "figures") / f"{figure.file}{'-quick' if quick else ''}.png"
    plots.save(picture(figure, panels), path, smoke_test=quick)
    return path


def picture(figure: ReportFigure, panels: Sequence[Panel]) -> Figure:
    """Return a figure as Matplotlib draws it."""
    title, run = _caption(figure, panels), panels[0].run
    match figure.kind:
        case "curves":
            return _curves(figure, panels, title)
        case "implementations":
            return plots.implementations(run.histories(), title)
        case "kernels":
            # The report gives a number for two kernels (part 2.2).
            title += "; published, at the best C: rbf 95 %, poly of degree 2 95.5 %"
            return plots.svm_panels(kernel_panels(run), title=title)
        case "sweep":
            return plots.svm_sweep(run.result.details["sweep"], title, PUBLISHED_KERNELS)


def _curves(figure: ReportFigure, panels: Sequence[Panel], title: str) -> Figure:
    epochs = [first_history(panel.run) for panel in panels]
    if not all(epochs):
        return plots.notice(title, "The training diverged in its first epoch: there is no curve to draw.")
    if len(panels) == 1:
        return plots.learning_curves(epochs[0], title, published=_published(figure, panels[0]))
    with_results = [f"{panel.label}\n{_result(figure, panel)}" for panel in panels]
    return plots.implementations(dict(zip(with_results, epochs, strict=True)), title)


def _caption(figure: ReportFigure, panels: Sequence[Panel]) -> str:
    """Return number, subject, and, for a single experiment, its result beside the published one."""
    first = panels[0]
    words = [f"{figure.title}: {figure.caption}, {_distinct(panel.run.result.dataset['name'] for panel in panels)}"]
    if any(panel.data_note for panel in panels):
        words.append("on other data than the reference's")
    if first.experiment.section == "svm":
        return "; ".join(words)
    words.append(f"seed {_distinct(panel.run.config.seed for panel in panels)}")
    if first.experiment.section == "cnn":
        words[-1] += f", {_distinct(getattr(panel.run.config, 'precision', '') for panel in panels)}"
    if len(panels) == 1:
        words.append(_beside_published(first))
    return "; ".join(words)


def _distinct(values: Iterable[object]) -> str:
    """Return each value once, in order, as text."""
    return " and ".join(map(str, dict.fromkeys(values)))


def _beside_published(panel: Panel) -> str:
    record, claim = panel.run.result, panel.experiment.report
    if record.best is None:
        result = f"{panel.source}: diverged at once"
    else:
        row, when = (record.final, " in the last epoch") if claim.published_at_end else (record.best, "")
        result = f"{panel.source} {percent(accuracy_of(row) or 0)}{when}"
        result += f", diverged after epoch {record.epochs}" if record.status == "failed" else ""
    if claim.published is not None:
        return f"{result}, published {percent(claim.published)}"
    return f"{result}; the report: {claim.comment}" if claim.comment else result


def _result(figure: ReportFigure, panel: Panel) -> str:
    """Return the result and the value that the report gives for this very figure, short enough for a narrow panel."""
    best, claim = panel.run.result.best, panel.experiment.report
    result = f"best test {percent(best['test_accuracy'])}" if best else "diverged"
    if claim.published is None or str(claim.figure) != figure.key:
        return result
    return f"{result}\n(published {percent(claim.published)})"

"""The report's figures as charts: yours where there is a run, else the reference's, beside the published value."""

import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rdfia_keras.analysis import tables
from rdfia_keras.config import SvmConfig
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import FIGURES, Experiment, ReportFigure
from rdfia_keras.experiments.figures import FIGURE_KINDS
from rdfia_keras.models.svm import machines
from rdfia_keras.registry import Registry
from rdfia_keras.report.figures import Panel, experiments_of
from rdfia_keras.report.page import charts
from rdfia_keras.report.page.answers import answers_to
from rdfia_keras.report.page.charts import Chart
from rdfia_keras.report.page.sources import Sources, name_of
from rdfia_keras.runs.records import EpochRow, StoredRun, test_accuracy

# A panel, the package's run where the panel shows another one, and the label above its charts.
Draw = Callable[[ReportFigure, Panel, StoredRun | None, str], list[Chart]]
KINDS: Registry[Draw] = Registry("kind of figure", FIGURE_KINDS, declared_in="experiments.figures.FIGURE_KINDS")


@dataclass(frozen=True)
class Drawn:
    """A panel that could be drawn.

    Attributes:
        panel: Its run.
        facts: What the template says of it.
        charts: Of it.
    """

    panel: Panel
    facts: dict[str, Any]
    charts: list[Chart]


def figures(sources: Sources) -> list[dict[str, Any]]:
    """Every figure in the report's order: what the template shows of it."""
    seen: set[str] = set()
    found = [_figure(sources, figure) for figure in FIGURES.values()]
    for one in found:
        # An answer is open where it comes first.
        numbers = [answer.question for answer in one["answers"]]
        one["answers"] = [(answer, answer.question not in seen) for answer in one["answers"]]
        seen.update(numbers)
    return found


def _figure(sources: Sources, figure: ReportFigure) -> dict[str, Any]:
    experiments = experiments_of(figure)
    drawn = [one for experiment, label in experiments if (one := _drawn(sources, figure, experiment, label))]
    all_charts = [one for some in drawn for one in some.charts]
    if len(drawn) > 1:
        charts.share_ranges(all_charts)
    questions = tuple(dict.fromkeys(experiment.reference.question for experiment, _ in experiments))
    return {
        "id": f"figure-{figure.key}",
        "title": figure.title,
        "caption": figure.caption,
        "charts": all_charts,
        "is_map": figure.kind == "kernels",
        "panels": [one.facts for one in drawn],
        "maps": _maps(sources, [one.panel for one in drawn]),
        "answers": answers_to(figure.key, questions),
        "command": f"rdfia figure {figure.key} --train",
    }


def _drawn(sources: Sources, figure: ReportFigure, experiment: Experiment, label: str) -> Drawn | None:
    """A panel from the first of its runs that can be drawn: yours, else the package's; None without one."""
    candidates = list(sources.panels(experiment, label))
    shipped = next((one.run for one in candidates if one.is_reference), None)
    for panel in candidates:
        with sources.reading(name_of(panel.run, panel.is_reference)):
            beside = None if panel.is_reference else shipped
            own_charts = KINDS[figure.kind](figure, panel, beside, label if len(figure.panels) > 1 else "")
            return Drawn(panel, _facts(panel), own_charts)
    return None


def _maps(sources: Sources, panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """The decision map of each panel whose run keeps its weights by epoch."""
    named = [(name_of(panel.run, panel.is_reference), panel) for panel in panels]
    return [{"run": name, "label": panel.label} for name, panel in named if sources.keeps_map(name, panel.run.folder)]


def _facts(panel: Panel) -> dict[str, Any]:
    """What the report has, and what the run has."""
    reference, record = panel.experiment.reference, panel.run.record
    return {
        "label": panel.label,
        "run": name_of(panel.run, panel.is_reference),
        "whose": panel.whose,
        "published": tables.published(vars(reference)),
        "best": tables.percent(test_accuracy(record.best)),
        "best_epoch": record.best and record.best.get("epoch"),
        "final": tables.percent(test_accuracy(record.final)),
    }


def first_history(run: StoredRun) -> list[EpochRow]:
    """The epochs of the only network, or of the first of several implementations.

    Raises:
        RdfiaError: When there is none.
    """
    rows = run.history()
    if not rows:
        raise RdfiaError(f"{run.folder / 'history.csv'} has no epoch")
    return [row for row in rows if row.get("implementation") == rows[0].get("implementation")]


@KINDS.register("curves")
def _curves(figure: ReportFigure, panel: Panel, shipped: StoredRun | None, label: str) -> list[Chart]:
    reference = panel.experiment.reference
    published = reference.published if str(reference.figure) == figure.key or not figure.key.isdigit() else None
    rows: Sequence[EpochRow] = first_history(shipped) if shipped else ()
    return charts.learning_curves(first_history(panel.run), label, published, rows)


@KINDS.register("implementations")
def _implementations(figure: ReportFigure, panel: Panel, shipped: StoredRun | None, label: str) -> list[Chart]:
    histories: dict[str, list[EpochRow]] = {}
    for one in panel.run.history():
        histories.setdefault(one["implementation"], []).append(one)
    if not histories:
        raise RdfiaError("history.csv has no epoch")
    rows: Sequence[EpochRow] = first_history(shipped) if shipped else ()
    return charts.several_curves(histories, label, panel.experiment.reference.published, rows)


@KINDS.register("kernels")
def _kernels(figure: ReportFigure, panel: Panel, shipped: StoredRun | None, label: str) -> list[Chart]:
    run = panel.run
    try:
        with np.load(run.folder / "panels.npz", allow_pickle=False) as arrays:
            decisions, axis, points, labels = (arrays[key] for key in ("decisions", "axis", "points", "labels"))
    except zipfile.BadZipFile as error:
        raise RdfiaError(f"panels.npz: {error}") from error
    assert isinstance(run.config, SvmConfig)
    parameters, _ = machines(run.config)
    return [
        charts.kernel_map(one.label, decision, axis, points, labels, score)
        for one, score, decision in zip(parameters, run.record.details["scores"], decisions, strict=False)
    ]


@KINDS.register("sweep")
def _sweep(figure: ReportFigure, panel: Panel, shipped: StoredRun | None, label: str) -> list[Chart]:
    return [charts.cost_sweep(list(panel.run.record.details["sweep"]), tables.PUBLISHED_KERNELS)]

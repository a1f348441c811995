"""The report's figures as charts: yours where there is a run, else the reference's, beside the published value."""

import zipfile
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rdfia_keras.config import SvmConfig
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import FIGURES, ReportFigure
from rdfia_keras.experiments.figures import FIGURE_KINDS
from rdfia_keras.models.svm import machines
from rdfia_keras.registry import Registry
from rdfia_keras.report import tables
from rdfia_keras.report.figures import Panel, experiments_of
from rdfia_keras.report.page import charts
from rdfia_keras.report.page.answers import answers_to
from rdfia_keras.report.page.charts import Chart
from rdfia_keras.report.page.sources import Sources, name_of
from rdfia_keras.runs.records import EpochRow, StoredRun, test_accuracy

# A panel, the package's run where the panel shows another one, and the label above its charts.
Draw = Callable[[ReportFigure, Panel, StoredRun | None, str], list[Chart]]
KINDS: Registry[Draw] = Registry("kind of figure", FIGURE_KINDS, declared_in="experiments.figures.FIGURE_KINDS")


def figures(sources: Sources) -> list[dict[str, Any]]:
    """Every figure in the report's order: what the template shows of it."""
    seen: set[str] = set()
    found = []
    for figure in FIGURES.values():
        panels, shown, drawn = [], [], []
        for experiment, label in experiments_of(figure):
            candidates = list(sources.panels(experiment, label))
            for panel in candidates:
                shipped = candidates[-1].run if candidates[-1] is not panel and candidates[-1].is_reference else None
                with sources.reading(name_of(panel.run, panel.is_reference)):
                    own = KINDS[figure.kind](figure, panel, shipped, label if len(figure.panels) > 1 else "")
                    shown.append(_panel(panel))
                    drawn += own
                    panels.append(panel)
                    break
        if len(panels) > 1:
            charts.share_ranges(drawn)
        questions = tuple(dict.fromkeys(experiment.reference.question for experiment, _ in experiments_of(figure)))
        answers = answers_to(figure.key, questions)
        found.append(
            {
                "id": f"figure-{figure.key}",
                "title": figure.title,
                "caption": figure.caption,
                "charts": drawn,
                "is_map": figure.kind == "kernels",
                "panels": shown,
                "maps": _maps(sources, panels),
                "answers": [(answer, answer.question not in seen) for answer in answers],
                "command": f"rdfia figure {figure.key} --train",
            }
        )
        seen.update(answer.question for answer in answers)
    return found


def _maps(sources: Sources, panels: Sequence[Panel]) -> list[dict[str, Any]]:
    """The decision map of each panel whose run keeps its weights by epoch."""
    named = [(name_of(panel.run, panel.is_reference), panel) for panel in panels]
    return [{"run": name, "label": panel.label} for name, panel in named if sources.keeps_map(name, panel.run.folder)]


def _panel(panel: Panel) -> dict[str, Any]:
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

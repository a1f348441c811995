"""The parts of the report page from records: the two ladders, the bonus, the figures and the sweeps."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from rdfia_keras.analysis import base_differences, figures, seeds, sweep_table, tables
from rdfia_keras.analysis.figures import Panel
from rdfia_keras.analysis.seeds import Statistics
from rdfia_keras.experiments import (
    FIGURES,
    LADDER,
    MODERN_LADDER,
    SWEEPS,
    Experiment,
    ReportFigure,
    bonus_experiments,
    figures_of,
)
from rdfia_keras.plots.charts import Chart, cost_chart, experiments_chart, sweep_chart
from rdfia_keras.runs.history import accuracy_of
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import REFERENCE_FOLDER
from rdfia_keras.web.report.answers import answers, answers_to
from rdfia_keras.web.report.plotly_charts import PlotlyChart, kernel_map, share_ranges, to_plotly
from rdfia_keras.web.report.sources import Sources

# --- the ladders and the bonus ----------------------------------------------------------------------------------------


def ladder(sources: Sources) -> dict[str, Any]:
    """Return the ladder: a row for each of its six steps, a chart, and the values that the reader guesses."""
    rows = [_experiment_row(sources, experiment) for experiment in LADDER]
    guesses = [
        {
            "name": row["name"],
            "published": round(100 * row["published_value"], 2),
            "published_words": row["published"],
            "reference": round(100 * row["reference_best"].mean, 2),
            "yours": round(100 * row["yours_best"].mean, 2) if row["yours_best"] else None,
        }
        for row in rows
        if row["reference_best"]
    ]
    chart = to_plotly(_experiments_chart(rows, "The steps: published, reference and yours, test accuracy"))
    return {"rows": rows, "chart": chart, "guesses": guesses}


def second_ladder(sources: Sources) -> dict[str, Any]:
    """Return the second ladder: a row for each of its steps, and a chart."""
    rows = [_experiment_row(sources, experiment) for experiment in MODERN_LADDER]
    chart = _experiments_chart(rows, "The steps of the second ladder: reference and yours, test accuracy")
    return {"rows": rows, "chart": to_plotly(chart)}


def bonus(sources: Sources) -> dict[str, Any]:
    """Return the bonus: a row for each experiment, its difference to its base, and a chart."""
    rows = [_experiment_row(sources, experiment) for experiment in bonus_experiments()]
    shown = [row for row in rows if row["reference_best"] or row["yours_best"]]
    chart = _experiments_chart(shown, "The bonus: published, reference and yours, test accuracy")
    return {"rows": rows, "differences": base_differences.bonus(), "chart": to_plotly(chart, is_horizontal=True)}


def _experiment_row(sources: Sources, experiment: Experiment) -> dict[str, Any]:
    yours = sources.statistics(experiment)
    panel = next(sources.panels(experiment, experiment.name), None)
    return {
        "name": experiment.name,
        "base": experiment.base,
        "figures": figures_of(experiment.name),
        "published": tables.published(vars(experiment.report)),
        "published_value": experiment.report.published,
        "reference_best": seeds.reference_statistics(experiment, "best"),
        "reference_final": seeds.reference_statistics(experiment, "final"),
        "yours_best": yours["best"],
        "yours_final": yours["final"],
        "epochs": experiment.config.epochs,
        "run": panel.run.name if panel else None,
    }


def _experiments_chart(rows: Sequence[dict[str, Any]], summary: str) -> Chart:
    def mean(value: Statistics | None) -> tuple[float, float | None] | None:
        return (value.mean, value.std) if value else None

    keys = ("reference_best", "reference_final", "yours_best", "yours_final")
    values = {key: [mean(row[key]) for row in rows] for key in keys}
    values["published"] = [row["published_value"] and (row["published_value"], None) for row in rows]
    return experiments_chart([row["name"] for row in rows], values, summary)


# --- the figures ------------------------------------------------------------------------------------------------------


def report_figures(sources: Sources) -> list[dict[str, Any]]:
    """Return every figure in the report's order."""
    seen: set[str] = set()
    rows = [_figure(sources, figure) for figure in FIGURES.values()]
    for row in rows:
        # An answer is open at its first figure only.
        row["answers"] = [(answer, answer.question not in seen) for answer in row["answers"]]
        seen.update(answer.question for answer, _ in row["answers"])
    return rows


def _figure(sources: Sources, figure: ReportFigure) -> dict[str, Any]:
    """Return a figure: its charts, a row of facts for each panel, decision maps and answers."""
    panels, charts = [], []
    for experiment, label in figure.panels:
        if panel_and_charts := _panel(sources, figure, experiment, label):
            panels.append(panel_and_charts[0])
            charts += panel_and_charts[1]
    if len(panels) > 1:
        share_ranges(charts)
    questions = tuple(dict.fromkeys(experiment.report.question for experiment, _ in figure.panels))
    return {
        "id": f"figure-{figure.key}",
        "title": figure.title,
        "caption": figure.caption,
        "charts": charts,
        "is_map": figure.kind == "kernels",
        "panels": [_facts(panel) for panel in panels],
        # The decision map of each panel whose run keeps its weights by epoch.
        "maps": [{"run": panel.run.name, "label": panel.label} for panel in panels if sources.keeps_map(panel.run)],
        "answers": answers_to(figure.key, questions),
        "command": f"rdfia figure {figure.key} --train",
    }


def _panel(
    sources: Sources, figure: ReportFigure, experiment: Experiment, label: str
) -> tuple[Panel, list[PlotlyChart]] | None:
    """Return a panel and its charts, from the first run that can be drawn: yours, else the package's."""
    candidates = list(sources.panels(experiment, label, [shown for shown, _ in figure.panels]))
    reference = next((panel.run for panel in candidates if panel.is_reference), None)
    for panel in candidates:
        with sources.reading(panel.run.name):
            return panel, _charts(figure, panel, None if panel.is_reference else reference)
    return None


def _charts(figure: ReportFigure, panel: Panel, reference: Run | None) -> list[PlotlyChart]:
    """Return the charts of a panel, with the package's run beside the panel's own where both fit."""
    match figure.kind:
        case "curves" | "implementations":
            return [to_plotly(chart) for chart in figures.curve_charts(figure, panel, reference)]
        case "kernels":
            return [kernel_map(kernel) for kernel in figures.kernel_panels(panel.run)]
        case "sweep":
            return [to_plotly(cost_chart(panel.run.result.details["sweep"], tables.PUBLISHED_KERNELS))]


def _facts(panel: Panel) -> dict[str, Any]:
    """Return the published value and the run's results."""
    claim, record = panel.experiment.report, panel.run.result
    return {
        "label": panel.label,
        "run": panel.run.name,
        "source": panel.source,
        "data": panel.data_note,
        "published": tables.published(vars(claim)),
        "best": tables.percent(accuracy_of(record.best)),
        "best_epoch": record.best and record.best.get("epoch"),
        "final": tables.percent(accuracy_of(record.final)),
    }


# --- the sweeps -------------------------------------------------------------------------------------------------------


def sweeps(sources: Sources) -> list[dict[str, Any]]:
    """Return your sweeps, then the reference's."""
    rows = []
    for root, source in ((sources.out, "yours"), (REFERENCE_FOLDER, "reference")):
        for path in sorted(root.glob("sweeps/*/sweep.json")):
            with sources.reading(f"{'reference/' if source == 'reference' else ''}sweeps/{path.parent.name}"):
                rows.append(_sweep_row(path, source))
    return rows


def _are_long(labels: Iterable[str]) -> bool:
    """Return whether labels are too long to stand side by side."""
    return sum(len(label) + 2 for label in labels) > 80


def _sweep_row(path: Path, source: str) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    rows, varied, name = content["rows"], content["varied"], str(content["name"])
    sweep = SWEEPS.get(name)
    trained = [row for row in rows if row["n"]]
    labelled = [{**row, "label": sweep_table.label(row, varied, trained, True)} for row in trained]
    title = sweep.label if sweep else ", ".join(varied) or "experiment"
    return {
        "id": f"sweep-{source}-{path.parent.name}",
        "name": name,
        "source": source,
        "title": title,
        "seeds": content["seeds"],
        "failed": sum(row["failed"] for row in rows),
        "quick": bool(content.get("quick")),
        "chart": to_plotly(sweep_chart(labelled, title), is_horizontal=_are_long(row["label"] for row in labelled)),
        "command": f"rdfia sweep {name}" if sweep else None,
        "answers": [answer for number in str(content["question"]).split(", ") if (answer := answers().get(number))],
    }

"""The ladder and the bonus: published, the reference over its seeds, and yours."""

from collections.abc import Sequence
from typing import Any

from rdfia_keras.analysis import reference_tables, seeds, tables
from rdfia_keras.analysis.seeds import Statistics
from rdfia_keras.experiments import LADDER, Experiment, bonus_experiments, figures_of
from rdfia_keras.report.page import charts
from rdfia_keras.report.page.charts import Chart, Points
from rdfia_keras.report.page.sources import Sources, name_of


def ladder(sources: Sources) -> dict[str, Any]:
    """The six rungs: a row for each, a chart, and what the reader guesses."""
    rows = [_row(sources, experiment) for experiment in LADDER]
    return {
        "rows": rows,
        "chart": _chart(rows, "The rungs: published, reference and yours, test accuracy"),
        "guesses": [
            {
                "name": row["name"],
                "published": row["published_value"],
                "reference": charts.percent(row["best"].mean),
                "yours": charts.percent(row["yours_best"].mean) if row["yours_best"] else None,
            }
            for row in rows
            if row["best"]
        ],
    }


def bonus(sources: Sources) -> dict[str, Any]:
    """What each further experiment changes, and whether that is more than the noise."""
    rows = [_row(sources, experiment) for experiment in bonus_experiments()]
    shown = [row for row in rows if row["best"] or row["yours_best"]]
    return {
        "rows": rows,
        "judged": reference_tables.bonus(),
        "chart": _chart(shown, "The bonus: published, reference and yours, test accuracy", True),
    }


def _row(sources: Sources, experiment: Experiment) -> dict[str, Any]:
    yours = sources.spreads(experiment)
    candidates = list(sources.panels(experiment, experiment.name))
    return {
        "name": experiment.name,
        "base": experiment.base,
        "figures": figures_of(experiment.name),
        "published": tables.published(vars(experiment.reference)),
        "published_value": charts.percent(experiment.reference.published),
        "best": seeds.reference_statistics(experiment, "best"),
        "final": seeds.reference_statistics(experiment, "final"),
        "yours_best": yours["best"],
        "yours_final": yours["final"],
        "epochs": experiment.config.epochs,
        "run": name_of(candidates[0].run, candidates[0].is_reference) if candidates else None,
    }


def _chart(rows: Sequence[dict[str, Any]], alt: str, horizontal: bool = False) -> Chart:
    series = {
        "published": Points([_exactly(row["published_value"]) for row in rows], "var(--published)", "line"),
        "reference, best epoch": Points([row["best"] for row in rows], "var(--train)", "circle"),
        "reference, last epoch": Points([row["final"] for row in rows], "var(--train)", "circle-open"),
    }
    if any(row["yours_best"] for row in rows):
        series["yours, best epoch"] = Points([row["yours_best"] for row in rows], "var(--test)", "square")
        series["yours, last epoch"] = Points([row["yours_final"] for row in rows], "var(--test)", "square-open")
    return charts.spread_points([row["name"] for row in rows], series, "experiment", alt, horizontal)


def _exactly(percent: float | None) -> Statistics | None:
    return None if percent is None else Statistics.of([percent / 100])

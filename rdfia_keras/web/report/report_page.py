"""The report page: everything that `parts` and `run_details` return, in one file."""

import re
from datetime import datetime
from typing import Any

from rdfia_keras import __version__
from rdfia_keras.analysis.seeds import Statistics
from rdfia_keras.config import MlpConfig
from rdfia_keras.data import Dataset
from rdfia_keras.runs.files import finite
from rdfia_keras.web.playground import playground_page
from rdfia_keras.web.report import parts
from rdfia_keras.web.report.run_details import run_details
from rdfia_keras.web.report.sources import Sources
from rdfia_keras.web.shared.document import render_page, script_json

STYLES = (*playground_page.STYLES, "report/page.css")
MODULES = (*playground_page.MODULES, "report/main.mjs")


def report_page(sources: Sources, points: Dataset, data_dir: str | None = None) -> str:
    """Return the whole page; points of a plane and their folder are for the playground."""
    # Imported here because only this page needs them.
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    library = get_plotlyjs()
    ladder, bonus, figures = parts.ladder(sources), parts.bonus(sources), parts.report_figures(sources)
    second_ladder = parts.second_ladder(sources)
    sweeps, details = parts.sweeps(sources), run_details(sources)
    reference = sum(run["run"].startswith("reference/") for run in details["runs"])
    parts_with_a_chart = {"ladder": ladder, "second-ladder": second_ladder, "bonus": bonus}
    charts = {f"{name}-chart": part["chart"] for name, part in parts_with_a_chart.items()}
    charts |= {f"{figure['id']}-{n}": chart for figure in figures for n, chart in enumerate(figure["charts"])}
    charts |= {f"{sweep['id']}-chart": sweep["chart"] for sweep in sweeps}
    for name, chart in charts.items():
        chart["id"] = name
    data = {"charts": charts, "maps": sources.maps, "ladder": ladder["guesses"], **details}
    return render_page(
        "report/page.html",
        STYLES,
        MODULES,
        library,
        # Plotly adds styles for maps, which the page does not have, unless there is an element of their id.
        without_styles=re.findall(r'getElementById\("([0-9a-f]{64})"\)', library),
        data=Markup(script_json(finite(data))),
        version=__version__,
        made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
        out=sources.out,
        own=len(details["runs"]) - reference,
        shipped=reference,
        ladder=ladder,
        bonus=bonus,
        second_ladder=second_ladder,
        figures=figures,
        sweeps=sweeps,
        troubles=sources.troubles,
        other_data=sources.other_data,
        percent=_percent,
        root="div",
        **playground_page.body_values(MlpConfig().resolve(), points, None, data_dir),
    )


def _percent(statistics: Statistics | None, with_n: bool = False) -> Any:
    """Return mean and standard deviation as text, with the number of seeds if asked."""
    if statistics is None:
        return "-"
    return f"{statistics.percents()} ({statistics.n})" if with_n else statistics.percents()

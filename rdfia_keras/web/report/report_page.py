"""The report page: everything gathered, put into one file."""

import re
from datetime import datetime
from typing import Any

from rdfia_keras import __version__
from rdfia_keras.analysis.seeds import Statistics
from rdfia_keras.config import MlpConfig
from rdfia_keras.data import Dataset
from rdfia_keras.report import playground
from rdfia_keras.report.page import document
from rdfia_keras.report.page.figures import figures
from rdfia_keras.report.page.ladder import bonus, ladder
from rdfia_keras.report.page.runs import runs
from rdfia_keras.report.page.sources import Sources
from rdfia_keras.report.page.sweeps import swept
from rdfia_keras.runs.files import finite

MODULES = tuple(f"report/{name}" for name in ("charts", "tables", "maps", "guess", "runs", "main"))
STYLES = ("style.css", "playground.css", "report/report.css")


def page(sources: Sources, points: Dataset, data_dir: str | None = None) -> str:
    """The whole page.

    Args:
        points: Of a plane, for the playground.
        data_dir: For the command that the playground shows, if the points come from there.
    """
    from markupsafe import Markup

    rungs, further, shown, sweeps = ladder(sources), bonus(sources), figures(sources), swept(sources)
    listed = runs(sources)
    data = finite(
        {
            "charts": _charts(rungs, further, shown, sweeps),
            "maps": sources.maps,
            "ladder": rungs["guesses"],
            **listed,
        }
    )
    library, script = _plotly(), document.bundle((*playground.MODULES, *MODULES))
    style = "\n".join(document.text(name) for name in STYLES)
    return (
        document.templates()
        .get_template("report/report.html")
        .render(
            style=Markup(style),
            style_hash=Markup(document.csp_hash(style)),
            plotly=Markup(library),
            script=Markup(script),
            script_hashes=Markup(f"{document.csp_hash(library)} {document.csp_hash(script)}"),
            without_styles=_ids_of_styles(library),
            data=Markup(document.script_json(data)),
            version=__version__,
            made=datetime.now().astimezone().strftime("%Y-%m-%d %H:%M"),
            out=sources.out,
            own=sum(1 for run in listed["runs"] if not run["run"].startswith("reference/")),
            shipped=sum(1 for run in listed["runs"] if run["run"].startswith("reference/")),
            ladder=rungs,
            bonus=further,
            figures=shown,
            sweeps=sweeps,
            troubles=sources.troubles,
            percent=_percent,
            root="div",
            **playground.parts(MlpConfig().resolve(), points, None, data_dir),
        )
    )


def _charts(rungs: Any, further: Any, shown: list[Any], sweeps: list[Any]) -> dict[str, Any]:
    """Every chart of the page by its id, which it gets here."""
    named = {"ladder-chart": rungs["chart"], "bonus-chart": further["chart"]}
    named |= {f"{figure['id']}-{n}": one for figure in shown for n, one in enumerate(figure["charts"])}
    named |= {f"{sweep['id']}-chart": sweep["chart"] for sweep in sweeps}
    for name, one in named.items():
        one["id"] = name
    return named


def _plotly() -> str:
    """The library that draws the charts, as its package has it."""
    # Here and not above: only this page needs it.
    from plotly.offline import get_plotlyjs

    return get_plotlyjs()


def _ids_of_styles(script: str) -> list[str]:
    """Ids under which the library would add styles of maps, which the page has none of.

    An element of that id keeps it from doing so; the policy would refuse the style.
    """
    return re.findall(r'getElementById\("([0-9a-f]{64})"\)', script)


def _percent(spread: Statistics | None, with_n: bool = False) -> str:
    """Mean and spread as text, with the number of seeds if asked."""
    if spread is None:
        return "-"
    return f"{spread.percents()} ({spread.n})" if with_n else spread.percents()

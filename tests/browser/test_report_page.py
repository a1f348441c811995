"""The report page in a real browser, from disk and offline, by real clicks."""

import pytest

from rdfia_keras.config import RunOptions
from rdfia_keras.experiments import FIGURES
from rdfia_keras.sections import report

PLOTTED = ".chart .js-plotly-plot .main-svg"
DRAW_ALL = "window.dispatchEvent(new Event('beforeprint')); window.dispatchEvent(new Event('afterprint'))"


@pytest.fixture(scope="session")
def path(tmp_path_factory):
    """The page of the reference results alone."""
    return report.run(RunOptions(out=tmp_path_factory.mktemp("page"))).paths[0].resolve()


def test_every_figure_is_drawn(path, open_page):
    page = open_page(path)
    page.evaluate(DRAW_ALL)
    figures = page.locator("#figures article")
    assert figures.count() == len(FIGURES) == 24
    drawn = page.evaluate(
        "[...document.querySelectorAll('#figures article')].map(figure => [...figure.querySelectorAll('.chart')]"
        ".map(chart => chart.querySelectorAll('.js-plotly-plot .trace, .js-plotly-plot .contourlayer path').length))"
    )
    assert all(counts and min(counts) > 0 for counts in drawn), drawn


def test_charts_are_drawn_when_they_come_near(path, open_page):
    page = open_page(path)
    page.wait_for_selector("#ladder .js-plotly-plot")
    assert page.locator("#figure-23 .js-plotly-plot").count() == 0
    page.locator("#figure-23").scroll_into_view_if_needed()
    page.wait_for_selector("#figure-23 .js-plotly-plot")

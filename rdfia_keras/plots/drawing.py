"""Figures of the charts of `plots.charts`, drawn with Matplotlib."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rdfia_keras.plots import charts
from rdfia_keras.plots.charts import Chart, Rows, Series
from rdfia_keras.plots.style import (
    CHARACTER,
    COLOURS,
    GREY,
    SMALL,
    TEXT,
    TITLE,
    WIDTH,
    legend_below,
    new_figure,
    plain_log_ticks,
    shades,
    style_axes,
    wrap,
    wrap_lines,
)
from rdfia_keras.result import percent

LINES: dict[str, Any] = {"": "none", "solid": "-", "dash": "--", "dot": ":", "dashdot": "-.", "longdash": (0, (6, 3))}
MARKERS = {"": "", "circle": "o", "square": "s", "diamond": "D", "triangle-up": "^", "triangle-down": "v"}
MARKERS |= {"star": "*", "bar": "|"}
# The most configurations that one picture of a sweep can show: of more, the best are drawn.
MAX_ROWS, MAX_CURVES = 60, 12
# Bands of more curves hide each other.
MAX_BANDS = 4
# On a shorter axis chance would look like a trend: percent, and nats of a loss.
LEAST_SPAN, LEAST_LOSS_SPAN = 5, 0.1


# --- figures ----------------------------------------------------------------------------------------------------------


def learning_curves(history: Rows, title: str, published: float | None = None) -> Figure:
    """Draw loss beside accuracy of one training (figures 6 to 23); see `charts.run_curves`."""
    figure = new_figure(WIDTH, 4.2, title)
    panels = figure.subplots(1, 2)
    draw_charts(panels, charts.run_curves(history, published=published))
    for axes in panels:
        # Under the panel, where it cannot hide a curve.
        axes.legend(
            loc="upper center",
            bbox_to_anchor=(0.5, 0),
            borderaxespad=4.2,  # font sizes: the room of tick labels and axis label, however high the panel
            ncols=2,
            fontsize=SMALL,
            frameon=False,
        )
    return figure


def implementations(histories: Mapping[str, Rows], title: str) -> Figure:
    """Draw for each of one to four trainings, by name, its loss above its accuracy (figures 1 and 3).

    The epochs are those of `charts.run_curves`. For its remarks there is no room.
    """
    figure = new_figure(max(4.0, WIDTH * len(histories) / 4), 5.0, title)
    panels = figure.subplots(2, len(histories), sharex="col", sharey="row", squeeze=False)
    described = [charts.run_curves(rows) for rows in histories.values()]
    for row, quantity in zip(panels, zip(*described, strict=True), strict=True):
        draw_charts(row, quantity, with_remarks=False)
    for name, loss in zip(histories, panels[0], strict=True):
        loss.set_title(wrap_lines(name, WIDTH / 4, TEXT), fontsize=TEXT, parse_math=False)
    for axes in figure.axes:
        axes.label_outer()
    handles, labels = panels[1, 0].get_legend_handles_labels()
    legend_below(figure, len(handles), TEXT, handles=handles, labels=labels)
    return figure


def runs_side_by_side(histories: Mapping[str, Rows], title: str) -> Figure:
    """Draw the curves of runs, by name, in one panel of losses and one of accuracies, a colour a run.

    The epochs are those of `charts.run_curves`. There can be as many runs as colours in `style.NAMED`.
    """
    figure = new_figure(WIDTH, 4.0, title)
    loss, accuracy = charts.several_runs_curves(histories)
    panels = figure.subplots(1, 2, sharex=True)
    draw_charts(panels, [loss, accuracy])
    _chart_legend(figure, panels[1], accuracy, most=4)
    return figure


def sweep_curves(rows: Rows, title: str) -> Figure:
    """Draw the mean curves of a sweep's configurations; of too many, those with the best final mean.

    The rows are those of `charts.mean_curves`, each with final (with mean) as well.
    """
    chosen, title = _best_rows(rows, MAX_CURVES, title)
    figure = new_figure(WIDTH, 4.0, title)
    panels = figure.subplots(1, 2)
    loss, accuracy = charts.mean_curves(chosen)
    if len(chosen) > MAX_BANDS:
        loss, accuracy = map(_without_bands, (loss, accuracy))
    draw_charts(panels, [loss, accuracy])
    # A run that overshoots would flatten all others.
    tops = [_values(series.y) + (_values(series.errors) if len(series.errors) else 0) for series in loss.series]
    panels[0].set_ylim(0, min(1.05 * float(np.nanquantile(np.concatenate(tops), 0.98)), 3.0))
    _chart_legend(figure, panels[1], accuracy, most=9)
    return figure


def svm_sweep(rows: Rows, title: str, published: Mapping[tuple[str, int | None], float] | None = None) -> Figure:
    """Draw accuracy against C (figure 5); see `charts.cost_chart`."""
    chart = charts.cost_chart(rows, published)
    return _single(chart, title, 6.5)


def backprop_cost(rows: Rows) -> Figure:
    """Draw the time to all gradients against the number of layers; the rows are those of `charts.backprop_chart`."""
    chart = charts.backprop_chart(rows)
    figure = _single(chart, "Gradients of all weights: one by one, and by backprop", 6.0)
    depths = [row["layers"] for row in rows]
    figure.axes[0].set_xticks(depths, [str(depth) for depth in depths])
    return figure


def comparison(rows: Rows, title: str) -> Figure:
    """Draw, for each experiment of a list, its best test accuracy beside the published value.

    Args:
        rows: Rows from top to bottom, each with experiment and, or None: best (yours, a fraction), reference (the
            package's), figure (its number), published and base_best (the best without the change).
        title: Data set and setting.
    """
    names = [row["experiment"] + (f" (figure {row['figure']})" if row["figure"] else "") for row in rows]
    keys = {"published": "published", "base": "base_best", "reference_best": "reference", "yours_best": "best"}
    values = {key: [None if row[name] is None else (row[name], None) for row in rows] for key, name in keys.items()}
    accuracies = [row["reference"] if row["best"] is None else row["best"] for row in rows]
    notes = ["" if value is None else percent(value) for value in accuracies]
    return _rows(charts.experiments_chart(names, values, title), title, ["best", *notes], 0.34)


def sweep_points(rows: Rows, title: str) -> Figure:
    """Draw every run of a sweep as a point, with mean and sample standard deviation of each configuration.

    The rows are those of `charts.sweep_chart`, each with n (its runs) as well; of too many the best are drawn.
    """
    chosen, title = _best_rows(rows, MAX_ROWS, title)
    notes = [f"{percent(row['final']['mean'])}  (n = {row['n']})" for row in chosen]
    return _rows(charts.sweep_chart(chosen, title), title, ["last, mean", *notes], 0.42)


def notice(title: str, text: str) -> Figure:
    """Draw a line of text in place of curves, where there is nothing to draw."""
    figure = new_figure(WIDTH, 2.0, title)
    figure.text(0.5, 0.4, text, ha="center", fontsize=TITLE)
    return figure


# --- layouts ----------------------------------------------------------------------------------------------------------


def _single(chart: Chart, title: str, width: float) -> Figure:
    """Draw one chart with its legend below."""
    figure = new_figure(width, 3.6, title)
    axes = figure.subplots()
    draw_charts([axes], [chart])
    _chart_legend(figure, axes, chart, most=2)
    return figure


def _without_bands(chart: Chart) -> Chart:
    """Return a chart of several curves without their bands; three styles of line tell neighbours apart."""
    styles = ("solid", "dash", "dashdot")
    return replace(
        chart, series=tuple(replace(series, errors=(), line=styles[n % 3]) for n, series in enumerate(chart.series))
    )


def _rows(chart: Chart, title: str, notes: Sequence[str], row_height: float) -> Figure:
    """Draw a chart of rows from top to bottom; the notes are a heading and a text for the end of each row."""
    names = chart.row_names
    figure = new_figure(WIDTH, 1.7 + row_height * len(names), title)
    axes = figure.subplots()
    heights = {name: height for height, name in enumerate(names)}
    for series in chart.series:
        places = [heights[str(name)] + 0.16 * series.side for name in series.x]
        y, errors = _values(series.y), _values(series.errors)
        # No deviation reaches beyond what an accuracy can be.
        bars = [np.minimum(errors, np.maximum(room, 0)) for room in (y, 100 - y)] if len(errors) else None
        axes.errorbar(y, places, xerr=bars, linestyle="none", capsize=3, **_look(series))
    axes.set_xlim(_percent_limits(*axes.get_xlim()))
    for height, note in enumerate(notes, start=-1):
        axes.annotate(note, (1.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=TEXT)
    axes.set_yticks(range(len(names)), names, fontsize=TEXT, parse_math=False)
    axes.set_ylim(len(names) - 0.4, -0.6)
    has_errors = any(len(series.errors) for series in chart.series)
    meaning = ": each run, mean and standard deviation" if has_errors else ""
    axes.set_xlabel(f"{chart.y.label}{meaning}", fontsize=TEXT)
    style_axes(axes)
    legend_below(figure, columns=4)
    return figure


def _chart_legend(figure: Figure, axes: Axes, chart: Chart, most: int) -> None:
    """Put one legend for all panels below them: the thick lines in their colours, the thin ones once in grey.

    It has at most this many columns, or as many as its longest name allows, and makes the figure higher by its lines.
    """
    # Not `get_legend_handles_labels`, which leaves out a run whose name begins with an underscore.
    named = {series.name for series in chart.series}
    handles = [line for line in axes.get_lines() if line.get_label() in named]
    names = [str(line.get_label()) for line in handles]
    if minor := [series for series in chart.series if series.is_minor]:
        handles.append(Line2D([], [], color=GREY, linewidth=1.0, linestyle=LINES[minor[0].line]))
        names.append(minor[0].name.rpartition(", ")[2])
    width = figure.get_figwidth()
    columns = max(1, min(most, int(width / (0.7 + max(map(len, names)) * CHARACTER * SMALL / 72))))
    labels = [wrap(name, width / columns - 0.6, SMALL) for name in names]
    lines = sum(label.count("\n") + 1 for label in labels)
    figure.set_figheight(figure.get_figheight() + 0.2 * -(-lines // columns))
    legend_below(figure, columns, handles=handles, labels=labels)


def _best_rows(rows: Rows, limit: int, title: str) -> tuple[Rows, str]:
    """Return the rows and the title; of too many rows the best, in the same order, which the title then says."""
    if len(rows) <= limit:
        return rows, title
    best = {id(row) for row in sorted(rows, key=lambda row: row["final"]["mean"], reverse=True)[:limit]}
    return [row for row in rows if id(row) in best], f"{title} (the best {limit} of {len(rows)} configurations)"


# --- one chart --------------------------------------------------------------------------------------------------------


def draw_charts(panels: Sequence[Axes], described: Sequence[Chart], with_remarks: bool = True) -> None:
    """Draw each chart into a panel, with or without its remarks; panels may share their axes."""
    for axes, chart in zip(panels, described, strict=True):
        _draw_chart(axes, chart, with_remarks)
    for axes, chart in zip(panels, described, strict=True):
        # In a second loop: panels share a range, and a limit set earlier would cut the curves drawn later.
        if chart.y.kind == "percent":
            axes.set_ylim(_percent_limits(*axes.get_ylim()))
        elif chart.y.kind == "number":
            axes.set_ylim(_widened(*axes.get_ylim(), LEAST_LOSS_SPAN))


def _widened(low: float, high: float, least: float) -> tuple[float, float]:
    """Return the limits of an axis that is at least so long."""
    missing = max(0.0, least - (high - low)) / 2
    return low - missing, high + missing


def _percent_limits(low: float, high: float) -> tuple[float, float]:
    """Return the limits of an axis in percent: no shorter than `LEAST_SPAN`, and hardly beyond 0 and 100."""
    low, high = _widened(low, high, LEAST_SPAN)
    return max(-1, low - max(0, high - 101)), min(101, high + max(0, -1 - low))


def _draw_chart(axes: Axes, chart: Chart, with_remarks: bool) -> None:
    for series, shade in zip(chart.series, shades(len(chart.series)), strict=True):
        if with_remarks or not series.is_remark:
            _draw_series(axes, series, shade, top=100 if chart.y.kind == "percent" else np.inf)
    axes.set_xlabel(chart.x.label, fontsize=TEXT)
    axes.set_ylabel(chart.y.label, fontsize=TEXT)
    if chart.x.kind == "whole":
        epochs = [x for series in chart.series if not series.is_remark for x in series.x]
        axes.set_xlim(min(epochs) - 0.5, max(epochs) + 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    if chart.x.kind == "log":
        axes.set_xscale("log")
        plain_log_ticks(axes.xaxis)
    if chart.y.kind == "log":
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis)
    style_axes(axes)


def _draw_series(axes: Axes, series: Series, shade: np.ndarray, top: float) -> None:
    """Draw a line with its band, from 0 to `top`; `shade` is its colour where the lines have an order."""
    look = _look(series)
    if series.colour == "shade":
        look["color"] = shade
    y, errors = _values(series.y), _values(series.errors)
    axes.plot(series.x, y, linestyle=LINES[series.line], **look)
    if len(errors):
        low, high = np.maximum(y - errors, 0), np.minimum(y + errors, top)
        axes.fill_between(series.x, low, high, color=look["color"], alpha=0.18, linewidth=0)


def _look(series: Series) -> dict[str, Any]:
    """Return colour, marker, sizes and the name in the legend; thin and pale series have no name."""
    look: dict[str, Any] = {
        "color": COLOURS.get(series.colour, GREY),
        "marker": MARKERS[series.marker.removesuffix("-open")],
        "markersize": 3.5 if series.line or series.is_pale else 7,
        "linewidth": 1.5,
        "label": series.name,
        # A marker at the edge is drawn whole.
        "clip_on": not series.marker,
    }
    if series.is_pale:
        look |= {"alpha": 0.45, "label": None}
    elif series.line and series.is_minor:
        look |= {"alpha": 0.8, "linewidth": 1.0, "label": None}
    if series.marker.endswith("-open"):
        look |= {"markerfacecolor": "none", "markeredgewidth": 1.5}
    if series.marker == "star":
        look |= {"markersize": 13, "markeredgecolor": "black", "zorder": 5}
    if series.marker == "bar":
        look |= {"markersize": 18, "markeredgewidth": 1.5}
    return look


def _values(values: Sequence[float | None]) -> np.ndarray:
    """Return values as floats, with NaN for None."""
    return np.array(values, dtype=float)

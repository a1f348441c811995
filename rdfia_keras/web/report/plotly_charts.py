"""The charts of `plots.charts` for Plotly: plain dictionaries of traces and a layout, which `charts.mjs` shows.

A colour is the name of a CSS variable, `var(--test)`, so that charts follow light and dark.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from rdfia_keras.plots.charts import Axis, Chart, Series, mean_text
from rdfia_keras.result import percent as in_percent

PlotlyChart = dict[str, Any]
Trace = dict[str, Any]

# Longer series are thinned: a chart has no more pixels.
MAX_POINTS = 400


def to_plotly(chart: Chart, is_horizontal: bool = False) -> PlotlyChart:
    """Return a chart as a Plotly dictionary; with `is_horizontal` many rows have room, below each other.

    Returns:
        title, alt, traces, layout, and table: its numbers as `{"columns": [...], "rows": [[...]]}` where they are not
        the traces' own, else None.
    """
    traces = [_series(series, chart.y, is_horizontal) for series in chart.series]
    layout: dict[str, Any] = {
        "xaxis": _axis(chart.x, chart),
        "yaxis": _axis(chart.y, chart),
        "hovermode": "x unified" if chart.x.kind == "whole" else "closest",
    }
    if is_horizontal:
        layout |= {"xaxis": layout["yaxis"], "height": 90 + 24 * len(chart.row_names)}
        layout["yaxis"] = {"type": "category", "autorange": "reversed"}
    table = _table(chart) if chart.x.kind == "rows" else None
    return {"title": chart.title, "alt": chart.summary, "traces": traces, "layout": layout, "table": table}


def rounded(value: float | None, digits: int = 5) -> float | None:
    """Return a value with this many significant digits; None if it is None or not finite."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{digits}g}")


def rounded_list(array: np.ndarray, digits: int = 5) -> Any:
    """Return an array as nested lists of numbers with this many significant digits."""
    return rounded(float(array), digits) if array.ndim == 0 else [rounded_list(row, digits) for row in array]


def share_ranges(charts: Sequence[PlotlyChart]) -> None:
    """Give charts of the same quantity the same range, so that panels can be compared."""
    by_axis: dict[str, list[PlotlyChart]] = {}
    for chart in charts:
        by_axis.setdefault(chart["layout"]["yaxis"]["title"]["text"], []).append(chart)
    for group in by_axis.values():
        is_log = any(chart["layout"]["yaxis"].get("type") == "log" for chart in group)
        values = [y for chart in group for trace in chart["traces"] for y in trace["y"] if y is not None]
        if not values:
            continue
        ends = (math.log10(min(values)), math.log10(max(values))) if is_log else (min(values), max(values))
        margin = 0.04 * (ends[1] - ends[0])
        for chart in group:
            chart["layout"]["yaxis"]["range"] = [ends[0] - margin, ends[1] + margin]
            chart["layout"]["yaxis"] |= {"type": "log"} if is_log else {}


# --- parts of a chart -------------------------------------------------------------------------------------------------


def _axis(axis: Axis, chart: Chart) -> dict[str, Any]:
    layout: dict[str, Any] = {"title": {"text": axis.label}}
    if axis.kind == "rows":
        layout["type"] = "category"
    elif axis.kind == "log":
        layout |= {"type": "log", "exponentformat": "power", "dtick": 1} if axis is chart.x else {"type": "log"}
    elif axis.kind == "whole":
        places = [x for series in chart.series if not series.is_remark for x in series.x]
        layout["range"] = [min(places) - 0.5, max(places) + 0.5]
        if len(set(places)) <= 10:
            layout["dtick"] = 1
    return layout


def _series(series: Series, axis: Axis, is_horizontal: bool) -> Trace:
    colour, is_bar = f"var(--{series.colour})", series.marker == "bar"
    step = -(-len(series.x) // MAX_POINTS) if series.line else 1
    x, y = series.x[step - 1 :: step], [_value(value, axis) for value in series.y[step - 1 :: step]]
    trace: Trace = {
        "type": "scatter",
        "mode": "+".join([*["lines"] * bool(series.line), *["markers"] * bool(series.marker)]),
        "name": series.name,
        "marker": {"color": colour, "size": 20 if is_bar else 5 if series.line else 6 if series.is_pale else 11},
    }
    if series.line:
        trace["line"] = {"color": colour, "dash": series.line}
    if series.marker:
        symbol = f"line-{'ns' if is_horizontal else 'ew'}-open" if is_bar else series.marker
        trace["marker"] |= {"symbol": symbol, "line": {"width": 2 if symbol.endswith("-open") else 0}}
    if series.is_pale:
        trace["marker"]["opacity"] = 0.35
    if series.marker == "star":
        trace["marker"] |= {"size": 13, "line": {"color": "var(--ink)", "width": 1}}
    if series.is_remark:
        # `is_remark` keeps it out of the table of numbers.
        trace |= {"hoverinfo": "skip", "is_remark": True}
    if series.is_minor:
        trace["visible"] = "legendonly"
    along, across = ("y", "x") if is_horizontal else ("x", "y")
    trace |= {across: y}
    trace |= {"x0": 1, "dx": 1} if list(x) == list(range(1, len(x) + 1)) else {along: list(x)}
    if len(series.errors):
        errors = [_value(error, axis) for error in series.errors]
        trace[f"error_{across}"] = {"type": "data", "array": errors, "color": colour, "thickness": 1.5, "width": 5}
    return trace


def _value(value: float | None, axis: Axis) -> float | None:
    return None if value is None else round(value, 2) if axis.kind == "percent" else rounded(value)


def _table(chart: Chart) -> dict[str, Any]:
    """Return the means of a chart of rows, with their standard deviations, as text."""
    shown = [series for series in chart.series if not series.is_pale]
    cells: dict[str, list[str]] = {name: [] for name in chart.row_names}
    for series in shown:
        errors = series.errors or [None] * len(series.x)
        for name, mean, std in zip(series.x, series.y, errors, strict=True):
            cells[str(name)].append("-" if mean is None else mean_text(mean, std))
    columns = [chart.x.label, *(series.name for series in shown)]
    return {"columns": columns, "rows": [[name, *texts] for name, texts in cells.items()]}


# --- kernels ----------------------------------------------------------------------------------------------------------


def kernel_map(panel: Mapping[str, Any]) -> PlotlyChart:
    """Return the decision of a panel of `figures.kernel_panels` over the plane, its boundary and the test points."""
    square = {"constrain": "domain", "zeroline": False}
    layout = {
        "xaxis": {**square, "title": {"text": "x1"}},
        "yaxis": {**square, "scaleanchor": "x", "title": {"text": "x2"}},
        "hovermode": "closest",
    }
    label, score = panel["title"], panel["score"]
    train, test, vectors = (score.get(key) for key in ("train_accuracy", "test_accuracy", "support_vectors"))
    return {
        "title": f"{label}: test {in_percent(test)}",
        "alt": f"The plane as {label} divides it: {in_percent(test)} of the test points are right, and in training "
        f"{in_percent(train)}",
        "traces": [_ground(panel["decision"], panel["grid_x"]), *_class_points(panel["points"], panel["labels"])],
        "layout": layout,
        "table": {
            "columns": ["kernel", "train", "test", "support vectors"],
            "rows": [[label, in_percent(train), in_percent(test), "-" if vectors is None else str(vectors)]],
        },
    }


def _ground(decision: np.ndarray, axis: np.ndarray) -> Trace:
    """Return the decision values over the plane as colours, with their boundary."""
    reach = float(np.quantile(np.abs(decision), 0.9)) or 1.0
    places = rounded_list(axis[::2], 4)
    return {
        "type": "contour",
        "x": places,
        "y": places,
        "z": rounded_list(decision[::2, ::2], 3),
        "zmin": rounded(-reach),
        "zmax": rounded(reach),
        "colorscale": [[0, "var(--class-0-ground)"], [0.5, "var(--page)"], [1, "var(--class-1-ground)"]],
        "contours": {"coloring": "heatmap", "start": 0, "end": 0, "size": 1},
        "line": {"color": "var(--ink)", "width": 1.5},
        "showscale": False,
        "hoverinfo": "skip",
        "name": "decision",
    }


def _class_points(points: np.ndarray, labels: np.ndarray) -> list[Trace]:
    return [
        {
            "type": "scatter",
            "mode": "markers",
            "name": f"class {value}",
            "x": rounded_list(points[labels == value, 0], 4),
            "y": rounded_list(points[labels == value, 1], 4),
            "marker": {"color": f"var(--class-{value})", "symbol": ("circle", "square")[value % 2], "size": 5},
        }
        for value in np.unique(labels).tolist()
    ]

"""Charts as Plotly takes them: plain dictionaries of traces and a layout, drawn by `page/report/charts.mjs`.

A colour is the name of a CSS variable, `var(--test)`, so that charts follow light and dark. Accuracies are drawn in
percent. What has no value is None.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from rdfia_keras.analysis.seeds import Statistics
from rdfia_keras.runs.records import EpochRow

Chart = dict[str, Any]
Trace = dict[str, Any]

SPLITS = {"train": "dash", "test": "solid", "validation": "dot"}
QUANTITIES = {"loss": "loss (nats)", "accuracy": "accuracy (%)"}
# More epochs than this are thinned: a chart has no more pixels.
MAX_EPOCHS = 400


def chart(title: str, alt: str, traces: Sequence[Trace], layout: Mapping[str, Any], table: Any = None) -> Chart:
    """A chart with one pair of axes.

    Args:
        title: Above it.
        alt: What it shows, for those who do not see it.
        traces: Plotly's.
        layout: What is special about it.
        table: Its numbers, where they are not the traces' own: `{"columns": [...], "rows": [[...]]}`.
    """
    return {"title": title, "alt": alt, "traces": list(traces), "layout": dict(layout), "table": table}


def number(value: float | None, digits: int = 5) -> float | None:
    """A value in so many significant digits; None for what is no number."""
    return None if value is None or not math.isfinite(value) else float(f"{value:.{digits}g}")


def percent(value: float | None) -> float | None:
    """A fraction in percent, to a hundredth."""
    return None if value is None or not math.isfinite(value) else round(100 * value, 2)


# --- over the epochs --------------------------------------------------------------------------------------------------


def learning_curves(
    rows: Sequence[EpochRow], label: str, published: float | None = None, reference: Sequence[EpochRow] = ()
) -> list[Chart]:
    """Loss and accuracy over the epochs.

    Args:
        rows: At least one epoch.
        label: Of what, in the title.
        published: Test accuracy in the report, a fraction.
        reference: Epochs of the package's own run, where `rows` are another one's.
    """
    charts = []
    for quantity in QUANTITIES:
        traces = [
            curve(rows, f"{split}_{quantity}", split, f"var(--{split})", dash)
            for split, dash in SPLITS.items()
            if f"{split}_{quantity}" in rows[0]
        ]
        if reference:
            traces.append(curve(reference, f"test_{quantity}", "reference, test", "var(--reference)", "dashdot"))
        if quantity == "accuracy" and published is not None:
            traces.append(published_line(published, len(rows)))
        charts.append(
            chart(
                _join(label, quantity), _described(rows, quantity, published), traces, _over_epochs(quantity, len(rows))
            )
        )
    return charts


def several_curves(
    histories: Mapping[str, Sequence[EpochRow]],
    label: str,
    published: float | None,
    reference: Sequence[EpochRow] = (),
) -> list[Chart]:
    """Loss and accuracy of several trainings, each with a colour; at first their test curves.

    Args:
        histories: By name.
        label: As of `learning_curves`, as are the others.
    """
    charts = []
    for quantity in QUANTITIES:
        traces = []
        for n, (name, rows) in enumerate(histories.items()):
            colour = f"var(--series-{n})"
            traces.append(curve(rows, f"test_{quantity}", f"{name}, test", colour, "solid"))
            train = curve(rows, f"train_{quantity}", f"{name}, train", colour, "dash")
            traces.append({**train, "visible": "legendonly"})
        if reference:
            traces.append(curve(reference, f"test_{quantity}", "reference, test", "var(--reference)", "dashdot"))
        longest = max(map(len, histories.values()))
        if quantity == "accuracy" and published is not None:
            traces.append(published_line(published, longest))
        alt = "; ".join(f"{name}: {_described(rows, quantity, None)}" for name, rows in histories.items())
        charts.append(chart(_join(label, quantity), alt, traces, _over_epochs(quantity, longest)))
    return charts


def share_ranges(drawn: Sequence[Chart]) -> None:
    """Give charts of the same quantity the same range, so that panels can be compared."""
    by_axis: dict[str, list[Chart]] = {}
    for one in drawn:
        by_axis.setdefault(one["layout"]["yaxis"]["title"]["text"], []).append(one)
    for charts in by_axis.values():
        values = [y for one in charts for trace in one["traces"] for y in trace["y"] if y is not None]
        if values:
            low = 0.0 if charts[0]["layout"]["yaxis"].get("rangemode") == "tozero" else min(values)
            margin = 0.04 * (max(values) - low)
            for one in charts:
                one["layout"]["yaxis"]["range"] = [low - margin * bool(low), max(values) + margin]


def curve(rows: Sequence[EpochRow], column: str, name: str, colour: str, dash: str) -> Trace:
    """A column of the history over the epochs, thinned where they are many."""
    step = -(-len(rows) // MAX_EPOCHS)
    shown = rows[step - 1 :: step]
    scale = percent if column.endswith("accuracy") else number
    trace = {
        "type": "scatter",
        "mode": "lines+markers" if len(shown) == 1 else "lines",
        "name": name,
        "y": [scale(row.get(column)) for row in shown],  # type: ignore[arg-type]
        "line": {"color": colour, "dash": dash},
        "marker": {"color": colour},
    }
    if [row["epoch"] for row in shown] == list(range(1, len(shown) + 1)):
        return {**trace, "x0": 1, "dx": 1}
    return {**trace, "x": [row["epoch"] for row in shown]}


def published_line(published: float, epochs: int) -> Trace:
    """A line at the value that the report gives."""
    return {
        "type": "scatter",
        "mode": "lines",
        "name": f"published {100 * published:g} %",
        "x": [1, max(epochs, 2)],
        "y": [percent(published)] * 2,
        "line": {"color": "var(--published)", "dash": "longdash"},
        "hoverinfo": "skip",
        "line_only": True,
    }


def _over_epochs(quantity: str, epochs: int) -> dict[str, Any]:
    layout: dict[str, Any] = {
        "xaxis": {"title": {"text": "epoch"}},
        "yaxis": {"title": {"text": QUANTITIES[quantity]}},
        "hovermode": "x unified",
    }
    if epochs <= 10:
        layout["xaxis"]["dtick"] = 1
    if quantity == "loss":
        layout["yaxis"]["rangemode"] = "tozero"
    return layout


def _join(label: str, quantity: str) -> str:
    return f"{label}: {quantity}" if label else quantity


def _described(rows: Sequence[EpochRow], quantity: str, published: float | None) -> str:
    """Where the test curve begins, what it reaches and where it ends, in words."""
    values = [row[f"test_{quantity}"] for row in rows]  # type: ignore[literal-required]
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return f"the test {quantity} is never a number"
    best = max(finite) if quantity == "accuracy" else min(finite)
    words = f"Test {quantity} over {len(rows)} epochs, from {_said(values[0], quantity)}; "
    words += f"{'highest' if quantity == 'accuracy' else 'lowest'} {_said(best, quantity)} in epoch "
    words += f"{rows[values.index(best)]['epoch']}, {_said(values[-1], quantity)} at the end"
    return words + (f"; published {100 * published:g} %" if published is not None and quantity == "accuracy" else "")


def _said(value: float, quantity: str) -> str:
    if not math.isfinite(value):
        return "no number"
    return f"{value:.1%}" if quantity == "accuracy" else f"{value:.3g}"


# --- points with their spread -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Points:
    """A series of means, one for each label.

    Attributes:
        spreads: Of fractions; None where there is none.
        colour: Of its markers.
        symbol: Of Plotly's markers; `line` for a stroke across.
    """

    spreads: Sequence[Statistics | None]
    colour: str
    symbol: str


def spread_points(
    labels: Sequence[str], series: Mapping[str, Points], axis: str, alt: str, horizontal: bool = False
) -> Chart:
    """Means of test accuracies with their standard deviation, one place for each label.

    Args:
        axis: What the labels are.
        horizontal: Whether the labels stand below each other, which leaves room for many.
    """
    along, across = ("y", "x") if horizontal else ("x", "y")
    traces = [_points(name, labels, points, along, across) for name, points in series.items()]
    layout: dict[str, Any] = {
        f"{along}axis": {"type": "category", "title": {"text": axis}},
        f"{across}axis": {"title": {"text": "test accuracy (%)"}},
        "hovermode": "closest",
    }
    if horizontal:
        layout |= {"height": 90 + 24 * len(labels)}
        layout["yaxis"] = {"type": "category", "autorange": "reversed"}
    rows = [[label, *(_said_spread(one.spreads[n]) for one in series.values())] for n, label in enumerate(labels)]
    return chart("", alt, traces, layout, {"columns": [axis, *series], "rows": rows})


def _points(name: str, labels: Sequence[str], points: Points, along: str, across: str) -> Trace:
    colour, is_line = points.colour, points.symbol == "line"
    errors = [None if one is None or one.std is None else percent(one.std) for one in points.spreads]
    symbol = {"x": "line-ew-open", "y": "line-ns-open"}[along] if is_line else points.symbol
    trace: Trace = {
        "type": "scatter",
        "mode": "markers",
        "name": name,
        along: list(labels),
        across: [None if one is None else percent(one.mean) for one in points.spreads],
        "marker": {"color": colour, "symbol": symbol, "size": 20 if is_line else 11, "line": {"width": 2.5 * is_line}},
    }
    if any(error is not None for error in errors):
        trace[f"error_{across}"] = {"type": "data", "array": errors, "color": colour, "thickness": 1.5, "width": 5}
    return trace


def _said_spread(spread: Statistics | None) -> str:
    return spread.percents() if spread else "-"


def single_values(labels: Sequence[str], values: Iterable[Sequence[float | None]], colour: str) -> Trace:
    """Every value behind a mean, pale."""
    pairs = [
        (label, percent(value))
        for label, some in zip(labels, values, strict=True)
        for value in some
        if value is not None
    ]
    return {
        "type": "scatter",
        "mode": "markers",
        "name": "single seeds",
        "x": [label for label, _ in pairs],
        "y": [value for _, value in pairs],
        "marker": {"color": colour, "size": 6, "opacity": 0.35},
    }


# --- kernels ----------------------------------------------------------------------------------------------------------


def kernel_map(
    label: str, decision: np.ndarray, axis: np.ndarray, points: np.ndarray, labels: np.ndarray, score: Mapping[str, Any]
) -> Chart:
    """A kernel's decision over the plane, its boundary and the test points.

    Args:
        decision: (n, n), positive for class 1.
        axis: (n,), of both directions.
        points: (N, 2).
        labels: (N,).
        score: train_accuracy and test_accuracy (fractions), support_vectors.
    """
    reach = float(np.quantile(np.abs(decision), 0.9)) or 1.0
    ground = {
        "type": "contour",
        "x": [number(value, 4) for value in axis[::2]],
        "y": [number(value, 4) for value in axis[::2]],
        "z": [[number(value, 3) for value in row] for row in decision[::2, ::2].tolist()],
        "zmin": number(-reach),
        "zmax": number(reach),
        "colorscale": [[0, "var(--class-0-ground)"], [0.5, "var(--page)"], [1, "var(--class-1-ground)"]],
        "contours": {"coloring": "heatmap", "start": 0, "end": 0, "size": 1},
        "line": {"color": "var(--ink)", "width": 1.5},
        "showscale": False,
        "hoverinfo": "skip",
        "name": "decision",
    }
    marks = [
        {
            "type": "scatter",
            "mode": "markers",
            "name": f"class {value}",
            "x": [number(x, 4) for x in points[labels == value, 0]],
            "y": [number(y, 4) for y in points[labels == value, 1]],
            "marker": {"color": f"var(--class-{value})", "symbol": ("circle", "square")[value % 2], "size": 5},
        }
        for value in np.unique(labels).tolist()
    ]
    square = {"constrain": "domain", "zeroline": False}
    layout = {
        "xaxis": {**square, "title": {"text": "x1"}},
        "yaxis": {**square, "scaleanchor": "x", "title": {"text": "x2"}},
        "hovermode": "closest",
    }
    train, test, vectors = score["train_accuracy"], score["test_accuracy"], score.get("support_vectors")
    said = f"{label}: test {test:.1%}"
    alt = f"The plane as {label} divides it, with the test points: {test:.1%} right in test, {train:.1%} in training"
    table = {
        "columns": ["kernel", "train", "test", "support vectors"],
        "rows": [[label, f"{train:.1%}", f"{test:.1%}", "-" if vectors is None else str(vectors)]],
    }
    return chart(said, alt, [ground, *marks], layout, table)


def cost_sweep(rows: Sequence[Mapping[str, Any]], published: Mapping[tuple[str, int | None], float]) -> Chart:
    """Accuracy against C on a log axis."""
    groups: dict[tuple[str, int | None], list[Mapping[str, Any]]] = {}
    for row in rows:
        groups.setdefault((row["kernel"], row["degree"]), []).append(row)
    traces: list[Trace] = []
    said = []
    for n, ((kernel, degree), some) in enumerate(groups.items()):
        some.sort(key=lambda row: row["C"])
        # Red and blue as in the homework; several degrees of a kernel have colours of their own.
        usual = {"poly": 1, "rbf": 0}.get(kernel) if len(groups) == 2 else None
        name, colour = kernel_name(kernel, degree), f"var(--series-{n if usual is None else usual})"
        best = max(some, key=lambda row: row["test_accuracy"])
        said.append(f"{name} at best {best['test_accuracy']:.1%} at C = {best['C']:.3g}")
        for split, dash in (("test", "solid"), ("train", "dash")):
            traces.append(
                {
                    "type": "scatter",
                    "mode": "lines+markers" if split == "test" else "lines",
                    "name": f"{name}, {split}",
                    "x": [number(row["C"], 6) for row in some],
                    "y": [percent(row[f"{split}_accuracy"]) for row in some],
                    "line": {"color": colour, "dash": dash},
                    "marker": {"color": colour, "size": 5},
                    **({} if split == "test" else {"visible": "legendonly"}),
                }
            )
        if (value := published.get((kernel, degree))) is not None:
            line = published_line(value, 2)
            ends = [number(some[0]["C"], 6), number(some[-1]["C"], 6)]
            traces.append(
                {**line, "x": ends, "name": f"{name}, {line['name']}", "line": {**line["line"], "color": colour}}
            )
    layout = {
        "xaxis": {"type": "log", "title": {"text": "C"}, "exponentformat": "power", "dtick": 1},
        "yaxis": {"title": {"text": "accuracy (%)"}},
        "hovermode": "closest",
    }
    return chart("", f"Test accuracy against C: {'; '.join(said)}", traces, layout)


def kernel_name(kernel: str, degree: int | None) -> str:
    """How a kernel is called: `poly of degree 2`."""
    return kernel if degree is None else f"{kernel} of degree {degree}"

"""Charts as plain data: the content of a figure, described once for the PNG files and for the report page.

Nothing here draws: `plots.drawing` and `web.report.plotly_charts` do. Accuracies come as fractions and are charted in
percent; a value that is missing or not finite is None. Colours are names, which `plots.style.COLOURS` and the style
sheet of the report page define.
"""

import math
import statistics
import warnings
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from rdfia_keras.result import percent

# Rows of data: a history, a sweep, a table, or the panels of a figure.
Rows = Sequence[Mapping[str, Any]]
# A mean and its standard deviation, which a single run does not have.
Mean = tuple[float, float | None]

SPLITS = {"train": "dash", "test": "solid", "validation": "dot"}
QUANTITIES = {"loss": "loss (cross-entropy, nats)", "accuracy": "accuracy (%)"}
MAX_MARKED = 30  # epochs; with more, markers would hide their own line
KERNEL_COLOURS = {"rbf": 0, "poly": 1, "sigmoid": 2, "linear": 3, "linearsvc": 4}
DEGREE_MARKERS = {1: "triangle-down", 2: "circle", 3: "square", 4: "triangle-up", 5: "diamond"}
# The values of an experiment, from back to front: name in the legend, colour and marker.
EXPERIMENT_VALUES = {
    "base": ("without the change", "quiet", "bar"),
    "reference_best": ("reference, best epoch", "series-0", "circle"),
    "reference_final": ("reference, last epoch", "series-0", "circle-open"),
    "yours_best": ("yours, best epoch", "series-2", "square"),
    "yours_final": ("yours, last epoch", "series-2", "square-open"),
    "published": ("published", "series-1", "diamond-open"),
}
# The measures of a sweep: name, colour and marker, and the side of the row where a PNG file has them.
SWEEP_MEASURES = {
    "final": ("last epoch", "series-0", "circle", 1),
    "best": ("best epoch", "quiet", "square", -1),
    "selected": ("selected epoch", "series-2", "triangle-up", 0),
}


@dataclass(frozen=True)
class Axis:
    """An axis.

    Attributes:
        label: Quantity and unit.
        kind: `number`, `percent`, `whole` (numbers, such as epochs), `log`, or `rows` (names from first to last).
    """

    label: str
    kind: str = "number"


@dataclass(frozen=True)
class Series:
    """Values that belong together.

    Attributes:
        name: The name in the legend.
        x: Numbers, or the names of rows.
        y: Numbers; None where there is none.
        colour: A name: `test`, `series-0`; `shade` where the series have an order.
        line: `solid`, `dash`, `dot`, `dashdot` or `longdash`; empty for points alone.
        marker: `circle`, `square`, `diamond`, `triangle-up`, `triangle-down`, `star` or `bar`, with `-open` hollow;
            empty for a line alone.
        errors: A standard deviation for each value: a band along a line, a bar at a point.
        is_minor: Thin in a PNG file, hidden at first on the page.
        is_pale: Single values behind their mean.
        side: Side of the row in a PNG file, 1 below and -1 above, so that two series do not hide each other.
        is_remark: A line or a star that explains the others: no numbers of its own, and left out of small panels.
    """

    name: str
    x: Sequence[Any]
    y: Sequence[float | None]
    colour: str
    line: str = ""
    marker: str = ""
    errors: Sequence[float | None] = ()
    is_minor: bool = False
    is_pale: bool = False
    side: int = 0
    is_remark: bool = False


@dataclass(frozen=True)
class Chart:
    """One pair of axes.

    Attributes:
        title: The title, for a chart that stands alone.
        summary: The content in words, for readers who do not see the chart.
        x: The horizontal axis; a PNG file has rows below each other instead.
        y: The vertical axis.
        series: The series from back to front.
    """

    title: str
    summary: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]

    @property
    def row_names(self) -> list[str]:
        """The names of the rows, from first to last, of a chart whose x axis is of the kind `rows`."""
        return [str(name) for name in dict.fromkeys(name for series in self.series for name in series.x)]


def number(value: Any, scale: float = 1) -> float | None:
    """Return a value times a scale; None where there is none or it is not finite."""
    return None if value is None or not math.isfinite(value) else scale * float(value)


# --- over the epochs --------------------------------------------------------------------------------------------------


def run_curves(rows: Rows, label: str = "", published: float | None = None, reference: Rows = ()) -> list[Chart]:
    """Describe loss and accuracy of one training, an epoch a point.

    Args:
        rows: Epochs: epoch, train_loss, test_loss (nats), train_accuracy, test_accuracy (fractions); with a validation
            set its two columns as well.
        label: Name of the training, for the titles.
        published: The report's test accuracy, a fraction.
        reference: Epochs of the package's run, if `rows` are those of another run.

    Returns:
        Two charts. Stars mark the best test accuracy and the one that the validation set selects; a line the first
        loss that is not finite.

    Raises:
        ValueError: If the history is empty or lacks one of these columns.
    """
    splits = [split for split in SPLITS if split != "validation" or any("validation_accuracy" in row for row in rows)]
    charts = []
    for quantity in QUANTITIES:
        series = [
            curve(rows, f"{split}_{quantity}", split, split, SPLITS[split], max_marked=MAX_MARKED) for split in splits
        ]
        if quantity == "loss":
            remarks = _divergence(rows, series)
        else:
            remarks = _star(rows, "test_accuracy", "best test", "test")
            remarks += _star(rows, "validation_accuracy", "selected test", "validation")
        summary = _summary(rows, quantity, published)
        charts.append(_over_epochs(series, quantity, label, published, reference, summary, remarks))
    return charts


def several_runs_curves(
    histories: Mapping[str, Rows], label: str = "", published: float | None = None, reference: Rows = ()
) -> list[Chart]:
    """Describe loss and accuracy of several trainings, a colour each; see `run_curves`."""
    charts = []
    for quantity in QUANTITIES:
        series = []
        for n, (name, rows) in enumerate(histories.items()):
            series.append(curve(rows, f"test_{quantity}", f"{name}, test", f"series-{n}", "solid"))
            train = curve(rows, f"train_{quantity}", f"{name}, train", f"series-{n}", "dash")
            series.append(replace(train, is_minor=True))
        summary = "; ".join(f"{name}: {_summary(rows, quantity)}" for name, rows in histories.items())
        charts.append(_over_epochs(series, quantity, label, published, reference, summary))
    return charts


def curve(rows: Rows, column: str, name: str, colour: str, line: str, max_marked: int = 1) -> Series:
    """Describe a column of a history; points are marked where there are no more than `max_marked`."""
    x, y = [row["epoch"] for row in rows], _column(rows, column, 100 if column.endswith("accuracy") else 1)
    is_marked = sum(value is not None for value in y) <= max_marked
    return Series(name, x, y, colour, line, "circle" if is_marked else "")


def _over_epochs(
    lines: list[Series],
    quantity: str,
    label: str,
    published: float | None,
    reference: Rows,
    summary: str,
    remarks: Sequence[Series] = (),
) -> Chart:
    if reference:
        lines.append(curve(reference, f"test_{quantity}", "reference, test", "reference", "dashdot"))
    kind = "percent" if quantity == "accuracy" else "log" if _is_pressed_flat(lines) else "number"
    if quantity == "accuracy" and published is not None:
        epochs = [x for series in lines for x in series.x]
        lines.append(published_line(published, min(epochs), max(*epochs, 2)))
    title = f"{label}: {quantity}" if label else quantity
    axes = Axis("epoch", "whole"), Axis(QUANTITIES[quantity], kind)
    return Chart(title, summary, *axes, (*lines, *remarks))


def published_line(value: float, first: float, last: float, name: str = "", colour: str = "published") -> Series:
    """Describe a line at a published accuracy, a fraction, from the first to the last x."""
    label = f"{name}{', ' if name else ''}published {percent(value)}"
    return Series(label, [first, last], [100 * value] * 2, colour, "longdash", is_remark=True)


def _is_pressed_flat(lines: Iterable[Series]) -> bool:
    """Return whether a few values would leave no height for all others on a linear axis."""
    values = [value for series in lines for value in series.y if value is not None]
    return bool(values) and min(values) > 0 and max(values) > 50 * statistics.median(values)


def _column(rows: Rows, name: str, scale: float = 1) -> list[float | None]:
    if not rows:
        raise ValueError("the history is empty: there is no epoch to draw")
    if any(name not in row for row in rows):
        raise ValueError(f"the history has no column {name!r}")
    return [number(row[name], scale) for row in rows]


def _star(rows: Rows, by: str, name: str, colour: str) -> list[Series]:
    """Mark the test accuracy of the epoch in which the column `by` is highest, if there is such an epoch."""
    complete = [row for row in rows if number(row.get(by)) is not None and number(row["test_accuracy"]) is not None]
    if not complete:
        return []
    best = max(complete, key=lambda row: row[by])
    label = f"{name} {percent(best['test_accuracy'])} (epoch {best['epoch']})"
    return [Series(label, [best["epoch"]], [100 * best["test_accuracy"]], colour, marker="star", is_remark=True)]


def _divergence(rows: Rows, losses: Iterable[Series]) -> list[Series]:
    """Mark the first epoch whose loss is not finite, if there is one."""
    diverged = [row["epoch"] for row in rows if number(row["train_loss"]) is None or number(row["test_loss"]) is None]
    if not diverged:
        return []
    values = [y for series in losses for y in series.y if y is not None] or [0.0]
    label = f"first not finite: epoch {diverged[0]}"
    return [Series(label, [diverged[0]] * 2, [min(values), max(values)], "quiet", "longdash", is_remark=True)]


def _summary(rows: Rows, quantity: str, published: float | None = None) -> str:
    """Return in words where the test curve begins, its best value and where it ends."""
    values = _column(rows, f"test_{quantity}")
    finite = [value for value in values if value is not None]
    if not finite:
        return f"the test {quantity} is never a number"

    def text(value: float | None) -> str:
        return "no number" if value is None else percent(value) if quantity == "accuracy" else f"{value:.3g}"

    best, word = (max(finite), "highest") if quantity == "accuracy" else (min(finite), "lowest")
    words = (
        f"Test {quantity} over {len(rows)} epochs, from {text(values[0])}; {word} {text(best)} in epoch "
        f"{rows[values.index(best)]['epoch']}, {text(values[-1])} at the end"
    )
    return words + (f"; published {percent(published)}" if published is not None and quantity == "accuracy" else "")


def mean_curves(rows: Rows) -> list[Chart]:
    """Describe the mean test loss and test accuracy of each configuration of a sweep, with a band of one deviation.

    Args:
        rows: Each with label and curves: (runs, epochs, 4) of train loss (nats), train accuracy (a fraction), test loss
            and test accuracy; NaN where a run has no such epoch.
    """
    import numpy as np

    charts = []
    for quantity, place, scale in (("loss", 2, 1), ("accuracy", 3, 100)):
        series = []
        for row in rows:
            curves = scale * row["curves"][:, :, place]
            epochs = range(1, curves.shape[1] + 1)
            with warnings.catch_warnings():
                # Of epochs that a single run has, or none.
                warnings.simplefilter("ignore", RuntimeWarning)
                errors = np.nanstd(curves, axis=0, ddof=1).tolist() if len(curves) > 1 else ()
                mean = np.nanmean(curves, axis=0).tolist()
            series.append(Series(row["label"], epochs, mean, "shade", "solid", errors=errors))
        kind = "percent" if quantity == "accuracy" else "number"
        axes = Axis("epoch", "whole"), Axis(f"test {QUANTITIES[quantity]}", kind)
        charts.append(Chart(quantity, f"Mean test {quantity} over the epochs", *axes, tuple(series)))
    return charts


# --- over a setting ---------------------------------------------------------------------------------------------------


def cost_chart(rows: Rows, published: Mapping[tuple[str, int | None], float] | None = None) -> Chart:
    """Describe accuracy against C: red is poly and blue is rbf, as in the homework's figure 5.

    Args:
        rows: As `models.kernels.sweep` gives them: kernel, C, degree, train_accuracy, test_accuracy (fractions).
        published: The report's test accuracy by kernel and degree, fractions.
    """
    groups: dict[tuple[str, int | None], list[Mapping[str, Any]]] = {}
    for row in sorted(rows, key=lambda row: row["C"]):
        groups.setdefault((row["kernel"], row["degree"]), []).append(row)
    series, remarks = [], []
    for (kernel, degree), group in groups.items():
        name = kernel if degree is None else f"{kernel} degree {degree}"
        colour, marker = f"series-{KERNEL_COLOURS.get(kernel, 5)}", DEGREE_MARKERS.get(degree or 2, "circle")
        costs = [row["C"] for row in group]
        test, train = ([number(row[f"{split}_accuracy"], 100) for row in group] for split in ("test", "train"))
        series.append(Series(f"{name}, test", costs, test, colour, "solid", marker))
        series.append(Series(f"{name}, train", costs, train, colour, "dash", is_minor=True))
        best = max(group, key=lambda row: row["test_accuracy"])
        label = f"{name}: best test {percent(best['test_accuracy'])} at C {best['C']:.3g}"
        remarks.append(Series(label, [best["C"]], [100 * best["test_accuracy"]], colour, marker="star", is_remark=True))
        if (value := (published or {}).get((kernel, degree))) is not None:
            remarks.append(published_line(value, costs[0], costs[-1], name, colour))
    summary = f"Test accuracy against C; {'; '.join(remark.name for remark in remarks)}"
    axes = Axis("C (log scale)", "log"), Axis(QUANTITIES["accuracy"], "percent")
    return Chart("", summary, *axes, (*series, *remarks))


def backprop_chart(rows: Rows) -> Chart:
    """Describe the time to all gradients against the number of layers (theory question 12).

    Args:
        rows: Each with layers, backprop and naive (seconds).
    """
    import numpy as np

    depths = [row["layers"] for row in rows]
    series = []
    for name, colour, marker in (("naive", "series-1", "circle"), ("backprop", "series-0", "square")):
        seconds = np.array([row[name] for row in rows])
        slope = np.polyfit(np.log(depths), np.log(seconds), 1)[0]
        label = f"{name}: time grows as layers to the power {slope:.1f}"
        series.append(Series(label, depths, (1000 * seconds).tolist(), colour, "solid", marker))
    axes = Axis("layers (log scale)", "log"), Axis("milliseconds (log scale)", "log")
    return Chart("", "Time to all gradients against the number of layers", *axes, tuple(series))


# --- a row for each experiment ----------------------------------------------------------------------------------------


def experiments_chart(labels: Sequence[str], values: Mapping[str, Sequence[Mean | None]], summary: str) -> Chart:
    """Describe the published, reference and own accuracies of each experiment of a list.

    Args:
        labels: The experiments.
        values: A mean accuracy (a fraction) or None for each experiment, by a key of `EXPERIMENT_VALUES`. A key
            without any value is omitted.
        summary: The comparison in words.
    """
    series = [
        _means(name, labels, values[key], colour, marker)
        for key, (name, colour, marker) in EXPERIMENT_VALUES.items()
        if any(values.get(key, ()))
    ]
    return Chart("", summary, Axis("experiment", "rows"), Axis("test accuracy (%)", "percent"), tuple(series))


def sweep_chart(rows: Rows, varied: str) -> Chart:
    """Describe every run of a sweep, with mean and standard deviation of each configuration.

    Args:
        rows: Each with label, published (a fraction, or None) and by measure (final, best, selected) None or a mapping
            of mean, std (None of one run) and values, fractions.
        varied: The varied setting.

    Raises:
        ValueError: If there are no rows.
    """
    if not rows:
        raise ValueError("there is no row to draw")
    labels = [str(row["label"]) for row in rows]
    series = []
    for measure, (name, colour, marker, side) in SWEEP_MEASURES.items():
        if not all(row.get(measure) for row in rows):
            continue
        x = [label for label, row in zip(labels, rows, strict=True) for _ in row[measure]["values"]]
        y = [number(value, 100) for row in rows for value in row[measure]["values"]]
        singles = Series(f"single runs, {name}", x, y, colour, marker=marker, is_pale=True)
        means = _means(name, labels, [(row[measure]["mean"], row[measure]["std"]) for row in rows], colour, marker)
        series += [replace(points, is_minor=measure != "final", side=side) for points in (singles, means)]
    name, colour, marker = EXPERIMENT_VALUES["published"]
    published = [None if row.get("published") is None else (row["published"], None) for row in rows]
    if any(published):
        series.append(_means(name, labels, published, colour, marker))
    results = [f"{label}: {percent(row['final']['mean'])}" for label, row in zip(labels, rows, strict=True)]
    summary = f"Mean test accuracy of the last epoch by {varied}: {'; '.join(results)}"
    return Chart("", summary, Axis(varied, "rows"), Axis("test accuracy (%)", "percent"), tuple(series))


def mean_text(mean: float, std: float | None) -> str:
    """Return a mean and its standard deviation, in percent, as text: `81.70 ± 0.21 %`."""
    return f"{mean:.2f} %" if std is None else f"{mean:.2f} ± {std:.2f} %"


def _means(name: str, labels: Sequence[str], means: Sequence[Mean | None], colour: str, marker: str) -> Series:
    y = [number(mean[0], 100) if mean else None for mean in means]
    errors = [number(mean[1], 100) if mean else None for mean in means]
    return Series(name, labels, y, colour, "", marker, errors if any(error is not None for error in errors) else ())

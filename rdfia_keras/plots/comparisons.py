"""Runs and settings side by side: a table of experiments, a setting over its values, kernels over C, costs."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from rdfia_keras.plots.style import (
    BLUE,
    GREY,
    MAGENTA,
    ORANGE,
    RED,
    SMALL,
    TEAL,
    TEXT,
    WIDTH,
    Rows,
    draw_star,
    keep_to_percents,
    new_figure,
    plain_log_ticks,
    style_axes,
)

KERNEL_COLOURS = {"poly": RED, "rbf": BLUE, "linear": ORANGE, "sigmoid": TEAL, "linearsvc": MAGENTA}
DEGREE_MARKERS = {1: "v", 2: "o", 3: "s", 4: "^", 5: "D"}


def comparison(rows: Rows, title: str) -> Figure:
    """Draw, for each experiment of a list, its best test accuracy beside the published value.

    Args:
        rows: From top to bottom, each with experiment and, or None: best (yours, a fraction), reference (that of the
            package's results), figure (its number), published and base_best (the best without the change).
        title: Data set and setting.

    Returns:
        The figure: a line for each row, in percent.

    Raises:
        ValueError: On no rows.
    """
    if not rows:
        raise ValueError("there is no row to draw")
    figure = new_figure(WIDTH, 1.6 + 0.34 * len(rows), title)
    axes = figure.subplots()
    for height, row in enumerate(rows):
        _draw_experiment(axes, height, row)
    names = [row["experiment"] + (f" (figure {row['figure']})" if row["figure"] else "") for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=TEXT, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("best test accuracy (%)", fontsize=TEXT)
    style_axes(axes)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        list(unique.values()), list(unique), loc="outside lower center", ncols=4, fontsize=SMALL, frameon=False
    )
    return figure


def _draw_experiment(axes: Axes, height: int, row: Mapping[str, Any]) -> None:
    """Draw one row of `comparison` at a height in data coordinates."""
    if row["base_best"] is not None:
        axes.plot([100 * row["base_best"]] * 2, [height - 0.34, height + 0.34], color=TEAL, label="without the change")
    if row["published"] is not None:
        axes.plot(100 * row["published"], height, "D", color=RED, markersize=7, label="published")
    hollow: dict[str, Any] = {"markerfacecolor": "none", "markeredgewidth": 1.5}
    if row["reference"] is not None:
        axes.plot(
            100 * row["reference"], height, "o", color=BLUE, markersize=9, label="reference, best epoch", **hollow
        )
    if row["best"] is not None:
        axes.plot(100 * row["best"], height, "o", color=BLUE, markersize=6, label="yours, best epoch")
    shown = row["reference"] if row["best"] is None else row["best"]
    if shown is not None:
        text = f"{100 * shown:.1f}"
        axes.annotate(text, (1.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=TEXT)


def number(value: float | str) -> str:
    """Format a value for a label.

    Args:
        value: A number, or a text.

    Returns:
        Few digits of a number; a text as it is.
    """
    return value if isinstance(value, str) else f"{value:g}"


def svm_sweep(rows: Rows, title: str) -> Figure:
    """Draw accuracy against C on a log axis (figure 5); red is poly and blue is rbf, as in the homework.

    Args:
        rows: As `rdfia_keras.svm.sweep` gives them: kernel, C, degree, train_accuracy, test_accuracy (fractions).
        title: Data set and setting.

    Returns:
        The figure: for each kernel test solid, train dashed, and a star at the best C.

    Raises:
        ValueError: On no rows, or a C that is not positive.
    """
    if not rows or min(row["C"] for row in rows) <= 0:
        raise ValueError("expected at least one row, each with a positive C")
    curves: dict[str, list[Mapping[str, Any]]] = {}
    for row in rows:
        curves.setdefault(_kernel_name(row), []).append(row)
    figure = new_figure(6.5, 4.0 + 0.1 * len(curves), title)
    axes = figure.subplots()
    for name, chosen in curves.items():
        _draw_kernel(axes, name, sorted(chosen, key=lambda row: row["C"]))
    axes.plot([], [], "--", color=GREY, linewidth=1.2, label="train")
    axes.set_xscale("log")
    plain_log_ticks(axes.xaxis)
    axes.set_xlabel("C (log scale)", fontsize=TEXT)
    axes.set_ylabel("accuracy (%)", fontsize=TEXT)
    keep_to_percents(axes)
    style_axes(axes)
    figure.legend(loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    return figure


def _kernel_name(row: Mapping[str, Any]) -> str:
    """Return the name that a curve of the sweep goes by."""
    return f"poly degree {row['degree']}" if row["kernel"] == "poly" else row["kernel"]


def _draw_kernel(axes: Axes, name: str, rows: Rows) -> None:
    """Draw the curves of one kernel from rows in the order of C."""
    kernel, degree = rows[0]["kernel"], rows[0]["degree"]
    colour = KERNEL_COLOURS.get(kernel, GREY)
    marker = DEGREE_MARKERS.get(degree, "o") if kernel == "poly" else "o"
    costs = [row["C"] for row in rows]
    test = [100 * row["test_accuracy"] for row in rows]
    train = [100 * row["train_accuracy"] for row in rows]
    best = int(np.argmax(test))
    label = f"{name}, test: ★ {test[best]:.1f} % at C {costs[best]:.3g}"
    axes.plot(costs, test, "-", color=colour, marker=marker, markersize=4, label=label)
    axes.plot(costs, train, "--", color=colour, linewidth=1.2)
    draw_star(axes, costs[best], test[best], colour)


def backprop_cost(rows: Rows) -> Figure:
    """Draw the time to all gradients against the number of layers, both on log axes (theory question 12).

    Args:
        rows: Each with layers, backprop and naive (seconds).

    Returns:
        The figure, in milliseconds.
    """
    figure = new_figure(6.0, 4.2, "Gradients of all weights: one by one, and by backprop")
    axes = figure.subplots()
    depths = [row["layers"] for row in rows]
    for key, colour, marker in (("naive", RED, "o"), ("backprop", BLUE, "s")):
        seconds = np.array([row[key] for row in rows])
        slope = np.polyfit(np.log(depths), np.log(seconds), 1)[0]
        label = f"{key}: time grows as layers to the power {slope:.1f}"
        axes.plot(depths, 1000 * seconds, marker=marker, color=colour, label=label)
    axes.set(xscale="log", yscale="log")
    axes.set_xticks(depths, [str(depth) for depth in depths])
    axes.xaxis.set_minor_formatter(NullFormatter())
    plain_log_ticks(axes.yaxis)
    axes.set_xlabel("layers (log scale)", fontsize=TEXT)
    axes.set_ylabel("milliseconds (log scale)", fontsize=TEXT)
    style_axes(axes)
    figure.legend(loc="outside lower center", fontsize=TEXT, frameon=False)
    return figure

"""Scores of a network or of students: confusion, recall and precision, calibration, robustness, exercises."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from rdfia_keras.plots.style import (
    BLUE,
    CHARACTER,
    GREY,
    NAMED,
    ORANGE,
    PALE_GREY,
    RED,
    SMALL,
    TEXT,
    WIDTH,
    legend_below,
    new_figure,
    style_axes,
)
from rdfia_keras.result import percent

MAX_ANNOTATED = 12  # classes; with more, a number does not fit its cell
MAX_LABELLED = 42  # classes; with more, only every second, third, ... name is printed
MAX_NAME = 20  # characters of a class name
FEW = 20  # images; the accuracy of fewer is off by 11 points and more, as standard error at 50 %


def confusion_matrix(matrix: ArrayLike, classes: Sequence[str], title: str) -> Figure:
    """Draw counts (n, n) of examples, by true class in rows and predicted class in columns; a row sums to 100 %."""
    matrix, n = np.asarray(matrix), len(classes)
    # A class without examples is a row of zeros, not 0/0.
    percent = 100 * matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    side = min(7.0, max(2.2, 0.5 * n if n <= MAX_ANNOTATED else 0.17 * n))
    names = [shorten_name(str(name)) for name in classes]
    beside = max(map(len, names)) * CHARACTER * SMALL / 72
    figure = new_figure(side + beside + 1.6, side + beside + 1.0, title)
    axes = figure.subplots()
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    _class_ticks(axes, names)
    if n <= MAX_ANNOTATED:
        _annotate_cells(axes, percent)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("percent of the true class", fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    return figure


def _class_ticks(axes: Axes, names: Sequence[str]) -> None:
    """Name the classes along both axes of a confusion matrix, as many as fit."""
    n = len(names)
    step = -(-n // MAX_LABELLED)
    slanted: dict[str, Any] = {"rotation": 90}
    if n <= MAX_ANNOTATED:
        slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"}
    axes.set_xticks(range(0, n, step), names[::step], fontsize=SMALL, parse_math=False, **slanted)
    axes.set_yticks(range(0, n, step), names[::step], fontsize=SMALL, parse_math=False)
    axes.set_xlabel("predicted class", fontsize=TEXT)
    axes.set_ylabel("true class", fontsize=TEXT)


def _annotate_cells(axes: Axes, percent: np.ndarray) -> None:
    """Print each value (n, n) that is not zero in its cell, white where the cell is dark."""
    for (row, column), value in np.ndenumerate(percent):
        colour = "white" if value > 55 else "black"
        text = f"{value:.0f}" if value else ""
        axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=colour)


def class_scores(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Draw recall and precision, fractions, of each row's class."""
    figure = new_figure(WIDTH * 0.7, 0.32 * len(rows) + 1.5, title)
    axes = figure.subplots()
    places = np.arange(len(rows))
    # Where they are equal, one is a ring around the other.
    looks: dict[str, dict[str, Any]] = {
        "recall": {"color": BLUE, "marker": "o", "markersize": 5},
        "precision": {"color": ORANGE, "marker": "D", "markersize": 10, "fillstyle": "none", "markeredgewidth": 1.5},
    }
    for name, look in looks.items():
        axes.plot([100 * row[name] for row in rows], places, linestyle="none", label=name, clip_on=False, **look)
    between = [sorted((100 * row["recall"], 100 * row["precision"])) for row in rows]
    axes.hlines(places, [low for low, _ in between], [high for _, high in between], color=GREY, linewidth=1, zorder=1)
    axes.set_yticks(places, [shorten_name(str(row["class"])) for row in rows], parse_math=False)
    axes.invert_yaxis()
    style_axes(axes)
    axes.set_xlabel("%; recall is the accuracy on the images of the class", fontsize=TEXT)
    legend_below(figure, columns=2)
    return figure


def reliability(bins: Sequence[Mapping[str, float]], error: float, title: str) -> Figure:
    """Draw a reliability diagram: accuracy against confidence, and how many predictions each bin has.

    Args:
        bins: Each with low, high, count, confidence and accuracy, fractions.
        error: The expected calibration error, a fraction.
        title: Model and data.
    """
    figure = new_figure(5.6, 5.8, f"{title}: expected calibration error {percent(error)}")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1, label="calibrated")
    filled = [row for row in bins if row["count"]]
    for row in filled:
        left, width = 100 * row["low"], 100 * (row["high"] - row["low"])
        is_sure = row["count"] >= FEW
        colour = BLUE if is_sure else PALE_GREY
        upper.bar(left, 100 * row["accuracy"], width, align="edge", color=colour, edgecolor="white")
        gap = 100 * (row["confidence"] - row["accuracy"])
        if is_sure:
            upper.bar(left, gap, width, 100 * row["accuracy"], align="edge", color="none", edgecolor=RED, hatch="///")
    upper.bar(0, 0, color=BLUE, label="accuracy")
    upper.bar(0, 0, color=PALE_GREY, label=f"of fewer than {FEW} images")
    upper.bar(0, 0, color="none", edgecolor=RED, hatch="///", label="from accuracy to confidence")
    upper.set_ylabel("accuracy (%)", fontsize=TEXT)
    upper.set_ylim(0, 102)
    legend_below(figure, columns=2)
    widths = [100 * (row["high"] - row["low"]) for row in bins]
    lefts, counts = [100 * row["low"] for row in bins], [row["count"] for row in bins]
    lower.bar(lefts, counts, widths, align="edge", color=GREY, edgecolor="white")
    lower.yaxis.set_major_locator(MaxNLocator(3, integer=True))
    lower.set_ylabel("images", fontsize=TEXT)
    lower.set_xlabel("confidence: probability of the predicted class (%)", fontsize=TEXT)
    for axes in (upper, lower):
        style_axes(axes)
    return figure


def robustness(curves: Mapping[str, Sequence[tuple[float, float]]], title: str) -> Figure:
    """Draw pairs of the strength of a disturbance and the accuracy (a fraction), a panel for each axis label."""
    figure = new_figure(WIDTH * 0.85, 3.4, title)
    panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    for axes, (label, points), colour in zip(panels, curves.items(), NAMED, strict=False):
        axes.plot([x for x, _ in points], [100 * y for _, y in points], "o-", color=colour)
        axes.set_xlabel(label, fontsize=TEXT)
        axes.set_ylim(0, 102)
        style_axes(axes)
    panels[0].set_ylabel("test accuracy (%)", fontsize=TEXT)
    return figure


def class_bars(rows: Sequence[tuple[str, int, int, int]]) -> Figure:
    """Draw for each row's exercise how many students have it right, wrong and not written."""
    figure = new_figure(WIDTH, 1.6 + 0.24 * len(rows), f"The class, exercise by exercise (n = {sum(rows[0][1:])})")
    axes = figure.subplots()
    begin = [0] * len(rows)
    for column, (label, colour) in enumerate((("right", BLUE), ("wrong", RED), ("not written yet", PALE_GREY)), 1):
        counts = [int(row[column]) for row in rows]
        axes.barh(range(len(rows)), counts, left=begin, color=colour, label=label, height=0.75)
        begin = [sum(pair) for pair in zip(begin, counts, strict=True)]
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=SMALL)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("students", fontsize=TEXT)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style_axes(axes)
    axes.grid(False, axis="y")
    legend_below(figure, columns=3)
    return figure


def shorten_name(name: str) -> str:
    """Cut a name of more than `MAX_NAME` characters."""
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"

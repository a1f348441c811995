"""Many runs in one picture: every trial a point, and the mean curves with their spread."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rdfia_keras.plots.style import (
    BLUE,
    GREY,
    RED,
    SMALL,
    TEXT,
    WIDTH,
    Rows,
    new_figure,
    shades,
    style_axes,
)

# More than these cannot be told apart: the best ones are drawn.
MAX_ROWS, MAX_CURVES = 60, 12


def sweep_points(rows: Rows, title: str) -> Figure:
    """Draw every trial as a point, with mean and sample standard deviation of each configuration.

    Args:
        rows: From top to bottom, each with label; final and best, each with n, mean, std (None of one run) and values
            (fractions); and published (a fraction, or None).
        title: What is varied.

    Returns:
        The figure: a line for each row, in percent; the last epochs below the best ones.

    Raises:
        ValueError: On no rows.
    """
    chosen, title = _chosen(rows, MAX_ROWS, title)
    figure = new_figure(WIDTH, 1.7 + 0.42 * len(chosen), title)
    axes = figure.subplots()
    for height, row in enumerate(chosen):
        _draw_spread(axes, height + 0.16, row["final"], BLUE, "o", "last epoch")
        _draw_spread(axes, height - 0.16, row["best"], GREY, "s", "best epoch")
        if row["published"] is not None:
            axes.plot(100 * row["published"], height, "D", color=RED, markersize=7, label="published")
        counted = f"{100 * row['final']['mean']:.1f}  (n = {row['n']})"
        axes.annotate(counted, (1.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=TEXT)
    axes.set_yticks(range(len(chosen)), [row["label"] for row in chosen], fontsize=TEXT, parse_math=False)
    axes.set_ylim(len(chosen) - 0.4, -0.6)
    axes.set_xlabel("test accuracy (%): each run, mean and standard deviation", fontsize=TEXT)
    style_axes(axes)
    handles, labels = axes.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(
        list(unique.values()), list(unique), loc="outside lower center", ncols=3, fontsize=SMALL, frameon=False
    )
    return figure


def _draw_spread(axes: Axes, height: float, spread: dict, colour: str, marker: str, label: str) -> None:
    values = 100 * np.array(spread["values"], float)
    axes.plot(values, np.full(len(values), height), marker, color=colour, markersize=3.5, alpha=0.45, linestyle="none")
    axes.errorbar(
        [100 * spread["mean"]],
        [height],
        xerr=None if spread["std"] is None else [100 * spread["std"]],
        fmt=marker,
        color=colour,
        markersize=6,
        capsize=3,
        linewidth=1.4,
        label=label,
    )


def sweep_curves(rows: Rows, title: str) -> Figure:
    """Draw the mean test loss and test accuracy of each configuration over the epochs, with a band of one deviation.

    Args:
        rows: Each with label, final (with mean) and curves: (runs, epochs, 4) with train loss (nats), train accuracy (a
            fraction), test loss and test accuracy; NaN where a run has no such epoch.
        title: What is varied.

    Returns:
        The figure of two panels.

    Raises:
        ValueError: On no rows.
    """
    chosen, title = _chosen(rows, MAX_CURVES, title)
    figure = new_figure(WIDTH, 4.4 + 0.18 * len(chosen) / 3, title)
    loss, accuracy = figure.subplots(1, 2)
    for row, colour in zip(chosen, shades(len(chosen)), strict=True):
        for axes, column, scale in ((loss, 2, 1), (accuracy, 3, 100)):
            _draw_band(axes, scale * row["curves"][:, :, column], colour, row["label"])
    loss.set_ylabel("test loss (cross-entropy, nats)", fontsize=TEXT)
    accuracy.set_ylabel("test accuracy (%)", fontsize=TEXT)
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch", fontsize=TEXT)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
        style_axes(axes)
    # A run that overshoots would flatten all others.
    top = max(float(np.nanquantile(row["curves"][:, :, 2], 0.98)) for row in chosen)
    loss.set_ylim(0, min(1.05 * top, 3.0))
    handles, labels = accuracy.get_legend_handles_labels()
    columns = 9 if max(map(len, labels)) < 8 else 3
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=SMALL, frameon=False)
    return figure


def _draw_band(axes: Axes, curves: np.ndarray, colour: object, label: str) -> None:
    """Draw the mean of curves (runs, epochs) and, of two or more, their standard deviation around it."""
    epochs, mean = np.arange(1, curves.shape[1] + 1), np.nanmean(curves, axis=0)
    axes.plot(epochs, mean, color=colour, linewidth=1.4, label=label)
    if len(curves) > 1:
        std = np.nanstd(curves, axis=0, ddof=1)
        axes.fill_between(epochs, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)


def _chosen(rows: Rows, limit: int, title: str) -> tuple[Rows, str]:
    """The rows, or the best ones of too many in the same order, which the title then says."""
    if not rows:
        raise ValueError("there is no row to draw")
    if len(rows) <= limit:
        return rows, title
    best = sorted(rows, key=lambda row: row["final"]["mean"], reverse=True)[:limit]
    kept = {id(row) for row in best}
    return [row for row in rows if id(row) in kept], f"{title} (the best {limit} of {len(rows)} configurations)"

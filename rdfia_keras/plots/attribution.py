"""What a trained network does: predictions and where it looks, calibration, robustness, its first filters."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from rdfia_keras.plots.images import check_images, draw_image, shorten_name
from rdfia_keras.plots.style import (
    BLUE,
    GREY,
    NAMED,
    ORANGE,
    RED,
    SMALL,
    TEXT,
    WIDTH,
    new_figure,
    style_axes,
    wrap,
    wrap_lines,
)

# Values of a map, and its edges on the image in pixels: left, right, bottom, top.
Map = tuple[np.ndarray, tuple[float, float, float, float]]


def prediction_rows(
    images: np.ndarray,
    captions: Sequence[str],
    tops: Sequence[Sequence[tuple[str, float]]],
    maps: Sequence[Map],
    title: str,
) -> Figure:
    """Draw for each image: the image, the image under its map, and bars of the most probable classes.

    Args:
        images: Uint8 (N, H, W, 1 or 3).
        captions: N of them, above the images.
        tops: For each image its classes with their probabilities, the most probable first.
        maps: Where the network looked, N of them.
        title: Model and kind of map.

    Returns:
        The figure, a row for each image.
    """
    images = check_images(images, 4)
    height = 1.25
    figure = new_figure(WIDTH * 0.78, height * len(images) + 0.5, title)
    axes = figure.subplots(len(images), 3, squeeze=False, width_ratios=[1, 1, 2.4])
    for (left, middle, right), image, caption, top, one in zip(axes, images, captions, tops, maps, strict=True):
        draw_image(left, image)
        left.set_axis_off()
        left.set_title(wrap(caption, 1.6, SMALL), fontsize=SMALL, pad=3, parse_math=False)
        _draw_overlay(middle, image, one)
        _draw_bars(right, top)
    return figure


def _draw_overlay(axes: Axes, image: np.ndarray, one: Map, signed: bool = False) -> None:
    """An image in grey under its map; a signed map is red where positive and blue where negative."""
    values, extent = one
    axes.imshow(image.mean(axis=-1), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    limits = axes.get_xlim(), axes.get_ylim()
    top = max(float(np.abs(values).max()), 1e-12)
    colours: dict[str, Any] = {"cmap": "inferno", "vmin": 0, "vmax": top, "alpha": 0.55}
    if signed:
        colours = {"cmap": "RdBu_r", "vmin": -top, "vmax": top, "alpha": 0.6}
    axes.imshow(values, extent=extent, interpolation="bilinear", **colours)
    axes.set(xlim=limits[0], ylim=limits[1])
    axes.set_axis_off()


def _draw_bars(axes: Axes, top: Sequence[tuple[str, float]]) -> None:
    places = range(len(top))
    values = [100 * value for _, value in top]
    axes.barh(places, values, color=[BLUE, *[GREY] * (len(top) - 1)], height=0.7)
    for place, value in zip(places, values, strict=True):
        axes.text(value + 1.5, place, f"{value:.1f} %", va="center", fontsize=SMALL)
    axes.set_yticks(places, [shorten_name(name) for name, _ in top], fontsize=SMALL, parse_math=False)
    axes.set(xlim=(0, 118), ylim=(len(top) - 0.4, -0.6))
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def attribution_grid(
    images: np.ndarray, captions: Sequence[str], columns: Mapping[str, Sequence[Map]], title: str
) -> Figure:
    """Draw images in rows and beside each its maps of several kinds; occlusion's are signed.

    Args:
        images: Uint8 (N, H, W, 1 or 3).
        captions: N of them.
        columns: By the heading: N maps. A heading with "occlusion" has maps of both signs.
        title: Model and data.
    """
    images = check_images(images, 4)
    cell = 1.4
    figure = new_figure(max(4.2, cell * (1 + len(columns)) * 1.15), 1.25 * cell * len(images) + 0.7, title)
    axes = figure.subplots(len(images), 1 + len(columns), squeeze=False)
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        draw_image(axes[number, 0], image)
        axes[number, 0].set_axis_off()
        axes[number, 0].set_title(wrap_lines(caption, cell, SMALL), fontsize=SMALL, pad=3, parse_math=False)
        for axis, (heading, maps) in zip(axes[number, 1:], columns.items(), strict=True):
            _draw_overlay(axis, image, maps[number], signed="occlusion" in heading)
            if not number:
                axis.set_title(wrap(heading, cell, SMALL), fontsize=SMALL, pad=3)
    return figure


def class_scores(rows: Sequence[Mapping[str, Any]], title: str) -> Figure:
    """Draw recall and precision of each class.

    Args:
        rows: Each with class, recall and precision, fractions.
        title: Model and data.
    """
    figure = new_figure(WIDTH * 0.7, 0.32 * len(rows) + 1.5, title)
    axes = figure.subplots()
    places = np.arange(len(rows))
    for name, colour, marker in (("recall", BLUE, "o"), ("precision", ORANGE, "D")):
        axes.plot([100 * row[name] for row in rows], places, marker, color=colour, label=name, linestyle="none")
    between = [sorted((100 * row["recall"], 100 * row["precision"])) for row in rows]
    axes.hlines(places, [low for low, _ in between], [high for _, high in between], color=GREY, linewidth=1, zorder=1)
    axes.set_yticks(places, [shorten_name(str(row["class"])) for row in rows], parse_math=False)
    axes.invert_yaxis()
    style_axes(axes)
    axes.set_xlabel("%; recall is the accuracy on the images of the class", fontsize=TEXT)
    figure.legend(loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    return figure


def reliability(bins: Sequence[Mapping[str, float]], error: float, title: str) -> Figure:
    """Draw a reliability diagram: accuracy against confidence, and how many predictions each bin has.

    Args:
        bins: Each with low, high, count, confidence and accuracy, fractions.
        error: The expected calibration error, a fraction.
        title: Model and data.
    """
    figure = new_figure(5.6, 5.8, f"{title}: expected calibration error {100 * error:.1f} %")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    upper.plot([0, 100], [0, 100], color=GREY, linestyle="--", linewidth=1, label="calibrated")
    filled = [row for row in bins if row["count"]]
    for row in filled:
        left, width = 100 * row["low"], 100 * (row["high"] - row["low"])
        upper.bar(left, 100 * row["accuracy"], width, align="edge", color=BLUE, edgecolor="white")
        gap = 100 * (row["confidence"] - row["accuracy"])
        upper.bar(left, gap, width, 100 * row["accuracy"], align="edge", color="none", edgecolor=RED, hatch="///")
    upper.bar(0, 0, color=BLUE, label="accuracy")
    upper.bar(0, 0, color="none", edgecolor=RED, hatch="///", label="from accuracy to confidence")
    upper.set_ylabel("accuracy (%)", fontsize=TEXT)
    upper.set_ylim(0, 102)
    figure.legend(loc="outside lower center", ncols=3, fontsize=SMALL, frameon=False)
    widths = [100 * (row["high"] - row["low"]) for row in bins]
    lefts, counts = [100 * row["low"] for row in bins], [row["count"] for row in bins]
    lower.bar(lefts, counts, widths, align="edge", color=GREY, edgecolor="white")
    lower.set_ylabel("images", fontsize=TEXT)
    lower.set_xlabel("confidence: probability of the predicted class (%)", fontsize=TEXT)
    for axes in (upper, lower):
        style_axes(axes)
    return figure


def filter_grid(kernels: np.ndarray, title: str) -> Figure:
    """Draw the filters of a first convolution, each stretched to its own range about grey.

    Args:
        kernels: Float (k, k, 1 or 3, n).
        title: Model and layer.
    """
    count = kernels.shape[-1]
    columns = min(8, count)
    rows = -(-count // columns)
    figure = new_figure(max(3.5, 0.85 * columns), 0.85 * rows + 0.6, title)
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, kernel in zip(axes.flat, np.moveaxis(kernels, -1, 0), strict=False):
        top = max(float(np.abs(kernel).max()), 1e-12)
        draw_image(axis, np.round(127.5 * (1 + kernel / top)).astype(np.uint8))
    return figure


def robustness(curves: Mapping[str, Sequence[tuple[float, float]]], title: str) -> Figure:
    """Draw accuracy against the strength of a disturbance, a panel for each kind.

    Args:
        curves: By the axis label: pairs of strength and accuracy (a fraction).
        title: Model, data and number of images.
    """
    figure = new_figure(WIDTH * 0.85, 3.4, title)
    panels = figure.subplots(1, len(curves), squeeze=False, sharey=True)[0]
    for axes, (label, points), colour in zip(panels, curves.items(), NAMED, strict=False):
        axes.plot([x for x, _ in points], [100 * y for _, y in points], "o-", color=colour)
        axes.set_xlabel(label, fontsize=TEXT)
        axes.set_ylim(0, 102)
        style_axes(axes)
    panels[0].set_ylabel("test accuracy (%)", fontsize=TEXT)
    return figure

"""Images in rows: mistakes, augmentation, receptive fields, maps of scores, predictions and attribution."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from rdfia_keras.plots.charts import Rows
from rdfia_keras.plots.scores import shorten_name
from rdfia_keras.plots.style import BLUE, GREY, SMALL, TEXT, WIDTH, new_figure, shades, wrap, wrap_lines
from rdfia_keras.result import percent

MAX_PIXELS = 100_000  # of images in one figure; even noise is then a file within `saving.MAX_BYTES`
# Values of maps (N, rows, columns), and their edges on each image in pixels: left, right, bottom, top.
Maps = tuple[np.ndarray, tuple[float, float, float, float]]


def image_grid(images: np.ndarray, captions: Sequence[str], columns: int, title: str) -> Figure:
    """Draw images in rows, each under its caption: the worst mistakes, for example, as `cat → dog 99 %`.

    The images are uint8, or floats of [0, 255] (clipped), of shape (N, height, width, 1 or 3). Large ones are averaged
    down to `MAX_PIXELS` pixels in all.
    """
    images = _pixels(images)
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    cell = min(1.35, WIDTH / columns)
    wrapped = [wrap(caption, cell, SMALL) for caption in captions]
    height, width = images.shape[1:3]
    caption_height = (1 + max(text.count("\n") for text in wrapped)) * SMALL * 1.3 / 72
    row_height = cell * height / width + caption_height + 0.1
    figure = new_figure(max(3.5, columns * cell), rows * row_height + 0.4, title)
    images = _thumbnails(images, len(images))
    axes = _empty_axes(figure, rows, columns)
    for axis, image, caption in zip(axes.flat, images, wrapped, strict=False):
        _draw_image(axis, image, caption)
    return figure


def augmentation_grid(originals: np.ndarray, augmented: np.ndarray, title: str, *, names: Sequence[str] = ()) -> Figure:
    """Draw in each row an image at the left, then versions of it as in training (figure 12's subject).

    Args:
        originals: uint8, or floats of [0, 255], of shape (N, height, width, 1 or 3).
        augmented: (N, K, height, width, channels), where a crop may be smaller than its original.
        title: Data set and the transformations.
        names: Names of the K versions, if each is of another kind.
    """
    originals, augmented = _pixels(originals), _pixels(augmented)
    rows, versions = augmented.shape[:2]
    count = rows * (versions + 1)
    originals, augmented = _thumbnails(originals, count), _thumbnails(augmented, count)
    cell = min(1.1, WIDTH / (versions + 1))
    figure = new_figure(max(3.5, cell * (versions + 1)), cell * rows + 0.9, title)
    axes = _empty_axes(figure, rows, versions + 1)
    for row, original, versions_of_it in zip(axes, originals, augmented, strict=True):
        for axis, image in zip(row, [original, *versions_of_it], strict=True):
            _draw_image(axis, image)
    axes[0, 0].set_title("original", fontsize=SMALL, fontweight="bold", pad=4)
    for number, axis in enumerate(axes[0, 1:]):
        axis.set_title(names[number] if names else f"version {number + 1}", fontsize=SMALL, pad=4)
    return figure


def receptive_fields(image: np.ndarray, rows: Rows) -> Figure:
    """Draw a square on an image for each layer: the pixels that its middle neuron depends on (question 7's subject).

    Args:
        image: uint8 (height, width, 1 or 3).
        rows: The layers from first to last, each with layer, side (pixels) and begin (the first of them).
    """
    title = f"Seen by each layer's middle neuron, {image.shape[0]}x{image.shape[1]} and padding"
    figure = new_figure(6.2, 5.2, title)
    axes = figure.subplots()
    _draw_image(axes, _pixels(image))
    for row, colour in zip(rows, shades(len(rows)), strict=True):
        corner = row["begin"] - 0.5
        label = f"{row['layer']}: {row['side']} x {row['side']}"
        square = Rectangle((corner, corner), row["side"], row["side"], fill=False, edgecolor=colour, linewidth=2.5)
        square.set_label(label)
        axes.add_patch(square)
    low = min(0, *(row["begin"] for row in rows)) - 1
    high = max(image.shape[1], *(row["begin"] + row["side"] for row in rows))
    axes.set(xlim=(low, high), ylim=(high, low))
    axes.set_axis_off()
    figure.legend(loc="outside right center", fontsize=TEXT, frameon=False)
    return figure


def score_maps(image: np.ndarray, scores: np.ndarray, classes: Sequence[str], title: str) -> Figure:
    """Draw an image larger than the training images, and a map of each class's probability (question 6's subject).

    The image is uint8 (H, W, 1 or 3); the scores are probabilities (rows, columns, n_y).
    """
    rows = -(-(len(classes) + 1) // 4)
    figure = new_figure(WIDTH, 2.1 * rows + 0.6, title)
    axes = _empty_axes(figure, rows, 4).ravel()
    _draw_image(axes[0], _pixels(image), "image")
    for axis, name, score in zip(axes[1:], classes, np.moveaxis(scores, -1, 0), strict=False):
        mappable = axis.imshow(score, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        label = f"{shorten_name(str(name))}: {percent(score.mean(), 0)}"
        axis.set_title(label, fontsize=TEXT, parse_math=False)
    bar = figure.colorbar(mappable, ax=axes.tolist(), shrink=0.7)
    bar.set_label("probability; in the titles its average", fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    return figure


def prediction_rows(
    images: np.ndarray,
    captions: Sequence[str],
    tops: Sequence[Sequence[tuple[str, float]]],
    maps: Maps,
    title: str,
) -> Figure:
    """Draw for each image: the image, the image under its map, and bars of the most probable classes.

    Args:
        images: Uint8 (N, H, W, 1 or 3).
        captions: A caption above each image.
        tops: The classes of each image with their probabilities, the most probable first.
        maps: An attribution map for each image.
        title: Model and kind of map.
    """
    images = _pixels(images)
    figure = new_figure(WIDTH * 0.78, 1.25 * len(images) + 0.5, title)
    axes = figure.subplots(len(images), 3, squeeze=False, width_ratios=[1, 1, 2.4])
    values, extent = maps
    for (left, middle, right), image, caption, top, heat in zip(axes, images, captions, tops, values, strict=True):
        left.set_axis_off()
        middle.set_axis_off()
        _draw_image(left, image, wrap(caption, 1.6, SMALL))
        _draw_overlay(middle, image, heat, extent)
        _draw_bars(right, top)
    return figure


def _draw_overlay(
    axes: Axes, image: np.ndarray, values: np.ndarray, extent: tuple[float, float, float, float], signed: bool = False
) -> None:
    """Draw an image in grey under its map; a signed map is red where positive and blue where negative."""
    axes.imshow(image.mean(axis=-1), cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    limits = axes.get_xlim(), axes.get_ylim()
    top = max(float(np.abs(values).max()), 1e-12)
    colours: dict[str, Any] = {"cmap": "inferno", "vmin": 0, "vmax": top, "alpha": 0.55}
    if signed:
        colours = {"cmap": "RdBu_r", "vmin": -top, "vmax": top, "alpha": 0.6}
    axes.imshow(values, extent=extent, interpolation="bilinear", **colours)
    axes.set(xlim=limits[0], ylim=limits[1])


def _draw_bars(axes: Axes, top: Sequence[tuple[str, float]]) -> None:
    """Draw a bar for each class and its probability."""
    places = range(len(top))
    values = [100 * value for _, value in top]
    axes.barh(places, values, color=[BLUE, *[GREY] * (len(top) - 1)], height=0.7)
    for place, value in zip(places, values, strict=True):
        axes.text(value + 1.5, place, percent(value / 100), va="center", fontsize=SMALL)
    axes.set_yticks(places, [shorten_name(name) for name, _ in top], fontsize=SMALL, parse_math=False)
    axes.set(xlim=(0, 118), ylim=(len(top) - 0.4, -0.6))
    axes.set_xticks([])
    axes.spines[["top", "right", "bottom"]].set_visible(False)


def attribution_grid(images: np.ndarray, captions: Sequence[str], columns: Mapping[str, Maps], title: str) -> Figure:
    """Draw images, uint8 (N, H, W, 1 or 3), in rows and beside each its maps of several kinds, by heading.

    Under a heading with "occlusion" maps have both signs.
    """
    images = _pixels(images)
    cell = 1.4
    figure = new_figure(max(4.2, cell * (1 + len(columns)) * 1.15), 1.25 * cell * len(images) + 0.7, title)
    axes = _empty_axes(figure, len(images), 1 + len(columns))
    for number, (image, caption) in enumerate(zip(images, captions, strict=True)):
        _draw_image(axes[number, 0], image, wrap_lines(caption, cell, SMALL))
        for axis, (heading, (values, extent)) in zip(axes[number, 1:], columns.items(), strict=True):
            _draw_overlay(axis, image, values[number], extent, signed="occlusion" in heading)
            if not number:
                axis.set_title(wrap(heading, cell, SMALL), fontsize=SMALL, pad=3)
    return figure


def filter_grid(kernels: np.ndarray, title: str) -> Figure:
    """Draw the filters of a first convolution, float (k, k, 1 or 3, n), each stretched to its own range about grey."""
    columns = min(8, kernels.shape[-1])
    rows = -(-kernels.shape[-1] // columns)
    figure = new_figure(max(3.5, 0.85 * columns), 0.85 * rows + 0.6, title)
    axes = _empty_axes(figure, rows, columns)
    for axis, kernel in zip(axes.flat, np.moveaxis(kernels, -1, 0), strict=False):
        top = max(float(np.abs(kernel).max()), 1e-12)
        _draw_image(axis, np.round(127.5 * (1 + kernel / top)).astype(np.uint8))
    return figure


def _pixels(images: np.ndarray) -> np.ndarray:
    """Return images as uint8, clipped to [0, 255]."""
    return np.clip(np.round(images), 0, 255).astype(np.uint8)


def _thumbnails(images: np.ndarray, count: int) -> np.ndarray:
    """Reduce images (..., height, width, channels) by a whole factor where `count` of them need too large a file."""
    *rest, height, width, channels = images.shape
    factor = min(height, width, int(np.ceil(np.sqrt(count * height * width / MAX_PIXELS))))
    height, width = height // factor, width // factor
    blocks = images[..., : height * factor, : width * factor, :].reshape(*rest, height, factor, width, factor, channels)
    return np.round(blocks.mean(axis=(-4, -2))).astype(np.uint8)


def _empty_axes(figure: Figure, rows: int, columns: int) -> np.ndarray:
    """Return a grid of axes, (rows, columns), without lines and ticks."""
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    return axes


def _draw_image(axes: Axes, image: np.ndarray, caption: str = "") -> None:
    """Draw an image (height, width, 1 or 3) of uint8, pixel by pixel, under its caption."""
    if image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(image, interpolation="nearest")
    axes.set_title(caption, fontsize=SMALL, pad=3, parse_math=False)

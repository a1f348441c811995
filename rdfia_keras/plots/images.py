"""Matrices and images: confusion, mistakes, augmentation, receptive fields, maps of scores."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import ArrayLike

from rdfia_keras.plots.style import CHARACTER, SMALL, TEXT, WIDTH, Rows, new_figure, shades, wrap

MAX_ANNOTATED = 12  # classes; with more, a number does not fit its cell
MAX_LABELLED = 42  # classes; with more, only every second, third, ... name is printed
MAX_PIXELS = 100_000  # of images in one figure; even noise is then a file within `saving.MAX_BYTES`
MAX_NAME = 20  # characters of a class name beside a confusion matrix


def confusion_matrix(matrix: ArrayLike, classes: Sequence[str], title: str, *, counts: bool = False) -> Figure:
    """Draw what the examples of each class were taken for; every row sums to 100 %.

    Args:
        matrix: Counts, (n, n): row is the true class, column the predicted one.
        classes: n names.
        title: Data set and setting.
        counts: Print counts in the cells (of at most 12 classes) instead of percents of the row.

    Returns:
        The figure, coloured by the percent of the true class.

    Raises:
        ValueError: When the matrix is not square, not of as many classes, or holds something negative or not finite.
    """
    matrix = np.asarray(matrix)
    n = len(classes)
    if matrix.shape != (n, n) or n == 0:
        raise ValueError(f"the matrix has shape {matrix.shape} for {n} classes")
    if not (np.isfinite(matrix).all() and matrix.min() >= 0):
        raise ValueError("the matrix holds something that is no count")
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
        _annotate_cells(axes, matrix if counts else percent, percent)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("percent of the true class", fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    return figure


def image_grid(images: np.ndarray, captions: Sequence[str], columns: int, title: str) -> Figure:
    """Draw images in rows, each under its caption: the worst mistakes, for example, as `cat → dog 99 %`.

    Args:
        images: uint8, or floats of [0, 255] (clipped), of shape (N, height, width, 1 or 3).
        captions: N of them; long ones are wrapped.
        columns: Images in a row.
        title: Data set and setting.

    Returns:
        The figure; large images are averaged down to `MAX_PIXELS` pixels in all.

    Raises:
        ValueError: On another shape, no images, pixels that are not finite, or another number of captions.
    """
    images = check_images(images, 4)
    if len(captions) != len(images) or columns < 1:
        raise ValueError(f"{len(images)} images, {len(captions)} captions and {columns} columns do not fit")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    cell = min(1.35, WIDTH / columns)
    wrapped = [wrap(caption, cell, SMALL) for caption in captions]
    height, width = images.shape[1:3]
    caption_height = (1 + max(text.count("\n") for text in wrapped)) * SMALL * 1.3 / 72
    row_height = cell * height / width + caption_height + 0.1
    figure = new_figure(max(3.5, columns * cell), rows * row_height + 0.4, title)
    images = _thumbnails(images, len(images))
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, caption in zip(axes.flat, images, wrapped, strict=False):
        draw_image(axis, image)
        axis.set_title(caption, fontsize=SMALL, pad=3, parse_math=False)
    return figure


def augmentation_grid(originals: np.ndarray, augmented: np.ndarray, title: str, *, names: Sequence[str] = ()) -> Figure:
    """Draw in each row an image at the left, then versions of it as training sees them (figure 12's subject).

    Args:
        originals: uint8, or floats of [0, 255], of shape (N, height, width, 1 or 3).
        augmented: (N, K, height, width, channels), where a crop may be smaller than its original.
        title: Data set and the transformations.
        names: Of the K versions, where each is of another kind.

    Returns:
        The figure of N rows and K + 1 columns.

    Raises:
        ValueError: On other shapes, nothing to show, or pixels that are not finite.
    """
    originals, augmented = check_images(originals, 4), check_images(augmented, 5)
    if len(originals) != len(augmented):
        raise ValueError(f"{len(originals)} originals, but augmented versions of {len(augmented)}")
    rows, versions = augmented.shape[:2]
    shown = rows * (versions + 1)
    originals, augmented = _thumbnails(originals, shown), _thumbnails(augmented, shown)
    cell = min(1.1, WIDTH / (versions + 1))
    figure = new_figure(max(3.5, cell * (versions + 1)), cell * rows + 0.9, title)
    axes = figure.subplots(rows, versions + 1, squeeze=False)
    for row in range(rows):
        for axis, image in zip(axes[row], [originals[row], *augmented[row]], strict=True):
            draw_image(axis, image)
            axis.set_axis_off()
    for column, axis in enumerate(axes[0]):
        version = names[column - 1] if names and column else f"version {column}"
        name, weight = (version, "normal") if column else ("original", "bold")
        axis.set_title(name, fontsize=SMALL, fontweight=weight, pad=4)
    return figure


def receptive_fields(image: np.ndarray, rows: Rows) -> Figure:
    """Draw the pixels that the middle neuron of each layer depends on, on an image (question 7's subject).

    Args:
        image: uint8 (height, width, 1 or 3).
        rows: From the first layer to the last, each with layer, side (pixels) and begin (the first of them).

    Returns:
        The figure: a square for each layer.

    Raises:
        ValueError: On an image of another shape.
    """
    title = f"Seen by each layer's middle neuron, {image.shape[0]}x{image.shape[1]} and padding"
    figure = new_figure(6.2, 5.2, title)
    axes = figure.subplots()
    draw_image(axes, check_images(image[None], 4)[0])
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
    """Draw an image larger than those learnt from, and a map of each class's probability (question 6's subject).

    Args:
        image: uint8 (H, W, 1 or 3).
        scores: Probabilities (rows, columns, n_y).
        classes: n_y names.
        title: Data set and setting.

    Returns:
        The figure; each class's title has its average probability in percent.

    Raises:
        ValueError: On an image of another shape.
    """
    count = len(classes)
    columns = 4
    rows = -(-(count + 1) // columns)
    figure = new_figure(WIDTH, 2.1 * rows + 0.6, title)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    draw_image(axes[0], check_images(image[None], 4)[0])
    axes[0].set_title("image", fontsize=TEXT)
    for label, axis in enumerate(axes[1 : count + 1]):
        mappable = axis.imshow(scores[..., label], cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        average = 100 * scores[..., label].mean()
        axis.set_title(f"{shorten_name(str(classes[label]))}: {average:.0f} %", fontsize=TEXT, parse_math=False)
    bar = figure.colorbar(mappable, ax=axes.tolist(), shrink=0.7)
    bar.set_label("probability; in the titles its average", fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    return figure


def shorten_name(name: str) -> str:
    """Cut a name of more than `MAX_NAME` characters."""
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


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


def _annotate_cells(axes: Axes, shown: np.ndarray, percent: np.ndarray) -> None:
    """Print each value (n, n) that is not zero in its cell, white where the cell is dark."""
    for (row, column), value in np.ndenumerate(shown):
        colour = "white" if percent[row, column] > 55 else "black"
        text = f"{value:.0f}" if value else ""
        axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=colour)


def check_images(images: np.ndarray, dimensions: int) -> np.ndarray:
    """Return the images as uint8, clipped to [0, 255], or raise a ValueError."""
    images = np.asarray(images)
    if images.ndim != dimensions or images.shape[-1] not in (1, 3) or images.size == 0:
        wanted = "(N, height, width, 1 or 3)" if dimensions == 4 else "(N, K, height, width, 1 or 3)"
        raise ValueError(f"images have shape {images.shape}; expected {wanted}")
    if not np.isfinite(images).all():
        raise ValueError("images hold pixels that are not finite")
    return np.clip(np.round(images), 0, 255).astype(np.uint8)


def _thumbnails(images: np.ndarray, count: int) -> np.ndarray:
    """Reduce images (..., height, width, channels) by a whole factor where `count` of them need too large a file."""
    *rest, height, width, channels = images.shape
    factor = min(height, width, int(np.ceil(np.sqrt(count * height * width / MAX_PIXELS))))
    height, width = height // factor, width // factor
    blocks = images[..., : height * factor, : width * factor, :].reshape(*rest, height, factor, width, factor, channels)
    return np.round(blocks.mean(axis=(-4, -2))).astype(np.uint8)


def draw_image(axes: Axes, image: np.ndarray) -> None:
    """Draw an image (height, width, 1 or 3) of uint8, pixel by pixel."""
    if image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(image, interpolation="nearest")

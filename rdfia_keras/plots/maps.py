"""Maps of the plane: the output of a classifier of two classes at every point, and the test points."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from rdfia_keras.plots.charts import Rows
from rdfia_keras.plots.png import mark_smoke_test
from rdfia_keras.plots.style import BLUE, RED, SMALL, TEXT, TITLE, WIDTH, legend_below, new_figure
from rdfia_keras.result import percent

# Pale at both ends, so that points in full colour stay visible on top.
CLASS_MAP = LinearSegmentedColormap.from_list("classes", ["#7FBBDD", "#FFFFFF", "#F0A898"])
CLASS_COLOURS, CLASS_MARKERS = (BLUE, RED), ("o", "^")
ANIMATION_MS = 80  # a frame
ANIMATION_DPI = 120


def map_axis(points: ArrayLike) -> np.ndarray:
    """Return the coordinates of a map's columns and rows: a square around all points (N, 2), [-2, 2]² at least."""
    reach = max(2.0, 1.1 * float(np.abs(points).max()))
    return np.linspace(-reach, reach, 41)


def decision_map(panels: Rows, classes: Sequence[str], *, title: str = "") -> Figure:
    """Draw the perceptron's map of the plane: the probability of class 1, the boundary at 0.5, and the test points.

    Args:
        panels: One to four, each with title, grid_x (n,), grid_y (m,), probability (m, n) of class 1 in [0, 1], points
            (N, 2) and labels (N,) of 0 and 1.
        classes: The names of class 0 and class 1.
        title: Data set and setting.
    """
    figure, axes = _map_axes(len(panels), title)
    for axis, panel in zip(axes, panels, strict=True):
        mappable = _draw_map(axis, panel, panel["probability"], low=0, high=1)
        _draw_boundary(axis, panel, panel["probability"], 0.5)
        _draw_points(axis, panel, classes)
        axis.set_title(panel["title"], fontsize=TITLE, parse_math=False)
    bar = figure.colorbar(mappable, ax=axes, shrink=0.8, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label(f"probability: {classes[1]}", fontsize=TEXT, parse_math=False)
    _map_legend(figure, axes, "boundary, probability 0.5")
    return figure


def decision_animation(frames: Rows, classes: Sequence[str], title: str, *, smoke_test: bool = False) -> bytes:
    """Draw the decision map epoch by epoch as a GIF, with a long last frame; mark every frame of a smoke test.

    The frames are as `decision_map`'s panels, all of one grid and one set of points.
    """
    from PIL import Image

    figure, (axis,) = _map_axes(1, title)
    if smoke_test:
        mark_smoke_test(figure)
    mappable = _draw_map(axis, frames[0], frames[0]["probability"], low=0, high=1)
    _draw_points(axis, frames[0], classes)
    _map_legend(figure, [axis], "boundary, probability 0.5")
    figure.set_dpi(ANIMATION_DPI)
    canvas = FigureCanvasAgg(figure)
    pictures = []
    for frame in frames:
        values = frame["probability"]
        mappable.set_array(values)
        axis.set_title(frame["title"], fontsize=TITLE, parse_math=False)
        boundary = _draw_boundary(axis, frame, values, 0.5)
        canvas.draw()
        picture = Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3])
        pictures.append(picture.quantize(64, dither=Image.Dither.NONE))
        if boundary:
            boundary.remove()
    data = io.BytesIO()
    durations = [ANIMATION_MS] * (len(pictures) - 1) + [25 * ANIMATION_MS]
    pictures[0].save(data, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return data.getvalue()


def svm_panels(panels: Rows, *, classes: Sequence[str] = ("0", "1"), title: str = "") -> Figure:
    """Draw the decision values of one to four machines, their boundaries and the test points (figure 4).

    C changes the size of the values a hundredfold, so they are scaled panel by panel, and each sign by itself: full
    colour is the 90th percentile of |value|.

    Args:
        panels: Each with title (kernel and C), accuracy (test, a fraction), grid_x (n,), grid_y (m,), decision (m, n),
            points (N, 2) and labels (N,) of 0 and 1.
        classes: The names of class 0 (negative) and class 1 (positive).
        title: Data set and setting.
    """
    figure, axes = _map_axes(len(panels), title)
    for axis, panel in zip(axes, panels, strict=True):
        mappable = _draw_map(axis, panel, _scale_signs(panel["decision"]), low=-1, high=1)
        # From the unscaled values: two scales would bend the line between the grid's points.
        _draw_boundary(axis, panel, panel["decision"], 0)
        _draw_points(axis, panel, classes)
        axis.set_title(f"{panel['title']}: test {percent(panel['accuracy'])}", fontsize=TITLE, parse_math=False)
    bar = figure.colorbar(mappable, ax=axes, shrink=0.8, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels([f"− ({classes[0]})", "0", f"+ ({classes[1]})"], fontsize=SMALL, parse_math=False)
    bar.set_label("decision value, scaled in each panel", fontsize=TEXT)
    _map_legend(figure, axes, "boundary, decision value 0")
    return figure


def _scale_signs(decision: np.ndarray) -> np.ndarray:
    """Scale decision values to [-1, 1], with zero unchanged."""
    decision = np.asarray(decision, dtype=float)
    scaled = np.zeros_like(decision)
    for side in (decision > 0, decision < 0):
        if side.any():
            scaled[side] = decision[side] / np.quantile(np.abs(decision[side]), 0.9)
    return np.clip(scaled, -1, 1)


def _map_axes(count: int, title: str) -> tuple[Figure, list[Axes]]:
    """Create a figure for one to four maps."""
    rows, columns = (2, 2) if count == 4 else (1, count)
    figure = new_figure(min(WIDTH, 3.2 * columns + 1.4), 3.2 * rows + 0.9, title)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axis in axes[-1]:
        axis.set_xlabel("x₁", fontsize=TEXT)
    for axis in axes[:, 0]:
        axis.set_ylabel("x₂", fontsize=TEXT)
    return figure, list(axes.flat)


def _draw_map(axes: Axes, panel: Mapping[str, Any], values: np.ndarray, low: float, high: float) -> QuadMesh:
    """Draw values (m, n) over the panel's grid, coloured from `low` to `high`."""
    x, y = np.asarray(panel["grid_x"]), np.asarray(panel["grid_y"])
    mappable = axes.pcolormesh(x, y, values, cmap=CLASS_MAP, vmin=low, vmax=high, shading="nearest")
    axes.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), aspect="equal")
    # Few ticks: the last of one panel stands beside the first of the next.
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=SMALL)
    return mappable


def _draw_boundary(axes: Axes, panel: Mapping[str, Any], values: np.ndarray, level: float) -> ContourSet | None:
    """Draw the line where the values (m, n) pass a level; None where they never do, as contour would warn."""
    if not np.min(values) < level < np.max(values):
        return None
    return axes.contour(panel["grid_x"], panel["grid_y"], values, levels=[level], colors="black", linewidths=1.5)


def _draw_points(axes: Axes, panel: Mapping[str, Any], classes: Sequence[str]) -> None:
    """Draw the test points, each class in a colour and a marker of its own."""
    points, labels = np.asarray(panel["points"]), np.asarray(panel["labels"])
    for label, name in enumerate(classes):
        axes.plot(
            *points[labels == label].T,
            CLASS_MARKERS[label],
            color=CLASS_COLOURS[label],
            markeredgecolor="white",
            markeredgewidth=0.5,
            markersize=5,
            label=f"test, {name}",
        )


def _map_legend(figure: Figure, axes: Sequence[Axes], boundary: str) -> None:
    """Put the legend of points and boundary under all maps."""
    handles, labels = axes[0].get_legend_handles_labels()
    (line,) = axes[0].plot([], [], "-", color="black", linewidth=1.5)
    legend_below(figure, 3 if len(axes) > 1 else 1, TEXT, handles=[*handles, line], labels=[*labels, boundary])

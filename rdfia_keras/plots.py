"""Figures from records and arrays; nothing here trains, and nothing is shared between two figures.

Every function returns a `matplotlib.figure.Figure` for `save`. Accuracies come as fractions and are drawn in percent.
In curves the test set is solid and the training set dashed, so that colour never carries that alone. All colours
are of Paul Tol's "vibrant" scheme, which colour-blind readers can tell apart.
"""

import io
import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import QuadMesh
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.contour import ContourSet
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import FuncFormatter, MaxNLocator, NullFormatter

QUICK_MARK = "QUICK run: not a result"
MAX_BYTES = 150_000

# Points, at the size a page shows the figure: figures are at most `WIDTH` inches wide so as not to be shrunk.
SMALL, TEXT, TITLE = 8.5, 9.5, 11.0
WIDTH = 9.0
CHARACTER = 0.62  # the width of one, in font sizes
DPIS = (120, 100, 80)

BLUE, RED, ORANGE, TEAL, MAGENTA, GREY = "#0077BB", "#CC3311", "#EE7733", "#009988", "#EE3377", "#555555"
# Pale at both ends, so that points in full colour stay visible on top.
CLASS_MAP = LinearSegmentedColormap.from_list("classes", ["#7FBBDD", "#FFFFFF", "#F0A898"])
# From one end to the other in lightness as well, so that an order can be read without colours.
SHADES = colormaps["viridis"]
CLASS_COLOURS, CLASS_MARKERS = (BLUE, RED), ("o", "^")
CURVES = {"train": (BLUE, "--"), "test": (RED, "-")}
KERNEL_COLOURS = {"poly": RED, "rbf": BLUE, "linear": ORANGE, "sigmoid": TEAL, "linearsvc": MAGENTA}
DEGREE_MARKERS = {1: "v", 2: "o", 3: "s", 4: "^", 5: "D"}

ANIMATION_MS = 80  # a frame
MAX_MARKED = 30  # epochs; with more, markers would hide their own line
MAX_ANNOTATED = 12  # classes; with more, a number does not fit its cell
MAX_LABELLED = 42  # classes; with more, only every second, third, ... name is printed
MAX_PIXELS = 100_000  # of images in one figure; even noise is then a file within `MAX_BYTES`
MAX_NAME = 20  # characters of a class name beside a confusion matrix


def save(figure: Figure, path: Path) -> None:
    """Write a figure as PNG of less than `MAX_BYTES` where that can be had; equal figures give equal bytes.

    Raises:
        RdfiaError: When the file cannot be written; what was there before is then intact.
    """
    from rdfia_keras.records import write_atomic

    write_atomic(path, _png_within(figure, MAX_BYTES))


def _png_within(figure: Figure, limit: int) -> bytes:
    """The finest rendering that fits: photographs need a palette, and many of them fewer pixels as well."""
    for dpi in DPIS:
        full = _png(figure, dpi)
        if len(full) < limit:
            return full
        reduced = _with_palette(full, 256)
        if len(reduced) < limit:
            return reduced
    return _with_palette(full, 64)


def _png(figure: Figure, dpi: int) -> bytes:
    data = io.BytesIO()
    # Without metadata: matplotlib would name its version, and a date would make every file differ.
    figure.savefig(data, format="png", dpi=dpi, metadata={"Software": None})
    return data.getvalue()


def _with_palette(png: bytes, colours: int) -> bytes:
    from PIL import Image

    data = io.BytesIO()
    Image.open(io.BytesIO(png)).convert("RGB").quantize(colours).save(data, format="png")
    return data.getvalue()


# Curves


def implementations(histories: dict[str, list[dict]], title: str, *, quick: bool = False) -> Figure:
    """Figure 1: for each way of writing the perceptron, its loss above its accuracy.

    Args:
        histories: One to four names, such as `manual`, each with its rows: epoch, train_loss, train_accuracy,
            test_loss, test_accuracy.
        title: Data set and setting.
        quick: Mark the figure as no result.

    Raises:
        ValueError: On no or more than four histories, an empty one, or one without these columns.
    """
    if not 1 <= len(histories) <= 4:
        raise ValueError(f"expected 1 to 4 histories, got {len(histories)}")
    figure = _figure(max(4.0, WIDTH * len(histories) / 4), 5.0, title, quick)
    axes = figure.subplots(2, len(histories), sharex="col", sharey="row", squeeze=False)
    for column, (name, history) in enumerate(histories.items()):
        loss, accuracy = axes[:, column]
        _draw_loss(loss, history)
        _draw_accuracy(accuracy, history)
        loss.set_xlabel("")
        loss.set_title(_lines(name, WIDTH / 4, TEXT), fontsize=TEXT, parse_math=False)
        if column:
            loss.set_ylabel("")
            accuracy.set_ylabel("")
    # Only now: the row shares one range, and a limit set earlier would cut the curves drawn later.
    _keep_to_percents(axes[1, 0])
    handles, labels = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=2, fontsize=TEXT, frameon=False)
    return figure


def learning_curves(history: list[dict], title: str, published: float | None = None, *, quick: bool = False) -> Figure:
    """Figures 6 to 23: loss beside accuracy, one point an epoch, for train and test.

    Args:
        history: Rows with epoch, train_loss, train_accuracy, test_loss, test_accuracy. NaN and infinities leave a gap.
        title: Data set and setting.
        published: The report's test accuracy, as a fraction.
        quick: Mark the figure as no result.

    Raises:
        ValueError: On an empty history, or one without these columns.
    """
    figure = _figure(WIDTH, 4.2, title, quick)
    loss, accuracy = figure.subplots(1, 2)
    _draw_loss(loss, history)
    _draw_accuracy(accuracy, history)
    _mark_divergence(loss, history)
    _mark_best(accuracy, history)
    if published is not None:
        percent = 100 * published
        accuracy.axhline(percent, color=GREY, linestyle=(0, (6, 3)), linewidth=1.2, label=f"published {percent:.1f} %")
    _keep_to_percents(accuracy)
    for axes in (loss, accuracy):
        _legend_below(axes)
    return figure


def _draw_loss(axes: Axes, history: list[dict]) -> None:
    _draw_curves(axes, history, "loss", scale=1)
    axes.set_ylabel("loss (cross-entropy, nats)", fontsize=TEXT)
    values = np.concatenate([line.get_ydata() for line in axes.get_lines()])
    values = values[np.isfinite(values)]
    # A run that blows up would press the rest of its curve flat.
    if len(values) and values.min() > 0 and values.max() > 50 * np.median(values):
        axes.set_yscale("log")
        _plain_log_ticks(axes.yaxis)


def _draw_accuracy(axes: Axes, history: list[dict]) -> None:
    _draw_curves(axes, history, "accuracy", scale=100)
    axes.set_ylabel("accuracy (%)", fontsize=TEXT)


def _keep_to_percents(axes: Axes) -> None:
    """Cut the margin below 0 % and above 100 %, but for the half of a marker."""
    bottom, top = axes.get_ylim()
    axes.set_ylim(max(bottom, -1), min(top, 101))


def _plain_log_ticks(axis: Axis) -> None:
    """Label decades by plain numbers: the exponents of 10⁻³ are too small to read."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def _draw_curves(axes: Axes, history: list[dict], quantity: str, scale: float) -> None:
    epochs = _column(history, "epoch")
    for split, (colour, style) in CURVES.items():
        values = scale * _column(history, f"{split}_{quantity}")
        marker = "o" if np.isfinite(values).sum() <= MAX_MARKED else None
        axes.plot(epochs, values, style, color=colour, marker=marker, markersize=3.5, linewidth=1.5, label=split)
    axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch", fontsize=TEXT)
    _style(axes)


def _column(history: list[dict], key: str) -> np.ndarray:
    """One column of a history as floats, with None (a NaN that went through JSON) and infinities as NaN."""
    if not history:
        raise ValueError("the history is empty: there is no epoch to draw")
    if any(key not in row for row in history):
        raise ValueError(f"the history has no column {key!r}")
    values = np.array([row[key] for row in history], dtype=float)
    return np.where(np.isfinite(values), values, np.nan)


def _mark_best(axes: Axes, history: list[dict]) -> None:
    accuracies = 100 * _column(history, "test_accuracy")
    if np.isnan(accuracies).all():
        return
    best = int(np.nanargmax(accuracies))
    epoch = _column(history, "epoch")[best]
    label = f"best test {accuracies[best]:.1f} % (epoch {epoch:.0f})"
    _star(axes, epoch, accuracies[best], RED, label)


def _mark_divergence(axes: Axes, history: list[dict]) -> None:
    losses = _column(history, "train_loss") + _column(history, "test_loss")
    if not np.isnan(losses).any():
        return
    epoch = _column(history, "epoch")[np.isnan(losses)][0]
    axes.axvline(epoch, color=GREY, linestyle=":", linewidth=1.5, label=f"first not finite: epoch {epoch:.0f}")


def notice(title: str, text: str, *, quick: bool = False) -> Figure:
    """A figure with nothing to draw says why."""
    figure = _figure(WIDTH, 2.0, title, quick)
    figure.text(0.5, 0.4, text, ha="center", fontsize=TITLE)
    return figure


def comparison(rows: list[dict], title: str, *, quick: bool = False) -> Figure:
    """A ladder or a list of experiments: for each, ours beside the published value.

    Args:
        rows: From top to bottom, each with experiment, best (a fraction), and, or None: published, others (lowest and
            highest), base_best.
        title: Data set and setting.
        quick: Mark the figure as no result.

    Raises:
        ValueError: On no rows.
    """
    if not rows:
        raise ValueError("there is no row to draw")
    figure = _figure(WIDTH, 1.6 + 0.34 * len(rows), title, quick)
    axes = figure.subplots()
    for height, row in enumerate(rows):
        if row["others"]:
            low, high = (100 * value for value in row["others"])
            axes.barh(height, high - low, left=low, height=0.62, color="#DDDDDD", label="other students")
        if row["base_best"] is not None:
            axes.plot(
                [100 * row["base_best"]] * 2, [height - 0.34, height + 0.34], color=TEAL, label="without the change"
            )
        if row["published"] is not None:
            axes.plot(100 * row["published"], height, "D", color=RED, markersize=7, label="published")
        axes.plot(100 * row["best"], height, "o", color=BLUE, markersize=7, label="ours, best epoch")
        axes.annotate(
            f"{100 * row['best']:.1f}", (1.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=TEXT
        )
    names = [row["experiment"] + (f" (figure {row['figure']})" if row["figure"] else "") for row in rows]
    axes.set_yticks(range(len(rows)), names, fontsize=TEXT, parse_math=False)
    axes.invert_yaxis()
    axes.set_xlabel("best test accuracy (%)", fontsize=TEXT)
    _style(axes)
    unique = dict(zip(*axes.get_legend_handles_labels()[::-1], strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=4, fontsize=SMALL, frameon=False)
    return figure


def study(label: str, curves: dict[float, np.ndarray], title: str, *, quick: bool = False) -> Figure:
    """A setting over its values: the last epoch against the value, then loss and accuracy over the epochs.

    Args:
        label: Of the setting.
        curves: By value, (seeds, epochs, 4): train loss, train accuracy, test loss, test accuracy. NaN leaves a gap.
        title: Data set and setting.
        quick: Mark the figure as no result.

    Raises:
        ValueError: On no curves.
    """
    if not curves:
        raise ValueError("there is no curve to draw")
    figure = _figure(WIDTH, 4.4, title, quick)
    against, loss, accuracy = figure.subplots(1, 3)
    last = {value: 100 * measured[:, -1, 3] for value, measured in curves.items()}
    positions = range(len(last))
    means, stds = [np.mean(a) for a in last.values()], [np.std(a) for a in last.values()]
    against.errorbar(positions, means, stds, fmt="o", color=RED, capsize=3)
    for position, values in zip(positions, last.values(), strict=True):
        against.plot([position] * len(values), values, ".", color=GREY, markersize=3, alpha=0.6)
    against.set_xticks(positions, [number(value) for value in last], rotation=45)
    against.set_xlabel(label, fontsize=TEXT)
    against.set_ylabel("test accuracy after the last epoch (%)", fontsize=TEXT)
    _style(against)
    shades = SHADES(np.linspace(0.05, 0.95, len(curves)))
    for (value, measured), colour in zip(curves.items(), shades, strict=True):
        epochs = np.arange(1, measured.shape[1] + 1)
        for axes, column, scale in ((loss, 2, 1), (accuracy, 3, 100)):
            mean, std = scale * measured[:, :, column].mean(axis=0), scale * measured[:, :, column].std(axis=0)
            axes.plot(epochs, mean, color=colour, linewidth=1.4, label=number(value))
            axes.fill_between(epochs, mean - std, mean + std, color=colour, alpha=0.18, linewidth=0)
    loss.set_ylabel("test loss (cross-entropy, nats)", fontsize=TEXT)
    accuracy.set_ylabel("test accuracy (%)", fontsize=TEXT)
    for axes in (loss, accuracy):
        axes.set_xlabel("epoch", fontsize=TEXT)
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True))
        _style(axes)
    top = max(np.nanquantile(measured[:, :, 2], 0.98) for measured in curves.values())
    loss.set_ylim(0, min(top, 3.0))
    handles, labels = accuracy.get_legend_handles_labels()
    figure.legend(handles, labels, title=label, loc="outside lower center", ncols=9, fontsize=SMALL, frameon=False)
    return figure


def number(value: float | str) -> str:
    """A value for a label: few digits of a number, a text as it is."""
    return value if isinstance(value, str) else f"{value:g}"


def svm_sweep(rows: list[dict], title: str, *, quick: bool = False) -> Figure:
    """Figure 5: accuracy against C on a log axis; red is poly and blue is rbf, as in the homework.

    Args:
        rows: As `rdfia_keras.svm.sweep` gives them: kernel, C, degree, train_accuracy, test_accuracy.
        title: Data set and setting.
        quick: Mark the figure as no result.

    Raises:
        ValueError: On no rows, or a C that is not positive.
    """
    if not rows or min(row["C"] for row in rows) <= 0:
        raise ValueError("expected at least one row, each with a positive C")
    curves = {}
    for row in rows:
        curves.setdefault(_kernel_name(row), []).append(row)
    figure = _figure(6.5, 4.0 + 0.1 * len(curves), title, quick)
    axes = figure.subplots()
    for name, chosen in curves.items():
        _draw_kernel(axes, name, sorted(chosen, key=lambda row: row["C"]))
    axes.plot([], [], "--", color=GREY, linewidth=1.2, label="train")
    axes.set_xscale("log")
    _plain_log_ticks(axes.xaxis)
    axes.set_xlabel("C (log scale)", fontsize=TEXT)
    axes.set_ylabel("accuracy (%)", fontsize=TEXT)
    _keep_to_percents(axes)
    _style(axes)
    figure.legend(loc="outside lower center", ncols=2, fontsize=SMALL, frameon=False)
    return figure


def _kernel_name(row: dict) -> str:
    return f"poly degree {row['degree']}" if row["kernel"] == "poly" else row["kernel"]


def _draw_kernel(axes: Axes, name: str, rows: list[dict]) -> None:
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
    _star(axes, costs[best], test[best], colour)


def _star(axes: Axes, x: float, y: float, colour: str, label: str | None = None) -> None:
    axes.plot(
        [x], [y], "*", color=colour, markeredgecolor="black", markersize=13, linestyle="none", label=label, zorder=5
    )


# Maps of the plane


def decision_map(panels: list[dict], classes: Sequence[str], *, title: str = "", quick: bool = False) -> Figure:
    """The perceptron's map of the plane beside figure 1: how probable class 1 is, and the test points.

    Args:
        panels: One to four, each with title, grid_x (n,), grid_y (m,), probability (m, n) of class 1 in [0, 1], points
            (N, 2) and labels (N,) of 0 and 1.
        classes: The names of class 0 and class 1.
        title: Of the whole figure: data set and setting.
        quick: Mark the figure as no result.

    Raises:
        ValueError: On another number of panels or classes, arrays that do not fit each other, or a probability outside
            [0, 1].
    """
    _check_panels(panels, classes, "probability")
    if any(not (np.min(p["probability"]) >= 0 and np.max(p["probability"]) <= 1) for p in panels):
        raise ValueError("a probability is not within [0, 1]")
    figure, axes = _map_axes(len(panels), title, quick)
    for axis, panel in zip(axes, panels, strict=True):
        mappable = _draw_map(axis, panel, panel["probability"], low=0, high=1)
        _draw_boundary(axis, panel, panel["probability"], 0.5)
        _draw_points(axis, panel, classes)
        axis.set_title(panel["title"], fontsize=TITLE, parse_math=False)
    bar = figure.colorbar(mappable, ax=axes, shrink=0.8, ticks=[0, 0.25, 0.5, 0.75, 1])
    bar.ax.tick_params(labelsize=SMALL)
    bar.set_label(f"probability of class {classes[1]}", fontsize=TEXT, parse_math=False)
    _map_legend(figure, axes, "boundary, probability 0.5")
    return figure


def decision_animation(frames: list[dict], classes: Sequence[str], title: str, *, quick: bool = False) -> bytes:
    """The decision map epoch by epoch, as a GIF that stands still at its end.

    Args:
        frames: As `decision_map`'s panels, all of one grid and one set of points; each with `title` for its epoch.
        classes: The names of class 0 and class 1.
        title: Of the whole figure: data set and setting.
        quick: Mark the figure as no result.

    Raises:
        ValueError: As `decision_map` does, or on no frames.
    """
    from PIL import Image

    if not frames:
        raise ValueError("there is no frame to draw")
    _check_panels(frames[:1], classes, "probability")
    figure, (axis,) = _map_axes(1, title, quick)
    mappable = _draw_map(axis, frames[0], frames[0]["probability"], low=0, high=1)
    _draw_points(axis, frames[0], classes)
    _map_legend(figure, [axis], "boundary, probability 0.5")
    figure.set_dpi(80)
    pictures = []
    for frame in frames:
        values = frame["probability"]
        mappable.set_array(values)
        axis.set_title(frame["title"], fontsize=TITLE, parse_math=False)
        boundary = _draw_boundary(axis, frame, values, 0.5)
        figure.canvas.draw()
        picture = Image.fromarray(np.asarray(figure.canvas.buffer_rgba())[..., :3])
        pictures.append(picture.quantize(64, dither=Image.Dither.NONE))
        if boundary:
            boundary.remove()
    data = io.BytesIO()
    durations = [ANIMATION_MS] * (len(pictures) - 1) + [25 * ANIMATION_MS]
    pictures[0].save(data, "GIF", save_all=True, append_images=pictures[1:], duration=durations, loop=0)
    return data.getvalue()


def svm_panels(
    panels: list[dict], *, classes: Sequence[str] = ("0", "1"), title: str = "", quick: bool = False
) -> Figure:
    """Figure 4: the decision values of one to four machines, their boundaries and the test points.

    C changes the size of the values a hundredfold, so they are scaled panel by panel, and each sign by itself: full
    colour is the 90th percentile of |value|.

    Args:
        panels: Each with title (kernel and C), accuracy (test, a fraction), grid_x (n,), grid_y (m,), decision (m, n),
            points (N, 2) and labels (N,) of 0 and 1.
        classes: The names of class 0 (negative) and class 1 (positive).
        title: Of the whole figure: data set and setting.
        quick: Mark the figure as no result.

    Raises:
        ValueError: On another number of panels or classes, or arrays that do not fit each other.
    """
    _check_panels(panels, classes, "decision")
    figure, axes = _map_axes(len(panels), title, quick)
    for axis, panel in zip(axes, panels, strict=True):
        mappable = _draw_map(axis, panel, _scale_signs(panel["decision"]), low=-1, high=1)
        # Of the values as they are: two scales would bend the line between the grid's points.
        _draw_boundary(axis, panel, panel["decision"], 0)
        _draw_points(axis, panel, classes)
        axis.set_title(f"{panel['title']}: test {100 * panel['accuracy']:.1f} %", fontsize=TITLE, parse_math=False)
    bar = figure.colorbar(mappable, ax=axes, shrink=0.8, ticks=[-1, 0, 1])
    bar.ax.set_yticklabels([f"− ({classes[0]})", "0", f"+ ({classes[1]})"], fontsize=SMALL, parse_math=False)
    bar.set_label("decision value, scaled in each panel", fontsize=TEXT)
    _map_legend(figure, axes, "boundary, decision value 0")
    return figure


def _scale_signs(decision: np.ndarray) -> np.ndarray:
    """Decision values brought to [-1, 1], zero staying where it is."""
    decision = np.asarray(decision, dtype=float)
    scaled = np.zeros_like(decision)
    for side in (decision > 0, decision < 0):
        if side.any():
            scaled[side] = decision[side] / np.quantile(np.abs(decision[side]), 0.9)
    return np.clip(scaled, -1, 1)


def _check_panels(panels: list[dict], classes: Sequence[str], key: str) -> None:
    if not 1 <= len(panels) <= 4 or len(classes) != 2:
        raise ValueError(f"expected 1 to 4 panels and 2 classes, got {len(panels)} and {len(classes)}")
    for panel in panels:
        if missing := {"title", "grid_x", "grid_y", key, "points", "labels"} - panel.keys():
            raise ValueError(f"a panel lacks {', '.join(sorted(missing))}")
        shape = (np.size(panel["grid_y"]), np.size(panel["grid_x"]))
        if np.shape(panel[key]) != shape:
            raise ValueError(f"{key} has shape {np.shape(panel[key])}; grid_y and grid_x ask for {shape}")
        if np.shape(panel["points"]) != (len(panel["labels"]), 2):
            raise ValueError(f"points have shape {np.shape(panel['points'])} for {len(panel['labels'])} labels")
        if not np.isin(panel["labels"], (0, 1)).all():
            raise ValueError("labels must be 0 or 1")
        if not np.isfinite(panel[key]).all():
            raise ValueError(f"{key} holds values that are not finite")


def _map_axes(count: int, title: str, quick: bool) -> tuple[Figure, list[Axes]]:
    rows, columns = (2, 2) if count == 4 else (1, count)
    figure = _figure(min(WIDTH, 3.2 * columns + 1.4), 3.2 * rows + 0.9, title, quick)
    axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axis in axes[-1]:
        axis.set_xlabel("x₁", fontsize=TEXT)
    for axis in axes[:, 0]:
        axis.set_ylabel("x₂", fontsize=TEXT)
    return figure, list(axes.flat)


def _draw_map(axes: Axes, panel: dict, values: np.ndarray, low: float, high: float) -> QuadMesh:
    x, y = np.asarray(panel["grid_x"]), np.asarray(panel["grid_y"])
    mappable = axes.pcolormesh(x, y, values, cmap=CLASS_MAP, vmin=low, vmax=high, shading="nearest")
    axes.set(xlim=(x.min(), x.max()), ylim=(y.min(), y.max()), aspect="equal")
    # Few ticks: the last of one panel stands beside the first of the next.
    axes.xaxis.set_major_locator(MaxNLocator(4))
    axes.yaxis.set_major_locator(MaxNLocator(4))
    axes.tick_params(labelsize=SMALL)
    return mappable


def _draw_boundary(axes: Axes, panel: dict, values: np.ndarray, level: float) -> ContourSet | None:
    # A machine that gives every point to one class has no boundary, and contour would warn.
    if not np.min(values) < level < np.max(values):
        return None
    return axes.contour(panel["grid_x"], panel["grid_y"], values, levels=[level], colors="black", linewidths=1.5)


def _draw_points(axes: Axes, panel: dict, classes: Sequence[str]) -> None:
    points, labels = np.asarray(panel["points"]), np.asarray(panel["labels"])
    for number, name in enumerate(classes):
        x, y = points[labels == number].T
        axes.plot(
            x,
            y,
            CLASS_MARKERS[number],
            color=CLASS_COLOURS[number],
            markeredgecolor="white",
            markeredgewidth=0.5,
            markersize=5,
            label=f"test, {name}",
        )


def _map_legend(figure: Figure, axes: list[Axes], boundary: str) -> None:
    handles, labels = axes[0].get_legend_handles_labels()
    (line,) = axes[0].plot([], [], "-", color="black", linewidth=1.5)
    columns = 3 if len(axes) > 1 else 1
    legend = figure.legend(
        [*handles, line],
        [*labels, boundary],
        loc="outside lower center",
        ncols=columns,
        fontsize=TEXT,
        frameon=False,
    )
    for text in legend.get_texts():
        text.set_parse_math(False)


# Matrices and images


def confusion_matrix(
    matrix: np.ndarray, classes: Sequence[str], title: str, *, counts: bool = False, quick: bool = False
) -> Figure:
    """What the examples of each class were taken for; every row sums to 100 %.

    Args:
        matrix: Counts, (n, n): row is the true class, column the predicted one.
        classes: n names.
        title: Data set and setting.
        counts: Print counts in the cells (of at most 12 classes) instead of percents of the row.
        quick: Mark the figure as no result.

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
    names = [_shorten(str(name)) for name in classes]
    beside = max(map(len, names)) * CHARACTER * SMALL / 72
    figure = _figure(side + beside + 1.6, side + beside + 1.0, title, quick)
    axes = figure.subplots()
    image = axes.imshow(percent, cmap="Blues", vmin=0, vmax=100)
    _class_ticks(axes, names)
    if n <= MAX_ANNOTATED:
        _annotate_cells(axes, matrix if counts else percent, percent)
    bar = figure.colorbar(image, ax=axes, shrink=0.8)
    bar.set_label("percent of the true class", fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    return figure


def _shorten(name: str) -> str:
    return name if len(name) <= MAX_NAME else name[: MAX_NAME - 1] + "…"


def _class_ticks(axes: Axes, names: list[str]) -> None:
    n = len(names)
    step = -(-n // MAX_LABELLED)
    slanted = {"rotation": 45, "ha": "right", "rotation_mode": "anchor"} if n <= MAX_ANNOTATED else {"rotation": 90}
    axes.set_xticks(range(0, n, step), names[::step], fontsize=SMALL, parse_math=False, **slanted)
    axes.set_yticks(range(0, n, step), names[::step], fontsize=SMALL, parse_math=False)
    axes.set_xlabel("predicted class", fontsize=TEXT)
    axes.set_ylabel("true class", fontsize=TEXT)


def _annotate_cells(axes: Axes, shown: np.ndarray, percent: np.ndarray) -> None:
    for (row, column), value in np.ndenumerate(shown):
        colour = "white" if percent[row, column] > 55 else "black"
        text = f"{value:.0f}" if value else ""
        axes.text(column, row, text, ha="center", va="center", fontsize=SMALL, color=colour)


def image_grid(images: np.ndarray, captions: list[str], columns: int, title: str, *, quick: bool = False) -> Figure:
    """Images in rows, each under its caption: the worst mistakes, for example, as `cat → dog 99 %`.

    Args:
        images: uint8, or floats of [0, 255] (clipped), of shape (N, height, width, 1 or 3).
        captions: N of them; long ones are wrapped.
        columns: Images in a row.
        title: Data set and setting.
        quick: Mark the figure as no result.

    Raises:
        ValueError: On another shape, no images, pixels that are not finite, or another number of captions.
    """
    images = _check_images(images, 4)
    if len(captions) != len(images) or columns < 1:
        raise ValueError(f"{len(images)} images, {len(captions)} captions and {columns} columns do not fit")
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    cell = min(1.35, WIDTH / columns)
    wrapped = [_wrap(caption, cell, SMALL) for caption in captions]
    height, width = images.shape[1:3]
    caption = (1 + max(text.count("\n") for text in wrapped)) * SMALL * 1.3 / 72
    row_height = cell * height / width + caption + 0.1
    figure = _figure(max(3.5, columns * cell), rows * row_height + 0.4, title, quick)
    images = _thumbnails(images, len(images))
    axes = figure.subplots(rows, columns, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, image, caption in zip(axes.flat, images, wrapped, strict=False):
        _draw_image(axis, image)
        axis.set_title(caption, fontsize=SMALL, pad=3, parse_math=False)
    return figure


def augmentation_grid(
    originals: np.ndarray, augmented: np.ndarray, title: str, *, names: Sequence[str] = (), quick: bool = False
) -> Figure:
    """Figure 12's subject: each row an image at the left, then versions of it as training sees them.

    Args:
        originals: uint8, or floats of [0, 255], of shape (N, height, width, 1 or 3).
        augmented: (N, K, height, width, channels), where a crop may be smaller than its original.
        title: Data set and the transformations.
        names: Of the K versions, where each is of another kind.
        quick: Mark the figure as no result.

    Raises:
        ValueError: On other shapes, nothing to show, or pixels that are not finite.
    """
    originals, augmented = _check_images(originals, 4), _check_images(augmented, 5)
    if len(originals) != len(augmented):
        raise ValueError(f"{len(originals)} originals, but augmented versions of {len(augmented)}")
    rows, versions = augmented.shape[:2]
    shown = rows * (versions + 1)
    originals, augmented = _thumbnails(originals, shown), _thumbnails(augmented, shown)
    cell = min(1.1, WIDTH / (versions + 1))
    figure = _figure(max(3.5, cell * (versions + 1)), cell * rows + 0.9, title, quick)
    axes = figure.subplots(rows, versions + 1, squeeze=False)
    for row in range(rows):
        for axis, image in zip(axes[row], [originals[row], *augmented[row]], strict=True):
            _draw_image(axis, image)
            axis.set_axis_off()
    for number, axis in enumerate(axes[0]):
        version = names[number - 1] if names and number else f"version {number}"
        name, weight = (version, "normal") if number else ("original", "bold")
        axis.set_title(name, fontsize=SMALL, fontweight=weight, pad=4)
    return figure


def receptive_fields(image: np.ndarray, rows: list[dict], *, quick: bool = False) -> Figure:
    """Question 7's subject: the pixels that one neuron of each layer depends on, on an image.

    Args:
        image: uint8 (height, width, 1 or 3).
        rows: From the first layer to the last, each with layer and side (pixels).
        quick: Mark the figure as no result.
    """
    title = f"What one neuron sees of an image of {image.shape[0]}x{image.shape[1]} (outside it: padding)"
    figure = _figure(6.2, 5.2, title, quick)
    axes = figure.subplots()
    _draw_image(axes, _check_images(image[None], 4)[0])
    centre = (image.shape[1] - 1) / 2
    for row, colour in zip(rows, SHADES(np.linspace(0.05, 0.95, len(rows))), strict=True):
        corner = centre - row["side"] / 2
        label = f"{row['layer']}: {row['side']} x {row['side']}"
        square = Rectangle((corner, corner), row["side"], row["side"], fill=False, edgecolor=colour, linewidth=2.5)
        square.set_label(label)
        axes.add_patch(square)
    reach = max(image.shape[1], *(row["side"] for row in rows)) / 2 + 1
    axes.set(xlim=(centre - reach, centre + reach), ylim=(centre + reach, centre - reach))
    axes.set_axis_off()
    figure.legend(loc="outside right center", fontsize=TEXT, frameon=False)
    return figure


def score_maps(
    image: np.ndarray, scores: np.ndarray, classes: Sequence[str], title: str, *, quick: bool = False
) -> Figure:
    """Question 6's subject: an image larger than those learnt from, and a map of each class's probability.

    Args:
        image: uint8 (H, W, 1 or 3).
        scores: Probabilities (rows, columns, n_y).
        classes: n_y names.
        title: Data set and setting.
        quick: Mark the figure as no result.
    """
    count = len(classes)
    columns = 4
    rows = -(-(count + 1) // columns)
    figure = _figure(WIDTH, 2.1 * rows + 0.6, title, quick)
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for axis in axes:
        axis.set_axis_off()
    _draw_image(axes[0], _check_images(image[None], 4)[0])
    axes[0].set_title("image", fontsize=TEXT)
    for number, axis in enumerate(axes[1 : count + 1]):
        mappable = axis.imshow(scores[..., number], cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        average = 100 * scores[..., number].mean()
        axis.set_title(f"{_shorten(str(classes[number]))}: {average:.0f} %", fontsize=TEXT, parse_math=False)
    bar = figure.colorbar(mappable, ax=axes.tolist(), shrink=0.7)
    bar.set_label("probability; in the titles its average", fontsize=TEXT)
    bar.ax.tick_params(labelsize=SMALL)
    return figure


def backprop_cost(rows: list[dict], *, quick: bool = False) -> Figure:
    """Theory question 12's subject: seconds to all gradients against the number of layers.

    Args:
        rows: Each with layers, backprop and naive (seconds).
        quick: Mark the figure as no result.
    """
    figure = _figure(6.0, 4.2, "Gradients of all weights: one by one, and by backprop", quick)
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
    _plain_log_ticks(axes.yaxis)
    axes.set_xlabel("layers (log scale)", fontsize=TEXT)
    axes.set_ylabel("milliseconds (log scale)", fontsize=TEXT)
    _style(axes)
    figure.legend(loc="outside lower center", fontsize=TEXT, frameon=False)
    return figure


def _check_images(images: np.ndarray, dimensions: int) -> np.ndarray:
    """The images as uint8, or a ValueError."""
    images = np.asarray(images)
    if images.ndim != dimensions or images.shape[-1] not in (1, 3) or images.size == 0:
        wanted = "(N, height, width, 1 or 3)" if dimensions == 4 else "(N, K, height, width, 1 or 3)"
        raise ValueError(f"images have shape {images.shape}; expected {wanted}")
    if not np.isfinite(images).all():
        raise ValueError("images hold pixels that are not finite")
    return np.clip(np.round(images), 0, 255).astype(np.uint8)


def _thumbnails(images: np.ndarray, count: int) -> np.ndarray:
    """Images (..., height, width, channels) reduced by a whole factor where `count` of them need too large a file."""
    *rest, height, width, channels = images.shape
    factor = min(height, width, int(np.ceil(np.sqrt(count * height * width / MAX_PIXELS))))
    height, width = height // factor, width // factor
    blocks = images[..., : height * factor, : width * factor, :].reshape(*rest, height, factor, width, factor, channels)
    return np.round(blocks.mean(axis=(-4, -2))).astype(np.uint8)


def _draw_image(axes: Axes, image: np.ndarray) -> None:
    if image.shape[-1] == 1:
        axes.imshow(image[..., 0], cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    else:
        axes.imshow(image, interpolation="nearest")


# What all figures share


def _figure(width: float, height: float, title: str, quick: bool) -> Figure:
    """An empty figure of so many inches with its title; the layout keeps every text clear of the others."""
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    FigureCanvasAgg(figure)
    lines = [_wrap(title, width, TITLE)] if title else []
    if quick:
        lines.insert(0, QUICK_MARK)
    if lines:
        figure.suptitle(
            "\n".join(lines), fontsize=TITLE, fontweight="bold", color=RED if quick else "black", parse_math=False
        )
    return figure


def _wrap(text: str, width: float, size: float) -> str:
    """Break a text that would be wider than `width` inches, but not between a number and its percent sign."""
    return textwrap.fill(str(text).replace(" %", "\xa0%"), max(8, int(width * 72 / (CHARACTER * size))))


def _lines(text: str, width: float, size: float) -> str:
    """As `_wrap`, line by line where the text has several."""
    return "\n".join(_wrap(line, width, size) for line in text.splitlines())


def _style(axes: Axes) -> None:
    axes.tick_params(labelsize=SMALL)
    axes.grid(color="#DDDDDD", linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _legend_below(axes: Axes) -> None:
    """Under the panel, where it cannot hide a curve."""
    axes.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        borderaxespad=4.2,  # font sizes: the room of tick labels and axis label, however high the panel
        ncols=2,
        fontsize=SMALL,
        frameon=False,
    )

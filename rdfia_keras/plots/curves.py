"""Loss and accuracy over the epochs.

Test is solid, training dashed and validation dotted, so colour is not needed.
"""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from rdfia_keras.plots.style import (
    BLUE,
    CHARACTER,
    GREY,
    NAMED,
    RED,
    SMALL,
    TEAL,
    TEXT,
    TITLE,
    WIDTH,
    Rows,
    draw_star,
    keep_to_percents,
    legend_below,
    new_figure,
    plain_log_ticks,
    style_axes,
    wrap,
    wrap_lines,
)

CURVES = {"train": (BLUE, "--"), "test": (RED, "-"), "validation": (TEAL, ":")}
LOSS = "loss (cross-entropy, nats)"
MAX_MARKED = 30  # epochs; with more, markers would hide their own line


def implementations(histories: Mapping[str, Rows], title: str) -> Figure:
    """Draw, for each way of writing the perceptron, its loss above its accuracy (figure 1).

    Args:
        histories: One to four names, such as `manual`, each with its rows: epoch, train_loss, test_loss (nats),
            train_accuracy, test_accuracy (fractions); with a validation set its two columns as well.
        title: Data set and setting.

    Returns:
        The figure: a row of loss panels above a row of accuracy panels in percent.

    Raises:
        ValueError: On no or more than four histories, an empty one, or one without these columns.
    """
    if not 1 <= len(histories) <= 4:
        raise ValueError(f"expected 1 to 4 histories, got {len(histories)}")
    figure = new_figure(max(4.0, WIDTH * len(histories) / 4), 5.0, title)
    axes = figure.subplots(2, len(histories), sharex="col", sharey="row", squeeze=False)
    for column, (name, history) in enumerate(histories.items()):
        loss, accuracy = axes[:, column]
        _draw_loss(loss, history)
        _draw_accuracy(accuracy, history)
        loss.set_xlabel("")
        loss.set_title(wrap_lines(name, WIDTH / 4, TEXT), fontsize=TEXT, parse_math=False)
        if column:
            loss.set_ylabel("")
            accuracy.set_ylabel("")
    # Only now: the row shares one range, and a limit set earlier would cut the curves drawn later.
    keep_to_percents(axes[1, 0])
    handles, labels = axes[1, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(handles), fontsize=TEXT, frameon=False)
    return figure


def learning_curves(history: Rows, title: str, published: float | None = None) -> Figure:
    """Draw loss beside accuracy, one point an epoch, for train and test (figures 6 to 23).

    Args:
        history: Rows with epoch, train_loss, test_loss (nats), train_accuracy, test_accuracy (fractions); with a
            validation set its two columns as well. None, NaN and infinities leave a gap.
        title: Data set and setting.
        published: The report's test accuracy, as a fraction.

    Returns:
        The figure, with the best test accuracy, the one that the validation set selects, and the first loss that is not
        finite marked.

    Raises:
        ValueError: On an empty history, or one without these columns.
    """
    figure = new_figure(WIDTH, 4.2, title)
    loss, accuracy = figure.subplots(1, 2)
    _draw_loss(loss, history)
    _draw_accuracy(accuracy, history)
    _mark_divergence(loss, history)
    _mark(accuracy, history, "test_accuracy", "best test", RED)
    if _has_validation(history):
        _mark(accuracy, history, "validation_accuracy", "selected test", TEAL)
    if published is not None:
        percent = 100 * published
        accuracy.axhline(percent, color=GREY, linestyle=(0, (6, 3)), linewidth=1.2, label=f"published {percent:.1f} %")
    keep_to_percents(accuracy)
    for axes in (loss, accuracy):
        legend_below(axes)
    return figure


def runs_side_by_side(histories: Mapping[str, Rows], title: str) -> Figure:
    """Draw the curves of several runs in one panel of accuracies and one of losses, a colour a run.

    Args:
        histories: By the runs' names, at most as many as there are colours in `NAMED`, their rows: epoch, train_loss,
            test_loss (nats), train_accuracy, test_accuracy (fractions). None, NaN and infinities leave a gap.
        title: What they are runs of.

    Returns:
        The figure, with the test set solid and the training set thin and dashed, and the names below.

    Raises:
        ValueError: On no or too many histories, an empty one, or one without these columns.
    """
    if not 1 <= len(histories) <= len(NAMED):
        raise ValueError(f"expected 1 to {len(NAMED)} histories, got {len(histories)}")
    columns = _legend_columns(max(map(len, histories)))
    labels = [wrap(name, WIDTH / columns - 0.6, SMALL) for name in (*histories, "test", "train")]
    lines = sum(label.count("\n") + 1 for label in labels)
    figure = new_figure(WIDTH, 4.0 + 0.2 * -(-lines // columns), title)
    panels = figure.subplots(1, 2, sharex=True)
    for axes, quantity, label in zip(panels, ("accuracy", "loss"), ("accuracy (%)", LOSS), strict=True):
        for history, colour in zip(histories.values(), NAMED, strict=False):
            _draw_run(axes, history, quantity, colour)
        axes.set_ylabel(label, fontsize=TEXT)
        axes.set_xlabel("epoch", fontsize=TEXT)
        axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
        style_axes(axes)
    keep_to_percents(panels[0])
    _use_log_scale_if_pressed_flat(panels[1])
    handles = [Line2D([], [], color=colour, linewidth=1.6) for colour in (*NAMED[: len(histories)], GREY)]
    handles.append(Line2D([], [], color=GREY, linewidth=0.8, linestyle="--"))
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=SMALL, frameon=False)
    for text in legend.get_texts():
        text.set_parse_math(False)
    return figure


def _legend_columns(longest: int) -> int:
    """How many names of so many characters stand side by side below a figure."""
    return max(1, min(4, int(WIDTH / (0.6 + longest * CHARACTER * SMALL / 72))))


def _draw_run(axes: Axes, history: Rows, quantity: str, colour: str) -> None:
    """Draw one run's columns train_`quantity` and test_`quantity` over the epochs."""
    epochs, scale = _column(history, "epoch"), 100 if quantity == "accuracy" else 1
    test, train = (scale * _column(history, f"{split}_{quantity}") for split in ("test", "train"))
    # A single epoch makes no line.
    marker = "o" if np.isfinite(test).sum() == 1 else None
    axes.plot(epochs, test, "-", color=colour, linewidth=1.6, marker=marker, markersize=4)
    axes.plot(epochs, train, "--", color=colour, linewidth=0.8, alpha=0.8)


def notice(title: str, text: str) -> Figure:
    """Draw a text in place of curves, where there is nothing to draw.

    Args:
        title: Data set and setting.
        text: Why there is nothing to draw; one line.

    Returns:
        The figure.
    """
    figure = new_figure(WIDTH, 2.0, title)
    figure.text(0.5, 0.4, text, ha="center", fontsize=TITLE)
    return figure


def _draw_loss(axes: Axes, history: Rows) -> None:
    """Draw the losses of each split, on a log axis where one epoch would press the others flat."""
    _draw_curves(axes, history, "loss", scale=1)
    axes.set_ylabel(LOSS, fontsize=TEXT)
    _use_log_scale_if_pressed_flat(axes)


def _use_log_scale_if_pressed_flat(axes: Axes) -> None:
    """Use a log axis where a few values would leave no height for all others."""
    values = np.concatenate([np.asarray(line.get_ydata(), dtype=float) for line in axes.get_lines()])
    values = values[np.isfinite(values)]
    if len(values) and values.min() > 0 and values.max() > 50 * np.median(values):
        axes.set_yscale("log")
        plain_log_ticks(axes.yaxis)


def _draw_accuracy(axes: Axes, history: Rows) -> None:
    """Draw the accuracies of each split in percent."""
    _draw_curves(axes, history, "accuracy", scale=100)
    axes.set_ylabel("accuracy (%)", fontsize=TEXT)


def _draw_curves(axes: Axes, history: Rows, quantity: str, scale: float) -> None:
    """Draw `scale` times the columns train_`quantity`, test_`quantity` and, if there, validation_`quantity`."""
    epochs = _column(history, "epoch")
    for split, (colour, style) in CURVES.items():
        if split == "validation" and not _has_validation(history):
            continue
        values = scale * _column(history, f"{split}_{quantity}")
        marker = "o" if np.isfinite(values).sum() <= MAX_MARKED else None
        axes.plot(epochs, values, style, color=colour, marker=marker, markersize=3.5, linewidth=1.5, label=split)
    axes.set_xlim(epochs.min() - 0.5, epochs.max() + 0.5)
    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.set_xlabel("epoch", fontsize=TEXT)
    style_axes(axes)


def _column(history: Rows, key: str) -> np.ndarray:
    """Return a column as floats (epochs,), with None (a NaN that went through JSON) and infinities as NaN."""
    if not history:
        raise ValueError("the history is empty: there is no epoch to draw")
    if any(key not in row for row in history):
        raise ValueError(f"the history has no column {key!r}")
    values = np.array([row[key] for row in history], dtype=float)
    return np.where(np.isfinite(values), values, np.nan)


def _has_validation(history: Rows) -> bool:
    return any("validation_accuracy" in row for row in history)


def _mark(axes: Axes, history: Rows, by: str, label: str, colour: str) -> None:
    """Put a star on the test accuracy of the epoch in which the column `by` is highest, if there is any."""
    chosen_by, accuracies = _column(history, by), 100 * _column(history, "test_accuracy")
    if np.isnan(chosen_by).all():
        return
    best = int(np.nanargmax(chosen_by))
    epoch = _column(history, "epoch")[best]
    draw_star(axes, epoch, accuracies[best], colour, f"{label} {accuracies[best]:.1f} % (epoch {epoch:.0f})")


def _mark_divergence(axes: Axes, history: Rows) -> None:
    """Draw a line at the first epoch whose loss is not finite, if there is one."""
    losses = _column(history, "train_loss") + _column(history, "test_loss")
    if not np.isnan(losses).any():
        return
    epoch = _column(history, "epoch")[np.isnan(losses)][0]
    axes.axvline(epoch, color=GREY, linestyle=":", linewidth=1.5, label=f"first not finite: epoch {epoch:.0f}")

"""Fonts, colours and helpers that all figures share; nothing here is specific to one kind of figure."""

import textwrap
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

# Points, at the size a page shows the figure: figures are at most `WIDTH` inches wide so as not to be shrunk.
SMALL, TEXT, TITLE = 8.5, 9.5, 11.0
WIDTH = 9.0
CHARACTER = 0.62  # the width of one, in font sizes

# Paul Tol's "vibrant" scheme, which colour-blind readers can tell apart.
BLUE, RED, ORANGE, TEAL, MAGENTA, GREY = "#0077BB", "#CC3311", "#EE7733", "#009988", "#EE3377", "#555555"
PALE_GREY = "#DDDDDD"
# Colours by which names are told apart: that scheme, then three of Tol's "muted" one, and black.
NAMED = (BLUE, RED, TEAL, ORANGE, MAGENTA, "#33BBEE", "#882255", "#999933", "#332288", "#000000")

# By the names that `plots.charts` uses; the style sheet of the report page defines them too.
COLOURS = {
    "train": BLUE,
    "test": RED,
    "validation": TEAL,
    "reference": "#7A5C9E",
    "published": GREY,
    "quiet": GREY,
    **{f"series-{n}": colour for n, colour in enumerate(NAMED)},
}


def shades(count: int) -> np.ndarray:
    """Return colours of lines that have an order, (count, 4): dark to light, without the yellow that white swallows."""
    return colormaps["viridis"](np.linspace(0, 0.85, count))


def new_figure(width: float, height: float, title: str = "") -> Figure:
    """Return an empty figure with its title; width and height are inches.

    The constrained layout keeps every text clear of the others.
    """
    figure = Figure(figsize=(width, height), layout="constrained", facecolor="white")
    # An Agg canvas needs no window system and no pyplot.
    FigureCanvasAgg(figure)
    if title:
        figure.suptitle(wrap(title, width, TITLE), fontsize=TITLE, fontweight="bold", color="black", parse_math=False)
    return figure


def wrap(text: str, width: float, size: float) -> str:
    """Break a text into lines of `width` inches at `size` points, but not between a number and its percent sign."""
    return textwrap.fill(str(text).replace(" %", "\xa0%"), max(8, int(width * 72 / (CHARACTER * size))))


def wrap_lines(text: str, width: float, size: float) -> str:
    """Wrap each line of a text; see `wrap`."""
    return "\n".join(wrap(line, width, size) for line in text.splitlines())


def style_axes(axes: Axes) -> None:
    """Set small tick labels and a pale grid behind the data, and remove the top and right spines."""
    axes.tick_params(labelsize=SMALL)
    axes.grid(color=PALE_GREY, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def legend_below(figure: Figure, columns: int, size: float = SMALL, **content: Any) -> None:
    """Put a legend below all axes, by default of all of their lines; its names are text, not formulas.

    `content` may have `handles` and `labels`, as `Figure.legend` takes them.
    """
    legend = figure.legend(loc="outside lower center", ncols=columns, fontsize=size, frameon=False, **content)
    for text in legend.get_texts():
        text.set_parse_math(False)


def plain_log_ticks(axis: Axis) -> None:
    """Label decades by plain numbers: the exponents of 10⁻³ are too small to read."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())

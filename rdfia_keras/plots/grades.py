"""How a class did: an exercise a bar."""

from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from rdfia_keras.plots.style import BLUE, PALE_GREY, RED, SMALL, TEXT, WIDTH, new_figure, style_axes


def class_bars(rows: Sequence[tuple[str, int, int, int]]) -> Figure:
    """Draw for each exercise how many students have it right, wrong and not written.

    Args:
        rows: From top to bottom, each a name with the three numbers.

    Returns:
        The figure.

    Raises:
        ValueError: On no rows.
    """
    if not rows:
        raise ValueError("there is no exercise to draw")
    figure = new_figure(WIDTH, 1.6 + 0.24 * len(rows), f"The class, exercise by exercise (n = {sum(rows[0][1:])})")
    axes = figure.subplots()
    begin = [0] * len(rows)
    for part, (label, colour) in enumerate((("right", BLUE), ("wrong", RED), ("not written yet", PALE_GREY)), 1):
        counts = [int(row[part]) for row in rows]
        axes.barh(range(len(rows)), counts, left=begin, color=colour, label=label, height=0.75)
        begin = [sum(pair) for pair in zip(begin, counts, strict=True)]
    axes.set_yticks(range(len(rows)), [row[0] for row in rows], fontsize=SMALL)
    axes.set_ylim(len(rows) - 0.4, -0.6)
    axes.set_xlabel("students", fontsize=TEXT)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    style_axes(axes)
    axes.grid(False, axis="y")
    figure.legend(loc="outside lower center", ncols=3, fontsize=SMALL, frameon=False)
    return figure

"""benchmarks.png: every ratio that has a target, beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

MET, MISSED = "#0077bb", "#cc3311"


def draw(record: Mapping[str, Any], path: Path) -> None:
    """One line a target: how far the ratio is above it (for costs, below it); each turn as a small dot."""
    from matplotlib.figure import Figure

    rows = [(name, row) for name, group in record["groups"].items() for row in group["ratios"] if row["share"]]
    figure = Figure(figsize=(11, 1.2 + 0.2 * len(rows)), layout="constrained")
    axes = figure.subplots()
    axes.axvline(1, color="black", linewidth=1)
    for height, (_, row) in enumerate(rows[::-1]):
        colour = MET if row["met"] else MISSED
        # A turn stands where its ratio is in proportion to the median's; for costs, less is further right.
        power = -1 if row["target"].startswith("≤") else 1
        turns = [row["share"] * (turn / row["ratio"]) ** power for turn in row.get("turns", [])]
        axes.plot(turns, [height] * len(turns), ".", color=colour, markersize=3, alpha=0.5)
        axes.plot([row["share"]], [height], "o", color=colour, markersize=6)
    axes.set_yticks(range(len(rows)), [_label(name, row) for name, row in rows[::-1]], fontsize=7)
    axes.set_ylim(-1, len(rows))
    axes.set_xscale("log")
    axes.grid(axis="x", which="both", alpha=0.3)
    axes.set_xlabel("ratio, in units of its target: met at 1 and to the right of it (blue), missed to the left (red)")
    figure.savefig(path, dpi=100, metadata={"Software": None})


def _label(name: str, row: Mapping[str, Any]) -> str:
    to = f" / {row['to']}" if row["to"] else ""
    return f"{name}, {row['match']}: {row['of']}{to} {row['target']}"

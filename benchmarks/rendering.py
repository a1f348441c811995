"""The measurements as the tables of docs/performance.md and as a picture of every ratio with a target.

A table stands between `<!-- NAME -->` and `<!-- end NAME -->`; a group that was not measured keeps its table.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.package import write_atomic

Row = Mapping[str, str]
MET, MISSED = "#0077bb", "#cc3311"


def write(measurements: Mapping[str, Any], path: Path, page: Path | None = None) -> None:
    """Draw the picture beside the measurements' file, write the tables of a page, and print the verdict."""
    draw(measurements, path.with_suffix(".png"))
    if page:
        write_atomic(page, update(page.read_text(encoding="utf-8"), measurements).encode())
    print(f"{verdict(measurements['groups'])}\n\n{path.parent}")


def update(text: str, measurements: Mapping[str, Any]) -> str:
    """Return the page with each of its tables written anew."""
    for name, block in blocks(measurements).items():
        whole = f"<!-- {name} -->\n{block}\n<!-- end {name} -->"
        text = re.sub(rf"<!-- {name} -->.*?<!-- end {name} -->", lambda _: whole, text, flags=re.DOTALL)  # noqa: B023
    return text


def blocks(measurements: Mapping[str, Any]) -> dict[str, str]:
    """Return by name what stands between the marks."""
    groups = measurements["groups"]
    tables = {name: _table(_rows(group), group) for name, group in groups.items()}
    if "augmentation" in groups:
        tables["layers"] = _table(_layers(groups["augmentation"]), groups["augmentation"])
    return {"machine": _machine(measurements["machine"]), "verdict": verdict(groups), **tables}


def _machine(here: Mapping[str, Any]) -> str:
    packages = {
        "rdfia-keras": "rdfia-keras",
        "tensorflow": "TensorFlow",
        "keras": "Keras",
        "torch": "PyTorch",
        "torchvision": "torchvision",
    }
    versions = [f"{name} {here['versions'][key]}" for key, name in packages.items() if key in here["versions"]]
    card = f"{here['card']['name']} (driver {here['card']['driver']}), " if "card" in here else ""
    processor = f"(family {here.get('family', '?')}; {', '.join(here.get('instructions', []))})"
    return (
        f"{card}{here['cores']} cores of {here['cpu']} {processor}, {here['platform']}, Python {here['python']}, "
        f"{', '.join(versions)}."
    )


def verdict(groups: Mapping[str, Any]) -> str:
    """Return how many targets are met, and each that is not."""
    rows = [(name, row) for name, group in groups.items() for row in group["ratios"] if row["met"] is not None]
    missed = [(name, row) for name, row in rows if not row["met"]]
    lines = [f"{len(rows) - len(missed)} of {len(rows)} targets are met." + (" These are not:" if missed else ""), ""]
    for name, row in missed:
        match = row["match"] if row["of"] == "ours" else row["of"]
        lines.append(f"- {name}, {match}: {_value(row, groups[name]['unit'])}")
    return "\n".join(lines).strip()


def sentence(row: Mapping[str, Any], unit: str) -> str:
    """Return one ratio with its target, and whether it is met."""
    met = {None: "", True: ": met", False: ": missed"}[row["met"]]
    return f"{row['of']}: {_value(row, unit)}{met}"


def _value(row: Mapping[str, Any], unit: str) -> str:
    words = _ratio(row) if row["to"] else f"{number(row['ratio'])} {unit}"
    return f"{words}, target {row['target']}" if row["target"] else words


def _ratio(row: Mapping[str, Any]) -> str:
    """Return the median of the ratios turn by turn, and from which to which they go."""
    turns = row.get("turns") or []
    reach = f" ({number(min(turns))} to {number(max(turns))})" if len(turns) > 1 else ""
    middle = number(row["ratio"])
    # Rounded like the others, it would look as if it met its target.
    if row.get("met") is False and abs(row["share"] - 1) < 0.005:
        middle = f"{row['ratio']:.4g}"
    return f"{middle}{reach} of {row['to']}"


def _rows(group: Mapping[str, Any]) -> list[Row]:
    """Return a row for each match, with a column for each contender; of a single match a row for each contender."""
    title, ratios = f"{group['unit']}, median (min to max)", group["ratios"]
    if len(group["values"]) == 1:
        ((match, values),) = group["values"].items()
        return [
            {match: name, title: _spread(turns), **_ratio_cells([row for row in ratios if row["of"] == name])}
            for name, turns in values.items()
        ]
    names = list(dict.fromkeys(name for values in group["values"].values() for name in values))
    return [
        {
            title: match,
            **{name: _spread(values.get(name, [])) for name in names},
            **_ratio_cells([row for row in ratios if row["match"] == match]),
        }
        for match, values in group["values"].items()
    ]


def _ratio_cells(ratios: Sequence[Mapping[str, Any]]) -> Row:
    judged = [row for row in ratios if row["target"]]
    return {
        "ratio": "; ".join(_ratio(row) for row in ratios if row["to"]) or "-",
        "target": "; ".join(row["target"] for row in judged) or "-",
        "met": "; ".join("yes" if row["met"] else "**no**" for row in judged) or "-",
    }


def _spread(turns: Sequence[float]) -> str:
    if not turns:
        return "-"
    middle = number(median(turns))
    return middle if len(turns) == 1 else f"{middle} ({number(min(turns))} to {number(max(turns))})"


def number(value: float) -> str:
    """Return three digits, or the whole number with separators."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def _layers(group: Mapping[str, Any]) -> list[Row]:
    """Return each augmentation of this package and of Keras: what it draws, whether XLA compiles it, its speed."""
    rows = []
    for name, values in group["values"].items():
        facts, row = group["facts"].get(name, {}), {"augmentation": f"`{name}`"}
        for contender in ("ours", "Keras"):
            layer = facts.get(contender, {})
            row |= {
                f"{contender}: draws": layer.get("draws", "-"),
                f"{contender}: XLA": {True: "yes", False: "no", None: "-"}[layer.get("xla")],
                f"{contender}: images/s": number(median(values[contender])) if values.get(contender) else "-",
            }
        row["Keras's layer"] = facts.get("Keras", {}).get("name", "-")
        rows.append(row)
    return rows


def _table(rows: Sequence[Row], group: Mapping[str, Any]) -> str:
    """Return rows in Markdown, and how often and when their group was measured."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([row[column] for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines) + f"\n\nn = {group['n']}, {group['date']}."


def draw(measurements: Mapping[str, Any], path: Path) -> None:
    """Draw a line for each target: how far the ratio is above it (for costs, below it), each turn as a small dot."""
    from matplotlib.figure import Figure

    rows = [(name, row) for name, group in measurements["groups"].items() for row in group["ratios"] if row["share"]]
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
    labels = [
        f"{name}, {row['match']}: {' / '.join(filter(None, (row['of'], row['to'])))} {row['target']}"
        for name, row in rows[::-1]
    ]
    axes.set_yticks(range(len(rows)), labels, fontsize=7)
    axes.set_ylim(-1, len(rows))
    axes.set_xscale("log")
    axes.grid(axis="x", which="both", alpha=0.3)
    axes.set_xlabel("ratio, in units of its target: met at 1 and to the right of it (blue), missed to the left (red)")
    figure.savefig(path, dpi=100, metadata={"Software": None})

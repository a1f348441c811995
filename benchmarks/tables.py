"""The Markdown tables of docs/performance.md, written from benchmarks.json.

A table stands between `<!-- NAME -->` and `<!-- end NAME -->`; a group that the record does not hold keeps its table.
"""

import re
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

Row = Mapping[str, str]


def updated(text: str, record: Mapping[str, Any]) -> str:
    """The page with each of its tables written anew."""
    for name, block in blocks(record).items():
        whole = f"<!-- {name} -->\n{block}\n<!-- end {name} -->"
        text = re.sub(rf"<!-- {name} -->.*?<!-- end {name} -->", lambda _: whole, text, flags=re.DOTALL)  # noqa: B023
    return text


def blocks(record: Mapping[str, Any]) -> dict[str, str]:
    """By name: what stands between the marks."""
    groups = record["groups"]
    found = {name: f"{table(group)}\n\n{_when(group)}" for name, group in groups.items()}
    if "augmentation" in groups:
        found["layers"] = f"{markdown(layers(groups['augmentation']))}\n\n{_when(groups['augmentation'])}"
    return {"machine": machine(record["machine"]), "verdict": verdict(groups), **found}


def machine(here: Mapping[str, Any]) -> str:
    """Where it was measured, in words."""
    packages = {"tensorflow": "TensorFlow", "keras": "Keras", "torch": "PyTorch", "torchvision": "torchvision"}
    versions = [f"{name} {here['versions'][key]}" for key, name in packages.items() if key in here["versions"]]
    return (
        f"{here['cores']} cores of {here['cpu']} (family {here.get('family', '?')}; "
        f"{', '.join(here.get('instructions', []))}), {here['platform']}, Python {here['python']}, "
        f"{', '.join(versions)}."
    )


def verdict(groups: Mapping[str, Any]) -> str:
    """How many targets are met, and each that is not."""
    rows = [(name, row) for name, group in groups.items() for row in group["ratios"] if row["met"] is not None]
    missed = [(name, row) for name, row in rows if not row["met"]]
    lines = [f"{len(rows) - len(missed)} of {len(rows)} targets are met." + (" Missed:" if missed else ""), ""]
    lines += [f"- {name}, {row['match']}: {sentence(row)}" for name, row in missed]
    return "\n".join(lines).strip()


def sentence(row: Mapping[str, Any]) -> str:
    """One ratio with its target."""
    what = ratio(row) if row["to"] else f"{number(row['ratio'])} MB"
    if row["target"] is None:
        return f"{row['of']}: {what}"
    return f"{row['of']}: {what} (target {row['target']}: {'met' if row['met'] else 'missed'})"


def ratio(row: Mapping[str, Any]) -> str:
    """The median of the ratios turn by turn, and from which to which they go."""
    turns = row.get("turns") or []
    reach = f" ({number(min(turns))} to {number(max(turns))})" if len(turns) > 1 else ""
    return f"{number(row['ratio'])}{reach} of {row['to']}"


def table(group: Mapping[str, Any]) -> str:
    """A row for each match; for a single match, a row for each contender."""
    return markdown(_long(group) if len(group["values"]) == 1 else _wide(group))


def _wide(group: Mapping[str, Any]) -> list[Row]:
    names = list(dict.fromkeys(name for values in group["values"].values() for name in values))
    rows = []
    for match, values in group["values"].items():
        ratios = [row for row in group["ratios"] if row["match"] == match]
        cells = {name: _spread(values.get(name, [])) for name in names}
        rows.append(
            {
                f"{group['unit']}, median (min to max)": match,
                **cells,
                "ratio": "; ".join(ratio(row) for row in ratios),
                **_target([row for row in ratios if row["target"]]),
            }
        )
    return rows


def _long(group: Mapping[str, Any]) -> list[Row]:
    ((match, values),) = group["values"].items()
    rows = []
    for name, known in values.items():
        ratios = [row for row in group["ratios"] if row["of"] == name]
        rows.append(
            {
                match: name,
                f"{group['unit']}, median (min to max)": _spread(known),
                "ratio": "; ".join(ratio(row) for row in ratios if row["to"]) or "-",
                **_target([row for row in ratios if row["target"]]),
            }
        )
    return rows


def _target(ratios: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    return {
        "target": "; ".join(row["target"] for row in ratios) or "-",
        "met": "; ".join("yes" if row["met"] else "**no**" for row in ratios) or "-",
    }


def _spread(values: Sequence[float]) -> str:
    if not values:
        return "-"
    middle = number(median(values))
    return middle if len(values) == 1 else f"{middle} ({number(min(values))} to {number(max(values))})"


def number(value: float) -> str:
    """Three digits, or whole with separators."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def layers(group: Mapping[str, Any]) -> list[Row]:
    """Each augmentation layer of ours beside Keras's: what it draws, whether XLA compiles it, how fast it is."""
    rows = []
    for name, values in group["values"].items():
        facts, row = group["facts"].get(name, {}), {"augmentation": f"`{name}`"}
        for who in ("ours", "Keras"):
            known = facts.get(who, {})
            row |= {
                f"{who}: draws": known.get("draws", "-"),
                f"{who}: XLA": {True: "yes", False: "no", None: "-"}[known.get("xla")],
                f"{who}: images/s": number(median(values[who])) if values.get(who) else "-",
            }
        row["Keras's layer"] = facts.get("Keras", {}).get("name", "-")
        rows.append(row)
    return rows


def markdown(rows: Sequence[Row]) -> str:
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([row[column] for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _when(group: Mapping[str, Any]) -> str:
    return f"n = {group['n']}, {group['date']}."

"""Sweeps as charts: each configuration's seeds, their mean and their spread."""

import json
from pathlib import Path
from typing import Any

from rdfia_keras.analysis import sweep_table
from rdfia_keras.analysis.seeds import Statistics
from rdfia_keras.experiments import STUDIES
from rdfia_keras.report.page import charts
from rdfia_keras.report.page.answers import answers
from rdfia_keras.report.page.charts import Points
from rdfia_keras.report.page.sources import Sources


def swept(sources: Sources) -> list[dict[str, Any]]:
    """Your sweeps, then the reference's."""
    found = []
    for root, whose in ((sources.out, "yours"), (FOLDER, "reference")):
        for path in sorted(root.glob("sweeps/*/sweep.json")):
            with sources.reading(f"{'reference/' if whose == 'reference' else ''}sweeps/{path.parent.name}"):
                found.append(_sweep(path, whose))
    return found


def _sweep(path: Path, whose: str) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    rows, varied, name = content["rows"], content["varied"], str(content["name"])
    study = next((one for one in STUDIES.values() if one.name == name), None)
    shown = [row for row in rows if row["n"]]
    labels = [sweep_table.label(row, varied, shown, True) for row in shown]
    measures = {
        measure: [Statistics.of(row[measure]["values"]) for row in shown]
        for measure in sweep_table.MEASURES
        if all(row.get(measure) for row in shown)
    }
    series = {
        f"{measure}, mean and standard deviation": Points(
            spreads, f"var(--series-{n})", ("circle", "square", "diamond")[n]
        )
        for n, (measure, spreads) in enumerate(measures.items())
    }
    axis = study.label if study else ", ".join(varied) or "experiment"
    alt = "; ".join(f"{label}: {one.percents()}" for label, one in zip(labels, measures["final"], strict=True) if one)
    chart = charts.spread_points(labels, series, axis, f"Test accuracy of the last epoch by {axis}: {alt}")
    pale = [row["final"]["values"] for row in shown]
    chart["traces"].insert(0, charts.single_values(labels, pale, "var(--series-0)"))
    for trace in chart["traces"][2:]:
        trace["visible"] = "legendonly"
    command = f"rdfia study {name.removeprefix('study-')}" if study else None
    return {
        "id": f"sweep-{whose}-{name}",
        "name": name,
        "whose": whose,
        "title": axis,
        "seeds": content["seeds"],
        "failed": sum(row["failed"] for row in rows),
        "quick": bool(content.get("quick")),
        "chart": chart,
        "command": command,
        "answers": [one for number in str(content["question"]).split(", ") if (one := answers().get(number))],
    }

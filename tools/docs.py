"""The tables and pictures of the documentation, made from the reference results: `make docs`.

A table stands in a Markdown file between `<!-- NAME -->` and `<!-- end NAME -->`.
"""

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rdfia_keras.analysis import seeds, sweep_table
from rdfia_keras.analysis.published import compare_with_published, reference_run
from rdfia_keras.analysis.reference_tables import TABLES
from rdfia_keras.experiments import FIGURES, LADDER, Experiment, bonus_experiments
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import Query, reference_store

Row = Mapping[str, str]


def markdown(rows: Sequence[Row]) -> str:
    """A Markdown table."""
    columns = list(rows[0])
    lines = [columns, ["---"] * len(columns), *([row[column] for column in columns] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def updated(text: str) -> str:
    """The text with each of its tables written anew."""
    for name, rows in TABLES.items():
        place = re.compile(rf"<!-- {name} -->.*?<!-- end {name} -->", flags=re.DOTALL)
        if place.search(text):
            block = f"<!-- {name} -->\n{markdown(rows())}\n<!-- end {name} -->"
            text = place.sub(lambda _: block, text)  # noqa: B023
    return text


def draw_pictures(out: Path) -> None:
    """Draw the report's figures, the ladder and the bonus from the reference into a results folder."""
    from rdfia_keras import plots
    from rdfia_keras.analysis import figures

    for figure in FIGURES.values():
        panels = [
            figures.Panel(label, experiment, run, is_reference=True)
            for experiment, label in figures.experiments_of(figure)
            if (run := reference_run(experiment))
        ]
        if len(panels) == len(figure.panels):
            figures.draw(figure, panels, out)
        else:
            print(f"{figure.title} is not drawn: it shows an experiment without a reference run", file=sys.stderr)
    folder = make_folder(out / "improve")
    summaries = [sweep_table.summarize(one, list(seeds.reference_trials(one).values()), ()) for one in LADDER]
    rows = [{**row, "label": row["experiment"]} for row in summaries if row["n"]]
    rungs = plots.sweep_points(rows, "The ladder on CIFAR-10: reference and published")
    plots.save(rungs, folder / "ladder.png")
    rows = [
        {**_compared(experiment, run), "best": None}
        for experiment in bonus_experiments()
        if (run := reference_run(experiment))
    ]
    bonus = plots.comparison(rows, "bonus: best test accuracy, reference and published")
    plots.save(bonus, folder / "bonus.png")


def _compared(experiment: Experiment, run: Run) -> dict[str, Any]:
    return compare_with_published(experiment, run, reference_store(), lambda base: Query(config=base.config))


def main() -> None:
    """Update the tables of some files; with --check only say which are out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--check", action="store_true", help="exit 1 when a table is out of date")
    parser.add_argument("--pictures", type=Path, help="a results folder to draw the pictures into as well")
    options = parser.parse_args()
    if options.pictures:
        draw_pictures(options.pictures)
    stale = [
        path for path in options.files if updated(path.read_text(encoding="utf-8")) != path.read_text(encoding="utf-8")
    ]
    for path in stale:
        print(path)
        if not options.check:
            path.write_text(updated(path.read_text(encoding="utf-8")), encoding="utf-8")
    sys.exit(1 if stale and options.check else 0)


if __name__ == "__main__":
    main()

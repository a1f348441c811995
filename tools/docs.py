"""Write the documentation from its templates and the reference results, and draw its pictures: `make docs`.

A document with computed numbers is a Jinja2 template in `docs/templates/`: edit it there. Each number is computed where
it stands, with these values and functions:

    table("ladder")                     a table of `tools/tables.py`, in Markdown
    run("augment")                      the reference run with seed 0, a `ReferenceRun`; trials("augment"): all seeds
    lowest_epochs("augment")            the epoch of the lowest test loss of each seed: 24 / 17 / 20
    over_seeds("augment", 30)           `Statistics` over the reference's seeds, 30 epochs: .best, .last, .last_five
    at_end("batch-norm")                the same of the last epoch, over the experiment's own epochs
    difference("adam")                  its `Difference` to its base: .gain, .interval, .differences.best
    difference("dropout", "schedule")   the same to another experiment
    settled["adam"]                     whether its difference to its base is settled, among those of its table
    unpooled("augment")                 the 95 % interval of its difference to its base, from their own runs alone
    deviation(50, "pytorch")            the standard deviations over seeds, pooled over the experiments with PyTorch's
                                        defaults: .best, .last, .last_five; freedom(50, "pytorch") degrees of freedom
    swept("hidden", 4)                  the row of a named sweep in which the setting has this value
    machine("sweep", "rbf", 0.01)       test accuracy of an SVM of figure 4 ("scores") or of figure 5 ("sweep")
    training_time(ladder)               how long these experiments took together, as `rdfia sweep --dry-run` says it
    config("adam")                      settings of an experiment
    layer("hue"), rate("step", 10)      an augmentation layer; the factor of a schedule after so many epochs
    ladder, bonus["25"]                 names of experiments: the ladder's, and the bonus's by question
    theory, keras, kernels, ...             modules and constants of the code, for its formulas and defaults
    {% do claim(condition) %}           stops the rendering when a sentence is not true any more

Accuracies are fractions. Filters turn them into text: `percent` (81.7 %), `points` (81.7), `signed` (+1.64),
`plus_minus` (81.7 ± 0.2), `interval` (+1.10 to +2.18); `fixed(n)` writes n decimals, `power` 9e-16.
"""

import itertools
import json
import math
import re
import statistics
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
import keras
import numpy as np
import scipy.stats

from rdfia_keras import plots
from rdfia_keras.analysis import figures, seeds, sweep_table, theory
from rdfia_keras.analysis.base_differences import compared_with_bases
from rdfia_keras.analysis.published import compare_with_published, estimated_seconds, reference_run
from rdfia_keras.analysis.tables import Row
from rdfia_keras.experiments import FIGURES, LADDER, MODERN_LADDER, REGISTRY, bonus_experiments
from rdfia_keras.experiments.registry import KERAS_LADDER
from rdfia_keras.models import augmentation, kernels, pytorch_defaults
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.history import EpochRow, scores
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import REFERENCE_FOLDER, reference_store
from rdfia_keras.system.terminal import duration_in_words
from rdfia_keras.training.optimizers import PYTORCH_DEFAULTS
from rdfia_keras.training.schedules import SCHEDULES, IterationDecay
from tools.tables import TABLES

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "docs" / "templates"
FOLDERS = {"README.md": ROOT, "questions.md": REFERENCE_FOLDER}
RESULTS = ROOT / "results"
# Best and last test accuracy by seed, in float32 and in mixed_bfloat16: rdfia cnn --augment --epochs 10 on all
# of CIFAR-10, measured once.
PRECISION_PAIRS = {
    0: ((0.7643, 0.7573), (0.7660, 0.7557)),
    1: ((0.7716, 0.7716), (0.7689, 0.7689)),
    2: ((0.7595, 0.7595), (0.7703, 0.7703)),
}


# --- the names of templates -------------------------------------------------------------------------------------------


class ReferenceRun:
    """The epochs of an experiment's reference run with seed 0, for mlp those of the first implementation.

    Attributes:
        rows: The rows of history.csv.
        accuracies: Test accuracy by epoch.
        best: The highest test accuracy.
        best_epoch: The epoch of the highest test accuracy.
        last: Test accuracy of the last epoch.
        last_five: The mean test accuracy of the last five epochs.
        end: The row of the last epoch.
    """

    def __init__(self, rows: Sequence[EpochRow]):
        self.rows, self.end = rows, rows[-1]
        self.accuracies = [row["test_accuracy"] for row in rows]
        measures = seeds.measures(rows, len(rows))
        self.best, self.last, self.last_five = (measures[name] for name in ("best", "last", "last_five"))
        self.best_epoch = self.accuracies.index(self.best) + 1

    def __len__(self) -> int:
        return len(self.rows)

    def up_to(self, epochs: int) -> "ReferenceRun":
        """Return the first epochs of the run."""
        return ReferenceRun(self.rows[:epochs])

    def lowest(self, column: str = "test_loss") -> Mapping[str, Any]:
        """Return the row of the epoch that has the lowest value."""
        return min(self.rows, key=lambda row: float(row[column]))

    def reaches(self, accuracy: float) -> int:
        """Return the first epoch with this test accuracy."""
        return next(epoch for epoch, value in enumerate(self.accuracies, start=1) if value >= accuracy)

    @property
    def roughness(self) -> float:
        """The mean change of the test accuracy from one epoch to the next, within the second half."""
        second_half = self.accuracies[len(self) // 2 - 1 :]
        return statistics.fmean(abs(after - before) for before, after in itertools.pairwise(second_half))


def run(name: str) -> ReferenceRun:
    """Return the reference run of an experiment, or of the folder `cnn/<name>` if no experiment has the name."""
    reference = find_reference(name) if name in REGISTRY else reference_store().named(f"cnn/{name}")
    assert reference is not None, name
    return ReferenceRun([row for row in reference.history() if row.get("implementation", "manual") == "manual"])


def trials(name: str) -> list[ReferenceRun]:
    """Return the reference runs of an experiment, by seed."""
    by_seed = seeds.reference_trials(REGISTRY[name])
    return [ReferenceRun(by_seed[seed].rows) for seed in sorted(by_seed)]


def find_reference(name: str) -> Run:
    """Return the reference run of an experiment, which must have one."""
    reference = reference_run(REGISTRY[name])
    assert reference is not None, f"{name} has no reference run"
    return reference


def table(name: str) -> str:
    """Return a table of the reference results in Markdown; names of experiments and runs are code."""
    return markdown(TABLES[name]())


def markdown(rows: Sequence[Row]) -> str:
    """Return rows as a Markdown table."""
    columns = list(rows[0])
    lines = [[_cell(column, row[column]) for column in columns] for row in rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in [columns, ["---"] * len(columns), *lines])


def _cell(column: str, text: str) -> str:
    return re.sub(r"^[\w.-]+", r"`\g<0>`", text) if column in ("experiment", "run", "step", "compared with") else text


def difference(name: str, other: str = "") -> seeds.Difference:
    """Return the difference of an experiment to its base, or to another experiment."""
    experiment = REGISTRY[name]
    found = seeds.difference(experiment, REGISTRY[other]) if other else seeds.difference_to_base(experiment)
    assert found is not None, name
    return found


def settled() -> dict[str, bool]:
    """Return whether the difference of an experiment to its base is settled, among those of the same table."""
    families = (LADDER, KERAS_LADDER, bonus_experiments())
    rows = (row for family in families for row in compared_with_bases(family))
    return {row["experiment"].name: row["result"] == "settled" for row in rows}


def unpooled(name: str) -> tuple[float, float]:
    """Return Welch's 95 % interval of the difference to the base, which pools no standard deviation."""
    experiment = REGISTRY[name]
    base = REGISTRY[str(experiment.base)]
    epochs = min(experiment.config.epochs, base.config.epochs)
    own, others = (
        [measured["last_five"] for measured in seeds.measures_by_seed(each, epochs).values()]
        for each in (experiment, base)
    )
    return tuple(scipy.stats.ttest_ind(own, others, equal_var=False).confidence_interval(seeds.CONFIDENCE))


def swept(name: str, value: Any) -> dict[str, Any]:
    """Return the row of a sweep of one setting in which the setting has this value."""
    rows = json.loads((REFERENCE_FOLDER / "sweeps" / name / "sweep.json").read_text(encoding="utf-8"))["rows"]
    (row,) = [row for row in rows if list(row["settings"].values()) == [value]]
    return row


def machine(rows: str, kernel: str, C: float, degree: int | None = None) -> float:
    """Return the test accuracy of the SVM with this kernel and a C that is equal to 1 %."""
    details = find_reference("kernels").result.details
    same_kernel = [row for row in details[rows] if (row["kernel"], row["degree"]) == (kernel, degree)]
    (accuracy,) = [row["test_accuracy"] for row in same_kernel if math.isclose(row["C"], C, rel_tol=0.01)]
    return float(accuracy)


def implementations_apart() -> float:
    """Return the largest difference between any numbers of the four implementations in an epoch."""
    epochs: dict[int, list[list[float]]] = {}
    for row in find_reference("circles").history():
        epochs.setdefault(row["epoch"], []).append(scores(row))
    return max(float(np.ptp(rows, axis=0).max()) for rows in epochs.values())


def precision_pairs() -> dict[str, Any]:
    """Return the rows of the measured pairs with their means, and the paired difference of the best epochs."""
    columns = zip(*PRECISION_PAIRS.values(), strict=True)
    means = [[statistics.fmean(values) for values in zip(*column, strict=True)] for column in columns]
    float32, bfloat16 = ({seed: pair[column][0] for seed, pair in PRECISION_PAIRS.items()} for column in (0, 1))
    return {"rows": {**PRECISION_PAIRS, "mean": means}, "best": seeds.paired_difference(float32, bfloat16)}


def claim(condition: object) -> None:
    """Stop the rendering if a sentence of the document is not true any more.

    Raises:
        ValueError: If the condition is false.
    """
    if not condition:
        raise ValueError("a claim of this document does not hold any more; see the line in the traceback")


def plus_minus(value: seeds.Statistics | Mapping[str, float], digits: int = 1) -> str:
    """Return mean and standard deviation of fractions in percent."""
    mean, std = (getattr(value, key) if isinstance(value, seeds.Statistics) else value[key] for key in ("mean", "std"))
    return f"{100 * mean:.{digits}f} ± {100 * std:.{digits}f}"


NAMES = {
    "table": table,
    "run": run,
    "trials": trials,
    "lowest_epochs": lambda name: " / ".join(str(trial.lowest()["epoch"]) for trial in trials(name)),
    "over_seeds": lambda name, epochs: seeds.statistics_at(REGISTRY[name], epochs),
    "at_end": lambda name: seeds.reference_statistics(REGISTRY[name], "final"),
    "difference": difference,
    "settled": settled(),
    "unpooled": unpooled,
    "deviation": lambda *asked, **data: seeds.pooled(*asked, **data)[0],
    "freedom": lambda *asked, **data: seeds.pooled(*asked, **data)[1],
    "precision_pairs": precision_pairs(),
    "swept": swept,
    "machine": machine,
    "implementations_apart": implementations_apart,
    "training_time": lambda names: duration_in_words(estimated_seconds([REGISTRY[name] for name in names]) or 0),
    "config": lambda name: REGISTRY[name].config.resolve(),
    "layer": lambda name: augmentation.LAYERS[name](28, 0),
    "rate": lambda schedule, epoch: SCHEDULES[schedule](1.0).rate(epoch),
    "ladder": [experiment.name for experiment in LADDER],
    "bonus": {
        question: [experiment.name for experiment in bonus_experiments() if experiment.report.question == question]
        for question in ("21", "25", "28")
    },
    "theory": theory,
    "keras": keras,
    "augmentation": augmentation,
    "kernels": kernels,
    "pytorch_defaults": pytorch_defaults,
    "PYTORCH_DEFAULTS": PYTORCH_DEFAULTS,
    "IterationDecay": IterationDecay,
    "claim": claim,
}
FILTERS = {
    "percent": lambda fraction, digits=1: f"{100 * fraction:.{digits}f} %",
    "points": lambda fraction, digits=1: f"{100 * fraction:.{digits}f}",
    "signed": lambda fraction, digits=2: f"{100 * fraction:+.{digits}f}",
    "interval": lambda ends, digits=2: "{:+.{n}f} to {:+.{n}f}".format(*(100 * end for end in ends), n=digits),
    "fixed": lambda number, digits: f"{number:.{digits}f}",
    "power": lambda number: f"{number:.0e}".replace("e-0", "e-"),
    "general": lambda number: f"{number:g}",
    "thousands": lambda number, digits=0: f"{number:,.{digits}f}",
    "plus_minus": plus_minus,
}


# --- writing ----------------------------------------------------------------------------------------------------------


def render(name: str) -> str:
    """Return the text of a document.

    Args:
        name: Its file's name: README.md.

    Raises:
        jinja2.TemplateError: If the template uses an unknown name.
        ValueError: If a claim does not hold.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
        extensions=["jinja2.ext.do"],
    )
    environment.filters |= FILTERS
    header = f"<!-- Written by make docs from docs/templates/{name}.j2: edit that file. -->\n"
    return header + environment.get_template(f"{name}.j2").render(NAMES)


def documents() -> dict[str, Path]:
    """Return the paths of the documents that have a template, by name."""
    names = sorted(path.stem for path in TEMPLATES.glob("*.md.j2"))
    return {name: FOLDERS.get(name, ROOT / "docs") / name for name in names}


def draw_pictures(out: Path) -> None:
    """Draw the report's figures, the ladders and the bonus from the reference into a results folder."""
    for figure in FIGURES.values():
        panels = [
            figures.Panel(label, experiment, find_reference(experiment.name)) for experiment, label in figure.panels
        ]
        figures.draw(figure, panels, out)
    folder = make_folder(out / "improve")
    for ladder, name, title in (
        (LADDER, "ladder", "The ladder on CIFAR-10: reference and published"),
        (MODERN_LADDER, "modern", "The second ladder on CIFAR-10"),
    ):
        summaries = [sweep_table.summarize(rung, list(seeds.reference_trials(rung).values()), ()) for rung in ladder]
        rows = [{**row, "label": row["experiment"]} for row in summaries if row["n"]]
        plots.save(plots.sweep_points(rows, title), folder / f"{name}.png")
    store = reference_store()
    rows = [
        compare_with_published(experiment, reference, store) | {"best": None}
        for experiment in bonus_experiments()
        if (reference := reference_run(experiment))
    ]
    title = "bonus: best test accuracy, reference and published"
    plots.save(plots.comparison(rows, title), folder / "bonus.png")


def main() -> None:
    """Write every document and picture."""
    for name, path in documents().items():
        path.write_text(render(name), encoding="utf-8")
    draw_pictures(RESULTS)


if __name__ == "__main__":
    main()

"""The tables and pictures of the documentation, made from the reference results: `make docs`.

A table stands in a Markdown file between `<!-- NAME -->` and `<!-- end NAME -->`.
"""

import argparse
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rdfia_keras.experiments import FIGURES, LADDER, REGISTRY, Experiment, bonus_experiments, figures_of
from rdfia_keras.experiments.bonus import BATCH_NORM, DROPOUT
from rdfia_keras.report import judgement, seeds, tables
from rdfia_keras.report.comparison import compare, reference_run
from rdfia_keras.report.tables import percent
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.records import StoredRun
from rdfia_keras.runs.reference import reference_store
from rdfia_keras.runs.store import Query

Row = Mapping[str, str]


def ladder() -> list[Row]:
    """The six rungs: published, and mean and sample standard deviation of the reference's seeds."""
    rows: list[Row] = []
    for experiment in LADDER:
        final, best = seeds.spread_of(experiment, "final"), seeds.spread_of(experiment, "best")
        rows.append(
            {
                "rung": f"`{experiment.name}`",
                "published": percent(experiment.reference.published),
                "reference, last epoch": final.percents() if final else "-",
                "reference, best epoch": best.percents() if best else "-",
                "n": str(final.n if final else 0),
                "epochs": str(experiment.config.epochs),
            }
        )
    return rows


def gains() -> list[Row]:
    """What each rung adds to the one before, paired by seed."""
    return _gains(LADDER[1:])


def framework_defaults() -> list[Row]:
    """What the rungs with PyTorch's defaults lose with Keras's, paired by seed."""
    return _gains([DROPOUT, BATCH_NORM])


def _gains(experiments: Sequence[Experiment]) -> list[Row]:
    """What experiments add to those that they change."""
    rows: list[Row] = []
    for experiment in experiments:
        compared = seeds.compare_with_base(experiment)
        if compared is None or compared.gain is None:
            continue
        gain = compared.gain
        interval = "-" if gain.interval is None else "{:+.2f} to {:+.2f}".format(*(100 * end for end in gain.interval))
        rows.append(
            {
                "experiment": f"`{experiment.name}`",
                "over": f"`{experiment.base}`",
                "epochs": str(compared.epochs),
                "gain, points": f"{100 * gain.mean:+.2f}",
                "95 % interval": interval,
                "n": str(gain.n),
                "larger than the noise": "yes" if gain.is_clear else "not shown",
            }
        )
    return rows


def rungs() -> list[Row]:
    """The six rungs over equal epochs: as many as the shortest ones have, then as many as the longer ones have."""
    rows: list[Row] = []
    for epochs in sorted({experiment.config.epochs or 0 for experiment in LADDER}):
        for experiment in LADDER:
            spreads = judgement.spreads(experiment, epochs)
            if spreads:
                rows.append(
                    {
                        "epochs": str(epochs),
                        "rung": f"`{experiment.name}`",
                        **{name: spread.percents() for name, spread in spreads.items()},
                        "n": str(spreads["last"].n),
                    }
                )
    return rows


def bonus() -> list[Row]:
    """What each experiment of the bonus changes, and whether that is more than twice the spread of seeds."""
    judged = [(experiment, judgement.judge(experiment)) for experiment in bonus_experiments()]
    return [_bonus_row(experiment, one) for experiment, one in judged if one]


def _bonus_row(experiment: Experiment, judged: judgement.Judgement) -> Row:
    verdict = "-"
    if judged.noise:
        verdict = {0: "no", len(judgement.MEASURES): "yes"}.get(len(judged.clear), f"only {' and '.join(judged.clear)}")
    return {
        "experiment": f"`{experiment.name}`",
        "changes": f"`{experiment.base}`",
        "epochs": str(judged.epochs),
        **{name: f"{percent(value)} ({100 * judged.differences[name]:+.2f})" for name, value in judged.values.items()},
        "n": "{} / {}".format(*judged.seeds),
        "larger than twice the spread": verdict,
    }


def noise() -> list[Row]:
    """The spread that the bonus is judged against."""
    lengths = sorted(
        {one.epochs for experiment in bonus_experiments() if (one := judgement.judge(experiment)) and one.noise}
    )
    return [
        {
            "epochs": str(epochs),
            **{name: f"{100 * std:.2f}" for name, std in judgement.noise(epochs).items()},
        }
        for epochs in lengths
    ]


def selection() -> list[Row]:
    """The runs with a validation set: the epoch that it selects beside the best one on the test set."""
    validated = [run for run in reference_store().runs("cnn") if run.record.selected]
    return [_selection_row(run) for run in validated]


def _selection_row(run: StoredRun) -> Row:
    record, config = run.record, run.config
    assert record.best and record.selected and record.final
    best, selected, final = (one["test_accuracy"] for one in (record.best, record.selected, record.final))
    last = [row["test_accuracy"] for row in run.history()[-seeds.LAST :]]
    return {
        "run": f"`{run.folder.name}`",
        "trained on": f"{record.dataset['counts']['train']:,}",
        "seed": str(config.seed),
        "best on the test set": f"{percent(best)} (epoch {record.best['epoch']})",
        "selected on the validation set": f"{percent(selected)} (epoch {record.selected['epoch']})",
        "last": percent(final),
        f"mean of the last {seeds.LAST}": percent(sum(last) / len(last)),
        "best minus selected, points": f"{100 * (best - selected):+.2f}",
    }


def results() -> list[Row]:
    """Every registered experiment with a reference run."""
    return [row for experiment in REGISTRY.values() for row in _result_rows(experiment)]


def _result_rows(experiment: Experiment) -> list[Row]:
    run, reference = reference_run(experiment), experiment.reference
    if run is None:
        return []
    if experiment.section == "svm":
        return _kernel_rows(experiment, run)
    label, published = f"`{experiment.name}`", tables.published(asdict(reference))
    final, best = (seeds.spread_of(experiment, measure) for measure in ("final", "best"))
    if final and best and final.n > 1:
        row = _row(experiment, run, label, published, best.percents(), final.percents(), f"0 to {final.n - 1}")
        return [{**row, "epochs": str(experiment.config.epochs)}]
    return [_row(experiment, run, label, published, _best(run), _last(run), str(run.config.seed))]


def _kernel_rows(experiment: Experiment, run: StoredRun) -> list[Row]:
    """A row for each kernel that the report gives a number for, at its best C."""
    rows: list[Row] = []
    for (kernel, degree), published in tables.PUBLISHED_KERNELS.items():
        machines = [m for m in run.record.details["sweep"] if (m["kernel"], m["degree"]) == (kernel, degree)]
        best = max(machines, key=lambda machine: machine["test_accuracy"])
        name = f"polynomial of degree {degree}" if degree else kernel.upper()
        label = f"`{experiment.name}`: {name}, best C {best['C']:.2g}"
        rows.append(_row(experiment, run, label, percent(published), percent(best["test_accuracy"]), "-", "0"))
    return rows


def _row(experiment: Experiment, run: StoredRun, label: str, published: str, best: str, last: str, seeds: str) -> Row:
    record = run.record
    return {
        "figure": ", ".join(figures_of(experiment.name)) or "-",
        "experiment": label,
        "published": published,
        "reference, best (epoch)": best,
        "reference, last": last,
        "epochs": str(record.epochs or "-"),
        "seeds": seeds,
        "precision": getattr(record.config, "precision", "float64"),
        "data": record.dataset["name"],
    }


def _best(run: StoredRun | None) -> str:
    if run is None or run.record.best is None:
        return "-"
    return f"{percent(run.record.best['test_accuracy'])} ({run.record.best['epoch']})"


def _last(run: StoredRun | None) -> str:
    return percent(run.record.final["test_accuracy"]) if run and run.record.final else "-"


TABLES: dict[str, Callable[[], list[Row]]] = {
    "ladder": ladder,
    "gains": gains,
    "rungs": rungs,
    "noise": noise,
    "bonus": bonus,
    "selection": selection,
    "defaults": framework_defaults,
    "results": results,
}


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
    from rdfia_keras.report import figures

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
    rungs = plots.sweep_points(seeds.spread_rows(LADDER), "The ladder on CIFAR-10: reference and published")
    plots.save(rungs, folder / "ladder.png")
    rows = [
        {**_compared(experiment, run), "best": None}
        for experiment in bonus_experiments()
        if (run := reference_run(experiment))
    ]
    bonus = plots.comparison(rows, "bonus: best test accuracy, reference and published")
    plots.save(bonus, folder / "bonus.png")


def _compared(experiment: Experiment, run: StoredRun) -> dict[str, Any]:
    return compare(experiment, run, reference_store(), lambda base: Query(config=base.config))


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

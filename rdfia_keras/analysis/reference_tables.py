"""The results that ship with the package as tables, for the documentation and the report page."""

from collections.abc import Callable, Sequence
from dataclasses import asdict

from rdfia_keras.analysis import seeds, tables
from rdfia_keras.analysis.published import reference_run
from rdfia_keras.analysis.tables import Row, percent
from rdfia_keras.experiments import LADDER, REGISTRY, Experiment, bonus_experiments, figures_of
from rdfia_keras.experiments.registry import BATCH_NORM, DROPOUT
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import reference_store


def ladder() -> list[Row]:
    """Return a row for each of the six rungs: published, and mean and standard deviation over the reference's seeds."""
    rows = []
    for experiment in LADDER:
        final, best = (seeds.reference_statistics(experiment, measure) for measure in ("final", "best"))
        rows.append(
            {
                "rung": experiment.name,
                "published": percent(experiment.reference.published),
                "reference, last epoch": final.percents() if final else "-",
                "reference, best epoch": best.percents() if best else "-",
                "n": str(final.n if final else 0),
                "epochs": str(experiment.config.epochs),
            }
        )
    return rows


def gains(experiments: Sequence[Experiment]) -> list[Row]:
    """Return what experiments add to those that they change, paired by seed."""
    rows = []
    for experiment in experiments:
        compared = seeds.difference_to_base(experiment)
        if compared is None or compared.paired is None:
            continue
        paired = compared.paired
        interval = (
            "-" if paired.interval is None else "{:+.2f} to {:+.2f}".format(*(100 * end for end in paired.interval))
        )
        rows.append(
            {
                "experiment": experiment.name,
                "over": str(experiment.base),
                "epochs": str(compared.epochs),
                "gain, points": f"{100 * paired.mean:+.2f}",
                "95 % interval": interval,
                "n": str(paired.n),
                "significant": "yes" if paired.is_significant else "not shown",
            }
        )
    return rows


def equal_epochs() -> list[Row]:
    """Return the six rungs over equal epochs: as many as the shortest ones have, then as many as the longer ones."""
    rows = []
    for epochs in sorted({experiment.config.epochs or 0 for experiment in LADDER}):
        for experiment in LADDER:
            if measured := seeds.statistics_at(experiment, epochs):
                values = {seeds.MEASURES[name]: value.percents() for name, value in measured.items()}
                rows.append({"epochs": str(epochs), "rung": experiment.name, **values, "n": str(measured["last"].n)})
    return rows


def bonus() -> list[Row]:
    """Return what each experiment of the bonus changes, and whether that is above the threshold."""
    rows = []
    for experiment in bonus_experiments():
        if compared := seeds.difference_to_base(experiment):
            differences = {
                seeds.MEASURES[name]: f"{percent(mean)} ({100 * compared.differences[name]:+.2f})"
                for name, mean in compared.means.items()
            }
            rows.append(
                {
                    "experiment": experiment.name,
                    "changes": str(experiment.base),
                    "epochs": str(compared.epochs),
                    **differences,
                    "n": "{} / {}".format(*compared.seeds),
                    "above the threshold": _verdict(compared),
                }
            )
    return rows


def _verdict(compared: seeds.DifferenceToBase) -> str:
    if not compared.threshold:
        return "-"
    significant = [seeds.MEASURES[name] for name in compared.significant]
    return {0: "no", len(seeds.MEASURES): "yes"}.get(len(significant), f"only {' and '.join(significant)}")


def standard_deviations() -> list[Row]:
    """Return the standard deviations over seeds, in points, whose double is the threshold of the bonus."""
    compared = [seeds.difference_to_base(experiment) for experiment in bonus_experiments()]
    return [
        {"epochs": str(epochs)}
        | {seeds.MEASURES[name]: f"{100 * std:.2f}" for name, std in seeds.standard_deviations(epochs).items()}
        for epochs in sorted({one.epochs for one in compared if one and one.threshold})
    ]


def selection() -> list[Row]:
    """Return the runs with a validation set: the epoch that it selects and the best one on the test set."""
    return [_selection_row(run) for run in reference_store().runs("cnn") if run.result.selected]


def _selection_row(run: Run) -> Row:
    record, config = run.result, run.config
    assert record.best and record.selected and record.final
    best, selected, final = (row["test_accuracy"] for row in (record.best, record.selected, record.final))
    return {
        "run": run.folder.name,
        "trained on": f"{record.dataset['counts']['train']:,}",
        "seed": str(config.seed),
        "best on the test set": f"{percent(best)} (epoch {record.best['epoch']})",
        "selected on the validation set": f"{percent(selected)} (epoch {record.selected['epoch']})",
        "last": percent(final),
        seeds.MEASURES["last_five"]: percent(seeds.mean_of_last(run.history(), record.epochs)),
        "best minus selected, points": f"{100 * (best - selected):+.2f}",
    }


def results() -> list[Row]:
    """Return every registered experiment with a reference run."""
    return [row for experiment in REGISTRY.values() for row in _result_rows(experiment)]


def _result_rows(experiment: Experiment) -> list[Row]:
    run, reference = reference_run(experiment), experiment.reference
    if run is None:
        return []
    if experiment.section == "svm":
        return _kernel_rows(experiment, run)
    published = tables.published(asdict(reference))
    final, best = (seeds.reference_statistics(experiment, measure) for measure in ("final", "best"))
    if final and best and final.n > 1:
        seed_range = f"0 to {final.n - 1}"
        row = _row(experiment, run, experiment.name, published, best.percents(), final.percents(), seed_range)
        return [{**row, "epochs": str(experiment.config.epochs)}]
    best_epoch = run.result.best
    best_text = f"{percent(best_epoch['test_accuracy'])} ({best_epoch['epoch']})" if best_epoch else "-"
    last_text = percent(run.result.final["test_accuracy"]) if run.result.final else "-"
    return [_row(experiment, run, experiment.name, published, best_text, last_text, str(run.config.seed))]


def _kernel_rows(experiment: Experiment, run: Run) -> list[Row]:
    """Return a row for each kernel that the report gives a number for, at its best C."""
    rows = []
    for (kernel, degree), published in tables.PUBLISHED_KERNELS.items():
        machines = [m for m in run.result.details["sweep"] if (m["kernel"], m["degree"]) == (kernel, degree)]
        best = max(machines, key=lambda machine: machine["test_accuracy"])
        name = f"polynomial of degree {degree}" if degree else kernel.upper()
        label = f"{experiment.name}: {name}, best C {best['C']:.2g}"
        rows.append(_row(experiment, run, label, percent(published), percent(best["test_accuracy"]), "-", "0"))
    return rows


def _row(experiment: Experiment, run: Run, label: str, published: str, best: str, last: str, seeds: str) -> Row:
    record = run.result
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


TABLES: dict[str, Callable[[], list[Row]]] = {
    "ladder": ladder,
    "gains": lambda: gains(LADDER[1:]),
    "defaults": lambda: gains([DROPOUT, BATCH_NORM]),
    "equal epochs": equal_epochs,
    "standard deviations": standard_deviations,
    "bonus": bonus,
    "selection": selection,
    "results": results,
}

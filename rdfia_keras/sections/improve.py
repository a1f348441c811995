"""Section improve: the ladder of part 5 and its bonus, each run kept, then one table and one plot of all of them."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from rdfia_keras import plots, records
from rdfia_keras.data import Dataset
from rdfia_keras.experiments import REGISTRY, CnnExperiment, identify
from rdfia_keras.progress import note
from rdfia_keras.sections import Options
from rdfia_keras.sections.kept import Kept, Wanted, find, obtain


@dataclass(frozen=True)
class Outcome:
    """What `run` came to.

    Attributes:
        rows: One for each experiment that has a finished run, see `compare`.
        folder: Where table and plot are.
        interrupted: Whether Ctrl-C cut it short; what was finished is in the rows.
        exit_code: What the process should exit with.
    """

    rows: list[dict]
    folder: Path
    interrupted: bool = False
    exit_code: int = 0


def on_dataset(experiment: CnnExperiment, dataset: str) -> CnnExperiment:
    """The experiment on other images: nothing published stands beside it."""
    if experiment.dataset == dataset:
        return experiment
    return identify(replace(experiment, dataset=dataset), experiment.epochs)


def run(
    experiments: tuple[CnnExperiment, ...],
    name: str,
    wanted: Callable[[CnnExperiment], Wanted],
    options: Options,
    load: Callable[[str], Dataset],
) -> Outcome:
    """Train what is not kept yet, one after the other, and compare.

    Args:
        experiments: In the order of the table.
        name: Of the table's and the plot's files.
        wanted: Which run of an experiment will do.
        load: Gives a data set by its name.

    Raises:
        RdfiaError: When data, device or output folder cannot be used, or the disk fills up.
    """
    folder = records.make_folder(options.out / "improve")
    done = []
    exit_code, interrupted = 0, False
    for number, experiment in enumerate(experiments, start=1):
        kept, result = obtain(experiment, wanted(experiment), options, load)
        if kept is None:
            interrupted, exit_code = True, result.exit_code
            break
        done.append(kept)
        if result is None:
            note(f"[{number}/{len(experiments)}] {experiment.name}: kept in {kept.folder}")
    rows = [compare(kept, options.out, wanted) for kept in done]
    if rows and not interrupted:
        write(rows, folder, name, options.quick)
    return Outcome(rows, folder, interrupted, exit_code)


def compare(kept: Kept, out: Path, wanted: Callable[[CnnExperiment], Wanted]) -> dict:
    """A run beside what was published, and beside the experiment that it changes, over no more epochs than its own."""
    experiment, record = kept.experiment, kept.record
    row = {
        "figure": experiment.figure,
        "question": experiment.question,
        "experiment": experiment.name,
        "base": experiment.base,
        "published": experiment.published,
        "reported": experiment.reported,
        "others": experiment.others,
        "best": record["best"] and record["best"]["test_accuracy"],
        "best_epoch": record["best"] and record["best"]["epoch"],
        "final": record["final"] and record["final"]["test_accuracy"],
        "base_best": None,
        "epochs": kept.epochs,
        "seed": experiment.seed,
        "precision": experiment.precision,
        "dataset": record["dataset"]["name"],
        "status": record["status"],
        "quick": record["quick"],
        "seconds": record["seconds"],
    }
    base = REGISTRY.get(experiment.base or "")
    if base and base.dataset == experiment.dataset and kept.epochs:
        base_kept = find(out, base, replace(wanted(base), epochs=min(kept.epochs, base.epochs)))
        if base_kept:
            rows = base_kept.history()[: kept.epochs]
            row["base_best"] = max((line["test_accuracy"] for line in rows), default=None)
    return row


def write(rows: list[dict], folder: Path, name: str, quick: bool) -> None:
    """The rows as `name`.json, and drawn as `name`.png; `name`-quick when they are a taste."""
    title = f"{name} on {{data}}: best test accuracy, ours and published"
    name += "-quick" if quick else ""
    records.write_atomic(folder / f"{name}.json", records.to_json({"rows": rows}).encode())
    drawn = [row for row in rows if row["best"] is not None]
    if drawn:
        data = " and ".join(sorted({row["dataset"] for row in drawn}))
        plots.save(plots.comparison(drawn, title.format(data=data), quick=quick), folder / f"{name}.png")

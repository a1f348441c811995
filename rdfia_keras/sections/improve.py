"""Section improve: the ladder of part 5 and its bonus, then one table and one plot of all of them."""

from collections.abc import Callable, Sequence
from pathlib import Path

from rdfia_keras.analysis import tables
from rdfia_keras.analysis.published import compare_with_published, write
from rdfia_keras.config import RunOptions, dataset_name
from rdfia_keras.experiments import Experiment, on_dataset
from rdfia_keras.report.result import Result
from rdfia_keras.runs.files import make_folder
from rdfia_keras.runs.records import StoredRun
from rdfia_keras.runs.store import Query, RunStore
from rdfia_keras.sections.get_or_train import Load, get_or_train, loader
from rdfia_keras.system.terminal import note


def run(
    experiments: Sequence[Experiment],
    title: str,
    query: Callable[[Experiment], Query],
    options: RunOptions,
    dataset: str | None = None,
    load: Load | None = None,
) -> Result:
    """Train what is missing, one after the other, and compare.

    Args:
        experiments: In the order of the table.
        title: Of the table's and the plot's files.
        query: Which run of an experiment will do.
        dataset: Other images than each experiment's own.
        load: Gives the data of a config; by default from `options.data_dir`.

    Raises:
        RdfiaError: When data, device or output folder cannot be used, or the disk fills up.
    """
    if dataset:
        dataset = dataset_name(dataset)
        experiments = [on_dataset(experiment, dataset) for experiment in experiments]
        title = f"{title}-{Path(dataset).name}"
    folder, load = make_folder(options.out / "improve"), load or loader(options)
    done: list[tuple[Experiment, StoredRun]] = []
    exit_code, interrupted = 0, False
    for number, experiment in enumerate(experiments, start=1):
        found, finished = get_or_train(experiment, query(experiment), options, load)
        if found is None:
            interrupted, exit_code = True, finished.exit_code if finished else 1
            break
        done.append((experiment, found))
        if finished and finished.exit_code > 1 and number < len(experiments):
            interrupted, exit_code = True, finished.exit_code
            break
        if finished is None:
            note(f"[{number}/{len(experiments)}] {experiment.name}: finished earlier, in {found.folder}")
    rows = [compare_with_published(experiment, found, RunStore(options.out), query) for experiment, found in done]
    if rows and not interrupted:
        write(rows, folder, title, options.quick)
    again = "the same command without --overwrite" if options.overwrite else "the same command"
    return Result(
        data={"rows": rows},
        table=tables.comparison(rows),
        paths=[folder],
        hint=f"interrupted; {again} resumes from here" if interrupted else "",
        quick=options.quick,
        exit_code=exit_code,
    )

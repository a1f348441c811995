"""`rdfia improve`: the ladder of improvements, the bonus and the second ladder."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rdfia_keras.commands._options import Epochs, OtherImages, Precision, Seed, command
from rdfia_keras.config import RunOptions, dataset_name
from rdfia_keras.errors import ConfigError, choose
from rdfia_keras.experiments import LADDER, MODERN_LADDER, REGISTRY, Experiment, bonus_experiments, on_dataset
from rdfia_keras.result import Result

if TYPE_CHECKING:
    from rdfia_keras.runs.run import Run
    from rdfia_keras.training.get_or_train import Resources


@command(
    examples=(
        "rdfia improve",
        "rdfia improve --bonus",
        "rdfia improve --modern",
        "rdfia improve adam blur",
        "rdfia improve --dataset digits --quick",
    )
)
def improve(
    options: RunOptions,
    names: Annotated[
        list[str] | None, typer.Argument(help="Experiments, by name: see rdfia list.", show_default="the ladder")
    ] = None,
    bonus: Annotated[bool, typer.Option("--bonus", help="Train the bonus experiments instead of the ladder.")] = False,
    modern: Annotated[
        bool, typer.Option("--modern", help="Train the second ladder, which continues after the report.")
    ] = False,
    dataset: OtherImages = None,
    precision: Precision = None,
    epochs: Epochs = None,
    seed: Seed = 0,
) -> Result:
    """Train and compare the ladder: baseline, normalize, augment, schedule, dropout, batch-norm.

    The steps have PyTorch's defaults, as in the report; the bonus has Keras's. The second ladder goes on after
    batch-norm with ten newer steps. None has more parameters.

    Finished runs on the same data are not trained again, and interrupted runs resume: run the same command again.
    """
    experiments, title = chosen_experiments(names or [], bonus, modern)
    if dataset:
        dataset = dataset_name(dataset)
        experiments = [on_dataset(experiment, dataset) for experiment in experiments]
        title = f"{title}-{Path(dataset).name}"
    from rdfia_keras.analysis import tables
    from rdfia_keras.analysis.published import compare_with_published, wanted_run, write
    from rdfia_keras.runs.files import make_folder
    from rdfia_keras.runs.store import RunStore
    from rdfia_keras.training.get_or_train import Resources
    from rdfia_keras.training.job import report_cut_epochs

    experiments = [
        replace(experiment, config=wanted_run(experiment, seed, epochs, precision).config) for experiment in experiments
    ]
    report_cut_epochs(epochs, options.quick, "cnn")
    folder = make_folder(options.out / "improve")
    runs, exit_code = train_missing(experiments, Resources(options))
    interrupted = len(runs) < len(experiments)
    store = RunStore(options.out)
    rows = [compare_with_published(*pair, store) for pair in zip(experiments, runs, strict=False)]
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


def chosen_experiments(names: Sequence[str], bonus: bool, modern: bool) -> tuple[Sequence[Experiment], str]:
    """Return the experiments that are asked for, and what they are called together.

    Raises:
        ConfigError: If a name is unknown, or several of names, bonus and second ladder are asked for.
    """
    if bool(names) + bonus + modern > 1:
        raise ConfigError("--bonus, --modern and names exclude each other: give one of them")
    if not names:
        return (bonus_experiments(), "bonus") if bonus else (MODERN_LADDER, "modern") if modern else (LADDER, "ladder")
    convnets = {name: experiment for name, experiment in REGISTRY.items() if experiment.section == "cnn"}
    return [convnets[choose("experiment", name, convnets)] for name in names], "chosen"


def train_missing(experiments: Sequence[Experiment], resources: "Resources") -> tuple[list["Run"], int]:
    """Train one experiment after the other.

    Returns:
        The runs, fewer than experiments if the user interrupted; and the exit code.
    """
    from rdfia_keras.analysis.published import estimated_seconds
    from rdfia_keras.runs.store import FINISHED, Query, RunStore
    from rdfia_keras.system.terminal import duration_in_words, note
    from rdfia_keras.training.get_or_train import get_or_train, with_data

    runs: list[Run] = []
    expected, measured = 0.0, 0.0
    for number, experiment in enumerate(experiments, start=1):
        query = Query(config=experiment.config, quick=resources.options.quick)
        # Missing data are an error before anything is announced.
        query = with_data(query, RunStore(resources.options.out), resources)
        left = None if query.quick else estimated_seconds(experiments[number - 1 :])
        if left:
            # Once a run of this machine has ended, it says how fast the machine is.
            left, where = (
                (left * measured / expected, "this machine") if expected else (left, "the reference's machine")
            )
        words = f", about {duration_in_words(left)} left on {where}" if left else ""
        note(f"[{number}/{len(experiments)}] {experiment.name}{words}")
        begin = time.monotonic()
        run = get_or_train(experiment, query, resources)
        if run.status not in FINISHED:
            return runs, run.exit_code or 1
        runs.append(run)
        if run.exit_code is None:
            note(f"[{number}/{len(experiments)}] {experiment.name}: finished earlier, in {run.folder}")
            continue
        if run.status == "ok" and (estimate := estimated_seconds([experiment])):
            expected, measured = expected + estimate, measured + time.monotonic() - begin
        if run.exit_code > 1 and number < len(experiments):
            return runs, run.exit_code
    return runs, 0

"""`rdfia figure`: the report's figures, from your runs, else from the package's reference."""

from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from rdfia_keras.commands._options import Epochs, Precision, Seed, command
from rdfia_keras.config import RunOptions
from rdfia_keras.errors import ConfigError, RdfiaError, in_any_case
from rdfia_keras.experiments import FIGURES, REGISTRY, Experiment
from rdfia_keras.result import Result

if TYPE_CHECKING:
    from collections.abc import Callable

    from rdfia_keras.runs.run import Run
    from rdfia_keras.runs.store import Query, RunStore
    from rdfia_keras.training.get_or_train import Resources


@command(
    options=("out", "data_dir", "quick", "device"),
    examples=("rdfia figure 7", "rdfia figure 1 2 3", "rdfia figure flips", "rdfia figure all"),
)
def figure(
    options: RunOptions,
    numbers: Annotated[list[str], typer.Argument(help="1 to 23 of the report, flips, or all.", metavar="NUMBER...")],
    train: Annotated[
        bool, typer.Option("--train", help="Train what has no finished run in --out, however long it takes.")
    ] = False,
    precision: Precision = None,
    epochs: Epochs = None,
    seed: Seed = 0,
) -> Result:
    """Draw figures of the report from your runs, or from the reference results that come with this package."""
    keys = [in_any_case(number, [*FIGURES, "all"]) for number in numbers]
    keys = list(FIGURES) if "all" in keys else keys
    for key in keys:
        if key not in FIGURES:
            extra = ", ".join(name for name in FIGURES if not name.isdigit())
            raise ConfigError(f"there is no figure {key}; the report has 1 to 23, and {extra} beside them")
    from rdfia_keras.analysis.published import wanted_run
    from rdfia_keras.training.get_or_train import Resources
    from rdfia_keras.training.job import report_cut_epochs

    shown = {REGISTRY[name].section for key in keys for name, _ in FIGURES[key].panels}
    report_cut_epochs(epochs, options.quick and train, *shown)
    query = partial(wanted_run, seed=seed, epochs=epochs, precision=precision, quick=options.quick)
    return draw_figures(keys, query, Resources(options), train)


def draw_figures(
    keys: list[str], query: "Callable[[Experiment], Query]", resources: "Resources", train: bool
) -> Result:
    """Draw figures into `figures/` of the results folder.

    Args:
        keys: Of `FIGURES`.
        query: Returns which run of an experiment is wanted.
        resources: Data and options of trainings.
        train: Train what is missing.

    Raises:
        RdfiaError: If there is no such run and nothing is to be trained, or if something must be trained and its data,
            device or output folder cannot be used.
    """
    from rdfia_keras.analysis import tables
    from rdfia_keras.analysis.figures import Panel, draw, experiments_of, row
    from rdfia_keras.runs.store import FINISHED, REFERENCE_FOLDER

    options, paths, rows, exit_code = resources.options, [], [], 0
    for figure in (FIGURES[key] for key in keys):
        panels, shown = [], experiments_of(figure)
        found = {} if train else find_runs([(experiment, query(experiment)) for experiment, _ in shown], resources)
        for experiment, label in shown:
            run = found.get(experiment.name) or train_panel(experiment, query(experiment), resources)
            exit_code = run.exit_code or 0
            if run.status not in FINISHED:
                break
            panels.append(Panel(label, experiment, run, run.folder.is_relative_to(REFERENCE_FOLDER)))
        if len(panels) < len(figure.panels):
            break
        paths.append(draw(figure, panels, options.out, options.quick))
        rows += [row(figure, panel) for panel in panels]
    return Result(
        data={"figures": rows, "paths": [str(path) for path in paths]},
        table=tables.figure_rows(rows),
        paths=paths,
        hint="interrupted; the same command resumes from here" if len(paths) < len(keys) else "",
        quick=options.quick,
        exit_code=exit_code,
    )


def train_panel(experiment: Experiment, query: "Query", resources: "Resources") -> "Run":
    """Return the run that a panel is drawn from, trained now as far as it is not there yet."""
    from rdfia_keras.system.terminal import note
    from rdfia_keras.training.get_or_train import get_or_train

    run = get_or_train(experiment, query, resources)
    if run.exit_code is None:
        note(f"{experiment.name}: from {run.folder}")
    return run


def find_runs(wanted: "list[tuple[Experiment, Query]]", resources: "Resources") -> "dict[str, Run]":
    """Return the runs of a figure by experiment, those of each data set on the same data.

    Raises:
        RdfiaError: If one is missing.
    """
    from rdfia_keras.analysis.published import other_data, runs_on_one_data_set
    from rdfia_keras.runs.store import REFERENCE_FOLDER, Snapshot
    from rdfia_keras.system.terminal import note

    own, found = Snapshot(resources.options.out), {}
    for dataset in dict.fromkeys(experiment.config.dataset for experiment, _ in wanted):
        group = [(experiment, query) for experiment, query in wanted if experiment.config.dataset == dataset]
        queries = [query for _, query in group]
        runs = runs_on_one_data_set(queries, own, asked_data(queries, own, resources))
        for (experiment, query), run in zip(group, runs, strict=True):
            if run is None:
                raise RdfiaError(missing(experiment, query))
            is_reference = run.folder.is_relative_to(REFERENCE_FOLDER)
            source = "the reference results of this package" if is_reference else str(run.folder)
            left_out = other_data(query, own, run)
            note(f"{experiment.name}: from {source}" + (f"; {left_out}" if left_out else ""))
            found[experiment.name] = run
    return found


def asked_data(queries: "list[Query]", own: "RunStore", resources: "Resources") -> str | None:
    """Return the digest of the data in --data-dir; None without that option, or where only one data set is in use."""
    digests = {run.data_digest for query in queries for run in own.usable(query)}
    if resources.options.data_dir is None or not digests:
        return None
    return resources.digest(queries[0].config)


def missing(experiment: Experiment, query: "Query") -> str:
    """Return the error on a panel without a run."""
    precision = "" if query.any_precision else f" in {getattr(query.config, 'precision', '')}"
    kind = "smoke test" if query.quick else "finished run"
    return (
        f"there is no {kind} of {experiment.name} with seed {query.config.seed} and {query.epochs} "
        f"epochs or more{precision}; add --train to train it now"
    )

"""The report's figures: from your runs, else from the package's reference; trained only when that is asked for."""

from collections.abc import Callable, Sequence

from rdfia_keras.analysis import tables
from rdfia_keras.analysis.figures import Panel, draw, experiments_of, row
from rdfia_keras.config import RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import Experiment, ReportFigure
from rdfia_keras.result import Result
from rdfia_keras.runs.store import Query, RunStore, reference_store
from rdfia_keras.sections.get_or_train import Load, get_or_train, loader
from rdfia_keras.system.terminal import note


def run(
    figures: Sequence[ReportFigure],
    query: Callable[[Experiment], Query],
    options: RunOptions,
    train: bool = False,
    load: Load | None = None,
) -> Result:
    """Draw figures into `figures/` of the results folder.

    Args:
        query: Which run of an experiment will do.
        train: Train what is missing in the results folder; smoke tests are trained in any case.
        load: Gives the data of a config; by default from `options.data_dir`.

    Raises:
        RdfiaError: When there is no such run and nothing is to be trained, or when something must be trained and its
            data, device or output folder cannot be used.
    """
    load = load or loader(options)
    paths, rows, exit_code = [], [], 0
    for figure in figures:
        panels: list[Panel] = []
        for experiment, label in experiments_of(figure):
            panel, exit_code = _panel(experiment, label, query(experiment), options, train, load)
            if panel is None:
                break
            panels.append(panel)
        else:
            paths.append(draw(figure, panels, options.out, options.quick))
            rows += [row(figure, panel) for panel in panels]
            continue
        break
    interrupted = len(paths) < len(figures)
    return Result(
        data={"figures": rows, "paths": [str(path) for path in paths]},
        table=tables.figure_rows(rows),
        paths=paths,
        hint="interrupted; the same command resumes from here" if interrupted else "",
        quick=options.quick,
        exit_code=exit_code,
    )


def _panel(
    experiment: Experiment, label: str, query: Query, options: RunOptions, train: bool, load: Load
) -> tuple[Panel | None, int]:
    """A panel, and the exit code of the training that it needed; None when that was cut short."""
    if train or options.quick:
        found, finished = get_or_train(experiment, query, options, load)
        if finished is None and found:
            note(f"{experiment.name}: from {found.folder}")
        return Panel(label, experiment, found, False) if found else None, finished.exit_code if finished else 0
    if found := RunStore(options.out).find_finished(query):
        note(f"{experiment.name}: from {found.folder}")
        return Panel(label, experiment, found, False), 0
    if found := reference_store().find_finished(query):
        note(f"{experiment.name}: from the reference results of this package")
        return Panel(label, experiment, found, True), 0
    raise RdfiaError(
        f"there is no finished run of {experiment.name} with seed {query.config.seed} and {query.epochs} epochs or more"
        f"{f' in {query.precision}' if query.precision else ''}; add --train to train it now"
    )

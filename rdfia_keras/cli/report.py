"""Commands around the sections: what there is, the report's figures, studies and previews."""

from typing import Annotated

import typer

from rdfia_keras.cli.command import command
from rdfia_keras.cli.queries import Epochs, Precision, Seed, query_for
from rdfia_keras.config import AT_LEAST_1, AUGMENTATIONS, MlpConfig, RunOptions, Setting, settings
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments import FIGURES, STUDIES, study_of
from rdfia_keras.report.result import Result

SECTIONS = ("mlp", "svm", "cnn", "improve", "explain")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(app, "list", options=(), examples=("rdfia list", "rdfia list --section improve", "rdfia list --json"))(
        list_all
    )
    command(
        app,
        options=("out", "data_dir", "quick", "device"),
        examples=("rdfia figure 7", "rdfia figure 1 2 3", "rdfia figure flips", "rdfia figure all"),
    )(figure)
    command(app, options=("out", "data_dir"), examples=("rdfia report", "rdfia report --open"))(report)
    command(
        app,
        options=("out", "data_dir", "quick", "device"),
        examples=("rdfia study learning-rate", "rdfia study batch-size --seeds 5"),
    )(study)
    command(
        app,
        "augment-preview",
        options=("out", "data_dir"),
        examples=("rdfia augment-preview", "rdfia augment-preview hue blur --dataset digits"),
    )(augment_preview)


def list_all(
    section: Annotated[
        str | None, Setting("Show this section only.", choices=SECTIONS, shown_default="all of them")
    ] = None,
) -> Result:
    """Every experiment and explanation, with its figure, its question, the published value and its command."""
    from rdfia_keras.analysis import tables
    from rdfia_keras.analysis.catalogue import list_experiments

    rows = [row for row in list_experiments() if section is None or row["section"] == section]
    return Result(data={"experiments": rows}, table=tables.catalogue(rows))


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
    chosen = list(FIGURES) if "all" in numbers else numbers
    for number in chosen:
        if number not in FIGURES:
            raise ConfigError(f"there is no figure {number}; the report has 1 to 23, and flips is one of ours")
    from rdfia_keras.sections import figure

    query = query_for(seed, epochs, precision, options.quick)
    return figure.run([FIGURES[number] for number in chosen], query, options, train)


def report(
    options: RunOptions,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> Result:
    """Every figure, every run and the playground in one page, offline, from your runs and the reference results."""
    from rdfia_keras.sections import report

    return report.run(options, open_page)


def study(
    options: RunOptions,
    name: Annotated[str, typer.Argument(help="Setting to vary.", metavar="|".join(STUDIES))],
    seeds: Annotated[int, Setting("Trainings of each value.", panel="Training", check=AT_LEAST_1)] = 20,
    dataset: Annotated[str, settings(MlpConfig)["dataset"]] = "circles",
) -> Result:
    """One setting of the perceptron over several values, each from many seeds: mean and standard deviation.

    A study is a sweep with a name: see rdfia sweep.
    """
    if name not in STUDIES:
        raise ConfigError(f"there is no study {name}; choose from {', '.join(STUDIES)}")
    from rdfia_keras.sections import sweep

    return sweep.run(study_of(name, dataset, seeds), options)


def augment_preview(
    options: RunOptions,
    names: Annotated[
        list[str] | None, typer.Argument(help="Augmentations to apply together.", show_default="each alone")
    ] = None,
    dataset: Annotated[str, Setting("cifar10, mnist, digits, or a folder of images.", panel="Data")] = "cifar10",
    seed: Seed = 0,
) -> Result:
    """Pictures of the random augmentations: each beside the original, or several versions of some together."""
    for name in names or ():
        if name not in AUGMENTATIONS:
            raise ConfigError(f"there is no augmentation {name}; choose from {', '.join(AUGMENTATIONS)}")
    from rdfia_keras.sections import preview

    return preview.run(tuple(names or ()), dataset, seed, options)

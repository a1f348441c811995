"""The homework's sections as commands: mlp, svm, cnn, improve, demo."""

from typing import Annotated

import typer

from rdfia_keras.cli.command import command
from rdfia_keras.cli.queries import Epochs, Precision, Seed, query_for
from rdfia_keras.config import CnnConfig, MlpConfig, RunOptions, SvmConfig
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments import LADDER, REGISTRY, bonus_experiments
from rdfia_keras.report.result import Result

ONLY_DEMO = ("out", "quick", "overwrite", "device")


def register(app: typer.Typer) -> None:
    """Add the commands to the application."""
    command(
        app,
        config=MlpConfig,
        options=("out", "data_dir", "quick", "overwrite", "device", "deterministic"),
        resumable=True,
        examples=(
            "rdfia mlp",
            "rdfia mlp --dataset mnist --hidden 100 --epochs 5",
            "rdfia mlp --check-gradients",
        ),
    )(mlp)
    command(
        app,
        config=MlpConfig,
        options=("out", "data_dir"),
        examples=(
            "rdfia playground --open",
            "rdfia playground --lr 2 --seed 3",
            "rdfia playground --dataset points.csv",
        ),
    )(playground)
    command(
        app,
        config=SvmConfig,
        options=("out", "data_dir", "quick", "overwrite"),
        examples=("rdfia svm", "rdfia svm --kernel poly --degree 4 --C 1", "rdfia svm --dataset digits"),
    )(svm)
    command(
        app,
        config=CnnConfig,
        resumable=True,
        examples=(
            "rdfia cnn",
            "rdfia cnn --augment --dropout --dataset digits",
            "rdfia cnn --dataset mnist --model lenet",
            "rdfia cnn --dataset my-pictures/",
        ),
    )(cnn)
    command(
        app,
        examples=(
            "rdfia improve",
            "rdfia improve --bonus",
            "rdfia improve adam blur",
            "rdfia improve --dataset digits --quick",
        ),
    )(improve)
    command(app, options=ONLY_DEMO, examples=("rdfia demo", "rdfia demo --quick"))(demo)


def mlp(
    config: MlpConfig,
    options: RunOptions,
    check_gradients: Annotated[
        bool, typer.Option("--check-gradients", help="Only compare the gradients by hand with two others.")
    ] = False,
    animate: Annotated[
        bool, typer.Option("--animate", help="Draw the decision map epoch by epoch as a GIF; circles only.")
    ] = False,
) -> Result:
    """The perceptron four ways: by hand, GradientTape, Keras layers, Keras optimizer."""
    if animate and check_gradients:
        raise ConfigError("--animate needs a training: leave --check-gradients out")
    from rdfia_keras.sections import mlp

    if check_gradients:
        return mlp.check_gradients(config, options)
    return mlp.run(config, options, animate)


def playground(
    config: MlpConfig,
    options: RunOptions,
    open_page: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
) -> Result:
    """A page that trains the perceptron live, offline: each step taken apart, networks side by side."""
    from rdfia_keras.sections import playground

    return playground.run(config, options, open_page)


def svm(config: SvmConfig, options: RunOptions) -> Result:
    """SVM kernels on the circles, their boundaries and the influence of C."""
    from rdfia_keras.sections import svm

    return svm.run(config, options)


def cnn(config: CnnConfig, options: RunOptions) -> Result:
    """The convnet: without options the homework's baseline; each rung of the ladder is a flag."""
    from rdfia_keras.sections import cnn

    return cnn.run(config, options)


def improve(
    options: RunOptions,
    names: Annotated[
        list[str] | None, typer.Argument(help="Experiments, by name: see rdfia list.", show_default="the ladder")
    ] = None,
    bonus: Annotated[bool, typer.Option("--bonus", help="Everything beside the ladder.")] = False,
    dataset: Annotated[
        str | None,
        typer.Option(help="Other images: cifar10, mnist, digits, or a folder.", show_default="each experiment's own"),
    ] = None,
    precision: Precision = None,
    epochs: Epochs = None,
    seed: Seed = 0,
) -> Result:
    """Train and compare the ladder: baseline, normalize, augment, schedule, dropout-pytorch, batch-norm-pytorch.

    The last two rungs have PyTorch's defaults, as in the report.

    Finished runs are not trained again, and interrupted runs resume: run the same command again.
    """
    if names and bonus:
        raise ConfigError("--bonus runs all of the bonus: leave the names out, or --bonus")
    query = query_for(seed, epochs, precision, options.quick)
    if names:
        experiments, title = tuple(_registered(name) for name in names), "chosen"
    else:
        experiments, title = (bonus_experiments(), "bonus") if bonus else (LADDER, "ladder")
    from rdfia_keras.sections import improve

    return improve.run(experiments, title, query, options, dataset)


def _registered(name: str):
    """A convnet of the registry."""
    names = [known for known, experiment in REGISTRY.items() if experiment.section == "cnn"]
    if name not in names:
        raise ConfigError(f"no experiment is called {name!r}; choose from {', '.join(names)}")
    return REGISTRY[name]


def demo(options: RunOptions, seed: Seed = 0) -> Result:
    """The main job on embedded data, in about two minutes: mlp, svm, and cnn with augment and dropout.

    It needs no network and no files.
    """
    from rdfia_keras.sections import demo

    return demo.run(seed, options)

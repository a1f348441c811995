"""The commands: options in, one call, a table out. Nothing heavy is imported before the options are right."""

import functools
import os
import shlex
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from rdfia_keras import __version__, cli_reference, runtime
from rdfia_keras.cli_options import (
    BatchSize,
    DataDir,
    Debug,
    Deterministic,
    Device,
    DeviceOption,
    Epochs,
    Implementation,
    Json,
    KeptPrecision,
    Kernel,
    Lr,
    Network,
    OptimizerName,
    Out,
    Overwrite,
    Precision,
    Quick,
    Resume,
    Schedule,
    Seed,
    Transformation,
    VectorData,
    Whiten,
    image_source,
    loader,
    plain_errors,
    positive,
    print_json,
    print_table,
    rate,
    shared_options,
)
from rdfia_keras.errors import RdfiaError

app = typer.Typer(
    name="rdfia",
    help="A deep-learning homework, section by section, in Keras 3.",
    epilog="Start with: rdfia demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


# What --resume without a folder becomes; no run's folder is called so.
_LATEST = "<latest>"


def _optional_value(argv: list[str]) -> list[str]:
    """Let --resume stand alone: an option's value cannot be left out otherwise."""
    filled = []
    for word, following in zip(argv, [*argv[1:], "-"], strict=True):
        filled.append(word)
        if word == "--resume" and following.startswith("-"):
            filled.append(_LATEST)
    return filled


def _unfinished(ctx: typer.Context, section: str, resume: str, asked, epochs: int | None, device: str):
    """The run to go on with; `asked` is the experiment that the options of this call alone would make."""
    from rdfia_keras.records import latest_unfinished
    from rdfia_keras.sections import find_unfinished

    explicit = {name for name in ctx.params if ctx.get_parameter_source(name).name == "COMMANDLINE"}
    for name in ("implementation", "check_gradients", "quick", "overwrite", "deterministic"):
        if name in explicit:
            option = "--" + name.replace("_", "-")
            raise typer.BadParameter(f"{option} cannot go with --resume: a run goes on as it was begun")
    given = {name: getattr(asked, name) for name in explicit - {"epochs"} if hasattr(asked, name)}
    if "transform" in explicit:
        given["augment"] = asked.augment
    if "dropout_rate" in explicit:
        given["dropout"] = ctx.params["dropout_rate"]
    elif "dropout" in explicit:
        del given["dropout"]
    if not resume:
        raise RdfiaError("--resume: the name of the run's folder is empty")
    folder = latest_unfinished(ctx.params["out"], section) if resume == _LATEST else Path(resume)
    return find_unfinished(section, folder, given, epochs, device if "device" in explicit else None)


def _resume(unfinished, load: Callable, data_dir: Path | None, run: Callable, json: bool) -> None:
    """Go on with a run, or say that it is finished and show what it came to."""
    from dataclasses import replace
    from json import loads

    from rdfia_keras.sections import Result

    folder, options = unfinished.run.folder, unfinished.options
    if unfinished.finished:
        print(f"{folder} is finished already; --epochs makes it longer", file=sys.stderr)
        _answer(Result(loads((folder / "metrics.json").read_text(encoding="utf-8")), folder), json)
    data = load(unfinished.experiment.dataset, data_dir or options.data_dir)
    unfinished.check_data(data)
    options = replace(options, data_dir=data_dir or options.data_dir)
    runtime.prepare(options.device, options.deterministic)
    _answer(run(data, options), json)


def _answer(result, json: bool) -> None:
    """The table and the folder, or the record; then the run's exit code."""
    from rdfia_keras.sections.tables import table

    _tell_how_to_go_on(result)
    if json:
        print_json(result.record)
    else:
        if result.record["quick"]:
            print("QUICK run: a taste, not a result")
        print_table(table(result.record))
        print(result.folder)
    sys.stdout.flush()
    raise typer.Exit(result.exit_code)


def _tell_how_to_go_on(result) -> None:
    if result.record["status"] == "interrupted":
        command = f"rdfia {result.record['section']} --resume {shlex.quote(str(result.folder))}"
        print(f"interrupted; go on with: {command}", file=sys.stderr)


def _version(value: bool) -> None:
    if value:
        print(f"rdfia {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


@app.command(
    epilog="Examples:  rdfia mlp  |  rdfia mlp --dataset mnist --hidden 100 --epochs 5  |  rdfia mlp --check-gradients"
)
@plain_errors
def mlp(
    ctx: typer.Context,
    dataset: Annotated[VectorData, typer.Option(help="What to learn.")] = VectorData.circles,
    implementation: Annotated[Implementation, typer.Option(help="Which of the four ways.")] = Implementation.all,
    hidden: Annotated[int, typer.Option(min=1, help="Hidden units, n_h.")] = 10,
    check_gradients: Annotated[
        bool, typer.Option("--check-gradients", help="Only compare the gradients by hand with two others.")
    ] = False,
    std: Annotated[float, typer.Option(min=0, help="Standard deviation of the initial weights.")] = 0.3,
    animate: Annotated[
        bool, typer.Option("--animate", help="The decision map epoch by epoch as a GIF; circles only.")
    ] = False,
    epochs: Epochs = None,
    batch_size: BatchSize = 10,
    lr: Lr = 0.07,
    seed: Seed = 0,
    out: Out = Path("results"),
    data_dir: DataDir = None,
    quick: Quick = False,
    overwrite: Overwrite = False,
    device: DeviceOption = Device.auto,
    deterministic: Deterministic = False,
    resume: Resume = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """The perceptron four ways: by hand, GradientTape, Keras layers, Keras optimizer."""
    from rdfia_keras.data import load_vectors
    from rdfia_keras.experiments import MlpExperiment, identify

    asked = MlpExperiment("", dataset=str(dataset), hidden=hidden, std=std, batch_size=batch_size, lr=lr, seed=seed)
    if animate and dataset != "circles" and resume is None:
        raise typer.BadParameter("--animate draws points of a plane: it needs --dataset circles")
    if animate and check_gradients:
        raise typer.BadParameter("--animate needs a training: leave --check-gradients out")
    runtime.require_tensorflow("rdfia mlp")
    if resume is not None:
        unfinished = _unfinished(ctx, "mlp", resume, asked, epochs, str(device))

        def go_on(data, options):
            from rdfia_keras.sections import mlp as section

            return section.run(unfinished.experiment, (), data, options, unfinished, animate)

        _resume(unfinished, load_vectors, data_dir, go_on, json)
    experiment = identify(asked, epochs)
    options = shared_options(
        out, quick=quick, overwrite=overwrite, device=str(device), data_dir=data_dir, deterministic=deterministic
    )
    # Data first: a missing or broken file is told before the seconds that TensorFlow takes to load.
    data = load_vectors(experiment.dataset, data_dir)
    runtime.prepare(device, deterministic)
    from rdfia_keras.sections import mlp as section

    if check_gradients:
        rows, largest = section.check_gradients(experiment, data)
        if json:
            print_json({"rows": rows, "largest": largest})
        else:
            texts = [{key: f"{v:.1e}" if isinstance(v, float) else str(v) for key, v in row.items()} for row in rows]
            print_table(texts)
            print(f"largest relative error: {largest:.1e}")
        return
    from rdfia_keras.mlp import IMPLEMENTATIONS

    names = tuple(IMPLEMENTATIONS) if implementation == "all" else (str(implementation),)
    _answer(section.run(experiment, names, data, options, animated=animate), json)


@app.command(epilog="Examples:  rdfia svm  |  rdfia svm --kernel poly --degree 4 --C 1  |  rdfia svm --dataset digits")
@plain_errors
def svm(
    kernel: Annotated[
        Kernel | None, typer.Option(help="One kernel and its sweep over C.", show_default="the homework's panels")
    ] = None,
    C: Annotated[float | None, typer.Option("--C", callback=positive, help="Cost of an error; needs --kernel.")] = None,
    degree: Annotated[int | None, typer.Option(min=1, max=10, help="Of --kernel poly.", show_default="2")] = None,
    dataset: Annotated[VectorData, typer.Option(help="What to separate.")] = VectorData.circles,
    seed: Seed = 0,
    out: Out = Path("results"),
    data_dir: DataDir = None,
    quick: Quick = False,
    overwrite: Overwrite = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """SVM kernels on the circles, their boundaries and the influence of C."""
    if kernel is None and (C is not None or degree is not None):
        raise typer.BadParameter("--C and --degree need --kernel")
    if degree is not None and kernel != "poly":
        raise typer.BadParameter("--degree needs --kernel poly")
    options = shared_options(out, quick=quick, overwrite=overwrite, data_dir=data_dir)
    from rdfia_keras.data import load_vectors
    from rdfia_keras.sections import svm as section

    if kernel is None:
        experiment = section.homework(str(dataset), seed)
    else:
        experiment = section.single(str(dataset), str(kernel), C or 1.0, degree or 2, seed)
    _answer(section.run(experiment, load_vectors(experiment.dataset, data_dir), options), json)


@app.command(
    epilog="Examples:  rdfia cnn  |  rdfia cnn --augment --dropout --dataset digits  |  "
    "rdfia cnn --dataset mnist --model lenet  |  rdfia cnn --dataset my-pictures/"
)
@plain_errors
def cnn(
    ctx: typer.Context,
    dataset: Annotated[
        str, typer.Option(help="cifar10, mnist, digits, or a folder with train/CLASS/*.png and test/CLASS/*.png.")
    ] = "cifar10",
    model: Annotated[
        Network, typer.Option(help="The homework's network, LeNet-5, or one hidden layer.")
    ] = Network.cifar,
    normalize: Annotated[
        bool | None,
        typer.Option(
            "--normalize/--no-normalize", help="Mean 0, std 1 per channel.", show_default="on with any rung below"
        ),
    ] = None,
    augment: Annotated[bool, typer.Option("--augment", help="Random crop and flip of each training image.")] = False,
    transform: Annotated[
        list[Transformation] | None,
        typer.Option(help="A further random transformation; may be repeated.", show_default="none"),
    ] = None,
    whiten: Annotated[Whiten | None, typer.Option(help="Instead of --normalize.", show_default="none")] = None,
    epsilon: Annotated[
        float | None,
        typer.Option(callback=positive, help="Of --whiten, added to the variances.", show_default="0.01"),
    ] = None,
    dropout: Annotated[bool, typer.Option("--dropout", help="Dropout before the last layer.")] = False,
    dropout_rate: Annotated[
        float | None,
        typer.Option(callback=lambda v: v if v is None else rate(v), help="With --dropout.", show_default="0.5"),
    ] = None,
    batch_norm: Annotated[bool, typer.Option("--batch-norm", help="Batch-norm after every convolution.")] = False,
    optimizer: Annotated[OptimizerName, typer.Option(help="How a step is taken.")] = OptimizerName.sgd,
    schedule: Annotated[Schedule, typer.Option(help="Learning rate over the epochs.")] = Schedule.constant,
    precision: Annotated[Precision, typer.Option(help="Number format of the products.")] = Precision.float32,
    epochs: Epochs = None,
    batch_size: BatchSize = 128,
    lr: Annotated[
        float | None,
        typer.Option(callback=positive, help="Learning rate.", show_default="0.1; 0.001 for adam and rmsprop"),
    ] = None,
    seed: Seed = 0,
    out: Out = Path("results"),
    data_dir: DataDir = None,
    quick: Quick = False,
    overwrite: Overwrite = False,
    device: DeviceOption = Device.auto,
    deterministic: Deterministic = False,
    resume: Resume = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """The convnet: without options the homework's baseline, with each rung of the ladder as a flag."""
    if dropout_rate is not None and not dropout and resume is None:
        raise typer.BadParameter("--dropout-rate needs --dropout")
    if batch_norm and model != "cifar":
        raise typer.BadParameter("--batch-norm needs --model cifar")
    if epsilon is not None and whiten is None and resume is None:
        raise typer.BadParameter("--epsilon needs --whiten")
    if whiten is not None and normalize:
        raise typer.BadParameter("--whiten stands instead of --normalize")
    from rdfia_keras.data import load_images
    from rdfia_keras.experiments import BASELINE, CnnExperiment, identify

    names = [*(("crop", "flip") if augment else ()), *map(str, transform or ())]
    transformations = tuple(dict.fromkeys(names))
    on_a_rung = transformations or dropout or batch_norm or schedule != "constant"
    asked = CnnExperiment(
        name="",
        dataset=image_source(dataset),
        model=str(model),
        batch_size=batch_size,
        lr=lr or (0.001 if optimizer in ("adam", "rmsprop") else 0.1),
        normalize=bool(on_a_rung) and not whiten if normalize is None else normalize,
        whiten=str(whiten or ""),
        epsilon=epsilon or BASELINE.epsilon,
        augment=transformations,
        dropout=(dropout_rate or 0.5) if dropout else 0.0,
        batch_norm=batch_norm,
        optimizer=str(optimizer),
        schedule=str(schedule),
        precision=str(precision),
        seed=seed,
    )
    if resume is not None:
        unfinished = _unfinished(ctx, "cnn", resume, asked, epochs, str(device))

        def go_on(data, options):
            from rdfia_keras.sections import cnn as section

            return section.run(unfinished.experiment, data, options, unfinished)

        _resume(unfinished, load_images, data_dir, go_on, json)
    experiment = identify(asked, epochs)
    options = shared_options(
        out, quick=quick, overwrite=overwrite, device=str(device), data_dir=data_dir, deterministic=deterministic
    )
    data = load_images(experiment.dataset, data_dir)
    runtime.prepare(device, deterministic)
    from rdfia_keras.sections import cnn as section

    _answer(section.run(experiment, data, options), json)


@app.command(
    epilog="Examples:  rdfia improve  |  rdfia improve --bonus  |  rdfia improve adam blur  |  "
    "rdfia improve --dataset digits --quick"
)
@plain_errors
def improve(
    names: Annotated[
        list[str] | None, typer.Argument(help="Experiments, by name: see rdfia list.", show_default="the ladder")
    ] = None,
    bonus: Annotated[bool, typer.Option("--bonus", help="Everything beside the ladder.")] = False,
    dataset: Annotated[
        str | None,
        typer.Option(help="Other images: cifar10, mnist, digits, or a folder.", show_default="each experiment's own"),
    ] = None,
    precision: KeptPrecision = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    out: Out = Path("results"),
    data_dir: DataDir = None,
    quick: Quick = False,
    overwrite: Overwrite = False,
    device: DeviceOption = Device.auto,
    deterministic: Deterministic = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """The ladder baseline, normalize, augment, schedule, dropout, batch-norm: run what is missing, then compare.

    Finished runs are kept and unfinished ones gone on with, so that a call that was cut off can simply be repeated.
    """
    from rdfia_keras.experiments import BONUS, LADDER

    if names and bonus:
        raise typer.BadParameter("--bonus runs all of the bonus: leave the names out, or --bonus")
    if names:
        experiments, title = tuple(_registered(name, "cnn") for name in names), "chosen"
    else:
        experiments, title = (BONUS, "bonus") if bonus else (LADDER, "ladder")
    options = shared_options(
        out, quick=quick, overwrite=overwrite, device=str(device), data_dir=data_dir, deterministic=deterministic
    )
    from rdfia_keras.sections import improve as section
    from rdfia_keras.sections.kept import Wanted

    def wanted(experiment):
        return Wanted(seed, epochs or experiment.epochs, precision and str(precision), quick)

    if dataset:
        dataset = image_source(dataset)
        experiments = tuple(section.on_dataset(experiment, dataset) for experiment in experiments)
        title = f"{title}-{Path(dataset).name}"
    load = functools.partial(loader(data_dir, str(device), deterministic), "cnn")
    outcome = section.run(experiments, title, wanted, options, load)
    if outcome.interrupted:
        again = "the same command without --overwrite" if overwrite else "the same command"
        print(f"interrupted; {again} goes on from here", file=sys.stderr)
    if json:
        print_json({"rows": outcome.rows})
    else:
        from rdfia_keras.sections.tables import comparison

        if quick:
            print("QUICK run: a taste, not a result")
        print_table(comparison(outcome.rows))
        print(outcome.folder)
    raise typer.Exit(outcome.exit_code)


def _registered(name: str, section: str):
    """An experiment of the registry."""
    from rdfia_keras.experiments import REGISTRY

    names = [known for known, experiment in REGISTRY.items() if experiment.section == section]
    if name not in names:
        raise typer.BadParameter(f"no experiment is called {name!r}; choose from {', '.join(names)}")
    return REGISTRY[name]


@app.command(epilog="Needs no network and no files. Examples:  rdfia demo  |  rdfia demo --quick")
@plain_errors
def demo(
    out: Out = Path("results"),
    seed: Seed = 0,
    quick: Quick = False,
    overwrite: Overwrite = False,
    device: DeviceOption = Device.auto,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """The main job on embedded data, in about two minutes: mlp, svm, and cnn with augment and dropout."""
    options = shared_options(out, quick=quick, overwrite=overwrite, device=str(device))
    runtime.require_tensorflow("rdfia demo")
    runtime.prepare(device)
    from rdfia_keras.sections import demo as section
    from rdfia_keras.sections.tables import summary

    results = section.run(options, seed)
    for result in results:
        _tell_how_to_go_on(result)
    if json:
        print_json({"runs": [result.record for result in results]})
    else:
        if quick:
            print("QUICK run: a taste, not a result")
        print_table([row for result in results for row in summary(result.record)])
        for result in results:
            print(result.folder)
    raise typer.Exit(max(result.exit_code for result in results))


cli_reference.register(app)


def main() -> None:
    """The `rdfia` command."""
    if "--debug" not in sys.argv:
        runtime.quiet()
    sys.argv[1:] = _optional_value(sys.argv[1:])
    try:
        app()
    except BrokenPipeError:
        # Whoever read our output has gone; there is nobody to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)

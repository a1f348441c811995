"""What the commands share: option types, their checks, plain errors and tables. Imports nothing heavy."""

import functools
import math
import sys
import traceback
from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rdfia_keras import runtime
from rdfia_keras.errors import RdfiaError


class Device(StrEnum):
    auto = "auto"
    cpu = "cpu"
    gpu = "gpu"


class VectorData(StrEnum):
    circles = "circles"
    digits = "digits"
    mnist = "mnist"


class Implementation(StrEnum):
    manual = "manual"
    tape = "tape"
    layers = "layers"
    optimizer = "optimizer"
    all = "all"


class Kernel(StrEnum):
    linear = "linear"
    sigmoid = "sigmoid"
    rbf = "rbf"
    poly = "poly"
    linearsvc = "linearsvc"


class Network(StrEnum):
    cifar = "cifar"
    lenet = "lenet"
    dense = "dense"


class OptimizerName(StrEnum):
    sgd = "sgd"
    momentum = "momentum"
    nesterov = "nesterov"
    rmsprop = "rmsprop"
    adam = "adam"


class Schedule(StrEnum):
    constant = "constant"
    exponential = "exponential"
    step = "step"
    inverse = "inverse"


class Transformation(StrEnum):
    crop = "crop"
    flip = "flip"
    vertical_flip = "vertical-flip"
    intensity = "intensity"
    contrast = "contrast"
    hue = "hue"
    affine = "affine"
    rotation = "rotation"
    perspective = "perspective"
    blur = "blur"


class Whiten(StrEnum):
    zca = "zca"
    pca = "pca"


class Precision(StrEnum):
    float32 = "float32"
    mixed_bfloat16 = "mixed_bfloat16"
    mixed_float16 = "mixed_float16"


def positive(value: float | None) -> float | None:
    if value is not None and not (value > 0 and math.isfinite(value)):
        raise typer.BadParameter(f"{value} is not a finite number above 0")
    return value


def rate(value: float) -> float:
    if not 0 < value < 1:
        raise typer.BadParameter(f"{value} is not between 0 and 1")
    return value


Out = Annotated[Path, typer.Option(help="Folder for the runs' folders.")]
DataDir = Annotated[
    Path | None, typer.Option(envvar="RDFIA_DATA", help="Folder with circles.mat, mnist.npz or cifar-10-batches-py/.")
]
Seed = Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed of weights, order, augmentation and dropout.")]
Epochs = Annotated[int | None, typer.Option(min=1, help="Passes over the training set.", show_default="the homework's")]
BatchSize = Annotated[int, typer.Option(min=1, help="Examples a step.")]
Lr = Annotated[float, typer.Option(callback=positive, help="Learning rate.")]
Quick = Annotated[bool, typer.Option("--quick", help="A taste in a minute at most; every output says QUICK.")]
Overwrite = Annotated[
    bool, typer.Option("--overwrite", help="Replace an earlier run's folder, do not number a new one.")
]
DeviceOption = Annotated[Device, typer.Option(help="Where to compute.")]
Resume = Annotated[
    str | None,
    typer.Option(
        metavar="[RUN]", help="Go on with an unfinished run: its folder, or the latest in --out.", show_default="none"
    ),
]
KeptPrecision = Annotated[
    Precision | None, typer.Option(help="Number format of the products.", show_default="a kept run's, else float32")
]
Deterministic = Annotated[
    bool, typer.Option("--deterministic", help="Only operations that give equal bits in every run; slower.")
]
Json = Annotated[bool, typer.Option("--json", help="Print the record as JSON, not the table.")]
Debug = Annotated[bool, typer.Option("--debug", help="Full tracebacks and TensorFlow's own log.")]


def plain_errors(command: Callable) -> Callable:
    """One sentence on stderr and exit code 1 for what a user can mend; 130 for Ctrl-C; a traceback with --debug."""

    @functools.wraps(command)
    def wrapped(*args, **kwargs):
        try:
            return command(*args, **kwargs)
        except RdfiaError as error:
            if kwargs.get("debug"):
                traceback.print_exc()
            print(f"error: {error}", file=sys.stderr)
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise typer.Exit(130) from None
        except MemoryError:
            print("error: not enough memory; try a smaller --batch-size or --quick", file=sys.stderr)
            raise typer.Exit(1) from None
        except (typer.Exit, typer.BadParameter, BrokenPipeError):
            raise
        except Exception as error:
            if kwargs.get("debug"):
                raise
            text = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
            print(f"error: unexpected {type(error).__name__}: {text} (--debug shows all of it)", file=sys.stderr)
            raise typer.Exit(1) from None

    return wrapped


def shared_options(out: Path, **rest):
    """The shared options, once the output folder is known to be possible."""
    from rdfia_keras.sections import Options

    for path in (out, *out.parents):
        if path.exists() and not path.is_dir():
            raise RdfiaError(f"--out {out} cannot be a folder: {path} is a file")
    return Options(out, **rest)


def image_source(dataset: str) -> str:
    """A data set's name as it is; of a folder its whole path, so that a resumed run finds it from anywhere."""
    from rdfia_keras.data import IMAGE_DATASETS

    return str(Path(dataset).resolve()) if dataset not in IMAGE_DATASETS and Path(dataset).is_dir() else dataset


def loader(data_dir: Path | None, device: str, deterministic: bool = False) -> Callable:
    """A function that loads a data set by section and name, once each, and gets the back end ready for what follows."""

    @functools.cache
    def load(section: str, name: str):
        from rdfia_keras.data import load_images, load_vectors

        if section == "mlp":
            runtime.require_tensorflow("the perceptron")
        data = (load_images if section == "cnn" else load_vectors)(name, data_dir)
        if section != "svm":  # Kernels need no back end.
            runtime.prepare(device, deterministic)
        return data

    return load


def print_table(rows: list[dict[str, str]]) -> None:
    """Aligned columns on stdout, plain enough for a pipe."""
    if not rows:
        return
    columns = list(rows[0])
    widths = {column: max(len(column), *(len(row[column]) for row in rows)) for column in columns}
    for row in [dict(zip(columns, columns, strict=True)), *rows]:
        print("  ".join(row[column].ljust(widths[column]) for column in columns).rstrip())


def print_json(value: dict) -> None:
    """A result for programs."""
    from rdfia_keras.records import to_json

    print(to_json(value), end="")

"""`rdfia explain`: answers to the report's questions that need no training, a function for each topic.

`rdfia --help` imports this module: NumPy and Keras are imported inside the functions.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdfia_keras import config
from rdfia_keras.analysis.tables import Column, make_table
from rdfia_keras.commands._options import Command, PlainGroup, command
from rdfia_keras.config import AT_LEAST_1, AT_LEAST_2, PIXELS, POSITIVE, RunOptions, Setting, dataset_name
from rdfia_keras.errors import ConfigError, choose
from rdfia_keras.experiments import REGISTRY
from rdfia_keras.result import Result, percent
from rdfia_keras.runs.files import make_folder
from rdfia_keras.system.backend import set_up_backend

if TYPE_CHECKING:
    from rdfia_keras.data import Dataset

Images = Annotated[str, Setting("cifar10, mnist, digits, or a folder of images.", panel="Data")]
# What `rdfia list` shows of each topic: the questions that it answers, and its subject in a few words.
EXPLANATIONS: dict[str, dict[str, str]] = {}

app = typer.Typer(
    help="Answer questions that need no training: conv, layers, receptive-field, ...",
    no_args_is_help=True,
    cls=PlainGroup,
)


def explanation(
    topic: str, *, question: str, shows: str, options: tuple[str, ...] = ()
) -> Callable[[Callable[..., Result]], Command]:
    """Make a function the command `rdfia explain TOPIC`; `options` names the `RunOptions` that it takes."""

    def register(function: Callable[..., Result]) -> Command:
        data = " --dataset digits" if "data_dir" in options else ""
        made = command(topic, options=options, examples=(f"rdfia explain {topic}{data}",))(function)
        made.register(app)
        EXPLANATIONS[topic] = {"question": question, "shows": shows}
        return made

    return register


def _images(dataset: str, options: RunOptions) -> "Dataset":
    """Read the images, before the seconds that a back end takes to load."""
    from rdfia_keras.training.get_or_train import Resources

    make_folder(options.out)
    data = Resources(options).data(config.CnnConfig(dataset=dataset_name(dataset)))
    set_up_backend("cpu")
    return data


@explanation("conv", question="1", shows="output size and weights of a convolution, against a fully-connected layer")
def conv(
    x: Annotated[int, Setting("Width of the input.", check=AT_LEAST_1)] = 32,
    y: Annotated[int, Setting("Height of the input.", check=AT_LEAST_1)] = 32,
    z: Annotated[int, Setting("Depth of the input.", check=AT_LEAST_1)] = 3,
    kernel: Annotated[int, Setting("k, side of the filter.", check=AT_LEAST_1)] = 5,
    stride: Annotated[int, Setting("s, pixels between two places.", check=AT_LEAST_1)] = 1,
    padding: Annotated[int, Setting("p, zeros around the input.", check=PIXELS)] = 2,
) -> Result:
    """Question 1: output size and weights of one filter, against a fully-connected layer of the same output."""
    from rdfia_keras.analysis import theory

    facts = theory.conv_against_dense((x, y, z), kernel, stride, padding)
    width, height, depth = facts["output"]
    table = [
        {"what": "output", "size": f"{width} x {height} x {depth}"},
        {"what": "one filter", "size": f"{facts['filter_weights']:,} weights + 1 bias"},
        {
            "what": "fully-connected, same output",
            "size": f"{facts['dense_weights']:,} weights + {facts['dense_biases']:,} biases",
        },
        {"what": "the report's count of that", "size": f"{facts['report']:,}"},
    ]
    lines = [
        "The report counts (x * y * z) * 2 * (x' * y' * z). A connection has one weight, not two.",
        "One filter gives one output at each place, so the last factor is 1, not z: "
        f"{x} * {y} * {z} * {width} * {height}.",
    ]
    return Result(data=facts, table=table, lines=lines)


@explanation("layers", question="8, 9, 10, 11", shows="output and weights of every layer")
def layers(
    experiment: Annotated[str, Setting("A network of an experiment: see rdfia list.", panel="Data")] = "baseline",
) -> Result:
    """Questions 8 to 11: output, weights and multiply-adds of every layer, for an image of CIFAR-10.

    The homework's network is checked against the homework's formulas.
    """
    convnets = {name: one for name, one in REGISTRY.items() if one.config.section == "cnn"}
    config = convnets[choose("experiment", experiment, convnets)].config
    set_up_backend("cpu")
    from rdfia_keras.analysis.network_facts import layer_table

    rows = layer_table(config)
    total, products = (sum(row[name] for row in rows) for name in ("weights", "products"))
    columns: dict[str, Column] = {
        "layer": "{layer}",
        "output": lambda row: " x ".join(map(str, row["output"])),
        "weights": "{weights:,}",
        "share": lambda row: percent(row["weights"] / total),
        "multiply-adds": "{products:,}",
    }
    # A multiply-add is two operations, and a training step costs about three forward passes.
    training = 6 * products * 50_000 * config.epochs
    lines = [
        f"total {total:,}: {total / 50_000:.1f} for each of CIFAR-10's 50,000 training images",
        f"{products / 1e6:.1f} million multiply-adds for an image; about {training / 1e15:.2f} PFLOP to train "
        f"{config.epochs} epochs",
    ]
    facts = {"rows": rows, "total": total, "multiply_adds": products, "training_flop": training}
    return Result(data=facts, table=make_table(rows, columns), lines=lines)


@explanation("receptive-field", question="7", shows="what one neuron of each layer sees", options=("out", "data_dir"))
def receptive_field(options: RunOptions, dataset: Images = "digits") -> Result:
    """Question 7: what one neuron of each layer sees, in numbers and on the first image of a data set."""
    from rdfia_keras import plots
    from rdfia_keras.analysis import theory

    image = _images(dataset, options).test.x[0]
    size = len(image)
    rows = theory.receptive_fields(theory.CIFAR_STAGES, size)
    path = make_folder(options.out / "explain") / "receptive-fields.png"
    plots.save(plots.receptive_fields(image, rows), path)
    columns = {
        "layer": "{layer}",
        "sees": "{side} x {side}",
        "pixels": "{pixels:,}",
        "apart": "{apart}",
        "inside the image": "{least:,} to {most:,}",
    }
    line = f"No neuron of a convolution or a pooling sees all of the image's {size**2:,} pixels."
    intro = [
        "sees: the square of pixels on which one neuron depends, padding included; pixels: their number",
        "apart: pixels between the squares of neighbouring neurons",
        "inside the image: how many of the pixels are not padding, from the corner neuron to the one in the middle",
    ]
    return Result(
        data={"rows": rows, "path": str(path)},
        intro=intro,
        table=make_table(rows, columns),
        lines=[line] if max(row["most"] for row in rows) < size**2 else (),
        paths=[path],
    )


@explanation(
    "dense-as-conv",
    question="4, 5, 6",
    shows="the convnet made fully convolutional, on a larger image",
    options=("out", "data_dir"),
)
def dense_as_conv(
    options: RunOptions,
    model: Annotated[
        str | None,
        Setting("A run of rdfia cnn, by folder or name, or a .keras file.", shown_default="the package's own"),
    ] = None,
    dataset: Images = "cifar10",
) -> Result:
    """Questions 4 to 6: a model made fully convolutional, on an image twice as wide and twice as high.

    Without --model the answer is that of the homework's network, and the picture that of a small trained one.
    """
    from rdfia_keras.models.model_files import find_model, shipped_model

    saved = find_model(model, options.out, best=False) if model else shipped_model(dataset)
    data = _images(dataset, options)
    from rdfia_keras import plots
    from rdfia_keras.analysis.network_facts import baseline, class_map
    from rdfia_keras.models.convnet import build_convnet
    from rdfia_keras.models.saving import load_model

    trained = load_model(saved.path) if saved else build_convnet(baseline(), data)
    classes = saved.recorded_classes if saved else data.classes
    if (
        trained.input.shape[1:] != data.test.x.shape[1:]
        or trained.output.shape[-1] != len(data.classes)
        or classes not in ((), data.classes)
    ):
        raise ConfigError(f"{model} is a model of other images than {data.name} has; see --dataset")
    facts, mosaic, scores = class_map(trained, data)
    path = make_folder(options.out / "explain") / "dense-as-conv.png"
    title = f"Fully convolutional, on an image of {mosaic.shape[0]}x{mosaic.shape[1]}: probability of each class"
    plots.save(plots.score_maps(mosaic, scores, data.classes, title), path)
    intro = [] if model else ["the homework's network, with initial weights:"]
    intro += _sizes(facts if model or not saved else class_map(build_convnet(baseline(), data), data)[0])
    if saved and not model:
        intro += [f"the trained network {saved.name}, whose map the picture shows:", *_sizes(facts)]
    if not classes:
        intro.append(f"{model} has no record beside it: its classes are taken to be those of {data.name}")
    intro.append(f"classes in the image: {', '.join(facts['shown'])}")
    average = sorted(facts["average"].items(), key=lambda item: -item[1])
    return Result(
        data={**facts, "trained": str(saved.path) if saved else None, "path": str(path)},
        table=[{"class": name, "average probability": percent(value)} for name, value in average],
        intro=intro,
        paths=[path],
    )


def _sizes(facts: dict[str, Any]) -> list[str]:
    """Return what `class_map` found of an image and of small ones, in words."""
    return [
        f"image {' x '.join(map(str, facts['image']))}: scores {' x '.join(map(str, facts['scores']))}",
        f"on images of the usual size, the logits of both differ by at most {facts['difference_on_small_images']:.1e}",
    ]


@explanation("bow-svm", question="12", shows="parameters of visual words with SVMs")
def bow_svm(
    words: Annotated[int, Setting("Size of the visual vocabulary.", check=AT_LEAST_1)] = 1000,
    classes: Annotated[int, Setting("One machine for each.", check=AT_LEAST_2)] = 10,
) -> Result:
    """Question 12: parameters of visual words with linear SVMs, against the convnet's."""
    from rdfia_keras.analysis import theory

    network = sum(row["weights"] for row in theory.layer_counts((32, 32, 3), classes))
    facts = theory.bow_svm(words, classes, network)
    table = [
        {"model": "visual words + SVM", "parameters": f"{facts['weights']:,} weights + {facts['biases']} biases"},
        {"model": "the convnet", "parameters": f"{network:,}"},
    ]
    line = f"{facts['ratio']:.0f} times as many; the report says more than 1000 times"
    return Result(data=facts, table=table, lines=[line])


@explanation("start", question="17", shows="loss and accuracy before the first step", options=("data_dir",))
def start(
    options: RunOptions,
    dataset: Images = "cifar10",
    seeds: Annotated[int, Setting("Number of initial weights to try.", check=AT_LEAST_1)] = 5,
) -> Result:
    """Question 17: loss and accuracy before the first step."""
    data = _images(dataset, options)
    from rdfia_keras.analysis.network_facts import initial_scores

    rows, n_y = initial_scores(data, seeds), len(data.classes)
    table = [{key: percent(v, 2) if "accuracy" in key else f"{v:.4g}" for key, v in row.items()} for row in rows]
    line = f"chance: accuracy {percent(1 / n_y, 2)}, loss log {n_y} = {math.log(n_y):.4f}"
    return Result(data={"rows": rows, "chance": 1 / n_y, "log_n_y": math.log(n_y)}, table=table, lines=[line])


@explanation("whitening", question="21", shows="what ZCA and PCA make of images", options=("out", "data_dir"))
def whitening(
    options: RunOptions,
    epsilon: Annotated[float, Setting("Regularization, added to the variances.", check=POSITIVE)] = 0.01,
    dataset: Images = "cifar10",
) -> Result:
    """Question 21: what ZCA and PCA make of images, with statistics of the training set alone."""
    data = _images(dataset, options)
    from rdfia_keras import plots
    from rdfia_keras.analysis.network_facts import whitened
    from rdfia_keras.analysis.theory import whitened_variances
    from rdfia_keras.models.statistics import principal_axes
    from rdfia_keras.system.terminal import note

    count, values = len(data.train), math.prod(data.train.x.shape[1:])
    note(f"computing the principal axes of {count:,} images of {values:,} values, which takes a while")
    images, axes = data.test.x[:6], principal_axes(data.train.x)
    versions = whitened(images, axes, epsilon, config.WHITENINGS)
    facts = whitened_variances(axes[1], epsilon)
    path = make_folder(options.out / "explain") / "whitened.png"
    title = f"Whitening with epsilon {epsilon:g}: original, ZCA, PCA"
    names = tuple(kind.upper() for kind in config.WHITENINGS)
    plots.save(plots.augmentation_grid(images, versions, title, names=names), path)
    table = [
        {"variance after whitening": f"at least {least}", "directions": f"{count:,} of {facts['directions']:,}"}
        for least, count in facts["at_least"].items()
    ]
    line = f"A direction of variance λ comes out with λ / (λ + {epsilon:g}): {facts['mean']:.2f} on average, not 1."
    answer = {"epsilon": epsilon, **facts, "path": str(path)}
    return Result(data=answer, table=table, lines=[line], paths=[path])


@explanation("dropout", question="33", shows="dropout in training and in test")
def dropout() -> Result:
    """Question 33: what a dropout layer does in training and in test."""
    from rdfia_keras.analysis import theory

    set_up_backend("cpu")
    rows = theory.dropout_scaling((0.1, 0.25, 0.5, 0.75, 0.9))
    columns = {
        "rate p": "{rate:g}",
        "dropped": "{dropped:.1%}",
        "a kept 1 becomes": "{kept_become:.3f}",
        "1 / (1 - p)": "{expected:.3f}",
        "mean in training": "{mean_training:.3f}",
        "mean in test": "{mean_test:.3f}",
    }
    return Result(data={"rows": rows}, table=make_table(rows, columns))


@explanation("loss", question="T14", shows="the simplified loss and the naive one")
def loss() -> Result:
    """Theory question 14: the simplified loss equals cross-entropy, and stays finite where the naive one overflows."""
    from rdfia_keras.analysis import theory

    rows = theory.compare_losses()
    columns = {
        "scale of the logits": "{scale:g}",
        "naive": "{naive:.6g}",
        "simplified": "{simplified:.6g}",
        "naive losses not finite": "{not_finite} of 100",
        "largest difference where both are finite": "{difference:.1e}",
    }
    return Result(data={"rows": rows}, table=make_table(rows, columns))


@explanation("backprop-cost", question="T12", shows="gradients one by one and by backprop", options=("out", "quick"))
def backprop_cost(options: RunOptions) -> Result:
    """Theory question 12: time to all gradients, weight by weight and by backprop, as layers are added."""
    from rdfia_keras import plots
    from rdfia_keras.analysis import theory

    path = make_folder(options.out / "explain") / "backprop-cost.png"
    depths, times = ((1, 2, 4), 1) if options.quick else ((1, 2, 4, 8, 16, 32), 3)
    rows = theory.backprop_cost(depths, times=times)
    plots.save(plots.backprop_cost(rows), path, smoke_test=options.quick)
    columns: dict[str, Column] = {
        "layers": "{layers}",
        "weights": "{weights}",
        "backprop": lambda row: f"{1e6 * row['backprop']:.0f} µs",
        "one by one": lambda row: f"{1e6 * row['naive']:,.0f} µs",
        "ratio": "{ratio:.0f}",
        "largest difference": "{difference:.1e}",
    }
    return Result(data={"rows": rows, "path": str(path)}, table=make_table(rows, columns), paths=[path])


@explanation("softmax", question="T6", shows="outputs divided by their sum, and by softmax")
def softmax() -> Result:
    """Theory question 6: numbers that sum to one need not be probabilities; softmax's are."""
    import numpy as np

    from rdfia_keras.analysis import theory

    rows = theory.softmax_and_sum(np.array([2.0, 1.0, -1.0]))
    table = make_table(rows, {"output": "{output:g}", "divided by the sum": "{by_sum:.3f}", "softmax": "{softmax:.3f}"})
    line = "Both columns sum to 1; a probability must not be negative either, and softmax's outputs are positive."
    return Result(data={"rows": rows}, table=table, lines=[line])


@explanation("likelihood", question="T8, T9", shows="the losses as likelihoods, and their derivatives")
def likelihood() -> Result:
    """Theory questions 8 and 9: which likelihood each loss is, and where it moves the outputs."""
    from rdfia_keras.analysis import theory

    rows = theory.losses_as_likelihoods()
    columns = {
        "loss": "{loss}",
        "negative log-likelihood of": "{distribution}",
        "largest difference from the loss": "{difference:.0e}",
        "dl/dŷ, true class": "{at_truth:.2f}",
        "dl/dŷ, others": "{elsewhere[0]:.2f}, {elsewhere[1]:.2f}",
    }
    lines = [
        "Derivatives for y = (1, 0, 0) and ŷ = (0.7, 0.2, 0.1).",
        "A step against a derivative moves ŷ towards y, or leaves it unchanged.",
        "Cross-entropy leaves the others alone; they shrink because softmax makes ŷ sum to 1.",
    ]
    return Result(data={"rows": rows}, table=make_table(rows, columns), lines=lines)

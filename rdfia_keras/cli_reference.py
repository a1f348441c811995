"""The commands around the sections: what there is, the report's figures, studies, previews and explanations."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from rdfia_keras import runtime
from rdfia_keras.cli_options import (
    DataDir,
    Debug,
    Device,
    DeviceOption,
    Epochs,
    Json,
    KeptPrecision,
    Out,
    Overwrite,
    Quick,
    Seed,
    Transformation,
    VectorData,
    loader,
    plain_errors,
    positive,
    print_json,
    print_table,
    shared_options,
)


class SectionName(StrEnum):
    mlp = "mlp"
    svm = "svm"
    cnn = "cnn"
    improve = "improve"
    explain = "explain"


class StudyName(StrEnum):
    learning_rate = "learning-rate"
    batch_size = "batch-size"
    init = "init"
    hidden = "hidden"
    lbfgs = "lbfgs"


def register(app: typer.Typer) -> None:
    """Add these commands to the application, after the sections."""
    app.command("list", epilog="Examples:  rdfia list  |  rdfia list --section improve  |  rdfia list --json")(list_all)
    app.command(epilog="Examples:  rdfia figure 7  |  rdfia figure 1 2 3  |  rdfia figure flips  |  rdfia figure all")(
        figure
    )
    app.command(epilog="Examples:  rdfia study learning-rate  |  rdfia study batch-size --seeds 5")(study)
    app.command(
        "augment-preview", epilog="Examples:  rdfia augment-preview  |  rdfia augment-preview hue blur --dataset digits"
    )(augment_preview)
    app.add_typer(explain, name="explain")


@plain_errors
def list_all(
    section: Annotated[SectionName | None, typer.Option(help="Only this section.", show_default="all of them")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Every experiment and explanation, with its figure, its question, the published value and its command."""
    from rdfia_keras.catalogue import entries

    rows = [row for row in entries() if section is None or row["section"] == section]
    if json:
        print_json({"experiments": rows})
        return
    from rdfia_keras.sections.tables import catalogue

    print_table(catalogue(rows))


@plain_errors
def figure(
    numbers: Annotated[list[str], typer.Argument(help="1 to 23 of the report, flips, or all.", metavar="NUMBER...")],
    precision: KeptPrecision = None,
    epochs: Epochs = None,
    seed: Seed = 0,
    out: Out = Path("results"),
    data_dir: DataDir = None,
    quick: Quick = False,
    device: DeviceOption = Device.auto,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Make figures of the report again, from kept records; what is missing is trained first."""
    from rdfia_keras.experiments import FIGURES

    chosen = list(FIGURES) if "all" in numbers else numbers
    for number in chosen:
        if number not in FIGURES:
            raise typer.BadParameter(f"there is no figure {number}; the report has 1 to 23, and flips is one of ours")
    options = shared_options(out, quick=quick, device=str(device), data_dir=data_dir)
    from rdfia_keras.sections import figures
    from rdfia_keras.sections.kept import Wanted

    def wanted(experiment):
        own = getattr(experiment, "epochs", 0)  # 0: SVMs have none.
        return Wanted(seed, own and (epochs or own), precision and str(precision), quick)

    exit_code, drawn, load = 0, [], loader(data_dir, str(device))
    for number in chosen:
        made = figures.make(FIGURES[number], wanted, options, load)
        exit_code = made.exit_code
        if made.path is None:
            print("interrupted; the same command goes on from here", file=sys.stderr)
            break
        drawn.append(made)
    rows = [{**row, "path": str(made.path)} for made in drawn for row in made.rows]
    if json:
        print_json({"figures": rows})
    else:
        from rdfia_keras.sections.tables import figure_rows

        if quick:
            print("QUICK run: a taste, not a result")
        print_table(figure_rows(rows))
        for made in drawn:
            print(made.path)
    raise typer.Exit(exit_code)


@plain_errors
def study(
    name: Annotated[StudyName, typer.Argument(help="What is varied.")],
    seeds: Annotated[int, typer.Option(min=2, help="Trainings of each value.")] = 20,
    dataset: Annotated[VectorData, typer.Option(help="What to learn.")] = VectorData.circles,
    out: Out = Path("results"),
    data_dir: DataDir = None,
    quick: Quick = False,
    overwrite: Overwrite = False,
    device: DeviceOption = Device.auto,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """One setting of the perceptron over several values, each from many seeds: mean and standard deviation."""
    from rdfia_keras.data import load_vectors
    from rdfia_keras.experiments import STUDIES

    options = shared_options(out, quick=quick, overwrite=overwrite, device=str(device), data_dir=data_dir)
    runtime.require_tensorflow("rdfia study")
    data = load_vectors(str(dataset), data_dir)
    runtime.prepare(device)
    from rdfia_keras.sections import study as section
    from rdfia_keras.sections.tables import study as table

    result = section.run(STUDIES[name], seeds, data, options)
    if json:
        print_json(result.record)
    else:
        if quick:
            print("QUICK run: a taste, not a result")
        print_table(table(result.record))
        print(result.folder)
    raise typer.Exit(result.exit_code)


@plain_errors
def augment_preview(
    names: Annotated[
        list[Transformation] | None,
        typer.Argument(help="Transformations, applied together.", show_default="each alone"),
    ] = None,
    dataset: Annotated[str, typer.Option(help="cifar10, mnist, digits, or a folder of images.")] = "cifar10",
    seed: Seed = 0,
    out: Out = Path("results"),
    data_dir: DataDir = None,
    debug: Debug = False,
) -> None:
    """Pictures of the random transformations: each beside the original, or several versions of some together."""
    shared_options(out)
    from rdfia_keras.data import load_images

    data = load_images(dataset, data_dir)
    runtime.prepare("cpu")
    from rdfia_keras.sections import preview

    print(preview.run(tuple(map(str, names or ())), data, seed, out))


explain = typer.Typer(
    help="Questions answered by computing, without training: conv, layers, receptive-field, ...", no_args_is_help=True
)


@explain.command(epilog="Example:  rdfia explain conv --x 224 --y 224 --z 3 --kernel 11 --stride 4 --padding 2")
@plain_errors
def conv(
    x: Annotated[int, typer.Option(min=1, help="Width of the input.")] = 32,
    y: Annotated[int, typer.Option(min=1, help="Height of the input.")] = 32,
    z: Annotated[int, typer.Option(min=1, help="Depth of the input.")] = 3,
    kernel: Annotated[int, typer.Option(min=1, help="k, side of the filter.")] = 5,
    stride: Annotated[int, typer.Option(min=1, help="s, pixels between two places.")] = 1,
    padding: Annotated[int, typer.Option(min=0, help="p, zeros around the input.")] = 2,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Question 1: output size and weights of one filter, against a fully-connected layer of the same output."""
    from rdfia_keras.theory import conv_against_dense

    facts = conv_against_dense((x, y, z), kernel, stride, padding)
    if json:
        print_json(facts)
        return
    width, height, depth = facts["output"]
    print_table(
        [
            {"what": "output", "size": f"{width} x {height} x {depth}"},
            {"what": "one filter", "size": f"{facts['filter_weights']:,} weights + 1 bias"},
            {
                "what": "fully-connected, same output",
                "size": f"{facts['dense_weights']:,} weights + {facts['dense_biases']:,} biases",
            },
            {"what": "the report's count of that", "size": f"{facts['report']:,}"},
        ]
    )
    print(
        "A connection has one weight, not two, and one filter gives one output a place, not z: "
        f"{x} * {y} * {z} * {width} * {height}."
    )


@explain.command()
@plain_errors
def layers(json: Json = False, debug: Debug = False) -> None:
    """Questions 10 and 11: output and weights of every layer, from the real model and from the formulas."""
    runtime.prepare("cpu")
    from rdfia_keras.sections.explain import layer_table

    rows = layer_table()
    total = sum(row["weights"] for row in rows)
    if json:
        print_json({"rows": rows, "total": total})
        return
    print_table(
        [
            {
                "layer": row["layer"],
                "output": " x ".join(map(str, row["output"])),
                "weights": f"{row['weights']:,}",
                "share": f"{row['weights'] / total:.1%}",
            }
            for row in rows
        ]
    )
    print(f"total {total:,}: {total / 50_000:.1f} for each of CIFAR-10's 50,000 training images; checked on the model")


@explain.command("receptive-field")
@plain_errors
def receptive_field(
    dataset: Annotated[str, typer.Option(help="Whose first image is drawn on.")] = "digits",
    out: Out = Path("results"),
    data_dir: DataDir = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Question 7: what one neuron of each layer sees, in numbers and on an image."""
    shared_options(out)
    from rdfia_keras.data import load_images

    image = load_images(dataset, data_dir).test.x[0]
    runtime.prepare("cpu")
    from rdfia_keras.sections.explain import receptive_fields

    rows, path = receptive_fields(out / "explain", image)
    if json:
        print_json({"rows": rows, "path": str(path)})
        return
    texts = [
        {
            "layer": r["layer"],
            "sees": f"{r['side']} x {r['side']}",
            "pixels": f"{r['pixels']:,}",
            "apart": str(r["apart"]),
        }
        for r in rows
    ]
    print_table(texts)
    print(path)


@explain.command("dense-as-conv")
@plain_errors
def dense_as_conv(
    model: Annotated[Path | None, typer.Option(help="A model of rdfia cnn.", show_default="initial weights")] = None,
    dataset: Annotated[str, typer.Option(help="Whose test images are put together.")] = "cifar10",
    out: Out = Path("results"),
    data_dir: DataDir = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Questions 4 to 6: a model made fully convolutional, on an image four times as large."""
    shared_options(out)
    from rdfia_keras.data import load_images

    data = load_images(dataset, data_dir)
    runtime.prepare("cpu")
    from rdfia_keras.sections import explain as section

    facts, path = section.dense_as_conv(data, model, out / "explain")
    if json:
        print_json({**facts, "path": str(path)})
        return
    if not model:
        print("without --model the weights are the initial ones: shapes mean something here, classes do not")
    print(f"image {' x '.join(map(str, facts['image']))}: scores {' x '.join(map(str, facts['scores']))}")
    print(f"on images of the trained size the same logits, to {facts['difference_on_small_images']:.1e}")
    print(f"shown: {', '.join(facts['shown'])}")
    average = sorted(facts["average"].items(), key=lambda item: -item[1])
    print_table([{"class": name, "average probability": f"{value:.1%}"} for name, value in average])
    print(path)


@explain.command("bow-svm")
@plain_errors
def bow_svm(
    words: Annotated[int, typer.Option(min=1, help="Size of the visual vocabulary.")] = 1000,
    classes: Annotated[int, typer.Option(min=2, help="One machine for each.")] = 10,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Question 12: parameters of visual words with linear SVMs, against the convnet's."""
    from rdfia_keras.theory import bow_svm, layer_counts

    network = sum(row["weights"] for row in layer_counts((32, 32, 3), classes))
    facts = bow_svm(words, classes, network)
    if json:
        print_json(facts)
        return
    print_table(
        [
            {"model": "visual words + SVM", "parameters": f"{facts['weights']:,} weights + {facts['biases']} biases"},
            {"model": "the convnet", "parameters": f"{network:,}"},
        ]
    )
    print(f"{facts['ratio']:.0f} times as many; the report says more than 1000 times")


@explain.command()
@plain_errors
def loss(json: Json = False, debug: Debug = False) -> None:
    """Theory question 14: the simplified loss equals cross-entropy, and stays finite where the naive one overflows."""
    from rdfia_keras.theory import compare_losses

    rows = compare_losses()
    if json:
        print_json({"rows": rows})
        return
    print_table(
        [
            {
                "logits times": f"{row['scale']:g}",
                "naive": f"{row['naive']:.6g}",
                "simplified": f"{row['simplified']:.6g}",
                "not finite, naive": f"{row['not_finite']} of 100",
                "largest difference of the others": f"{row['difference']:.1e}",
            }
            for row in rows
        ]
    )


@explain.command()
@plain_errors
def dropout(json: Json = False, debug: Debug = False) -> None:
    """Question 33: what a dropout layer does in training and in test."""
    runtime.prepare("cpu")
    from rdfia_keras.theory import dropout_scaling

    rows = dropout_scaling((0.1, 0.25, 0.5, 0.75, 0.9))
    if json:
        print_json({"rows": rows})
        return
    print_table(
        [
            {
                "rate p": f"{row['rate']:g}",
                "dropped": f"{row['dropped']:.1%}",
                "a kept 1 becomes": f"{row['kept_become']:.3f}",
                "1 / (1 - p)": f"{row['expected']:.3f}",
                "mean in training": f"{row['mean_training']:.3f}",
                "mean in test": f"{row['mean_test']:.3f}",
            }
            for row in rows
        ]
    )


@explain.command("backprop-cost")
@plain_errors
def backprop_cost(out: Out = Path("results"), quick: Quick = False, json: Json = False, debug: Debug = False) -> None:
    """Theory question 12: time to all gradients, weight by weight and by backprop, as layers are added."""
    shared_options(out)
    from rdfia_keras import plots, theory
    from rdfia_keras.records import make_folder

    rows = theory.backprop_cost((1, 2, 4) if quick else (1, 2, 4, 8, 16, 32), times=1 if quick else 3)
    path = make_folder(out / "explain") / "backprop-cost.png"
    plots.save(plots.backprop_cost(rows, quick=quick), path)
    if json:
        print_json({"rows": rows, "path": str(path)})
        return
    print_table(
        [
            {
                "layers": str(row["layers"]),
                "weights": str(row["weights"]),
                "backprop": f"{1e6 * row['backprop']:.0f} µs",
                "one by one": f"{1e6 * row['naive']:,.0f} µs",
                "ratio": f"{row['ratio']:.0f}",
                "largest difference": f"{row['difference']:.1e}",
            }
            for row in rows
        ]
    )
    print(path)


@explain.command()
@plain_errors
def start(
    dataset: Annotated[str, typer.Option(help="cifar10, digits, or a folder of images.")] = "cifar10",
    seeds: Annotated[int, typer.Option(min=1, help="How many initial weights.")] = 5,
    data_dir: DataDir = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Question 17: loss and accuracy before the first step."""
    import math

    from rdfia_keras.data import load_images

    data = load_images(dataset, data_dir)
    runtime.prepare("cpu")
    from rdfia_keras.sections import explain as section

    rows, n_y = section.start(data, seeds), len(data.classes)
    if json:
        print_json({"rows": rows, "chance": 1 / n_y, "log_n_y": math.log(n_y)})
        return
    print_table([{k: f"{v:.2%}" if "accuracy" in k else f"{v:.4g}" for k, v in row.items()} for row in rows])
    print(f"chance: accuracy {1 / n_y:.2%}, loss log {n_y} = {math.log(n_y):.4f}")


@explain.command()
@plain_errors
def whitening(
    epsilon: Annotated[float, typer.Option(callback=positive, help="Added to the variances.")] = 0.01,
    dataset: Annotated[str, typer.Option(help="cifar10, digits, or a folder of images.")] = "cifar10",
    out: Out = Path("results"),
    data_dir: DataDir = None,
    debug: Debug = False,
) -> None:
    """Question 21: what ZCA and PCA make of images, with statistics of the training set alone."""
    shared_options(out)
    from rdfia_keras.data import load_images

    data = load_images(dataset, data_dir)
    runtime.prepare("cpu")
    from rdfia_keras.sections.explain import whitened

    print(whitened(data.test.x[:6], data.train.x, epsilon, out / "explain"))

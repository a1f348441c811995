"""`rdfia inspect`: what a trained network is good at, how sure it is, where it looks and what disturbs it."""

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from rdfia_keras.commands._options import command
from rdfia_keras.commands.predict import Best
from rdfia_keras.config import RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.result import Result, percent

if TYPE_CHECKING:
    import keras
    import numpy as np
    from matplotlib.figure import Figure

    from rdfia_keras.data import Dataset

INSPECTION = "inspection.json"
MISTAKES = 6


@command(
    options=("out", "data_dir", "device"),
    examples=("rdfia inspect digits", "rdfia inspect results/cnn/augment --best"),
)
def inspect(
    options: RunOptions,
    run: Annotated[
        str, typer.Argument(help="A run of rdfia cnn, by folder or name; digits and cifar10 ship.", metavar="RUN")
    ],
    best: Best = False,
) -> Result:
    """Inspect a trained network: scores by class, calibration, filters, mistakes with their reasons, disturbances."""
    from rdfia_keras.models.model_files import find_model
    from rdfia_keras.runs.files import make_folder, to_json, write_atomic
    from rdfia_keras.system.backend import set_up_backend
    from rdfia_keras.training.get_or_train import Resources, check_data

    saved = find_model(run, options.out, best)
    if saved.run is None or saved.run.section != "cnn":
        raise RdfiaError(
            f"{saved.path} lies in no run of rdfia cnn; only a run tells which data its model was trained on"
        )
    config, quick = saved.run.config, saved.run.quick
    data = Resources(replace(options, quick=quick)).prepared(config)
    check_data(saved.run, data, quick)
    folder = make_folder(options.out / "inspect" / config.dataset if saved.is_shipped else saved.path.parent)
    set_up_backend(options.device)
    from rdfia_keras import plots
    from rdfia_keras.analysis.inspection import measure
    from rdfia_keras.models.saving import load_model
    from rdfia_keras.training.fit import predict_images

    network = load_model(saved.path)
    probabilities = predict_images(network, data.test.x)
    facts = {"model": saved.path.name, **measure(partial(predict_images, network), probabilities, data)}
    figures = {
        **draw_numbers(facts, saved.name, data.name),
        "inspect-filters.png": draw_filters(network, saved.name),
        "inspect-mistakes.png": draw_mistakes(network, probabilities, data, f"{saved.name} on {data.name}"),
    }
    drawn = {file: figure for file, figure in figures.items() if figure is not None}
    for file, figure in drawn.items():
        plots.save(figure, folder / file, smoke_test=quick)
    facts["pictures"] = list(drawn)
    write_atomic(folder / INSPECTION, to_json(facts).encode())
    paths = [*(folder / file for file in drawn), folder]
    return Result(data=facts, table=class_table(facts["classes"]), lines=sentences(facts), paths=paths, quick=quick)


def draw_numbers(facts: dict[str, Any], name: str, dataset: str) -> dict[str, "Figure | None"]:
    """Draw the pictures that need no more than the numbers, by file."""
    from rdfia_keras import plots

    title = f"{name} on {dataset}, {facts['test_images']:,} test images"
    curves = {
        "blur: standard deviation (pixels)": [(row["sigma"], row["accuracy"]) for row in facts["blur"]],
        "shift in four directions (pixels)": [(row["pixels"], row["accuracy"]) for row in facts["shift"]],
    }
    disturbed = f"{name} on {dataset}, {facts['disturbed_images']:,} disturbed test images"
    return {
        "inspect-classes.png": plots.class_scores(facts["classes"], title),
        "inspect-calibration.png": plots.reliability(facts["calibration"], facts["expected_calibration_error"], title),
        "inspect-robustness.png": plots.robustness(curves, disturbed),
    }


def draw_filters(network: "keras.Model", name: str) -> "Figure | None":
    """Draw the filters of the first convolution, where they can be seen as colours."""
    import keras

    from rdfia_keras import plots

    first = next((layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)), None)
    if first is None or first.kernel.shape[2] not in (1, 3):
        return None
    return plots.filter_grid(keras.ops.convert_to_numpy(first.kernel), f"{name}: filters of {first.name}")


def draw_mistakes(network: "keras.Model", probabilities: "np.ndarray", data: "Dataset", title: str) -> "Figure | None":
    """Draw the worst mistakes with what spoke for the predicted class and what for the true one."""
    from rdfia_keras import plots
    from rdfia_keras.analysis.attribution import grad_cam, last_convolution, occlude
    from rdfia_keras.models.predictions import worst_mistakes

    images, captions, wrong = worst_mistakes(probabilities, data.test.x, data.test.y, data.classes, MISTAKES)
    if not len(images):
        return None
    predicted, true = probabilities[wrong].argmax(axis=1), data.test.y[wrong]
    columns = {}
    if last_convolution(network) is not None:
        columns["Grad-CAM, predicted class"] = grad_cam(network, images, predicted)
        columns["Grad-CAM, true class"] = grad_cam(network, images, true)
    columns["occlusion, predicted class"] = occlude(network, images, predicted)
    return plots.attribution_grid(images, captions, columns, f"{title}: worst mistakes (true → predicted)")


def class_table(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    """Return the scores by class as text."""
    return [
        {
            "class": row["class"],
            "images": f"{row['images']:,}",
            "recall": f"{percent(row['recall'])}",
            "precision": f"{percent(row['precision'])}",
        }
        for row in rows
    ]


def sentences(facts: dict[str, Any]) -> list[str]:
    """Return accuracy, calibration and the effect of disturbances in words."""
    confidence, accuracy, error = facts["mean_confidence"], facts["accuracy"], facts["expected_calibration_error"]
    verdict = "overconfident" if confidence > accuracy else "underconfident"
    # A difference that other test images of the same number might not show is no verdict.
    if abs(confidence - accuracy) <= 2 * math.sqrt(accuracy * (1 - accuracy) / facts["test_images"]):
        verdict = "as sure as it is right, as far as these images can tell"
    blurs = ", ".join(f"{percent(row['accuracy'])} at {row['sigma']:g}" for row in facts["blur"])
    shifts = ", ".join(f"{percent(row['accuracy'])} at {row['pixels']}" for row in facts["shift"])
    return [
        f"accuracy {percent(accuracy, 2)}, mean confidence {percent(confidence, 2)}: on the whole {verdict}",
        f"expected calibration error {percent(error, 2)}",
        f"blurred (standard deviation in pixels): {blurs}",
        f"shifted (pixels): {shifts}",
    ]

"""Section inspect: what a trained network is good at, how sure it is, where it looks and what disturbs it."""

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rdfia_keras.config import CnnConfig, RunOptions
from rdfia_keras.data import Dataset, Split, load_images
from rdfia_keras.errors import RdfiaError
from rdfia_keras.report.result import Result
from rdfia_keras.runs.files import make_folder, to_json, write_atomic
from rdfia_keras.runs.records import StoredRun
from rdfia_keras.sections.common import prepare
from rdfia_keras.sections.predict import find_model, where_it_looks
from rdfia_keras.sections.predictions import calibration, class_rows, worst_mistakes
from rdfia_keras.system.backend import set_up_backend

if TYPE_CHECKING:
    import keras
    from matplotlib.figure import Figure

INSPECTION = "inspection.json"
MISTAKES = 6
# Test images of each measurement of blur and shift: a standard error of at most 1.2 points.
DISTURBED = 2000
BLURS = (0.0, 0.5, 1.0, 1.5, 2.0, 3.0)  # standard deviation of the Gaussian, pixels
SHIFTS = (0, 1, 2, 4, 6, 8)  # pixels

Predict = Callable[[np.ndarray], np.ndarray]


def run(name: str, options: RunOptions, *, best: bool = False) -> Result:
    """Inspect the model of a run on its test images.

    Writes `inspection.json` and `inspect-*.png` into the run's folder.

    Args:
        name: A run's folder or its name.
        best: Take its `best.keras`, not the model of its last epoch.

    Raises:
        RdfiaError: When there is no such run or model, or its data are not there or not the same.
    """
    saved = find_model(name, options.out, best)
    if saved.run is None or saved.run.record.section != "cnn":
        raise RdfiaError(
            f"{saved.path} lies in no run of rdfia cnn; only a run tells which data its model was trained on"
        )
    data = _data_of(saved.run, options.data_dir)
    folder, quick = make_folder(saved.path.parent), saved.run.record.quick
    set_up_backend(options.device)
    from rdfia_keras import plots
    from rdfia_keras.models.saving import load_model
    from rdfia_keras.training.fit import predict_images

    network = load_model(saved.path)
    predict = partial(predict_images, network)
    probabilities = predict(data.test.x)
    facts = {"model": saved.path.name, **_measure(predict, probabilities, data)}
    figures = {
        **_pictures_of(facts, saved.name, data.name),
        "inspect-filters.png": _filters(network, saved.name),
        "inspect-mistakes.png": _mistakes(network, predict, probabilities, data, f"{saved.name} on {data.name}"),
    }
    drawn = {file: figure for file, figure in figures.items() if figure is not None}
    for file, figure in drawn.items():
        plots.save(figure, folder / file, smoke_test=quick)
    facts["pictures"] = list(drawn)
    write_atomic(folder / INSPECTION, to_json(facts).encode())
    paths = [*(folder / file for file in drawn), folder]
    return Result(data=facts, table=_table(facts["classes"]), lines=_lines(facts), paths=paths, quick=quick)


def _measure(predict: Predict, probabilities: np.ndarray, data: Dataset) -> dict[str, Any]:
    """The numbers of an inspection; all accuracies, recalls, precisions and confidences are fractions."""
    test = data.test
    bins, error = calibration(probabilities, test.y)
    blurred, shifted, count = disturbances(predict, test)
    return {
        "test_images": len(test),
        "accuracy": float((probabilities.argmax(axis=1) == test.y).mean()),
        "expected_calibration_error": error,
        "mean_confidence": float(probabilities.max(axis=1).mean()),
        "classes": class_rows(probabilities, test.y, data.classes),
        "calibration": bins,
        "disturbed_images": count,
        "blur": [{"sigma": x, "accuracy": y} for x, y in blurred],
        "shift": [{"pixels": x, "accuracy": y} for x, y in shifted],
    }


def _pictures_of(facts: Mapping[str, Any], name: str, dataset: str) -> dict[str, "Figure | None"]:
    """The pictures that need no more than the numbers, by file."""
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


def _data_of(run: StoredRun, data_dir: Path | None) -> Dataset:
    """The data that a run was trained and tested on.

    Raises:
        RdfiaError: When they are others now.
    """
    config = run.config
    assert isinstance(config, CnnConfig)
    data = prepare(load_images(config.dataset, data_dir), config, run.record.quick)
    known = run.record.dataset.get("digest")
    if known and data.describe()["digest"] != known:
        raise RdfiaError(f"{data.name} holds other data than {run.folder} was trained on; see --data-dir")
    return data


def disturbances(predict: Predict, test: Split) -> tuple[list[tuple[float, float]], list[tuple[float, float]], int]:
    """Accuracy on blurred and on shifted test images.

    Args:
        predict: From images to probabilities.
        test: Of it, every so many-th image is taken, at most `DISTURBED`.

    Returns:
        Pairs of standard deviation and accuracy, of pixels and accuracy, and the number of images.
    """
    chosen = test.pick(np.unique(np.linspace(0, len(test) - 1, min(len(test), DISTURBED)).astype(int)))

    def accuracy(images: np.ndarray) -> float:
        return float((predict(images).argmax(axis=1) == chosen.y).mean())

    shifts = [pixels for pixels in SHIFTS if pixels < min(chosen.x.shape[1:3])]
    return (
        [(sigma, accuracy(blur(chosen.x, sigma))) for sigma in BLURS],
        [(pixels, float(np.mean([accuracy(one) for one in shift(chosen.x, pixels)]))) for pixels in shifts],
        len(chosen),
    )


def blur(images: np.ndarray, sigma: float) -> np.ndarray:
    """Images uint8 (N, H, W, C) under a Gaussian of so many pixels; the edge goes on outside."""
    from scipy.ndimage import gaussian_filter

    smooth = gaussian_filter(images.astype(np.float32), (0, sigma, sigma, 0), mode="nearest")
    return np.round(smooth).astype(np.uint8)


def shift(images: np.ndarray, pixels: int) -> list[np.ndarray]:
    """Images uint8 (N, H, W, C) moved down, up, right and left; the edge goes on where nothing was."""
    if not pixels:
        return [images]
    _, height, width, _ = images.shape
    padded = np.pad(images, ((0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode="edge")
    corners = ((0, pixels), (2 * pixels, pixels), (pixels, 0), (pixels, 2 * pixels))
    return [padded[:, top : top + height, left : left + width] for top, left in corners]


def _filters(network: "keras.Model", name: str) -> "Figure | None":
    """The filters of the first convolution, where they can be seen as colours."""
    import keras

    from rdfia_keras import plots

    first = next((layer for layer in network.layers if isinstance(layer, keras.layers.Conv2D)), None)
    if first is None or first.kernel.shape[2] not in (1, 3):
        return None
    return plots.filter_grid(keras.ops.convert_to_numpy(first.kernel), f"{name}: filters of {first.name}")


def _mistakes(
    network: "keras.Model", predict: Predict, probabilities: np.ndarray, data: Dataset, title: str
) -> "Figure | None":
    """The worst mistakes with what spoke for the predicted class and what for the true one."""
    from rdfia_keras import plots
    from rdfia_keras.models.attribution import occlusion

    images, captions, wrong = worst_mistakes(probabilities, data.test.x, data.test.y, data.classes, MISTAKES)
    if not len(images):
        return None
    predicted, true = probabilities[wrong].argmax(axis=1), data.test.y[wrong]
    side = max(2, images.shape[1] // 4)
    hidden = occlusion(predict, images, predicted, side, max(1, side // 4))
    method, taken = where_it_looks(network, images, predicted)
    columns = {"occlusion, predicted class": [(values, hidden.extent) for values in hidden.values]}
    if method == "Grad-CAM":
        _, right = where_it_looks(network, images, true)
        columns = {"Grad-CAM, predicted class": taken, "Grad-CAM, true class": right, **columns}
    return plots.attribution_grid(images, captions, columns, f"{title}: worst mistakes (true → predicted)")


def _table(rows: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [
        {
            "class": row["class"],
            "images": f"{row['images']:,}",
            "recall": f"{row['recall']:.1%}",
            "precision": f"{row['precision']:.1%}",
        }
        for row in rows
    ]


def _lines(facts: dict[str, Any]) -> list[str]:
    sure, right, error = facts["mean_confidence"], facts["accuracy"], facts["expected_calibration_error"]
    verdict = "too sure" if sure > right else "not sure enough"
    blurs = ", ".join(f"{row['accuracy']:.1%} at {row['sigma']:g}" for row in facts["blur"])
    shifts = ", ".join(f"{row['accuracy']:.1%} at {row['pixels']}" for row in facts["shift"])
    return [
        f"accuracy {right:.2%}, mean confidence {sure:.2%}: on the whole {verdict}",
        f"expected calibration error {error:.2%}",
        f"blurred (standard deviation in pixels): {blurs}",
        f"shifted (pixels): {shifts}",
    ]

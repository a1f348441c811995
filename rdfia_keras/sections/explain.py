"""Section explain: the questions that a real model or a picture answers. Nothing here is trained."""

from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
from keras import layers

from rdfia_keras import plots, theory, training
from rdfia_keras.cnn import build_cnn, load_model
from rdfia_keras.data import Dataset
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import BASELINE
from rdfia_keras.records import make_folder
from rdfia_keras.sections.cnn import build_model

SHAPE, N_Y = (32, 32, 3), 10


def layer_table() -> list[dict]:
    """Questions 10 and 11: every layer with weights of the real model, beside the homework's formulas.

    Raises:
        RdfiaError: When model and formulas differ, which would be a fault of this package.
    """
    model = build_cnn(BASELINE, SHAPE, N_Y, [0.0] * 3, [1.0] * 3)
    rows = theory.layer_counts(SHAPE, N_Y)
    for row in rows:
        layer = model.get_layer(row["layer"])
        row["model_output"], row["model_weights"] = list(layer.output.shape[1:]), layer.count_params()
        if (row["output"], row["weights"]) != (row["model_output"], row["model_weights"]):
            raise RdfiaError(f"{row['layer']}: the model has {row['model_output']} and {row['model_weights']} weights")
    return rows


def receptive_fields(folder: Path, image: np.ndarray) -> tuple[list[dict], Path]:
    """Question 7's table, and the fields drawn on an image."""
    rows = theory.receptive_fields(theory.CIFAR_STAGES)
    path = make_folder(folder) / "receptive-fields.png"
    plots.save(plots.receptive_fields(image, rows), path)
    return rows, path


def fully_convolutional(model: keras.Model) -> keras.Model:
    """Questions 4 to 6: the same weights, with every fully-connected layer written as a convolution.

    The first one after flattening, from (h, w, c) values to n, is n filters of h * w * c; further ones have filters of
    1 * 1. On images of the trained size the result is (N, 1, 1, n_y) with the same logits; on larger ones there is a
    place for each window, as far apart as the poolings' strides multiply to.

    Args:
        model: One that `rdfia cnn` trained, of the homework's network or LeNet-5.

    Raises:
        RdfiaError: When a layer needs a fixed size, as whitening does.
    """
    x = inputs = keras.Input((None, None, model.input.shape[-1]), dtype="uint8")
    flattened = None
    for layer in model.layers[1:]:
        if layer.name.startswith("random_") or isinstance(layer, layers.Dropout):
            continue
        if isinstance(layer, layers.Flatten):
            flattened = layer.input.shape[1:3]
        elif isinstance(layer, layers.Dense):
            if flattened is None:
                raise RdfiaError(f"{layer.name} has no convolution before it")
            x = _dense_as_conv(layer, flattened)(x)
            flattened = (1, 1)
        elif layer.name == "whiten":
            raise RdfiaError("whitening needs images of one size; choose a model without it")
        elif isinstance(layer, layers.Conv2D | layers.MaxPooling2D | layers.Normalization | layers.BatchNormalization):
            x = layer(x)
        else:
            x = type(layer).from_config(layer.get_config())(x)
    return keras.Model(inputs, x)


def _dense_as_conv(dense: layers.Dense, size: tuple[int, int]) -> layers.Conv2D:
    kernel, bias = dense.get_weights()
    conv = layers.Conv2D(dense.units, size, activation=dense.activation, dtype=dense.dtype_policy, name=dense.name)
    conv.build((None, None, None, kernel.shape[0] // (size[0] * size[1])))
    conv.set_weights([kernel.reshape(*size, -1, dense.units), bias])
    return conv


def dense_as_conv(data: Dataset, model_path: Path | None, folder: Path) -> tuple[dict, Path]:
    """Question 6 shown: a model on a mosaic of four test images, its map of class scores and their average.

    Args:
        model_path: A `.keras` archive of `rdfia cnn`, or None for the network with its initial weights.

    Raises:
        RdfiaError: When the model cannot be read, or is of other images.
    """
    model = load_model(model_path) if model_path else build_model(BASELINE, data)
    if model.input.shape[1:] != data.test.x.shape[1:] or model.output.shape[-1] != len(data.classes):
        raise RdfiaError(f"{model_path} is a model of other images than {data.name} has; see --dataset")
    network = fully_convolutional(model)
    labels = np.unique(data.test.y)
    chosen = [int(np.flatnonzero(data.test.y == labels[i % len(labels)])[0]) for i in range(4)]
    first = data.test.x[chosen]
    mosaic = np.concatenate([np.concatenate(list(first[:2]), 1), np.concatenate(list(first[2:4]), 1)], 0)
    scores = softmax(np.asarray(network(mosaic[None]))[0].astype(np.float64))
    small = data.test.x[:64]
    cropped = _seen(model, small)
    difference = np.abs(np.asarray(network(cropped))[:, 0, 0] - np.asarray(model(small, training=False))).max()
    path = make_folder(folder) / "dense-as-conv.png"
    title = f"Fully convolutional, on an image of {mosaic.shape[0]}x{mosaic.shape[1]}: probability of each class"
    plots.save(plots.score_maps(mosaic, scores, data.classes, title), path)
    average = scores.mean(axis=(0, 1))
    facts = {
        "image": list(mosaic.shape),
        "scores": list(scores.shape),
        "trained": str(model_path) if model_path else None,
        "difference_on_small_images": float(difference),
        "average": {name: float(value) for name, value in zip(data.classes, average, strict=True)},
        "shown": [data.classes[data.test.y[i]] for i in chosen],
    }
    return facts, path


def _seen(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """The part of images that the model sees in evaluation: the centre, if it was trained on crops."""
    crops = [layer for layer in model.layers if layer.name == "random_crop"]
    return np.asarray(crops[0](images, training=False)) if crops else images


def softmax(logits: np.ndarray) -> np.ndarray:
    """Over the last axis."""
    e = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)


def start(data: Dataset, seeds: int) -> list[dict]:
    """Question 17: loss and accuracy on both sets before the first step, from several initial weights."""
    rows = []
    for seed in range(seeds):
        model = build_model(replace(BASELINE, seed=seed), data)
        (train_loss, train_accuracy), (test_loss, test_accuracy) = (
            training.evaluate(model, split.take(10_000)) for split in (data.train, data.test)
        )
        rows.append(
            {
                "seed": seed,
                "train_loss": train_loss,
                "train_accuracy": train_accuracy,
                "test_loss": test_loss,
                "test_accuracy": test_accuracy,
            }
        )
    return rows


def whitened(images: np.ndarray, train: np.ndarray, epsilon: float, folder: Path) -> Path:
    """Question 21's pictures: images, and what PCA and ZCA make of them, each stretched to 0..255."""
    from rdfia_keras.layers import Whitening

    pixels = images.astype(np.float32) / 255
    axes, versions = training.principal_axes(train), []
    for kind in ("zca", "pca"):
        layer = Whitening(kind, epsilon)
        layer.build(pixels.shape)
        layer.adapt(*axes)
        versions.append(stretch(np.asarray(layer(pixels))))
    path = make_folder(folder) / "whitened.png"
    title = f"Whitening with epsilon {epsilon:g}: original, ZCA, PCA"
    figure = plots.augmentation_grid(images, np.stack(versions, axis=1), title, names=("ZCA", "PCA"))
    plots.save(figure, path)
    return path


def stretch(images: np.ndarray) -> np.ndarray:
    """Each image brought to 0..255, from its 1st to its 99th percentile."""
    low, high = np.quantile(images, [0.01, 0.99], axis=(1, 2, 3), keepdims=True)
    return np.clip(255 * (images - low) / np.maximum(high - low, 1e-9), 0, 255)

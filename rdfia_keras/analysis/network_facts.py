"""Answers to the report's questions from real networks: counted, made fully convolutional, measured before training."""

import math
from dataclasses import replace
from typing import Any

import keras
import numpy as np
from keras import layers
from scipy.special import softmax

from rdfia_keras.analysis import theory
from rdfia_keras.config import CnnConfig
from rdfia_keras.data import Dataset, Split
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments.registry import BASELINE
from rdfia_keras.models.augmentation import Augmentation
from rdfia_keras.models.convnet import augmentation_of, build_convnet
from rdfia_keras.models.whitening import Whitening
from rdfia_keras.training.fit import check_finite, compile_model, evaluate

SHAPE, N_Y = (32, 32, 3), 10
# One black image: enough to build a network for images of CIFAR-10.
_BLANK = Split(np.zeros((1, *SHAPE), np.uint8), np.zeros(1, np.int64))
BLANK = Dataset("blank", _BLANK, _BLANK, tuple("0123456789"))


def baseline() -> CnnConfig:
    """Return the settings of the homework's network without options."""
    assert isinstance(BASELINE.config, CnnConfig)
    return BASELINE.config


def layer_table(config: CnnConfig) -> list[dict[str, Any]]:
    """Return every layer that has weights or pools, on 32x32x3: its output, weights and multiply-adds of an image.

    Raises:
        RdfiaError: If the homework's network and the homework's formulas differ, which would be a bug of this package.
    """
    pools, rows = layers.MaxPooling2D | layers.GlobalMaxPooling2D, []
    for layer in build_convnet(config, BLANK).layers:
        if not isinstance(layer, layers.Conv2D | layers.Dense | layers.BatchNormalization | pools):
            continue
        output = list(layer.output.shape[1:])
        # The moving statistics of batch normalization are none.
        weights = sum(math.prod(weight.shape) for weight in layer.weights if "moving" not in weight.name)
        products = math.prod(layer.kernel.shape) * math.prod(output[:-1]) if hasattr(layer, "kernel") else 0
        rows.append({"layer": layer.name, "output": output, "weights": weights, "products": products})
    if config == baseline():
        formulas = theory.layer_counts(SHAPE, N_Y)
        for row, formula in zip(rows, formulas, strict=True):
            if any(row[name] != value for name, value in formula.items()):
                raise RdfiaError(f"{row['layer']}: the model has {row} and the formulas give {formula}")
    return rows


def class_map(model: keras.Model, data: Dataset) -> tuple[dict[str, Any], np.ndarray, np.ndarray]:
    """Apply a model to a mosaic of four test images: return facts, the mosaic, and the map of class probabilities."""
    network = fully_convolutional(model)
    labels = np.unique(data.test.y)
    chosen = [int(np.flatnonzero(data.test.y == labels[i % len(labels)])[0]) for i in range(4)]
    a, b, c, d = data.test.x[chosen]
    mosaic = np.concatenate([np.concatenate([a, b], 1), np.concatenate([c, d], 1)], 0)
    outputs = np.asarray(network(mosaic[None], training=False))[0].astype(np.float64)
    check_finite(outputs)
    scores = softmax(outputs, axis=-1)
    small = data.test.x[:64]
    augmentation = augmentation_of(model)
    visible = np.asarray(augmentation(small, training=False)) if augmentation else small
    logits = np.asarray(model(small, training=False))
    difference = np.abs(np.asarray(network(visible, training=False))[:, 0, 0] - logits).max()
    average = scores.mean(axis=(0, 1))
    facts = {
        "image": list(mosaic.shape),
        "scores": list(scores.shape),
        "difference_on_small_images": float(difference),
        "average": {name: float(value) for name, value in zip(data.classes, average, strict=True)},
        "shown": [data.classes[data.test.y[i]] for i in chosen],
    }
    return facts, mosaic, scores


def fully_convolutional(model: keras.Model) -> keras.Model:
    """Rewrite every fully-connected layer as a convolution with the same weights: questions 4 to 6.

    The first one after flattening, from (h, w, c) values to n, is n filters of h * w * c; further ones have filters of
    1 * 1. On images of the trained size the result is (N, 1, 1, n_y) with the same logits; on larger ones there is a
    place for each window, as far apart as the poolings' strides multiply to.

    Raises:
        RdfiaError: If a layer needs a fixed size, as whitening does.
    """
    x = inputs = keras.Input((None, None, model.input.shape[-1]), dtype="uint8")
    flattened: tuple[int, ...] | None = None
    for layer in model.layers[1:]:
        if isinstance(layer, Augmentation | layers.Dropout):
            continue
        if isinstance(layer, layers.Flatten):
            flattened = layer.input.shape[1:3]
        elif isinstance(layer, layers.Dense):
            if flattened is None:
                raise RdfiaError(f"{layer.name} has no convolution before it")
            x = _dense_as_conv(layer, flattened)(x)
            flattened = (1, 1)
        elif isinstance(layer, Whitening):
            raise RdfiaError("whitening needs images of one size; choose a model without it")
        elif isinstance(layer, layers.Conv2D | layers.MaxPooling2D | layers.Normalization | layers.BatchNormalization):
            x = layer(x)
        else:
            x = type(layer).from_config(layer.get_config())(x)
    return keras.Model(inputs, x)


def _dense_as_conv(dense: Any, size: tuple[int, ...]) -> Any:
    kernel, bias = dense.get_weights()
    conv = layers.Conv2D(dense.units, size, activation=dense.activation, dtype=dense.dtype_policy, name=dense.name)
    conv.build((None, None, None, kernel.shape[0] // (size[0] * size[1])))
    conv.set_weights([kernel.reshape(*size, -1, dense.units), bias])
    return conv


def initial_scores(data: Dataset, seeds: int) -> list[dict[str, float]]:
    """Return loss and accuracy on both sets before the first step, from several initial weights."""
    rows: list[dict[str, float]] = []
    for seed in range(seeds):
        model = build_convnet(replace(baseline(), seed=seed), data)
        compile_model(model, baseline())
        row: dict[str, float] = {"seed": seed}
        for name, split in (("train", data.train), ("test", data.test)):
            row[f"{name}_loss"], row[f"{name}_accuracy"] = evaluate(model, split.take(10_000))
        rows.append(row)
    return rows


def stretch(images: np.ndarray) -> np.ndarray:
    """Bring each image to 0..255, from its 1st to its 99th percentile."""
    low, high = np.quantile(images, [0.01, 0.99], axis=(1, 2, 3), keepdims=True)
    return np.clip(255 * (images - low) / np.maximum(high - low, 1e-9), 0, 255)


Axes = tuple[np.ndarray, np.ndarray, np.ndarray]


def whitened(images: np.ndarray, axes: Axes, epsilon: float, kinds: tuple[str, ...]) -> np.ndarray:
    """Whiten images (N, H, W, C) by each kind, stretched to 0..255: (N, kinds, H, W, C).

    The axes are the training set's `principal_axes`; epsilon is added to their variances.
    """
    pixels, versions = images.astype(np.float32) / 255, []
    for kind in kinds:
        layer = Whitening(kind, epsilon)
        layer.build(pixels.shape)
        layer.adapt(*axes)
        versions.append(stretch(np.asarray(layer(pixels))))
    return np.stack(versions, axis=1)

"""Attribution, where a trained network looks: Grad-CAM follows the gradient, occlusion needs none."""

import itertools
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from rdfia_keras.errors import RdfiaError
from rdfia_keras.models.convnet import augmentation_of
from rdfia_keras.training.fit import predict_images

GREY = 128


class Maps(NamedTuple):
    """One map for each image, and where the maps lie on the images.

    Attributes:
        values: (N, rows, columns).
        extent: Edges of the map in pixels of the image: left, right, bottom, top.
    """

    values: np.ndarray
    extent: tuple[float, float, float, float]


def last_convolution(model: keras.Model) -> keras.layers.Layer | None:
    """Return the last layer, but for poolings, whose outputs have a height and a width; None without convolutions.

    Of the homework's network that is the third ReLU: Grad-CAM looks at what a convolution passes on.
    """
    is_convolution = [isinstance(layer, keras.layers.Conv2D) for layer in model.layers]
    if not any(is_convolution):
        return None
    layers = model.layers[is_convolution.index(True) :]
    with_maps = [layer for layer in layers if len(layer.output.shape) == 4]
    return [layer for layer in with_maps if not isinstance(layer, keras.layers.MaxPooling2D)][-1]


def grad_cam(model: keras.Model, images: np.ndarray, labels: np.ndarray) -> Maps:
    """Compute Grad-CAM of the last convolution (Selvaraju et al. 2017, https://arxiv.org/abs/1610.02391).

    With A_k the layer's feature maps and s the logit of the class,

        alpha_k = mean over the places of ds / dA_k,    map = ReLU(sum_k alpha_k A_k).

    Args:
        model: A model from uint8 images to logits, with a convolution.
        images: Uint8 (N, H, W, C).
        labels: The class to explain for each image, int (N,).

    Returns:
        Maps of the size of the layer's output, at least 0, in units of the logit times the number of places.

    Raises:
        RdfiaError: If the network has no convolution, or the back end is neither TensorFlow nor JAX.
    """
    layer = last_convolution(model)
    if layer is None:
        raise RdfiaError(f"Grad-CAM needs a convolution, which the network {model.name} has not")
    features = ops.cast(keras.Model(model.input, layer.output)(images, training=False), "float32")
    # Products of huge weights are too large for float32.
    gradient = scores_gradient(model, layer, features, labels).astype(np.float64)
    alpha = gradient.mean(axis=(1, 2), keepdims=True)
    values = np.maximum((alpha * ops.convert_to_numpy(features)).sum(axis=-1), 0)
    return Maps(values, _visible_extent(model))


def scores_gradient(model: keras.Model, layer: keras.layers.Layer, features: Any, labels: np.ndarray) -> np.ndarray:
    """Compute the gradient of each image's logit of its class with respect to `features`, the outputs of a layer.

    Both are float32 (N, rows, columns, channels); the labels are int (N,).
    """
    head = keras.Model(layer.output, model.output)
    chosen = np.eye(model.output.shape[-1], dtype="float32")[labels]
    # An image's logits depend on that image alone, so the sum has the gradients of all of them.
    return _gradient(lambda outputs: ops.sum(head(outputs, training=False) * chosen), features)


def _gradient(function: Callable[[Any], Any], x: Any) -> np.ndarray:
    """Compute the gradient of a scalar function at x, for which Keras has no function of its own."""
    backend = keras.backend.backend()
    if backend == "tensorflow":
        import tensorflow as tf

        with tf.GradientTape() as tape:
            tape.watch(x)
            y = function(x)
        return np.asarray(tape.gradient(y, x))
    if backend == "jax":
        import jax

        return np.asarray(jax.grad(function)(x))
    raise RdfiaError(f"Grad-CAM takes gradients with TensorFlow or JAX, not {backend}; set KERAS_BACKEND")


def _visible_extent(model: keras.Model) -> tuple[float, float, float, float]:
    """Return the edges of the part of an image that the network sees: its middle, if the augmentation crops."""
    height, width = model.input.shape[1:3]
    augmentation = augmentation_of(model)
    inner_height, inner_width = augmentation.output.shape[1:3] if augmentation else (height, width)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    return left - 0.5, left + inner_width - 0.5, top + inner_height - 0.5, top - 0.5


def occlusion(
    predict: Callable[[np.ndarray], np.ndarray], images: np.ndarray, labels: np.ndarray, side: int, stride: int
) -> Maps:
    """Measure how much probability a class loses when a grey square hides a part of the image.

    Zeiler and Fergus 2014, https://arxiv.org/abs/1311.2901, figure 7.

    Args:
        predict: A function from images, uint8 (M, H, W, C), to probabilities (M, n_y).
        images: Uint8 (N, H, W, C).
        labels: The class to explain for each image, int (N,).
        side: Side of the square, pixels.
        stride: Pixels between two places of the square.

    Returns:
        Maps with a value for each place: the probability of the whole image minus that of the covered one.
    """
    count, height, width, _ = images.shape
    tops, lefts = np.arange(0, height - side + 1, stride), np.arange(0, width - side + 1, stride)
    covered = np.repeat(images[:, None], len(tops) * len(lefts), axis=1)
    for place, (top, left) in enumerate(itertools.product(tops, lefts)):
        covered[:, place, top : top + side, left : left + side] = GREY
    probabilities = predict(np.concatenate([images, covered.reshape(-1, *images.shape[1:])]))
    whole = probabilities[np.arange(count), labels]
    hidden = probabilities[count:].reshape(count, len(tops), len(lefts), -1)
    hidden = np.take_along_axis(hidden, labels[:, None, None, None], axis=-1)[..., 0]
    # A value belongs to the middle of its square.
    low, high = (side - 1 - stride) / 2, (side - 1 + stride) / 2
    extent = low, float(lefts[-1]) + high, float(tops[-1]) + high, low
    return Maps((whole[:, None, None] - hidden).astype(np.float32), extent)


def where_it_looks(network: keras.Model, images: np.ndarray, labels: np.ndarray) -> tuple[str, Maps]:
    """Return the method, Grad-CAM or without convolutions occlusion, and its maps, which are at least 0."""
    if last_convolution(network) is not None:
        return "Grad-CAM", grad_cam(network, images, labels)
    maps = occlude(network, images, labels)
    # A part that only raises the probability when it is hidden did not lead to the decision.
    return "occlusion", Maps(np.maximum(maps.values, 0), maps.extent)


def occlude(network: keras.Model, images: np.ndarray, labels: np.ndarray) -> Maps:
    """Return the occlusion maps of a network, with a square of a quarter of the image."""
    side = max(2, images.shape[1] // 4)
    return occlusion(partial(predict_images, network), images, labels, side, max(1, side // 4))

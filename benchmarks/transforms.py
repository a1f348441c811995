"""Each random transformation by itself, on a batch of images as a training step has it, on the CPU.

This package's is the layer of a compiled model. The others are the nearest of Keras and of torchvision, with the same
strengths where they have such; torchvision gets what is fastest for it, floats in (N, C, H, W).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.matches import Work
from benchmarks.noise import images
from benchmarks.package import augmentation_layer, set_up

BATCH, CALLS = 128, 40
# Of Keras, by our names: layers applied one after the other.
KERAS = {
    "crop": [("RandomCrop", {"height": 28, "width": 28})],
    "flip": [("RandomFlip", {"mode": "horizontal"})],
    "vertical-flip": [("RandomFlip", {"mode": "vertical"})],
    # It adds where ours multiplies.
    "intensity": [("RandomBrightness", {"factor": 0.5})],
    "contrast": [("RandomContrast", {"factor": 0.5})],
    "hue": [("RandomHue", {"factor": 0.3})],
    "affine": [
        ("RandomRotation", {"factor": 30 / 360, "fill_mode": "constant"}),
        ("RandomTranslation", {"height_factor": 0.1, "width_factor": 0.1, "fill_mode": "constant"}),
        ("RandomZoom", {"height_factor": 0.25, "fill_mode": "constant"}),
        ("RandomShear", {"x_factor": 0.17, "fill_mode": "constant"}),
    ],
    "rotation": [("RandomRotation", {"factor": 15 / 360, "fill_mode": "constant"})],
    "perspective": [("RandomPerspective", {"factor": 0.5, "scale": 0.5})],
    # Its width in pixels is 1 at most, ours 2.
    "blur": [("RandomGaussianBlur", {"kernel_size": 5, "sigma": 1.0})],
}
# Of torchvision's transforms v2. What can interpolate does so bilinearly.
TORCHVISION = {
    "crop": ("RandomCrop", {"size": 28}),
    "flip": ("RandomHorizontalFlip", {}),
    "vertical-flip": ("RandomVerticalFlip", {}),
    "intensity": ("ColorJitter", {"brightness": 0.5}),
    "contrast": ("ColorJitter", {"contrast": 0.5}),
    "hue": ("ColorJitter", {"hue": 0.3}),
    "affine": ("RandomAffine", {"degrees": 30, "translate": (0.1, 0.1), "scale": (0.75, 1.25), "shear": 10}),
    "rotation": ("RandomRotation", {"degrees": 15}),
    "perspective": ("RandomPerspective", {"distortion_scale": 0.5}),
    "blur": ("GaussianBlur", {"kernel_size": 5, "sigma": (0.1, 2.0)}),
}
INTERPOLATING = ("affine", "rotation", "perspective")


def package_layer(name: str) -> Work:
    """Time this package's layer inside a `tf.function`."""
    return _tensorflow(augmentation_layer(name))


def keras_layer(name: str) -> Work:
    """Time Keras's layers of the nearest name inside a `tf.function`."""
    set_up()
    import keras

    layers = [getattr(keras.layers, kind)(**arguments, seed=0) for kind, arguments in KERAS[name]]

    def transform(batch):
        for layer in layers:
            batch = layer(batch, training=True)
        return batch

    return _tensorflow(transform, name=" + ".join(kind for kind, _ in KERAS[name]))


def _tensorflow(transform: Callable[[Any], Any], **facts: str) -> Work:
    import tensorflow as tf

    batch = tf.constant(images(BATCH)[0])
    function = tf.function(transform)

    def work() -> None:
        for _ in range(CALLS):
            function(batch)[0, 0, 0, 0].numpy()

    draws = _draws(lambda numbers: function(tf.constant(numbers)).numpy(), times=16)
    return Work(work, CALLS * BATCH, {"draws": draws, "xla": _compiles(transform, batch), **facts})


def _compiles(transform: Callable[[Any], Any], batch: Any) -> bool:
    """Return whether XLA compiles it as a whole, as it would on a GPU."""
    import tensorflow as tf

    try:
        tf.function(transform, jit_compile=True)(batch)
    except (tf.errors.OpError, NotImplementedError, ValueError, TypeError):
        return False
    return True


def _draws(call: Callable[[np.ndarray], np.ndarray], times: int) -> str:
    """Return whether equal images of one batch ever come out different, or equal batches, in some calls."""
    equal = np.repeat(images(1)[0], BATCH, axis=0)
    outputs = [np.asarray(call(equal), np.float32) for _ in range(times)]
    if any(np.ptp(output, axis=0).max() > 0 for output in outputs):
        return "per image"
    return "per batch" if any(np.any(output[0] != outputs[0][0]) for output in outputs) else "none"


def torchvision(name: str, image_by_image: bool = False) -> Work:
    """Time torchvision on the whole batch, which is one draw for all of it, or on one image at a time."""
    import torch
    from torchvision.transforms import v2

    kind, arguments = TORCHVISION[name]
    bilinear = {"interpolation": v2.InterpolationMode.BILINEAR} if name in INTERPOLATING else {}
    random, floats = getattr(v2, kind)(**arguments, **bilinear), v2.ToDtype(torch.float32, scale=True)

    def transform(batch):
        batch = floats(batch)
        return torch.stack([random(image) for image in batch]) if image_by_image else random(batch)

    def channels_first(numbers: np.ndarray) -> Any:
        return torch.from_numpy(numbers).permute(0, 3, 1, 2).contiguous()

    batch = channels_first(images(BATCH)[0])
    calls = 2 if image_by_image else CALLS

    def work() -> None:
        for _ in range(calls):
            transform(batch)

    draws = _draws(lambda numbers: transform(channels_first(numbers)).numpy(), times=2 if image_by_image else 16)
    return Work(work, calls * BATCH, {"draws": draws})

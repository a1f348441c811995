"""Each random transformation by itself, on a batch of images as a training step has it.

Ours is the layer of a compiled model. The others are the nearest of Keras and of torchvision, with the same strengths
where they have such; torchvision gets what is fastest for it, floats in (N, C, H, W).
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks.noise import CLASSES, images
from benchmarks.registry import Work
from rdfia_keras.config import CnnConfig

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


def ours(name: str) -> Work:
    """The augmentation layer of a model that `compile_model` made ready, inside a `tf.function`."""
    from rdfia_keras.system.backend import set_up_backend

    set_up_backend("cpu")
    from rdfia_keras.data import Dataset, Split
    from rdfia_keras.models.convnet import augmentation_of, build_convnet
    from rdfia_keras.training.fit import compile_model

    config = CnnConfig(augmentations=(name,)).resolve()
    split = Split(*images(10))
    model = build_convnet(config, Dataset("noise", split, split, CLASSES))
    compile_model(model, config)
    layer = augmentation_of(model)
    return _tensorflow(lambda batch: layer(batch, training=True))


def keras_layer(name: str) -> Work:
    """Keras's layer of the nearest name, inside a `tf.function`."""
    from rdfia_keras.system.backend import set_up_backend

    set_up_backend("cpu")
    import keras

    layers = [getattr(keras.layers, kind)(**arguments, seed=0) for kind, arguments in KERAS[name]]

    def transform(batch):
        for layer in layers:
            batch = layer(batch, training=True)
        return batch

    work = _tensorflow(transform)
    return Work(work.run, work.units, {**work.facts, "name": " + ".join(kind for kind, _ in KERAS[name])})


def _tensorflow(transform: Callable[[Any], Any]) -> Work:
    import tensorflow as tf

    batch = tf.constant(images(BATCH)[0])
    function = tf.function(transform)

    def work() -> None:
        for _ in range(CALLS):
            function(batch)[0, 0, 0, 0].numpy()

    def call(numbers: np.ndarray) -> np.ndarray:
        return function(tf.constant(numbers)).numpy()

    return Work(work, CALLS * BATCH, {"draws": _draws(call), "xla": _compiles(transform, batch)})


def _compiles(transform: Callable[[Any], Any], batch: Any) -> bool:
    """Whether XLA compiles it as a whole, as it would on a GPU."""
    import tensorflow as tf

    try:
        tf.function(transform, jit_compile=True)(batch)
    except (tf.errors.OpError, NotImplementedError, ValueError, TypeError):
        return False
    return True


def _draws(call: Callable[[np.ndarray], np.ndarray], times: int = 16) -> str:
    """Whether equal images of one batch ever come out different, or equal batches, in some calls."""
    equal = np.repeat(images(1)[0], BATCH, axis=0)
    outputs = [np.asarray(call(equal), np.float32) for _ in range(times)]
    if any(np.ptp(output, axis=0).max() > 0 for output in outputs):
        return "per image"
    return "per batch" if any(np.any(output[0] != outputs[0][0]) for output in outputs) else "none"


def _v2(name: str) -> Any:
    from torchvision.transforms import v2

    bilinear = v2.InterpolationMode.BILINEAR
    return {
        "crop": lambda: v2.RandomCrop(28),
        "flip": lambda: v2.RandomHorizontalFlip(),
        "vertical-flip": lambda: v2.RandomVerticalFlip(),
        "intensity": lambda: v2.ColorJitter(brightness=0.5),
        "contrast": lambda: v2.ColorJitter(contrast=0.5),
        "hue": lambda: v2.ColorJitter(hue=0.3),
        "affine": lambda: v2.RandomAffine(30, (0.1, 0.1), (0.75, 1.25), 10, interpolation=bilinear),
        "rotation": lambda: v2.RandomRotation(15, bilinear),
        "perspective": lambda: v2.RandomPerspective(0.5, interpolation=bilinear),
        "blur": lambda: v2.GaussianBlur(5, (0.1, 2.0)),
    }[name]()


def torchvision(name: str, image_by_image: bool = False) -> Work:
    """torchvision's transforms v2 on the whole batch, which is one draw for all of it, or on one image at a time."""
    import torch
    from torchvision.transforms import v2

    random, floats = _v2(name), v2.ToDtype(torch.float32, scale=True)

    def transform(batch):
        batch = floats(batch)
        return torch.stack([random(image) for image in batch]) if image_by_image else random(batch)

    def call(numbers: np.ndarray) -> np.ndarray:
        return transform(torch.from_numpy(numbers).permute(0, 3, 1, 2).contiguous()).numpy()

    batch = torch.from_numpy(images(BATCH)[0]).permute(0, 3, 1, 2).contiguous()
    calls = 2 if image_by_image else CALLS

    def work() -> None:
        for _ in range(calls):
            transform(batch)

    return Work(work, calls * BATCH, {"draws": _draws(call, 2 if image_by_image else 16)})

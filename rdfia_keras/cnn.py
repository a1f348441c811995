"""The networks on images: the homework's convnet, LeNet-5 and the fully-connected reference (questions 10, 13, 15).

Each is one model from raw uint8 pixels to logits: preprocessing and augmentation are its first layers, so a saved
model needs nothing but images. Layers name no backend.
"""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import keras
from keras import layers

from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import CnnExperiment
from rdfia_keras.layers import (
    RandomAffine,
    RandomBlur,
    RandomContrast,
    RandomCrop,
    RandomHue,
    RandomIntensity,
    RandomPerspective,
    Whitening,
)


def build_cnn(
    experiment: CnnExperiment, image_shape: tuple[int, int, int], n_y: int, mean: list[float], std: list[float]
) -> keras.Model:
    """The experiment's model: images uint8 (N, H, W, C) -> logits float32 (N, n_y).

    Args:
        experiment: Which network, and which rungs of the ladder.
        image_shape: (H, W, C).
        n_y: Number of classes.
        mean, std: Of the training set, per channel, on pixels in [0, 1]; used by `normalize` alone.
    """
    images = keras.Input(image_shape, dtype="uint8", name="images")
    x = preprocess(augment(images, experiment), experiment, mean, std)
    return keras.Model(images, NETWORKS[experiment.model](x, n_y, experiment), name=experiment.model)


def augment(x, experiment: CnnExperiment):
    """Random transformations in training; in evaluation only the centre crop, which sets the size (question 22)."""
    for name in experiment.augment:
        layer = TRANSFORMATIONS[name]
        x = layer(x.shape[1], seed=experiment.seed, name=f"random_{name.replace('-', '_')}")(x)
    return x


def _of_any_size(layer: type, *arguments, **settings) -> Callable:
    """A maker of layers that do not need to know the size of the images."""
    return lambda size, **rest: layer(*arguments, **settings, dtype="float32", **rest)


# By name, what makes each: called with the images' height, `seed` and `name`. The report gives no strengths: where
# torchvision's transformations have defaults (perspective, blur) they are those, for colours those of its gallery.
TRANSFORMATIONS = {
    "crop": lambda size, **rest: RandomCrop(crop_size(size), **rest),
    "flip": _of_any_size(layers.RandomFlip, "horizontal"),
    "vertical-flip": _of_any_size(layers.RandomFlip, "vertical"),
    "intensity": _of_any_size(RandomIntensity),
    "contrast": _of_any_size(RandomContrast),
    "hue": _of_any_size(RandomHue),
    "affine": _of_any_size(RandomAffine),
    "rotation": _of_any_size(RandomAffine, degrees=15, shift=0, scale=0, shear=0),
    "perspective": _of_any_size(RandomPerspective),
    "blur": _of_any_size(RandomBlur),
}


def crop_size(size: int) -> int:
    """The homework's 28 of 32 pixels, in proportion for images of another size."""
    return size * 7 // 8


def preprocess(x, experiment: CnnExperiment, mean: list[float], std: list[float]):
    """Pixels from 0..255 to [0, 1], then to mean 0 and standard deviation 1 (question 19), or whitened (question 21).

    Always float32: bfloat16 has too few digits for pixels.
    """
    x = layers.Rescaling(1 / 255, dtype="float32", name="scale")(x)
    if experiment.normalize:
        x = layers.Normalization(mean=mean, variance=[s * s for s in std], dtype="float32", name="normalize")(x)
    if experiment.whiten:
        x = Whitening(experiment.whiten, experiment.epsilon, name="whiten")(x)
    return x


def cifar_net(x, n_y: int, experiment: CnnExperiment):
    """The homework's network: 1,191,170 parameters on 32x32x3 with 10 classes (question 10)."""
    policy = experiment.precision
    for number, filters in enumerate((32, 64, 64), start=1):
        x = layers.Conv2D(filters, 5, padding="same", dtype=policy, name=f"conv{number}")(x)
        if experiment.batch_norm:
            x = layers.BatchNormalization(dtype=policy, name=f"batch_norm{number}")(x)
        x = layers.Activation("relu", dtype=policy, name=f"relu{number}")(x)
        # Rounding up at the third pool keeps 4x4 outputs, and so the parameter count, on 28x28 crops.
        padding = "same" if number == 3 else "valid"
        x = layers.MaxPooling2D(2, padding=padding, dtype=policy, name=f"pool{number}")(x)
    x = layers.Flatten(dtype=policy, name="flatten")(x)
    x = layers.Dense(1000, activation="relu", dtype=policy, name="fc4")(x)
    if experiment.dropout:
        x = layers.Dropout(experiment.dropout, seed=experiment.seed, dtype=policy, name="dropout")(x)
    return layers.Dense(n_y, dtype="float32", name="fc5")(x)


def lenet(x, n_y: int, experiment: CnnExperiment):
    """LeNet-5 as the homework's MNIST code has it: tanh and max-pooling (figure 6 b)."""
    policy = experiment.precision
    x = layers.Conv2D(6, 5, padding="same", activation="tanh", dtype=policy, name="conv1")(x)
    x = layers.MaxPooling2D(2, dtype=policy, name="pool1")(x)
    x = layers.Conv2D(16, 5, activation="tanh", dtype=policy, name="conv2")(x)
    x = layers.MaxPooling2D(2, dtype=policy, name="pool2")(x)
    x = layers.Flatten(dtype=policy, name="flatten")(x)
    x = layers.Dense(120, activation="tanh", dtype=policy, name="fc3")(x)
    x = layers.Dense(84, activation="tanh", dtype=policy, name="fc4")(x)
    if experiment.dropout:
        x = layers.Dropout(experiment.dropout, seed=experiment.seed, dtype=policy, name="dropout")(x)
    return layers.Dense(n_y, dtype="float32", name="fc5")(x)


def dense_net(x, n_y: int, experiment: CnnExperiment):
    """One hidden layer of 100 tanh units: the fully-connected reference (figure 6 a)."""
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(100, activation="tanh", dtype=experiment.precision, name="fc1")(x)
    if experiment.dropout:
        x = layers.Dropout(experiment.dropout, seed=experiment.seed, dtype=experiment.precision, name="dropout")(x)
    return layers.Dense(n_y, dtype="float32", name="fc2")(x)


NETWORKS = {"cifar": cifar_net, "lenet": lenet, "dense": dense_net}


# All that a model saved here is made of: an archive is data from outside, and layers are code.
_KERAS_CLASSES = {
    *("Functional", "InputLayer", "Rescaling", "Normalization", "RandomFlip", "Conv2D", "Activation", "MaxPooling2D"),
    *("BatchNormalization", "Flatten", "Dense", "Dropout", "DTypePolicy", "Zeros", "Ones", "GlorotUniform"),
    *("__keras_tensor__", "__tensor__"),
}
_OWN_CLASSES = {
    *("RandomCrop", "RandomIntensity", "RandomContrast", "RandomHue", "RandomAffine", "RandomPerspective"),
    *("RandomBlur", "Whitening"),
}


def load_model(path: str | Path) -> keras.Model:
    """A model that `rdfia cnn` saved: raw uint8 images in, logits out.

    Args:
        path: A `.keras` archive, which is not trusted: only the layers that this package uses are made.

    Raises:
        RdfiaError: When the file is missing, damaged, or asks for anything else.
    """
    path = Path(path)
    try:
        with zipfile.ZipFile(path) as archive:
            config = json.loads(archive.read("config.json"))
            if archive.testzip() is not None:
                raise zipfile.BadZipFile("a checksum does not match")
        foreign = sorted(_foreign_classes(config))
        if foreign:
            raise RdfiaError(f"{path} asks for {', '.join(foreign)}, which no model of rdfia has; it was not loaded")
        model = keras.saving.load_model(path, compile=False, safe_mode=True)
        # One input and one output, whichever way the archive lists them.
        return keras.Model(model.inputs[0], model.outputs[0], name=model.name)
    except RdfiaError:
        raise
    except OSError as error:
        raise RdfiaError(f"cannot read the model {path}: {error.strerror or error}") from error
    except Exception as error:  # Keras answers a damaged archive with whatever its parsers happen to raise.
        raise RdfiaError(f"{path} is not a model saved by rdfia, or it is damaged ({type(error).__name__})") from error


def _foreign_classes(config: object) -> set[str]:
    """Every class that a model's configuration names and that is not one of ours."""
    if isinstance(config, list):
        return set().union(*map(_foreign_classes, config))
    if not isinstance(config, dict):
        return set()
    found = set().union(*map(_foreign_classes, config.values()))
    name = config.get("class_name")
    if name is not None:
        ours = name in _OWN_CLASSES and config.get("registered_name") == f"rdfia_keras>{name}"
        module = config.get("module")
        builtin = name in _KERAS_CLASSES and (module is None or str(module).split(".")[0] == "keras")
        if not (ours or builtin):
            found.add(str(name))
    return found

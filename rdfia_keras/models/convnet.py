"""The networks on images: the homework's convnet, LeNet-5 and the fully-connected reference (questions 10, 13, 15).

Each is one model from raw uint8 pixels to logits: augmentation and preprocessing are its first layers, so a saved model
needs nothing but images. Layers name no back end.
"""

from collections.abc import Callable

import keras
from keras import layers

from rdfia_keras.config import CnnConfig
from rdfia_keras.data import Dataset
from rdfia_keras.errors import RdfiaError
from rdfia_keras.models.augmentation import Augmentation, crop_size
from rdfia_keras.models.blocks import PATCH_IMAGES, WhiteningConv2D, blocks
from rdfia_keras.models.normalization import batch_normalization
from rdfia_keras.models.pytorch_defaults import draw_as_pytorch
from rdfia_keras.models.statistics import channel_statistics, principal_axes
from rdfia_keras.models.whitening import Whitening

# Pooling three times, or LeNet's unpadded convolution, leaves nothing of smaller images.
SMALLEST_IMAGE = 16


def build_convnet(config: CnnConfig, data: Dataset) -> keras.Model:
    """Build the config's model, with weights drawn from its seed and statistics taken from the training set.

    Args:
        config: A config with every default filled in (`config.resolve()`).
        data: Images, uint8 (N, H, W, C).

    Returns:
        A model from images, uint8 (N, H, W, C), to logits, float32 (N, n_y).

    Raises:
        RdfiaError: If the images are too small for the network.
    """
    check_images(config, data)
    keras.utils.set_random_seed(config.seed)
    image_shape = data.train.x.shape[1:]
    x = images = keras.Input(image_shape, dtype="uint8", name="images")
    if config.augmentations:
        x = Augmentation.from_names(config.augmentations, image_shape[0], config.seed)(x)
    x = preprocess(x, config, data)
    model = keras.Model(images, NETWORKS[config.network](x, len(data.classes), config), name=config.network)
    if config.framework_defaults == "pytorch":
        draw_as_pytorch(model, config.seed)
    if config.whitening_conv:
        whiten_first_convolution(model, data)
    return model


def whiten_first_convolution(model: keras.Model, data: Dataset) -> None:
    """Give the first convolution the principal axes of the training images as its inputs are in evaluation."""
    conv = next(layer for layer in model.layers if isinstance(layer, WhiteningConv2D))
    conv.adapt(keras.Model(model.input, conv.input).predict(data.train.x[:PATCH_IMAGES], batch_size=500, verbose=0))


def augmentation_of(model: keras.Model) -> Augmentation | None:
    """Return the part of a model that transforms its images, or None."""
    return next((layer for layer in model.layers if isinstance(layer, Augmentation)), None)


def check_images(config: CnnConfig, data: Dataset) -> None:
    """Refuse images that the network would pool away to nothing.

    Raises:
        RdfiaError: If they are; the message says which size is needed.
    """
    size = min(data.train.x.shape[1:3])
    size = crop_size(size) if "crop" in config.augmentations else size
    if size < SMALLEST_IMAGE:
        raise RdfiaError(
            f"{data.name}: the network would see images of {size} pixels; it needs at least {SMALLEST_IMAGE}"
        )


def preprocess(x: keras.KerasTensor, config: CnnConfig, data: Dataset) -> keras.KerasTensor:
    """Scale pixels from 0..255 to [0, 1], then normalize (question 19) or whiten them (question 21).

    Always float32: bfloat16 has too few digits for pixels. The statistics are the training set's.
    """
    x = layers.Rescaling(1 / 255, dtype="float32", name="scale")(x)
    if config.normalize:
        mean, std = channel_statistics(data.train.x)
        x = layers.Normalization(mean=mean, variance=[s * s for s in std], dtype="float32", name="normalize")(x)
    if config.whitening:
        whitening = Whitening(config.whitening, config.whitening_epsilon or 0.01, name="whiten")
        _, height, width, _ = x.shape
        x = whitening(x)
        whitening.adapt(*principal_axes(data.train.x, (height, width)))
    return x


def cifar_net(x: keras.KerasTensor, n_y: int, config: CnnConfig) -> keras.KerasTensor:
    """Apply the homework's network: 1,191,170 parameters on 32x32x3 with 10 classes (question 10)."""
    policy = config.precision
    for number, filters in enumerate((32, 64, 64), start=1):
        x = layers.Conv2D(filters, 5, padding="same", dtype=policy, name=f"conv{number}")(x)
        if config.batch_norm:
            x = batch_normalization(config, f"batch_norm{number}")(x)
        x = layers.Activation("relu", dtype=policy, name=f"relu{number}")(x)
        # Rounding up at the third pool keeps 4x4 outputs, and so the parameter count, on 28x28 crops.
        padding = "same" if number == 3 else "valid"
        x = layers.MaxPooling2D(2, padding=padding, dtype=policy, name=f"pool{number}")(x)
    x = layers.Flatten(dtype=policy, name="flatten")(x)
    x = layers.Dense(1000, activation="relu", dtype=policy, name="fc4")(x)
    return layers.Dense(n_y, dtype="float32", name="fc5")(_dropout(x, config))


def lenet(x: keras.KerasTensor, n_y: int, config: CnnConfig) -> keras.KerasTensor:
    """Apply LeNet-5 as the homework's MNIST code has it: tanh and max-pooling (figure 6 b)."""
    policy = config.precision
    x = layers.Conv2D(6, 5, padding="same", activation="tanh", dtype=policy, name="conv1")(x)
    x = layers.MaxPooling2D(2, dtype=policy, name="pool1")(x)
    x = layers.Conv2D(16, 5, activation="tanh", dtype=policy, name="conv2")(x)
    x = layers.MaxPooling2D(2, dtype=policy, name="pool2")(x)
    x = layers.Flatten(dtype=policy, name="flatten")(x)
    x = layers.Dense(120, activation="tanh", dtype=policy, name="fc3")(x)
    x = layers.Dense(84, activation="tanh", dtype=policy, name="fc4")(x)
    return layers.Dense(n_y, dtype="float32", name="fc5")(_dropout(x, config))


def dense_net(x: keras.KerasTensor, n_y: int, config: CnnConfig) -> keras.KerasTensor:
    """Apply one hidden layer of 100 tanh units: the fully-connected reference (figure 6 a)."""
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(100, activation="tanh", dtype=config.precision, name="fc1")(x)
    return layers.Dense(n_y, dtype="float32", name="fc2")(_dropout(x, config))


def _dropout(x: keras.KerasTensor, config: CnnConfig) -> keras.KerasTensor:
    """Apply dropout before the last layer, if it is on (question 29)."""
    if not config.dropout_rate:
        return x
    return layers.Dropout(config.dropout_rate, seed=config.seed, dtype=config.precision, name="dropout")(x)


# By name of `config.NETWORKS`: the layers from preprocessed images (N, H, W, C) to logits (N, n_y).
NETWORKS: dict[str, Callable[[keras.KerasTensor, int, CnnConfig], keras.KerasTensor]] = {
    "cifar": cifar_net,
    "lenet": lenet,
    "dense": dense_net,
    "blocks": blocks,
    "wide-blocks": blocks,
}

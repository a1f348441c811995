"""Random transformations of images, each a layer, and an entry of `LAYERS` under a name of `config.AUGMENTATIONS`.

Each transforms every image by itself, in training only. It takes pixels of 0..255 of any dtype and returns float32; a
crop returns the dtype that it takes. The report gives no strengths: where torchvision's transformations have defaults
(perspective, blur) they are those, for colours those of its gallery.
"""

import functools
import math
from collections.abc import Callable

import keras
import numpy as np
from keras import ops

from rdfia_keras.errors import choose
from rdfia_keras.models.warping import gather_pixels, index_dtype, inverse, project, rectangle_to
from rdfia_keras.system.backend import compiled_by_xla

PACKAGE = "rdfia_keras"


@keras.saving.register_keras_serializable(PACKAGE)
class Augmentation(keras.layers.Layer):
    """Apply random transformations one after the other, in training only.

    In evaluation only a crop changes anything: it takes the centre (question 22). (A nested `keras.Sequential` would
    run in training mode wherever the model is called without `training`.)

    Input (N, H, W, C) with pixels of 0..255, output (N, H', W', C).

    Args:
        layers: The transformations, in order.

    Attributes:
        jit_compile: Compile the transformations with XLA inside a step that is not, on TensorFlow: on a CPU they run
            up to ten times faster, where convolutions run slower. Off in a new layer, and not saved.

    Example:
        >>> augmentation = Augmentation.from_names(("crop", "flip"), size=32, seed=0)
        >>> images = augmentation(images, training=True)
    """

    def __init__(self, layers: list[keras.layers.Layer], **kwargs):
        # Pixels are cast by the transformations that compute with them.
        super().__init__(autocast=False, **kwargs)
        self.layers = layers
        self.jit_compile = False

    @classmethod
    def from_names(cls, names: tuple[str, ...], size: int, seed: int) -> "Augmentation":
        """Make the transformations of these names.

        Args:
            names: Names of `LAYERS`, in the order in which they are applied.
            size: Height of the images. After a crop the next transformations get smaller images.
            seed: Seed of each transformation.

        Raises:
            ConfigError: If there is no transformation of a name.
        """
        layers = []
        for name in (choose("augmentation", name, LAYERS) for name in names):
            layers.append(LAYERS[name](size, seed))
            size = layers[-1].compute_output_shape((None, size, size, 3))[1]
        return cls(layers, name="augmentation")

    def build(self, images_shape):
        """Build each transformation for the images that it gets."""
        # Keras would build it by a call whose changes of random streams go nowhere, and the compiled function with it.
        for layer in self.layers:
            layer.build(images_shape)
            images_shape = layer.compute_output_shape(images_shape)

    def call(self, images, training=False):
        """Transform images (N, H, W, C)."""
        if self.jit_compile and training:
            return self._compiled(images)
        return self._transform(images, training)

    def _transform(self, images, training):
        for layer in self.layers:
            images = layer(images, training=training)
        return images

    @functools.cached_property
    def _compiled(self):
        return compiled_by_xla(lambda images: self._transform(images, True))

    def compute_output_spec(self, images, training=False):
        """Return the shape and dtype of the transformed images."""
        for layer in self.layers:
            images = layer.compute_output_spec(images, training=training)
        return images

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "layers": [keras.saving.serialize_keras_object(layer) for layer in self.layers]}

    @classmethod
    def from_config(cls, config):
        """Make the layer from what `get_config` returned."""
        config["layers"] = [keras.saving.deserialize_keras_object(layer) for layer in config["layers"]]
        return cls(**config)


def crop_size(size: int) -> int:
    """Return the homework's 28 of 32 pixels, in proportion for images of another size."""
    return size * 7 // 8


@keras.saving.register_keras_serializable(PACKAGE)
class RandomCrop(keras.layers.Layer):
    """Cut a window out of each image: at a place of its own in training, in the centre in evaluation (question 22).

    `keras.layers.RandomCrop` cuts a whole batch at one place, which is a much weaker augmentation.

    Input (N, H, W, C), output (N, size, size, C), same dtype.

    Args:
        size: Height and width of the window, in pixels; at most H and W.
        seed: Seed of the places.

    Raises:
        ValueError: If the window is larger than the images.
    """

    def __init__(self, size: int, seed: int | None = None, **kwargs):
        # Pixels are only moved: whole numbers stay whole numbers.
        super().__init__(autocast=False, **kwargs)
        self.size = size
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        """Crop images (N, H, W, C), or a single one (H, W, C)."""
        if len(images.shape) == 3:
            return self.call(images[None], training)[0]
        slack = [images.shape[axis] - self.size for axis in (1, 2)]
        if min(slack) < 0:
            raise ValueError(f"cannot cut {self.size}x{self.size} out of images of shape {images.shape[1:]}")
        if not training:
            top, left = slack[0] // 2, slack[1] // 2
            return images[:, top : top + self.size, left : left + self.size]
        # TensorFlow gathers no uint8 on a GPU.
        windows = random_windows(ops.cast(images, "float32"), (self.size, self.size), self.seed_generator)
        return ops.cast(windows, images.dtype)

    def compute_output_shape(self, input_shape):
        """Return the shape of the windows."""
        return (*input_shape[:-3], self.size, self.size, input_shape[-1])

    def compute_output_spec(self, images, training=False):
        """Return the shape and dtype of the windows."""
        return keras.KerasTensor(self.compute_output_shape(images.shape), dtype=images.dtype)

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "size": self.size, "seed": self.seed}


def random_windows(images, size, seed_generator):
    """Cut a window of a height and width out of each image (N, H, W, C), at a place of its own."""
    count = ops.shape(images)[0]
    slack = [images.shape[axis + 1] - size[axis] for axis in (0, 1)]
    top, left = (keras.random.randint((count, 1, 1), 0, limit + 1, seed=seed_generator) for limit in slack)
    rows = ops.cast(top, index_dtype()) + ops.arange(size[0], dtype=index_dtype())[None, :, None]
    columns = ops.cast(left, index_dtype()) + ops.arange(size[1], dtype=index_dtype())[None, None, :]
    return gather_pixels(images, rows, columns)


class RandomPerImage(keras.layers.Layer):
    """Base class of a random transformation: (N, H, W, C) in and out, a seed, and nothing done in evaluation.

    It takes a single image (H, W, C) as well. A subclass implements `transform`; its own arguments go to `get_config`.
    """

    def __init__(self, seed: int | None = None, **kwargs):
        super().__init__(dtype="float32", **{key: value for key, value in kwargs.items() if key != "dtype"})
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)

    def call(self, images, training=False):
        """Transform images (N, H, W, C), or a single one (H, W, C)."""
        images = ops.cast(images, "float32")
        if not training:
            return images
        if len(images.shape) == 3:
            return self.transform(images[None], 1)[0]
        return self.transform(images, ops.shape(images)[0])

    def transform(self, images, count):
        """Return a random version of each of `count` images."""
        raise NotImplementedError

    def uniform(self, shape, low, high):
        """Draw numbers from [low, high), float32: `keras.random.uniform`'s, but the same under XLA, by integers."""
        drawn = keras.random.randint(shape, 0, 2**23, seed=self.seed_generator)
        return low + (high - low) * (ops.cast(drawn, "float32") / 2**23)

    def compute_output_shape(self, input_shape):
        """Return the shape of the input."""
        return input_shape

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "seed": self.seed}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomFlip(RandomPerImage):
    """Mirror each image, one time in two (questions 22 and 25).

    Keras's layer of this name draws other numbers under XLA, and needs TensorFlow on JAX.

    Args:
        axis: 2 for left and right, 1 for top and bottom.
        seed: Seed of the choices.
    """

    def __init__(self, axis: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.axis = axis

    def transform(self, images, count):
        """Mirror each image with probability 1/2."""
        mirrored = self.uniform((count, 1, 1, 1), 0, 1) <= 0.5
        return ops.where(mirrored, ops.flip(images, axis=self.axis), images)

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "axis": self.axis}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomIntensity(RandomPerImage):
    """Multiply each image by a factor drawn from [1 - `amount`, 1 + `amount`] (question 25, figures 13 and 14)."""

    def __init__(self, amount: float = 0.5, **kwargs):
        super().__init__(**kwargs)
        self.amount = amount

    def transform(self, images, count):
        """Multiply each image by its factor."""
        factor = self.uniform((count, 1, 1, 1), 1 - self.amount, 1 + self.amount)
        return ops.clip(images * factor, 0, 255)

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "amount": self.amount}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomContrast(RandomIntensity):
    """Stretch each image about its mean by a factor drawn from [1 - `amount`, 1 + `amount`] (figure 14)."""

    def transform(self, images, count):
        """Stretch each image about its mean."""
        mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
        factor = self.uniform((count, 1, 1, 1), 1 - self.amount, 1 + self.amount)
        return ops.clip(mean + factor * (images - mean), 0, 255)


@keras.saving.register_keras_serializable(PACKAGE)
class RandomHue(RandomPerImage):
    """Turn each image's colours about the grey axis, by up to `amount` of a whole turn either way (figure 13).

    Rodrigues' rotation of (R, G, B) about (1, 1, 1)/√3; grey pixels, and images of one channel, stay as they are.
    """

    def __init__(self, amount: float = 0.3, **kwargs):
        super().__init__(**kwargs)
        self.amount = amount

    def transform(self, images, count):
        """Turn the colours of each image."""
        if images.shape[-1] == 1:
            return images
        angle = 2 * math.pi * self.uniform((count, 1, 1, 1, 1), -self.amount, self.amount)
        identity, average = np.eye(3, dtype="float32"), np.full((3, 3), 1 / 3, "float32")
        across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]], "float32") / math.sqrt(3)
        turn = ops.cos(angle) * (identity - average) + average + ops.sin(angle) * across
        # A product of 3x3 matrices is slow as such under XLA.
        return ops.clip(sum(turn[..., i] * images[..., i : i + 1] for i in range(3)), 0, 255)

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "amount": self.amount}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomAffine(RandomPerImage):
    """Turn, shift, scale and shear each image about its centre; what comes in from outside is black (figure 15).

    Args:
        degrees: Turn by up to this number of degrees either way.
        shift: Move by up to this fraction of the height and of the width.
        scale: Enlarge by a factor between 1 - `scale` and 1 + `scale`.
        shear: Shear by up to this number of degrees either way.
        seed: Seed of the angles, shifts and factors.
    """

    def __init__(self, degrees: float = 30, shift: float = 0.1, scale: float = 0.25, shear: float = 10, **kwargs):
        super().__init__(**kwargs)
        self.degrees, self.shift, self.scale, self.shear = degrees, shift, scale, shear

    def transform(self, images, count):
        """Turn, shift, scale and shear each image."""
        height, width = images.shape[1:3]
        turn = self.uniform((count,), -self.degrees, self.degrees) * math.pi / 180
        shear = ops.tan(self.uniform((count,), -self.shear, self.shear) * math.pi / 180)
        scale = self.uniform((count,), 1 - self.scale, 1 + self.scale)
        # From a place in the output to the place in the input that is shown there.
        a, b = ops.cos(turn) / scale, (ops.sin(turn) + shear * ops.cos(turn)) / scale
        c, d = -ops.sin(turn) / scale, (ops.cos(turn) - shear * ops.sin(turn)) / scale
        x, y = (width - 1) / 2, (height - 1) / 2
        right = x + width * self.uniform((count,), -self.shift, self.shift)
        down = y + height * self.uniform((count,), -self.shift, self.shift)
        zero, one = ops.zeros_like(a), ops.ones_like(a)
        return project(images, [[a, b, right - a * x - b * y], [c, d, down - c * x - d * y], [zero, zero, one]])

    def get_config(self):
        """Return what the layer is made of."""
        own = {"degrees": self.degrees, "shift": self.shift, "scale": self.scale, "shear": self.shear}
        return {**super().get_config(), **own}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomPerspective(RandomPerImage):
    """Look at an image from the side, one time in two: its corners move inwards (figure 16).

    Args:
        distortion: A corner moves by up to half this fraction of the height and of the width.
        probability: The probability of changing an image at all.
        seed: Seed of the choices and of the corners.
    """

    def __init__(self, distortion: float = 0.5, probability: float = 0.5, **kwargs):
        super().__init__(**kwargs)
        self.distortion, self.probability = distortion, probability

    def transform(self, images, count):
        """Move the corners of each image inwards, with the layer's probability."""
        right, bottom = images.shape[2] - 1, images.shape[1] - 1
        corners = np.array([[0, 0], [right, 0], [0, bottom], [right, bottom]], "float32")
        inwards = np.array([[1, 1], [-1, 1], [1, -1], [-1, -1]], "float32")
        reach = self.distortion / 2 * np.array([right, bottom], "float32")
        chosen = ops.cast(self.uniform((count, 1, 1), 0, 1) < self.probability, "float32")
        moved = corners + chosen * inwards * reach * self.uniform((count, 4, 2), 0, 1)
        # What stands at a corner moves inwards, so the output looks up the inverse.
        return project(images, inverse(rectangle_to(moved, right, bottom)))

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "distortion": self.distortion, "probability": self.probability}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomBlur(RandomPerImage):
    """Blur each image by a Gaussian over `size` pixels, of a width drawn from 0.1 to `sigma` pixels (figure 17)."""

    def __init__(self, sigma: float = 2.0, size: int = 5, **kwargs):
        super().__init__(**kwargs)
        self.sigma, self.size = sigma, size

    def transform(self, images, count):
        """Blur each image along rows, then along columns."""
        reach = self.size // 2
        distance = np.arange(-reach, reach + 1, dtype="float32")
        weights = ops.exp(-0.5 * (distance / self.uniform((count, 1), 0.1, self.sigma)) ** 2)
        weights = ops.reshape(weights / ops.sum(weights, axis=1, keepdims=True), (count, self.size, 1, 1, 1))
        # A Gaussian of the plane is one along the rows of one along the columns.
        for axis in (1, 2):
            padding = [[reach, reach] if i == axis else [0, 0] for i in range(4)]
            padded, length = ops.pad(images, padding, mode="reflect"), images.shape[axis]
            rows = slice(None), slice(None)
            shifted = [padded[(*rows[:axis], slice(i, i + length))] for i in range(self.size)]
            images = sum(weights[:, i] * part for i, part in enumerate(shifted))
        return images

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "sigma": self.sigma, "size": self.size}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomTranslation(RandomPerImage):
    """Move each image by up to `pixels` along both axes; what comes in is the image mirrored at its edge.

    Keras's layer of this name interpolates, and needs TensorFlow on JAX. Source: Jordan 2024, section 3.

    Args:
        pixels: The largest move, in whole pixels.
    """

    def __init__(self, pixels: int = 2, **kwargs):
        super().__init__(**kwargs)
        self.pixels = pixels

    def transform(self, images, count):
        """Move each image."""
        edge = [self.pixels, self.pixels]
        padded = ops.pad(images, [[0, 0], edge, edge, [0, 0]], mode="reflect")
        return random_windows(padded, images.shape[1:3], self.seed_generator)

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "pixels": self.pixels}


@keras.saving.register_keras_serializable(PACKAGE)
class RandomCutout(RandomPerImage):
    """Cover a square of each image with its mean colour, so that no part is needed to tell the class.

    Source: DeVries and Taylor 2017, arXiv 1708.04552, who cover with the data's mean.

    Args:
        pixels: The side of the square.
    """

    def __init__(self, pixels: int = 12, **kwargs):
        super().__init__(**kwargs)
        self.pixels = pixels

    def transform(self, images, count):
        """Cover a square of each image."""
        height, width = (
            self._segment(ops.arange(length)[None], count, length - self.pixels) for length in images.shape[1:3]
        )
        covered = ops.logical_and(height[:, :, None, None], width[:, None, :, None])
        return ops.where(covered, ops.mean(images, axis=(1, 2), keepdims=True), images)

    def _segment(self, places, count, last):
        """Return which places along an axis are within a segment that begins at a random one up to `last`."""
        first = keras.random.randint((count, 1), 0, last + 1, seed=self.seed_generator)
        return ops.logical_and(places >= first, places < first + self.pixels)

    def get_config(self):
        """Return what the layer is made of."""
        return {**super().get_config(), "pixels": self.pixels}


@keras.saving.register_keras_serializable(PACKAGE)
class AlternatingFlip(RandomPerImage):
    """Mirror each image in exactly every other epoch; one half of the images begins mirrored.

    With independent flips an image is seen the same way twice in a row half of the time (Jordan 2024, section 3.6).
    Which half an image belongs to follows from its pixels, so put this layer before all that change them. Without the
    callback `EpochSeeds` the epoch stays 0.

    Attributes:
        epoch: The epoch, a variable; `EpochSeeds` sets it.
    """

    def __init__(self, **kwargs):
        super().__init__(**kwargs)
        self.epoch = self.add_weight((), "zeros", dtype="int32", trainable=False, name="epoch")

    def transform(self, images, count):
        """Mirror the images whose turn it is."""
        chosen = np.random.default_rng(self.seed).integers(0, 2, images.shape[1:]).astype("float32")
        # A sum of whole numbers below 2^24 is exact.
        pixels = ops.sum(ops.round(images) * chosen, axis=(1, 2, 3), keepdims=True)
        mirrored = ops.cast(pixels, "int32") % 2 == self.epoch % 2
        return ops.where(mirrored, ops.flip(images, axis=2), images)


def _layer(layer: type, name: str, **arguments: float) -> Callable[[int, int], keras.layers.Layer]:
    return lambda size, seed: layer(**arguments, seed=seed, name=name)


# By name: makes the layer for images of a height, with a seed.
LAYERS: dict[str, Callable[..., keras.layers.Layer]] = {
    "crop": lambda size, seed: RandomCrop(crop_size(size), seed=seed, name="random_crop"),
    "flip": _layer(RandomFlip, "random_flip", axis=2),
    "vertical-flip": _layer(RandomFlip, "random_vertical_flip", axis=1),
    "intensity": _layer(RandomIntensity, "random_intensity"),
    "contrast": _layer(RandomContrast, "random_contrast"),
    "hue": _layer(RandomHue, "random_hue"),
    "affine": _layer(RandomAffine, "random_affine"),
    "rotation": _layer(RandomAffine, "random_rotation", degrees=15, shift=0, scale=0, shear=0),
    "perspective": _layer(RandomPerspective, "random_perspective"),
    "blur": _layer(RandomBlur, "random_blur"),
    "alternating-flip": _layer(AlternatingFlip, "alternating_flip"),
    "translation": _layer(RandomTranslation, "random_translation"),
    "cutout": lambda size, seed: RandomCutout(size * 3 // 8, seed=seed, name="random_cutout"),
}

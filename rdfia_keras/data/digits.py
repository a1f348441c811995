"""The 1,797 digits of 8 x 8 pixels that come inside scikit-learn: nothing to download."""

import numpy as np

from rdfia_keras.data.base import Dataset, Split

CLASSES = tuple("0123456789")
_SOURCE = "sklearn.datasets.load_digits"


def load_vectors() -> Dataset:
    """Vectors of shape (N, 64), float64 in [0, 1]; a quarter of every class is the test set."""
    return _dataset(_levels() / 16)


def load_images() -> Dataset:
    """The same split as colour images of shape (N, 32, 32, 3), uint8, enlarged smoothly."""
    from PIL import Image

    images = np.empty((len(_levels()), 32, 32, 3), np.uint8)
    for image, levels in zip(images, _levels(), strict=True):
        small = Image.fromarray(np.round(levels.reshape(8, 8) * (255 / 16)).astype(np.uint8))
        image[:] = np.asarray(small.resize((32, 32), Image.Resampling.BICUBIC))[:, :, None]
    return _dataset(images)


def _levels() -> np.ndarray:
    from sklearn.datasets import load_digits

    return load_digits().data.astype(np.float64)


def _dataset(x: np.ndarray) -> Dataset:
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    y = load_digits().target.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, stratify=y, random_state=0)
    return Dataset("digits", Split(x_train, y_train), Split(x_test, y_test), CLASSES, _SOURCE)

"""The 1,797 digits of 8 x 8 pixels that scikit-learn contains: nothing to download."""

from pathlib import Path

import numpy as np

from rdfia_keras.data.dataset import Dataset, Split

CLASSES = tuple("0123456789")
_SOURCE = "sklearn.datasets.load_digits"


def load_vectors(data_dir: Path | None) -> Dataset:
    """Load vectors of shape (N, 64), float64 in [0, 1]; the test set is a quarter of every class."""
    return _dataset(_levels() / 16)


def load_images(data_dir: Path | None) -> Dataset:
    """Load the same splits as images of shape (N, 32, 32, 3), uint8, enlarged with bicubic interpolation.

    The images are grey: their three channels are equal.
    """
    from PIL import Image

    enlarged = np.empty((len(_levels()), 32, 32, 3), np.uint8)
    for image, levels in zip(enlarged, _levels(), strict=True):
        small = Image.fromarray(np.round(levels.reshape(8, 8) * (255 / 16)).astype(np.uint8))
        image[:] = np.asarray(small.resize((32, 32), Image.Resampling.BICUBIC))[:, :, None]
    return _dataset(enlarged)


def _levels() -> np.ndarray:
    """Return the grey levels from 0 to 16, of shape (N, 64)."""
    from sklearn.datasets import load_digits

    return load_digits().data.astype(np.float64)


def _dataset(x: np.ndarray) -> Dataset:
    """Split the examples, in the order of scikit-learn."""
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    y = load_digits().target.astype(np.int64)
    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, stratify=y, random_state=0)
    return Dataset("digits", Split(x_train, y_train), Split(x_test, y_test), CLASSES, _SOURCE)

"""The 1,797 digits of 8 x 8 pixels that scikit-learn contains: nothing to download."""

from pathlib import Path

import numpy as np

from rdfia_keras.data.dataset import Dataset, Split

CLASSES = tuple("0123456789")
_SOURCE = "sklearn.datasets.load_digits"


def load_vectors(data_dir: Path | None) -> Dataset:
    """Load vectors of shape (N, 64), float64 in [0, 1]; the test set is a quarter of every class."""
    levels, y = _load()
    return _dataset(levels / 16, y)


def load_images(data_dir: Path | None) -> Dataset:
    """Load the same splits as images of shape (N, 32, 32, 3), uint8, enlarged with bicubic interpolation.

    The images are grey: their three channels are equal.
    """
    from PIL import Image

    levels, y = _load()
    enlarged = np.empty((len(y), 32, 32, 3), np.uint8)
    for image, grey in zip(enlarged, levels, strict=True):
        small = Image.fromarray(np.round(grey.reshape(8, 8) * (255 / 16)).astype(np.uint8))
        image[:] = np.asarray(small.resize((32, 32), Image.Resampling.BICUBIC))[:, :, None]
    return _dataset(enlarged, y)


def _load() -> tuple[np.ndarray, np.ndarray]:
    """Return grey levels from 0 to 16, float64 (N, 64), and labels, int64 (N,)."""
    from sklearn.datasets import load_digits

    levels, y = load_digits(return_X_y=True)
    return levels.astype(np.float64), y.astype(np.int64)


def _dataset(x: np.ndarray, y: np.ndarray) -> Dataset:
    """Split the examples, in the order of scikit-learn."""
    from sklearn.model_selection import train_test_split

    x_train, x_test, y_train, y_test = train_test_split(x, y, test_size=0.25, stratify=y, random_state=0)
    return Dataset("digits", Split(x_train, y_train), Split(x_test, y_test), CLASSES, _SOURCE)

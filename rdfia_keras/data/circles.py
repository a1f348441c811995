"""Two noisy circles, one inside the other: 200 training points and 200 test points."""

from pathlib import Path

import numpy as np

from rdfia_keras.data import matlab
from rdfia_keras.data.dataset import Dataset, Split

FILE = "circles.mat"
# The outer circle is class 0 and the inner one class 1, in the course's file and in the drawn points.
CLASSES = ("outer", "inner")
# The course's file has 6.6 kB; compressed matrices can swell a thousandfold when read.
_MAX_BYTES = 1_000_000
_FIX = "put the course's file there"


def load_vectors(data_dir: Path | None) -> Dataset:
    """Read the course's `circles.mat` from `data_dir`, or draw 100 points of each class for each split.

    Returns:
        Points of shape (N, 2), float64, and their class 0 or 1. The drawn points are always the same.

    Raises:
        RdfiaError: If `circles.mat` is damaged or is another file.
    """
    path = matlab.find(data_dir, FILE) if data_dir else None
    if path:
        return read(path)
    return Dataset("circles", _draw(0), _draw(1), CLASSES, "drawn with sklearn.datasets.make_circles")


def _draw(random_state: int) -> Split:
    from sklearn.datasets import make_circles

    x, y = make_circles(n_samples=(100, 100), noise=0.2, factor=0.33, random_state=random_state)
    return Split(x.astype(np.float64), y.astype(np.int64))


def read(path: Path) -> Dataset:
    """Read a `circles.mat`: Xtrain and Xtest of shape (N, 2), Ytrain and Ytest one-hot or class numbers.

    Raises:
        RdfiaError: If the file is another one.
    """
    train, test = matlab.read(path, 2, len(CLASSES), _MAX_BYTES, _FIX)
    return Dataset("circles", train, test, CLASSES, str(path))

"""Two noisy circles, one inside the other: 200 training points and 200 test points."""

import warnings
from pathlib import Path

import numpy as np

from rdfia_keras.data.dataset import Dataset, Split
from rdfia_keras.errors import RdfiaError

FILE = "circles.mat"
# The outer circle is class 0 and the inner one class 1, in the course's file and in the drawn points.
CLASSES = ("outer", "inner")
_KEYS = ("Xtrain", "Ytrain", "Xtest", "Ytest")
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
    path = data_dir / FILE if data_dir else None
    if path and path.exists():
        return read(path)
    return Dataset("circles", _draw(0), _draw(1), CLASSES, "drawn with sklearn.datasets.make_circles")


def _draw(random_state: int) -> Split:
    from sklearn.datasets import make_circles

    x, y = make_circles(n_samples=(100, 100), noise=0.2, factor=0.33, random_state=random_state)
    return Split(x.astype(np.float64), y.astype(np.int64))


def read(path: Path) -> Dataset:
    """Read a `circles.mat`: Xtrain and Xtest of shape (N, 2), Ytrain and Ytest one-hot of shape (N, 2)."""
    from scipy.io import loadmat

    try:
        if path.stat().st_size > _MAX_BYTES:
            raise RdfiaError(f"{path} is larger than {_MAX_BYTES:,} bytes, so it is not the course's file; {_FIX}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            arrays = loadmat(path, variable_names=_KEYS)
    except RdfiaError:
        raise
    except Exception as error:  # loadmat raises anything on a damaged file: ValueError, TypeError, zlib.error, ...
        raise RdfiaError(f"{path} is empty, cut short or not a MATLAB file; {_FIX}") from error
    missing = [key for key in _KEYS if key not in arrays]
    if missing:
        raise RdfiaError(f"{path} has no {', '.join(missing)}; it must hold {', '.join(_KEYS)}: {_FIX}")
    train, test = (_split(path, name, arrays[f"X{name}"], arrays[f"Y{name}"]) for name in ("train", "test"))
    return Dataset("circles", train, test, CLASSES, str(path))


def _split(path: Path, name: str, x: np.ndarray, y: np.ndarray) -> Split:
    if x.dtype.kind not in "fiu" or x.ndim != 2 or x.shape[1] != 2 or not np.isfinite(x).all():
        raise RdfiaError(f"{path}: X{name} must be N points of 2 finite numbers; {_FIX}")
    is_one_hot = y.dtype.kind in "fiub" and y.shape == x.shape and np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all()
    if not is_one_hot:
        raise RdfiaError(f"{path}: Y{name} must be one-hot rows of 2, one for each point; {_FIX}")
    return Split(np.ascontiguousarray(x, np.float64), y.argmax(axis=1).astype(np.int64))

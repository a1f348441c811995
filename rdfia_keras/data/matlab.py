"""The course's MATLAB files: Xtrain, Ytrain, Xtest and Ytest, examples by rows or by columns."""

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from rdfia_keras.data.dataset import Split
from rdfia_keras.errors import RdfiaError

KEYS = ("Xtrain", "Ytrain", "Xtest", "Ytest")


def find(folder: Path, file: str) -> Path | None:
    """Return the path of a file in a folder, whatever the case of its name; None if it is not there."""
    if (folder / file).exists():
        return folder / file
    try:
        return next((path for path in sorted(folder.iterdir()) if path.name.lower() == file), None)
    except OSError:  # A folder that cannot be listed.
        return None


def read(path: Path, size: int, classes: int, max_bytes: int, fix: str) -> list[Split]:
    """Read the training and the test split.

    Args:
        path: A file of MATLAB up to version 7.
        size: Number of values of an example.
        classes: Number of classes; labels are one-hot, or class numbers from 0, or from 1 where both ends occur.
        max_bytes: The most that the file or one of its arrays may have.
        fix: The end of an error: what to do.

    Returns:
        Both, with x of dtype float64 (N, size) and y of dtype int64 (N,).

    Raises:
        RdfiaError: If the file is another one.
    """
    arrays = _arrays(path, max_bytes, fix)
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise RdfiaError(f"{path} has no {', '.join(missing)}; it must hold {', '.join(KEYS)}: {fix}")
    splits = []
    for name in ("train", "test"):
        x, y = (_dense(arrays[f"{letter}{name}"]) for letter in "XY")
        if x.ndim == 2 and x.shape[0] == size != x.shape[1]:
            x = x.T
        if x.dtype.kind not in "fiu" or x.ndim != 2 or x.shape[1] != size or not np.isfinite(x).all():
            raise RdfiaError(f"{path}: X{name} must be N points of {size} finite numbers; {fix}")
        labels = _labels(y, len(x), classes)
        if labels is None:
            what = f"must be one-hot rows of {classes}, one for each point, or class numbers"
            raise RdfiaError(f"{path}: Y{name} {what}; {fix}")
        splits.append(Split(np.ascontiguousarray(x, np.float64), labels))
    return splits


def _arrays(path: Path, max_bytes: int, fix: str) -> dict[str, Any]:
    from scipy.io import loadmat, whosmat

    try:
        # A pipe would be waited on for ever.
        if not path.is_file() and not path.is_dir():
            raise RdfiaError(f"{path} is not a regular file; {fix}")
        if path.stat().st_size > max_bytes:
            raise RdfiaError(f"{path} is larger than {max_bytes:,} bytes, so it is not the course's file; {fix}")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # Sparse matrices weigh less than their shape, and compressed ones swell when read.
            if any(math.prod(shape) * 8 > max_bytes for name, shape, _ in whosmat(path) if name in KEYS):
                raise RdfiaError(f"{path} unpacks to an array of more than {max_bytes:,} bytes; {fix}")
            return loadmat(path, variable_names=KEYS)
    except RdfiaError:
        raise
    except NotImplementedError as error:
        raise RdfiaError(f"{path} is a file of MATLAB 7.3; save it again with -v7, or {fix}") from error
    except Exception as error:  # loadmat raises anything on a damaged file: ValueError, TypeError, zlib.error, ...
        raise RdfiaError(f"{path} is empty, cut short or not a MATLAB file; {fix}") from error


def _dense(array: Any) -> np.ndarray:
    return array.toarray() if hasattr(array, "toarray") else array


def _labels(y: np.ndarray, count: int, classes: int) -> np.ndarray | None:
    """Return class numbers from 0, int64 (count,); None if `y` is neither one-hot nor class numbers."""
    if y.dtype.kind not in "fiub":
        return None
    if y.size == count and y.ndim <= 2:
        y = y.ravel()
        first = y.min(initial=1)
        is_complete = first == 0 or y.max(initial=0) == classes
        # A single class says nothing of where the numbers begin.
        fits = np.isin(y, first + np.arange(classes)).all() and len(np.unique(y)) > 1
        return (y - first).astype(np.int64) if first in (0, 1) and is_complete and fits else None
    if y.shape == (classes, count) != (count, classes):
        y = y.T
    is_one_hot = y.shape == (count, classes) and np.isin(y, (0, 1)).all() and (y.sum(1) == 1).all()
    return y.argmax(axis=1).astype(np.int64) if is_one_hot else None

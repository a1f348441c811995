"""MNIST from the `mnist.npz` of keras.datasets: in a folder, in Keras's cache, or downloaded."""

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.lib.npyio import NpzFile

from rdfia_keras.data import download
from rdfia_keras.data.base import Dataset, Split, images, vectors
from rdfia_keras.errors import RdfiaError

REMOTE = download.Remote(
    file="mnist.npz",
    url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    saved_as="mnist.npz",
    cached=("mnist.npz",),
)
CLASSES = tuple("0123456789")
_KEYS = ("x_train", "y_train", "x_test", "y_test")
# The largest array has 47 MB; the bound stops a zip that unpacks to far more than it weighs.
_MAX_BYTES = 500_000_000
_FIX = "replace it with the mnist.npz of keras.datasets"


@vectors("mnist")
def load_vectors(data_dir: Path | None) -> Dataset:
    """Loads vectors of shape (N, 784), float64 in [0, 1].

    Raises:
        RdfiaError: If the file is damaged or its download fails.
    """
    return _load(data_dir, lambda x: x.reshape(len(x), -1) / 255.0)


@images("mnist")
def load_images(data_dir: Path | None) -> Dataset:
    """Loads images of shape (N, 28, 28, 1), uint8.

    Raises:
        RdfiaError: If the file is damaged or its download fails.
    """
    return _load(data_dir, lambda x: x[..., None])


def _load(data_dir: Path | None, reshape: Callable[[np.ndarray], np.ndarray]) -> Dataset:
    path = data_dir / REMOTE.file if data_dir else None
    if path and path.exists():
        arrays = read(path)
    else:
        path = download.fetch(REMOTE, data_dir)
        with download.cached_copy(path):
            arrays = read(path)
    x_train, y_train, x_test, y_test = arrays
    return Dataset("mnist", Split(reshape(x_train), y_train), Split(reshape(x_test), y_test), CLASSES, str(path))


def read(path: Path) -> list[np.ndarray]:
    """Reads x_train, y_train, x_test, y_test of an `mnist.npz`: uint8 (N, 28, 28) images and int64 (N,) labels.

    Raises:
        RdfiaError: If the file is not such an archive. Arrays of Python objects are refused without unpickling them.
    """
    arrays = _read_arrays(path)
    for name in ("train", "test"):
        x, y = arrays[f"x_{name}"], arrays[f"y_{name}"]
        if x.dtype != np.uint8 or x.ndim != 3 or x.shape[1:] != (28, 28) or len(x) == 0:
            raise RdfiaError(f"{path}: x_{name} is {x.dtype} of shape {x.shape}, not uint8 (N, 28, 28); {_FIX}")
        if y.dtype.kind not in "iu" or y.shape != (len(x),) or y.min() < 0 or y.max() > 9:
            raise RdfiaError(f"{path}: y_{name} must be {len(x)} whole numbers from 0 to 9; {_FIX}")
        arrays[f"y_{name}"] = y.astype(np.int64)
    return [arrays[key] for key in _KEYS]


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            _check_members(path, archive)
            return {key: _read_array(path, archive, key) for key in _KEYS}
    except RdfiaError:
        raise
    except Exception as error:  # np.load raises anything on a damaged file: BadZipFile, EOFError, ValueError, ...
        raise RdfiaError(f"{path} is empty, cut short or not a NumPy .npz archive; {_FIX}") from error


def _check_members(path: Path, archive: NpzFile) -> None:
    missing = [key for key in _KEYS if key not in archive.files]
    if missing:
        raise RdfiaError(f"{path} has no {', '.join(missing)}; it must hold {', '.join(_KEYS)}: {_FIX}")
    if archive.zip and any(member.file_size > _MAX_BYTES for member in archive.zip.infolist()):
        raise RdfiaError(f"{path} unpacks to an array of more than {_MAX_BYTES:,} bytes; {_FIX}")


def _read_array(path: Path, archive: NpzFile, key: str) -> np.ndarray:
    try:
        array = archive[key]
    except (ValueError, zipfile.BadZipFile, EOFError) as error:
        fault = "is damaged or holds Python objects, which are refused"
        raise RdfiaError(f"{path}: the array {key} {fault}; {_FIX}") from error
    if not isinstance(array, np.ndarray):
        raise RdfiaError(f"{path}: {key} is not a NumPy array; {_FIX}")
    return array

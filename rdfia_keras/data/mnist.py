"""MNIST: `mnist.npz` of keras.datasets in a folder, in Keras's cache or downloaded, or the course's `mnist.mat`."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from rdfia_keras.data import download, matlab
from rdfia_keras.data.dataset import Dataset, Split
from rdfia_keras.errors import RdfiaError

REMOTE = download.Remote(
    file="mnist.npz",
    url="https://storage.googleapis.com/tensorflow/tf-keras-datasets/mnist.npz",
    sha256="731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
    saved_as="mnist.npz",
    cached=("mnist.npz",),
    other="the course's mnist.mat",
)
MATLAB_FILE = "mnist.mat"
CLASSES = tuple("0123456789")
_KEYS = ("x_train", "y_train", "x_test", "y_test")
# The largest array has 47 MB; the bound stops a zip that unpacks to far more than it weighs.
_MAX_BYTES = 500_000_000
_FIX = "replace it with the mnist.npz of keras.datasets"


def load_vectors(data_dir: Path | None) -> Dataset:
    """Load vectors of shape (N, 784), float64 in [0, 1].

    Raises:
        RdfiaError: If the file is damaged or its download fails.
    """
    data = load_images(data_dir)
    train, test = (Split(split.x.reshape(len(split), -1) / 255.0, split.y) for split in (data.train, data.test))
    return replace(data, train=train, test=test)


def load_images(data_dir: Path | None) -> Dataset:
    """Load images of shape (N, 28, 28, 1), uint8.

    Raises:
        RdfiaError: If the file is damaged or its download fails.
    """
    return download.read_or_fetch(REMOTE, data_dir, _find, read)


def _find(data_dir: Path) -> Path | None:
    return matlab.find(data_dir, REMOTE.file) or matlab.find(data_dir, MATLAB_FILE)


def read(path: Path) -> Dataset:
    """Read the images of an `mnist.npz` or of the course's `mnist.mat`.

    Raises:
        RdfiaError: If the file is not such an archive. Arrays of Python objects are refused without unpickling them.
    """
    if path.suffix.lower() == ".mat":
        return _read_matlab(path)
    arrays = _read_arrays(path)
    train, test = (_split(path, name, arrays[f"x_{name}"], arrays[f"y_{name}"]) for name in ("train", "test"))
    return Dataset("mnist", train, test, CLASSES, str(path))


def _read_matlab(path: Path) -> Dataset:
    """Read rows of 784 grey levels, from 0 to 1 or from 0 to 255."""
    splits = matlab.read(path, 784, len(CLASSES), _MAX_BYTES, "put the course's file there")
    largest = max(split.x.max(initial=0) for split in splits)
    if min(split.x.min(initial=0) for split in splits) < 0 or largest > 255:
        raise RdfiaError(f"{path}: grey levels must lie between 0 and 1 or 0 and 255; put the course's file there")
    scale = 255 if largest <= 1 else 1
    train, test = (
        Split(np.round(split.x * scale).astype(np.uint8).reshape(-1, 28, 28, 1), split.y) for split in splits
    )
    return Dataset("mnist", train, test, CLASSES, str(path))


def _split(path: Path, name: str, x: np.ndarray, y: np.ndarray) -> Split:
    if x.dtype != np.uint8 or x.ndim != 3 or x.shape[1:] != (28, 28) or len(x) == 0:
        raise RdfiaError(f"{path}: x_{name} is {x.dtype} of shape {x.shape}, not uint8 (N, 28, 28); {_FIX}")
    if y.dtype.kind not in "iu" or y.shape != (len(x),) or y.min() < 0 or y.max() > 9:
        raise RdfiaError(f"{path}: y_{name} must be {len(x)} whole numbers from 0 to 9; {_FIX}")
    return Split(x[..., None], y.astype(np.int64))


def _read_arrays(path: Path) -> dict[str, np.ndarray]:
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [key for key in _KEYS if key not in archive.files]
            if missing:
                raise RdfiaError(f"{path} has no {', '.join(missing)}; it must hold {', '.join(_KEYS)}: {_FIX}")
            if any(member.file_size > _MAX_BYTES for member in archive.zip.infolist()):
                raise RdfiaError(f"{path} unpacks to an array of more than {_MAX_BYTES:,} bytes; {_FIX}")
            return {key: np.asarray(archive[key]) for key in _KEYS}
    except RdfiaError:
        raise
    except Exception as error:  # np.load raises anything on a damaged file: BadZipFile, EOFError, ValueError, ...
        fault = "is empty, cut short, not a NumPy .npz archive, or holds Python objects, which are refused"
        raise RdfiaError(f"{path} {fault}; {_FIX}") from error

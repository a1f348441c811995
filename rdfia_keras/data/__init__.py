"""Data sets by name or from a folder, as checked arrays. Importing this needs numpy only."""

import os
from pathlib import Path

from rdfia_keras.data import cifar10, circles, digits, folder, mnist
from rdfia_keras.data.base import Dataset, Split, one_hot
from rdfia_keras.errors import RdfiaError

__all__ = ["IMAGE_DATASETS", "VECTOR_DATASETS", "Dataset", "Split", "load_images", "load_vectors", "one_hot"]

VECTOR_DATASETS = ("circles", "digits", "mnist")
IMAGE_DATASETS = ("cifar10", "mnist", "digits")


def load_vectors(name: str, data_dir: Path | None = None) -> Dataset:
    """A data set of vectors.

    Args:
        name: `circles` (N, 2), `digits` (N, 64) or `mnist` (N, 784); the last two are in [0, 1].
        data_dir: Folder that may hold `circles.mat` and `mnist.npz`. What it does not hold is drawn (`circles`) or had
            from Keras (`mnist`).

    Returns:
        x of dtype float64, y of dtype int64.

    Raises:
        RdfiaError: When the name is unknown, `data_dir` is not a folder, a file is damaged or nothing can be had.
    """
    if name not in VECTOR_DATASETS:
        raise RdfiaError(f"no data set of vectors is called {name!r}; choose {_choices(VECTOR_DATASETS)}")
    data_dir = _checked(data_dir)
    if name == "circles":
        return circles.load(data_dir)
    return digits.load_vectors() if name == "digits" else mnist.load_vectors(data_dir)


def load_images(name_or_path: str | Path, data_dir: Path | None = None, image_size: int = 32) -> Dataset:
    """A data set of images.

    Args:
        name_or_path: `cifar10` (N, 32, 32, 3), `mnist` (N, 28, 28, 1), `digits` (N, 32, 32, 3), or a folder that holds
            train/<class>/ and test/<class>/ images, which gives (N, image_size, image_size, 3).
        data_dir: Folder that may hold `mnist.npz` and CIFAR-10's `cifar-10-batches-py/` or `cifar-10-python.tar.gz`.
            What it does not hold is had from Keras.
        image_size: Height and width of the images of a folder; the named data sets have their own.

    Returns:
        x of dtype uint8, y of dtype int64.

    Raises:
        RdfiaError: When the name is unknown, `data_dir` is not a folder, a file is damaged or nothing can be had.
    """
    name = str(name_or_path)
    if name not in IMAGE_DATASETS:
        if not _is_path(name):
            raise RdfiaError(
                f"no data set of images is called {name!r}; choose {_choices(IMAGE_DATASETS)}, "
                "or name a folder that holds train/<class>/ and test/<class>/ images"
            )
        return folder.load(Path(name), image_size)
    data_dir = _checked(data_dir)
    if name == "cifar10":
        return cifar10.load(data_dir)
    return digits.load_images() if name == "digits" else mnist.load_images(data_dir)


def _choices(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _is_path(name: str) -> bool:
    if os.sep in name or (os.altsep and os.altsep in name):
        return True
    try:
        return bool(name) and Path(name).is_dir()
    except (OSError, ValueError):  # Too long for a file name, or with a character that none can have.
        return False


def _checked(data_dir: Path | None) -> Path | None:
    """The folder of data files, if one is given."""
    if data_dir is not None and not data_dir.is_dir():
        fault = "is not a folder" if data_dir.exists() else "does not exist"
        raise RdfiaError(f"the data folder {data_dir} {fault}; give the folder that holds the data files")
    return data_dir

"""Data sets by name or from a file or folder, as checked arrays. Importing this package imports NumPy only.

To add a data set, write a module of its name here with `load_vectors` or `load_images`, and declare the name
in `config/sections.py`:

>>> def load_vectors(data_dir):
...     return Dataset("moons", Split(...), Split(...), classes=("upper", "lower"))
"""

import os
from importlib import import_module
from pathlib import Path
from typing import Any

from rdfia_keras.config import IMAGE_DATASETS, POINTS_SUFFIX, VECTOR_DATASETS
from rdfia_keras.data import image_folder, points
from rdfia_keras.data.dataset import Dataset, Split, one_hot
from rdfia_keras.data.initial_weights import read_initial_weights
from rdfia_keras.errors import ConfigError, RdfiaError

# Data sets that are installed with scikit-learn: they need no folder.
INSTALLED = ("digits",)


def load_vectors(name: str, data_dir: Path | None = None) -> Dataset:
    """Load a data set of vectors.

    Args:
        name: `circles` (N, 2), `digits` (N, 64) or `mnist` (N, 784), the last two in [0, 1]; or the path of a CSV file
            of points (N, 2), see `data/points.py`.
        data_dir: Folder to search for `circles.mat`, `mnist.npz` and `mnist.mat`; `digits` needs none. Without a
            file, `circles` is drawn and `mnist` is read from Keras's cache, downloaded if need be.

    Returns:
        A `Dataset` with x of dtype float64 and y of dtype int64.

    Raises:
        ConfigError: If the name is unknown.
        RdfiaError: If `data_dir` is not a folder, a file is damaged or a download fails.
    """
    if name.lower().endswith(POINTS_SUFFIX):
        return points.read(Path(name))
    if name not in VECTOR_DATASETS:
        raise ConfigError(f"no data set of vectors is called {name!r}; choose {_choices(VECTOR_DATASETS)}")
    return _module(name, data_dir).load_vectors(data_dir)


def load_images(name_or_path: str | Path, data_dir: Path | None = None) -> Dataset:
    """Load a data set of images.

    Args:
        name_or_path: `cifar10` (N, 32, 32, 3), `mnist` (N, 28, 28, 1) or `digits` (N, 32, 32, 3), grey: its three
            channels are equal. Or the path of a folder of train/<class>/ and test/<class>/ images, which become
            (N, 32, 32, 3).
        data_dir: Folder to search for `mnist.npz` and CIFAR-10's `cifar-10-batches-py/` or `cifar-10-python.tar.gz`.
            Without the file, the data set is read from Keras's cache, downloaded if need be. `digits` needs none.

    Returns:
        A `Dataset` with x of dtype uint8 and y of dtype int64.

    Raises:
        ConfigError: If the name is unknown.
        RdfiaError: If `data_dir` is not a folder, a file is damaged or a download fails.
    """
    name = str(name_or_path)
    if name in IMAGE_DATASETS:
        return _module(name, data_dir).load_images(data_dir)
    if not _is_path(name):
        raise ConfigError(
            f"no data set of images is called {name!r}; choose {_choices(IMAGE_DATASETS)}, "
            "or name a folder that holds train/<class>/ and test/<class>/ images"
        )
    return image_folder.load(Path(name))


def _module(name: str, data_dir: Path | None) -> Any:
    """Import the module of a data set, once the folder that it may need is known to exist."""
    if data_dir is not None and name not in INSTALLED and not data_dir.is_dir():
        fault = "is not a folder" if data_dir.exists() else "does not exist"
        raise RdfiaError(f"the data folder {data_dir} {fault}; give the folder that holds the data files")
    return import_module(f"rdfia_keras.data.{name}")


def _choices(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"


def _is_path(name: str) -> bool:
    # Unlike `Path.is_dir`, `isdir` answers for a name that no folder can have.
    return os.sep in name or bool(os.altsep and os.altsep in name) or os.path.isdir(name)  # noqa: PTH112

"""CIFAR-10 in its published Python layout: a folder of batches, or the archive as it is downloaded."""

import tarfile
from pathlib import Path, PurePosixPath

import numpy as np

from rdfia_keras.data import download
from rdfia_keras.data.base import Dataset, Split, images
from rdfia_keras.data.pickles import FIX, check_size, read_bytes, read_pickle
from rdfia_keras.errors import RdfiaError

FOLDER = "cifar-10-batches-py"
ARCHIVE = "cifar-10-python.tar.gz"
REMOTE = download.Remote(
    file=ARCHIVE,
    url="https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz",
    sha256="6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce",
    saved_as="cifar-10-batches-py-target_archive",
    cached=(
        # Keras since 3.7, its archive, and the names that earlier releases gave the same two.
        "cifar-10-batches-py-target/cifar-10-batches-py",
        "cifar-10-batches-py-target_archive",
        "cifar-10-batches-py/cifar-10-batches-py",
        "cifar-10-batches-py",
        "cifar-10-batches-py.tar.gz",
    ),
)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
_TRAIN = tuple(f"data_batch_{number}" for number in range(1, 6))
_TEST = "test_batch"
_META = "batches.meta"

# The pixels of a batch, uint8 (N, 3072), and its labels, int64 (N,).
Batch = tuple[np.ndarray, np.ndarray]


@images("cifar10")
def load_images(data_dir: Path | None) -> Dataset:
    """Loads images of shape (N, 32, 32, 3), uint8: the five training batches in order, and the test batch.

    Raises:
        RdfiaError: If a batch is missing, damaged or asks Python to run something, or if the download fails.
    """
    path = find(data_dir) if data_dir else None
    if path:
        return read(path)
    path = download.fetch(REMOTE, data_dir)
    with download.cached_copy(path):
        return read(path)


def find(data_dir: Path) -> Path | None:
    """Returns the folder of batches or the archive in `data_dir`, which may itself be that folder, or None."""
    if any((data_dir / name).exists() for name in (*_TRAIN, _TEST)):
        return data_dir
    if (data_dir / FOLDER).is_dir():
        return data_dir / FOLDER
    return data_dir / ARCHIVE if (data_dir / ARCHIVE).exists() else None


def read(path: Path) -> Dataset:
    """Reads a folder of batches, or an archive without unpacking it to disk."""
    batches, classes = _read_folder(path) if path.is_dir() else _read_archive(path)
    test = _concatenate([batches.pop(_TEST)])
    return Dataset("cifar10", _concatenate([batches.pop(name) for name in _TRAIN]), test, classes, str(path))


def _read_folder(folder: Path) -> tuple[dict[str, Batch], tuple[str, ...]]:
    missing = [name for name in (*_TRAIN, _TEST) if not (folder / name).is_file()]
    if missing:
        raise RdfiaError(f"{folder} has no {', '.join(missing)}; unpack the whole of {ARCHIVE} there")
    batches = {name: _batch(read_bytes(folder / name), str(folder / name)) for name in (*_TRAIN, _TEST)}
    meta = folder / _META
    return batches, _class_names(read_bytes(meta), str(meta)) if meta.is_file() else CLASSES


def _read_archive(path: Path) -> tuple[dict[str, Batch], tuple[str, ...]]:
    batches: dict[str, Batch] = {}
    classes: tuple[str, ...] = CLASSES
    try:
        # In the archive's own order: going back in a .tar.gz means unpacking it again from its start.
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name, where = PurePosixPath(member.name).name, f"{path}: {member.name}"
                file = archive.extractfile(member) if member.isfile() else None
                if file is None or name not in (*_TRAIN, _TEST, _META):
                    continue
                check_size(member.size, where)
                data = file.read()
                if name == _META:
                    classes = _class_names(data, where)
                else:
                    batches[name] = _batch(data, where)
    except RdfiaError:
        raise
    except Exception as error:  # A damaged archive can raise anything: ReadError, EOFError, zlib.error, ...
        raise RdfiaError(f"{path} is empty, cut short or not a .tar.gz archive; download {ARCHIVE} again") from error
    missing = [name for name in (*_TRAIN, _TEST) if name not in batches]
    if missing:
        raise RdfiaError(f"{path} has no {', '.join(missing)}; download {ARCHIVE} again")
    return batches, classes


def _batch(data: bytes, where: str) -> Batch:
    content = read_pickle(data, where)
    pixels, labels = content.get("data"), content.get("labels")
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != 3072 or len(pixels) == 0:
        raise RdfiaError(f"{where} has no `data` of shape (N, 3072) and dtype uint8; {FIX}")
    if not isinstance(labels, list) or len(labels) != len(pixels) or not all(_is_label(label) for label in labels):
        raise RdfiaError(f"{where} must have `labels`, a list of {len(pixels)} whole numbers from 0 to 9; {FIX}")
    return pixels, np.array(labels, np.int64)


def _is_label(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= 9


def _class_names(data: bytes, where: str) -> tuple[str, ...]:
    names = read_pickle(data, where).get("label_names")
    if not isinstance(names, list) or len(names) != 10 or not all(isinstance(name, str | bytes) for name in names):
        raise RdfiaError(f"{where} must have `label_names`, a list of ten names; {FIX}")
    return tuple(name.decode("utf-8", "replace") if isinstance(name, bytes) else name for name in names)


def _concatenate(batches: list[Batch]) -> Split:
    """Copies all batches into one array with the channels last, and empties the list."""
    y = np.concatenate([labels for _, labels in batches])
    x = np.empty((len(y), 32, 32, 3), np.uint8)
    end = len(y)
    while batches:
        # Dropping each batch once it is copied keeps the peak near the size of the result; the last one read goes
        # first, because memory is given back from the end of the heap.
        pixels, labels = batches.pop()
        x[end - len(labels) : end] = pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)
        end -= len(labels)
    return Split(x, y)

"""CIFAR-10 in its published Python layout: a folder of batches, or the archive as it is downloaded."""

import tarfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

import numpy as np

from rdfia_keras.data import download
from rdfia_keras.data.dataset import Dataset, Split
from rdfia_keras.data.pickles import FIX, read_pickle
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
    other=f"the unpacked {FOLDER}/",
)
CLASSES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")
# A batch is 31 MB; the bound only keeps a wrong file from filling the memory.
MAX_BYTES = 200_000_000
# The training batches, in order, and the test batch.
BATCHES = (*(f"data_batch_{number}" for number in range(1, 6)), "test_batch")


def load_images(data_dir: Path | None) -> Dataset:
    """Load images of shape (N, 32, 32, 3), uint8: the five training batches in order, and the test batch.

    Raises:
        RdfiaError: If a batch is missing, damaged or asks Python to run something, or if the download fails.
    """
    return download.read_or_fetch(REMOTE, data_dir, find, read)


def find(data_dir: Path) -> Path | None:
    """Return the folder of batches or the archive in `data_dir`, which may itself be that folder, or None."""
    if any((data_dir / name).exists() for name in BATCHES):
        return data_dir
    return next((data_dir / name for name in (FOLDER, ARCHIVE) if (data_dir / name).exists()), None)


def read(path: Path) -> Dataset:
    """Read a folder of batches, or an archive without unpacking it to disk."""
    files, remedy = _archive_files(path), f"download {ARCHIVE} again"
    if path.is_dir():
        files, remedy = _folder_files(path), f"unpack the whole of {ARCHIVE} there"
    splits = {name: _split(data, where) for name, where, data in files}
    if missing := [name for name in BATCHES if name not in splits]:
        raise RdfiaError(f"{path} has no {', '.join(missing)}; {remedy}")
    *parts, test = (splits[name] for name in BATCHES)
    train = Split(np.concatenate([part.x for part in parts]), np.concatenate([part.y for part in parts]))
    return Dataset("cifar10", train, test, CLASSES, str(path))


def _folder_files(folder: Path) -> Iterator[tuple[str, str, bytes]]:
    """Read the batches of a folder: the name, the path and the content of each."""
    for path in (folder / name for name in BATCHES if (folder / name).is_file()):
        try:
            _check_size(path.stat().st_size, str(path))
            yield path.name, str(path), path.read_bytes()
        except OSError as error:
            raise RdfiaError(f"{path} cannot be read ({error.strerror}); check its permissions") from error


def _archive_files(path: Path) -> Iterator[tuple[str, str, bytes]]:
    """Read the batches of an archive: the name, the path and the content of each."""
    try:
        # In the archive's own order: going back in a .tar.gz means unpacking it again from its start.
        with tarfile.open(path, "r:*") as archive:
            for member in archive:
                name, where = PurePosixPath(member.name).name, f"{path}: {member.name}"
                file = archive.extractfile(member) if member.isfile() else None
                if file and name in BATCHES:
                    _check_size(member.size, where)
                    yield name, where, file.read()
    except RdfiaError:
        raise
    except Exception as error:  # A damaged archive can raise anything: ReadError, EOFError, zlib.error, ...
        raise RdfiaError(f"{path} is empty, cut short or not a .tar.gz archive; download {ARCHIVE} again") from error


def _check_size(size: int, where: str) -> None:
    if size > MAX_BYTES:
        raise RdfiaError(f"{where} has {size:,} bytes but a CIFAR-10 batch has about 31,000,000; {FIX}")


def _split(data: bytes, where: str) -> Split:
    content = read_pickle(data, where)
    pixels, labels = content.get("data"), content.get("labels")
    if not isinstance(pixels, np.ndarray) or pixels.ndim != 2 or pixels.shape[1] != 3072 or len(pixels) == 0:
        raise RdfiaError(f"{where} has no `data` of shape (N, 3072) and dtype uint8; {FIX}")
    if not isinstance(labels, list) or len(labels) != len(pixels) or not all(_is_label(label) for label in labels):
        raise RdfiaError(f"{where} must have `labels`, a list of {len(pixels)} whole numbers from 0 to 9; {FIX}")
    # A row holds 1024 reds, 1024 greens and 1024 blues, each line by line.
    return Split(np.ascontiguousarray(pixels.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)), np.array(labels, np.int64))


def _is_label(value: object) -> bool:
    return isinstance(value, int) and 0 <= value <= 9

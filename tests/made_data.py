"""What tests of data sets share: small files in the published layouts, a pickle that attacks, and a check of errors."""

import hashlib
import os
import pickle
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from rdfia_keras.errors import RdfiaError

NAMES = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]


def real(name: str) -> Path:
    """The folder of the course's own files, one of which must be there."""
    folder = Path(__file__).resolve().parents[2] / "shared" / "data"
    if not (folder / name).exists():
        pytest.skip(f"the course's {name} is not in {folder}")
    return folder


def fault(call, *args, **kwargs) -> str:
    """The one line of the error that a call raises."""
    with pytest.raises(RdfiaError) as caught:
        call(*args, **kwargs)
    message = str(caught.value)
    assert "\n" not in message
    return message


def tree(folder: Path) -> dict[str, str]:
    """Every path below a folder, with the digest of its bytes."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in folder.rglob("*")
    }


class Touch:
    """Unpickled the ordinary way, it makes a file."""

    def __init__(self, canary: Path):
        self.canary = canary

    def __reduce__(self):
        return os.system, (f"touch '{self.canary}'",)


def cifar_batch(seed: int = 0, count: int = 4) -> dict:
    rng = np.random.default_rng(seed)
    return {
        b"data": rng.integers(0, 256, (count, 3072), dtype=np.uint8),
        b"labels": [(3 * number + seed) % 10 for number in range(count)],
        b"filenames": [b"a.png"] * count,
    }


def write_cifar(folder: Path, count: int = 3, **replaced: bytes) -> Path:
    """Write six batches of so many images and up to five more, some replaced by other bytes, or with more files."""
    folder.mkdir(parents=True, exist_ok=True)
    batches = {name: pickle.dumps(cifar_batch(seed, count + seed), 2) for seed, name in enumerate(NAMES)}
    for name, content in {**batches, **replaced}.items():
        (folder / name).write_bytes(content)
    return folder


def write_mnist(path: Path, count: int = 4, **changed) -> dict:
    """Write an `mnist.npz` of some images and half as many test images, with other arrays or without some."""
    rng = np.random.default_rng(count)
    arrays = {
        "x_train": rng.integers(0, 256, (count, 28, 28), dtype=np.uint8),
        "y_train": (np.arange(count) % 10).astype(np.uint8),
        "x_test": rng.integers(0, 256, (count // 2, 28, 28), dtype=np.uint8),
        "y_test": (np.arange(count // 2) % 10).astype(np.uint8),
    }
    arrays = {key: value for key, value in {**arrays, **changed}.items() if value is not None}
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **arrays)
    return arrays


def write_cifar_archive(path: Path, folder: Path, names=NAMES) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name in names:
            archive.add(folder / name, f"cifar-10-batches-py/{name}")
    return path


def write_pictures(folder: Path, levels: dict[str, int], counts: dict[str, int], size=(20, 24), noise=50) -> Path:
    """Write so many pictures of each class into each split: noise above the grey level of the class."""
    rng = np.random.default_rng(1)
    for split, count in counts.items():
        for name, level in levels.items():
            (folder / split / name).mkdir(parents=True)
            for number in range(count):
                pixels = rng.integers(0, noise, (*size, 3)) + level
                Image.fromarray(pixels.astype(np.uint8)).save(folder / split / name / f"{number:02}.png")
    return folder

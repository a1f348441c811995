"""Images that contenders share. Speed does not depend on what they show, so they are noise."""

import pickle
from pathlib import Path

import numpy as np

CIFAR, MNIST = (32, 32, 3), (28, 28, 1)


def images(count: int, shape: tuple[int, int, int] = CIFAR) -> tuple[np.ndarray, np.ndarray]:
    """Return images uint8 (count, H, W, C) and labels int64 (count,)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (count, *shape), dtype=np.uint8), rng.integers(0, 10, count)


def write_cifar(folder: Path) -> None:
    """Write 50,000 and 10,000 images in the layout in which CIFAR-10 is published."""
    folder = folder / "cifar-10-batches-py"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in (*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"):
        pixels = rng.integers(0, 256, (10_000, 3072), dtype=np.uint8)
        content = {b"data": pixels, b"labels": rng.integers(0, 10, 10_000).tolist()}
        (folder / name).write_bytes(pickle.dumps(content, protocol=2))

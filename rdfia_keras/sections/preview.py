"""Section preview: what the random transformations do to images."""

from pathlib import Path

import keras
import numpy as np

from rdfia_keras import plots
from rdfia_keras.cnn import TRANSFORMATIONS
from rdfia_keras.data import Dataset
from rdfia_keras.records import make_folder

IMAGES, VERSIONS = 6, 7


def run(names: tuple[str, ...], data: Dataset, seed: int, out: Path) -> Path:
    """Draw each transformation alone, a column each, or several versions with all of `names` applied in turn.

    Returns:
        The path of the picture.
    """
    originals = data.train.x[:IMAGES]
    if names:
        versions = [transform(originals, names, seed + i) for i in range(VERSIONS)]
        title, labels = f"{' + '.join(names)} on {data.name}", ()
    else:
        versions = [resized(transform(originals, (name,), seed), originals.shape[1]) for name in TRANSFORMATIONS]
        title, labels = f"Each transformation alone on {data.name}", tuple(TRANSFORMATIONS)
    figure = plots.augmentation_grid(originals, np.stack(versions, axis=1), title, names=labels)
    path = make_folder(out) / "augment-preview.png"
    plots.save(figure, path)
    return path


def transform(images: np.ndarray, names: tuple[str, ...], seed: int) -> np.ndarray:
    """Random versions of images (N, H, W, C), with pixels of 0..255, as training sees them."""
    x = images.astype(np.float32)
    for name in names:
        x = TRANSFORMATIONS[name](x.shape[1], seed=seed)(x, training=True)
    return keras.ops.convert_to_numpy(x)


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """A crop in the middle of a black frame, so that it can stand beside whole images."""
    slack = size - images.shape[1]
    before, after = slack // 2, slack - slack // 2
    return np.pad(images, ((0, 0), (before, after), (before, after), (0, 0)))

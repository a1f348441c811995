"""What the random augmentations do to images."""

import numpy as np

from rdfia_keras.config import RunOptions, dataset_name
from rdfia_keras.data import load_images
from rdfia_keras.report.result import Result
from rdfia_keras.runs.files import make_folder
from rdfia_keras.system.backend import set_up_backend

IMAGES, VERSIONS = 6, 7


def run(names: tuple[str, ...], dataset: str, seed: int, options: RunOptions) -> Result:
    """Draw each augmentation alone, a column each, or several versions with all of `names` applied in turn."""
    folder = make_folder(options.out)
    data = load_images(dataset_name(dataset), options.data_dir)
    set_up_backend("cpu")
    from rdfia_keras import plots
    from rdfia_keras.models.augmentation import LAYERS

    originals = data.train.x[:IMAGES]
    if names:
        versions = [augment(originals, names, seed + i) for i in range(VERSIONS)]
        title, labels = f"{' + '.join(names)} on {data.name}", tuple[str, ...]()
    else:
        versions = [resized(augment(originals, (name,), seed), originals.shape[1]) for name in LAYERS]
        title, labels = f"Each augmentation alone on {data.name}", tuple(LAYERS)
    path = folder / "augment-preview.png"
    plots.save(plots.augmentation_grid(originals, np.stack(versions, axis=1), title, names=labels), path)
    return Result(data={"path": str(path)}, paths=[path])


def augment(images: np.ndarray, names: tuple[str, ...], seed: int) -> np.ndarray:
    """Random versions of images (N, H, W, C), with pixels of 0..255, as training sees them."""
    from rdfia_keras.models.augmentation import Augmentation

    augmentation = Augmentation.from_names(names, images.shape[1], seed)
    return np.asarray(augmentation(images.astype(np.float32), training=True))


def resized(images: np.ndarray, size: int) -> np.ndarray:
    """A crop in the middle of a black frame, so that it can stand beside whole images."""
    slack = size - images.shape[1]
    before, after = slack // 2, slack - slack // 2
    return np.pad(images, ((0, 0), (before, after), (before, after), (0, 0)))

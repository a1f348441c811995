"""`rdfia augment-preview`: what the random augmentations do to images."""

from typing import TYPE_CHECKING, Annotated

import typer

from rdfia_keras.commands._options import command
from rdfia_keras.config import AUGMENTATIONS, SEED, CnnConfig, RunOptions, Setting, dataset_name
from rdfia_keras.errors import choose
from rdfia_keras.result import Result

if TYPE_CHECKING:
    import numpy as np

IMAGES, VERSIONS = 6, 7


@command(
    "augment-preview",
    options=("out", "data_dir"),
    examples=("rdfia augment-preview", "rdfia augment-preview hue blur --dataset digits"),
)
def augment_preview(
    options: RunOptions,
    names: Annotated[
        list[str] | None, typer.Argument(help="Augmentations to apply together.", show_default="each alone")
    ] = None,
    dataset: Annotated[str, Setting("cifar10, mnist, digits, or a folder of images.", panel="Data")] = "cifar10",
    seed: Annotated[int, Setting("Seed of the augmentations.", check=SEED)] = 0,
) -> Result:
    """Draw the random augmentations: each beside the original, or several versions of some together."""
    names = [choose("augmentation", name, AUGMENTATIONS) for name in names or ()]
    import numpy as np

    from rdfia_keras.runs.files import make_folder
    from rdfia_keras.system.backend import set_up_backend
    from rdfia_keras.training.get_or_train import Resources

    folder = make_folder(options.out)
    data = Resources(options).data(CnnConfig(dataset=dataset_name(dataset)))
    set_up_backend("cpu")
    from rdfia_keras import plots

    originals, labels = data.train.x[:IMAGES], tuple[str, ...]()
    if names:
        versions = [augment(originals, tuple(names), seed + i) for i in range(VERSIONS)]
        title = f"{' + '.join(names)} on {data.name}"
    else:
        labels = AUGMENTATIONS
        versions = [resize(augment(originals, (name,), seed), originals.shape[1]) for name in labels]
        title = f"Each augmentation alone on {data.name}"
    path = folder / f"{'-'.join(('augment-preview', *names))}.png"
    plots.save(plots.augmentation_grid(originals, np.stack(versions, axis=1), title, names=labels), path)
    return Result(data={"path": str(path)}, paths=[path])


def augment(images: "np.ndarray", names: tuple[str, ...], seed: int) -> "np.ndarray":
    """Return random versions of images (N, H, W, C), with pixels of 0..255, as training sees them."""
    import numpy as np

    from rdfia_keras.models.augmentation import Augmentation

    augmentation = Augmentation.from_names(names, images.shape[1], seed)
    return np.asarray(augmentation(images.astype(np.float32), training=True))


def resize(images: "np.ndarray", size: int) -> "np.ndarray":
    """Put a crop in the middle of a black frame, so that it can stand beside whole images."""
    import numpy as np

    slack = size - images.shape[1]
    before, after = slack // 2, slack - slack // 2
    return np.pad(images, ((0, 0), (before, after), (before, after), (0, 0)))

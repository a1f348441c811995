"""A user's own images: DIR/train/<class>/*.png and DIR/test/<class>/*.png (or .jpg, .jpeg)."""

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rdfia_keras.data.dataset import Dataset, Split
from rdfia_keras.errors import RdfiaError

if TYPE_CHECKING:
    from PIL import Image

_SUFFIXES = (".png", ".jpg", ".jpeg")
# Left out in silence these would be missed, so they are reported; notes and index files are passed over.
_OTHER_IMAGES = (".webp", ".bmp", ".gif", ".tif", ".tiff", ".heic", ".avif")
# Below the 89 million at which Pillow itself starts to warn.
_MAX_PIXELS = 80_000_000
_SHAPE = (32, 32, 3)
_NAMED = 5


class _Unusable(Exception):
    """The reason why an image file cannot be used."""


def load(folder: Path) -> Dataset:
    """Load all images of a folder, in the order of their names.

    Args:
        folder: Holds train/<class>/ and test/<class>/; the classes are the sorted folders of train.

    Returns:
        Images of shape (N, 32, 32, 3), uint8, resized whatever their proportions.

    Raises:
        RdfiaError: If the layout is another one, or if files cannot be used, all of them in one error.
    """
    if not folder.is_dir():
        raise RdfiaError(f"{folder} is not a folder; name one that holds train/<class>/ and test/<class>/ images")
    try:
        train, test = (_images_by_class(folder, split) for split in ("train", "test"))
    except OSError as error:
        raise RdfiaError(f"{folder} cannot be read ({error.strerror}); check its permissions") from error
    _check_classes(folder, train, test)
    classes, count = tuple(train), sum(map(len, train.values()))
    files = [path for by_class in (train, test) for paths in by_class.values() for path in paths]
    x = read_pictures(files, _SHAPE, folder)
    y = np.array([classes.index(path.parent.name) for path in files], np.int64)
    train_split, test_split = Split(x[:count], y[:count]), Split(x[count:], y[count:])
    return Dataset(folder.resolve().name, train_split, test_split, classes, str(folder))


def _images_by_class(folder: Path, split: str) -> dict[str, list[Path]]:
    """Map each class name to its image files, both in the order of their names."""
    root = folder / split
    if not root.is_dir():
        raise RdfiaError(f"{folder} has no {split} folder; it must hold train/<class>/ and test/<class>/ images")
    classes = {path.name: _images(path) for path in _visible(root) if path.is_dir()}
    if not classes:
        raise RdfiaError(f"{root} holds no class folders; put each class's images in {root / '<class>'}")
    return classes


def _check_classes(folder: Path, train: dict[str, list[Path]], test: dict[str, list[Path]]) -> None:
    unknown = sorted(set(test) - set(train))
    if unknown:
        raise RdfiaError(
            f"{folder / 'test'} has classes that {folder / 'train'} lacks: {', '.join(unknown[:_NAMED])}; "
            f"the folders of both must have the same names, and those of train are {', '.join(list(train)[:_NAMED])}"
        )
    if len(train) < 2:
        raise RdfiaError(f"{folder / 'train'} holds the single class {next(iter(train))}; at least two are needed")
    empty = [name for name, files in train.items() if not files]
    if empty:
        raise RdfiaError(
            f"{folder / 'train' / empty[0]} holds no .png, .jpg or .jpeg image; put some there or remove the folder"
        )
    if not any(test.values()):
        raise RdfiaError(f"{folder / 'test'} holds no .png, .jpg or .jpeg image; put some in its class folders")


def _images(folder: Path) -> list[Path]:
    return [path for path in _visible(folder) if path.suffix.lower() in (*_SUFFIXES, *_OTHER_IMAGES)]


def _visible(folder: Path) -> list[Path]:
    return sorted((path for path in folder.iterdir() if not path.name.startswith(".")), key=lambda path: path.name)


def list_pictures(names: Iterable[str | Path]) -> tuple[list[Path], list[str]]:
    """List image files by name, and those of folders and the folders in them, in the order of their names.

    Returns:
        The files that can be read, and each other one with the reason.

    Raises:
        RdfiaError: If something is missing, a folder has no images, or no file can be read.
    """
    pictures: list[Path] = []
    for path in map(Path, names):
        if not path.exists():
            raise RdfiaError(f"there is no image {path}; name PNG or JPEG files, or a folder of them")
        files = _images_below(path) if path.is_dir() else [path]
        if not files:
            raise RdfiaError(f"{path} holds no .png, .jpg or .jpeg image")
        pictures += files
    if not pictures:
        raise RdfiaError("no image is named; name PNG or JPEG files, a folder of them, or - for a list on stdin")
    faults = _faults(pictures, lambda number, image: image.load())
    if len(faults) == len(set(pictures)):
        raise RdfiaError(_sentence(faults, len(pictures)))
    left_out = [f"{path} ({fault})" for path, fault in faults.items()]
    return [path for path in pictures if path not in faults], left_out


def _images_below(folder: Path) -> list[Path]:
    inner = [path for path in _visible(folder) if path.is_dir()]
    return _images(folder) + [image for path in inner for image in _images_below(path)]


def read_pictures(paths: Sequence[Path], shape: tuple[int, int, int], folder: Path | None = None) -> np.ndarray:
    """Read images of any size and mode.

    Args:
        paths: PNG and JPEG files.
        shape: Height, width and channels; with one channel images become grey.
        folder: A folder that holds them all, for error messages.

    Returns:
        Uint8 (N, *shape).

    Raises:
        RdfiaError: If files cannot be read, all of them in one error.
    """
    try:
        x = np.empty((len(paths), *shape), np.uint8)
    except MemoryError as error:
        size = f"{len(paths)} images of {shape[1]} x {shape[0]}"
        raise RdfiaError(f"{folder or paths[0]}: {size} do not fit in memory; lower the size") from error

    def read(number: int, image: "Image.Image") -> None:
        x[number] = _pixels(image, shape)

    _use_all(paths, read, folder)
    return x


def _use_all(paths: Sequence[Path], use: Callable[[int, "Image.Image"], None], folder: Path | None = None) -> None:
    """Open each image and hand it over with its number; raise one error for all that cannot be used."""
    if faults := _faults(paths, use):
        raise RdfiaError(_sentence(faults, len(paths), folder))


def _faults(paths: Sequence[Path], use: Callable[[int, "Image.Image"], Any]) -> dict[Path, str]:
    """Open each image and hand it over with its number; return why others cannot be used."""
    faults = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for number, path in enumerate(paths):
            try:
                with _opened(path) as image:
                    use(number, image)
            except _Unusable as fault:
                faults[path] = str(fault)
    return faults


def _sentence(faults: Mapping[Path, str], count: int, folder: Path | None = None) -> str:
    """Return one sentence for all of `count` images that cannot be used."""
    named = [f"{path.relative_to(folder) if folder else path} ({fault})" for path, fault in faults.items()]
    more = f" and {len(faults) - _NAMED} more" if len(faults) > _NAMED else ""
    return (
        f"{len(faults)} of the {count} image files{f' in {folder}' if folder else ''} cannot be used: "
        f"{', '.join(named[:_NAMED])}{more}; repair or remove them"
    )


def _pixels(image: "Image.Image", shape: tuple[int, int, int]) -> np.ndarray:
    """Convert an image to uint8 (height, width, channels), turned upright."""
    from PIL import Image, ImageOps

    height, width, channels = shape
    upright = _rgb(ImageOps.exif_transpose(image)).resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(upright.convert("L"))[..., None] if channels == 1 else np.asarray(upright)


@contextmanager
def _opened(path: Path) -> Iterator["Image.Image"]:
    """Open an image file; whatever is wrong with it, then or inside, is an `_Unusable`."""
    from PIL import Image, UnidentifiedImageError

    if path.suffix.lower() not in _SUFFIXES:
        raise _Unusable("convert it to PNG or JPEG")
    # A pipe or a device would be waited on for ever.
    if not path.is_file():
        raise _Unusable("not a regular file")
    try:
        if path.stat().st_size == 0:
            raise _Unusable("empty")
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise _Unusable(f"{image.width} x {image.height} is more than {_MAX_PIXELS:,} pixels")
            yield image
    except _Unusable:
        raise
    except UnidentifiedImageError as error:
        raise _Unusable("not a PNG or JPEG image") from error
    except Image.DecompressionBombError as error:
        raise _Unusable(f"more than {_MAX_PIXELS:,} pixels") from error
    except PermissionError as error:
        raise _Unusable("no permission to read it") from error
    except Exception as error:  # Pillow raises anything on damaged pixels: OSError, SyntaxError, ValueError, ...
        raise _Unusable("cut short or damaged") from error


def _rgb(image: "Image.Image") -> "Image.Image":
    """Convert an image of any mode to 8-bit RGB, on white where it is transparent."""
    from PIL import Image

    if image.mode.startswith("I"):
        # 16-bit grey, which convert() would clip at 255 instead of scaling.
        levels = np.clip(np.asarray(image, dtype=np.float64), 0, 65535)
        return Image.fromarray(np.round(levels / 257).astype(np.uint8)).convert("RGB")
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")

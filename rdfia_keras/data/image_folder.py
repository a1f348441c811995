"""A user's own images in DIR/train/<class>/ and DIR/test/<class>/, in any format that Pillow decodes by itself."""

import unicodedata
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from rdfia_keras.data.dataset import Dataset, Split
from rdfia_keras.errors import RdfiaError

if TYPE_CHECKING:
    from PIL import Image

# Pillow hands these to another program, or knows no more than their names.
_NOT_DECODED = {"EPS", "WMF", "BUFR", "GRIB", "HDF5", "MPEG"}
# Pictures that Pillow cannot read, or not everywhere: an error, while notes and index files are only named.
_OTHER_IMAGES = (".heic", ".heif", ".avif", ".jxl", ".svg", ".webp")
# A colour profile or a comment may have this many bytes; Pillow's own limit is a megabyte.
_MAX_CHUNK = 2**26
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
    labels = [classes.index(name) for by_class in (train, test) for name, paths in by_class.items() for _ in paths]
    y = np.array(labels, np.int64)
    train_split, test_split, left_out = Split(x[:count], y[:count]), Split(x[count:], y[count:]), _left_out(folder)
    source = f"{folder}{left_out}"
    return Dataset(folder.resolve().name, train_split, test_split, classes, source, remark=source if left_out else "")


def _left_out(folder: Path) -> str:
    """Name in words the files in class folders that are no pictures."""
    roots = [path for split in ("train", "test") for path in _visible(folder / split) if path.is_dir()]
    names = [str(path.relative_to(folder)) for root in roots for path in _files_below(root) if not _is_image(path)]
    more = ", ..." if len(names) > _NAMED else ""
    return f" (left out, being no pictures: {len(names)}, {', '.join(names[:_NAMED])}{more})" if names else ""


def _images_by_class(folder: Path, split: str) -> dict[str, list[Path]]:
    """Map each class name to its image files, both in the order of their names."""
    root = folder / split
    if not root.is_dir():
        raise RdfiaError(f"{folder} has no {split} folder; it must hold train/<class>/ and test/<class>/ images")
    classes: dict[str, list[Path]] = {}
    for path in _visible(root):
        if path.is_dir():
            # macOS writes an accent as a letter and a mark, most others as one letter.
            classes.setdefault(unicodedata.normalize("NFC", path.name), []).extend(_images_below(path))
    if not classes:
        raise RdfiaError(f"{root} holds no class folders; put each class's images in {root / '<class>'}")
    return {name: classes[name] for name in sorted(classes)}


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
        raise RdfiaError(f"{folder / 'train' / empty[0]} holds no image; put some there or remove the folder")
    if not any(test.values()):
        raise RdfiaError(f"{folder / 'test'} holds no image; put some in its class folders")


@cache
def _formats() -> dict[str, str]:
    """Map the suffixes of the pictures that are read to Pillow's names of their formats."""
    from PIL import Image, PngImagePlugin

    PngImagePlugin.MAX_TEXT_CHUNK = PngImagePlugin.MAX_TEXT_MEMORY = _MAX_CHUNK
    suffixes = Image.registered_extensions().items()
    return {suffix: name for suffix, name in suffixes if name in Image.OPEN and name not in _NOT_DECODED}


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in (*_formats(), *_OTHER_IMAGES)


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
            raise RdfiaError(f"there is no image {path}; name image files, or a folder of them")
        files = _images_below(path) if path.is_dir() else [path]
        if not files:
            raise RdfiaError(f"{path} holds no image")
        pictures += files
    if not pictures:
        raise RdfiaError("no image is named; name image files, a folder of them, or - for a list on stdin")
    faults = _faults(pictures, lambda number, image: image.load())
    if len(faults) == len(set(pictures)):
        raise RdfiaError(_sentence(faults, len(pictures)))
    left_out = [f"{path} ({fault})" for path, fault in faults.items()]
    return [path for path in pictures if path not in faults], left_out


def _images_below(folder: Path) -> list[Path]:
    return [path for path in _files_below(folder) if _is_image(path)]


def _files_below(folder: Path, seen: set[Path] | None = None) -> list[Path]:
    """List what lies in a folder and those in it, except hidden names; links that lead round are not followed."""
    seen = seen if seen is not None else set()
    seen.add(folder.resolve())
    inner = [path for path in _visible(folder) if path.is_dir() and not _is_image(path)]
    files = [path for path in _visible(folder) if path not in inner]
    for path in inner:
        real = path.resolve()
        if not any(known.is_relative_to(real) for known in seen):
            files += _files_below(path, seen)
    return files


def read_pictures(paths: Sequence[Path], shape: tuple[int, int, int], folder: Path | None = None) -> np.ndarray:
    """Read images of any size and mode.

    Args:
        paths: Image files.
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

    if faults := _faults(paths, read):
        raise RdfiaError(_sentence(faults, len(paths), folder))
    return x


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

    formats = _formats()
    if path.suffix.lower() not in formats:
        raise _Unusable("convert it to PNG or JPEG")
    # A pipe or a device would be waited on for ever.
    if not path.is_file():
        raise _Unusable("not a regular file")
    try:
        if path.stat().st_size == 0:
            raise _Unusable("empty")
        with Image.open(path, formats=sorted(set(formats.values()))) as image:
            if image.width * image.height > _MAX_PIXELS:
                raise _Unusable(f"{image.width} x {image.height} is more than {_MAX_PIXELS:,} pixels")
            yield image
    except _Unusable:
        raise
    except UnidentifiedImageError as error:
        raise _Unusable("not an image that can be read") from error
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

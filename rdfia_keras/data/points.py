"""Points of a plane from a CSV file: the columns x1, x2, class and split, a row for each point."""

import csv
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from rdfia_keras.data.dataset import Dataset, Split
from rdfia_keras.errors import RdfiaError

COLUMNS = ("x1", "x2", "class", "split")
SPLITS = ("train", "test")
MAX_BYTES = 50_000_000
# A training step needs no more than floats hold, but squares of larger ones overflow.
LARGEST = 1e6


def read(path: Path) -> Dataset:
    """Read a CSV file of points.

    The classes are numbered in the order of their names: whole numbers by size, other names by their characters.

    Returns:
        Points of shape (N, 2), float64, in the file's order in each split, and their class numbers.

    Raises:
        RdfiaError: If the file cannot be read, a row is no point, or a split or a second class is missing.
    """
    rows = list(_rows(path))
    classes = sorted({name for _, name, _ in rows}, key=_class_order)
    for split in SPLITS:
        if not any(row[2] == split for row in rows):
            raise RdfiaError(f"{path} has no row whose split is {split}; it needs points to train on and to test on")
    if len(classes) < 2:
        raise RdfiaError(f"{path} has one class only, {classes[0]}; it needs two or more")
    train, test = (_split(rows, split, classes) for split in SPLITS)
    return Dataset(path.name, train, test, tuple(classes), str(path))


def _class_order(name: str) -> tuple[float, str]:
    return (int(name) if name.isascii() and name.isdigit() else math.inf, name)


def _split(rows: list[tuple[tuple[float, float], str, str]], split: str, classes: list[str]) -> Split:
    x = [point for point, _, row_split in rows if row_split == split]
    y = [classes.index(name) for _, name, row_split in rows if row_split == split]
    return Split(np.array(x, np.float64), np.array(y, np.int64))


def _rows(path: Path) -> Iterator[tuple[tuple[float, float], str, str]]:
    """Read the point, the class and the split of each row."""
    lines = csv.reader(_text(path).splitlines())
    header = [name.strip() for name in next(lines, [])]
    if sorted(header) != sorted(COLUMNS):
        raise RdfiaError(f"{path} must begin with the line {','.join(COLUMNS)}, not {','.join(header)[:80]!r}")
    for words in lines:
        if not any(word.strip() for word in words):
            continue
        where = f"{path}, line {lines.line_num}"
        if len(words) != len(COLUMNS):
            raise RdfiaError(f"{where}: it has {len(words)} columns and needs {len(COLUMNS)}: {','.join(COLUMNS)}")
        row = dict(zip(header, (word.strip() for word in words), strict=True))
        if not row["class"]:
            raise RdfiaError(f"{where}: the class is empty; name it")
        if row["split"] not in SPLITS:
            raise RdfiaError(f"{where}: split must be train or test, not {row['split']!r}")
        yield (_number(where, "x1", row["x1"]), _number(where, "x2", row["x2"])), row["class"], row["split"]


def _number(where: str, column: str, word: str) -> float:
    try:
        number = float(word)
    except ValueError:
        number = math.nan
    if not abs(number) <= LARGEST:
        raise RdfiaError(f"{where}: {column} must be a number between -{LARGEST:g} and {LARGEST:g}, not {word!r}")
    return number


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RdfiaError(f"{path} is larger than {MAX_BYTES:,} bytes; give a smaller file of points")
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise RdfiaError(f"cannot read {path}: {error.strerror}; correct dataset (--dataset)") from error
    except UnicodeDecodeError as error:
        raise RdfiaError(f"{path} is no text in UTF-8; save it as CSV in UTF-8") from error

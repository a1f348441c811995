"""Points of a plane from a CSV file: the columns x1, x2, class and split, a row for each point.

The playground reads the same by the same rules, in `points.mjs`.
"""

import csv
import math
import re
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

    The classes are numbered in the order of their names: numbers by size, then other names by their characters.

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
    number = _plain_number(name)
    return (math.inf if math.isnan(number) else number, name)


def _split(rows: list[tuple[tuple[float, float], str, str]], split: str, classes: list[str]) -> Split:
    x = [point for point, _, row_split in rows if row_split == split]
    y = [classes.index(name) for _, name, row_split in rows if row_split == split]
    return Split(np.array(x, np.float64), np.array(y, np.int64))


def _rows(path: Path) -> Iterator[tuple[tuple[float, float], str, str]]:
    """Read the point, the class and the split of each row."""
    table = list(_table(path))
    columns, is_header = _columns(path, table[0][1] if table else [])
    for n, (where, cells) in enumerate(table[1:] if is_header else table):
        if len(cells) != len(columns):
            raise RdfiaError(f"{where}: it has {len(cells)} columns and needs {len(columns)}: {','.join(columns)}")
        # Without a column split every fourth point is a test point, as where points are drawn in the playground.
        row = {"split": SPLITS[n % 4 == 3], **dict(zip(columns, cells, strict=True))}
        if not row["class"]:
            raise RdfiaError(f"{where}: the class is empty; name it")
        if row["split"] not in SPLITS:
            raise RdfiaError(f"{where}: split must be train or test, not {row['split']!r}")
        yield (_number(where, "x1", row["x1"]), _number(where, "x2", row["x2"])), row["class"], row["split"]


def _table(path: Path) -> Iterator[tuple[str, list[str]]]:
    """Read the place and the cells of each line that is not blank; decimal commas become points.

    The first line tells the separator: a tab, else a semicolon, else a comma.
    """
    lines = re.split(r"\r\n|\n|\r", _text(path))
    first = re.sub(r'"[^"]*"', "", next(filter(str.strip, lines), ""))
    separator = next((mark for mark in "\t;" if mark in first), ",")
    for number, line in enumerate(lines, 1):
        where = f"{path}, line {number}"
        try:
            cells = next(csv.reader([line], delimiter=separator, skipinitialspace=True, strict=True))
        except csv.Error as error:
            raise RdfiaError(f"{where}: its quotation marks or its length are wrong ({error})") from error
        cells = [cell.strip() for cell in cells]
        if any(cells):
            yield where, [_with_point(cell) for cell in cells] if separator != "," else cells


def _with_point(cell: str) -> str:
    """Return a number with a decimal point; leave other cells as they are."""
    word = cell.replace(",", ".", 1)
    return cell if math.isnan(_plain_number(word)) else word


def _columns(path: Path, cells: list[str]) -> tuple[list[str], bool]:
    """Return the names of the columns, and whether the first line is a header of them and no point."""
    names = [cell.lower() for cell in cells]
    if set(COLUMNS[:3]) <= set(names) <= set(COLUMNS) and len(set(names)) == len(names):
        return names, True
    if len(cells) in (3, 4) and all(abs(_plain_number(cell)) <= LARGEST for cell in cells[:2]):
        return list(COLUMNS[: len(cells)]), False
    raise RdfiaError(f"{path} must begin with the line {','.join(COLUMNS)}, or a point, not {','.join(cells)[:80]!r}")


def _plain_number(word: str) -> float:
    """Return a number in plain decimals, NaN for other words: `1_0` and the digits of other scripts are none."""
    return float(word) if re.fullmatch(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?", word) else math.nan


def _number(where: str, column: str, word: str) -> float:
    number = _plain_number(word)
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

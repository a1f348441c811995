"""Points of a plane from a CSV file: the columns x1, x2, class and, if you want, split, a row for each point.

The rules, which the playground follows too:

- The separator is the first of tab, semicolon, comma and blank that the first line holds. Several blanks count as one.
- The decimal mark is a point; where the separator is no comma, a comma is one too. Other numbers, such as 0x10, 1_0
  or nan, are refused.
- The first line names the columns in any order. Without it the first two cells are numbers, in the order above.
- Without a split, every fifth row of a class is a test point.
- A quoted cell ends in its line. Empty lines are passed over, and so are blanks around a cell.
- Classes are ordered by size if all are numbers, else by their characters.
"""

import codecs
import csv
import math
import re
from collections import Counter
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
_SEPARATORS = "\t;, "
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_TEST_EVERY = 5


def read(path: Path) -> Dataset:
    """Read a CSV file of points.

    Returns:
        Points of shape (N, 2), float64, in the file's order in each split, and their class numbers.

    Raises:
        RdfiaError: If the file cannot be read, a row is no point, or a split or a second class is missing.
    """
    separator, lines = _lines(path)
    rows = list(_rows(path, separator, lines))
    classes = sorted({name for _, name, _ in rows})
    numbers = {name: _number(name, separator) for name in classes}
    if not any(map(math.isnan, numbers.values())):
        classes.sort(key=numbers.__getitem__)
    for split in SPLITS:
        if not any(row[2] == split for row in rows):
            raise RdfiaError(
                f"{path} has no row whose split is {split}; it needs points to train on and to test on "
                f"(without a column split, every {_TEST_EVERY}th row of a class is a test point)"
            )
    if len(classes) < 2:
        raise RdfiaError(f"{path} has one class only, {classes[0]}; it needs two or more")
    train, test = (_split(rows, split, classes) for split in SPLITS)
    return Dataset(path.name, train, test, tuple(classes), str(path))


def _split(rows: list[tuple[tuple[float, float], str, str]], split: str, classes: list[str]) -> Split:
    numbers = {name: number for number, name in enumerate(classes)}
    x = [point for point, _, row_split in rows if row_split == split]
    y = [numbers[name] for _, name, row_split in rows if row_split == split]
    return Split(np.array(x, np.float64), np.array(y, np.int64))


def _lines(path: Path) -> tuple[str, list[tuple[str, list[str]]]]:
    """Return the separator, and for each line that is not empty its place in words and its cells."""
    text = [(number, line) for number, line in enumerate(re.split("\r\n|\r|\n", _text(path)), 1) if line.strip()]
    first = text[0][1].strip() if text else ""
    separator = next((mark for mark in _SEPARATORS if mark in first), ",")
    lines = []
    for number, line in text:
        where = f"{path}, line {number}"
        if separator == " ":
            line = " ".join(line.split())
        try:
            (cells,) = csv.reader([line], delimiter=separator, skipinitialspace=separator != " ", strict=True)
        except csv.Error as error:
            raise RdfiaError(f"{where}: a quoted cell is not closed, or is too long; correct its quotes") from error
        cells = [cell.strip() for cell in cells]
        if any(cells):
            lines.append((where, cells))
    return separator, lines


def _rows(
    path: Path, separator: str, lines: list[tuple[str, list[str]]]
) -> Iterator[tuple[tuple[float, float], str, str]]:
    """Read the point, the class and the split of each row."""
    first = lines[0][1] if lines else []
    header, counts = [name.lower() for name in first], Counter[str]()
    if len(first) in (3, 4) and not any(math.isnan(_number(word, separator)) for word in first[:2]):
        header = list(COLUMNS[: len(first)])
    elif sorted(header) in (sorted(COLUMNS), sorted(COLUMNS[:3])):
        lines = lines[1:]
    else:
        raise RdfiaError(
            f"{path} must begin with the line {','.join(COLUMNS)} (split may be left out), "
            f"not {separator.join(first)[:80]!r}"
        )
    for where, words in lines:
        if len(words) != len(header):
            raise RdfiaError(f"{where}: it has {len(words)} columns and needs {len(header)}: {','.join(header)}")
        row = dict(zip(header, words, strict=True))
        if not row["class"]:
            raise RdfiaError(f"{where}: the class is empty; name it")
        counts[row["class"]] += 1
        split = row.get("split", SPLITS[counts[row["class"]] % _TEST_EVERY == 0])
        if split not in SPLITS:
            raise RdfiaError(f"{where}: split must be train or test, not {split[:80]!r}")
        x1, x2 = (_coordinate(where, column, row[column], separator) for column in COLUMNS[:2])
        yield (x1, x2), row["class"], split


def _number(word: str, separator: str) -> float:
    """Return the number that a cell is; NaN if it is none."""
    word = word if separator == "," else word.replace(",", ".")
    return float(word) if _NUMBER.fullmatch(word) else math.nan


def _coordinate(where: str, column: str, word: str, separator: str) -> float:
    number = _number(word, separator)
    if not abs(number) <= LARGEST:
        raise RdfiaError(f"{where}: {column} must be a number between -{LARGEST:g} and {LARGEST:g}, not {word[:80]!r}")
    return number


def _text(path: Path) -> str:
    """Read UTF-8 or UTF-16 as their marks say, or else the Windows code page in which older spreadsheets save."""
    try:
        if path.stat().st_size > MAX_BYTES:
            raise RdfiaError(f"{path} is larger than {MAX_BYTES:,} bytes; give a smaller file of points")
        content = path.read_bytes()
    except OSError as error:
        raise RdfiaError(f"cannot read {path}: {error.strerror}; correct dataset (--dataset)") from error
    try:
        if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            return content.decode("utf-16")
        try:
            return content.decode("utf-8-sig")
        except UnicodeDecodeError:
            return content.decode("cp1252")
    except UnicodeDecodeError as error:
        raise RdfiaError(f"{path} is no text in UTF-8; save it as CSV in UTF-8") from error

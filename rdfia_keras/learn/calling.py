"""What becomes of a call of a student's function.

Also loaded by the process that runs submissions (`rdfia_keras.learn.grading`), which has nothing else of ours in its
memory: this file imports the standard library and NumPy only.
"""

import linecache
import re
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Failure:
    """An exception of the student's code.

    Attributes:
        kind: Its class.
        text: Its message.
        where: File and line of the innermost frame of the student's, or nothing.
        code: That line.
        shapes: Of the arrays that the line names.
    """

    kind: str
    text: str
    where: str = ""
    code: str = ""
    shapes: str = ""

    def is_like(self, other: "Failure") -> bool:
        """Whether it is the same exception; numbers in its message, as in Keras's names of layers, do not count."""
        return self.kind == other.kind and re.sub(r"\d+", "", self.text) == re.sub(r"\d+", "", other.text)


def failure_of(error: BaseException, file: str) -> Failure:
    """What an exception tells: the innermost line of the student's file, with the shapes of the arrays in it."""
    text = " ".join(_message(error).split())[:300]
    frames = [
        (frame, line) for frame, line in traceback.walk_tb(error.__traceback__) if frame.f_code.co_filename == file
    ]
    if not frames:
        return Failure(type(error).__name__, text)
    frame, line = frames[-1]
    code = linecache.getline(file, line).strip()
    arrays = dict(frame.f_locals)
    for name, value in frame.f_locals.items():
        if isinstance(value, dict):
            arrays |= {f'{name}["{key}"]': entry for key, entry in value.items()}
    shapes = [
        f"{name} {shape}"
        for name, value in arrays.items()
        if re.search(rf"(?<![\w\"]){re.escape(name)}(?!\w)", code.replace("'", '"')) and (shape := _shape(value))
    ]
    place = "this cell" if "ipykernel" in file or file.startswith("<") else Path(file).name
    return Failure(type(error).__name__, text, f"{place}, line {line}", code, ", ".join(shapes))


def _message(error: BaseException) -> str:
    """What an exception says; nothing where its own code fails."""
    try:
        return str(error)
    except Exception:
        return ""


def _shape(value: Any) -> str:
    """The shape of an array; nothing for what has none, or fails to tell it."""
    try:
        return str(tuple(value.shape))
    except Exception:
        return ""


def unchanged(before: Any, after: Any) -> bool:
    """Whether an argument is what it was; functions, random generators and models are not looked into."""
    if isinstance(before, np.ndarray):
        return isinstance(after, np.ndarray) and np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(unchanged(before[key], after[key]) for key in before)
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(unchanged, before, after))
    return before == after if isinstance(before, str | int | float) else True


def describe(value: Any) -> str:
    """What somebody returned, in a few words."""
    if value is None:
        return "None"
    if isinstance(value, dict):
        return "a dict"
    if shape := _shape(value):
        return f"an array of shape {shape}"
    if isinstance(value, int) and abs(value) >= 1 << 1023:
        return "a number that no float can hold"
    if isinstance(value, bool | int | float):
        return f"the number {value:.6g}"
    if isinstance(value, str):
        return repr(value[:60])
    return f"a {type(value).__name__}"

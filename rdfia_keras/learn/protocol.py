"""What goes to a worker and what comes back; the other side is `worker`.

Messages to a worker are pickles, since it trusts its parent. What comes back is JSON and the bytes of arrays, and
nothing in it is executed. Not `.npy` files: NumPy parses their headers as Python, which Python 3.11 cannot do in two
threads at a time (https://github.com/python/cpython/issues/106905).
"""

import io
import json
import marshal
import pickle
import re
from dataclasses import dataclass
from types import FunctionType, ModuleType
from typing import Any

import numpy as np

from rdfia_keras.learn.exercise import Exercise
from rdfia_keras.learn.worker import MOST_IN_TEXT, MOST_NODES, Deferred, Factory, Opaque

MOST_JSON = 8 << 20


class BadAnswer(Exception):
    """A worker sent something that is no answer."""

    def __init__(self) -> None:
        super().__init__("it sends something that is no result")


@dataclass(frozen=True)
class StudentFunction:
    """Stands for a function of the student's in what is sent to a worker."""

    module: str
    name: str


class Pickler(pickle.Pickler):
    """Sends functions as their code and the values that it uses: a worker has no module of ours to find them in."""

    def persistent_id(self, value: Any) -> Any:
        """Return what `worker.Unpickler` makes the value of, or None for what is pickled as usual."""
        if isinstance(value, Exercise):
            value = value.solution
        if isinstance(value, StudentFunction):
            return ("student", value.module, value.name)
        if isinstance(value, Deferred):
            return ("module", value._name)
        if isinstance(value, ModuleType):
            return ("module", value.__name__)
        if isinstance(value, Factory):
            return ("factory", value.make)
        if isinstance(value, FunctionType):
            code = value.__code__
            names = {name: value.__globals__[name] for name in _names(code) if name in value.__globals__}
            names.pop(code.co_name, None)
            cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
            return ("function", marshal.dumps(code), names, value.__defaults__, cells)
        if type(value).__module__.startswith("tensorflow") and hasattr(value, "numpy"):
            return ("tensor", value.numpy())
        return None


def _names(code: Any) -> set[str]:
    inner = [constant for constant in code.co_consts if hasattr(constant, "co_names")]
    return set(code.co_names).union(*map(_names, inner))


def message(**job: Any) -> bytes:
    """Return a message to a worker."""
    file = io.BytesIO()
    Pickler(file, pickle.HIGHEST_PROTOCOL).dump(job)
    return len(file.getvalue()).to_bytes(4, "big") + file.getvalue()


def read_json(text: bytes) -> dict[str, Any]:
    """Return the JSON of an answer.

    Raises:
        BadAnswer: If it is none.
    """
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BadAnswer from error
    if not isinstance(answer, dict):
        raise BadAnswer
    return answer


def read_value(tree: Any, blob: bytes) -> Any:
    """Return a result.

    Args:
        tree: Its JSON.
        blob: The bytes of its arrays.

    Raises:
        BadAnswer: If it is none.
    """
    try:
        return _Decoder(blob).decode(tree)
    except Exception as error:  # What is wrong with it, Python and NumPy say in many ways.
        raise BadAnswer from error


class _Decoder:
    """The reverse of `worker.Encoder`, with its limits: a small answer must not become a large result."""

    def __init__(self, blob: bytes):
        self._blob, self._read, self._nodes = blob, 0, 0

    def decode(self, tree: dict[str, Any]) -> Any:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ValueError("too many entries")
        ((kind, content),) = tree.items()
        if kind == "v":
            return _scalar(content)
        if kind == "d":
            return {plain(str(key), MOST_IN_TEXT): self.decode(entry) for key, entry in content}
        if kind in ("t", "l"):
            entries = [self.decode(entry) for entry in content]
            return tuple(entries) if kind == "t" else entries
        if kind == "a":
            return self._array(*content)
        if kind == "o":
            return Opaque(plain(str(content), 80) or "object")
        raise ValueError(kind)

    def _array(self, begin: int, dtype: str, shape: list[int]) -> np.ndarray:
        """Return an array of numbers; each begins where the one before ends, so that none is read many times."""
        if not re.fullmatch(r"[<>|][biufc]\d{1,2}", dtype):
            raise ValueError(dtype)
        # NumPy refuses a shape that needs more bytes than there are, but takes negative numbers.
        if begin != self._read or min(shape, default=0) < 0:
            raise ValueError("not where it should be")
        array = np.ndarray(shape, dtype, self._blob, begin).copy()
        self._read += array.nbytes
        return array


def _scalar(content: Any) -> Any:
    if isinstance(content, str):
        return plain(content, MOST_IN_TEXT)
    if isinstance(content, int) and abs(content) >= 1 << 63:
        raise ValueError("beyond 64 bits")
    if content is not None and not isinstance(content, int | float):
        raise ValueError("no scalar")
    return content


def plain(text: str, most: int) -> str:
    """Return a student's text without control characters, and not too long."""
    return re.sub(r"[^\S ]|[\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", " ", text)[:most]

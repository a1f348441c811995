"""Reads the pickles of CIFAR-10 without running what they ask for.

The unpickler imports nothing that a file names. It answers the few NumPy names that an honest batch asks for with
stand-ins that check their arguments and keep the bytes; any other name ends the load.
"""

import io
import math
import pickle
import pickletools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, NoReturn

import numpy as np

from rdfia_keras.errors import RdfiaError

# A batch is 31 MB; the bound only keeps a wrong file from filling the memory.
MAX_BYTES = 200_000_000
FIX = "replace it with the published file"


def read_bytes(path: Path) -> bytes:
    """Reads the bytes of one batch file.

    Raises:
        RdfiaError: If the file cannot be read or is larger than `MAX_BYTES`.
    """
    try:
        check_size(path.stat().st_size, str(path))
        return path.read_bytes()
    except OSError as error:
        raise RdfiaError(f"{path} cannot be read ({error.strerror}); check its permissions") from error


def check_size(size: int, where: str) -> None:
    """Raises an RdfiaError for a batch of more than `MAX_BYTES` bytes."""
    if size > MAX_BYTES:
        raise RdfiaError(f"{where} has {size:,} bytes but a CIFAR-10 batch has about 31,000,000; {FIX}")


def read_pickle(data: bytes, where: str) -> dict[str, object]:
    """Reads the dictionary of a CIFAR-10 pickle, its keys as str and its strings as bytes.

    Args:
        data: The whole pickle, any protocol, written by Python 2 or 3.
        where: The file's name, for the error message.

    Returns:
        The dictionary; every array in it is a read-only uint8 array.

    Raises:
        RdfiaError: If the pickle asks for anything but uint8 arrays, is cut short, or is not a pickle.
    """
    try:
        _check_numbering(data)
        content = _Unpickler(io.BytesIO(data), encoding="bytes").load()
    except _Refused as error:
        raise RdfiaError(f"{where} {error}; {FIX}") from error
    except Exception as error:  # A damaged pickle can raise anything: IndexError, TypeError, MemoryError, ...
        raise RdfiaError(f"{where} {_what_is_wrong(data)}; {FIX}") from error
    if not isinstance(content, dict):
        raise RdfiaError(f"{where} holds no dictionary, so it is not a CIFAR-10 batch; {FIX}")
    named = {_text(key): value for key, value in content.items() if isinstance(key, str | bytes)}
    return {key: value.array if isinstance(value, _Array) else value for key, value in named.items()}


class _Refused(Exception):
    """What the pickle asks for in vain; `read_pickle` puts the file's name in front."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> "_Name":
        if (module, name) not in _ALLOWED:
            asked = f"{module}.{name}".encode("unicode_escape").decode()[:80]
            raise _Refused(f"asks Python to run `{asked}`, which was refused and not executed")
        return _Name(_ALLOWED[module, name])


class _Name:
    """A name that the pickle can only call: it has no attributes for the pickle to set."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., object]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> object:
        return self._function(*args)

    def __setstate__(self, state: object) -> NoReturn:
        raise _Refused("sets attributes on a numpy function, which was refused")


class _Dtype:
    """Stands in for numpy.dtype: keeps the type code and the byte order."""

    __slots__ = ("big_endian", "code")

    def __init__(self, code: object, *_flags: object) -> None:
        self.code = _text(code)
        self.big_endian = False

    def __setstate__(self, state: Sequence[Any]) -> None:
        self.big_endian = _text(state[1]) == ">"


class _Array:
    """Stands in for an empty numpy array that is then given its state."""

    __slots__ = ("array",)

    def __init__(self, *_subtype_shape_code: object) -> None:
        self.array: np.ndarray | None = None

    def __setstate__(self, state: Sequence[Any]) -> None:
        _version, shape, dtype, is_fortran, data = state
        self.array = _uint8_array(data, dtype, shape, "F" if is_fortran else "C")


def _uint8_array(data: object, dtype: object, shape: tuple[int, ...], order: Literal["C", "F"]) -> np.ndarray:
    if not isinstance(dtype, _Dtype) or dtype.code != "u1":
        raise _Refused("holds an array that is not of dtype uint8, which was refused")
    if not isinstance(data, bytes | bytearray) or math.prod(shape) != len(data):
        raise _Refused("holds an array whose bytes do not fill its shape")
    return np.frombuffer(data, np.uint8).reshape(shape, order=order)


def _whole_array(data: object, dtype: object, shape: Any, order: object, *_axis_order: object) -> _Array:
    """Stands in for the function that builds an array all at once in protocol 5."""
    stand_in = _Array()
    stand_in.array = _uint8_array(data, dtype, shape, "F" if _text(order) == "F" else "C")
    return stand_in


def _scalar(dtype: object, data: bytes) -> int:
    """Stands in for a NumPy integer, found in label lists that were made again with NumPy."""
    if not isinstance(dtype, _Dtype) or dtype.code[:1] not in ("i", "u"):
        raise _Refused("holds a numpy scalar that is not an integer, which was refused")
    return int.from_bytes(data, "big" if dtype.big_endian else "little", signed=dtype.code[0] == "i")


def _encode(text: object, encoding: object) -> bytes:
    """Stands in for the function that builds bytes in Python 3's protocol 2."""
    if not isinstance(text, str) or _text(encoding) != "latin1":
        raise _Refused("asks for a text encoding other than latin1, which was refused")
    return text.encode("latin1")


def _no_call(*_args: object) -> NoReturn:
    raise _Refused("builds a numpy array in a way that no CIFAR-10 batch does, which was refused")


_ALLOWED: dict[tuple[str, str], Callable[..., object]] = {
    ("numpy", "dtype"): _Dtype,
    # Only ever named as the first argument of _reconstruct.
    ("numpy", "ndarray"): _no_call,
    ("_codecs", "encode"): _encode,
    # numpy 1 wrote numpy.core, numpy 2 writes numpy._core.
    **{(f"numpy.{core}.multiarray", "_reconstruct"): _Array for core in ("core", "_core")},
    **{(f"numpy.{core}.multiarray", "scalar"): _scalar for core in ("core", "_core")},
    **{(f"numpy.{core}.numeric", "_frombuffer"): _whole_array for core in ("core", "_core")},
}


def _check_numbering(data: bytes) -> None:
    """Refuses a memo number that no writer reaches: the C unpickler makes room for all the numbers below it."""
    for count, (opcode, argument, _position) in enumerate(pickletools.genops(data)):
        if opcode.name.endswith("PUT") and argument is not None and argument > count:
            raise _Refused("numbers its objects as no CIFAR-10 batch does, which was refused")


def _what_is_wrong(data: bytes) -> str:
    if not data:
        return "is empty"
    if data.lstrip()[:1] == b"<":
        return "is a web page and not a CIFAR-10 batch"
    if data[:1] == b"\x80":
        return "is cut short or damaged"
    return "is not a CIFAR-10 batch"


def _text(value: object) -> str:
    return value.decode("latin1") if isinstance(value, bytes) else str(value)

"""The pickles of CIFAR-10, which are data from outside: read without running what they ask for."""

import io
import pickle
import pickletools
from typing import Any

import numpy as np

from rdfia_keras.errors import RdfiaError

FIX = "replace it with the published file"


def read_pickle(data: bytes, where: str) -> dict[str, Any]:
    """Read the dictionary of a CIFAR-10 pickle, of any protocol, its keys as str and its strings as bytes.

    `where` names the file in an error.

    Raises:
        RdfiaError: If the pickle asks for anything but uint8 arrays, or is damaged.
    """
    try:
        _check_numbering(data)
        content = _Unpickler(io.BytesIO(data), encoding="bytes").load()
        return {key.decode() if isinstance(key, bytes) else key: value for key, value in content.items()}
    except _Refused as error:
        raise RdfiaError(f"{where} asks Python to run `{error}`, which was refused and not executed; {FIX}") from error
    except Exception as error:  # A damaged pickle can raise anything: IndexError, TypeError, MemoryError, ...
        raise RdfiaError(f"{where} is empty, cut short or not a CIFAR-10 batch of uint8 arrays; {FIX}") from error


class _Refused(Exception):
    """The name that a pickle asks for in vain."""


class _Unpickler(pickle.Unpickler):
    """An unpickler of uint8 arrays that imports nothing that a pickle names."""

    def find_class(self, module: str, name: str) -> Any:
        """Return a stand-in for one of the few NumPy names of an honest batch.

        NumPy 1 wrote `numpy.core`, NumPy 2 writes `numpy._core`. The stand-ins are made anew each time, because a
        pickle can set attributes on them. NumPy itself checks that an array's bytes fill its shape.
        """
        stand_ins: dict[str, Any] = {
            "numpy.dtype": lambda code, *_flags: {"u1": np.dtype("u1"), b"u1": np.dtype("u1")}[code],
            # Only ever named as an argument of _reconstruct.
            "numpy.ndarray": "ndarray",
            # An empty array, which then gets its state.
            "numpy.core.multiarray._reconstruct": lambda *_arguments: np.empty(0, np.uint8),
            # Protocol 5 builds an array all at once.
            "numpy.core.numeric._frombuffer": lambda data, _dtype, shape, order, *_axes: np.frombuffer(
                data, np.uint8
            ).reshape(shape, order=order),
            # Python 3 writes bytes so in protocol 2.
            "_codecs.encode": lambda text, _latin1: text.encode("latin1"),
        }
        path = f"{module}.{name}".replace("numpy._core.", "numpy.core.")
        if path not in stand_ins:
            raise _Refused(path.encode("unicode_escape").decode()[:80])
        return stand_ins[path]


def _check_numbering(data: bytes) -> None:
    """Refuse a memo number that no writer reaches: the C unpickler makes room for all the numbers below it."""
    for count, (opcode, argument, _position) in enumerate(pickletools.genops(data)):
        if opcode.name.endswith("PUT") and argument is not None and argument > count:
            raise ValueError("a pickle that numbers its objects as no writer does")

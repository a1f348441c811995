"""Inside the child of one submission: load its files, call its functions, send back arrays.

Loaded by `fork_server`, so this file imports the standard library, NumPy and `calling` only. Nothing here is secret and
nothing here can be relied on: it shares its process with the student's code. What it sends is judged elsewhere.

A message to the child is its length and a pickle, of which the parent is trusted. An answer is two lengths, JSON, and
the bytes of the arrays that the JSON describes; nothing in it is ever executed.
"""

import ast
import importlib
import importlib.abc
import importlib.util
import io
import json
import linecache
import marshal
import os
import pickle
import signal
import struct
import sys
import types
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import numpy as np

# rdfia_keras.learn.calling: the fork server sets it.
calling: Any = None

# Of a result: bytes of arrays, entries of lists, characters in all and in one text.
MOST_BYTES = 32 << 20
MOST_NODES = 50_000
MOST_CHARACTERS = 100_000
MOST_IN_TEXT = 200
HEADER = struct.Struct(">II")
ASSIGNMENT_SECONDS = 1.0


class TimeLimit(BaseException):
    """The student's code takes too long."""


class ResultTooLarge(Exception):
    """More than is ever asked for."""


# --- answers ----------------------------------------------------------------------------------------------------------


class Encoder:
    """Turns a result into JSON and the bytes of arrays; what is no number or text goes by its type's name."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []
        self._size = self._nodes = self._characters = 0

    def encode(self, value: Any) -> Any:
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ResultTooLarge(f"the result has more than {MOST_NODES} entries in lists; use arrays")
        if value is None or type(value) in (bool, float, str):
            return {"v": self._text(value) if isinstance(value, str) else value}
        if type(value) is int:
            return {"v": value} if abs(value) < 1 << 63 else {"o": "int beyond 64 bits"}
        if isinstance(value, dict):
            return {"d": [[self._text(str(key)), self.encode(entry)] for key, entry in value.items()]}
        if isinstance(value, (tuple, list)):
            return {"t" if isinstance(value, tuple) else "l": [self.encode(entry) for entry in value]}
        return self._array(value)

    def _text(self, text: str) -> str:
        text = text[:MOST_IN_TEXT]
        self._characters += len(text)
        if self._characters > MOST_CHARACTERS:
            raise ResultTooLarge(f"the result has more than {MOST_CHARACTERS} characters of text")
        return text

    def _array(self, value: Any) -> Any:
        kind = str(type(value).__name__)[:60]
        if not hasattr(value, "shape") and not hasattr(value, "__array__"):
            return {"o": kind}
        try:
            array = np.asarray(value)
        except Exception:
            return {"o": kind}
        if array.dtype.kind not in "biufc":
            return {"o": f"{kind} of {array.dtype}"[:80]}
        if self._size + array.nbytes > MOST_BYTES:
            raise ResultTooLarge(f"the result has shape {array.shape}: more than {MOST_BYTES >> 20} MB")
        begin = self._size
        self.blobs.append(array.tobytes())
        self._size += array.nbytes
        return {"a": [begin, array.dtype.str, array.shape]}


# --- the student's files ----------------------------------------------------------------------------------------------


def kept(tree: ast.Module) -> list[ast.stmt]:
    """Definitions, imports and plain assignments of a file: what makes functions. Plots and training are left out."""
    return [node for node in tree.body if _is_definition(node) or _is_assignment(node)]


def _is_definition(node: ast.stmt) -> bool:
    if isinstance(node, ast.Try):
        return all(isinstance(one, (ast.Import, ast.ImportFrom)) for one in node.body)
    return isinstance(node, (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef))


def _is_assignment(node: ast.stmt) -> bool:
    if isinstance(node, ast.AnnAssign):
        return isinstance(node.target, ast.Name) and node.value is not None
    if not isinstance(node, ast.Assign):
        return False
    return all(isinstance(name, (ast.Name, ast.Tuple)) for name in node.targets)


class Refused(importlib.abc.MetaPathFinder):
    """Says of a library that it is not there in place of Python's own words."""

    def __init__(self, allowed: "frozenset[str] | None", refused: "frozenset[str]"):
        self._allowed, self._refused = allowed, refused

    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        root = name.partition(".")[0]
        allowed = self._allowed is None or root in self._allowed or root in sys.modules
        if root in self._refused or not allowed:
            raise ImportError(f"{root} is not available here: the docstrings say what is allowed")


class Submission:
    """The files of one submission as modules."""

    def __init__(self) -> None:
        self.modules: dict[str, types.ModuleType] = {}

    def load(self, files: "list[tuple[str, list[tuple[str, str]]]]", definitions_only: bool) -> None:
        """Run what makes functions, statement by statement; a statement that fails is left out.

        Args:
            files: Names of modules, each with its pieces: the name and text of a file, or of a notebook's cells.
            definitions_only: Leave assignments out too, because one of them ended the process before.
        """
        for name, _ in files:
            self.modules[name] = types.ModuleType(name)
            if name not in sys.stdlib_module_names and name not in sys.modules:
                sys.modules[name] = self.modules[name]
        for name, pieces in files:
            for file, text in pieces:
                linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
                with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                    for node in kept(ast.parse(text)):
                        if _is_definition(node) or not definitions_only:
                            self._run(node, file, self.modules[name].__dict__)

    @staticmethod
    def _run(node: ast.stmt, file: str, names: dict[str, Any]) -> None:
        if not _is_definition(node):
            signal.setitimer(signal.ITIMER_REAL, ASSIGNMENT_SECONDS)
        try:
            with suppress(BaseException):
                exec(compile(ast.Module([node], []), file, "exec"), names)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    def look(self, module: str, name: str, parameters: list[str]) -> dict[str, str]:
        """Whether a function can be called with these parameters."""
        import inspect

        if name not in vars(self.modules[module]):
            return {"missing": "yes"}
        function = vars(self.modules[module])[name]
        if not callable(function):
            return {"not_callable": calling.describe(function)}
        try:
            signature = inspect.signature(function)
        except (ValueError, TypeError):
            return {}
        try:
            signature.bind(*parameters)
        except TypeError:
            return {"signature": str(signature)[:200]}
        return {}

    def call(
        self,
        module: str,
        name: str,
        arguments: tuple[Any, ...],
        parameters: list[str],
        observe: "Callable[..., Any] | None",
        seconds: float,
        encoder: Encoder,
    ) -> dict[str, Any]:
        """One call: the result, or the exception, and which arguments it changed."""
        function = vars(self.modules[module])[name]
        made = tuple(one.make() if isinstance(one, Fresh) else one for one in arguments)
        before = pickle.loads(pickle.dumps([_plain(one) for one in made]))
        file = getattr(getattr(function, "__code__", None), "co_filename", "")
        signal.setitimer(signal.ITIMER_REAL, seconds)
        try:
            with warnings.catch_warnings(), np.errstate(all="ignore"):
                warnings.simplefilter("ignore")
                value = function(*made)
                signal.setitimer(signal.ITIMER_REAL, 0)
                changed = [
                    name
                    for name, old, new in zip(parameters, before, made, strict=False)
                    if old is not None and not calling.unchanged(old, new)
                ]
                if observe is not None and value is not None:
                    try:
                        value = observe(value, *made)
                    except Exception as error:
                        text = f"the result cannot be used: {error}"[:300]
                        return {"failure": {"kind": type(error).__name__, "text": text}}
                return {"value": encoder.encode(value), "changed": changed}
        except BaseException as error:
            failure = calling.failure_of(error, file)
            return {"failure": {key: str(entry)[:500] for key, entry in vars(failure).items()}}
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)


def _plain(value: Any) -> Any:
    """A value that a call might change, or None."""
    if isinstance(value, dict):
        return value if all(isinstance(entry, np.ndarray) for entry in value.values()) else None
    return value if isinstance(value, (np.ndarray, list)) else None


# --- messages ---------------------------------------------------------------------------------------------------------


class Fresh:
    """An argument that is made here, for each call: a Keras model."""

    def __init__(self, make: Callable[[], Any]):
        self.make = make


class Lazy:
    """A module that is imported when it is first used."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


class Unpickler(pickle.Unpickler):
    """Makes functions, modules and tensors of what `wire.Pickler` made of them."""

    def persistent_load(self, pid: Any) -> Any:
        kind, *rest = pid
        if kind == "module":
            return Lazy(rest[0])
        if kind == "fresh":
            return Fresh(rest[0])
        if kind == "tensor":
            return importlib.import_module("tensorflow").constant(rest[0])
        code, names, defaults, closure = rest
        cells = tuple(types.CellType(value) for value in closure)
        code = marshal.loads(code)
        return types.FunctionType(code, {"__builtins__": __builtins__, **names}, code.co_name, defaults, cells)


def _read(file: int, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = os.read(file, size - len(data))
        if not more:
            os._exit(0)
        data += more
    return data


def _answer(submission: Submission, job: dict[str, Any], encoder: Encoder) -> dict[str, Any]:
    wanted = {key: value for key, value in job.items() if key != "do"}
    if job["do"] == "load":
        submission.load(**wanted)
        return {}
    return submission.look(**wanted) if job["do"] == "look" else submission.call(**wanted, encoder=encoder)


def serve(jobs: int, answers: int, refused: Refused) -> None:
    """Do what the parent asks until it closes the pipe."""

    def too_long(number: int, frame: Any) -> None:
        raise TimeLimit("it takes too long: is there an endless loop?")

    signal.signal(signal.SIGALRM, too_long)
    sys.meta_path.insert(0, refused)
    submission = Submission()
    while True:
        (size,) = struct.unpack(">I", _read(jobs, 4))
        job = Unpickler(io.BytesIO(_read(jobs, size))).load()
        encoder = Encoder()
        try:
            answer = _answer(submission, job, encoder)
        except BaseException:  # Of an object of the student's that is looked at, as in a __str__ of its own.
            answer = {"failure": {"kind": "Exception", "text": "what it raises or returns fails when it is looked at"}}
        text, blob = json.dumps(answer).encode(), b"".join(encoder.blobs)
        for data in (HEADER.pack(len(text), len(blob)), text, blob):
            view = memoryview(data)
            while view:
                view = view[os.write(answers, view) :]

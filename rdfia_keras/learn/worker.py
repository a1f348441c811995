"""The process that runs a student's code: it loads files, calls functions and sends back arrays.

A script: `sandbox` starts it for `rdfia learn check`, `run` and `grade` alike. It needs Python's own library and NumPy
only, so the rest of the package is not in its memory. Nothing in it is secret, and nothing that it sends is trusted,
because it shares its process with the student's code.

A message to the worker is its length and a pickle. An answer is two lengths, JSON, and the bytes of the arrays that the
JSON describes; nothing in an answer is executed. See `protocol` for the other side.
"""

import __future__

import ast
import builtins
import copy
import importlib
import importlib.abc
import importlib.util
import inspect
import io
import json
import linecache
import marshal
import os
import pickle
import re
import signal
import struct
import sys
import time
import traceback
import types
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

# Limits of a result: bytes of arrays, entries of lists, characters in all and in one text.
MOST_BYTES, MOST_NODES, MOST_CHARACTERS, MOST_IN_TEXT = 32 << 20, 200_000, 100_000, 200
HEADER = struct.Struct(">II")
# For a statement at the top level of a file that may be a plot or a training. Others have half of the time left.
ACTION_SECONDS = 1.0
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
# No exercise allows them, or they are of no use here and slow.
UNAVAILABLE = frozenset({"matplotlib", "seaborn", "pandas", "torch", "jax", "sklearn", "IPython"})

# The student's files by the names that code objects have; the student's functions that are running; the forbidden
# libraries that were used.
student_files: set[str] = set()
running: list[str] = []
used_libraries: list[str] = []


class TimeLimit(BaseException):
    """The student's code takes too long."""


class ResultTooLarge(Exception):
    """A result has more than is ever asked for."""


@dataclass(frozen=True)
class Factory:
    """An argument that is made anew for each call, because it cannot be copied: a Keras model, a variable."""

    make: Callable[[], Any]


class Deferred:
    """A module that is imported when it is first used: the list of exercises needs no TensorFlow."""

    def __init__(self, name: str):
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        return getattr(importlib.import_module(self._name), attribute)


@dataclass(frozen=True)
class Opaque:
    """A result that is no number, text or array: its type's name is all that is sent."""

    type_name: str


# --- call a function --------------------------------------------------------------------------------------------------


def call(
    function: Callable[..., Any],
    arguments: Sequence[Any],
    observe: Callable[..., Any] | None = None,
    calls: int = 1,
) -> dict[str, Any]:
    """Call a function; whatever it raises is part of the answer.

    Args:
        function: The student's function or a reference.
        arguments: The call may change them.
        observe: Turns result and arguments into what is compared.
        calls: How often it is called with them; more than one result is a list.

    Returns:
        `failure`, or `value` and `arguments`, as they are after the call: None for those that cannot be compared.
    """
    arguments = [argument.make() if isinstance(argument, Factory) else argument for argument in arguments]
    plain = [_is_plain(argument) for argument in arguments]
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            value = function(*arguments)
            if calls > 1 and value is not None:
                value = [value, *(function(*arguments) for _ in range(1, calls))]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return {"failure": failure_of(error, getattr(getattr(function, "__code__", None), "co_filename", ""))}
    after = [copy.deepcopy(argument) if kept else None for argument, kept in zip(arguments, plain, strict=True)]
    if observe is not None and value is not None:
        try:
            value = observe(value, *arguments)
        except Exception as error:
            text = f"the result cannot be used: {_message(error)}"
            return {"failure": {"kind": type(error).__name__, "text": text[:300]}}
    return {"value": value, "arguments": after}


def _is_plain(value: Any) -> bool:
    """Return whether a call could change a value in a way that can be seen."""
    if isinstance(value, dict):
        return all(isinstance(entry, np.ndarray) for entry in value.values())
    return isinstance(value, np.ndarray | list)


def changed(parameters: Sequence[str], before: Sequence[Any], after: Sequence[Any]) -> tuple[str, ...]:
    """Return the parameters whose arguments a call changed."""
    triples = zip(parameters, before, after, strict=False)
    return tuple(name for name, old, new in triples if new is not None and not unchanged(old, new))


def unchanged(before: Any, after: Any) -> bool:
    """Return whether an argument is what it was."""
    if isinstance(before, np.ndarray):
        return isinstance(after, np.ndarray) and np.array_equal(before, after, equal_nan=before.dtype.kind == "f")
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(unchanged(before[key], after[key]) for key in before)
    if isinstance(before, list | tuple):
        return len(before) == len(after) and all(map(unchanged, before, after))
    return before == after if isinstance(before, str | int | float) else True


def failure_of(error: BaseException, file: str = "") -> dict[str, str]:
    """Return what an exception says, with the innermost line of the student's and the shapes of the arrays in it.

    Args:
        error: The exception.
        file: The file that counts as the student's where none was loaded.
    """
    failure = {"kind": type(error).__name__, "text": " ".join(_message(error).split())[:300]}
    failure |= {"function": running[-1]} if running else {}
    files = student_files or {file}
    frames = [place for place in traceback.walk_tb(error.__traceback__) if place[0].f_code.co_filename in files]
    if not frames:
        return failure
    frame, line = frames[-1]
    file = frame.f_code.co_filename
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
    return {**failure, "where": f"{Path(file).name}, line {line}", "code": code, "shapes": ", ".join(shapes)[:300]}


def _message(error: BaseException) -> str:
    """Return what an exception says, without the folders of this installation; nothing where its own code fails."""
    try:
        text = str(error)
    except Exception:
        return ""
    for folder in sorted(filter(None, sys.path), key=len, reverse=True):
        text = text.replace(folder + os.sep, "")
    return text


def _shape(value: Any) -> str:
    """Return the shape of an array; nothing for what has none, or fails to tell it."""
    try:
        return str(tuple(value.shape))
    except Exception:
        return ""


def describe(value: Any) -> str:
    """Return in a few words what somebody returned."""
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
    return f"a {value.type_name if isinstance(value, Opaque) else type(value).__name__}"


# --- libraries --------------------------------------------------------------------------------------------------------


class LibraryNotAllowed(ImportError):
    """A library is of no use here, or does what the exercise is about."""


class LibraryName:
    """A library that is not allowed, or a name of it: it can be imported, and its use is noted and fails.

    So what counts is what a function uses when it is called, in whatever file and under whatever name, and not what
    stands in functions that are not called.
    """

    def __init__(self, library: str):
        self._library = library

    def __getattr__(self, name: str) -> "LibraryName":
        if name.startswith("__"):
            raise AttributeError(name)
        return LibraryName(self._library)


def _note_use(self: LibraryName, *arguments: Any, **options: Any) -> Any:
    used_libraries.append(self._library)
    raise LibraryNotAllowed(f"{self._library} is not allowed here: the docstrings say what is")


_OPERATIONS = "add sub mul truediv matmul pow"
_USES = "call getitem setitem delitem contains iter next len array float int index enter neg lt gt"
for _use in f"{_USES} {_OPERATIONS} r{_OPERATIONS.replace(' ', ' r')}".split():
    setattr(LibraryName, f"__{_use}__", _note_use)


class LibraryRules(importlib.abc.MetaPathFinder):
    """Decides what can be imported; an import statement of the student's gets a stand-in for what cannot.

    Args:
        forbidden: Libraries that no function may use.
        keras: Whether the other libraries that are installed may be imported; otherwise it is NumPy only.
    """

    def __init__(self, forbidden: Sequence[str], keras: bool):
        self.forbidden = frozenset(forbidden)
        self.allowed = None if keras else {*sys.stdlib_module_names, "numpy"}

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return None: other finders look for what may be imported.

        Raises:
            LibraryNotAllowed: If the library is forbidden, or of no use here.
            ModuleNotFoundError: If it may not be imported.
        """
        root = name.partition(".")[0]
        if root in self.forbidden:
            _note_use(LibraryName(root))
        if root in UNAVAILABLE:
            raise LibraryNotAllowed(f"{root} is not available here: the docstrings say what is allowed")
        if self.allowed is not None and root not in self.allowed and root not in sys.modules:
            raise ModuleNotFoundError(f"{root} is not available here: the docstrings say what is allowed")
        return None


# --- the student's files ----------------------------------------------------------------------------------------------


@contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """Raise `TimeLimit` in the code that still runs then; where the system has no such clock, the parent's counts.

    Within another limit, that one goes on afterwards.
    """
    if not hasattr(signal, "setitimer"):
        yield
        return
    begin = time.monotonic()
    outer = signal.getitimer(signal.ITIMER_REAL)[0]
    signal.setitimer(signal.ITIMER_REAL, min(seconds, outer or seconds))
    try:
        yield
    finally:
        left = max(outer - (time.monotonic() - begin), 1e-3) if outer else 0
        signal.setitimer(signal.ITIMER_REAL, left)


def _imports(node: ast.stmt) -> list[ast.stmt]:
    """Return the imports that a statement is made of, one for each module; none where it is something else."""
    if isinstance(node, ast.Import):
        return [ast.copy_location(ast.Import([alias]), node) for alias in node.names]
    if isinstance(node, ast.Try):
        inner = [_imports(entry) for entry in node.body]
        return [entry for entries in inner for entry in entries] if all(inner) else []
    return [node] if isinstance(node, ast.ImportFrom) else []


def _bound(node: ast.stmt) -> set[str]:
    """Return the names that an import sets."""
    assert isinstance(node, ast.Import | ast.ImportFrom)
    return {alias.asname or alias.name.partition(".")[0] for alias in node.names}


def _acts(node: ast.stmt) -> bool:
    """Return whether a statement may be a plot or a training: it is run, but briefly, and nobody misses it."""
    return isinstance(node, ast.Expr | ast.For | ast.While | ast.Assert | ast.Delete)


class StudentFiles(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """The student's files as modules, which can import each other.

    All statements run, one by one. One that fails or takes too long is left out: a plot, a training, `input()`.

    Args:
        files: Names of modules, each with its pieces: name and text of a file, or of a notebook's cells.
        folders: Names of folders that files are in, which are packages.
        definitions_only: Run only imports and definitions, because something else ended the process before.
        seconds: For all of it.
        stand_ins: Libraries whose names can be imported in vain.
    """

    def __init__(
        self,
        files: "dict[str, list[tuple[str, str]]]",
        folders: Sequence[str],
        definitions_only: bool,
        seconds: float,
        stand_ins: frozenset[str],
    ):
        self._files, self._folders, self._definitions_only = files, folders, definitions_only
        self._stand_ins = stand_ins
        self._end = time.monotonic() + seconds
        self._modules: dict[str, types.ModuleType] = {}
        self.failures: list[dict[str, str]] = []
        self._failed: dict[tuple[str, str], dict[str, str]] = {}
        sys.meta_path.append(self)
        for name, pieces in files.items():
            for file, text in pieces:
                student_files.add(file)
                linecache.cache[file] = (len(text), None, io.StringIO(text).readlines(), file)
            if name not in self._modules:
                module = types.ModuleType(name)
                # A file that is called like a library's hides nothing.
                if name not in sys.modules and name not in sys.stdlib_module_names:
                    sys.modules[name] = module
                self.exec_module(module)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Return how one of the files, or a folder of them, is imported; None for other names."""
        stem = name.rpartition(".")[2]
        if stem in self._files:
            return importlib.util.spec_from_loader(name, self)
        return importlib.util.spec_from_loader(name, self, is_package=True) if stem in self._folders else None

    def create_module(self, spec: Any) -> None:
        """Leave it to Python."""

    def exec_module(self, module: types.ModuleType) -> None:
        """Run a file's statements."""
        name = module.__name__.rpartition(".")[2]
        self._modules.setdefault(name, module)
        vars(module)["__builtins__"] = {**vars(builtins), "__import__": self._import}
        flags = 0
        for file, text in self._files.get(name, []):
            with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                for node in ast.parse(text).body:
                    if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                        flags |= sum(getattr(__future__, alias.name).compiler_flag for alias in node.names)
                    elif imports := _imports(node):
                        self._run_imports(node, imports, file, module, flags)
                    elif isinstance(node, DEFINITIONS) or not self._definitions_only:
                        left = max(self._end - time.monotonic(), 0.1) / 2
                        self._run(node, file, module, flags, min(left, ACTION_SECONDS) if _acts(node) else left)

    def _import(self, name: str, *rest: Any) -> Any:
        """Import as Python does, but for libraries that are not allowed: their names can be imported in vain."""
        root = name.partition(".")[0]
        level = rest[3] if len(rest) > 3 else 0
        if root in self._stand_ins and not level and root not in self._files:
            return LibraryName(root)
        return builtins.__import__(name, *rest)

    def _run_imports(
        self, node: ast.stmt, imports: Sequence[ast.stmt], file: str, module: types.ModuleType, flags: int
    ) -> None:
        """Run imports so that one which fails does not take the others with it."""
        if isinstance(node, ast.Try):
            self._run(node, file, module, flags, 60.0)
        for entry in imports:
            if not isinstance(node, ast.Try) or not _bound(entry) & vars(module).keys():
                self._run(entry, file, module, flags, 60.0)

    def _run(self, node: ast.stmt, file: str, module: types.ModuleType, flags: int, seconds: float) -> None:
        try:
            code = compile(ast.Module([node], []), file, "exec", flags, dont_inherit=True)
            with time_limit(seconds):
                exec(code, vars(module))
        except TimeLimit:
            where, code = f"{Path(file).name}, line {node.lineno}", linecache.getline(file, node.lineno).strip()
            self.failures.append({"kind": "TimeLimit", "text": "", "where": where, "code": code})
        except BaseException as error:
            failure = failure_of(error)
            if not _acts(node):
                self.failures.append(failure)
            if isinstance(node, ast.FunctionDef):
                self._failed[module.__name__, node.name] = failure

    def look(self, module: str, name: str, parameters: Sequence[str]) -> dict[str, Any]:
        """Return what keeps a function from being called with these parameters; nothing where it can be."""
        wanted = f"{name}({', '.join(parameters)})"
        if name not in vars(self._modules[module]):
            if failure := self._failed.get((module, name)):
                return {"failure": failure}
            return {"problem": f"{name} is not there after the file was imported: write def {wanted}."}
        function = vars(self._modules[module])[name]
        if not callable(function):
            return {"problem": f"{name} is {describe(function)}, not a function: write def {wanted}."}
        try:
            signature = inspect.signature(function)
        except (ValueError, TypeError):
            return {}
        try:
            signature.bind(*parameters)
        except TypeError:
            shown = str(signature)[:MOST_IN_TEXT]
            return {"problem": f"The signature is {name}{shown}; it should be {wanted}."}
        return {}

    def function(self, module: str, name: str) -> Callable[..., Any]:
        """Return a function that notes that it runs, so that a failure can be attributed to it."""
        function = vars(self._modules[module])[name]

        def run(*arguments: Any) -> Any:
            running.append(name)
            value = function(*arguments)
            running.pop()
            return value

        return run


# --- messages ---------------------------------------------------------------------------------------------------------


class Encoder:
    """Turns a result into JSON and the bytes of arrays; what is no number or text goes by its type's name."""

    def __init__(self) -> None:
        self.blobs: list[bytes] = []
        self._size = self._nodes = self._characters = 0

    def encode(self, value: Any) -> Any:
        """Return the JSON of a result, and add its arrays to `blobs`.

        Raises:
            ResultTooLarge: If it has more than is ever asked for.
        """
        self._nodes += 1
        if self._nodes > MOST_NODES:
            raise ResultTooLarge(f"the result has more than {MOST_NODES} entries in lists; use arrays")
        if isinstance(value, str):
            return {"v": self._text(str.__str__(value))}  # Also NumPy's.
        if value is None or type(value) in (bool, float):
            return {"v": value}
        if type(value) is int:
            return {"v": value} if abs(value) < 1 << 63 else {"o": "int beyond 64 bits"}
        if isinstance(value, dict):
            return {"d": [[self._text(str(key)), self.encode(entry)] for key, entry in value.items()]}
        if isinstance(value, tuple | list):
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


class Unpickler(pickle.Unpickler):
    """Makes functions, modules and tensors of what `protocol.Pickler` made of them."""

    def __init__(self, file: BinaryIO, students: StudentFiles | None):
        super().__init__(file)
        self._students = students

    def persistent_load(self, pid: Any) -> Any:
        """Return what `protocol.Pickler.persistent_id` stands for."""
        kind, *rest = pid
        if kind == "student":
            return self._students.function(*rest)  # type: ignore[union-attr]
        if kind == "module":
            return Deferred(rest[0])
        if kind == "factory":
            return Factory(rest[0])
        if kind == "tensor":
            return importlib.import_module("tensorflow").constant(rest[0])
        code, names, defaults, closure = rest
        cells = tuple(types.CellType(value) for value in closure)
        code = marshal.loads(code)
        names = {"__builtins__": __builtins__, **names}
        function = types.FunctionType(code, names, code.co_name, defaults, cells)
        names.setdefault(code.co_name, function)  # A recursive function is not sent with itself.
        return function


class Server:
    """Does what the parent asks until it closes the pipe."""

    def __init__(self, jobs: BinaryIO, answers: BinaryIO):
        self._jobs, self._answers, self._process = jobs, answers, os.getpid()
        self._students: StudentFiles | None = None

    def serve(self, rules: LibraryRules) -> None:
        """Answer jobs until there are no more."""
        self._send({"ready": True}, Encoder())
        while size := self._jobs.read(4):
            data = io.BytesIO(self._jobs.read(int.from_bytes(size, "big")))
            encoder = Encoder()
            try:
                answer = self._answer(Unpickler(data, self._students).load(), rules, encoder)
            except BaseException:  # Of an object of the student's that is looked at, as in a __str__ of its own.
                answer = {"failure": {"kind": "Exception", "text": "what it raises or returns fails when looked at"}}
            if os.getpid() != self._process:
                os._exit(0)
            self._send(answer, encoder)

    def _answer(self, job: dict[str, Any], rules: LibraryRules, encoder: Encoder) -> dict[str, Any]:
        kind, seconds = job.pop("do"), job.pop("seconds")
        if kind == "load":
            if rules.allowed is not None:
                rules.allowed.update(job["files"], job["folders"])
            self._students = StudentFiles(**job, seconds=seconds, stand_ins=rules.forbidden | UNAVAILABLE)
            return {"failures": self._students.failures[:5]}
        if kind == "look":
            return self._students.look(**job)  # type: ignore[union-attr]
        running.clear()
        used_libraries.clear()
        with time_limit(seconds):
            answer = call(**job)
        if "value" in answer:
            try:
                answer = {"value": encoder.encode((answer["value"], answer["arguments"]))}
            except ResultTooLarge as error:
                answer = {"failure": {"kind": "ResultTooLarge", "text": str(error)}}
        return {**answer, "library": used_libraries[0] if used_libraries else ""}

    def _send(self, answer: dict[str, Any], encoder: Encoder) -> None:
        text, blob = json.dumps(answer).encode(), b"".join(encoder.blobs)
        self._answers.write(HEADER.pack(len(text), len(blob)) + text + blob)
        self._answers.flush()


def limit_resources(memory: int, seconds: int) -> None:
    """Limit what the process may take; nothing of it depends on who the user is.

    Args:
        memory: Bytes of address space beyond what is in use.
        seconds: Seconds of CPU time.
    """
    if sys.platform == "win32":
        return
    import resource

    limits = {resource.RLIMIT_CPU: seconds, resource.RLIMIT_FSIZE: 16 << 20, resource.RLIMIT_CORE: 0}
    if sys.platform == "linux":
        in_use = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        limits |= {resource.RLIMIT_AS: in_use + memory, resource.RLIMIT_NOFILE: 64}
    for kind, most in limits.items():
        hard = resource.getrlimit(kind)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(kind, (most, most))


def main() -> None:
    """Import the libraries, set the limits, and answer the parent's jobs."""
    settings = json.loads(sys.argv[1])
    # The student's code has an empty standard input, and prints to standard error; native libraries do not.
    jobs, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    sys.stdout = sys.stderr = os.fdopen(os.dup(2), "w", buffering=1, encoding="utf-8", errors="backslashreplace")
    null = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(null, standard)

    def too_long(number: int, frame: Any) -> None:
        raise TimeLimit("it takes too long: is there an endless loop?")

    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, too_long)
    for name in settings["imports"]:
        importlib.import_module(name)
    limit_resources(settings["memory"], settings["cpu_seconds"])
    builtins.exit = builtins.quit = sys.exit  # type: ignore[assignment]  # As the module site does it.
    rules = LibraryRules(settings["forbidden"], bool(settings["imports"]))
    sys.meta_path.insert(0, rules)
    try:
        Server(jobs, answers).serve(rules)
    except BaseException:
        os._exit(4)
    os._exit(0)


if __name__ == "__main__":
    main()

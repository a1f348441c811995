"""Read what a class handed in, without running anything of it: folders, archives and what Moodle makes of them.

Archives are read in memory, so that nothing in them can be written anywhere; links are not followed.
"""

import ast
import hashlib
import io
import json
import re
import tarfile
import tokenize
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.exercise import Exercise
from rdfia_keras.learn.exercises import EXERCISES, PARTS
from rdfia_keras.learn.files import Written, written

MOST_BYTES, MOST_FILES = 4 << 20, 200
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_[a-z]+_?(?P<rest>.*)")


@dataclass(frozen=True)
class Submission:
    """What one student handed in.

    Attributes:
        student: The name.
        number: Moodle's number of the participant, or nothing.
        files: Paths within the submission with contents, in order of path.
        problems: Why something of it could not be read.
    """

    student: str
    number: str
    files: tuple[tuple[str, bytes], ...]
    problems: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """Of everything in it."""
        made = hashlib.sha256(repr((self.student, self.number, self.problems)).encode())
        for path, data in self.files:
            made.update(f"{path}\0{len(data)}\0".encode(errors="replace") + data)
        return made.hexdigest()


# --- find -------------------------------------------------------------------------------------------------------------


def read_class(where: Path) -> list[Submission]:
    """The submissions in a folder or an archive, by name.

    A submission is a folder, a file or an archive in it; Moodle's names of folders and files are understood.

    Raises:
        RdfiaError: When there is none, or it cannot be read.
    """
    if not where.exists():
        raise RdfiaError(f"there is no {where}: give the folder or the archive of submissions")
    try:
        found = list(_in_folder(where) if where.is_dir() else _in_archive(where.name, where.read_bytes()))
    except OSError as error:
        raise RdfiaError(f"cannot read {where}: {error.strerror}") from error
    except (zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError) as error:
        raise RdfiaError(f"{where} is no folder, .zip or .tar archive: give the submissions as one of them") from error
    by_student: dict[tuple[str, str], dict[str, bytes | str | None]] = {}
    for path, data in _without_wrapper([one for one in found if not _is_litter(one[0])]):
        top, *below = path.parts
        moodle = _MOODLE.fullmatch(top)
        name, number = (moodle["name"], moodle["number"]) if moodle else (top, "")
        if not below and not moodle:
            name = name.removesuffix("".join(_suffixes(top))) if data is not None else name
        inner = "/".join(below) or (moodle["rest"] if moodle else "") or top
        by_student.setdefault((name, number), {})[inner] = data
    if not by_student:
        raise RdfiaError(f"{where} has no submissions: a folder, a .py, a .ipynb or an archive for each student")
    return [_submission(*key, files) for key, files in sorted(by_student.items())]


Found = tuple[PurePosixPath, bytes | str | None]


def _in_folder(folder: Path) -> Iterator[Found]:
    """Files with contents, folders with None, what cannot be read with the reason."""
    for path in sorted(folder.rglob("*")):
        name = PurePosixPath(path.relative_to(folder).as_posix())
        if path.is_symlink() or (not path.is_file() and not path.is_dir()):
            yield name, "it is a link, which is not followed"
        elif path.is_dir():
            yield name, None
        elif _matters(name):
            try:
                yield name, path.read_bytes() if path.stat().st_size <= MOST_BYTES else _too_large()
            except OSError as error:
                yield name, f"it cannot be read: {error.strerror}"
        elif len(name.parts) > 1:
            yield name.parent, None


def _in_archive(name: str, data: bytes) -> Iterator[Found]:
    if name.endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in archive.infolist():
                path = PurePosixPath(entry.filename)
                if entry.is_dir():
                    yield path, None
                elif _matters(path):
                    large = entry.file_size > MOST_BYTES
                    yield path, _too_large() if large else archive.open(entry).read(MOST_BYTES)
    else:
        with tarfile.open(fileobj=io.BytesIO(data)) as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if member.isdir():
                    yield path, None
                elif member.isfile() and _matters(path):
                    file = tar.extractfile(member)
                    large = member.size > MOST_BYTES or file is None
                    yield path, _too_large() if large or file is None else file.read(MOST_BYTES)


def _too_large() -> str:
    return f"it has more than {MOST_BYTES >> 20} MB"


def _suffixes(name: str) -> list[str]:
    return [".tar", ".gz"] if name.endswith(".tar.gz") else [PurePosixPath(name).suffix]


def _matters(path: PurePosixPath) -> bool:
    return path.name.lower().endswith((".py", ".ipynb", *_ARCHIVES))


def _is_litter(path: PurePosixPath) -> bool:
    return any(part.startswith((".", "__")) and part != "__init__.py" for part in path.parts) or not path.parts


def _without_wrapper(found: list[Found]) -> list[Found]:
    """Without a folder that holds the whole class, as archives often have one."""
    tops = {path.parts[0] for path, _ in found}
    if len(tops) != 1 or _MOODLE.fullmatch(next(iter(tops), "")):
        return found
    inner: list[Found] = [(PurePosixPath(*path.parts[1:]), data) for path, data in found if len(path.parts) > 1]
    students = {
        path.parts[0] for path, data in inner if data is None or len(path.parts) > 1 or _MOODLE.fullmatch(path.parts[0])
    }
    return inner if len(students) > 1 else found


def _submission(name: str, number: str, found: dict[str, bytes | str | None]) -> Submission:
    files: dict[str, bytes] = {}
    problems = []
    for path, data in found.items():
        if isinstance(data, str):
            problems.append(f"{path}: {data}")
        elif data is not None and path.endswith(_ARCHIVES):
            try:
                for inner, content in _in_archive(path, data):
                    if isinstance(content, bytes) and not _is_litter(inner) and not str(inner).endswith(_ARCHIVES):
                        files[str(inner)] = content
                    if len(files) > MOST_FILES:
                        raise ValueError("too many files")
            except (zipfile.BadZipFile, tarfile.TarError, EOFError, ValueError, OSError, RuntimeError, KeyError):
                problems.append(f"{path}: the archive cannot be read")
        elif data is not None:
            files[path] = data
    return Submission(name, number, tuple(sorted(files.items()))[:MOST_FILES], tuple(problems))


# --- read -------------------------------------------------------------------------------------------------------------


@dataclass
class Module:
    """A file as Python: one piece, or one for each of a notebook's cells.

    Attributes:
        name: To import it by.
        file: Its path in the submission.
        pieces: Names and texts.
        problems: What of it is not Python, a sentence each.
        functions: What the text says of each function.
        nodes: Definitions by name.
        imports: Names with the library that they are from.
    """

    name: str
    file: str
    pieces: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    functions: dict[str, Written] = field(default_factory=dict)
    nodes: dict[str, ast.stmt] = field(default_factory=dict)
    imports: dict[str, str] = field(default_factory=dict)


def modules(submission: Submission) -> list[Module]:
    """The files of a submission; those that are not called after a part come first, since others may import them."""
    made = [_module(path, data) for path, data in submission.files]
    return sorted(made, key=lambda one: (one.name in PARTS, list(PARTS).index(one.name) if one.name in PARTS else 0))


def _module(path: str, data: bytes) -> Module:
    module = Module(re.sub(r"\W", "_", PurePosixPath(path).stem), path)
    try:
        pieces = _cells(path, data) if path.endswith(".ipynb") else [(path, _decoded(data))]
    except (ValueError, SyntaxError, KeyError, TypeError, AttributeError, RecursionError):
        kind = "a notebook" if path.endswith(".ipynb") else "Python in UTF-8"
        module.problems.append(f"{path} is not {kind}: it cannot be read.")
        return module
    for name, text in pieces:
        try:
            tree = ast.parse(text)
            found, nodes, imports = written(tree), _nodes(tree), _imports(tree)
        except SyntaxError as error:
            module.problems.append(f"{name}, line {error.lineno}: {type(error).__name__}: {error.msg}.")
            continue
        except (ValueError, RecursionError, MemoryError):
            module.problems.append(f"{name} is no Python that can be read.")
            continue
        module.pieces.append((name, text))
        module.functions |= found
        module.nodes |= nodes
        module.imports |= imports
    return module


def _decoded(data: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    return data.decode(encoding)


def _cells(path: str, data: bytes) -> list[tuple[str, str]]:
    """The code cells of a notebook, with their numbers among all cells."""
    pieces = []
    for number, cell in enumerate(json.loads(data.decode("utf-8"))["cells"], 1):
        if cell["cell_type"] == "code":
            source = cell["source"]
            text = source if isinstance(source, str) else "".join(source)
            pieces.append((f"{path}, cell {number}", _without_magic(text)))
    return pieces


def _without_magic(text: str) -> str:
    """A cell without !commands and %magics; lines keep their numbers."""
    try:
        ast.parse(text)
        return text
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        pass
    if re.match(r"\s*%%(?!time|capture|timeit|prun)", text):
        return ""
    magic = re.compile(r"^(\s*)(?:%{1,2}[a-zA-Z]|!|\?|[\w.]+\?+\s*$|\w+\s*=\s*[!%][a-zA-Z]).*$", re.MULTILINE)
    return magic.sub(r"\1pass", text)


def _nodes(tree: ast.Module) -> dict[str, ast.stmt]:
    found: dict[str, ast.stmt] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found[node.name] = node
        elif isinstance(node, ast.Assign):
            found |= {target.id: node for target in node.targets if isinstance(target, ast.Name)}
    return found


def _imports(tree: ast.AST) -> dict[str, str]:
    """Names with the library that they are from."""
    found = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                found[alias.asname or alias.name.partition(".")[0]] = alias.name.partition(".")[0]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {alias.asname or alias.name: node.module.partition(".")[0] for alias in node.names}
    return found


def home_of(exercise: Exercise, files: list[Module]) -> Module | None:
    """The file with an exercise's function: the one called after its part, else the last that has it, filled in."""
    having = [one for one in files if exercise.name in one.functions]
    filled = [one for one in having if one.functions[exercise.name].filled_in]
    own = [one for one in filled if one.name == exercise.part]
    return (own or filled or having or [None])[-1]  # type: ignore[list-item]


def used_library(name: str, module: Module, forbidden: frozenset[str]) -> str:
    """A forbidden library that a function uses, itself or through others of its file, or nothing."""
    seen, todo = set(), [name]
    while todo:
        name = todo.pop()
        if name in seen:
            continue
        seen.add(name)
        if module.imports.get(name) in forbidden:
            return module.imports[name]
        if node := module.nodes.get(name):
            inside = _imports(node)
            if found := sorted(forbidden.intersection(inside.values())):
                return found[0]
            todo += [one.id for one in ast.walk(node) if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Load)]
    return ""


def is_copy(exercise: Exercise, module: Module) -> bool:
    """Whether a function equals our solution but for names, comments and layout.

    Solutions of a single short statement are not looked at: many students write those alike.
    """
    node = module.nodes.get(exercise.name)
    if not isinstance(node, ast.FunctionDef):
        return False
    ours = ast.parse(exercise.source).body[0]
    assert isinstance(ours, ast.FunctionDef)
    return sum(1 for _ in ast.walk(ours)) >= 90 and _normal(node) == _normal(ours)


def _normal(function: ast.FunctionDef) -> str:
    """A function's code with its names numbered in order of appearance, and without docstring and annotations."""
    body = function.body[1:] if ast.get_docstring(function) is not None else function.body
    numbers: dict[str, str] = {}
    made = ast.parse(ast.unparse(ast.Module(body, [])))
    for one in [function.args, *made.body]:
        for node in ast.walk(one):
            if isinstance(node, ast.arg):
                node.arg, node.annotation = numbers.setdefault(node.arg, f"name{len(numbers)}"), None
            elif isinstance(node, ast.Name):
                node.id = numbers.setdefault(node.id, f"name{len(numbers)}")
    return ast.dump(made)


def all_exercises() -> list[Exercise]:
    """In the order of the homework."""
    return list(EXERCISES.values())

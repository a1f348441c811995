"""Read what a class handed in, without running anything of it: folders, archives and what Moodle makes of them.

Archives are read in memory, so that nothing in them can be written anywhere; links are not followed.
"""

import ast
import copy
import gzip
import hashlib
import io
import json
import os
import re
import tarfile
import tokenize
import warnings
import zipfile
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.exercise import Exercise
from rdfia_keras.learn.exercises import EXERCISES, PARTS
from rdfia_keras.learn.files import Written, written
from rdfia_keras.learn.grading.wire import plain

# Of a file, and of a submission: bytes of all its files, the files, and characters of code without notebooks' outputs.
MOST_BYTES, MOST_IN_ALL, MOST_FILES, MOST_CODE = 4 << 20, 32 << 20, 200, 512 << 10
# Others are ways to hide code, or take very long to decode.
_ENCODINGS = frozenset({"utf-8", "utf-8-sig", "ascii", "iso-8859-1", "iso-8859-15", "cp1252"})
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_[a-z]+_?(?P<rest>.*)", re.DOTALL)


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
    found = list(_in_folder(where)) if where.is_dir() else _in_class_archive(where)
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
    return _named_apart([_submission(*key, files) for key, files in sorted(by_student.items())])


Found = tuple[PurePosixPath, bytes | str | None]


def _named_apart(submissions: list[Submission]) -> list[Submission]:
    """With numbers where only characters that are not shown tell two students apart."""
    made: dict[tuple[str, str], Submission] = {}
    for one in submissions:
        student, count = one.student, 1
        while (student, one.number) in made:
            count += 1
            student = f"{one.student} ({count})"
        made[student, one.number] = replace(one, student=student)
    return list(made.values())


def _in_folder(folder: Path) -> Iterator[Found]:
    """Files with contents, folders with None, what cannot be read with the reason; what is less deep comes first."""
    todo = deque([(str(folder), PurePosixPath())])
    while todo:
        place, within = todo.popleft()
        try:
            with os.scandir(place) as inside:
                entries = sorted(inside, key=lambda one: one.name)
        except OSError as error:
            yield within, f"it cannot be read: {error.strerror}"
            continue
        for entry in entries:
            name = within / entry.name
            if _is_litter(PurePosixPath(entry.name)):
                continue
            if entry.is_dir(follow_symlinks=False):
                todo.append((entry.path, name))
                if not within.parts[1:]:  # Students are in the first two levels; see `_without_wrapper`.
                    yield name, None
            elif not entry.is_file(follow_symlinks=False):
                yield name, "it is a link or a special file, which is not followed"
            elif _matters(name):
                yield name, _content(Path(entry.path))


def _content(path: Path) -> bytes | str:
    try:
        return path.read_bytes() if path.stat().st_size <= MOST_BYTES else _too_large()
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def _in_class_archive(path: Path) -> list[Found]:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise RdfiaError(f"cannot read {path}: {error.strerror}") from error
    try:
        return list(_in_archive(path.name, data))
    except Exception as error:  # Each decompressor has exceptions of its own for damaged data.
        raise RdfiaError(
            f"{path} is no folder, .zip or .tar archive that can be read: give the submissions as one of them"
        ) from error


def _in_archive(name: str, data: bytes) -> Iterator[Found]:
    if name.lower().endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in sorted(archive.infolist(), key=lambda one: one.filename.count("/")):
                path = PurePosixPath(entry.filename)
                if entry.is_dir():
                    yield path, None
                elif _matters(path):
                    large = entry.file_size > MOST_BYTES
                    yield path, _too_large() if large else archive.open(entry).read(MOST_BYTES)
    else:
        # Nothing else than gzip: 2 kB of bzip2 can be 3 GB.
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz" if _is_gzip(data) else "r:") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if member.isdir():
                    yield path, None
                elif member.isfile() and _matters(path):
                    file = tar.extractfile(member)
                    large = member.size > MOST_BYTES or file is None
                    yield path, _too_large() if large or file is None else file.read(MOST_BYTES)


def _is_gzip(data: bytes) -> bool:
    return data.startswith(b"\x1f\x8b")


def _too_large() -> str:
    return f"it has more than {MOST_BYTES >> 20} MB"


def _suffixes(name: str) -> list[str]:
    return list(PurePosixPath(name).suffixes[-2 if name.lower().endswith(".tar.gz") else -1 :])


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
    size = 0
    for path, data in _unpacked(found):
        if isinstance(data, str):
            problems.append(f"{_label(path)}: {data}.")
        elif len(files) == MOST_FILES or size + len(data) > MOST_IN_ALL:
            problems.append(f"It has more than {MOST_FILES} files or {MOST_IN_ALL >> 20} MB: the rest is not read.")
            break
        else:
            files[path] = data
            size += len(data)
    made = tuple((_label(path), data) for path, data in sorted(files.items()))
    return Submission(plain(name, 200).strip() or "?", number, made, tuple(problems))


def _unpacked(found: dict[str, bytes | str | None]) -> Iterator[tuple[str, bytes | str]]:
    """Files, those in archives too, and what cannot be read with the reason. Archives in archives are left out."""
    for path, data in found.items():
        if not isinstance(data, bytes) or not path.lower().endswith(_ARCHIVES):
            if data is not None:
                yield path, data
            continue
        try:
            if _is_gzip(data):
                with gzip.open(io.BytesIO(data)) as file:
                    data = file.read(MOST_IN_ALL)
            for inner, content in _in_archive(path, data):
                if content is not None and not _is_litter(inner) and not inner.name.lower().endswith(_ARCHIVES):
                    yield str(inner), content
        except Exception:  # Each decompressor has exceptions of its own for damaged data.
            yield path, "the archive cannot be read"


def _label(path: str) -> str:
    """A path as it is told, of which names of files with control characters make nothing else."""
    return plain(path, len(path))[-150:]


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
    """The files of a submission; those that are not called after a part come first, since others may import them.

    Each has a name of its own: where two files share one, that of the file that is less deep has no number.
    """
    made: list[Module] = []
    left = MOST_CODE
    for path, data in sorted(submission.files, key=lambda one: one[0].count("/")):
        stem = re.sub(r"\W", "_", PurePosixPath(path).stem)
        name, count = stem, 1
        while name in {one.name for one in made}:
            count += 1
            name = f"{stem}_{count}"
        module = Module(name, path)
        for piece, text in _pieces(module, data):
            left -= len(text)
            if left < 0:
                module.problems.append(f"{piece} is not read: all files have more than {MOST_CODE >> 10} kB of code.")
                break
            _add(module, piece, text)
        made.append(module)
    parts = list(PARTS)
    return sorted(made[::-1], key=lambda one: parts.index(one.name) if one.name in parts else -1)


def _pieces(module: Module, data: bytes) -> list[tuple[str, str]]:
    """Names and texts of what is in a file; what cannot be read is added to the module's problems."""
    notebook = module.file.lower().endswith(".ipynb")
    try:
        return _cells(module.file, data) if notebook else [(module.file, _decoded(data))]
    except (ValueError, SyntaxError, KeyError, TypeError, AttributeError, RecursionError):
        kind = "a notebook" if notebook else "Python in UTF-8"
        module.problems.append(f"{module.file} is not {kind}: it cannot be read.")
        return []


def _add(module: Module, name: str, text: str) -> None:
    """Add a piece to a module, or why it is no Python to its problems."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # From 3.12 on the parser warns of "\d" and the like.
            text = _without_magic(text) if module.file.lower().endswith(".ipynb") else text
            tree = ast.parse(text)
        found, nodes, imports = written(tree), _nodes(tree), _imports(tree)
    except SyntaxError as error:
        module.problems.append(f"{name}, line {error.lineno}: {type(error).__name__}: {error.msg}.")
        return
    except (ValueError, RecursionError, MemoryError):
        module.problems.append(f"{name} is no Python that can be read.")
        return
    module.pieces.append((name, text))
    module.functions |= found
    module.nodes |= nodes
    module.imports |= imports


def _decoded(data: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    if encoding not in _ENCODINGS:
        raise ValueError(encoding)
    return data.decode(encoding)


def _cells(path: str, data: bytes) -> list[tuple[str, str]]:
    """The code cells of a notebook, with their numbers among all cells."""
    pieces = []
    for number, cell in enumerate(json.loads(data.decode("utf-8-sig"))["cells"], 1):
        if cell["cell_type"] == "code":
            source = cell["source"]
            text = source if isinstance(source, str) else "".join(source)
            pieces.append((f"{path}, cell {number}", text))
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
    # Spaces within a line only: with \s many empty lines would take a time that grows with their square.
    magic = re.compile(
        r"^([ \t]*)(?:%{1,2}[a-zA-Z]|!|\?|[\w.]+\?+[ \t]*$|\w+[ \t]*=[ \t]*[!%][a-zA-Z]).*$", re.MULTILINE
    )
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
    try:
        return sum(1 for _ in ast.walk(ours)) >= 90 and _normal(node) == _normal(ours)
    except RecursionError:  # Ours is not nested so deeply.
        return False


def _normal(function: ast.FunctionDef) -> str:
    """A function's code with its names numbered in order of appearance, and without docstring and annotations."""
    function = copy.deepcopy(function)
    made = ast.Module(function.body[1:] if ast.get_docstring(function) is not None else function.body, [])
    numbers: dict[str, str] = {}
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

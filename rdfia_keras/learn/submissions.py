"""Read what students wrote, without running it: files, folders, archives and what Moodle makes of them.

Archives are read in memory, so that nothing in them can be written anywhere; links are not followed.
"""

import ast
import copy
import gzip
import hashlib
import io
import itertools
import json
import os
import re
import tarfile
import tokenize
import warnings
import zipfile
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.exercise import Exercise
from rdfia_keras.learn.exercises import PARTS
from rdfia_keras.learn.protocol import plain

# Of a file, and of a submission: bytes of all its files, the files, and characters of code without notebooks' outputs.
MOST_BYTES, MOST_IN_ALL, MOST_FILES, MOST_CODE = 4 << 20, 32 << 20, 200, 512 << 10
_TOO_LARGE = f"it has more than {MOST_BYTES >> 20} MB"
# Others are ways to hide code, or take very long to decode.
_ENCODINGS = frozenset({"utf-8", "utf-8-sig", "ascii", "iso-8859-1", "iso-8859-15", "cp1252"})
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
_MOODLE = re.compile(r"(?P<name>.+?)_(?P<number>\d+)_assignsubmission_[a-z]+_?(?P<rest>.*)", re.DOTALL)


@dataclass(frozen=True)
class Submission:
    """What one student handed in.

    Attributes:
        student: The name.
        number: Moodle's number of the participant, or an empty text.
        files: Paths within the submission with contents, in order of path.
        problems: Why something of it could not be read.
    """

    student: str
    number: str
    files: tuple[tuple[str, bytes], ...]
    problems: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """A hash of everything in it."""
        digest = hashlib.sha256(repr((self.student, self.number, self.problems)).encode())
        for path, data in self.files:
            digest.update(f"{path}\0{len(data)}\0".encode(errors="replace") + data)
        return digest.hexdigest()


# --- find -------------------------------------------------------------------------------------------------------------

# A path with the file's content, None for a folder, or the reason why it cannot be read.
Content = bytes | str | None
Entry = tuple[PurePosixPath, Content]


def read_class(where: Path) -> list[Submission]:
    """Return the submissions in a folder or an archive, by name.

    A submission is a folder, a file or an archive in it; Moodle's names of folders and files are understood.

    Raises:
        RdfiaError: If there is none, or it cannot be read.
    """
    if not where.exists():
        raise RdfiaError(f"there is no {where}: give the folder or the archive of submissions")
    entries = _in_folder(where) if where.is_dir() else _in_class_archive(where)
    by_student: dict[tuple[str, str], dict[str, Content]] = {}
    for path, content in _without_wrapper([entry for entry in entries if not _is_litter(entry[0])]):
        top, *below = path.parts
        moodle = _MOODLE.fullmatch(top)
        name, number = (moodle["name"], moodle["number"]) if moodle else (top, "")
        if not below and not moodle and content is not None:
            name = re.sub(r"(\.tar)?\.[^.]+$", "", name, flags=re.IGNORECASE)
        inner = "/".join(below) or (moodle["rest"] if moodle else "") or top
        by_student.setdefault((name, number), {})[inner] = content
    if not by_student:
        raise RdfiaError(f"{where} has no submissions: a folder, a .py, a .ipynb or an archive for each student")
    submissions: dict[tuple[str, str], Submission] = {}
    for key, contents in sorted(by_student.items()):
        submission = _submission(*key, contents)
        # Only characters that are not shown may tell two students apart.
        names = [student for student, number in submissions if number == submission.number]
        student = unique(submission.student, names, "{} ({})")
        submissions[student, submission.number] = replace(submission, student=student)
    return list(submissions.values())


def unique(name: str, taken: Collection[str], numbered: str) -> str:
    """Return a name, or where it is taken, the first of `numbered`, made of name and number, that is not."""
    others = (numbered.format(name, number) for number in itertools.count(2))
    return next(candidate for candidate in itertools.chain([name], others) if candidate not in taken)


def _in_folder(folder: Path) -> Iterator[Entry]:
    """Yield what is in a folder; what is less deep comes first."""
    todo = deque([(str(folder), PurePosixPath())])
    while todo:
        place, within = todo.popleft()
        try:
            with os.scandir(place) as inside:
                entries = sorted(inside, key=lambda entry: entry.name)
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
        return path.read_bytes() if path.stat().st_size <= MOST_BYTES else _TOO_LARGE
    except OSError as error:
        return f"it cannot be read: {error.strerror}"


def _in_class_archive(path: Path) -> list[Entry]:
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


def _in_archive(name: str, data: bytes) -> Iterator[Entry]:
    if name.lower().endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            for entry in sorted(archive.infolist(), key=lambda entry: entry.filename.count("/")):
                path = PurePosixPath(entry.filename)
                if entry.is_dir():
                    yield path, None
                elif _matters(path):
                    large = entry.file_size > MOST_BYTES
                    yield path, _TOO_LARGE if large else archive.open(entry).read(MOST_BYTES)
    else:
        # Nothing else than gzip: 2 kB of bzip2 can be 3 GB.
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz" if _is_gzip(data) else "r:") as tar:
            for member in tar:
                path = PurePosixPath(member.name)
                if member.isdir():
                    yield path, None
                elif member.isfile() and _matters(path):
                    file = tar.extractfile(member)
                    assert file is not None  # Only what is no file has none.
                    yield path, _TOO_LARGE if member.size > MOST_BYTES else file.read(MOST_BYTES)


def _is_gzip(data: bytes) -> bool:
    return data.startswith(b"\x1f\x8b")


def _matters(path: PurePosixPath) -> bool:
    return path.name.lower().endswith((".py", ".ipynb", *_ARCHIVES))


def _is_litter(path: PurePosixPath) -> bool:
    return any(part.startswith((".", "__")) and part != "__init__.py" for part in path.parts) or not path.parts


def _without_wrapper(entries: list[Entry]) -> list[Entry]:
    """Return entries without a folder that holds the whole class, as archives often have one."""
    tops = {path.parts[0] for path, _ in entries}
    if len(tops) != 1 or _MOODLE.fullmatch(tops.pop()):
        return entries
    inner: list[Entry] = [(PurePosixPath(*path.parts[1:]), data) for path, data in entries if len(path.parts) > 1]
    students = {
        path.parts[0] for path, data in inner if data is None or len(path.parts) > 1 or _MOODLE.fullmatch(path.parts[0])
    }
    return inner if len(students) > 1 else entries


def _submission(name: str, number: str, contents: dict[str, Content]) -> Submission:
    files: dict[str, bytes] = {}
    problems = []
    size = 0
    for path, data in _unpacked(contents):
        if isinstance(data, str):
            problems.append(f"{_label(path)}: {data}.")
        elif len(files) == MOST_FILES or size + len(data) > MOST_IN_ALL:
            problems.append(f"It has more than {MOST_FILES} files or {MOST_IN_ALL >> 20} MB: the rest is not read.")
            break
        else:
            files[path] = data
            size += len(data)
    labelled = tuple((_label(path), data) for path, data in sorted(files.items()))
    return Submission(plain(name, 200).strip() or "?", number, labelled, tuple(problems))


def _unpacked(contents: dict[str, Content]) -> Iterator[tuple[str, bytes | str]]:
    """Yield files, those in archives too, and what cannot be read. Archives in archives are left out."""
    for path, data in contents.items():
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
    """Return a path to print, whatever characters it has."""
    return plain(path, len(path))[-150:]


# --- read -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FunctionText:
    """What a file says of a function, without running it.

    Attributes:
        digest: A hash of its code; comments and layout do not count.
        filled_in: Whether it is more than the skeleton.
        definition: Its `def`, where it has one.
    """

    digest: str
    filled_in: bool
    definition: ast.FunctionDef | None


@dataclass
class Module:
    """A file as Python: one piece, or one for each of a notebook's cells.

    Attributes:
        name: To import it by.
        file: Its path in the submission.
        pieces: Names and texts.
        problems: What of it is not Python, a sentence each.
        functions: What the text says of each function.
        imports: Names of modules that it imports, anywhere.
        stars: Names of modules from which it imports everything.
    """

    name: str
    file: str
    pieces: list[tuple[str, str]] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    functions: dict[str, FunctionText] = field(default_factory=dict)
    imports: set[str] = field(default_factory=set)
    stars: set[str] = field(default_factory=set)

    def has(self, function: str) -> bool:
        """Return whether a function is there and more than the skeleton."""
        return function in self.functions and self.functions[function].filled_in

    def add(self, name: str, text: str) -> None:
        """Add a piece, or why it is no Python to the problems."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # From 3.12 on the parser warns of "\d" and the like.
                text = _without_magic(text) if self.file.lower().endswith(".ipynb") else text
                tree = ast.parse(text)
            functions, modules, stars = _functions(tree), *_imports(tree)
        except SyntaxError as error:
            self.problems.append(f"{name}, line {error.lineno}: {type(error).__name__}: {error.msg}.")
            return
        except (ValueError, RecursionError, MemoryError):
            self.problems.append(f"{name} is no Python that can be read.")
            return
        self.pieces.append((name, text))
        self.functions |= functions
        self.imports |= modules
        self.stars |= stars


def _functions(tree: ast.Module) -> dict[str, FunctionText]:
    """Return the names that could be functions."""
    functions: dict[str, FunctionText] = {}
    for node in tree.body:
        names: list[str] = []
        body: list[ast.stmt] = [node]
        if isinstance(node, ast.FunctionDef):
            names = [node.name]
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name) and node.value is not None:
            names = [node.target.id]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
        if names:
            digest = hashlib.sha256("".join(map(ast.dump, body)).encode()).hexdigest()
            definition = node if isinstance(node, ast.FunctionDef) else None
            functions |= {name: FunctionText(digest, not _raises_not_implemented(body), definition) for name in names}
    return functions


def _raises_not_implemented(body: list[ast.stmt]) -> bool:
    if len(body) != 1 or not isinstance(body[0], ast.Raise):
        return False
    raised = body[0].exc.func if isinstance(body[0].exc, ast.Call) else body[0].exc
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def _imports(tree: ast.Module) -> tuple[set[str], set[str]]:
    """Return the modules that a file imports, and those of `from module import *`."""
    nodes = list(ast.walk(tree))
    plain_imports = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level]
    stars = {str(node.module) for node in froms if node.names[0].name == "*"}
    return plain_imports | {str(node.module) for node in froms}, stars


def modules(submission: Submission) -> list[Module]:
    """Return the files of a submission as modules; those that are not called after a part come first.

    Each has a name of its own: where two files share one, that of the file that is less deep has no number.
    """
    files: list[Module] = []
    rest = MOST_CODE
    for path, data in sorted(submission.files, key=lambda file: file[0].count("/")):
        stem = re.sub(r"\W", "_", PurePosixPath(path).stem)
        module = Module(unique(stem, [module.name for module in files], "{}_{}"), path)
        for piece, text in _pieces(module, data):
            rest -= len(text)
            if rest < 0:
                module.problems.append(f"{piece} is not read: all files have more than {MOST_CODE >> 10} kB of code.")
                break
            module.add(piece, text)
        files.append(module)
    by_name = {module.name: module for module in files}
    for module in files:
        for star in module.stars & by_name.keys():
            module.functions = {**by_name[star].functions, **module.functions}
    parts = list(PARTS)
    return sorted(files[::-1], key=lambda module: parts.index(module.name) if module.name in parts else -1)


def read_files(paths: Sequence[Path]) -> list[Module]:
    """Return a student's files, and the files beside and below them that they import, as modules.

    Raises:
        RdfiaError: If one cannot be read.
    """
    files: dict[str, bytes] = {}
    todo = [(path, path.name) for path in paths]
    while todo:
        path, name = todo.pop()
        try:
            files[name] = path.read_bytes()
        except OSError as error:
            raise RdfiaError(f"cannot read {path}: {error.strerror}") from error
        (module,) = modules(Submission("", "", ((name, files[name]),)))
        for imported in module.imports:
            inner = f"{imported.replace('.', '/')}.py"
            for folder in {path.parent, paths[0].parent}:
                if inner not in files and (folder / inner).is_file():
                    todo.append((folder / inner, inner))
    return modules(Submission("", "", tuple(files.items())))


def _pieces(module: Module, data: bytes) -> list[tuple[str, str]]:
    """Return names and texts of what is in a file; what cannot be read is added to the module's problems."""
    notebook = module.file.lower().endswith(".ipynb")
    try:
        return _cells(module.file, data) if notebook else [(module.file, _decoded(data))]
    except (ValueError, SyntaxError, KeyError, TypeError, AttributeError, RecursionError):
        kind = "a notebook" if notebook else "Python in UTF-8"
        module.problems.append(f"{module.file} is not {kind}: it cannot be read.")
        return []


def _decoded(data: bytes) -> str:
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    if encoding not in _ENCODINGS:
        raise ValueError(encoding)
    return data.decode(encoding)


def _cells(path: str, data: bytes) -> list[tuple[str, str]]:
    """Return the code cells of a notebook, with their numbers among all cells."""
    pieces = []
    for number, cell in enumerate(json.loads(data.decode("utf-8-sig"))["cells"], 1):
        if cell["cell_type"] == "code":
            source = cell["source"]
            text = source if isinstance(source, str) else "".join(source)
            pieces.append((f"{path}, cell {number}", text))
    return pieces


def _without_magic(text: str) -> str:
    """Return a cell without !commands and %magics; lines keep their numbers."""
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


def home_of(exercise: Exercise, files: list[Module]) -> Module | None:
    """Return the file with an exercise's function: the one called after its part, or the last with it filled in."""
    with_function = [file for file in files if exercise.name in file.functions]
    filled_in = [file for file in with_function if file.has(exercise.name)]
    of_part = [file for file in filled_in if file.name == exercise.part]
    candidates = of_part or filled_in or with_function
    return candidates[-1] if candidates else None


def is_copy(exercise: Exercise, module: Module) -> bool:
    """Return whether a function equals our solution but for names, comments and layout.

    Solutions of a single short statement are not looked at: many students write those alike.
    """
    definition = module.functions[exercise.name].definition
    solution = ast.parse(exercise.source).body[0]
    assert isinstance(solution, ast.FunctionDef)
    try:
        is_long = sum(1 for _ in ast.walk(solution)) >= 90
        return definition is not None and is_long and _normal(definition) == _normal(solution)
    except RecursionError:  # The solution is not nested so deeply.
        return False


def _normal(function: ast.FunctionDef) -> str:
    """Return a function's code with its names numbered in order of appearance, without docstring and annotations."""
    function = copy.deepcopy(function)
    body = ast.Module(function.body[1:] if ast.get_docstring(function) is not None else function.body, [])
    numbers: dict[str, str] = {}
    for part in [function.args, *body.body]:
        for node in ast.walk(part):
            if isinstance(node, ast.arg):
                node.arg, node.annotation = numbers.setdefault(node.arg, f"name{len(numbers)}"), None
            elif isinstance(node, ast.Name):
                node.id = numbers.setdefault(node.id, f"name{len(numbers)}")
    return ast.dump(body)

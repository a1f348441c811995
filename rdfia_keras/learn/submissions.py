"""Read what students wrote, without running it: files, folders, archives and what Moodle makes of them.

Archives are read in memory, so that nothing in them can be written anywhere; links are not followed.
"""

import ast
import codecs
import copy
import gzip
import hashlib
import io
import itertools
import os
import re
import tarfile
import tokenize
import unicodedata
import warnings
import zipfile
import zlib
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.cells import code_cells, python_of
from rdfia_keras.learn.exercise import Exercise
from rdfia_keras.learn.exercises import PARTS
from rdfia_keras.learn.protocol import plain

# Of a file, and of a submission: bytes of all its files, the files, and characters of code without notebooks' outputs.
MOST_BYTES, MOST_IN_ALL, MOST_FILES, MOST_CODE = 4 << 20, 32 << 20, 200, 512 << 10
_TOO_LARGE = f"it has more than {MOST_BYTES >> 20} MB"
# Codecs that hide code or take very long; others than those of text Python does not take itself.
_NOT_FOR_FILES = frozenset({"utf-7", "punycode", "idna", "unicode-escape", "raw-unicode-escape"})
_ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
# Work in a form that is not read; other files are named only where a submission has nothing that is read.
_WORK = (".rar", ".7z", ".bz2", ".xz", ".gz", ".zst", ".tbz2", ".txz", ".py.txt", ".ipynb.txt", ".ipynb.json")
_NOT_READ = "it is not read: hand in .py, .ipynb, .zip, .tar or .tar.gz"
# What systems and tools put among the files.
_LITTER = re.compile(
    r"\._.*|\.DS_Store|__MACOSX|__pycache__|\.ipynb_checkpoints|\.rdfia-.*|\.Trash.*|\..*cache"
    r"|\.(git|svn|hg|idea|vscode|v?env|tox|nox|conda|local|config)"
)
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

# A path with the file's content, None for a folder, or the reason why it is not read: empty for what is no work.
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
    for path, content in _of_students(_without_wrapper(_of_students(entries))):
        top, *below = path.parts
        moodle = _MOODLE.fullmatch(top)
        name, number = (moodle["name"], moodle["number"]) if moodle else (top, "")
        if not below and not moodle and content is not None:
            name = re.sub(r"(\.tar|\.py|\.ipynb)?\.[^.]+$", "", name, flags=re.IGNORECASE)
        inner = "/".join(below) or (moodle["rest"] if moodle else "") or top
        by_student.setdefault((unicodedata.normalize("NFC", name), number), {})[inner] = content
    if not by_student:
        raise RdfiaError(f"{where} has no submissions: a folder, a .py, a .ipynb or an archive for each student")
    if all(_without_version(name) in PARTS and len(files) == 1 for (name, _), files in by_student.items()):
        stems = ", ".join(sorted(stem for stem, _ in by_student))
        raise RdfiaError(f"{where} looks like one student's files ({stems}): give the folder that holds each student's")
    submissions: dict[tuple[str, str], Submission] = {}
    for key, contents in sorted(by_student.items()):
        submission = _submission(*key, contents)
        # Only characters that are not shown may tell two students apart.
        names = [student for student, number in submissions if number == submission.number]
        student = unique(submission.student, names, "{} ({})")
        submissions[student, submission.number] = replace(submission, student=student)
    return list(submissions.values())


def _of_students(entries: Iterable[Entry]) -> list[Entry]:
    """Return entries without litter, and without files beside the students' that are no work."""
    return [
        (path, content)
        for path, content in entries
        if not _is_litter(path) and (content != "" or len(path.parts) > 1 or _MOODLE.fullmatch(path.name))
    ]


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
            else:
                yield name, _content(Path(entry.path)) if _is_read(name) else _unread(name)


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
    """Yield what is in an archive; a member that cannot be read costs only itself."""
    if name.lower().endswith(".zip"):
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [(_path(_name(member)), member) for member in archive.infolist()]
            for path, member in sorted(entries, key=lambda entry: len(entry[0].parts)):
                is_folder = member.filename.endswith(("/", "\\"))
                yield path, None if is_folder else _member(archive, member) if _is_read(path) else _unread(path)
    else:
        # Nothing else than gzip: 2 kB of bzip2 can be 3 GB.
        with tarfile.open(fileobj=io.BytesIO(data), mode="r:gz" if _is_gzip(data) else "r:") as tar:
            for item in tar:
                path = _path(item.name)
                if item.isdir():
                    yield path, None
                elif not item.isfile():
                    yield path, "it is a link or a special file, which is not followed"
                elif not _is_read(path):
                    yield path, _unread(path)
                else:
                    file = tar.extractfile(item)
                    assert file is not None  # Only what is no file has none.
                    yield path, _TOO_LARGE if item.size > MOST_BYTES else file.read(MOST_BYTES)


def _path(name: str) -> PurePosixPath:
    """Return a member's path; Windows writes backslashes."""
    parts = PurePosixPath(name.replace("\\", "/")).parts
    return PurePosixPath(*(part for part in parts if part not in ("/", "..")))


def _name(member: zipfile.ZipInfo) -> str:
    """Return a member's name; macOS writes UTF-8 without the flag that says so."""
    if not member.flag_bits & 0x800:
        with suppress(UnicodeError):
            return member.filename.encode("cp437").decode("utf-8")
    return member.filename


def _member(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> bytes | str:
    if member.flag_bits & 1:
        return "it is locked with a password"
    # The readers of others have no limit: 2 kB of bzip2 can be 3 GB.
    if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "it is compressed in a way that is not read: make an ordinary .zip"
    try:
        with archive.open(member) as file:
            data = file.read(MOST_BYTES + 1)
    except Exception:  # As in `_in_class_archive`.
        return "it is damaged in the archive: hand it in again"
    return data if len(data) <= MOST_BYTES else _TOO_LARGE


def _is_gzip(data: bytes) -> bool:
    return data.startswith(b"\x1f\x8b")


def _is_read(path: PurePosixPath) -> bool:
    return path.name.lower().endswith((".py", ".ipynb", *_ARCHIVES))


def _unread(path: PurePosixPath) -> str:
    return _NOT_READ if path.name.lower().endswith(_WORK) else ""


def _is_litter(path: PurePosixPath) -> bool:
    return any(_LITTER.fullmatch(part) for part in path.parts) or not path.parts


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
    problems: list[str] = []
    others: list[str] = []
    size = 0
    for path, data in _unpacked(contents):
        if data == "":
            others.append(path)
        elif len(files) + len(problems) >= MOST_FILES or size + len(data) > MOST_IN_ALL:
            problems.append(f"It has more than {MOST_FILES} files or {MOST_IN_ALL >> 20} MB: the rest is not read.")
            break
        elif isinstance(data, str):
            problems.append(f"{_label(path)}: {data}.")
        else:
            files[path] = data
            size += len(data)
    if not files:
        problems += [f"{_label(path)}: {_NOT_READ}." for path in others[:3]]
    problems += [] if number else _several_students(contents)
    labelled = tuple((_label(path), data) for path, data in sorted(files.items()))
    return Submission(plain(name, 200).strip() or "?", number, labelled, tuple(problems))


def _several_students(contents: dict[str, Content]) -> list[str]:
    """Return a sentence where a submission has folders only: a group's may be those of its members."""
    paths = [path for path, data in contents.items() if isinstance(data, bytes)]
    folders = sorted({path.partition("/")[0] for path in paths})
    if len({_without_version(folder) for folder in folders}) < 2 or not all("/" in path for path in paths):
        return []
    names = " and ".join(map(_label, folders[:3]))
    return [f"Its files are in {names}: if those are different students, grade the folder above them by itself."]


def _unpacked(contents: dict[str, Content]) -> Iterator[tuple[str, bytes | str]]:
    """Yield files, those in archives too, and why others are not read."""
    several = sum(isinstance(data, bytes) for data in contents.values()) > 1
    for path, data in contents.items():
        if isinstance(data, bytes) and path.lower().endswith(_ARCHIVES):
            yield from _in_students_archive(path, data, f"{path}/" if several else "", 2)
        elif data is not None:
            yield path, data


def _in_students_archive(path: str, data: bytes, prefix: str, depth: int) -> Iterator[tuple[str, bytes | str]]:
    """Yield what is in an archive, and in archives in it down to a depth, with a prefix to its paths."""
    found = 0
    try:
        if _is_gzip(data):
            data = _unzipped(data)
        for inner, content in _in_archive(path, data):
            if content is None or _is_litter(inner):
                continue
            found += 1
            name = f"{prefix}{inner}"
            if isinstance(content, bytes) and name.lower().endswith(_ARCHIVES):
                yield from _in_students_archive(name, content, f"{name}/", depth - 1) if depth else [(name, _NOT_READ)]
            else:
                yield name, content
    except Exception:  # As in `_in_class_archive`.
        yield path, "the archive is damaged: the rest of it is not read" if found else "the archive cannot be read"
    else:
        if not found:
            yield path, "the archive is empty"


def _unzipped(data: bytes) -> bytes:
    """Return what is in a .gz, as far as it can be read and is not too large."""
    parts: list[bytes] = []
    size = 0
    with gzip.open(io.BytesIO(data)) as file, suppress(EOFError, OSError, zlib.error):  # It is cut short or damaged.
        while size < MOST_IN_ALL and (part := file.read1(1 << 16)):
            parts.append(part)
            size += len(part)
    return b"".join(parts)


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
        problem: Why it cannot be run, or an empty text.
    """

    digest: str
    filled_in: bool
    definition: ast.FunctionDef | None = None
    problem: str = ""


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
        """Add a piece; or why it is no Python to the problems, and to what is said of the functions in it."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # From 3.12 on the parser warns of "\d" and the like.
                text = python_of(text) if self.file.lower().endswith(".ipynb") else text
                tree = ast.parse(text)
            functions, modules, stars = _functions(tree, name, self.functions), *_imports(tree)
        except SyntaxError as error:
            place = f"{name}, line {error.lineno}" if error.lineno else name
            problem = f"{place}: {type(error).__name__}: {error.msg}."
        except (ValueError, RecursionError, MemoryError, RuntimeError):
            problem = f"{name} is no Python that can be read."
        else:
            self.pieces.append((name, text))
            self.functions |= functions
            self.imports |= modules
            self.stars |= stars
            return
        self.problems.append(problem)
        self.functions = _broken_functions(text, problem) | self.functions


def _broken_functions(text: str, problem: str) -> dict[str, FunctionText]:
    """Return the functions in a text that is no Python; those that are Python and still the skeleton stay so."""
    functions: dict[str, FunctionText] = {}
    for part in re.split(r"^(?=[^\s#)\]}])", text, flags=re.MULTILINE):
        if match := re.match(r"(?:async )?def (\w+)", part):
            digest = hashlib.sha256(part.encode(errors="replace")).hexdigest()
            functions[match[1]] = FunctionText(digest, False, problem=problem)
            with suppress(SyntaxError, ValueError, RecursionError, MemoryError):
                whole = _functions(ast.parse(part), "", {})
                functions |= {name: function for name, function in whole.items() if not function.filled_in}
    return functions


def _functions(tree: ast.Module, piece: str, before: Mapping[str, FunctionText]) -> dict[str, FunctionText]:
    """Return the names that could be functions, after those of the pieces before."""
    functions: dict[str, FunctionText] = {}
    for node in _statements(tree.body):
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
            text = FunctionText(digest, not _raises_not_implemented(body), definition)
            for name in names:
                if (earlier := functions.get(name, before.get(name))) and earlier.filled_in and not text.filled_in:
                    # Of two branches one is run; of two statements the second counts.
                    lost = f"{piece}, line {node.lineno}: this skeleton replaces the {name} above it: delete it."
                    functions[name] = replace(text, problem=lost) if node in tree.body else earlier
                else:
                    functions[name] = text
    return functions


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield statements, and those within `if`, `try`, `with` and loops."""
    for node in body:
        yield node
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            handlers = [statement for handler in getattr(node, "handlers", []) for statement in handler.body]
            inner = [getattr(node, block, []) for block in ("body", "orelse", "finalbody")]
            yield from _statements([*itertools.chain(*inner), *handlers])


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

    A file that cannot be read is a module that has a problem and no functions.
    """
    files: dict[str, bytes] = {}
    unread: dict[str, str] = {}
    todo = [(path, path.name) for path in paths]
    while todo:
        path, name = todo.pop()
        content = _content(path)
        if isinstance(content, str):
            unread[name] = content
            continue
        files[name] = content
        (module,) = modules(Submission("", "", ((name, content),)))
        for imported in module.imports:
            inner = f"{imported.replace('.', '/')}.py"
            for folder in {path.parent, paths[0].parent}:
                if inner not in files and (folder / inner).is_file():
                    todo.append((folder / inner, inner))
    made = modules(Submission("", "", tuple(files.items())))
    for name, why in unread.items():
        stem = unique(PurePosixPath(name).stem, [module.name for module in made], "{}_{}")
        made.append(Module(stem, name, problems=[f"{name}: {why}."]))
    return made


def _pieces(module: Module, data: bytes) -> list[tuple[str, str]]:
    """Return names and texts of what is in a file; what cannot be read is added to the module's problems."""
    if not module.file.lower().endswith(".ipynb"):
        try:
            return [(module.file, _decoded(data))]
        except (SyntaxError, UnicodeError, LookupError):
            why = "it is neither in UTF-8 nor names another encoding in its first line"
            module.problems.append(f"{module.file} is not Python: {why}.")
            return []
    try:
        return [(f"{module.file}, cell {number}", text) for number, text in code_cells(data)]
    except Exception:  # nbformat says in many ways what is wrong.
        module.problems.append(f"{module.file} is not a notebook: it cannot be read.")
        return []


def _decoded(data: bytes) -> str:
    """Return a file as Python reads it: by its mark or its line of encoding, with all kinds of line ends."""
    data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
    if codecs.lookup(encoding).name in _NOT_FOR_FILES:
        raise LookupError(encoding)
    return data.decode(encoding)


def home_of(exercise: Exercise, files: list[Module]) -> Module | None:
    """Return the file whose function counts: one that is filled in, else one that is called after the part.

    Of several, a file that is called after the part wins over others, then one that is less deep, then the newest
    version: that with the highest number in its name.
    """
    with_function = [file for file in files if exercise.name in file.functions]
    filled_in = [file for file in with_function if file.has(exercise.name)] or with_function

    def rank(file: Module) -> tuple[bool, int, list[list[tuple[int, str]]]]:
        stem = _without_version(PurePosixPath(file.file).stem)
        return stem == exercise.part, -file.file.count("/"), _version(file.file)

    return max(filled_in, key=rank, default=None)


def _without_version(stem: str) -> str:
    """Return the name of a file or folder without what tells versions apart: `mlp (1)`, `mlp_v2`, `mlp-final`."""
    return re.sub(r"(?:[ ._-]*(?:\(\d+\)|v?\d+|final|new))*$", "", stem, flags=re.IGNORECASE)


def _version(path: str) -> list[list[tuple[int, str]]]:
    """Return what orders paths as people do: 2 before 10, and a name without a number before one with it."""
    names = [PurePosixPath(part).stem.lower() for part in path.split("/")]
    return [
        [(int(text), "") if text.isdecimal() else (-1, text) for text in re.split(r"(\d+)", name)] for name in names
    ]


def versions(targets: Sequence[tuple[Exercise, Module]], files: Sequence[Module]) -> list[str]:
    """Return a sentence for each two files that define the same exercises in different ways: which of them counts."""
    pairs: dict[tuple[str, str], list[str]] = {}
    for exercise, home in targets:
        counted = home.functions[exercise.name]
        for file in files:
            other = file.functions.get(exercise.name)
            if other and other.definition and counted.definition and other.digest != counted.digest:
                pairs.setdefault((home.file, file.file), []).append(exercise.name)
    return [
        f"{home} counts for {', '.join(names[:3])}{' and others' if names[3:] else ''}, and not {other}."
        for (home, other), names in pairs.items()
    ]


def is_long(exercise: Exercise) -> bool:
    """Return whether a solution is so long that two people would not write it alike by chance."""
    return sum(1 for _ in ast.walk(ast.parse(exercise.source).body[0])) >= 90


def is_copy(exercise: Exercise, module: Module) -> bool:
    """Return whether a function equals our solution but for names, comments and layout.

    Only longer solutions are looked at; see `is_long`.
    """
    definition = module.functions[exercise.name].definition
    solution = ast.parse(exercise.source).body[0]
    assert isinstance(solution, ast.FunctionDef)
    try:
        return definition is not None and is_long(exercise) and _normal(definition) == _normal(solution)
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

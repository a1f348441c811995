"""The student's files: written once with the functions to fill in, never overwritten, read without being run."""

import ast
import hashlib
import sys
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.calling import failure_of
from rdfia_keras.learn.exercise import Exercise
from rdfia_keras.learn.exercises import PARTS, of_part
from rdfia_keras.runs.files import to_json

FOLDER = Path("homework")
_NUMPY = "import numpy as np\n"
_KERAS = "import keras\nimport numpy as np\nimport tensorflow as tf\n"


# --- start ------------------------------------------------------------------------------------------------------------


def skeleton(part: str) -> str:
    """A part's file with the functions to fill in."""
    exercises = of_part(part)
    imports = _KERAS if exercises[0].uses_keras else _NUMPY
    introduction = (PARTS[part].__doc__ or "").strip()
    task = "Replace each `raise NotImplementedError` with your code, then run rdfia learn check."
    head = f'"""{introduction}\n\n{task}\n"""\n'
    return "\n\n".join([f"{head}\n{imports}", *(exercise.skeleton for exercise in exercises)])


def notebook(part: str) -> dict[str, Any]:
    """A part's notebook: a cell a function, followed by a cell that checks it."""
    exercises = of_part(part)
    imports = _KERAS if exercises[0].uses_keras else _NUMPY
    cells = [
        _cell("markdown", (PARTS[part].__doc__ or "").strip()),
        _cell("code", f"{imports}\nfrom rdfia_keras.learn import check"),
    ]
    for exercise in exercises:
        cells += [
            _cell("markdown", f"## {exercise.name}"),
            _cell("code", exercise.skeleton.rstrip()),
            _cell("code", f"check({exercise.name})"),
        ]
    for number, cell in enumerate(cells):
        cell["id"] = f"{part.replace('_', '-')}-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": cells,
        "metadata": {"kernelspec": kernel, "language_info": {"name": "python"}},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def write_new(path: Path, text: str) -> bool:
    """Write a file that is not there yet; one that is there is left alone.

    Returns:
        Whether it was written.

    Raises:
        RdfiaError: When the folder cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if not path.parent.is_dir():
            raise RdfiaError(f"{path.parent} is a file: choose another folder") from None
        return False
    except OSError as error:
        raise RdfiaError(f"cannot write {path}: {error.strerror}; choose another folder") from error
    return True


def start(part: str, folder: Path, as_notebook: bool) -> tuple[Path, bool]:
    """Write a part's file, or its notebook.

    Returns:
        Its path, and whether it is new.
    """
    if as_notebook:
        path = folder / f"{part}.ipynb"
        return path, write_new(path, to_json(notebook(part)))
    path = folder / f"{part}.py"
    return path, write_new(path, skeleton(part))


# --- find and read ----------------------------------------------------------------------------------------------------


def student_files(where: Path | None) -> list[Path]:
    """The files to check: the one that is named, or those in a folder that are called after a part.

    Args:
        where: A file or a folder; None looks here and then in homework/.

    Raises:
        RdfiaError: When there is none.
    """
    if where is not None and where.suffix == ".ipynb":
        raise RdfiaError(f"{where} is a notebook: run its cells; the cell below a function checks it")
    if where is not None and where.is_file():
        return [where]
    for folder in (where,) if where else (Path(), FOLDER):
        if found := [folder / f"{part}.py" for part in PARTS if (folder / f"{part}.py").is_file()]:
            return found
    if where is not None and not where.exists():
        raise RdfiaError(f"there is no {where}: rdfia learn start writes the files with the functions to fill in")
    names = ", ".join(f"{part}.py" for part in PARTS)
    raise RdfiaError(f"no exercises in {where or 'this folder or in homework/'} ({names}): run rdfia learn start first")


def perceptron_file(where: Path | None) -> Path:
    """The file with the perceptron's functions: the one that is named, or the one in a folder, here or in homework/.

    Raises:
        RdfiaError: When there is none.
    """
    files = student_files(where)
    chosen = [file for file in files if any(one.part == "mlp" for one in in_file(file))]
    if not chosen:
        raise RdfiaError(
            f"{files[0]} has none of the perceptron's functions: name mlp.py, which rdfia learn start mlp writes"
        )
    return chosen[0]


@dataclass(frozen=True)
class Written:
    """What a student's file says of a function, without running it.

    Attributes:
        digest: Of its code; comments and layout do not count.
        filled_in: Whether it is more than the skeleton.
    """

    digest: str
    filled_in: bool


def read(path: Path) -> dict[str, Written]:
    """The functions of a file by name; nothing where it cannot be parsed."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError, OSError):
        return {}
    return written(tree)


def written(tree: ast.Module) -> dict[str, Written]:
    """The functions of a file by name."""
    found: dict[str, Written] = {}
    for node in tree.body:
        names: list[str] = []
        body: list[ast.stmt] = [node]
        if isinstance(node, ast.FunctionDef):
            names = [node.name]
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
        elif isinstance(node, ast.Assign):
            names = [target.id for target in node.targets if isinstance(target, ast.Name)]
        elif isinstance(node, ast.ImportFrom):
            names = [alias.asname or alias.name for alias in node.names]
        if names:
            digest = hashlib.sha256("".join(map(ast.dump, body)).encode()).hexdigest()
            found |= {name: Written(digest, not _raises_not_implemented(body)) for name in names}
    return found


def syntax_problem(path: Path) -> str:
    """Why a file cannot be parsed, in one sentence, or nothing.

    Raises:
        RdfiaError: When it cannot be read.
    """
    try:
        ast.parse(path.read_bytes())
    except SyntaxError as error:
        return f"{path.name}, line {error.lineno}: {type(error).__name__}: {error.msg}."
    except ValueError as error:
        return f"{path.name}: {error}."
    except OSError as error:
        raise RdfiaError(f"cannot read {path}: {error.strerror}") from error
    return ""


def _raises_not_implemented(body: list[ast.stmt]) -> bool:
    if len(body) != 1 or not isinstance(body[0], ast.Raise):
        return False
    raised = body[0].exc.func if isinstance(body[0].exc, ast.Call) else body[0].exc
    return isinstance(raised, ast.Name) and raised.id == "NotImplementedError"


def load(path: Path) -> tuple[dict[str, Any], str]:
    """Run a student's file; its folder goes to the end of Python's path, so that it hides no library.

    Returns:
        Its names; and why it cannot be used, in one sentence, or nothing.
    """
    module = ModuleType(path.stem)
    module.__file__ = str(path)
    sys.path.append(str(path.parent.resolve()))
    try:
        code = compile(path.read_bytes(), str(path), "exec")
        exec(code, module.__dict__)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        failure = failure_of(error, str(path))
        where = f"{failure.where}: {failure.code} -> " if failure.where else f"{path.name}: "
        return {}, f"{where}{failure.kind}: {failure.text}".rstrip(": ") + "."
    return module.__dict__, ""


def in_file(path: Path, only: tuple[str, ...] = ()) -> list[Exercise]:
    """The exercises that a file is about: those of the part it is called after, and all others that it defines.

    Args:
        only: Names to keep; all where empty.
    """
    defined = read(path)
    part = path.stem
    return [
        exercise
        for name in PARTS
        for exercise in of_part(name)
        if (exercise.part == part or exercise.name in defined) and (not only or exercise.name in only)
    ]


def folder_of(where: Path | None) -> Path:
    """The folder of the student's files: the one that is named, else this one if it has some, else homework/."""
    if where is not None:
        return where
    return Path() if any(Path(f"{part}.py").is_file() for part in PARTS) else FOLDER

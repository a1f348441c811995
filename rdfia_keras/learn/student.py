"""A student's folder: find the files, check them, train with them, and remember what was right."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.checker import UNWRITTEN, WRONG, Checker, Verdict
from rdfia_keras.learn.exercise import VERSION, Exercise
from rdfia_keras.learn.exercises import EXERCISES, PARTS, find, of_part
from rdfia_keras.learn.sandbox import Workers
from rdfia_keras.learn.session import LIMITS
from rdfia_keras.learn.submissions import Module, read_files
from rdfia_keras.learn.trainer import PART, Problem, TrainingResult, train_in_worker
from rdfia_keras.runs.files import to_json, write_atomic

FOLDER = Path("homework")
PROGRESS = ".rdfia-learn.json"


# --- find -------------------------------------------------------------------------------------------------------------


def student_files(where: Path | None) -> list[Path]:
    """Return the files to check: the one that is named, or those in a folder that are called after a part.

    Args:
        where: A file or a folder; None looks here and then in homework/.

    Raises:
        RdfiaError: If there is none.
    """
    if where is not None and where.is_file():
        return [where]
    for folder in (where,) if where else (Path(), FOLDER):
        if files := list(part_files(folder).values()):
            return files
    if where is not None and not where.exists():
        raise RdfiaError(f"there is no {where}: rdfia learn start writes the files with the functions to fill in")
    names = ", ".join(f"{part}.py" for part in PARTS)
    raise RdfiaError(f"no exercises in {where or 'this folder or in homework/'} ({names}): run rdfia learn start first")


def part_files(folder: Path) -> dict[str, Path]:
    """Return the file of each part in a folder: Python, else a notebook."""
    files = [folder / f"{part}{suffix}" for part in PARTS for suffix in (".ipynb", ".py")]
    return {file.stem: file for file in files if file.is_file()}


def perceptron_file(where: Path | None) -> Path:
    """Return the file with the perceptron's functions: the one that is named, or the one in a folder.

    Raises:
        RdfiaError: If there is none.
    """
    files = student_files(where)
    for file in files:
        if file.stem == PART or any(exercise.name in _read(file).functions for exercise in of_part(PART)):
            return file
    raise RdfiaError(
        f"{files[0]} has none of the perceptron's functions: name mlp.py, which rdfia learn start mlp writes"
    )


def folder_of(where: Path | None) -> Path:
    """Return the folder of the student's files: the one that is named, else this one if it has some, else homework/."""
    if where is not None:
        return where
    return Path() if part_files(Path()) else FOLDER


def _read(file: Path) -> Module:
    """Return a file as a module, without those that it imports."""
    return _module_of(file, read_files([file]))


def _module_of(file: Path, modules: Sequence[Module]) -> Module:
    return next(module for module in modules if module.file == file.name)


# --- check ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CheckedFile:
    """The check of a file.

    Attributes:
        file: The file.
        verdicts: On its exercises, in order.
        problem: Why it cannot be checked, or an empty text.
        functions: Digests of its functions, by name.
    """

    file: Path
    verdicts: tuple[Verdict, ...]
    problem: str
    functions: dict[str, str]


def check_files(files: Sequence[Path], only: Sequence[str] = (), seed: int = 0) -> tuple[list[CheckedFile], list[str]]:
    """Check the exercises in files: those of the part that a file is called after, and all others that it defines.

    Args:
        files: Python files or notebooks in one folder.
        only: Names of exercises; all where empty.
        seed: Decides the inputs.

    Returns:
        The check of each file that has any of them, and the statements that failed while the files were imported.

    Raises:
        ConfigError: If a name of `only` is no exercise.
        RdfiaError: If it is in none of the files.
    """
    only = [find(name).name for name in only]
    modules = read_files(files)
    by_file = {file: _module_of(file, modules) for file in files}
    targets = [
        (EXERCISES[name], module)
        for module in by_file.values()
        for name in EXERCISES
        if name in (only or EXERCISES)
        and (name in module.functions or (EXERCISES[name].part == module.name and not module.problems))
    ]
    broken = [module for module in by_file.values() if module.problems]
    missing = [name for name in only if name not in {exercise.name for exercise, _ in targets}]
    if missing and not broken:
        raise RdfiaError(f"{missing[0]} belongs in {find(missing[0]).part}.py, which is not among the files checked")
    with Workers() as workers:
        verdicts, notes = Checker(workers, seed, LIMITS).check(modules, targets)
    checked = []
    for file, module in by_file.items():
        own = tuple(verdict for verdict, (_, place) in zip(verdicts, targets, strict=True) if place is module)
        digests = {name: _digest(module, name) for name in module.functions}
        if own or module.problems:
            checked.append(CheckedFile(file, own, " ".join(module.problems), digests))
    return checked, notes


def _digest(module: Module, name: str) -> str:
    """Return a hash of a function and of what it can use in its file: the names that are no exercises."""
    used = {other: text.digest for other, text in module.functions.items() if other == name or other not in EXERCISES}
    return hashlib.sha256(repr(sorted(used.items())).encode()).hexdigest()


def check_cells(name: str, cells: Sequence[str], seed: int) -> Verdict:
    """Check a function that cells of a notebook define.

    Args:
        name: The exercise.
        cells: Their texts, in the order in which they ran.
        seed: Decides the inputs.

    Raises:
        RdfiaError: If there is no such exercise, or none of the cells defines it.
    """
    exercise, module = find(name), Module("notebook", "this notebook.ipynb")
    for number, text in enumerate(cells):
        module.add(f"cell {number}", text)
    if name not in module.functions:
        raise RdfiaError(f"no cell that ran defines {name}: run its cell first")
    with Workers() as workers:
        (verdict,), _ = Checker(workers, seed, LIMITS).check([module], [(exercise, module)])
    return verdict


# --- train ------------------------------------------------------------------------------------------------------------


def train_file(file: Path, problem: Problem) -> tuple[TrainingResult, list[Verdict]]:
    """Train with the functions of a file, and with our solutions of those that are not written yet.

    Returns:
        The training, and the verdicts on the functions that are the student's.

    Raises:
        RdfiaError: If the file cannot be imported, or one of its functions cannot be used.
    """
    modules = read_files([file])
    module = _module_of(file, modules)
    if module.problems:
        raise RdfiaError(module.problems[0])
    names = [exercise.name for exercise in of_part(PART) if module.has(exercise.name)]
    if not names:
        raise RdfiaError(f"none of the functions in {file} is written yet: write the first, then run this again")
    with Workers() as workers:
        result = train_in_worker(workers, modules, module.name, names, problem, LIMITS)
        verdicts, _ = Checker(workers, 0, LIMITS).check(modules, [(find(name), module) for name in names])
    return result, verdicts


# --- progress ---------------------------------------------------------------------------------------------------------


def remember(checked: CheckedFile) -> None:
    """Keep the verdicts on a file beside it, each with the code that it is about.

    Raises:
        RdfiaError: If the folder cannot be written.
    """
    path = checked.file.parent / PROGRESS
    progress = _read_progress(path)
    for verdict in checked.verdicts:
        if verdict.status != UNWRITTEN and verdict.name in checked.functions:
            digest = checked.functions[verdict.name]
            progress[verdict.name] = {"status": verdict.status, "digest": digest, "version": VERSION}
    write_atomic(path, to_json(progress).encode())


def _read_progress(path: Path) -> dict[str, Any]:
    try:
        progress = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return progress if isinstance(progress, dict) else {}


def statuses(folder: Path) -> dict[str, str]:
    """Return for each exercise what is known of it in a folder, without running anything."""
    progress = _read_progress(folder / PROGRESS)
    modules = {part: _read(file) for part, file in part_files(folder).items()}
    return {
        exercise.name: _status(exercise, modules.get(exercise.part), progress.get(exercise.name))
        for exercise in EXERCISES.values()
    }


def _status(exercise: Exercise, module: Module | None, before: Any) -> str:
    if module is None:
        return "no file yet"
    if exercise.name in module.functions and module.functions[exercise.name].problem:
        return WRONG
    if not module.has(exercise.name):
        return UNWRITTEN if module.pieces or not module.problems else "cannot be read"
    if not isinstance(before, dict) or before.get("version") != VERSION:
        return "not checked yet"
    same_code = before.get("digest") == _digest(module, exercise.name)
    return str(before.get("status")) if same_code else "changed since its check"

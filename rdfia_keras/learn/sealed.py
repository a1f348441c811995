"""A copy of the package whose exercises come without the text of their solutions.

    python -m rdfia_keras.learn.sealed students/

In `students/`, which `pip install students/` installs, each module of exercises is bytecode: the checker runs the same
solutions and mistakes, and there is nothing to read. It is bytecode of the Python that made it, and can be decompiled.
"""

import importlib.util
import itertools
import marshal
import shutil
import sys
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.exercise import EXERCISES, Exercise

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("pyproject.toml", "README.md", "LICENSE", "rdfia_keras")
_MODULE = '''"""{introduction}
"""

from rdfia_keras.learn.sealed import run_sealed

run_sealed(__name__, __file__, globals())
'''


@dataclass(frozen=True)
class Sealed:
    """What an exercise has in place of its text.

    Attributes:
        prompt: See `Exercise.prompt`.
        wrong: The solution with mistakes, by their numbers: each alone, and those pairs that can be made together.
    """

    prompt: str
    wrong: Mapping[tuple[int, ...], CodeType]


def write_copy(folder: Path) -> None:
    """Write the package, sealed, to a new folder.

    Raises:
        RdfiaError: When the folder is there or cannot be made, or this is no checkout.
    """
    from rdfia_keras.learn.exercises import PARTS

    if missing := [name for name in COPIED if not (ROOT / name).exists()]:
        raise RdfiaError(f"{ROOT} has no {missing[0]}: run this in a checkout of rdfia-keras")
    if folder.exists():
        raise RdfiaError(f"{folder} is there already: name a new folder")
    try:
        folder.mkdir(parents=True)
    except OSError as error:
        raise RdfiaError(f"cannot make the folder {folder}: {error.strerror}; name another one") from error
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copyfile(ROOT / name, folder / name)
    exercises = folder / "rdfia_keras" / "learn" / "exercises"
    for part, module in PARTS.items():
        (exercises / f"{part}.py").write_text(
            _MODULE.format(introduction=(module.__doc__ or "").strip()), encoding="utf-8"
        )
        (exercises / f"{part}.bin").write_bytes(_sealed(module))


def _sealed(module: ModuleType) -> bytes:
    part = module.__name__.rpartition(".")[2]
    code = compile(Path(str(module.__file__)).read_bytes(), f"<{part}>", "exec")
    mine = {name: one for name, one in EXERCISES.items() if one.part == part}
    prompts = {name: one.prompt for name, one in mine.items()}
    wrong = {name: dict(_wrong(one)) for name, one in mine.items()}
    return importlib.util.MAGIC_NUMBER + zlib.compress(marshal.dumps((code, prompts, wrong)))


def _wrong(exercise: Exercise) -> Any:
    numbers = range(len(exercise.mistakes))
    for chosen in [*itertools.combinations(numbers, 1), *itertools.combinations(numbers, 2)]:
        try:
            yield chosen, exercise.wrong_code(*(exercise.mistakes[i] for i in chosen))
        except (ValueError, SyntaxError):
            continue


def run_sealed(module: str, file: str, names: dict[str, Any]) -> None:
    """Define what a sealed module of exercises defines.

    Raises:
        RdfiaError: When it was made by another Python.
    """
    data = Path(file).with_suffix(".bin").read_bytes()
    magic = importlib.util.MAGIC_NUMBER
    if not data.startswith(magic):
        raise RdfiaError("this copy's exercises were made by another version of Python: ask your teacher which")
    code, prompts, wrong = marshal.loads(zlib.decompress(data[len(magic) :]))
    exec(code, names)
    for name, prompt in prompts.items():
        EXERCISES[name].sealed = Sealed(prompt, wrong[name])


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m rdfia_keras.learn.sealed FOLDER")
    try:
        write_copy(Path(sys.argv[1]))
    except RdfiaError as error:
        sys.exit(f"error: {error}")
    print(sys.argv[1])

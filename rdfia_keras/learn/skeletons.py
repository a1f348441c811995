"""What `rdfia learn start` hands out: files and notebooks with the functions to fill in. None is overwritten."""

from pathlib import Path
from typing import Any

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.exercises import PARTS, of_part
from rdfia_keras.runs.files import to_json


def skeleton(part: str) -> str:
    """Return a part's file with the functions to fill in."""
    task = "Replace each `raise NotImplementedError` with your code, then run rdfia learn check."
    head = f'"""{_introduction(part)}\n\n{task}\n"""\n\n{_imports(part)}'
    return "\n\n".join([head, *(exercise.skeleton for exercise in of_part(part))])


def notebook(part: str) -> dict[str, Any]:
    """Return a part's notebook: a cell for each function, followed by a cell that checks it."""
    cells = [
        _cell("markdown", _introduction(part)),
        _cell("code", f"{_imports(part)}\nfrom rdfia_keras.learn import check"),
    ]
    for exercise in of_part(part):
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


def _introduction(part: str) -> str:
    return (PARTS[part].__doc__ or "").strip()


def _imports(part: str) -> str:
    uses_keras = of_part(part)[0].uses_keras
    return "import keras\nimport numpy as np\nimport tensorflow as tf\n" if uses_keras else "import numpy as np\n"


def _cell(kind: str, text: str) -> dict[str, Any]:
    cell: dict[str, Any] = {"cell_type": kind, "metadata": {}, "source": text.splitlines(keepends=True)}
    return cell | ({"execution_count": None, "outputs": []} if kind == "code" else {})


def start(part: str, folder: Path, as_notebook: bool) -> tuple[Path, bool]:
    """Write a part's file, or its notebook, if it is not there yet.

    Returns:
        Its path, and whether it is new.

    Raises:
        RdfiaError: If the folder cannot be written.
    """
    path = folder / (f"{part}.ipynb" if as_notebook else f"{part}.py")
    text = to_json(notebook(part)) if as_notebook else skeleton(part)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        if not path.parent.is_dir():
            raise RdfiaError(f"{path.parent} is a file: choose another folder") from None
        return path, False
    except OSError as error:
        raise RdfiaError(f"cannot write {path}: {error.strerror}; choose another folder") from error
    return path, True

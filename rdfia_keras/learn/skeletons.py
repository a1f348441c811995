"""What `rdfia learn start` hands out: files and notebooks with the functions to fill in. None is overwritten."""

from pathlib import Path

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.exercises import PARTS, of_part


def skeleton(part: str) -> str:
    """Return a part's file with the functions to fill in."""
    task = "Replace each `raise NotImplementedError` with your code, then run rdfia learn check."
    head = f'"""{_introduction(part)}\n\n{task}\n"""\n\n{_imports(part)}'
    return "\n\n".join([head, *(exercise.skeleton for exercise in of_part(part))])


def notebook(part: str) -> str:
    """Return a part's notebook: a cell for each function, followed by a cell that checks it."""
    from nbformat import v4

    cells = [
        v4.new_markdown_cell(_introduction(part)),
        v4.new_code_cell(f"{_imports(part)}\nfrom rdfia_keras.learn import check"),
    ]
    for exercise in of_part(part):
        cells += [
            v4.new_markdown_cell(f"## {exercise.name}"),
            v4.new_code_cell(exercise.skeleton.rstrip()),
            v4.new_code_cell(f"check({exercise.name})"),
        ]
    for number, cell in enumerate(cells):
        cell["id"] = f"{part.replace('_', '-')}-{number}"
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    metadata = {"kernelspec": kernel, "language_info": {"name": "python"}}
    return v4.writes(v4.new_notebook(cells=cells, metadata=metadata)) + "\n"


def _introduction(part: str) -> str:
    return (PARTS[part].__doc__ or "").strip()


def _imports(part: str) -> str:
    uses_keras = of_part(part)[0].uses_keras
    return "import keras\nimport numpy as np\nimport tensorflow as tf\n" if uses_keras else "import numpy as np\n"


def start(part: str, folder: Path, as_notebook: bool) -> tuple[Path, bool]:
    """Write a part's file, or its notebook, if it is not there yet.

    Returns:
        Its path, and whether it is new.

    Raises:
        RdfiaError: If the folder cannot be written.
    """
    path = folder / (f"{part}.ipynb" if as_notebook else f"{part}.py")
    text = notebook(part) if as_notebook else skeleton(part)
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

"""The code of a notebook as nbformat and IPython read it, without what only IPython can run.

Both are imported when they are needed: nbformat for a notebook, IPython for a cell that is not Python by itself.
"""

import ast
import json
import re

# Cells and lines that are Python behind one of these; all others are left out.
_PYTHON_CELLS, _PYTHON_LINES = ("time", "timeit", "capture", "prun"), ("time", "prun")
_CALL = re.compile(
    r"^([ \t]*)((?:[^=\n(]+=[ \t]*)?)(get_ipython\(\)\.(?:run_line_magic|system|getoutput)\(.*\))[ \t]*$", re.MULTILINE
)


def code_cells(data: bytes) -> list[tuple[int, str]]:
    """Return the code cells of a notebook of any format, with their numbers among all cells.

    Raises:
        Exception: What nbformat raises for what is no notebook.
    """
    from nbformat import convert, from_dict

    book = json.loads(data.decode("utf-8-sig"))
    if book.get("nbformat") in (1, 2, 3):  # Of a later one what is read here is as in 4.
        book = convert(from_dict({"metadata": {}, "nbformat_minor": 0, **book}), 4)
    texts = []
    for number, cell in enumerate(book["cells"], 1):
        source = cell.get("source")
        if cell.get("cell_type") == "code" and isinstance(source, str | list):
            texts.append((number, source if isinstance(source, str) else "".join(map(str, source))))
    return texts


def python_of(text: str) -> str:
    """Return a cell as Python, without !commands and %magics; lines keep their numbers."""
    if _is_python(text):
        return text
    if magic := re.match(r"\s*%%(\w+)(.*)(?:\n|$)", text):
        writes_module = magic[1] in ("writefile", "file") and magic[2].strip().endswith(".py")
        kept = magic[1] in _PYTHON_CELLS or writes_module
        return "\n" * magic[0].count("\n") + python_of(text[magic.end() :]) if kept else ""
    return _CALL.sub(_without_call, _transformed(text))


def _is_python(text: str) -> bool:
    try:
        ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True


def _transformed(text: str) -> str:
    """Return a cell with IPython's own syntax turned into calls of `get_ipython()`.

    Raises:
        ValueError: If that takes too long.
    """
    from IPython.core.inputtransformer2 import TransformerManager

    class KeepsLines(TransformerManager):  # type: ignore[misc]
        looked_at = 0

        def do_one_token_transform(self, lines: list[str]) -> tuple[bool, list[str]]:
            self.looked_at += sum(map(len, lines))
            # IPython reads the whole cell again after each magic.
            if self.looked_at > 16 * len(text) + (64 << 10):
                raise ValueError("too many magics")
            changed, new = super().do_one_token_transform(lines)
            at = next((i for i, pair in enumerate(zip(lines, new, strict=False)) if pair[0] != pair[1]), len(new))
            return changed, [*new[: at + 1], *["\n"] * (len(lines) - len(new)), *new[at + 1 :]]

    blank = re.match(r"(?:[^\S\n]*\n)*", text)
    assert blank is not None  # It may be empty.
    return "\n" * blank[0].count("\n") + KeepsLines().transform_cell(text)


def _without_call(match: re.Match[str]) -> str:
    """Return a line with the Python of its magic, or with `pass`."""
    indent, target, text = match.groups()
    call = ast.parse(text).body[0].value  # type: ignore[attr-defined]
    name, *rest = [argument.value for argument in call.args]
    code = f"{target}{' '.join(rest)}"
    return indent + (code if name in _PYTHON_LINES and _is_python(code) else "pass")

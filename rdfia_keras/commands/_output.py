"""What every command prints: tables, JSON, hints and errors, and with which exit code it ends."""

import functools
import io
import os
import re
import shutil
import sys
import textwrap
import traceback
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import typer

from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.result import Result, Table
from rdfia_keras.runs.files import to_json
from rdfia_keras.system.device_errors import device_error

QUICK_LINE = "QUICK: smoke test, not a result"
NO_MEMORY = "not enough memory; try --quick, or less of what is large: --batch-size, or --hidden-units of mlp"
# Characters of a cell that is broken into lines, at least.
MIN_BROKEN = 16
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")


def show(result: Result, json: bool) -> None:
    """Print a result and end with its exit code: the table and what was written, or the data as JSON or CSV."""
    if json and result.csv:
        raise ConfigError("--csv and --json exclude each other: leave one out")
    if result.hint:
        print(result.hint, file=sys.stderr)
    if json:
        text = to_json(dict(result.data))
    elif result.csv:
        text = result.csv
    else:
        lines = [QUICK_LINE] if result.quick else []
        table = result.table
        if sys.stdout.isatty():
            table, equal = fitted(table, shutil.get_terminal_size().columns)
            lines += equal
        lines += [*result.intro, *table_lines(table), *result.lines, *map(str, result.paths)]
        text = "".join(f"{line}\n" for line in lines)
    try:
        print(text, end="", flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        raise output_error(error) from error
    raise typer.Exit(result.exit_code)


def prepare_streams() -> None:
    """Open the streams that the shell closed, as `>&-` does, and print what an encoding lacks as question marks.

    The first file opened would take the number of a closed stream. Windows writes a redirected output in its code page.
    """
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, Path(os.devnull).open("w", encoding="utf-8"))  # noqa: SIM115
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="replace")


def output_error(error: OSError) -> RdfiaError:
    """Return what to say of standard output that takes nothing more."""
    return RdfiaError(f"cannot write to standard output: {error.strerror or error}; print to somewhere else")


def drop_unwritten() -> None:
    """Throw away what standard output does not take: Python would complain about it at the end of the process."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def fitted(rows: Table, width: int) -> tuple[Table, list[str]]:
    """Return a table that is too wide as it fits a terminal, and a line of what is equal in all rows.

    Columns without a value go, and those that the first one repeats; then the widest cells are broken. A pipe gets all.
    """
    equal: list[str] = []
    if not rows or _width(rows) <= width:
        return rows, equal
    first, *others = rows[0]
    shown = [first]
    for column in others:
        values = {row[column] for row in rows}
        if values == {"-"} or all(row[column] in row[first] for row in rows):
            continue
        if len(values) == 1 and len(rows) > 1:
            equal.append(f"{column} {rows[0][column]}")
        else:
            shown.append(column)
    rows = [{column: row[column] for column in shown} for row in rows]
    if excess := max(0, _width(rows) - width):
        widths = _widths(rows)
        widest = max(shown, key=lambda column: widths[column])
        room = max(len(widest), MIN_BROKEN, widths[widest] - excess)
        rows = [part for row in rows for part in _broken(row, widest, room)]
    return rows, [f"in all rows: {', '.join(equal)}"] if equal else []


def _broken(row: Mapping[str, str], column: str, width: int) -> list[dict[str, str]]:
    """Return a row as several, with one of its cells broken into lines."""
    first, *more = textwrap.wrap(row[column], width) or [""]
    return [{**row, column: first}, *(dict.fromkeys(row, "") | {column: line} for line in more)]


def _widths(rows: Table) -> dict[str, int]:
    return {column: max(len(column), *(len(row[column]) for row in rows)) for column in rows[0]}


def _width(rows: Table) -> int:
    widths = _widths(rows)
    return sum(widths.values()) + 2 * (len(widths) - 1)


def table_lines(rows: Table) -> Sequence[str]:
    """Return aligned columns, plain enough for a pipe."""
    if not rows:
        return []
    columns, widths = list(rows[0]), _widths(rows)
    heading = dict(zip(columns, columns, strict=True))
    return ["  ".join(row[c].ljust(widths[c]) for c in columns).rstrip() for row in [heading, *rows]]


def plain_errors(command: Callable[..., None]) -> Callable[..., None]:
    """Print one sentence on stderr for what a user can mend, and exit with 2 for a wrong option, with 1 otherwise.

    Ctrl-C ends with 130; `--debug` shows the traceback.
    """

    @functools.wraps(command)
    def wrapped(*args: Any, **kwargs: Any) -> None:
        debug = bool(kwargs.get("debug"))
        try:
            command(*args, **kwargs)
        except RdfiaError as error:
            if debug:
                traceback.print_exc()
            _fail(str(error), 2 if isinstance(error, ConfigError) else 1)
        except KeyboardInterrupt:
            print("interrupted", file=sys.stderr)
            raise typer.Exit(130) from None
        except MemoryError:
            _fail(NO_MEMORY, 1)
        except (typer.Exit, typer.BadParameter, BrokenPipeError):
            raise
        except OSError as error:
            # No command can use a path whose name is too long, or that lies in a folder that cannot be entered.
            if debug:
                raise
            if error.filename is None or error.strerror is None:
                _fail(_unexpected(error, str(error)), 1)
            _fail(f"cannot use {error.filename}: {error.strerror}; give another path", 1)
        except Exception as error:
            if debug:
                raise
            failed = device_error(error)
            if failed and failed.out_of_memory:
                _fail(f"{NO_MEMORY} ({failed.message})", 1)
            _fail(_unexpected(error, failed.message if failed else str(error)), 1)

    return wrapped


def _unexpected(error: Exception, text: str) -> str:
    first = (text.strip().splitlines() or [type(error).__name__])[0]
    return f"unexpected {type(error).__name__}: {first} (--debug shows all of it)"


def _fail(sentence: str, code: int) -> None:
    # A file's name may have line breaks, and what moves a terminal's cursor.
    shown = _CONTROL.sub(lambda match: repr(match[0])[1:-1], sentence)
    print(f"error: {shown}", file=sys.stderr)
    raise typer.Exit(code) from None

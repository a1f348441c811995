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
# Settings on which the memory of a command depends.
SIZES = ("hidden_units", "batch_size", "train_examples")
INDENT = "    "
_ENDLESS = re.compile(r"(\S{60})\S{300,}(\S{20})")
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
        is_terminal = sys.stdout.isatty()
        table = fitted(result.table, shutil.get_terminal_size().columns) if is_terminal else table_lines(result.table)
        lines += [*result.intro, *table, *result.lines, *map(str, result.paths)]
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


def fitted(rows: Table, width: int) -> list[str]:
    """Return the lines of a table on a terminal.

    If it is too wide, columns without a value go, and those that the first one repeats; what is equal in all rows is
    said once, and the columns that still have no place stand below each row. A pipe gets all.
    """
    if not rows or _width(rows) <= width:
        return list(table_lines(rows))
    first, *others = rows[0]
    values = {column: {row[column] for row in rows} for column in others}
    equal = [column for column in others if len(values[column]) == 1 < len(rows)]
    lines = [f"{column} {rows[0][column]}" for column in equal if values[column] != {"-"}]
    lines = [f"in all rows: {', '.join(lines)}"] if lines else []
    shown: list[str] = [first]
    below: list[str] = []
    for column in others:
        if column in equal or all(row[column] in (*row[first].split("/"), row[first], "-") for row in rows):
            continue
        fits = _width([{name: row[name] for name in (*shown, column)} for row in rows]) <= width
        (shown if fits else below).append(column)
    heading, *table = table_lines([{column: row[column] for column in shown} for row in rows])
    lines.append(heading)
    for row, line in zip(rows, table, strict=True):
        more = [f"{column} {row[column]}" for column in below if row[column] != "-" and row[column] not in row[first]]
        text = ", ".join(more)
        lines += [line, *textwrap.wrap(text, width, initial_indent=INDENT, subsequent_indent=INDENT)]
    return lines


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
        except MemoryError as error:
            _fail(no_memory(kwargs, str(error)), 1)
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
                _fail(no_memory(kwargs, failed.message), 1)
            _fail(_unexpected(error, failed.message if failed else str(error)), 1)

    return wrapped


def no_memory(values: Mapping[str, Any], detail: str) -> str:
    """Return the error on memory that ran out, with what was large and what the library says of it."""
    sizes = sorted(((values[name], name) for name in SIZES if values.get(name)), reverse=True)
    asked = [f"--{name.replace('_', '-')} {size:,}" for size, name in sizes]
    cause = f" for {' and '.join(asked)}; try a smaller {asked[0].split()[0]}, or --quick" if asked else "; try --quick"
    return f"not enough memory{cause}" + (f" ({detail})" if detail else "")


def _unexpected(error: Exception, text: str) -> str:
    first = (text.strip().splitlines() or [type(error).__name__])[0]
    return f"unexpected {type(error).__name__}: {first} (--debug shows all of it)"


def _fail(sentence: str, code: int) -> None:
    # What was typed may be endless. A file's name may have line breaks, and what moves a terminal's cursor.
    shown = _ENDLESS.sub(r"\1...\2", sentence)
    shown = _CONTROL.sub(lambda match: repr(match[0])[1:-1], shown)
    print(f"error: {shown}", file=sys.stderr)
    raise typer.Exit(code) from None

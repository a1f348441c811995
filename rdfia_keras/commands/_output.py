"""What every command prints: tables, JSON, hints and errors, and with which exit code it ends."""

import functools
import io
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import typer

from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.result import Result, Table
from rdfia_keras.runs.files import to_json
from rdfia_keras.system.device_errors import device_error

QUICK_LINE = "QUICK: smoke test, not a result"
NO_MEMORY = "not enough memory; try a smaller --batch-size or --quick"


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
        lines += [*result.intro, *table_lines(result.table), *result.lines, *map(str, result.paths)]
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


def table_lines(rows: Table) -> Sequence[str]:
    """Return aligned columns, plain enough for a pipe."""
    if not rows:
        return []
    columns = list(rows[0])
    widths = {column: max(len(column), *(len(row[column]) for row in rows)) for column in columns}
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
        except Exception as error:
            if debug:
                raise
            failed = device_error(error)
            if failed and failed.out_of_memory:
                _fail(f"{NO_MEMORY} ({failed.message})", 1)
            text = failed.message if failed else (str(error).strip().splitlines() or [type(error).__name__])[0]
            _fail(f"unexpected {type(error).__name__}: {text} (--debug shows all of it)", 1)

    return wrapped


def _fail(sentence: str, code: int) -> None:
    print(f"error: {sentence}", file=sys.stderr)
    raise typer.Exit(code) from None

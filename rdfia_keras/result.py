"""The one type that every command answers with, and how its accuracies are written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path
from typing import Any

Table = Sequence[Mapping[str, str]]


@dataclass(frozen=True, kw_only=True)
class Result:
    """What a command answers with; `commands/_output.py` prints it.

    Attributes:
        data: For programs, printed by `--json`.
        table: For people: rows of column to text.
        intro: Lines above the table.
        lines: Lines below it.
        paths: What was written, printed last.
        csv: A text for programs, printed instead of all the above.
        hint: A line on stderr: how to continue.
        quick: Whether it comes of a smoke test.
        exit_code: What the process should exit with.
    """

    data: Mapping[str, Any]
    table: Table = ()
    intro: Sequence[str] = ()
    lines: Sequence[str] = ()
    paths: Sequence[Path] = ()
    csv: str = ""
    hint: str = ""
    quick: bool = False
    exit_code: int = 0


def percent(fraction: float, digits: int = 1) -> str:
    """Return a fraction in percent, `63.9 %`; halves go up, though the nearest float may lie below."""
    step = Decimal(1).scaleb(-digits)
    return f"{(100 * Decimal(f'{fraction:.10f}')).quantize(step, ROUND_HALF_UP)} %"

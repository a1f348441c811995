"""`history.csv`: one row an epoch, and the rows that matter."""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from statistics import median
from typing import Any, NotRequired, TypedDict


class EpochRow(TypedDict):
    """One epoch. Accuracies are fractions, losses nats, `seconds` wall-clock time."""

    epoch: int
    lr: float
    train_loss: float
    train_accuracy: float
    test_loss: float
    test_accuracy: float
    seconds: float
    validation_loss: NotRequired[float]
    validation_accuracy: NotRequired[float]
    implementation: NotRequired[str]


VALIDATION_COLUMNS = ("validation_loss", "validation_accuracy")
HISTORY_COLUMNS = ("epoch", "lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds")


def read_history(text: str) -> list[EpochRow]:
    """Parse the rows of a `history.csv`, numbers as numbers.

    Raises:
        ValueError, TypeError, csv.Error: If a row is not an epoch.
    """
    rows: list[Any] = []
    for line in csv.DictReader(io.StringIO(text)):
        row: dict[str, Any] = {key: value if key == "implementation" else float(value) for key, value in line.items()}
        rows.append({**row, "epoch": int(row["epoch"])} if "epoch" in row else row)
    return rows


def history_bytes(rows: Iterable[Mapping[str, Any]]) -> bytes:
    """Format `history.csv`. Floats are written in full, so that equal runs give equal files."""
    rows, text = list(rows), io.StringIO()
    first = rows[0] if rows else {}
    columns = ["implementation"] if "implementation" in first else []
    columns += [*HISTORY_COLUMNS, *(name for name in VALIDATION_COLUMNS if name in first)]
    writer = csv.DictWriter(text, columns, lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def check_rows(rows: Sequence[Any]) -> list[EpochRow]:
    """Return rows from a checkpoint, once they are the epochs 1, 2, ... with a number in each column.

    Raises:
        KeyError, TypeError, ValueError: If they are not.
    """
    for number, row in enumerate(rows, start=1):
        values = [row[name] for name in (*HISTORY_COLUMNS, *(name for name in VALIDATION_COLUMNS if name in row))]
        if row["epoch"] != number or not all(isinstance(value, int | float) for value in values):
            raise ValueError(f"row {number} of the history is no epoch")
    return list(rows)


def best_row(rows: Sequence[EpochRow]) -> EpochRow | None:
    """Return the first epoch of the highest test accuracy: the number that the homework reports."""
    return max(rows, key=lambda row: row["test_accuracy"], default=None)


def selected_row(rows: Sequence[EpochRow]) -> EpochRow | None:
    """Return the first epoch of the highest validation accuracy; None without a validation set."""
    validated = [row for row in rows if "validation_accuracy" in row]
    return max(validated, key=lambda row: row["validation_accuracy"], default=None)


def chosen_row(rows: Sequence[EpochRow]) -> EpochRow | None:
    """Return the epoch whose weights `best.keras` holds: the selected one, or the best one without a validation set."""
    return selected_row(rows) or best_row(rows)


def summary_rows(rows: Sequence[EpochRow]) -> dict[str, dict[str, Any] | None]:
    """Return `best`, `selected` and `final` of a record: epoch, and loss and accuracy on test and validation set."""
    chosen = {"best": best_row(rows), "selected": selected_row(rows), "final": rows[-1] if rows else None}
    columns = ("epoch", "test_accuracy", "test_loss", *VALIDATION_COLUMNS)
    return {
        name: row and {column: row[column] for column in columns if row.get(column) is not None}  # type: ignore[literal-required]
        for name, row in chosen.items()
    }


def scores(row: EpochRow) -> list[float]:
    """Return train loss, train accuracy, test loss and test accuracy of an epoch."""
    return [row["train_loss"], row["train_accuracy"], row["test_loss"], row["test_accuracy"]]


def accuracy_of(row: Mapping[str, Any] | None) -> float | None:
    """Return the test accuracy of a record's `best`, `selected` or `final`; None where there is no such epoch."""
    return None if row is None else float(row["test_accuracy"])


def duration(rows: Sequence[EpochRow]) -> float:
    """Return the seconds of a training: the median epoch times their number, so that a pause does not count."""
    return round(median(row["seconds"] for row in rows) * len(rows), 3) if rows else 0.0

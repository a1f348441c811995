"""Progress on stderr: a bar with the time left on a terminal, at most about a line a second elsewhere."""

import sys
import time
from collections.abc import Mapping
from typing import Any

# Rich is imported where a bar is shown: it costs as much as the rest of a light command.
SECONDS_BETWEEN_LINES = 1.0


class Progress:
    """Shows the progress of one training.

    Args:
        label: What is trained.
        epochs: Number of epochs in all.
        batches: Batches an epoch; 1 when nothing smaller than an epoch is reported.
        done: Epochs that were finished before, in a resumed run.

    Example:
        >>> with Progress("baseline", epochs=2, batches=10) as progress:
        ...     progress.epoch({"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.2, "test_accuracy": 0.3})
    """

    def __init__(self, label: str, epochs: int, batches: int = 1, done: int = 0):
        self.label = label
        self.epochs = epochs
        self.batches = batches
        self.done = done
        self.bar: Any = None
        self._first = done
        self._begin = self._last_line = -float("inf")

    def __enter__(self) -> "Progress":
        self._begin = time.monotonic()
        if sys.stderr.isatty():
            self._start_bar()
        return self

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.bar = Bar(
            *(TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn()),
            TextColumn("{task.fields[last]}"),
            console=Console(file=sys.stderr),
            speed_estimate_period=120,
        )
        total, completed = self.epochs * self.batches, self.done * self.batches
        self.task = self.bar.add_task(self.label, total=total, completed=completed, last="")
        self.bar.start()

    def __exit__(self, *_exc: object) -> None:
        if self.bar:
            self.bar.stop()

    def batch(self, count: int) -> None:
        """Report that `count` batches of the current epoch are done."""
        if self.bar:
            self.bar.update(self.task, completed=self.done * self.batches + count)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Report a finished epoch by its row of the history."""
        self.done = row["epoch"]
        text = (
            f"epoch {self.done}/{self.epochs}  loss {row['train_loss']:.4f}  train {row['train_accuracy']:6.2%}  "
            f"test {row['test_accuracy']:6.2%}"
        )
        if self.bar:
            self.bar.update(self.task, completed=self.done * self.batches, last=text)
            return
        now = time.monotonic()
        # A log file would fill with the hundreds of epochs that the perceptron takes in a second.
        if now - self._last_line < SECONDS_BETWEEN_LINES and self.done < self.epochs:
            return
        self._last_line = now
        seconds = (now - self._begin) / max(1, self.done - self._first)
        left = _duration(seconds * (self.epochs - self.done))
        note(f"{self.label}  {text}  {seconds:.1f} s an epoch, {left} left")


def _duration(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"


def note(text: str) -> None:
    """Print one line for the user that is not a result."""
    print(text, file=sys.stderr, flush=True)

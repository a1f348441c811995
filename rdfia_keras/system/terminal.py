"""Progress on stderr: a bar with the time left on a terminal, at most about a line a second elsewhere."""

import math
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from rdfia_keras.result import percent

# Rich is imported where a bar is shown: it costs as much as the rest of a light command.
SECONDS_BETWEEN_LINES = 1.0
LABEL_WIDTH, BAR_WIDTH = 20, 10
# The first calls of a training step trace and compile it.
REPORTS_OF_A_START = 2


class Progress:
    """Progress of one training.

    Args:
        label: Name of the training.
        epochs: Number of epochs in all.
        batches: Batches an epoch; 1 when nothing smaller than an epoch is reported.
        done: Epochs that were finished before, in a resumed run.
        clock: Returns seconds.

    Example:
        >>> with Progress("baseline", epochs=2, batches=10) as progress:
        ...     progress.epoch({"epoch": 1, "train_loss": 2.0, "train_accuracy": 0.2, "test_accuracy": 0.3})
    """

    def __init__(
        self, label: str, epochs: int, batches: int = 1, done: int = 0, clock: Callable[[], float] = time.monotonic
    ):
        self.label = label
        self.epochs = epochs
        self.batches = batches
        self.done = done
        self.bar: Any = None
        self._clock = clock
        self._first, self._reports = done, 0
        # When measuring began, in seconds, and how many epochs were done then: tracing and compiling the first steps
        # happens only once. It begins after some batches, and anew after the first epoch.
        self._start: tuple[float, float] | None = None
        self._last_line = -math.inf

    def __enter__(self) -> "Progress":
        if sys.stderr.isatty():
            self._start_bar()
        return self

    def _start_bar(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar
        from rich.table import Column

        self.bar = Bar(
            TextColumn("{task.description}", table_column=Column(max_width=LABEL_WIDTH, no_wrap=True)),
            *(BarColumn(BAR_WIDTH), TaskProgressColumn(), TimeRemainingColumn(), TextColumn("{task.fields[last]}")),
            console=Console(file=sys.stderr),
            speed_estimate_period=120,
            get_time=self._clock,
        )
        total, completed = self.epochs * self.batches, self.done * self.batches
        self.task = self.bar.add_task(self.label, total=total, completed=completed, last="")
        self.bar.start()

    def __exit__(self, *_exc: object) -> None:
        if self.bar:
            self.bar.stop()

    def batch(self, count: int) -> None:
        """Report that `count` batches of the current epoch are done."""
        self._reports += 1
        if self._reports == REPORTS_OF_A_START and count < self.batches:
            self._start = self._clock(), self.done + count / self.batches
        if self.bar:
            self.bar.update(self.task, completed=self.done * self.batches + count)

    def epoch(self, row: Mapping[str, Any]) -> None:
        """Report a finished epoch by its row of the history."""
        is_first, self.done = self.done == self._first, row["epoch"]
        now, seconds = self._clock(), None
        if self._start:
            begin, done = self._start
            seconds = (now - begin) / (self.done - done)
        if is_first:
            self._start = now, self.done
        facts = [f"epoch {self.done}/{self.epochs}", f"test {percent(row['test_accuracy'], 2)}"]
        facts.append(f"loss {row['train_loss']:.4f}")
        facts.append(f"train {percent(row['train_accuracy'], 2)}")
        if "validation_accuracy" in row:
            facts.append(f"validation {percent(row['validation_accuracy'], 2)}")
        text = "  ".join(facts)
        if self.bar:
            # Rich would cut the label and the bar for a text that is too wide.
            room = self.bar.console.width - min(len(self.label), LABEL_WIDTH) - BAR_WIDTH - len(" 100% 0:00:00  ")
            while len(text) > room and len(facts) > 1:
                text = "  ".join(facts := facts[:-1])
            self.bar.update(self.task, completed=self.done * self.batches, last=text)
            return
        # A log file would fill with the hundreds of epochs that the perceptron takes in a second.
        if now - self._last_line < SECONDS_BETWEEN_LINES and self.done < self.epochs:
            return
        self._last_line = now
        if seconds is not None:
            text += f"  {seconds:.1f} s an epoch, {duration_in_words(seconds * (self.epochs - self.done))} left"
        note(f"{self.label}  {text}")


def duration_in_words(seconds: float) -> str:
    """Return seconds, minutes or hours, rounded."""
    if seconds >= 5400:
        return f"{seconds / 3600:.1f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"


def note(text: str) -> None:
    """Print one line for the user that is not a result."""
    print(text, file=sys.stderr, flush=True)

"""Progress on stderr: a bar with the time left on a terminal, one line an epoch elsewhere."""

import sys

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as Bar


class Progress:
    """Shows one training.

    Args:
        label: What is trained.
        epochs: How many epochs in all.
        batches: Batches an epoch; 1 when nothing smaller than an epoch is reported.
        done: Epochs that were finished before, in a run that goes on.
    """

    def __init__(self, label: str, epochs: int, batches: int = 1, done: int = 0):
        self.label = label
        self.epochs = epochs
        self.batches = batches
        self.done = done
        self.seconds = []
        self.bar = None

    def __enter__(self) -> "Progress":
        console = Console(file=sys.stderr)
        if console.is_terminal:
            columns = (
                TextColumn("{task.description}"),
                BarColumn(),
                TaskProgressColumn(),
                TimeRemainingColumn(),
                TextColumn("{task.fields[last]}"),
            )
            self.bar = Bar(*columns, console=console, speed_estimate_period=120)
            self.task = self.bar.add_task(
                self.label, total=self.epochs * self.batches, completed=self.done * self.batches, last=""
            )
            self.bar.start()
        return self

    def __exit__(self, *_exc) -> None:
        if self.bar:
            self.bar.stop()

    def batch(self, count: int) -> None:
        """`count` batches of the current epoch are done."""
        if self.bar:
            self.bar.update(self.task, completed=self.done * self.batches + count)

    def epoch(self, row: dict) -> None:
        """An epoch is done; `row` is its row of the history."""
        self.done = row["epoch"]
        text = (
            f"epoch {self.done}/{self.epochs}  loss {row['train_loss']:.4f}  train {row['train_accuracy']:6.2%}  "
            f"test {row['test_accuracy']:6.2%}"
        )
        if self.bar:
            self.bar.update(self.task, completed=self.done * self.batches, last=text)
            return
        self.seconds.append(row["seconds"])
        left = sum(self.seconds) / len(self.seconds) * (self.epochs - self.done)
        print(f"{self.label}  {text}  {row['seconds']:.1f} s  {_minutes(left)} left", file=sys.stderr, flush=True)


def _minutes(seconds: float) -> str:
    return f"{seconds / 60:.0f} min" if seconds >= 100 else f"{seconds:.0f} s"


def note(text: str) -> None:
    """One line for the user that is not a result."""
    print(text, file=sys.stderr, flush=True)

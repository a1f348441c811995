"""The real command, in a process of its own or in this one, and what it leaves on the disk.

What is killed, signalled or run in another environment is a process of its own. Where the fault lies in the files, the
command runs in this process, which spares the seconds that TensorFlow takes to start.
"""

import contextlib
import csv
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

# Everything random that a training can have, and an optimizer with state.
TRAIN = ("--augment", "--dropout", "--batch-norm", "--optimizer", "momentum", "--lr", "0.01", "--batch-size", "8")
# The same of what a network without convolutions can have: less to compile in each process.
DENSE = ("--model", "dense", "--augment", "--dropout", "--optimizer", "momentum", "--lr", "0.01", "--batch-size", "8")
# What a GPU gets, on a CPU: the whole step compiled by XLA, several steps a call.
GPU_PATH = (*DENSE, "--xla", "on", "--steps-per-execution", "4")
# With a validation set, to choose the epoch by.
VALIDATED = ("--validation", "0.25")
ENV = {key: value for key, value in os.environ.items() if key != "RDFIA_DATA"}


def start(*args, cwd: Path, **kwargs) -> subprocess.Popen:
    """Start `rdfia ARGS` in a process of its own."""
    command = [sys.executable, "-m", "rdfia_keras", *map(str, args)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, text=True, **{**pipes, "env": ENV, **kwargs})


def ends(*args, cwd: Path, code: int, **kwargs) -> subprocess.CompletedProcess:
    """Run `rdfia ARGS` in a process of its own, which must end with `code`."""
    process = start(*args, cwd=cwd, **kwargs)
    out, err = process.communicate(timeout=150)
    assert process.returncode == code, err
    return subprocess.CompletedProcess(args, code, out, err)


def ends_here(*args, cwd: Path, code: int) -> subprocess.CompletedProcess:
    """Run `rdfia ARGS` in this process; it must end with `code`."""
    from typer.testing import CliRunner

    from rdfia_keras.cli import app

    with contextlib.chdir(cwd):
        done = CliRunner(env={"RDFIA_DATA": None}).invoke(app, list(map(str, args)))
    assert done.exit_code == code, (done.stderr, done.exception)
    return subprocess.CompletedProcess(args, code, done.stdout, done.stderr)


def kill(process: subprocess.Popen) -> None:
    """`kill -9`, and wait for the end."""
    assert process.poll() is None, f"it ended by itself: {process.stderr.read()}"
    process.kill()
    process.communicate()


def wait_until(holds: Callable[[], object], process: subprocess.Popen) -> None:
    """Look every 10 ms until `holds()`; the process must live so long."""
    begin = time.monotonic()
    while not holds():
        assert process.poll() is None, f"it ended by itself: {process.stderr.read()}"
        assert time.monotonic() - begin < 120
        time.sleep(0.01)


def wait_for_epochs(process: subprocess.Popen, section: Path, count: int, name: str = "*") -> Path:
    """Watch the history of the run `name` in a section's folder until it holds `count` epochs: the run's folder."""
    wait_until(lambda: any(len(numbers(path.parent)) >= count for path in section.glob(f"{name}/history.csv")), process)
    return next(section.glob(f"{name}/history.csv")).parent


def wait_for_line(process: subprocess.Popen, part: str) -> str:
    """Read the process's stderr up to a line that contains `part`."""
    read = []
    for line in process.stderr:
        if part in line:
            return line
        read.append(line)
    raise AssertionError(f"no {part!r} in {read}")


def runs(section: Path) -> list[Path]:
    """The runs' folders in a section's folder; the locks beside them are hidden files."""
    return sorted(path for path in section.iterdir() if not path.name.startswith("."))


def numbers(folder: Path) -> list[dict]:
    """The rows of a run's history, without the times."""
    with (folder / "history.csv").open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def record(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def digest(folder: Path) -> str | dict:
    """Of the weights at the end of a run."""
    found = record(folder)["details"]["weights_digest"]
    assert found
    return found


def folder_of(done: subprocess.CompletedProcess, cwd: Path) -> Path:
    """The folder that a command names in its last line."""
    return cwd / done.stdout.splitlines()[-1]


def assert_one_sentence(text: str) -> None:
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in text, text

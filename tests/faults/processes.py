"""The real command, in a process of its own or in this one, and what it leaves on the disk.

What is killed, signalled or run in another environment is a process of its own: started anew, or forked from one that
has imported TensorFlow, which spares the seconds that this takes. Where the fault lies in the files, the command runs
in this process.
"""

import contextlib
import csv
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path

# Everything random that a training can have, and an optimizer with state. Equal batches are compiled once.
FEW = ("--optimizer", "momentum", "--lr", "0.01", "--batch-size", "10")
TRAIN = ("--augment", "--dropout", "--batch-norm", *FEW)
# The same of what a network without convolutions can have, without XLA: little to compile in each process.
DENSE = ("--network", "dense", "--augment", "--dropout", "--xla", "off", *FEW)
# What a GPU gets, on a CPU: the whole step compiled by XLA, several steps a call.
GPU_PATH = ("--network", "dense", "--augment", "--dropout", "--xla", "on", "--steps-per-execution", "4", *FEW)
# No random numbers and nothing for XLA: for faults that lie in the files.
PLAIN = ("--network", "dense", *FEW)
# With a validation set, to choose the epoch by.
VALIDATED = ("--validation", "0.25")
ENV = {key: value for key, value in os.environ.items() if key != "RDFIA_DATA"}
# So long a process may take on a machine that does other things as well.
PATIENCE = 150


def start(*args, cwd: Path, **kwargs) -> subprocess.Popen:
    """Start `rdfia ARGS` in a process of its own."""
    command = [sys.executable, "-m", "rdfia_keras", *map(str, args)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, text=True, **{**pipes, "env": ENV, **kwargs})


# It imports these once and starts nothing of them; each command is a fork of it.
FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    [f"rdfia_keras.{name}" for name in ("training.train_convnet", "training.train_perceptron", "plots")]
)


class Fork:
    """What `fork` gives, which is used like a `subprocess.Popen`."""

    def __init__(self, args: tuple, cwd: Path, env: dict[str, str]):
        (out, to_out), (err, to_err) = (FORKS.Pipe(duplex=False) for _ in range(2))
        # A daemon does not outlive this process.
        self._process = FORKS.Process(target=_command, args=(args, cwd, env, to_out, to_err), daemon=True)
        self._process.start()
        for end in (to_out, to_err):
            end.close()
        self.stdout, self.stderr = (os.fdopen(os.dup(end.fileno())) for end in (out, err))

    @property
    def returncode(self) -> int | None:
        return self._process.exitcode

    def poll(self) -> int | None:
        return self.returncode

    def send_signal(self, signum: int) -> None:
        os.kill(self._process.pid, signum)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        with ThreadPoolExecutor(2) as readers:
            out, err = (readers.submit(file.read) for file in (self.stdout, self.stderr))
            texts = out.result(timeout), err.result(timeout)
        self._process.join(timeout)
        return texts


def _command(args: tuple, cwd: Path, env: dict[str, str], out: Connection, err: Connection) -> None:
    """The command in a process that was forked."""
    from rdfia_keras.commands._app import main

    os.dup2(out.fileno(), 1)
    os.dup2(err.fileno(), 2)
    sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1, closefd=False) for number in (1, 2))
    os.chdir(cwd)
    os.environ.clear()
    os.environ.update(env)
    sys.argv = ["rdfia", *map(str, args)]
    main()


def fork(*args, cwd: Path, env: dict[str, str] | None = None) -> Fork:
    """Run `rdfia ARGS` in a process of its own that has TensorFlow from its start."""
    return Fork(args, cwd, env or ENV)


def ends(*args, cwd: Path, code: int, **kwargs) -> subprocess.CompletedProcess:
    """Run `rdfia ARGS` in a process of its own, which must end with `code`."""
    process = start(*args, cwd=cwd, **kwargs)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code, err
    return subprocess.CompletedProcess(args, code, out, err)


def ends_here(*args, cwd: Path, code: int) -> subprocess.CompletedProcess:
    """Run `rdfia ARGS` in this process; it must end with `code`."""
    from typer.testing import CliRunner

    from rdfia_keras.commands._app import app

    with contextlib.chdir(cwd):
        done = CliRunner(env={"RDFIA_DATA": None}).invoke(app, list(map(str, args)))
    assert done.exit_code == code, (done.stderr, done.exception)
    return subprocess.CompletedProcess(args, code, done.stdout, done.stderr)


def kill(process: subprocess.Popen | Fork) -> None:
    """`kill -9`, and wait for the end."""
    assert process.poll() is None, f"it ended by itself: {process.stderr.read()}"
    process.kill()
    process.communicate()


def wait_until(holds: Callable[[], object], process: subprocess.Popen | Fork) -> None:
    """Look every 10 ms until `holds()`; the process must live so long."""
    begin = time.monotonic()
    while not holds():
        assert process.poll() is None, f"it ended by itself: {process.stderr.read()}"
        assert time.monotonic() - begin < PATIENCE
        time.sleep(0.01)


def wait_for_epochs(process: subprocess.Popen | Fork, section: Path, count: int, name: str = "*") -> Path:
    """Watch the history of the run `name` in a section's folder until it holds `count` epochs: the run's folder."""
    wait_until(lambda: any(len(numbers(path.parent)) >= count for path in section.glob(f"{name}/history.csv")), process)
    return next(section.glob(f"{name}/history.csv")).parent


def wait_for_line(process: subprocess.Popen | Fork, part: str) -> str:
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
    of_the_end = record(folder)["details"]["weights_digest"]
    assert of_the_end
    return of_the_end


def folder_of(done: subprocess.CompletedProcess, cwd: Path) -> Path:
    """The folder that a command names in its last line."""
    return cwd / done.stdout.splitlines()[-1]


def assert_one_sentence(text: str) -> None:
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in text, text

"""How a match is measured: contenders in turn, each in a process of its own."""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.noise import write_cifar
from benchmarks.registry import UNITS, Group, Match

ROOT = Path(__file__).resolve().parents[1]
# By contender: a value for each turn. And by contender: its facts.
Values = dict[str, list[float]]
Facts = dict[str, dict[str, Any]]


def in_workers(group: Group, match: Match, n: int) -> tuple[Values, Facts]:
    """Time contenders that stay alive and wait between their turns, so that all see the same state of the machine."""
    with tempfile.TemporaryDirectory() as folder:
        logs = {name: Path(folder) / f"{i}.log" for i, name in enumerate(match.contenders)}
        workers = {name: _start(group, match, name, log) for name, log in logs.items()}
        facts = {name: facts for name, worker in workers.items() if (facts := _ready(worker)) is not None}
        for name in workers.keys() - facts.keys():
            workers[name].wait()
            print(f"{match.name}: {name} cannot start here:\n  {_last_line(logs[name])}", file=sys.stderr)
        values: Values = {name: [] for name in workers if name in facts}
        for _ in range(n):
            for name, known in values.items():
                answer = _turn(workers[name], f"{match.name}: {name}", logs[name])
                known.append(UNITS[group.unit](answer["seconds"], answer["units"]))
        for name in values:
            workers[name].communicate("")
    return values, {name: known for name, known in facts.items() if known}


def _start(group: Group, match: Match, name: str, log: Path) -> Any:
    with log.open("w") as errors:
        return subprocess.Popen(
            [sys.executable, "-m", "benchmarks.worker", group.name, match.name, name],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        )


def _ready(worker: Any) -> dict[str, Any] | None:
    """The worker's facts once it is set up, or None if it ended before."""
    for line in worker.stdout:
        if line.startswith("ready "):
            return json.loads(line.removeprefix("ready "))
    return None


def _turn(worker: Any, who: str, log: Path) -> dict[str, float]:
    worker.stdin.write("go\n")
    worker.stdin.flush()
    line = worker.stdout.readline()
    if not line:
        raise SystemExit(f"{who} ended in its turn: {_last_line(log)}")
    return json.loads(line)


def _last_line(log: Path) -> str:
    return ([line for line in log.read_text(errors="replace").splitlines() if line.strip()] or ["no message"])[-1]


def commands(group: Group, match: Match, n: int) -> tuple[Values, Facts]:
    """Seconds that whole processes of Python take, in turn, after one round that is not counted."""
    values: Values = {name: [] for name in match.contenders}
    with tempfile.TemporaryDirectory() as folder:
        for turn in range(n + 1):
            for name, arguments in match.contenders.items():
                with tempfile.TemporaryDirectory(dir=folder) as fresh:
                    seconds, _ = _command(arguments, fresh)
                if turn:
                    values[name].append(seconds)
    return values, {}


def memory(group: Group, match: Match, n: int) -> tuple[Values, Facts]:
    """Peak resident memory in MB of whole processes, each run once: it hardly varies."""
    with tempfile.TemporaryDirectory() as folder:
        write_cifar(Path(folder))
        peaks = {
            name: _command([*arguments, "--data-dir", folder], folder)[1]
            for name, arguments in match.contenders.items()
        }
    return {name: [peak] for name, peak in peaks.items()}, {}


def _command(arguments: list[str], folder: str) -> tuple[float, float]:
    """Seconds and peak megabytes of one process."""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    with tempfile.TemporaryFile() as errors:
        begin = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, *arguments], cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=errors
        )
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            errors.seek(0)
            raise SystemExit(f"{' '.join(arguments)} failed: {errors.read().decode(errors='replace')[-500:]}")
    return seconds, round(usage.ru_maxrss / 1024)


KINDS: dict[str, Callable[[Group, Match, int], tuple[Values, Facts]]] = {
    "workers": in_workers,
    "commands": commands,
    "memory": memory,
}

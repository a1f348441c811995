"""Measurement of a match: every contender in a process of its own, in turn (A B C A B C ...).

A process stays alive and waits between its turns, so that all contenders see the same state of the machine.
"""

import multiprocessing
import os
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from benchmarks.matches import UNITS, Contender, Match, Work

SPAWN = multiprocessing.get_context("spawn")
LONG = 10.0  # seconds after which one round of warming up is enough


class ContenderEnded(Exception):
    """A contender's process ended, with the last line that it printed."""


def measure(match: Match, unit: str, n: int) -> tuple[dict[str, list[float]], dict[str, dict[str, Any]]]:
    """Return the values of n turns and the facts, both by contender; one that cannot start here is skipped.

    Raises:
        SystemExit: If a contender ends in its turn.
    """
    facts: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as folder:
        logs = {name: Path(folder) / f"{i}.log" for i, name in enumerate(match.contenders)}
        connections = {name: _start(contender, logs[name]) for name, contender in match.contenders.items()}
        for name, connection in connections.items():
            try:
                facts[name] = _receive(connection, logs[name])
            except ContenderEnded as error:
                print(f"  {name} is skipped, it cannot start here: {error}", file=sys.stderr, flush=True)
        values: dict[str, list[float]] = {name: [] for name in facts}
        for _ in range(n):
            for name in values:
                try:
                    connections[name].send(True)
                    values[name].append(UNITS[unit](*_receive(connections[name], logs[name])))
                except (ContenderEnded, OSError) as error:
                    raise SystemExit(f"{match.name}: {name} ended in its turn: {error}") from None
        for name in values:
            connections[name].send(False)
    return values, {name: facts[name] for name in facts if facts[name]}


def _start(contender: Contender, log: Path) -> Connection:
    """Start a contender's process, which takes a turn for each True that it is sent, and ends with a False."""
    connection, other = SPAWN.Pipe()
    SPAWN.Process(target=serve, args=(contender, other, log), daemon=True).start()
    other.close()
    return connection


def _receive(connection: Connection, log: Path) -> Any:
    """Return what a contender's process sends: its facts when it is set up, then a pair for each turn."""
    try:
        return connection.recv()
    except (EOFError, OSError):
        lines = [line for line in log.read_text(errors="replace").splitlines() if any(map(str.isalpha, line))]
        raise ContenderEnded(lines[-1] if lines else "no message") from None


def serve(contender: Contender, connection: Connection, log: Path) -> None:
    """Set a contender up in this process, then time its work in each turn."""
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(descriptor, stream)
    # The last line of the log is to be the contender's own.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    work = contender()
    _warm_up(work)
    connection.send(dict(work.facts))
    while connection.recv():
        begin = time.perf_counter()
        amount = work.run()
        connection.send((time.perf_counter() - begin if amount is None else amount, work.count))


def _warm_up(work: Work) -> None:
    begin = time.perf_counter()
    for _ in range(work.warm_ups):
        if time.perf_counter() - begin < LONG:
            work.run()

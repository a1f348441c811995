"""The process that runs the student's code: an endless loop, a crash or an exit ends it and not the command.

It gets its jobs and time limits as JSON on the command line and answers with JSON lines on its standard output; what
the student's code prints goes to standard error.
"""

import importlib
import json
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from rdfia_keras.learn.checking import WRONG, Verdict, check
from rdfia_keras.learn.exercises import find
from rdfia_keras.learn.files import load
from rdfia_keras.system.native_logs import captured_native_logs, silence_native_logs


class Answers:
    """Writes the answers, one at a time."""

    def __init__(self, file: IO[str]):
        self._file, self._lock = file, threading.Lock()

    def send(self, **answer: Any) -> None:
        with self._lock:
            self._file.write(json.dumps(answer) + "\n")
            self._file.flush()


@contextmanager
def time_limit(seconds: float, path: Path, answers: Answers, name: str) -> Iterator[None]:
    """End the process after so many seconds, and say in which line it was."""
    main = threading.get_ident()

    def stop() -> None:
        frame, where = sys._current_frames().get(main), ""
        while frame is not None and frame.f_code.co_filename != str(path):
            frame = frame.f_back
        if frame is not None:
            where = f", in line {frame.f_lineno} of {path.name}"
        sentence = f"{name} still runs after {seconds:g} s{where}: is there an endless loop?"
        answers.send(name=name, verdict=Verdict(name, WRONG, (sentence,)).as_dict())
        os._exit(3)

    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def work(jobs: list[dict[str, Any]], seed: int, answers: Answers) -> None:
    """Check the functions of each job's file and send a verdict for each.

    Args:
        jobs: Each with a `file`, the `names` of its exercises, and the `limit` in seconds, for each of them and
            for what the file does when it is imported.
        seed: Decides the inputs.
    """
    for job in jobs:
        path, names = Path(job["file"]), job["names"]
        answers.send(loading=job["file"])
        with time_limit(job["limit"], path, answers, path.name):
            module, problem = load(path)
        if problem:
            answers.send(file=job["file"], problem=problem)
            continue
        functions = {name: value for name, value in module.items() if callable(value)}
        for name in names:
            answers.send(checking=name)
            with time_limit(job["limit"], path, answers, name):
                verdict = check(find(name), module[name], seed, functions)
            answers.send(name=name, verdict=verdict.as_dict())


def main() -> None:
    answers = Answers(os.fdopen(os.dup(1), "w", encoding="utf-8"))
    os.dup2(2, 1)
    sys.dont_write_bytecode = True
    order = json.loads(sys.argv[1])
    if any(find(name).uses_keras for job in order["jobs"] for name in job["names"]):
        silence_native_logs()
        with captured_native_logs():
            importlib.import_module("keras")
    work(order["jobs"], order["seed"], answers)
    answers.send(done=True)


if __name__ == "__main__":
    main()

"""Check files, and train with them, in a process of their own; remember what was right."""

import json
import os
import queue
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, Any

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.checking import UNWRITTEN, WRONG, Verdict
from rdfia_keras.learn.exercise import VERSION, Exercise
from rdfia_keras.learn.exercises import find, of_part
from rdfia_keras.learn.files import in_file, read, syntax_problem
from rdfia_keras.learn.trainer import PART, Problem, Trained
from rdfia_keras.runs.files import to_json, write_atomic

PROGRESS = ".rdfia-learn.json"
# Seconds for an exercise and for the import of its file; with Keras, TensorFlow takes its time for both.
LIMIT, KERAS_LIMIT = 10.0, 90.0
# The worker ends itself at its limit; where native code keeps it from that, it is killed.
GRACE = 5.0


@dataclass(frozen=True)
class Checked:
    """What came of a file.

    Attributes:
        file: The file.
        verdicts: On its exercises, in order.
        problem: Why it could not be imported, or nothing.
    """

    file: Path
    verdicts: tuple[Verdict, ...]
    problem: str = ""


def check_files(files: Sequence[Path], only: Sequence[str] = (), seed: int = 0) -> list[Checked]:
    """Check the exercises in files.

    Args:
        files: Python files.
        only: Names of exercises; all where empty.
        seed: Decides the inputs.

    Raises:
        RdfiaError: When a name of `only` is no exercise, or in none of the files.
    """
    for name in only:
        find(name)
    chosen = {file: in_file(file, tuple(only)) for file in files}
    problems = {file: problem for file in files if (problem := syntax_problem(file))}
    missing = [name for name in only if not any(one.name == name for ones in chosen.values() for one in ones)]
    if missing and not problems:
        raise RdfiaError(f"{missing[0]} belongs in {find(missing[0]).part}.py, which is not among the files checked")
    written = {file: [one for one in ones if _filled_in(file, one)] for file, ones in chosen.items()}
    verdicts, more = _run([(file, ones) for file, ones in written.items() if ones and file not in problems], seed)
    problems |= more
    return [
        Checked(
            file,
            tuple(verdicts.get((file, one.name), Verdict(one.name, UNWRITTEN)) for one in ones)
            if file not in problems
            else (),
            problems.get(file, ""),
        )
        for file, ones in chosen.items()
        if ones or file in problems
    ]


def _filled_in(file: Path, exercise: Exercise) -> bool:
    """Whether a file has more than the skeleton of a function."""
    functions = read(file)
    return exercise.name in functions and functions[exercise.name].filled_in


def _run(
    chosen: list[tuple[Path, list[Exercise]]], seed: int
) -> tuple[dict[tuple[Path, str], Verdict], dict[Path, str]]:
    """All verdicts and the files that cannot be imported; after a worker's death the next one goes on."""
    verdicts: dict[tuple[Path, str], Verdict] = {}
    problems: dict[Path, str] = {}
    while jobs := [
        _job(file, names)
        for file, ones in chosen
        if file not in problems and (names := [one.name for one in ones if (file, one.name) not in verdicts])
    ]:
        file, name = Path(str(jobs[0]["file"])), ""
        order = json.dumps({"jobs": jobs, "seed": seed})
        for answer in answers_of("worker", [order], max(job["limit"] for job in jobs)):
            if "loading" in answer:
                file, name = Path(answer["loading"]), ""
            elif "problem" in answer:
                problems[file] = answer["problem"]
            elif "checking" in answer:
                name = answer["checking"]
            elif "verdict" in answer and name:
                verdicts[file, name] = Verdict.from_dict(answer["verdict"])
            elif "verdict" in answer:
                problems[file] = answer["verdict"]["lines"][0]
            elif "ended" in answer and name and (file, name) not in verdicts:
                verdicts[file, name] = Verdict(name, WRONG, (f"While {name} ran, {answer['ended']}.",))
            elif "ended" in answer and not name and file not in problems:
                problems[file] = f"While {file.name} was imported, {answer['ended']}."
    return verdicts, problems


@dataclass(frozen=True)
class Own:
    """A training with the student's functions.

    Attributes:
        trained: What came of it.
        verdicts: On the functions that are the student's.
    """

    trained: Trained
    verdicts: tuple[Verdict, ...]


def train_file(file: Path, problem: Problem) -> Own:
    """Train with the functions of a file, and with ours for those that are not written yet.

    Raises:
        RdfiaError: When the file cannot be imported, or one of its functions cannot be used.
    """
    if found := syntax_problem(file):
        raise RdfiaError(found)
    names = [one.name for one in of_part(PART) if _filled_in(file, one)]
    trained, verdicts = None, []
    with TemporaryDirectory() as folder:
        path = Path(folder) / "problem.npz"
        problem.save(path)
        for answer in answers_of("train_worker", [str(file), str(path), json.dumps(names), str(LIMIT)], LIMIT):
            if "problem" in answer:
                raise RdfiaError(answer["problem"])
            if "ended" in answer and trained is None:
                raise RdfiaError(f"{file}: while it trained, {answer['ended']}")
            if "trained" in answer:
                trained = Trained.from_json(answer["trained"])
            elif "verdict" in answer and trained is None:
                raise RdfiaError(answer["verdict"]["lines"][0])
            elif "verdict" in answer:
                verdicts.append(Verdict.from_dict(answer["verdict"]))
    assert trained is not None
    return Own(trained, tuple(verdicts))


def _job(file: Path, names: list[str]) -> dict[str, Any]:
    limit = KERAS_LIMIT if any(find(name).uses_keras for name in names) else LIMIT
    return {"file": str(file), "names": names, "limit": limit}


def answers_of(module: str, words: Sequence[str], limit: float) -> Iterator[dict[str, Any]]:
    """What a worker says; at last how it ended, if that was not by itself.

    Args:
        module: Of this package, to run.
        words: Its arguments.
        limit: Seconds within which it always says something.
    """
    # Small arrays gain nothing from threads, which would only wait for each other.
    quiet = {"MPLBACKEND": "Agg", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", f"rdfia_keras.learn.{module}", *words],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        env={**os.environ, **quiet, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    assert process.stdout is not None
    lines: queue.Queue[str | None] = queue.Queue()
    threading.Thread(target=_read, args=(process.stdout, lines), daemon=True).start()
    try:
        while True:
            line = lines.get(timeout=limit + GRACE)
            if line is None:
                yield {"ended": f"the process ended with exit code {process.wait()}, by a call of exit or a crash"}
                return
            answer = json.loads(line)
            if "done" in answer:
                return
            yield answer
    except queue.Empty:
        yield {"ended": f"nothing happened for {limit + GRACE:g} s; look for an endless loop"}
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def _read(stream: IO[str], lines: "queue.Queue[str | None]") -> None:
    with suppress(ValueError, OSError):
        for line in stream:
            lines.put(line)
    lines.put(None)


# --- progress ---------------------------------------------------------------------------------------------------------


def remember(checked: Checked) -> None:
    """Keep the verdicts on a file beside it, each with the code that it is about.

    Raises:
        RdfiaError: When the folder cannot be written.
    """
    path, functions = checked.file.parent / PROGRESS, read(checked.file)
    known = _known(path)
    for verdict in checked.verdicts:
        if verdict.status != UNWRITTEN and verdict.name in functions:
            known[verdict.name] = {
                "status": verdict.status,
                "digest": functions[verdict.name].digest,
                "version": VERSION,
            }
    write_atomic(path, to_json(known).encode())


def _known(path: Path) -> dict[str, Any]:
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return known if isinstance(known, dict) else {}


def status(exercise: Exercise, folder: Path) -> str:
    """What is known of an exercise in a folder, without running anything."""
    file = folder / f"{exercise.part}.py"
    if not file.is_file():
        return "no file yet"
    function = read(file).get(exercise.name)
    if function is None or not function.filled_in:
        return UNWRITTEN
    known = _known(folder / PROGRESS).get(exercise.name)
    if not isinstance(known, dict) or known.get("version") != VERSION:
        return "not checked yet"
    return str(known.get("status")) if known.get("digest") == function.digest else "changed since its check"

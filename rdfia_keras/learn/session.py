"""A student's files in a worker: call their functions, and go on in a new worker when one dies."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rdfia_keras.learn.causes import Failure, Outcome
from rdfia_keras.learn.exercise import Exercise
from rdfia_keras.learn.protocol import BadAnswer, StudentFunction, plain, read_value
from rdfia_keras.learn.sandbox import Died, Workers
from rdfia_keras.learn.submissions import Module
from rdfia_keras.learn.worker import changed

_MOST_TEXT = 500


@dataclass(frozen=True)
class Limits:
    """How long functions may take, in seconds.

    Attributes:
        submission: All that a submission runs, with NumPy and again with Keras.
        exercise: One function, over all its inputs; also the import of the files.
        keras_exercise: The same for a function that uses Keras.
    """

    submission: float = 60.0
    exercise: float = 10.0
    keras_exercise: float = 20.0


LIMITS = Limits()


class Session:
    """A student's files in a worker; after its death they go on in a new one.

    Attributes:
        keras: Whether it is for functions that use Keras.
        seconds_left: What is left of the time for all of it.
        problems: What kept the files from being imported, a sentence each.
        failures: Statements of the files that failed.
    """

    def __init__(self, workers: Workers, modules: Sequence[Module], keras: bool, limits: Limits):
        self._workers, self.keras, self._limits = workers, keras, limits
        self.seconds_left = self._allowed = limits.submission
        self._files = {module.name: module.pieces for module in modules}
        self._folders = sorted({folder for module in modules for folder in module.file.split("/")[:-1]})
        self._worker = workers.start(keras)
        self._loaded = self._definitions_only = False
        self.problems: list[str] = []
        self.failures: list[Failure] = []

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.end(self._worker)

    def begin(self, seconds: float) -> None:
        """Begin something that may take so long, over all calls that follow."""
        self._allowed = min(seconds, self.seconds_left)

    def look(self, function: StudentFunction, exercise: Exercise) -> str:
        """Return why a function cannot be called, in a sentence; an empty text if it can be.

        Raises:
            Died: If the worker ended.
        """
        job = {"do": "look", "module": function.module, "name": function.name, "parameters": exercise.parameters}
        answer, _ = self._request(job)
        if answer.get("failure"):
            return sentence(f"{exercise.name} cannot be defined: {_failure(answer['failure'])}")
        return _text(answer.get("problem", ""))

    def call(
        self,
        function: StudentFunction | Callable[..., Any],
        arguments: Sequence[Any],
        parameters: Sequence[str] = (),
        observe: Callable[..., Any] | None = None,
        calls: int = 1,
    ) -> Outcome:
        """Call a function of the student's, or send one of ours that takes some of them; see `worker.call`.

        Raises:
            Died: If the worker ended, or sends what is no result.
        """
        job = {"do": "call", "function": function, "arguments": tuple(arguments), "observe": observe, "calls": calls}
        answer, blob = self._request(job)
        try:
            library = _text(answer.get("library", ""))
            if "failure" in answer:
                return Outcome(failure=_failure(answer["failure"]), library=library)
            value, after = read_value(answer["value"], blob)
            return Outcome(value, None, changed(parameters, arguments, after), library)
        except (BadAnswer, KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
            self._worker.kill()
            self._worker.gone = True
            raise Died(str(BadAnswer())) from error

    def _request(self, job: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Send a job to a worker that has the files."""
        if self._worker.gone:
            self._start_again()
        if not self._loaded:
            self._load()
        return self._send(job)

    def _start_again(self) -> None:
        self._workers.end(self._worker)
        self._worker, self._loaded = self._workers.start(self.keras), False

    def _send(self, job: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
        """Send a job, and count the time that it takes."""
        begin = time.monotonic()
        # A little in any case, so that a limit is reported as such.
        seconds = max(self._allowed, 0.05)
        try:
            return self._worker.request({**job, "seconds": seconds}, seconds)
        finally:
            spent = time.monotonic() - begin
            self._allowed -= spent
            self.seconds_left -= spent

    def _load(self) -> None:
        """Import the files; when an assignment ends the process, without assignments.

        Raises:
            Died: If they cannot be imported.
        """
        allowed = self._allowed
        self._worker.wait_until_ready()
        self.begin(self._limits.exercise)
        job = {"do": "load", "files": self._files, "folders": self._folders}
        try:
            answer, _ = self._send({**job, "definitions_only": self._definitions_only})
        except Died as death:
            problem = sentence(f"While the files were imported, {death}")
            self.problems += [] if problem in self.problems else [problem]
            if self._definitions_only:
                raise
            self._definitions_only = True
            self._start_again()
            self._load()
        else:
            if not self.failures and isinstance(answer.get("failures"), list):
                self.failures = [_failure(failure) for failure in answer["failures"][:5]]
        self._loaded, self._allowed = True, allowed


def sentence(text: str) -> str:
    """Return a text with one full stop."""
    return text if text.endswith("?") else f"{text.rstrip('.')}."


def time_sentence(name: str, failure: Failure, seconds: float) -> str:
    """Return the sentence on code that takes too long."""
    where = f" in {failure.where}" if failure.where else ""
    return f"{name} still runs after {seconds:.2g} s{where}: is there an endless loop?"


def _text(value: object) -> str:
    return plain(str(value), _MOST_TEXT)


def _failure(values: Any) -> Failure:
    values = values if isinstance(values, dict) else {}
    return Failure(**{key: _text(values.get(key, "")) for key in Failure.__annotations__})

"""Judge one submission: its functions run in a child, what is expected is computed here, from the teacher's seed."""

import copy
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.calling import Failure
from rdfia_keras.learn.checking import (
    LIBRARIES,
    OURS,
    UNWRITTEN,
    WRONG,
    Known,
    Outcome,
    Verdict,
    judge,
    own_gradient,
)
from rdfia_keras.learn.exercise import Case, Exercise
from rdfia_keras.learn.exercises import find
from rdfia_keras.learn.grading import wire
from rdfia_keras.learn.grading.submissions import (
    Module,
    Submission,
    all_exercises,
    home_of,
    is_copy,
    modules,
    used_library,
)
from rdfia_keras.learn.grading.workers import Child, Died, ForkServer

# A death of the child is told of the function that ran, and the next one goes on in a new child: so often at most.
MOST_DEATHS = 2
_TEXT = 300


@dataclass(frozen=True)
class Limits:
    """Seconds.

    Attributes:
        submission: For all that a submission runs.
        exercise: For one function, over all its inputs.
        keras_exercise: The same for a function that uses Keras.
    """

    submission: float = 20.0
    exercise: float = 5.0
    keras_exercise: float = 10.0


@dataclass(frozen=True)
class Graded:
    """What came of a submission.

    Attributes:
        student, number, digest: See `Submission`.
        verdicts: On every exercise, in order.
        problems: What of it could not be read or run, a sentence each.
        copies: Exercises whose function equals our solution but for names.
    """

    student: str
    number: str
    digest: str
    verdicts: tuple[Verdict, ...]
    problems: tuple[str, ...] = ()
    copies: tuple[str, ...] = ()


class Judge:
    """Judges submissions, also several at once from threads.

    Attributes:
        closed: Whether `close` was called.

    Args:
        seed: Decides the inputs.
        isolated: Whether submissions are locked in.
        limits: How long they may take.

    Raises:
        RdfiaError: When isolation is asked for and something for it is missing.
    """

    def __init__(self, seed: int, isolated: bool = True, limits: Limits | None = None):
        self._seed, self._isolated, self._limits = seed, isolated, limits or Limits()
        self._servers: dict[bool, ForkServer] = {False: ForkServer(False, isolated)}
        self._starting, self._judging = threading.Lock(), threading.Lock()
        self.closed = False
        self._known: dict[str, Known] = {}
        self.cases = cache(self._draw)

    def _draw(self, name: str) -> list[Case]:
        return find(name).draw(self._seed)

    def _server(self, keras: bool) -> ForkServer:
        with self._starting:
            if self.closed:
                raise RdfiaError("grading was interrupted: run the command again, it goes on")
            if keras not in self._servers:
                self._servers[keras] = ForkServer(keras, self._isolated, lambda: self.closed)
            return self._servers[keras]

    def close(self) -> None:
        """End the processes that run submissions; what threads still grade is then worth nothing."""
        self.closed = True
        with self._starting:
            for server in self._servers.values():
                server.close()

    def grade(self, submission: Submission) -> Graded:
        """Judge all exercises of a submission.

        Raises:
            RdfiaError: When isolation fails.
        """
        # Python 3.11 counts the depth of what it parses over all threads together.
        with self._judging:
            files = modules(submission)
        problems = [*submission.problems, *(problem for file in files for problem in file.problems)]
        if not files:
            problems.append("There is no .py or .ipynb file in it.")
        homes = {one.name: home_of(one, files) for one in all_exercises()}
        with self._judging:
            verdicts = {one.name: self._unread(one, homes[one.name], files) for one in all_exercises()}
        left = _Left(self._limits.submission)
        for keras in (False, True):
            to_run = {
                one.name: home
                for one in all_exercises()
                if one.uses_keras == keras and verdicts[one.name] is None and (home := homes[one.name])
            }
            if to_run:
                verdicts |= self._run(self._server(keras), files, to_run, left, problems)
        with self._judging:
            copies = [name for name, home in homes.items() if home and is_copy(find(name), home)]
        made = tuple(verdict for verdict in verdicts.values() if verdict)
        return Graded(submission.student, submission.number, submission.digest, made, tuple(problems), tuple(copies))

    @staticmethod
    def _unread(exercise: Exercise, home: Module | None, files: list[Module]) -> Verdict | None:
        """The verdict on what need not be run, or None."""
        if home is None:
            broken = [
                problem for file in files if file.name == exercise.part or not file.pieces for problem in file.problems
            ]
            return Verdict(exercise.name, WRONG, tuple(broken)) if broken else Verdict(exercise.name, UNWRITTEN)
        if not home.functions[exercise.name].filled_in:
            return Verdict(exercise.name, UNWRITTEN)
        if library := used_library(exercise.name, home, OURS if exercise.uses_keras else OURS | LIBRARIES):
            sentence = f"{exercise.name} uses {library}, which is not allowed here: its docstring says what is."
            return Verdict(exercise.name, WRONG, (sentence,))
        return None

    def _run(
        self, server: ForkServer, files: list[Module], homes: dict[str, Module], left: "_Left", problems: list[str]
    ) -> dict[str, Verdict]:
        """The verdicts on functions; after a death of the child the next function goes on in a new one."""
        verdicts: dict[str, Verdict] = {}
        sent = [(file.name, file.pieces) for file in files]
        while (todo := [name for name in homes if name not in verdicts]) and not left.over():
            with server.child() as child:
                job = {"do": "load", "files": sent, "definitions_only": left.definitions_only}
                try:
                    left.request(child, job, self._limits.exercise)
                except Died as death:
                    left.deaths += 1
                    problem = _sentence(f"While its files were imported, {death}")
                    problems += [] if problem in problems else [problem]
                    left.definitions_only = True
                    continue
                for name in todo:
                    if left.over():
                        break
                    limit = self._limits.keras_exercise if server.keras else self._limits.exercise
                    try:
                        verdicts[name] = self._verdict(find(name), homes, child, _Left(limit, left))
                    except Died as death:
                        left.deaths += 1
                        verdicts[name] = Verdict(name, WRONG, (_ended(name, death),))
                    if child.gone or (name in verdicts and _timed_out(verdicts[name])):
                        break
        for name in homes:
            verdicts.setdefault(name, Verdict(name, WRONG, (left.why(),)))
        return verdicts

    def _verdict(self, exercise: Exercise, homes: dict[str, Module], child: Child, left: "_Left") -> Verdict:
        module = homes[exercise.name].name
        named = {"module": module, "name": exercise.name, "parameters": list(exercise.parameters)}
        look, _ = left.request(child, {"do": "look", **named})
        if refused := _refusal(exercise, look):
            return Verdict(exercise.name, WRONG, (refused,))
        with self._judging:
            cases = self.cases(exercise.name)
        outcomes: list[Outcome] = []
        for case in cases:
            outcome = self._outcome(exercise, case, child, named, left)
            failure = outcome.failure
            if failure and failure.kind == "TimeLimit":
                left.count_death()
                where = f" in {failure.where}" if failure.where else ""
                return Verdict(
                    exercise.name,
                    WRONG,
                    (f"{exercise.name} still runs after {left.all:g} s{where}: is there an endless loop?",),
                )
            outcomes.append(outcome)
            if len(outcomes) == 1 and failure and failure.kind == "NotImplementedError":
                break
        known = self._known.setdefault(exercise.name, {})

        def own(case: Case) -> Any:
            if exercise.own_loss is None or exercise.own_loss.needs not in homes:
                return None
            needs = exercise.own_loss.needs
            return own_gradient(exercise, case, {needs: _Remote(child, homes[needs].name, needs, left)})

        with self._judging:
            return judge(exercise, cases, outcomes, own, known)

    def _outcome(self, exercise: Exercise, case: Case, child: Child, named: dict[str, Any], left: "_Left") -> Outcome:
        """One call in the child. What is observed of models is observed there, since models cannot be sent."""
        observe = exercise.observe if exercise.uses_keras else None
        outcome = _call(child, named, case.arguments, observe, left, exercise.parameters)
        if exercise.observe and not exercise.uses_keras and outcome.failure is None and outcome.value is not None:
            try:
                return Outcome(exercise.observe(outcome.value, *copy.deepcopy(case.arguments)), changed=outcome.changed)
            except Exception as error:
                return Outcome(failure=Failure(type(error).__name__, f"the result cannot be used: {error}"))
        return outcome


def _call(
    child: Child, named: dict[str, Any], arguments: Sequence[Any], observe: Any, left: "_Left", parameters: Any
) -> Outcome:
    job = {"do": "call", **named, "arguments": tuple(arguments), "observe": observe, "seconds": left.seconds}
    answer, blob = left.request(child, job)
    try:
        if "failure" in answer:
            told = {key: wire.plain(str(answer["failure"].get(key, "")), _TEXT) for key in Failure.__annotations__}
            return Outcome(failure=Failure(**told))
        changed = tuple(name for name in parameters if name in answer["changed"])
        return Outcome(wire.value(answer["value"], blob), changed=changed)
    except (wire.BadAnswer, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise Died("it sends something that is no result") from error


class _Remote:
    """A function of the student's, to be called from here."""

    def __init__(self, child: Child, module: str, name: str, left: "_Left"):
        self._child, self._left = child, left
        self._named = {"module": module, "name": name, "parameters": []}

    def __call__(self, *arguments: Any) -> Any:
        outcome = _call(self._child, self._named, arguments, None, self._left, ())
        if outcome.failure:
            raise RdfiaError(outcome.failure.text)
        return outcome.value


class _Left:
    """The time that is left for a submission, or for one of its functions, and what is known of how it ends.

    Attributes:
        all: Seconds.
        deaths: How often its process died.
        definitions_only: Whether it died at an import, so that assignments are left out from then on.
    """

    def __init__(self, seconds: float, whole: "_Left | None" = None):
        self.all, self._used, self._whole = seconds, 0.0, whole
        self.deaths = 0
        self.definitions_only = False

    @property
    def seconds(self) -> float:
        """What is left, and a little in any case, so that a limit is told as such."""
        own = max(self.all - self._used, 0.05)
        return min(own, self._whole.seconds) if self._whole else own

    def over(self) -> bool:
        return self.deaths >= MOST_DEATHS or self._used >= self.all

    def why(self) -> str:
        """Why a function did not run."""
        if self.deaths >= MOST_DEATHS:
            return f"It was not run, because functions before it ended the process {MOST_DEATHS} times."
        return f"It was not run, because the submission used its {self.all:g} s up before."

    def count_death(self) -> None:
        self.deaths += 1
        if self._whole:
            self._whole.count_death()

    def request(self, child: Child, job: dict[str, Any], most: float | None = None) -> tuple[dict[str, Any], bytes]:
        """Send a job, and count the time that it takes."""
        seconds = self.seconds if most is None else min(most, self.seconds)
        begin = time.monotonic()
        try:
            return child.request(job, seconds)
        finally:
            self._count(time.monotonic() - begin)

    def _count(self, seconds: float) -> None:
        self._used += seconds
        if self._whole:
            self._whole._count(seconds)


def _refusal(exercise: Exercise, look: dict[str, Any]) -> str:
    """Why a function cannot be called, or nothing; the words are those of `checking.refusal`."""
    wanted = f"{exercise.name}({', '.join(exercise.parameters)})"
    if "missing" in look:
        return f"{exercise.name} is not there after the file was imported: write def {wanted}."
    if "not_callable" in look:
        what = wire.plain(str(look["not_callable"]), _TEXT)
        return f"{exercise.name} is {what}, not a function: write def {wanted}."
    if "signature" in look:
        return f"The signature is {exercise.name}{wire.plain(str(look['signature']), _TEXT)}; it should be {wanted}."
    return ""


def _ended(name: str, death: Died) -> str:
    return _sentence(f"While {name} ran, {death}")


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _timed_out(verdict: Verdict) -> bool:
    return any("still runs after" in line for line in verdict.lines)

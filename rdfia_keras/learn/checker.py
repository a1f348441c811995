"""The verdict on a student's functions, for `rdfia learn check`, `run` and `grade` alike.

The functions run in workers. What is expected is computed here, so a student's code never sees it.
"""

import copy
import itertools
import textwrap
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from rdfia_keras.learn import protocol
from rdfia_keras.learn.agreement import difference
from rdfia_keras.learn.causes import Failure, Outcome, Reference, custom_loss_lines
from rdfia_keras.learn.exercise import Case, Exercise
from rdfia_keras.learn.protocol import StudentFunction, plain
from rdfia_keras.learn.sandbox import Died, Workers
from rdfia_keras.learn.submissions import Module

RIGHT, WRONG, UNWRITTEN = "right", "wrong", "not written yet"
# Inputs of more entries are shown by their shapes.
SHOWN_ENTRIES = 12
_MOST_TEXT = 500


@dataclass(frozen=True)
class Limits:
    """How long functions may take, in seconds.

    Attributes:
        submission: All that a submission runs.
        exercise: One function, over all its inputs; also the import of the files.
        keras_exercise: The same for a function that uses Keras.
    """

    submission: float = 60.0
    exercise: float = 10.0
    keras_exercise: float = 20.0


@dataclass(frozen=True)
class Verdict:
    """The verdict on one exercise.

    Attributes:
        name: The exercise.
        status: `right`, `wrong` or `not written yet`.
        lines: What is wrong, a sentence each.
        causes: The sentences of the mistakes that give exactly these results.
        core: Ordinary inputs: passed, and all.
        edge: Special cases: passed, and all.
    """

    name: str
    status: str
    lines: tuple[str, ...] = ()
    causes: tuple[str, ...] = ()
    core: tuple[int, int] = (0, 0)
    edge: tuple[int, int] = (0, 0)

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "Verdict":
        tuples: dict[str, Any] = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
        return cls(**{**values, **tuples})

    def text(self) -> list[str]:
        """Return the lines to print."""
        lines = (textwrap.wrap(line, 110, initial_indent="    ", subsequent_indent="    ") for line in self.lines)
        return [f"{self.name:<18} {self.status}", *itertools.chain.from_iterable(lines)]


# --- judge outcomes ---------------------------------------------------------------------------------------------------


def judge(
    reference: Reference, outcomes: Sequence[Outcome], numeric_gradient: Callable[[Case], Any] = lambda case: None
) -> Verdict:
    """Return the verdict on outcomes; nothing of the student's is called, but by `numeric_gradient`.

    Args:
        reference: Of the exercise.
        outcomes: One for each input; only the first where the function is not written yet.
        numeric_gradient: See `custom_loss_lines`; it is only called where a gradient is wrong.
    """
    exercise, cases = reference.exercise, reference.cases
    if outcomes[0].failure and outcomes[0].failure.kind == "NotImplementedError":
        return Verdict(exercise.name, UNWRITTEN)
    for outcome in outcomes:
        if outcome.library:
            return Verdict(exercise.name, WRONG, (library_refusal(exercise, outcome.library),))
    clauses = [_what_is_wrong(*pair) for pair in zip(reference.expected, outcomes, strict=True)]
    core, edge = _passed(cases, clauses, edge=False), _passed(cases, clauses, edge=True)
    if not any(clauses):
        return Verdict(exercise.name, RIGHT, core=core, edge=edge)
    at = next(i for i, clause in enumerate(clauses) if clause)
    failure = outcomes[at].failure
    where = f", {failure}" if failure and failure.where else f": {clauses[at]}"
    lines = [f'Input "{cases[at].label}"{where}'.rstrip(".") + "."]
    if passed := core[0] + edge[0]:
        only = "All ordinary inputs pass" if core[0] == core[1] else f"{passed} of {len(cases)} inputs pass"
        lines.append(f"{only}; this is the first that fails.")
    lines += custom_loss_lines(reference, outcomes, numeric_gradient)
    causes, label = reference.likely_causes(outcomes)
    lines += [f"{label}: {sentence}" for sentence in causes]
    lines += given(exercise, cases[at])
    return Verdict(exercise.name, WRONG, tuple(lines), causes, core, edge)


def _passed(cases: Sequence[Case], clauses: Sequence[str], edge: bool) -> tuple[int, int]:
    of_kind = [not clause for case, clause in zip(cases, clauses, strict=True) if case.edge == edge]
    return sum(of_kind), len(of_kind)


def _what_is_wrong(expected: Any, outcome: Outcome) -> str:
    """Return what is wrong with an outcome, as a clause, or nothing."""
    if outcome.failure:
        return f"{outcome.failure.kind}: {outcome.failure.text}".removesuffix(": ")
    if clause := difference(expected, outcome.value):
        return clause
    return f"the function changes its argument {outcome.changed[0]}; work on a copy" if outcome.changed else ""


def library_refusal(exercise: Exercise, library: str) -> str:
    """Return the sentence on a library that is not allowed."""
    return f"{exercise.name} uses {library}, which is not allowed here: its docstring says what is."


def given(exercise: Exercise, case: Case) -> list[str]:
    """Return an input for people: with the entries of its arrays where they are few, else with their shapes."""
    flat = [part for value in case.arguments for part in (value.values() if isinstance(value, dict) else [value])]
    entries = sum(value.size for value in flat if isinstance(value, np.ndarray))
    texts = [
        _shown(name, value, entries <= SHOWN_ENTRIES)
        for name, value in zip(exercise.parameters, case.arguments, strict=True)
    ]
    shown = ", ".join(filter(None, texts))
    return [f"Given: {shown}"] if shown else []


def _shown(name: str, value: Any, whole: bool) -> str | None:
    if isinstance(value, np.ndarray):
        return f"{name} = {_entries(value)}" if whole else f"{name} {value.shape}"
    if isinstance(value, dict):
        return f"{name} with {', '.join(filter(None, (_shown(*item, whole) for item in value.items())))}"
    if isinstance(value, float):
        return f"{name} = {value:.6g}"
    return f"{name} = {value!r}" if isinstance(value, str | int | float | list | tuple) else None


def _entries(array: np.ndarray) -> str:
    if array.ndim == 0:
        return f"{array.item():.4g}"
    return f"[{', '.join(map(_entries, array))}]"


# --- run functions ----------------------------------------------------------------------------------------------------


class Budget:
    """The time that is left for a submission, or for one of its functions.

    Args:
        seconds: In all.
        whole: A budget of which this is a part.
    """

    def __init__(self, seconds: float, whole: "Budget | None" = None):
        self.seconds, self._spent, self._whole = seconds, 0.0, whole

    @property
    def rest(self) -> float:
        """What is left, and a little in any case, so that a limit is reported as such."""
        rest = max(self.seconds - self._spent, 0.05)
        return min(rest, self._whole.rest) if self._whole else rest

    def is_spent(self) -> bool:
        return self._spent >= self.seconds

    def spend(self, seconds: float) -> None:
        self._spent += seconds
        if self._whole:
            self._whole.spend(seconds)


class Session:
    """A student's files in a worker; after its death they go on in a new one.

    Attributes:
        budget: What all of it may take.
        problems: What kept the files from being imported, a sentence each.
        failures: Statements of the files that failed.

    Args:
        workers: Start the worker.
        modules: The files.
        keras: Whether it is for functions that use Keras.
        limits: How long things may take.
        budget: In place of one for a submission.
    """

    def __init__(
        self, workers: Workers, modules: Sequence[Module], keras: bool, limits: Limits, budget: Budget | None = None
    ):
        self._workers, self._keras, self._limits = workers, keras, limits
        self.budget = budget or Budget(limits.submission)
        self._files = {module.name: module.pieces for module in modules}
        self._worker = workers.start(keras)
        self._loaded = self._definitions_only = False
        self.problems: list[str] = []
        self.failures: list[Failure] = []

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, *_: object) -> None:
        self._workers.end(self._worker)

    def _load(self) -> None:
        """Import the files; when an assignment ends the process, without assignments.

        Raises:
            Died: When they cannot be imported.
        """
        if self._worker.gone:
            self._workers.end(self._worker)
            self._worker, self._loaded = self._workers.start(self._keras), False
        if self._loaded:
            return
        self._worker.wait_until_ready()
        job = {"do": "load", "files": self._files, "definitions_only": self._definitions_only}
        try:
            answer, _ = self._timed(job, Budget(self._limits.exercise, self.budget))
        except Died as death:
            problem = _sentence(f"While the files were imported, {death}")
            self.problems += [] if problem in self.problems else [problem]
            if self._definitions_only:
                raise
            self._definitions_only = True
            self._load()
            return
        self._loaded = True
        if not self.failures and isinstance(answer.get("failures"), list):
            self.failures = [_failure(failure) for failure in answer["failures"][:5]]

    def _timed(self, job: dict[str, Any], budget: Budget) -> tuple[dict[str, Any], bytes]:
        begin = time.monotonic()
        try:
            return self._worker.request(job, budget.rest)
        finally:
            budget.spend(time.monotonic() - begin)

    def look(self, function: StudentFunction, exercise: Exercise, budget: Budget) -> str:
        """Return why a function cannot be called, in a sentence, or nothing.

        Raises:
            Died: When the worker ended.
        """
        self._load()
        wanted = f"{exercise.name}({', '.join(exercise.parameters)})"
        job = {"do": "look", "module": function.module, "name": function.name, "parameters": exercise.parameters}
        answer, _ = self._timed(job, budget)
        if answer.get("failure"):
            return f"{exercise.name} cannot be defined: {_failure(answer['failure'])}."
        if "missing" in answer:
            return f"{exercise.name} is not there after the file was imported: write def {wanted}."
        if "not_callable" in answer:
            return f"{exercise.name} is {_text(answer['not_callable'])}, not a function: write def {wanted}."
        if "signature" in answer:
            return f"The signature is {exercise.name}{_text(answer['signature'])}; it should be {wanted}."
        return ""

    def call(
        self,
        function: StudentFunction | Callable[..., Any],
        arguments: Sequence[Any],
        budget: Budget,
        parameters: Sequence[str] = (),
        observe: Callable[..., Any] | None = None,
    ) -> Outcome:
        """Call a function of the student's, or send one of ours that takes some of them.

        Raises:
            Died: When the worker ended, or sends what is no result.
        """
        self._load()
        job = {"do": "call", "function": function, "arguments": tuple(arguments), "parameters": tuple(parameters)}
        answer, blob = self._timed({**job, "observe": observe, "seconds": budget.rest}, budget)
        try:
            library = _text(answer.get("library", ""))
            if "failure" in answer:
                return Outcome(failure=_failure(answer["failure"]), library=library)
            changed = tuple(name for name in parameters if name in answer["changed"])
            return Outcome(protocol.read_value(answer["value"], blob), None, changed, library)
        except (protocol.BadAnswer, KeyError, TypeError, AttributeError, RecursionError) as error:
            self._worker.kill()
            self._worker.gone = True
            raise Died(str(protocol.BadAnswer())) from error


def _sentence(text: str) -> str:
    return text if text.endswith("?") else f"{text}."


def _text(value: object) -> str:
    return plain(str(value), _MOST_TEXT)


def _failure(values: Any) -> Failure:
    values = values if isinstance(values, dict) else {}
    return Failure(**{key: _text(values.get(key, "")) for key in Failure.__annotations__})


# --- check ------------------------------------------------------------------------------------------------------------


# An exercise, and the file with the function; or a verdict on it where none can be run.
Target = tuple[Exercise, Module | Verdict]


class Checker:
    """Checks functions, also of several students at once from threads.

    Attributes:
        judging: Held by the thread that judges. Python 3.11 counts the depth of what it parses over all threads
            together, and NumPy's and Python's warnings are settings of the process.

    Args:
        workers: Start the processes that run functions.
        seed: Decides the inputs.
        limits: How long functions may take.
    """

    def __init__(self, workers: Workers, seed: int = 0, limits: Limits | None = None):
        self._workers, self._seed, self.limits = workers, seed, limits or Limits()
        self.judging = threading.RLock()
        self._references: dict[str, Reference] = {}

    def _reference(self, exercise: Exercise) -> Reference:
        if exercise.name not in self._references:
            self._references[exercise.name] = Reference(exercise, self._seed)
        return self._references[exercise.name]

    def check(self, modules: Sequence[Module], targets: Sequence[Target]) -> tuple[list[Verdict], list[str]]:
        """Check functions of one student.

        Args:
            modules: All files, which may import each other.
            targets: What to check.

        Returns:
            A verdict for each target; and why files could not be imported, or what in them failed.

        Raises:
            RdfiaError: When a worker does not start.
        """
        verdicts: dict[int, Verdict] = {}
        problems: list[str] = []
        budget = Budget(self.limits.submission)
        runs: dict[bool, list[int]] = {}
        for i, (exercise, module) in enumerate(targets):
            if isinstance(module, Verdict):
                verdicts[i] = module
            elif not module.has(exercise.name):
                verdicts[i] = Verdict(exercise.name, UNWRITTEN)
            else:
                runs.setdefault(exercise.uses_keras, []).append(i)
        with ExitStack() as stack:
            # Keras is imported in one worker while the other runs.
            sessions = {
                keras: stack.enter_context(Session(self._workers, modules, keras, self.limits, budget))
                for keras in runs
            }
            for keras, session in sorted(sessions.items()):
                for i in runs[keras]:
                    exercise, module = targets[i]
                    assert isinstance(module, Module)
                    verdicts[i] = self._verdict(exercise, module, modules, session)
                problems += [problem for problem in session.problems if problem not in problems]
                problems += [f"{failure}." for failure in session.failures if failure.kind != "LibraryNotAllowed"]
        return [verdicts[i] for i in range(len(targets))], list(dict.fromkeys(problems))

    def _verdict(self, exercise: Exercise, module: Module, modules: Sequence[Module], session: Session) -> Verdict:
        if session.budget.is_spent():
            sentence = f"It was not run, because the submission used its {session.budget.seconds:g} s up before."
            return Verdict(exercise.name, WRONG, (sentence,))
        limit = self.limits.keras_exercise if exercise.uses_keras else self.limits.exercise
        budget = Budget(limit, session.budget)
        function = StudentFunction(module.name, exercise.name)
        with self.judging:
            reference = self._reference(exercise)
        outcomes: list[Outcome] = []
        try:
            if refusal := session.look(function, exercise, budget):
                return Verdict(exercise.name, WRONG, (refusal,))
            for case in reference.cases:
                outcome = self._outcome(exercise, case, function, session, budget)
                outcomes.append(outcome)
                if outcome.failure and outcome.failure.kind == "TimeLimit":
                    return Verdict(exercise.name, WRONG, (time_sentence(exercise.name, outcome.failure, limit),))
                unwritten = outcome.failure and outcome.failure.kind == "NotImplementedError"
                if outcome.library or (unwritten and len(outcomes) == 1):
                    break
        except Died as death:
            return Verdict(exercise.name, WRONG, (_sentence(f"While {exercise.name} ran, {death}"),))

        def numeric_gradient(case: Case) -> Any:
            loss = exercise.custom_loss
            assert loss is not None
            homes = [file for file in (module, *modules) if file.has(loss.needs)]
            try:
                student = StudentFunction(homes[0].name, loss.needs)
                return session.call(loss.gradient, (student, *case.arguments), budget).value
            except (IndexError, Died):
                return None

        with self.judging:
            return judge(reference, outcomes, numeric_gradient)

    def _outcome(
        self, exercise: Exercise, case: Case, function: StudentFunction, session: Session, budget: Budget
    ) -> Outcome:
        """Call once. What is observed of models is observed in the worker, since models cannot be sent."""
        observe = exercise.observe
        if exercise.uses_keras or observe is None:
            return session.call(function, case.arguments, budget, exercise.parameters, observe)
        outcome = session.call(function, case.arguments, budget, exercise.parameters)
        if outcome.failure or outcome.value is None:
            return outcome
        try:
            with self.judging:
                return replace(outcome, value=observe(outcome.value, *copy.deepcopy(case.arguments)))
        except Exception as error:
            return replace(outcome, failure=Failure(type(error).__name__, f"the result cannot be used: {error}"))


def time_sentence(name: str, failure: Failure, seconds: float) -> str:
    """Return the sentence on code that takes too long."""
    where = f" in {failure.where}" if failure.where else ""
    return f"{name} still runs after {seconds:g} s{where}: is there an endless loop?"

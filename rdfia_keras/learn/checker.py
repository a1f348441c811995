"""The verdict on a student's functions, for `rdfia learn check`, `run` and `grade` alike.

The functions run in workers. What is expected is computed here, so a student's code never sees it.
"""

import copy
import importlib
import itertools
import textwrap
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rdfia_keras.learn.agreement import difference
from rdfia_keras.learn.causes import Failure, Outcome, Reference, custom_loss_lines
from rdfia_keras.learn.exercise import Case, CustomLossCase, Exercise
from rdfia_keras.learn.protocol import StudentFunction
from rdfia_keras.learn.sandbox import Died, Workers
from rdfia_keras.learn.session import Limits, Session, sentence, time_sentence
from rdfia_keras.learn.submissions import Module
from rdfia_keras.system.native_logs import captured_native_logs

RIGHT, WRONG, UNWRITTEN = "right", "wrong", "not written yet"
# Inputs of more entries are shown by their shapes.
SHOWN_ENTRIES = 12


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

    def text(self) -> list[str]:
        """Return the lines to print."""
        lines = (textwrap.wrap(line, 110, initial_indent="    ", subsequent_indent="    ") for line in self.lines)
        return [f"{self.name:<18} {self.status}", *itertools.chain.from_iterable(lines)]


# --- judge outcomes ---------------------------------------------------------------------------------------------------


def judge(reference: Reference, outcomes: Sequence[Outcome], numeric: Any = None) -> Verdict:
    """Return the verdict on outcomes; nothing of the student's is called.

    Args:
        reference: The exercise's reference.
        outcomes: One for each input; fewer where the function is not written yet, or uses a forbidden library.
        numeric: See `custom_loss_lines`.
    """
    exercise, cases = reference.exercise, reference.cases
    if outcomes[0].failure and outcomes[0].failure.kind == "NotImplementedError":
        return Verdict(exercise.name, UNWRITTEN)
    for outcome in outcomes:
        if outcome.library:
            return Verdict(exercise.name, WRONG, (library_refusal(exercise, outcome.library),))
    clauses = [_what_is_wrong(exercise, *pair) for pair in zip(reference.expected, outcomes, strict=True)]
    core, edge = _passed(cases, clauses, edge=False), _passed(cases, clauses, edge=True)
    if not any(clauses):
        return Verdict(exercise.name, RIGHT, core=core, edge=edge)
    at = next(i for i, clause in enumerate(clauses) if clause)
    failure = outcomes[at].failure
    where = f", {failure}" if failure and failure.where else f": {clauses[at]}"
    lines = [sentence(f'First input that fails: "{cases[at].label}"{where}')]
    if core[0] + edge[0]:
        special, some = f"{edge[0]} of {edge[1]} special", f"{core[0]} of {core[1]} ordinary"
        passed = f"All ordinary and {special}" if core[0] == core[1] else f"{some} and {special}"
        lines.append(f"{passed} inputs pass.")
    lines += custom_loss_lines(reference, outcomes, numeric)
    causes = reference.likely_causes(outcomes)
    lines += [f"{label}: {sentence}" for sentence, label in causes.items()]
    lines += given(exercise, cases[at])
    return Verdict(exercise.name, WRONG, tuple(lines), tuple(causes), core, edge)


def _passed(cases: Sequence[Case], clauses: Sequence[str], edge: bool) -> tuple[int, int]:
    of_kind = [not clause for case, clause in zip(cases, clauses, strict=True) if case.edge == edge]
    return sum(of_kind), len(of_kind)


def _what_is_wrong(exercise: Exercise, expected: Any, outcome: Outcome) -> str:
    """Return what is wrong with an outcome, as a clause, an empty text if it is right."""
    if outcome.failure:
        return f"{outcome.failure.kind}: {outcome.failure.text}".removesuffix(": ")
    if clause := difference(expected, outcome.value, returns=exercise.returns):
        return clause
    return f"the function changes its argument {outcome.changed[0]}; work on a copy" if outcome.changed else ""


def _left_out(failure: Failure) -> str:
    """Return the sentence on a statement that fails or takes too long when a file is imported."""
    if failure.kind == "TimeLimit":
        return sentence(f"Stopped, because it takes too long: {failure.where}: {failure.code}")
    return sentence(f"Left out, because it fails: {failure}")


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


# --- check ------------------------------------------------------------------------------------------------------------


# An exercise, and the file with its function or skeleton.
Target = tuple[Exercise, Module]


class Checker:
    """Checks functions, also of several students at once from threads.

    Attributes:
        judging: Held by the thread that judges. Python 3.11 counts the depth of what it parses over all threads
            together, and NumPy's and Python's warnings are settings of the process.
    """

    def __init__(self, workers: Workers, seed: int, limits: Limits):
        self._workers, self._seed, self._limits = workers, seed, limits
        self.judging = threading.RLock()
        self._references: dict[str, Reference] = {}

    def _reference(self, exercise: Exercise) -> Reference:
        with self.judging:
            if exercise.name not in self._references:
                if exercise.uses_keras:
                    _import_keras()
                self._references[exercise.name] = Reference(exercise, self._seed)
            return self._references[exercise.name]

    def check(self, modules: Sequence[Module], targets: Sequence[Target]) -> tuple[list[Verdict], list[str]]:
        """Check functions of one student, whose files, `modules`, may import each other.

        Returns:
            A verdict for each target; and why files could not be imported, or what in them failed.

        Raises:
            RdfiaError: If a worker does not start.
        """
        verdicts = [_unchecked(exercise, module) for exercise, module in targets]
        problems: list[str] = []
        with ExitStack() as stack:
            uses_keras = {exercise.uses_keras for exercise, module in targets if module.has(exercise.name)}
            # Keras is imported in one worker while the other runs.
            sessions = [
                stack.enter_context(Session(self._workers, modules, keras, self._limits))
                for keras in sorted(uses_keras)
            ]
            for session in sessions:
                for i, (exercise, module) in enumerate(targets):
                    if exercise.uses_keras == session.keras and module.has(exercise.name):
                        verdicts[i] = self._verdict(exercise, module, modules, session)
                problems += session.problems
                problems += [_left_out(failure) for failure in session.failures if failure.kind != "LibraryNotAllowed"]
        return verdicts, list(dict.fromkeys(problems))

    def _verdict(self, exercise: Exercise, module: Module, modules: Sequence[Module], session: Session) -> Verdict:
        if session.seconds_left <= 0:
            line = f"It was not run, because the submission used its {self._limits.submission:g} s up before."
            return Verdict(exercise.name, WRONG, (line,))
        # Half of what is left: endless loops leave some time to every function after them.
        limit = self._limits.keras_exercise if exercise.uses_keras else self._limits.exercise
        limit = min(limit, session.seconds_left / 2)
        session.begin(limit)
        function = StudentFunction(module.name, exercise.name)
        reference = self._reference(exercise)
        outcomes: list[Outcome] = []
        try:
            if refusal := session.look(function, exercise):
                return Verdict(exercise.name, WRONG, (refusal,))
            for case in reference.cases:
                outcome = self._outcome(exercise, case, function, session)
                outcomes.append(outcome)
                if outcome.failure and outcome.failure.kind == "TimeLimit":
                    return Verdict(exercise.name, WRONG, (time_sentence(exercise.name, outcome.failure, limit),))
                unwritten = outcome.failure and outcome.failure.kind == "NotImplementedError"
                if outcome.library or (unwritten and len(outcomes) == 1):
                    break
        except Died as death:
            return Verdict(exercise.name, WRONG, (sentence(f"While {exercise.name} ran, {death}"),))

        with self.judging:
            verdict = judge(reference, outcomes)
        if exercise.custom_loss and verdict.status == WRONG and any(verdict.core):
            case = reference.cases[reference.gradient_at]
            numeric = _numeric_gradient(exercise.custom_loss, case, [module, *modules], session)
            with self.judging:
                verdict = judge(reference, outcomes, numeric)
        return verdict

    def _outcome(self, exercise: Exercise, case: Case, function: StudentFunction, session: Session) -> Outcome:
        """Call once. What is observed of models is observed in the worker, since models cannot be sent."""
        observe = exercise.observe
        if exercise.uses_keras or observe is None:
            return session.call(function, case.arguments, exercise.parameters, observe)
        outcome = session.call(function, case.arguments, exercise.parameters, calls=exercise.calls)
        if outcome.failure or outcome.value is None:
            return outcome
        try:
            with self.judging:
                return replace(outcome, value=observe(outcome.value, *copy.deepcopy(case.arguments)))
        except Exception as error:
            return replace(outcome, failure=Failure(type(error).__name__, f"the result cannot be used: {error}"))


def _import_keras() -> None:
    """Import what the references of exercises with Keras use, without the lines that TensorFlow prints then."""
    with captured_native_logs():
        for name in ("keras", "tensorflow"):
            importlib.import_module(name)


def _unchecked(exercise: Exercise, module: Module) -> Verdict:
    """Return the verdict on a function that is not run: it is not written, or in what is no Python."""
    problem = module.functions[exercise.name].problem if exercise.name in module.functions else ""
    return Verdict(exercise.name, WRONG if problem else UNWRITTEN, (problem,) if problem else ())


def _numeric_gradient(loss: CustomLossCase, case: Case, modules: Sequence[Module], session: Session) -> Any:
    """Return finite differences of the student's function; None where it is not written, or they fail."""
    home = next((module for module in modules if module.has(loss.needs)), None)
    if home is None:
        return None
    try:
        return session.call(loss.gradient, (StudentFunction(home.name, loss.needs), *case.arguments)).value
    except Died:
        return None

"""Outcomes of calls, and the mistakes that explain them: the student's are compared with those of the references."""

import copy
import itertools
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from rdfia_keras.learn import worker
from rdfia_keras.learn.agreement import difference, equal
from rdfia_keras.learn.exercise import Case, Exercise, Mistake


@dataclass(frozen=True)
class Failure:
    """An exception of the student's code.

    Attributes:
        kind: Its class.
        text: Its message.
        where: File and line of the innermost frame in the student's files, or an empty text.
        code: That line.
        shapes: The shapes of the arrays that the line names.
        function: The student's function that ran.
    """

    kind: str
    text: str
    where: str = ""
    code: str = ""
    shapes: str = ""
    function: str = ""

    def is_like(self, other: "Failure") -> bool:
        """Return whether it is the same exception; numbers in its message, as in Keras's names, do not count."""
        return self.kind == other.kind and re.sub(r"\d+", "", self.text) == re.sub(r"\d+", "", other.text)

    def __str__(self) -> str:
        """Return a clause: file and line, its code, the exception, and the shapes of the arrays there."""
        error = f"{self.kind}: {self.text}".removesuffix(": ")
        shapes = f"; shapes: {self.shapes}" if self.shapes else ""
        return f"{self.where}: {self.code} -> {error}{shapes}" if self.where else error


@dataclass(frozen=True)
class Outcome:
    """The outcome of one call.

    Attributes:
        value: The result, as the exercise observes it.
        failure: The exception instead.
        changed: Parameters whose arguments the call changed.
        library: A library that the call used and that is not allowed.
    """

    value: Any = None
    failure: Failure | None = None
    changed: tuple[str, ...] = ()
    library: str = ""


def call_here(function: Callable[..., Any], case: Case, exercise: Exercise) -> Outcome:
    """Call a reference in this process, on copies of the arguments."""
    answer = worker.call(function, copy.deepcopy(case.arguments), exercise.observe, exercise.calls)
    if "failure" in answer:
        return Outcome(failure=Failure(**answer["failure"]))
    return Outcome(answer["value"], changed=worker.changed(exercise.parameters, case.arguments, answer["arguments"]))


class Reference:
    """What our solution and the mistakes of an exercise give for the inputs of a seed, computed once.

    Attributes:
        exercise: The exercise.
        cases: Its inputs.
    """

    def __init__(self, exercise: Exercise, seed: int):
        self.exercise, self.cases = exercise, exercise.draw(seed)
        self._outcomes: dict[tuple[str, ...], list[Outcome]] = {}

    @cached_property
    def expected(self) -> list[Any]:
        """What our solution gives."""
        outcomes = [call_here(self.exercise.solution, case, self.exercise) for case in self.cases]
        assert not any(outcome.failure for outcome in outcomes), outcomes
        return [outcome.value for outcome in outcomes]

    @property
    def gradient_at(self) -> int:
        """The number of the last ordinary input, for which gradients are compared with finite differences."""
        return max(i for i, case in enumerate(self.cases) if not case.edge)

    def likely_causes(self, outcomes: Sequence[Outcome]) -> dict[str, str]:
        """Return the sentences of the mistakes that give these outcomes on every input, and a label for each.

        Single mistakes are tried first, then pairs. Where more than one answer fits, all are returned.
        """
        mistakes = self.exercise.mistakes
        for labels in (("Likely cause",), ("Two mistakes together give your result. The first", "The second")):
            combinations = itertools.combinations(mistakes, len(labels))
            fitting = [combination for combination in combinations if self._gives(combination, outcomes)]
            sentences = dict.fromkeys(mistake.sentence for combination in fitting for mistake in combination)
            if len(sentences) == len(labels):
                return dict(zip(sentences, labels, strict=True))
            if sentences:
                return dict.fromkeys(sentences, "Possible cause")
        return {}

    def _gives(self, mistakes: tuple[Mistake, ...], outcomes: Sequence[Outcome]) -> bool:
        """Return whether these mistakes give these outcomes on every input."""
        theirs = self._outcomes.setdefault(tuple(str(mistake.edits) for mistake in mistakes), [])
        function = None
        for i, (case, outcome) in enumerate(zip(self.cases, outcomes, strict=True)):
            if i == len(theirs):
                try:
                    function = function or self.exercise.wrong(*mistakes)
                except (ValueError, SyntaxError):
                    return False
                theirs.append(call_here(function, case, self.exercise))
            if not same(theirs[i], outcome):
                return False
        return True


def same(first: Outcome, second: Outcome) -> bool:
    """Return whether two outcomes are equal: the same values, or the same exception."""
    if first.failure or second.failure:
        return bool(first.failure and second.failure and first.failure.is_like(second.failure))
    return first.changed == second.changed and equal(first.value, second.value)


def custom_loss_lines(reference: Reference, outcomes: Sequence[Outcome], numeric: Any) -> list[str]:
    """Return how a wrong gradient compares with finite differences of the student's own function.

    Args:
        reference: The exercise's reference.
        outcomes: The student's.
        numeric: The finite differences for the input `reference.gradient_at`; None where there are none.
    """
    loss, returns = reference.exercise.custom_loss, reference.exercise.returns
    at = reference.gradient_at
    expected, outcome = reference.expected[at], outcomes[at]
    if loss is None or outcome.failure or numeric is None:
        return []
    if not difference(expected, numeric, returns=returns):
        if not difference(expected, outcome.value, returns=returns):
            return []
        return [f"The numerical gradient of your {loss.needs} is as expected: the gradient is wrong, not {loss.needs}."]
    if not difference(numeric, outcome.value, returns=returns):
        return [f"Your gradient is that of your {loss.needs}, which is wrong: correct both."]
    return [f"Your {loss.needs} is wrong too: check that first."]

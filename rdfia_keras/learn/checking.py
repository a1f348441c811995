"""Check a student's function: run it on the inputs, judge the results, find the likely cause.

`check` is a function of the exercise, the student's function and a seed, and of nothing else. `run` calls the student's
code and returns data; `judge` sees only that data.
"""

import copy
import dis
import inspect
import itertools
import math
import textwrap
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import CodeType, ModuleType
from typing import Any

import numpy as np

from rdfia_keras.learn.calling import Failure, describe, failure_of, unchanged
from rdfia_keras.learn.exercise import Case, Exercise, Fresh, Mistake

RIGHT, WRONG, UNWRITTEN = "right", "wrong", "not written yet"
# Relative to an entry, and to the largest entry of its array: float32 passes.
TOLERANCE = 2e-4
# What exercises in NumPy may not use, and what none may: our solutions.
LIBRARIES = frozenset({"scipy", "sklearn", "keras", "tensorflow", "torch", "jax"})
OURS = frozenset({"rdfia_keras"})
# Inputs of more entries are told by their shapes.
SHOWN_ENTRIES = 12


@dataclass(frozen=True)
class Outcome:
    """What came of one call.

    Attributes:
        value: The result, as the exercise observes it.
        failure: The exception instead.
        changed: Parameters whose arguments the call changed.
    """

    value: Any = None
    failure: Failure | None = None
    changed: tuple[str, ...] = ()


# Outcomes of our solution (no mistake) and of mistakes, by their sentences, for the same cases.
Known = dict[tuple[str, ...], list[Outcome]]


@dataclass(frozen=True)
class Verdict:
    """What a student is told about one exercise.

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
        """The lines to print."""
        told = (textwrap.wrap(line, 110, initial_indent="    ", subsequent_indent="    ") for line in self.lines)
        return [f"{self.name:<18} {self.status}", *itertools.chain.from_iterable(told)]


def check(
    exercise: Exercise,
    function: Callable[..., Any],
    seed: int = 0,
    functions: Mapping[str, Callable[..., Any]] | None = None,
) -> Verdict:
    """The verdict on one function.

    Args:
        exercise: What it should do.
        function: The student's.
        seed: Decides the inputs.
        functions: The student's other functions by name, for gradients of his own loss.
    """
    if refused := refusal(exercise, function):
        return Verdict(exercise.name, WRONG, (refused,))
    cases = exercise.draw(seed)
    outcomes = run(exercise, function, cases)
    return judge(exercise, cases, outcomes, lambda case: own_gradient(exercise, case, functions or {}))


def refusal(exercise: Exercise, function: object) -> str:
    """Why a function cannot be called, or nothing."""
    wanted = f"{exercise.name}({', '.join(exercise.parameters)})"
    if not callable(function):
        return f"{exercise.name} is {describe(function)}, not a function: write def {wanted}."
    try:
        signature = inspect.signature(function)
        signature.bind(*exercise.parameters)
    except TypeError:
        return f"The signature is {exercise.name}{signature}; it should be {wanted}."
    except ValueError:
        pass
    if library := forbidden_library(exercise, function):
        return f"{exercise.name} uses {library}, which is not allowed here: its docstring says what is."
    return ""


def forbidden_library(exercise: Exercise, function: Callable[..., Any]) -> str:
    """A library that a function uses though the exercise is about writing what it does, or nothing."""
    forbidden = OURS if exercise.uses_keras else OURS | LIBRARIES
    codes = [getattr(function, "__code__", None)]
    while codes:
        code = codes.pop()
        if code is None:
            continue
        codes += [constant for constant in code.co_consts if isinstance(constant, CodeType)]
        for step in dis.get_instructions(code):
            found = ""
            if step.opname == "IMPORT_NAME":
                found = str(step.argval)
            elif step.opname == "LOAD_GLOBAL":
                value = getattr(function, "__globals__", {}).get(step.argval)
                if isinstance(value, ModuleType):
                    found = value.__name__
                elif callable(value):
                    found = getattr(value, "__module__", None) or ""
            library = found.partition(".")[0]
            if library in forbidden:
                return library
    return ""


# --- run --------------------------------------------------------------------------------------------------------------


def run(exercise: Exercise, function: Callable[..., Any], cases: Sequence[Case]) -> list[Outcome]:
    """Call a function on every input; whatever it raises is part of the outcome."""
    outcomes = [call(exercise, function, cases[0])]
    if outcomes[0].failure and outcomes[0].failure.kind == "NotImplementedError":
        return outcomes
    return outcomes + [call(exercise, function, case) for case in cases[1:]]


def call(exercise: Exercise, function: Callable[..., Any], case: Case) -> Outcome:
    """One call, on copies of the arguments."""
    arguments = tuple(one.make() if isinstance(one, Fresh) else copy.deepcopy(one) for one in case.arguments)
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            value = function(*arguments)
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            return Outcome(failure=failure_of(error, getattr(getattr(function, "__code__", None), "co_filename", "")))
        changed = tuple(
            name
            for name, before, after in zip(exercise.parameters, case.arguments, arguments, strict=True)
            if not unchanged(before, after)
        )
        if exercise.observe and value is not None:
            try:
                value = exercise.observe(value, *arguments)
            except Exception as error:
                return Outcome(failure=Failure(type(error).__name__, f"the result cannot be used: {error}"))
        return Outcome(value, changed=changed)


def own_gradient(exercise: Exercise, case: Case, functions: Mapping[str, Callable[..., Any]]) -> Any:
    """What finite differences of the student's own loss give, or None where that cannot be computed."""
    if exercise.own_loss is None or exercise.own_loss.needs not in functions:
        return None
    try:
        return exercise.own_loss.gradient(functions[exercise.own_loss.needs], *copy.deepcopy(case.arguments))
    except Exception:
        return None


# --- compare ----------------------------------------------------------------------------------------------------------


def difference(expected: Any, got: Any, name: str = "the result", values: bool = True) -> str:
    """The first difference of two results as a clause, or nothing where they agree.

    Args:
        values: Whether the numbers count, too; without, only their names, shapes and types do.
    """
    if got is None:
        return f"{name} is None" + (" (is a return missing?)" if name == "the result" else "")
    if isinstance(expected, dict):
        return _dict_difference(expected, got, name, values)
    if isinstance(expected, Named):
        return _tuple_difference(expected, got, values)
    if isinstance(expected, str):
        same = isinstance(got, str) and got == expected
        return "" if same else f"{name}: {got if isinstance(got, str) else describe(got)}; expected: {expected}"
    return _array_difference(np.asarray(expected), got, name, values)


class Named(tuple):
    """Several results with their names."""

    names: tuple[str, ...]

    @classmethod
    def of(cls, values: Sequence[Any], names: tuple[str, ...]) -> "Named":
        made = cls(values)
        made.names = names
        return made


def _dict_difference(expected: Mapping[str, Any], got: Any, name: str, values: bool) -> str:
    if not isinstance(got, Mapping):
        return f"{name} is {describe(got)}; expected a dict with {', '.join(map(str, expected))}"
    for key, value in expected.items():
        if key not in got:
            return f"{name} has no key {key!r}; expected a dict with {', '.join(map(str, expected))}"
        if found := difference(value, got[key], key, values):
            return found
    more = [str(key) for key in got if key not in expected]
    others = f" and {len(more) - 5} more" if len(more) > 5 else ""
    return (
        f"{name} also has {', '.join(more[:5])}{others}; expected only {', '.join(map(str, expected))}" if more else ""
    )


def _tuple_difference(expected: Named, got: Any, values: bool) -> str:
    if not isinstance(got, tuple | list) or len(got) != len(expected):
        count = f"{len(got)} values" if isinstance(got, tuple | list) else describe(got)
        return f"the result is {count}; expected {len(expected)} values: {', '.join(expected.names)}"
    for name, value, other in zip(expected.names, expected, got, strict=True):
        if found := difference(value, other, name, values):
            return found
    return ""


def _array_difference(expected: np.ndarray, got: Any, name: str, values: bool = True) -> str:
    try:
        array = np.asarray(got)
    except Exception:
        return f"{name} is {describe(got)}; expected an array of shape {expected.shape}"
    if array.dtype.kind not in "biufc":
        return f"{name} is {describe(got)}; expected numbers of shape {expected.shape}"
    if array.shape != expected.shape:
        return f"{name} has shape {array.shape}; expected {expected.shape}"
    if array.dtype.kind == "c":
        return f"{name} has complex numbers (dtype {array.dtype}); expected real ones"
    if array.dtype == np.float16:
        return f"{name} has dtype float16, which keeps only three digits; use float64"
    with np.errstate(over="ignore"):
        expected, array = expected.astype(float), array.astype(float)
    bad = ~_close(expected, array)
    if not values or not bad.any():
        return ""
    entry = tuple(int(i) for i in np.argwhere(bad)[0])
    place = f"{name.removeprefix('the ')}{list(entry)}" if entry else name
    text = f"{place} is {number(array[entry])}; expected {number(expected[entry])}"
    kind = np.asarray(got).dtype
    if kind.kind in "biu" and 0 < abs(array[entry] - expected[entry]) < 1:
        text += f" (yours has dtype {kind}, which keeps no fractions)"
    return text


def _close(expected: np.ndarray, got: np.ndarray) -> np.ndarray:
    finite = np.abs(expected[np.isfinite(expected)])
    scale = finite.max() if finite.size else 0.0
    with np.errstate(all="ignore"):
        near = np.abs(expected - got) <= TOLERANCE * (np.abs(expected) + 0.1 * scale) + 1e-12
    return near | (expected == got) | (np.isnan(expected) & np.isnan(got))


def number(value: float) -> str:
    """A number for people."""
    if math.isnan(value):
        return "NaN"
    whole = math.isfinite(value) and value == round(value) and abs(value) < 1e15
    return str(round(value)) if whole else f"{value:.6g}"


# --- judge ------------------------------------------------------------------------------------------------------------


def judge(
    exercise: Exercise,
    cases: Sequence[Case],
    outcomes: Sequence[Outcome],
    own: Callable[[Case], Any] = lambda case: None,
    known: Known | None = None,
) -> Verdict:
    """The verdict on outcomes; nothing of the student's is called, but by `own`.

    Args:
        own: What `own_gradient` gives for a case; only asked where a gradient is wrong.
        known: What our solution and the mistakes give for these cases; it is filled in, to be used again.
    """
    known = {} if known is None else known
    first = outcomes[0].failure
    if first and first.kind == "NotImplementedError":
        return Verdict(exercise.name, UNWRITTEN)
    if () not in known:
        known[()] = run(exercise, exercise.solution, cases)
    expected = [named(exercise, outcome) for outcome in known[()]]
    wrongs = [wrong_with(*pair) for pair in zip(expected, outcomes, strict=True)]
    core, edge = _score(cases, wrongs, edge=False), _score(cases, wrongs, edge=True)
    if not any(wrongs):
        return Verdict(exercise.name, RIGHT, core=core, edge=edge)
    at = next(i for i, wrong in enumerate(wrongs) if wrong)
    lines = [_first_difference(cases[at], outcomes[at], wrongs[at])]
    passed = core[0] + edge[0]
    if passed:
        only = "All ordinary inputs pass" if core[0] == core[1] else f"{passed} of {len(cases)} inputs pass"
        lines.append(f"{only}; this is the first that fails.")
    lines += own_loss_lines(exercise, cases, expected, outcomes, own)
    causes, label = likely_causes(exercise, cases, outcomes, known)
    lines += [f"{label}: {sentence}" for sentence in causes]
    lines += given(exercise, cases[at])
    return Verdict(exercise.name, WRONG, tuple(lines), causes, core, edge)


def _score(cases: Sequence[Case], wrongs: Sequence[str], edge: bool) -> tuple[int, int]:
    of_kind = [not wrong for case, wrong in zip(cases, wrongs, strict=True) if case.edge == edge]
    return sum(of_kind), len(of_kind)


def named(exercise: Exercise, outcome: Outcome) -> Outcome:
    """Our outcome, its results with their names."""
    if exercise.returns and not exercise.observe and isinstance(outcome.value, tuple):
        return Outcome(Named.of(outcome.value, exercise.returns), outcome.failure, outcome.changed)
    return outcome


def wrong_with(expected: Outcome, got: Outcome) -> str:
    """What is wrong with an outcome, as a clause, or nothing."""
    assert expected.failure is None, expected.failure
    if got.failure:
        return f"{got.failure.kind}: {got.failure.text}".removesuffix(": ")
    if found := difference(expected.value, got.value):
        return found
    return f"the function changes its argument {got.changed[0]}; work on a copy" if got.changed else ""


def _first_difference(case: Case, outcome: Outcome, wrong: str) -> str:
    line = f'Input "{case.label}": {wrong}'
    if outcome.failure and outcome.failure.where:
        line = f'Input "{case.label}", {where_it_failed(outcome.failure)}'
    return f"{line.rstrip('.')}."


def where_it_failed(failure: Failure) -> str:
    """An exception as a clause: file and line, its code, the exception, and the shapes of the arrays there."""
    wrong = f"{failure.kind}: {failure.text}".removesuffix(": ")
    shapes = f"; shapes: {failure.shapes}" if failure.shapes else ""
    return f"{failure.where}: {failure.code} -> {wrong}{shapes}" if failure.where else wrong


def given(exercise: Exercise, case: Case) -> list[str]:
    """An input for people: with the entries of its arrays where they are few, else with their shapes."""
    flat = [one for value in case.arguments for one in (value.values() if isinstance(value, dict) else [value])]
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
        return f"{name} with {', '.join(filter(None, (_shown(*one, whole) for one in value.items())))}"
    if isinstance(value, float):
        return f"{name} = {value:.6g}"
    return f"{name} = {value!r}" if isinstance(value, str | int | float | list | tuple) else None


def _entries(array: np.ndarray) -> str:
    if array.ndim == 0:
        return f"{array.item():.4g}"
    return f"[{', '.join(map(_entries, array))}]"


def own_loss_lines(
    exercise: Exercise,
    cases: Sequence[Case],
    expected: Sequence[Outcome],
    outcomes: Sequence[Outcome],
    own: Callable[[Case], Any],
) -> list[str]:
    """How a wrong gradient compares with finite differences of the student's own function, on one ordinary input."""
    if exercise.own_loss is None:
        return []
    at = max(i for i, case in enumerate(cases) if not case.edge)
    ours, got, numeric = expected[at].value, outcomes[at], own(cases[at])
    if got.failure or numeric is None:
        return []
    needs = exercise.own_loss.needs
    if not difference(ours, numeric):
        if not difference(ours, got.value):
            return []
        return [f"The numerical gradient of your {needs} is as expected: the gradient is wrong, not {needs}."]
    numeric = Named.of(numeric, ours.names) if isinstance(ours, Named) else numeric
    if not difference(numeric, got.value):
        return [f"Your gradient is right for your {needs}, but your {needs} is wrong: check that first."]
    return [f"Your {needs} is wrong too: check that first."]


# --- the likely cause -------------------------------------------------------------------------------------------------


def likely_causes(
    exercise: Exercise, cases: Sequence[Case], outcomes: Sequence[Outcome], known: Known
) -> tuple[tuple[str, ...], str]:
    """The sentences of the mistakes that give these outcomes on every input, and what to call them.

    Single mistakes are tried first, then pairs. Where more than one answer fits, all are told.
    """
    single = tuple(one.sentence for one in exercise.mistakes if gives(exercise, (one,), cases, outcomes, known))
    if single:
        return single, "Likely cause" if len(single) == 1 else "Possible cause"
    pairs = [
        pair for pair in itertools.combinations(exercise.mistakes, 2) if gives(exercise, pair, cases, outcomes, known)
    ]
    sentences = dict.fromkeys(one.sentence for pair in pairs for one in pair)
    return tuple(sentences), "Likely cause (there are two)" if len(pairs) == 1 else "Possible cause"


def gives(
    exercise: Exercise,
    mistakes: tuple[Mistake, ...],
    cases: Sequence[Case],
    outcomes: Sequence[Outcome],
    known: Known,
) -> bool:
    """Whether these mistakes give these outcomes on every input."""
    theirs = known.setdefault(tuple(one.sentence for one in mistakes), [])
    function = None
    for i, (case, got) in enumerate(zip(cases, outcomes, strict=True)):
        if i == len(theirs):
            try:
                function = function or exercise.wrong(*mistakes)
            except (ValueError, SyntaxError):
                return False
            theirs.append(call(exercise, function, case))
        if not same(theirs[i], got):
            return False
    return True


def same(one: Outcome, other: Outcome) -> bool:
    """Whether two outcomes are equal: the same values, or the same exception."""
    if one.failure or other.failure:
        return bool(one.failure and other.failure and one.failure.is_like(other.failure))
    return one.changed == other.changed and _equal(one.value, other.value)


def _equal(one: Any, other: Any) -> bool:
    """Whether two results are equal, whatever they are."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(_equal, one, other))
    if one is None or other is None or isinstance(one, str) or isinstance(other, str):
        return type(one) is type(other) and one == other
    try:
        return not _array_difference(np.asarray(one), other, "")
    except Exception:
        return False

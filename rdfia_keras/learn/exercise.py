"""What an exercise is: a solved function, its common mistakes, and the inputs that tell them apart.

An exercise is declared in one place:

    @exercise("T15", hints=("formula", "shapes"))
    def grad_y_tilde(y_hat, y):
        \"\"\"The prompt: what students read, with shapes, formula and a worked example.\"\"\"
        return (y_hat - y) / len(y)

    grad_y_tilde.mistake("Divide by N: the loss is a mean over the batch.", {" / len(y)": ""})

    @grad_y_tilde.inputs
    def _(rng):
        yield core("4 examples of 3 classes", *some_arrays(rng, 4, 3))
        yield edge("one example", *some_arrays(rng, 1, 3))

The function is the reference solution, its docstring is the prompt, and a mistake is the solution with some of its
text replaced. So two mistakes that concern different places can be made at once.
"""

import ast
import inspect
import itertools
import textwrap
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

# Goes into every verdict that is kept: a changed exercise is checked again.
VERSION = 2
# By name, in the order of the homework.
EXERCISES: dict[str, "Exercise"] = {}

Edits = Mapping[str, str]


@dataclass(frozen=True)
class Case:
    """One input.

    Attributes:
        label: What is special about it, for people.
        arguments: In the order of the function's parameters.
        edge: Whether it is a special case (one example, huge numbers, ties) and not an ordinary input.
    """

    label: str
    arguments: tuple[Any, ...]
    edge: bool = False


def core(label: str, *arguments: Any) -> Case:
    """Return an ordinary input."""
    return Case(label, arguments)


def edge(label: str, *arguments: Any) -> Case:
    """Return a special case, which an otherwise right answer may miss."""
    return Case(label, arguments, edge=True)


@dataclass(frozen=True)
class Mistake:
    """A common mistake.

    Attributes:
        sentence: What a student reads: what is wrong, and why.
        edits: What is replaced in the body of the solution: each key occurs there once.
        name: Name of its switch in the playground, if it has one; see `web/playground/mistakes.mjs`.
    """

    sentence: str
    edits: Edits
    name: str = ""


@dataclass
class Exercise:
    """A function to write; see the module's docstring.

    Attributes:
        solution: The reference; its docstring is the prompt.
        question: The homework's number: T6 for the theory part, 2.1 for the implementation, else a bare number.
        hints: The formula in words or for a whole batch; then the shapes step by step.
        returns: Names of the results where there are several.
        mistakes: See `Mistake`.
        cases: Draws the inputs from a `numpy.random.Generator`.
        observe: Turns a result and the arguments into what can be compared, for random functions and models; see
            `calls`.
        custom_loss: Differentiates the student's own functions numerically.
    """

    solution: Callable[..., Any]
    question: str
    hints: tuple[str, str]
    returns: tuple[str, ...] = ()
    mistakes: list[Mistake] = field(default_factory=list)
    cases: Callable[[np.random.Generator], Iterator[Case]] | None = None
    observe: Callable[..., Any] | None = None
    custom_loss: "CustomLossCase | None" = None

    def __call__(self, *arguments: Any) -> Any:
        """Return what the solution gives."""
        return self.solution(*arguments)

    @property
    def name(self) -> str:
        """The function's name."""
        return self.solution.__name__

    @property
    def part(self) -> str:
        """The module and file that it belongs to, such as mlp."""
        return self.solution.__module__.rpartition(".part_")[2]

    @property
    def uses_keras(self) -> bool:
        """Whether its worker needs Keras."""
        return self.part.endswith("_keras")

    @property
    def parameters(self) -> tuple[str, ...]:
        """The names of the function's parameters."""
        return tuple(inspect.signature(self.solution).parameters)

    @property
    def calls(self) -> int:
        """How often it is called for an input: twice if it draws, since the second call must draw anew."""
        return 2 if "rng" in self.parameters else 1

    @cached_property
    def _texts(self) -> tuple[str, str]:
        """Signature with docstring, and body."""
        source = textwrap.dedent(inspect.getsource(self.solution))
        function = ast.parse(source).body[0]
        assert isinstance(function, ast.FunctionDef)
        lines, last = source.splitlines(), function.body[0].end_lineno
        return "\n".join(lines[function.lineno - 1 : last]), "\n".join(lines[last:])

    @property
    def prompt(self) -> str:
        """Signature and docstring."""
        return self._texts[0]

    @property
    def skeleton(self) -> str:
        """The function as it is handed out."""
        return f"{self.prompt}\n    raise NotImplementedError\n"

    @property
    def source(self) -> str:
        """The solution without its docstring."""
        return self.wrong_source()

    def mistake(self, sentence: str, edits: Edits, name: str = "") -> None:
        """Declare a common mistake; the arguments are those of `Mistake`."""
        self.mistakes.append(Mistake(sentence, edits, name))

    def inputs(self, draw: Callable[[np.random.Generator], Iterator[Case]]) -> None:
        """Declare how inputs are drawn."""
        self.cases = draw

    def observed(self, observe: Callable[..., Any]) -> None:
        """Declare what of a result is compared."""
        self.observe = observe

    def draw(self, seed: int) -> list[Case]:
        """Return the inputs of a seed: the same for the same seed, whatever else is checked."""
        assert self.cases is not None, self.name
        return list(self.cases(np.random.default_rng([seed, *self.name.encode()])))

    def wrong_source(self, *mistakes: Mistake) -> str:
        """Return the text of the solution with these mistakes made at once.

        Raises:
            ValueError: If they concern the same place, so that they cannot be made together.
        """
        body = self._texts[1]
        spans = sorted(
            (body.index(old), body.index(old) + len(old), new)
            for mistake in mistakes
            for old, new in mistake.edits.items()
        )
        if any(before[1] > after[0] for before, after in itertools.pairwise(spans)):
            raise ValueError("these mistakes overlap")
        for begin, end, new in reversed(spans):
            body = body[:begin] + new + body[end:]
        signature = self.prompt.partition('"""')[0].rstrip()
        return f"{signature}\n{body}\n"

    def wrong(self, *mistakes: Mistake) -> Callable[..., Any]:
        """Return the function that `wrong_source` defines.

        Raises:
            ValueError: See `wrong_source`.
        """
        names = dict(self.solution.__globals__)
        exec(compile(self.wrong_source(*mistakes), f"<{self.name} with a mistake>", "exec"), names)
        return names[self.name]


@dataclass(frozen=True)
class CustomLossCase:
    """The gradient that the student's own functions have, by finite differences.

    Attributes:
        needs: Which function of the student's is differentiated.
        gradient: Takes that function and the case's arguments, and returns a gradient like the exercise's result.
    """

    needs: str
    gradient: Callable[..., Any]


def exercise(question: str, *, hints: tuple[str, str], returns: str = "") -> Callable[[Callable[..., Any]], Exercise]:
    """Make a solved function an exercise, registered under its name.

    Args:
        question: See `Exercise`.
        hints: See `Exercise`.
        returns: Names of the results, separated by commas, where there are several.
    """

    def register(solution: Callable[..., Any]) -> Exercise:
        names = tuple(name.strip() for name in returns.split(",")) if returns else ()
        EXERCISES[solution.__name__] = Exercise(solution, question, hints, names)
        return EXERCISES[solution.__name__]

    return register


def differences(function: Callable[[np.ndarray], float], at: np.ndarray, delta: float = 1e-5) -> np.ndarray:
    """Return the gradient of a function of an array by central differences, (f(a + δ) - f(a - δ)) / 2δ by entry."""
    gradient = np.zeros(at.shape)
    for entry in np.ndindex(at.shape):
        more, less = at.astype(float), at.astype(float)
        more[entry] += delta
        less[entry] -= delta
        gradient[entry] = (float(function(more)) - float(function(less))) / (2 * delta)
    return gradient

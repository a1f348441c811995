"""Change the solutions of the exercises in every small way, and list the changes that the checker still calls right.

    make mutants                            all solutions
    python -m tools.mutants softmax zca     these only

A change that survives either computes the same: then it stands in `EQUIVALENT`, with the reason. Or no input of the
exercise shows the difference: then it needs another one. The exit code is 1 while a survivor is in no list.
"""

import ast
import functools
import itertools
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator
from typing import Any

from rdfia_keras.learn import worker
from rdfia_keras.learn.agreement import difference
from rdfia_keras.learn.causes import Reference, call_here
from rdfia_keras.learn.exercise import Exercise
from rdfia_keras.learn.exercises import EXERCISES

SEEDS = (0, 7)
SECONDS = 20.0
OPERATORS = (ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow, ast.MatMult)
COMPARISONS = (ast.Eq, ast.NotEq, ast.Lt, ast.LtE, ast.Gt, ast.GtE)
# Names that take each other's place.
ALIKE = ({"max", "min", "mean", "sum"}, {"argmax", "argmin"}, {"std", "var"}, {"exp", "log", "sqrt"}, {"zeros", "ones"})

_NUMBER, _ORDER = "a number with probability 0", "an order of axes"
# The exercise, and part of the changed line: why it computes the same, or may compute something else.
EQUIVALENT = {
    ("cross_entropy", "largest[:, -1]"): "it has one column",
    ("grad_y_tilde", "len(y_hat)"): "as long as y",
    ("sgd_step", "for name in grads"): "the names of params",
    ("train_epoch", "len(x)"): "as long as order",
    ("train_epoch", "len(y)"): "as long as order",
    ("rbf_kernel", "b[None, :, :] - a[:, None, :]"): "squared",
    ("choose_svm", "best, best_accuracy = "): "replaced at once, since no set of SVMs gets nothing right",
    ("layer_table", "size / 2"): "size is even; floats are fine",
    ("conv2d", "np.ones((len(x)"): "all of it is assigned",
    ("conv2d_backward", "axis=(1, 0, 2)"): _ORDER,
    ("max_pool", "axis=(4, 2)"): _ORDER,
    ("normalize", "axis=(1, 0, 2)"): _ORDER,
    ("dense_as_conv", "len(b)"): "as long as W",
    ("zca", "covariance = (train"): "one of the factors has mean 0",
    ("zca", "covariance = train.T @ (train - mean)"): "one of the factors has mean 0",
    ("crop_flip", "return crops"): "a list of arrays is fine",
    ("crop_flip", "mirrored = rng.random() "): f"0.5 is {_NUMBER}, and both halves are alike",
    ("schedule", "if kind "): "the order of the three names in the alphabet",
    ("dropout", "> p"): f"p is {_NUMBER}",
    ("keras_step", "optimizer.apply_gradients(zip(gradients, model.trainable_variables"): "both are equally long",
}


def changes(node: ast.AST, parameters: list[str]) -> Iterator[ast.AST]:
    """Yield what a node is replaced by; the parameters are those of the function."""
    match node:
        case ast.BinOp(left, operator, right):
            yield from (ast.BinOp(left, other(), right) for other in OPERATORS if not isinstance(operator, other))
            yield from (left, right)
            yield from [] if isinstance(operator, ast.Add | ast.Mult) else [ast.BinOp(right, operator, left)]
        case ast.UnaryOp(operand=operand):
            yield operand
        case ast.Compare(left, [operator], right):
            yield from (ast.Compare(left, [other()], right) for other in COMPARISONS if type(operator) is not other)
        case ast.Constant(bool() as value):
            yield ast.Constant(not value)
        case ast.Constant(int() | float() as value):
            yield from map(ast.Constant, sorted({value + 1, value - 1, 0, 2 * value} - {value}))
        case ast.Attribute(value, name):
            others = {other for names in ALIKE if name in names for other in names} - {name}
            yield from (ast.Attribute(value, other, node.ctx) for other in sorted(others))
        case ast.Call(function, arguments, keywords):
            for i in range(len(keywords)):
                yield ast.Call(function, arguments, [*keywords[:i], *keywords[i + 1 :]])
            yield from arguments
            yield from [function.value] if isinstance(function, ast.Attribute) else []
        case ast.Slice(lower, upper, step):
            yield from (
                ast.Slice(*bounds) for bounds in ((None, upper, step), (lower, None, step), (lower, upper, None))
            )
        case ast.IfExp(_, body, orelse):
            yield from (body, orelse)
        case ast.If(_, body, orelse):
            yield from (ast.If(ast.Constant(value), body, orelse) for value in (True, False))
        case ast.Name(name, ast.Load()) if name in parameters:
            yield from (ast.Name(other) for other in parameters if other != name)
        case ast.Tuple([first, second, *rest], ast.Load()):
            yield ast.Tuple([second, first, *rest])
        case ast.AugAssign(target, _, value):
            yield from (ast.Pass(), ast.Assign([target], value, lineno=0))
        case ast.Assign() | ast.Expr():
            yield ast.Pass()


def places(tree: ast.AST) -> Iterator[tuple[ast.AST, Callable[[Any], None]]]:
    """Yield every node below a tree, and a function that puts another one in its place."""
    for parent in ast.walk(tree):
        for name, value in ast.iter_fields(parent):
            if isinstance(value, list):
                yield from ((node, functools.partial(value.__setitem__, i)) for i, node in enumerate(value))
            elif isinstance(value, ast.AST):
                yield value, functools.partial(setattr, parent, name)


def mutants(exercise: Exercise) -> dict[str, str]:
    """Return the changed solutions, each with its first line that differs."""
    tree = ast.parse(exercise.source)
    original, texts = ast.unparse(tree), {}
    for node, put in list(places(tree)):
        for change in changes(node, list(exercise.parameters)):
            put(change)
            text = ast.unparse(tree)
            pairs = itertools.zip_longest(original.splitlines(), text.splitlines(), fillvalue="")
            texts[text] = next((mine.strip() for old, mine in pairs if mine != old), "")
        put(node)
    texts.pop(original, None)
    return texts


@functools.cache
def references(name: str) -> list[Reference]:
    """Return what is expected of an exercise, for each seed."""
    return [Reference(EXERCISES[name], seed) for seed in SEEDS]


def is_right(exercise: Exercise, function: Callable[..., Any], reference: Reference) -> bool:
    """Return whether the checker calls a function right."""
    for case, expected in zip(reference.cases, reference.expected, strict=True):
        outcome = call_here(function, case, exercise)
        if outcome.failure or outcome.changed or difference(expected, outcome.value, returns=exercise.returns):
            return False
    return True


def survives(mutant: tuple[str, str]) -> bool:
    """Return whether the checker calls a changed solution right with any seed.

    Args:
        mutant: The exercise's name, and the text of the function.
    """
    exercise = EXERCISES[mutant[0]]
    names = dict(exercise.solution.__globals__)
    try:
        exec(mutant[1], names)
    except SyntaxError:
        return False
    expected = references(exercise.name)
    try:
        with worker.time_limit(SECONDS):
            return any(is_right(exercise, names[exercise.name], reference) for reference in expected)
    except worker.TimeLimit:
        return False


def stop_endless_loops() -> None:
    """Let `time_limit` end a function, as in a worker."""

    def too_long(number: int, frame: Any) -> None:
        raise worker.TimeLimit

    signal.signal(signal.SIGALRM, too_long)


def main(names: list[str]) -> int:
    """Print the survivors; return 1 if one of them is not known to compute the same."""
    texts = [(name, *mutant) for name in names or EXERCISES for mutant in mutants(EXERCISES[name]).items()]
    with multiprocessing.get_context("spawn").Pool(os.cpu_count(), stop_endless_loops) as pool:
        verdicts = pool.map(survives, [(name, text) for name, text, _ in texts], chunksize=20)
    survivors = [(name, line) for (name, _, line), verdict in zip(texts, verdicts, strict=True) if verdict]
    unknown = [
        found for found in survivors if not any(found[0] == name and part in found[1] for name, part in EQUIVALENT)
    ]
    for name, line in unknown:
        print(f"{name:<18} {line}")
    print(f"{len(texts)} changes: {len(survivors)} are called right, {len(unknown)} of them with no reason")
    return 1 if unknown else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""The perceptron of mlp.py, trained in a NumPy loop with ten functions, the student's or our solutions.

An epoch with the student's functions runs in a worker: `run_epoch` and `map_plane` are sent there with what they use,
which is functions and NumPy only.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from rdfia_keras.errors import RdfiaError
from rdfia_keras.learn.agreement import difference
from rdfia_keras.learn.checker import library_refusal
from rdfia_keras.learn.exercises import find, of_part
from rdfia_keras.learn.protocol import StudentFunction
from rdfia_keras.learn.sandbox import Died, Workers
from rdfia_keras.learn.session import Limits, Session, time_sentence
from rdfia_keras.learn.submissions import Module

# As in `rdfia mlp`: chance gives a loss of a few nats; a thousand times that comes of steps that only overshoot.
DIVERGED_LOSS = 1000.0
PART = "mlp"

Functions = Mapping[str, Callable[..., Any]]
Weights = dict[str, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """What is trained, from which weights, in which order.

    Attributes:
        x: Training examples, (N, n_x).
        y: Their targets, one-hot, (N, n_y).
        x_test: Test examples.
        y_test: Their targets.
        plane: Points to map, (M, n_x).
        orders: The order of the training examples in each epoch, (epochs, N).
        W_h, b_h, W_y, b_y: The weights to begin from.
        batch_size: Examples in a batch.
        eta: The learning rate.
    """

    x: np.ndarray
    y: np.ndarray
    x_test: np.ndarray
    y_test: np.ndarray
    plane: np.ndarray
    orders: np.ndarray
    W_h: np.ndarray
    b_h: np.ndarray
    W_y: np.ndarray
    b_y: np.ndarray
    batch_size: int
    eta: float

    @property
    def weights(self) -> Weights:
        """A copy of the weights to begin from."""
        return {name: getattr(self, name).copy() for name in ("W_h", "b_h", "W_y", "b_y")}


@dataclass(frozen=True)
class TrainingResult:
    """The outcome of a training.

    Attributes:
        history: For each epoch `epoch`, `train_loss`, `train_accuracy`, `test_loss`, `test_accuracy`.
        weights: After the last epoch that did not diverge.
        outputs: y_tilde of the plane's points, (M, n_y).
        diverged: The epoch whose loss was no longer a number, or too large; 0 where there was none.
    """

    history: list[dict[str, float]]
    weights: Weights
    outputs: np.ndarray
    diverged: int = 0


def solutions() -> dict[str, Callable[..., Any]]:
    """Return our solutions of mlp.py."""
    return {exercise.name: exercise.solution for exercise in of_part(PART)}


# --- an epoch ---------------------------------------------------------------------------------------------------------


def run_epoch(
    functions: Functions, student_functions: Functions, weights: Weights, problem: Mapping[str, Any], order: np.ndarray
) -> dict[str, Any]:
    """Train for one epoch.

    Args:
        functions: By name, all that mlp.py asks for.
        student_functions: Those that the student has written, in place of them.
        weights: To begin from.
        problem: The attributes of a `Problem`.
        order: The order of the training examples.

    Returns:
        `weights` and the scores with them; or `misfit`: the name of a function whose result has another form than it
        should, the expected result and its own.
    """
    misfits: list[Any] = []
    guarded = {name: _guarded(name, function, functions[name], misfits) for name, function in student_functions.items()}
    functions = {**functions, **guarded}

    def gradients(params: Weights, x: np.ndarray, y: np.ndarray) -> Weights:
        return gradients_of(functions, params, x, y)

    data = problem["x"], problem["y"], order, problem["batch_size"], problem["eta"]
    try:
        weights = functions["train_epoch"](weights, *data, gradients, functions["sgd_step"])
        scores = {}
        for split, x, y in (("train", "x", "y"), ("test", "x_test", "y_test")):
            y_tilde = functions["forward"](weights, problem[x], functions["softmax"])[2]
            scores[f"{split}_loss"] = float(functions["cross_entropy"](y_tilde, problem[y]))
            scores[f"{split}_accuracy"] = float(functions["accuracy"](y_tilde, problem[y]))
    except BaseException:
        if not misfits:
            raise
        return {"misfit": misfits[0]}
    return {"weights": weights, "scores": scores}


def map_plane(functions: Functions, student_functions: Functions, weights: Weights, plane: np.ndarray) -> np.ndarray:
    """Return y_tilde of points; the arguments are those of `run_epoch`."""
    functions = {**functions, **student_functions}
    return np.asarray(functions["forward"](weights, plane, functions["softmax"])[2])


def gradients_of(functions: Functions, params: Weights, x: np.ndarray, y: np.ndarray) -> Weights:
    """Return the gradient of each parameter: the chain of questions T15 to T17."""
    _, h, _, y_hat = functions["forward"](params, x, functions["softmax"])
    grad_y_tilde = functions["grad_y_tilde"](y_hat, y)
    grad_W_y, grad_b_y = functions["grads_output"](grad_y_tilde, h)
    grad_h_tilde = functions["grad_h_tilde"](grad_y_tilde, params["W_y"], h)
    grad_W_h, grad_b_h = functions["grads_hidden"](grad_h_tilde, x)
    return {"W_h": grad_W_h, "b_h": grad_b_h, "W_y": grad_W_y, "b_y": grad_b_y}


def _guarded(name: str, function: Any, solution: Any, misfits: list[Any]) -> Callable[..., Any]:
    """Return the function with results as arrays; one of another form than the solution's ends the epoch."""

    def call(*arguments: Any) -> Any:
        actual = function(*arguments)
        # An epoch's parameters are like those before; the solution would run it once more with the student's functions.
        expected = arguments[0] if name == "train_epoch" else solution(*arguments)
        if not _has_form(expected, actual):
            misfits.append((name, expected, actual))
            raise SystemExit
        if isinstance(expected, dict):
            return {key: np.asarray(actual[key]) for key in expected}
        return tuple(map(np.asarray, actual)) if isinstance(expected, tuple) else np.asarray(actual)

    return call


def _has_form(expected: Any, actual: Any) -> bool:
    if isinstance(expected, dict):
        same_keys = isinstance(actual, dict) and actual.keys() == expected.keys()
        return same_keys and all(_has_form(expected[key], actual[key]) for key in expected)
    if isinstance(expected, tuple):
        same_length = isinstance(actual, tuple | list) and len(actual) == len(expected)
        return same_length and all(map(_has_form, expected, actual))
    try:
        array = np.asarray(actual)
    except ValueError:
        return False
    return array.dtype.kind in "biuf" and array.dtype != np.float16 and array.shape == np.shape(expected)


# --- a training -------------------------------------------------------------------------------------------------------


def train(functions: Functions, problem: Problem) -> TrainingResult:
    """Train with functions of this process, to the end or until the loss is out of bounds."""
    return _train(problem, lambda function, *arguments: function(functions, {}, *arguments))


def train_in_worker(
    workers: Workers, modules: Sequence[Module], module: str, names: Sequence[str], problem: Problem, limits: Limits
) -> TrainingResult:
    """Train with functions of a student's file, and with our solutions of the others.

    Args:
        workers: Start the process that runs them.
        modules: The student's files.
        module: Name of the one with the functions.
        names: The functions to take from it.
        problem: What is trained.
        limits: The time for a function is that for an epoch.

    Raises:
        RdfiaError: If one of the functions cannot be used.
    """
    student_functions = {name: StudentFunction(module, name) for name in names}

    def run(function: Callable[..., Any], *arguments: Any) -> Any:
        session.begin(limits.exercise)
        outcome = session.call(function, (solutions(), student_functions, *arguments))
        failure = outcome.failure
        if outcome.library:
            name = failure.function if failure and failure.function in names else names[0]
            raise RdfiaError(library_refusal(find(name), outcome.library))
        if failure and failure.kind == "TimeLimit":
            raise RdfiaError(time_sentence("an epoch of the training", failure, limits.exercise))
        if failure:
            raise RdfiaError(f"{failure.function}: {failure}.")
        return outcome.value

    try:
        with Session(workers, modules, False, replace(limits, submission=math.inf)) as session:
            session.begin(limits.exercise)
            for name in names:
                if refusal := session.look(student_functions[name], find(name)):
                    raise RdfiaError(refusal)
            return _train(problem, run)
    except Died as death:
        raise RdfiaError(f"{module}.py: while it trained, {death}") from death


def _train(problem: Problem, run: Callable[..., Any]) -> TrainingResult:
    """Train epoch by epoch, each by a call of `run`."""
    weights, history, diverged = problem.weights, [], 0
    data = {name: value for name, value in vars(problem).items() if name not in ("orders", "plane", *weights)}
    for epoch, order in enumerate(problem.orders, start=1):
        answer = run(run_epoch, weights, data, order)
        if "misfit" in answer:
            name, expected, actual = answer["misfit"]
            clause = difference(expected, actual, returns=find(name).returns, values=False)
            raise RdfiaError(f"{name}: {clause or 'its result cannot be used'}.")
        row = {"epoch": epoch, **answer["scores"]}
        if not row["train_loss"] < DIVERGED_LOSS:
            diverged = epoch
            break
        weights = answer["weights"]
        history.append(row)
    outputs, expected_shape = run(map_plane, weights, problem.plane), (len(problem.plane), problem.y.shape[1])
    if outputs.shape != expected_shape:
        raise RdfiaError(f"forward: the y_tilde of many points has shape {outputs.shape}; expected {expected_shape}.")
    return TrainingResult(history, weights, outputs, diverged)

"""The perceptron of mlp.py at work: trained in a NumPy loop with ten functions, the student's or ours.

Everything that a training needs is in a `Problem`, so that it can take place in another process.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from rdfia_keras.learn.checking import Named, difference, failure_of, refusal, where_it_failed
from rdfia_keras.learn.exercise import Exercise
from rdfia_keras.learn.exercises import of_part

# As in `rdfia mlp`: chance gives a loss of a few nats; a thousand times that comes of steps that only overshoot.
DIVERGED_LOSS = 1000.0
PART = "mlp"

Functions = Mapping[str, Callable[..., Any]]
Weights = dict[str, np.ndarray]


class Unusable(Exception):
    """A function raises, or returns something of another form than it should: the sentence says which and where."""


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

    def save(self, path: Path) -> None:
        np.savez(path, **{field.name: getattr(self, field.name) for field in fields(self)})

    @classmethod
    def load(cls, path: Path) -> "Problem":
        with np.load(path) as arrays:
            values: dict[str, Any] = dict(arrays)
        return cls(**{**values, "batch_size": int(values["batch_size"]), "eta": float(values["eta"])})


@dataclass(frozen=True)
class Trained:
    """What came of a training.

    Attributes:
        history: For each epoch `epoch`, `train_loss`, `train_accuracy`, `test_loss`, `test_accuracy`.
        weights: After the last epoch that did not diverge.
        probabilities: y_hat of the plane's points, (M, n_y).
        outputs: Their y_tilde, (M, n_y).
        diverged: The epoch whose loss was no longer a number, or too large; 0 where there was none.
    """

    history: list[dict[str, float]]
    weights: Weights
    probabilities: np.ndarray
    outputs: np.ndarray
    diverged: int = 0

    def to_json(self) -> str:
        """As JSON; NaN stays NaN, for Python reads it back."""
        return json.dumps({**self.__dict__, **{"weights": _lists(self.weights)}}, default=np.ndarray.tolist)

    @classmethod
    def from_json(cls, text: str) -> "Trained":
        values = json.loads(text)
        arrays = {name: np.array(values[name]) for name in ("probabilities", "outputs")}
        return cls(**{**values, **arrays, "weights": {name: np.array(w) for name, w in values["weights"].items()}})


def _lists(weights: Weights) -> dict[str, Any]:
    return {name: value.tolist() for name, value in weights.items()}


def train(functions: Functions, problem: Problem) -> Trained:
    """Train to the end, or until the loss is out of bounds.

    Args:
        functions: By name, all that mlp.py asks for.

    Raises:
        Unusable: When one of them, as `at_work` guards it, cannot be used.
    """
    *_, last = epochs(functions, problem)
    return last


def epochs(functions: Functions, problem: Problem) -> Iterator[Trained]:
    """Train epoch by epoch: what has come of it after each; the last one has the plane's points, too."""
    weights, history, diverged = problem.weights, [], 0
    empty = np.zeros((0, problem.y.shape[1]))

    def gradients(params: Weights, x: np.ndarray, y: np.ndarray) -> Weights:
        return _gradients(functions, params, x, y)

    for epoch, order in enumerate(problem.orders, start=1):
        reached = functions["train_epoch"](
            weights, problem.x, problem.y, order, problem.batch_size, problem.eta, gradients, functions["sgd_step"]
        )
        row = {"epoch": epoch, **_scores(functions, reached, problem)}
        if not row["train_loss"] < DIVERGED_LOSS:
            diverged = epoch
            break
        weights = reached
        history.append(row)
        yield Trained(history, weights, empty, empty)
    *_, outputs, probabilities = functions["forward"](weights, problem.plane, functions["softmax"])
    yield Trained(history, weights, probabilities, outputs, diverged)


def _gradients(functions: Functions, params: Weights, x: np.ndarray, y: np.ndarray) -> Weights:
    """The gradient of each parameter: the chain of questions T15 to T17."""
    _, h, _, y_hat = functions["forward"](params, x, functions["softmax"])
    grad_y_tilde = functions["grad_y_tilde"](y_hat, y)
    grad_W_y, grad_b_y = functions["grads_output"](grad_y_tilde, h)
    grad_h_tilde = functions["grad_h_tilde"](grad_y_tilde, params["W_y"], h)
    grad_W_h, grad_b_h = functions["grads_hidden"](grad_h_tilde, x)
    return {"W_h": grad_W_h, "b_h": grad_b_h, "W_y": grad_W_y, "b_y": grad_b_y}


def _scores(functions: Functions, weights: Weights, problem: Problem) -> dict[str, float]:
    scores = {}
    for split, x, y in (("train", problem.x, problem.y), ("test", problem.x_test, problem.y_test)):
        y_tilde = functions["forward"](weights, x, functions["softmax"])[2]
        scores[f"{split}_loss"] = float(functions["cross_entropy"](y_tilde, y))
        scores[f"{split}_accuracy"] = float(functions["accuracy"](y_tilde, y))
    return scores


# --- whose functions --------------------------------------------------------------------------------------------------


def ours() -> Functions:
    """Our solutions."""
    return {exercise.name: exercise.solution for exercise in of_part(PART)}


def at_work(module: Mapping[str, Any], names: Sequence[str], file: Path) -> Functions:
    """The student's functions of these names, guarded, and ours for the others.

    Args:
        module: What the student's file defines.
        file: That file, for the sentences.

    Raises:
        Unusable: When one of them is no function, has another signature, or uses a library that it may not.
    """
    functions = dict(ours())
    for exercise in of_part(PART):
        if exercise.name in names:
            function = module[exercise.name]
            if refused := refusal(exercise, function):
                raise Unusable(refused)
            functions[exercise.name] = _guarded(exercise, function, file)
    return functions


def _guarded(exercise: Exercise, function: Callable[..., Any], file: Path) -> Callable[..., Any]:
    """The function, whose results have the form that ours would have: its numbers may be wrong."""

    def call(*arguments: Any) -> Any:
        try:
            got = function(*arguments)
        except (KeyboardInterrupt, Unusable):
            raise
        except BaseException as error:
            raise Unusable(f"{exercise.name}: {where_it_failed(failure_of(error, str(file)))}") from error
        # An epoch's parameters are like those before; ours would run it once more with the student's functions.
        expected = arguments[0] if exercise.name == "train_epoch" else exercise.solution(*arguments)
        if exercise.returns:
            expected = Named.of(expected, exercise.returns)
        if wrong := difference(expected, got, values=False):
            raise Unusable(f"{exercise.name}: {wrong}.")
        return _as_arrays(expected, got)

    return call


def _as_arrays(expected: Any, got: Any) -> Any:
    """Lists are fine as a result, but not for the arithmetic that follows."""
    if isinstance(expected, dict):
        return {name: np.asarray(got[name]) for name in expected}
    return tuple(map(np.asarray, got)) if isinstance(expected, tuple) else np.asarray(got)

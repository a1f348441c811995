"""Exercises: write the pieces of the homework yourself, and be told what is wrong.

NumPy only: no module of this room imports TensorFlow or Keras before an exercise that is about them is checked.
"""

from collections.abc import Callable
from typing import Any


def check(function: Callable[..., Any], seed: int = 0) -> None:
    """Check a function and print what is found: what the cells of a notebook call.

    Args:
        function: It is the exercise of its name.
        seed: Decides the inputs.

    Raises:
        RdfiaError: When no exercise has that name.
    """
    from rdfia_keras.learn import checking
    from rdfia_keras.learn.exercises import find

    exercise = find(getattr(function, "__name__", str(function)))
    verdict = checking.check(exercise, function, seed, getattr(function, "__globals__", {}))
    print("\n".join(verdict.text()))

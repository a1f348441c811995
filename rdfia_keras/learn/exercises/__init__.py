"""The exercises, a module a part of the homework; `EXERCISES` has them in its order."""

from rdfia_keras.errors import RdfiaError, did_you_mean
from rdfia_keras.learn.exercise import EXERCISES, Exercise

# The order of the homework.
from rdfia_keras.learn.exercises import mlp  # isort: skip
from rdfia_keras.learn.exercises import mlp_keras  # isort: skip
from rdfia_keras.learn.exercises import svm  # isort: skip
from rdfia_keras.learn.exercises import conv  # isort: skip
from rdfia_keras.learn.exercises import conv_keras  # isort: skip
from rdfia_keras.learn.exercises import training  # isort: skip

PARTS = {module.__name__.rpartition(".")[2]: module for module in (mlp, mlp_keras, svm, conv, conv_keras, training)}


def find(name: str) -> Exercise:
    """Return the exercise of a name.

    Raises:
        RdfiaError: When there is none.
    """
    if name not in EXERCISES:
        raise RdfiaError(f"there is no exercise {name}: {did_you_mean(name, EXERCISES, 'rdfia learn lists them')}")
    return EXERCISES[name]


def of_part(part: str) -> list[Exercise]:
    """Return the exercises of one part, in order.

    Raises:
        RdfiaError: When there is no such part.
    """
    if part not in PARTS:
        raise RdfiaError(f"there is no topic {part}: {did_you_mean(part, PARTS)}")
    return [exercise for exercise in EXERCISES.values() if exercise.part == part]

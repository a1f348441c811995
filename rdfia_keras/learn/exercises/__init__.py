"""The exercises, a module `part_NAME` for each part of the homework; `EXERCISES` has them in its order."""

from collections.abc import Iterable

from rdfia_keras.errors import choose
from rdfia_keras.learn.exercise import EXERCISES, Exercise

# The order of the homework.
from rdfia_keras.learn.exercises import part_mlp  # isort: skip
from rdfia_keras.learn.exercises import part_mlp_keras  # isort: skip
from rdfia_keras.learn.exercises import part_svm  # isort: skip
from rdfia_keras.learn.exercises import part_conv  # isort: skip
from rdfia_keras.learn.exercises import part_conv_keras  # isort: skip
from rdfia_keras.learn.exercises import part_training  # isort: skip

PARTS = {
    module.__name__.rpartition(".part_")[2]: module
    for module in (part_mlp, part_mlp_keras, part_svm, part_conv, part_conv_keras, part_training)
}


def find(name: str) -> Exercise:
    """Return the exercise of a name.

    Raises:
        ConfigError: If there is none.
    """
    return EXERCISES[choose("exercise", name, EXERCISES, "rdfia learn lists them")]


def listed(texts: Iterable[str]) -> list[str]:
    """Return the names in texts such as `a,b`; the name of a part stands for its exercises."""
    names = [name.strip() for text in texts for name in text.split(",")]
    return [each for name in names for each in ([one.name for one in of_part(name)] if name in PARTS else [name])]


def of_part(part: str) -> list[Exercise]:
    """Return the exercises of one part, in order.

    Raises:
        ConfigError: If there is no such part.
    """
    part = choose("topic", part, PARTS)
    return [exercise for exercise in EXERCISES.values() if exercise.part == part]

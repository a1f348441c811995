"""The exercises, a module `part_NAME` for each part of the homework; `EXERCISES` has them in its order."""

from collections.abc import Iterable
from importlib import import_module

from rdfia_keras.errors import choose
from rdfia_keras.learn.exercise import EXERCISES, Exercise

# In the order of the homework.
PARTS = {
    part: import_module(f"{__name__}.part_{part}")
    for part in ("mlp", "mlp_keras", "svm", "conv", "conv_keras", "training")
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

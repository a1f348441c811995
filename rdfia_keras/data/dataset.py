"""`Dataset`: checked splits of arrays, and what is drawn of them from a seed."""

import hashlib
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from rdfia_keras.errors import RdfiaError


@dataclass(frozen=True)
class Split:
    """Examples and their labels.

    Attributes:
        x: Vectors, float64 of shape (N, n_x), or images, uint8 of shape (N, height, width, channels).
        y: Class numbers, int64 of shape (N,).
    """

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.y)

    def take(self, count: int) -> "Split":
        """Return the first `count` examples."""
        return Split(self.x[:count], self.y[:count])

    def pick(self, indices: np.ndarray) -> "Split":
        """Return the examples at the given indices."""
        return Split(self.x[indices], self.y[indices])

    @cached_property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of both arrays, with their shapes and dtypes."""
        return _digest(self.x, self.y)


@dataclass(frozen=True)
class Dataset:
    """A training and a test split, checked on creation.

    Attributes:
        name: Name of the data set or of the folder: `circles`, `cifar10`, ...
        train: The split to train on.
        test: The split to evaluate on.
        classes: The name of each class, in the order of the class numbers.
        source: The origin of the arrays, in words.
        remark: What to tell of it: which files are left out.
        validation: The part of the training split that `hold_out` took away, to choose an epoch by.
        whole: The data set before `draw` and `hold_out`.

    Raises:
        RdfiaError: If shapes, dtypes, values or labels are invalid.
    """

    name: str
    train: Split
    test: Split
    classes: tuple[str, ...]
    source: str = ""
    remark: str = ""
    validation: Split | None = None
    whole: "Dataset | None" = field(default=None, repr=False)

    def __post_init__(self) -> None:
        for split_name, split in (("training", self.train), ("test", self.test)):
            _check(f"{self.name}: the {split_name} set", split, len(self.classes))
        if self.train.x.shape[1:] != self.test.x.shape[1:]:
            raise RdfiaError(
                f"{self.name}: training examples have shape {self.train.x.shape[1:]} "
                f"and test examples {self.test.x.shape[1:]}; they must be equal"
            )

    @cached_property
    def digest(self) -> str:
        """First 16 hexadecimal digits of the SHA-256 of all four arrays, before anything is held out or left out."""
        if self.whole:
            return self.whole.digest
        return _digest(self.train.x, self.train.y, self.test.x, self.test.y)

    def take(self, count: int) -> "Dataset":
        """Return the first `count` training and test examples."""
        return replace(self, train=self.train.take(count), test=self.test.take(count))

    def draw(self, count: int | None, seed: int) -> "Dataset":
        """Return the data set with fewer training examples, drawn in proportion to the classes (theory question 2).

        Examples drawn for a small count are among those drawn for a larger one from the same seed. None stands for all.

        Raises:
            RdfiaError: If there are fewer.
        """
        available = len(self.train)
        if count is None or count == available:
            return self
        if count > available:
            raise RdfiaError(
                f"{self.name} has {available:,} training examples, fewer than train_examples (--train-examples) "
                f"{count:,}: ask for fewer, or leave it out"
            )
        # Each class's examples, in random order, at equal distances from 0 to 1: the first ones are taken.
        rng, place = np.random.default_rng([seed, 0, 0, 2]), np.empty(available)
        for number in range(len(self.classes)):
            examples = rng.permutation(np.flatnonzero(self.train.y == number))
            place[examples] = (np.arange(len(examples)) + rng.random()) / max(len(examples), 1)
        train = self.train.pick(np.sort(np.argsort(place)[:count]))
        return replace(self, train=train, whole=self.whole or self)

    def hold_out(self, fraction: float, seed: int) -> "Dataset":
        """Return the data set with a validation split, drawn from the training split in proportion to its classes.

        It takes that fraction of each class, rounded to whole examples; 0 makes no validation split.

        Raises:
            RdfiaError: If a class would have no example in one of the two parts.
        """
        if not fraction:
            return self
        held_out = np.zeros(len(self.train), bool)
        # Other words than those of an epoch's order and random streams: (seed, epoch) and (seed, epoch, number).
        rng = np.random.default_rng([seed, 0, 0, 1])
        for number, name in enumerate(self.classes):
            examples = np.flatnonzero(self.train.y == number)
            count = round(fraction * len(examples))
            if len(examples) and not 0 < count < len(examples):
                raise RdfiaError(
                    f"{self.name}: validation (--validation) {fraction:g} would hold out {count} of the "
                    f"{len(examples)} training examples of class {name}, and both parts need one: choose another "
                    "fraction or add examples"
                )
            held_out[rng.permutation(examples)[:count]] = True
        train, validation = self.train.pick(~held_out), self.train.pick(held_out)
        return replace(self, train=train, validation=validation, whole=self.whole or self)

    def describe(self) -> dict[str, Any]:
        """Return what a record keeps of the data set."""
        description: dict[str, Any] = {
            "name": self.name,
            "counts": {"train": len(self.train), "test": len(self.test)},
            "classes": len(self.classes),
            "class_names": list(self.classes),
            "digest": self.digest,
        }
        if self.validation:
            description["counts"]["validation"] = len(self.validation)
            description["validation_digest"] = self.validation.digest
        return description


def _digest(*arrays: np.ndarray) -> str:
    sha = hashlib.sha256()
    for array in arrays:
        sha.update(f"{array.shape}{array.dtype}".encode())
        sha.update(np.ascontiguousarray(array).data)
    return sha.hexdigest()[:16]


def _check(what: str, split: Split, n_y: int) -> None:
    x, y = split.x, split.y
    if len(x) == 0:
        raise RdfiaError(f"{what} is empty")
    if len(x) != len(y):
        raise RdfiaError(f"{what} has {len(x)} examples and {len(y)} labels")
    if x.dtype == np.uint8:
        if x.ndim != 4 or x.shape[-1] not in (1, 3):
            raise RdfiaError(f"{what} has shape {x.shape}; images must be (count, height, width, 1 or 3)")
    elif x.dtype == np.float64:
        if x.ndim != 2:
            raise RdfiaError(f"{what} has shape {x.shape}; vectors must be (count, size)")
        if not np.isfinite(x).all():
            raise RdfiaError(f"{what} holds a NaN or an infinity; clean the file first")
    else:
        raise RdfiaError(f"{what} has dtype {x.dtype}; expected float64 vectors or uint8 images")
    if y.dtype != np.int64 or y.ndim != 1:
        raise RdfiaError(f"{what} has labels of dtype {y.dtype} and shape {y.shape}; expected int64 class numbers")
    if y.min() < 0 or y.max() >= n_y:
        raise RdfiaError(f"{what} has labels from {y.min()} to {y.max()}; expected 0 to {n_y - 1}")


def epoch_order(seed: int, epoch: int, count: int) -> np.ndarray:
    """Return the order of the training examples in an epoch: a permutation of 0..count-1."""
    return np.random.default_rng([seed, epoch]).permutation(count)


def one_hot(y: np.ndarray, n_y: int) -> np.ndarray:
    """Convert class numbers (N,) to float64 one-hot rows (N, n_y)."""
    return np.eye(n_y)[y]

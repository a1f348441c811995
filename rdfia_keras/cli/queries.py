"""The options of commands that look for finished runs: which seed, how long, in which precision."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated

from rdfia_keras.config import AT_LEAST_1, PRECISIONS, SEED, Setting
from rdfia_keras.experiments import Experiment

if TYPE_CHECKING:
    from rdfia_keras.runs.store import Query

Precision = Annotated[
    str | None,
    Setting(
        "Mixed-precision policy.",
        panel="Training",
        choices=PRECISIONS,
        shown_default="a finished run's, else float32",
    ),
]
Epochs = Annotated[
    int | None,
    Setting("Passes over the training set.", panel="Training", check=AT_LEAST_1, shown_default="each experiment's own"),
]
Seed = Annotated[int, Setting("Seed of weights, order, augmentation and dropout.", panel="Training", check=SEED)]


def query_for(seed: int, epochs: int | None, precision: str | None, quick: bool) -> Callable[[Experiment], "Query"]:
    """A function that tells which run of an experiment will do."""

    def query(experiment: Experiment) -> "Query":
        from rdfia_keras.sections.get_or_train import query_of

        return query_of(experiment, seed, epochs, precision, quick)

    return query

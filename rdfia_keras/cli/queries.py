"""The options of commands that look for finished runs: which seed, how long, in which precision."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

from rdfia_keras.config import CnnConfig, settings
from rdfia_keras.experiments import Experiment

if TYPE_CHECKING:
    from rdfia_keras.runs.store import Query

_KNOWN = settings(CnnConfig)
Precision = Annotated[str | None, replace(_KNOWN["precision"], shown_default="a finished run's, else float32")]
Epochs = Annotated[int | None, replace(_KNOWN["epochs"], shown_default="each experiment's own")]
Seed = Annotated[int, _KNOWN["seed"]]


def query_for(seed: int, epochs: int | None, precision: str | None, quick: bool) -> Callable[[Experiment], "Query"]:
    """A function that tells which run of an experiment will do."""

    def query(experiment: Experiment) -> "Query":
        from rdfia_keras.sections.get_or_train import query_of

        return query_of(experiment, seed, epochs, precision, quick)

    return query

"""A deep-learning homework, section by section, in Keras 3.

import rdfia_keras as rdfia

run = rdfia.train("circles", lr=0.03)
run.metrics, run.history["test_loss"], run.plot()
rdfia.load_run("reference/cnn/batch-norm")
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rdfia_keras.api import LoadedRun, compare, figure, list_runs, load_run, sweep, train

__version__ = "0.2.0"
__all__ = ["LoadedRun", "__version__", "compare", "figure", "list_runs", "load_run", "sweep", "train"]


def __getattr__(name: str) -> Any:
    # The command line imports this package too, and must not wait for NumPy.
    if name in __all__:
        from rdfia_keras import api

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__

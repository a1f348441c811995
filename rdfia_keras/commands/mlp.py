"""`rdfia mlp`: the perceptron four ways."""

from typing import TYPE_CHECKING, Annotated

import typer

from rdfia_keras.commands._options import command
from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.errors import ConfigError
from rdfia_keras.result import Result

if TYPE_CHECKING:
    from rdfia_keras.data import Dataset

# Their examples are pictures.
PIXEL_DATASETS = ("digits", "mnist")


@command(
    config=MlpConfig,
    options=("out", "data_dir", "quick", "overwrite", "device", "deterministic"),
    examples=("rdfia mlp", "rdfia mlp --dataset mnist --hidden-units 100 --epochs 5", "rdfia mlp --check-gradients"),
)
def mlp(
    config: MlpConfig,
    options: RunOptions,
    check_gradients: Annotated[
        bool, typer.Option("--check-gradients", help="Check the hand-written gradients and exit.")
    ] = False,
    animate: Annotated[
        bool, typer.Option("--animate", help="Draw the decision map epoch by epoch as a GIF; points of a plane only.")
    ] = False,
) -> Result:
    """Train the perceptron four ways: by hand, GradientTape, Keras layers, Keras optimizer.

    Every call trains a new run; rdfia improve, sweep, figure and Python use finished ones.
    """
    check_animation(config, animate, check_gradients)
    from rdfia_keras.analysis.tables import run_result
    from rdfia_keras.data import read_initial_weights
    from rdfia_keras.experiments import match_registered
    from rdfia_keras.system.backend import cpu_unless_asked, require_tensorflow, set_up_backend
    from rdfia_keras.training.get_or_train import Resources
    from rdfia_keras.training.job import report_cut_epochs

    require_tensorflow("rdfia mlp")
    resources = Resources(options)
    read_initial_weights(config, resources.prepared(config))
    report_cut_epochs(config.epochs, options.quick and not check_gradients, config.section)
    # Before `train` does: trainings of several sections in one process must not lose the GPU to the perceptron.
    set_up_backend(cpu_unless_asked(options.device), options.deterministic)
    if check_gradients:
        return gradients(config, resources.data(config), options.device)
    return run_result(resources.train(match_registered(config), options, animate=animate))


def check_animation(config: MlpConfig, animate: bool, check_gradients: bool) -> None:
    """Refuse an animation of data that are not points of a plane, or of a training without epochs.

    Raises:
        ConfigError: With the option to leave out.
    """
    if animate and check_gradients:
        raise ConfigError("--animate needs a training: leave --check-gradients out")
    if animate and config.lbfgs:
        raise ConfigError("animate (--animate) draws a map for each epoch of SGD: leave lbfgs (--lbfgs) out")
    if animate and config.dataset in PIXEL_DATASETS:
        raise ConfigError(
            "animate (--animate) draws points of a plane: it needs dataset (--dataset) circles or a CSV file of points"
        )


def gradients(config: MlpConfig, data: "Dataset", device: str) -> Result:
    """Compare the hand-written gradients with GradientTape and finite differences, on the data set's first examples."""
    from rdfia_keras.analysis.tables import Column, make_table
    from rdfia_keras.data import one_hot
    from rdfia_keras.data.initial_weights import init
    from rdfia_keras.models import perceptron
    from rdfia_keras.system.backend import check_device, cpu_unless_asked, placed_on

    batch = data.train.take(50)
    with placed_on(check_device(cpu_unless_asked(device))):
        rows = perceptron.check_gradients(init(config, data), batch.x, one_hot(batch.y, len(data.classes)))
    largest = max(max(row["tape"], row["finite_differences"]) for row in rows)
    columns: dict[str, Column] = {
        **{name: f"{{{name}}}" for name in ("parameter", "shape", "entries checked")},
        "error against GradientTape": "{tape:.1e}",
        "error against finite differences": "{finite_differences:.1e}",
    }
    line = f"largest relative error: {largest:.1e}; below 1e-06, the gradients agree"
    return Result(data={"rows": rows, "largest": largest}, table=make_table(rows, columns), lines=[line])

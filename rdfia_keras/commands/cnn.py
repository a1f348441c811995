"""`rdfia cnn`: one network on images, with any improvement of the ladder."""

from dataclasses import replace

from rdfia_keras.commands._options import command
from rdfia_keras.config import CnnConfig, RunOptions, dataset_name, label
from rdfia_keras.errors import ConfigError
from rdfia_keras.result import Result


@command(
    config=CnnConfig,
    examples=(
        "rdfia cnn",
        "rdfia cnn --augment --dropout --dataset digits",
        "rdfia cnn --dataset mnist --network lenet",
        "rdfia cnn --dataset my-pictures/",
    ),
)
def cnn(config: CnnConfig, options: RunOptions) -> Result:
    """Train the convnet: without options the homework's baseline; each improvement is a flag.

    Every call trains a new run; rdfia improve, sweep, figure and Python use finished ones.
    """
    if config.xla == "on" and options.deterministic:
        raise ConfigError(f"{label(config, 'xla')} on and --deterministic exclude each other: leave one out", ("xla",))
    from rdfia_keras.analysis.tables import run_result
    from rdfia_keras.experiments import match_registered
    from rdfia_keras.training.get_or_train import Resources
    from rdfia_keras.training.job import report_cut_epochs

    report_cut_epochs(config.epochs, options.quick, config.section)
    experiment = match_registered(replace(config, dataset=dataset_name(config.dataset)))
    return run_result(Resources(options).train(experiment, options))

"""`rdfia svm`: SVM kernels."""

from rdfia_keras.commands._options import command
from rdfia_keras.config import RunOptions, SvmConfig
from rdfia_keras.result import Result


@command(
    config=SvmConfig,
    options=("out", "data_dir", "quick", "overwrite"),
    examples=("rdfia svm", "rdfia svm --kernel poly --degree 4 --C 1", "rdfia svm --dataset digits"),
)
def svm(config: SvmConfig, options: RunOptions) -> Result:
    """Fit SVM kernels on the circles: their boundaries and the influence of C.

    Every call makes a new run; rdfia figure and Python use finished ones.
    """
    from rdfia_keras.analysis.tables import run_result
    from rdfia_keras.experiments import match_registered
    from rdfia_keras.training.get_or_train import Resources

    return run_result(Resources(options).train(match_registered(config), options))

"""The main job on embedded data: one run of each section, nothing to download."""

from rdfia_keras.analysis import tables
from rdfia_keras.config import CnnConfig, MlpConfig, RunOptions, SvmConfig
from rdfia_keras.data import load_images, load_vectors
from rdfia_keras.experiments import match_registered
from rdfia_keras.report.result import Result
from rdfia_keras.sections import cnn, mlp, svm
from rdfia_keras.system.backend import require_tensorflow, set_up_backend
from rdfia_keras.system.terminal import note


def run(seed: int, options: RunOptions) -> Result:
    """mlp (all four, full length), svm, and cnn with augment and dropout on the digits."""
    require_tensorflow("rdfia demo")
    circles = load_vectors("circles")
    set_up_backend(options.device, options.deterministic)
    note("mlp: a perceptron on the circles, four ways")
    finished = [mlp.train(match_registered(MlpConfig(seed=seed)), circles, options)]
    if not finished[-1].exit_code:
        note("svm: kernels on the circles")
        finished.append(svm.train(match_registered(SvmConfig(seed=seed)), circles, options))
        note("cnn: the convnet on digits, with crop, flip and dropout")
        network = CnnConfig(dataset="digits", augmentations=("crop", "flip"), dropout_rate=0.5, seed=seed)
        finished.append(cnn.train(match_registered(network), load_images("digits"), options))
    return Result(
        data={"runs": [one.record.to_dict() for one in finished]},
        table=[tables.summary(one.record) for one in finished],
        paths=[one.folder for one in finished],
        hint=finished[-1].result().hint,
        quick=options.quick,
        exit_code=max(one.exit_code for one in finished),
    )

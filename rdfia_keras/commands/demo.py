"""`rdfia demo`: the main job on embedded data."""

from rdfia_keras.commands._options import Seed, command
from rdfia_keras.config import CnnConfig, MlpConfig, RunOptions, SvmConfig
from rdfia_keras.result import Result

PUBLISHED_LINE = "published: on the course's circles; the demo draws its own, with the same radii"


@command(options=("out", "quick", "overwrite", "device"), examples=("rdfia demo", "rdfia demo --quick"))
def demo(options: RunOptions, seed: Seed = 0) -> Result:
    """Train mlp, svm, and cnn with augment and dropout on data in the package, in about two minutes.

    It needs no network and no files.
    """
    from rdfia_keras.analysis import tables
    from rdfia_keras.experiments import match_registered
    from rdfia_keras.system.backend import require_tensorflow
    from rdfia_keras.system.terminal import note
    from rdfia_keras.training.get_or_train import Resources

    require_tensorflow("rdfia demo")
    network = CnnConfig(dataset="digits", augmentations=("crop", "flip"), dropout_rate=0.5, seed=seed)
    resources, runs = Resources(options), []
    for text, config in (
        ("mlp: a perceptron on the circles, four ways", MlpConfig(seed=seed)),
        ("svm: kernels on the circles", SvmConfig(seed=seed)),
        ("cnn: the convnet on digits, with crop, flip and dropout", network),
    ):
        note(text)
        runs.append(resources.train(match_registered(config), options))
        if runs[-1].exit_code:
            break
    return Result(
        data={"runs": [run.result.to_dict() for run in runs]},
        table=[tables.summary(run.result) for run in runs],
        lines=[] if options.quick else [PUBLISHED_LINE],
        paths=[run.folder for run in runs],
        hint=tables.run_result(runs[-1]).hint,
        quick=options.quick,
        exit_code=max(run.exit_code or 0 for run in runs),
    )

"""The main job on embedded data: one run of each section, nothing to download."""

from rdfia_keras.experiments import CIRCLES, CnnExperiment, identify
from rdfia_keras.progress import note
from rdfia_keras.sections import Options, Result, cnn, mlp, percent, svm


def run(options: Options, seed: int = 0) -> list[Result]:
    """mlp (all four, full length), svm, and cnn with augment and dropout on the digits."""
    perceptron = identify(CIRCLES, None)
    network = CnnExperiment(
        "", dataset="digits", normalize=True, augment=("crop", "flip"), dropout=0.5, seed=seed
    )
    results = []
    for label, job in (
        ("mlp: a perceptron on the circles, four ways", lambda: mlp.run(perceptron, tuple(mlp.mlp.IMPLEMENTATIONS), options)),
        ("svm: kernels on the circles", lambda: svm.run(svm.homework("circles", seed), options)),
        ("cnn: the convnet on digits, with crop, flip and dropout", lambda: cnn.run(identify(network, None), options)),
    ):
        note(label)
        results.append(job())
        if results[-1].exit_code:
            break
    return results


def summary(result: Result) -> list[dict[str, str]]:
    """One row a section."""
    record = result.record
    best = record["best"]
    return [
        {
            "section": record["section"],
            "experiment": record["experiment"],
            "data": record["dataset"]["name"],
            "best test": percent(best and best["test_accuracy"]),
            "published": percent(record["published"]),
            "seconds": f"{record['seconds']:.1f}",
        }
    ]

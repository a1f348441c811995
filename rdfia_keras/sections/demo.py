"""The main job on embedded data: one run of each section, nothing to download."""

from dataclasses import replace

from rdfia_keras.data import load_images, load_vectors
from rdfia_keras.experiments import CIRCLES, CnnExperiment, identify
from rdfia_keras.mlp import IMPLEMENTATIONS
from rdfia_keras.progress import note
from rdfia_keras.sections import Options, Result, cnn, mlp, svm


def run(options: Options, seed: int = 0) -> list[Result]:
    """mlp (all four, full length), svm, and cnn with augment and dropout on the digits."""
    circles = load_vectors("circles")
    note("mlp: a perceptron on the circles, four ways")
    results = [mlp.run(replace(CIRCLES, seed=seed), tuple(IMPLEMENTATIONS), circles, options)]
    if not results[-1].exit_code:
        note("svm: kernels on the circles")
        results.append(svm.run(svm.homework("circles", seed), circles, options))
        note("cnn: the convnet on digits, with crop, flip and dropout")
        network = CnnExperiment("", dataset="digits", normalize=True, augment=("crop", "flip"), dropout=0.5, seed=seed)
        results.append(cnn.run(identify(network, None), load_images("digits"), options))
    return results

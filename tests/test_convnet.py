"""The convnets from raw pixels to logits: their layers, what they do in evaluation, and what a saved one needs."""

import inspect
import math
from dataclasses import replace

import keras
import numpy as np
import pytest
import scipy.stats

from rdfia_keras.config import FRAMEWORKS, NETWORKS, CnnConfig
from rdfia_keras.data import Dataset, Split
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import LADDER
from rdfia_keras.experiments.registry import BASELINE, BATCH_NORM
from rdfia_keras.models import augmentation, convnet, saving, statistics, whitening
from rdfia_keras.models.augmentation import RandomCrop
from rdfia_keras.models.convnet import augmentation_of, build_convnet
from rdfia_keras.models.predictions import confusion, worst_mistakes
from rdfia_keras.models.saving import load_model, save_model
from rdfia_keras.models.statistics import channel_statistics, principal_axes
from rdfia_keras.models.whitening import Whitening
from rdfia_keras.training import callbacks, fit, optimizers, schedules, train_convnet

RNG = np.random.default_rng(0)


def images_of(*shape: int, n_y: int = 10) -> Dataset:
    """Some random images; those of the test set are darker."""
    x = RNG.integers(0, 256, (12, *shape)).astype(np.uint8)
    y = np.arange(12) % n_y
    return Dataset("made", Split(x, y), Split(x // 4, y), tuple(f"class {i}" for i in range(n_y)))


def build(config: CnnConfig, shape=(32, 32, 3), n_y=10) -> keras.Model:
    return build_convnet(config.resolve(), images_of(*shape, n_y=n_y))


# --- layers -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("experiment", LADDER, ids=lambda e: e.name)
def test_every_rung_has_the_homeworks_parameters(experiment):
    model = build(experiment.config)
    batch_norm = 2 * (32 + 64 + 64) if experiment.config.batch_norm else 0
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 1_191_170 + batch_norm


@pytest.mark.parametrize("network", NETWORKS)
def test_with_kerass_defaults_weights_are_those_of_kerass_own_layers(network):
    """To the bit: plain layers, made in the same order after the same seed."""
    config = CnnConfig(network=network, batch_norm=network == "cifar", framework_defaults="keras", seed=3)
    model = build(config)
    keras.utils.set_random_seed(3)
    for layer in model.layers:
        if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense):
            *inside, inputs, outputs = layer.kernel.shape
            plain = keras.layers.Conv2D(outputs, inside) if inside else keras.layers.Dense(outputs)
            plain.build((None, *[32] * len(inside), inputs))
            assert all(map(np.array_equal, layer.get_weights(), plain.get_weights()))
        elif isinstance(layer, keras.layers.BatchNormalization):
            assert (layer.momentum, layer.epsilon) == (0.99, 0.001)


@pytest.mark.parametrize("network", NETWORKS)
def test_with_pytorchs_defaults_weights_are_drawn_as_pytorch_draws_them(network):
    """Each kernel and bias is uniform up to 1 / √inputs, by Kolmogorov and Smirnov."""
    model = build(CnnConfig(network=network))
    drawn = [layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D | keras.layers.Dense)]
    assert len(drawn) == {"cifar": 5, "lenet": 5, "dense": 2, "blocks": 8, "wide-blocks": 8}[network]
    for layer in drawn:
        bound = math.prod(layer.kernel.shape[:-1]) ** -0.5
        for values in map(np.ravel, layer.get_weights()):
            assert 0 < np.abs(values).max() <= bound
            assert scipy.stats.kstest(values, "uniform", (-bound, 2 * bound)).pvalue > 1e-3


def test_with_pytorchs_defaults_batch_norm_does_what_pytorchs_does():
    """Outputs and moving averages after one step: a tenth of the batch's, and an epsilon of 1e-5."""
    layer = build(BATCH_NORM.config).get_layer("batch_norm1")
    # Of so small a variance that the epsilon shows.
    x = (1 + 0.003 * RNG.normal(size=(6, 8, 8, 32))).astype(np.float32)
    mean, variance = x.mean((0, 1, 2), np.float64), x.var((0, 1, 2), np.float64)
    expected = (x - mean) / np.sqrt(variance + 1e-5)
    np.testing.assert_allclose(np.asarray(layer(x, training=True)), expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.asarray(layer.moving_mean), 0.1 * mean, rtol=1e-5)
    np.testing.assert_allclose(np.asarray(layer.moving_variance), 0.9 + 0.1 * variance, rtol=1e-5)


def test_layers_are_question_10s_table():
    model = build(BASELINE.config)
    table = {layer.name: (layer.output.shape[1:], layer.count_params()) for layer in model.layers}
    assert table["conv1"] == ((32, 32, 32), 2_432)
    assert table["conv2"] == ((16, 16, 64), 51_264)
    assert table["conv3"] == ((8, 8, 64), 102_464)
    assert table["pool3"] == ((4, 4, 64), 0)
    assert table["fc4"] == ((1000,), 1_025_000)
    assert table["fc5"] == ((10,), 10_010)


def test_lenet_and_dense_are_those_of_figure_6():
    assert build(CnnConfig(network="lenet"), (28, 28, 1)).count_params() == 61_706
    assert build(CnnConfig(network="dense"), (28, 28, 1)).count_params() == 784 * 100 + 100 + 1010


@pytest.mark.parametrize("network", NETWORKS)
def test_dropout_stands_before_the_last_layer_of_every_network(network):
    names = [layer.name for layer in build(CnnConfig(network=network, dropout_rate=0.25)).layers]
    assert names[names.index("dropout") + 1].startswith("fc")
    assert "dropout" not in [layer.name for layer in build(CnnConfig(network=network)).layers]


@pytest.mark.parametrize("framework", FRAMEWORKS)
def test_one_seed_gives_equal_weights_and_another_differs(framework):
    config = replace(BATCH_NORM.config, framework_defaults=framework)
    first, again, other = (build(replace(config, seed=seed)).get_weights() for seed in (3, 3, 4))
    assert all(np.array_equal(*pair) for pair in zip(first, again, strict=True))
    assert not np.array_equal(first[0], other[0])


@pytest.mark.parametrize("config", [CnnConfig(), CnnConfig(augmentations=("crop",))], ids=["plain", "crop"])
def test_images_that_would_be_pooled_away_are_refused(config):
    size = 15 if not config.augmentations else 18
    with pytest.raises(RdfiaError, match=r"made: the network would see images of 15 pixels; it needs at least 16"):
        build(config, (32, size, 3) if not config.augmentations else (size, size, 3))


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_in_half_and_answers_in_single(precision):
    model = build(replace(BATCH_NORM.config, precision=precision))
    assert model.get_layer("conv2").compute_dtype == precision.removeprefix("mixed_")
    assert model.get_layer("conv2").kernel.dtype == "float32"
    assert model.get_layer("normalize").compute_dtype == "float32"
    assert model.output.dtype == "float32"
    assert np.asarray(model(np.zeros((2, 32, 32, 3), np.uint8))).dtype == np.float32


# --- preprocessing ----------------------------------------------------------------------------------------------------


def test_normalization_has_the_training_sets_statistics():
    data = images_of(32, 32, 3)
    model = build_convnet(CnnConfig(normalize=True).resolve(), data)
    part = keras.Model(model.input, model.get_layer("normalize").output)
    pixels = data.train.x / 255
    expected = (data.test.x / 255 - pixels.mean(axis=(0, 1, 2))) / pixels.std(axis=(0, 1, 2))
    np.testing.assert_allclose(np.asarray(part(data.test.x)), expected, rtol=1e-3, atol=1e-5)
    names = [layer.name for layer in build(CnnConfig()).layers]
    assert "scale" in names and "normalize" not in names


def test_channel_statistics_are_exact():
    images = RNG.integers(0, 256, (50, 8, 8, 3)).astype(np.uint8)
    mean, std = channel_statistics(images)
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)) / 255, rtol=1e-12)
    np.testing.assert_allclose(std, images.std(axis=(0, 1, 2)) / 255, rtol=1e-12)
    assert channel_statistics(np.zeros((2, 4, 4, 1), np.uint8))[1] == [1.0]


def test_principal_axes_are_numpys_of_the_centre():
    images = RNG.integers(0, 256, (200, 6, 7, 1)).astype(np.uint8)
    mean, variances, vectors = principal_axes(images, size=(3, 5))
    pixels = images[:, 1:4, 1:6].reshape(200, -1) / 255
    np.testing.assert_allclose(mean, pixels.mean(axis=0), rtol=1e-5)
    np.testing.assert_allclose(vectors @ np.diag(variances) @ vectors.T, np.cov(pixels.T, bias=True), atol=1e-5)
    assert (np.diff(variances) <= 0).all()
    assert principal_axes(images)[0].size == 42


def test_whitening_of_images_without_a_fixed_size_says_what_it_needs():
    with pytest.raises(ValueError, match=r"needs images of a fixed size and got .*\(None, None, None, 3\)"):
        Whitening()(keras.Input((None, None, 3)))


# --- crops ------------------------------------------------------------------------------------------------------------


def test_crops_are_taken_at_a_place_of_each_images_own():
    """Pixels that hold their own position show where each window began."""
    rows, columns = np.mgrid[0:32, 0:32]
    images = np.repeat(np.stack([rows, columns], axis=-1)[None].astype(np.uint8), 200, axis=0)
    out = np.asarray(RandomCrop(28, seed=0)(images, training=True))
    assert out.shape == (200, 28, 28, 2) and out.dtype == np.uint8
    starts = {tuple(window[0, 0]) for window in out}
    assert {top for top, _ in starts} == {left for _, left in starts} == {0, 1, 2, 3, 4}
    assert len(starts) > 20
    for window in out[:20]:
        top, left = window[0, 0]
        np.testing.assert_array_equal(window, images[0, top : top + 28, left : left + 28])


def test_a_crop_larger_than_the_images_is_refused():
    with pytest.raises(ValueError, match="cannot cut 40x40"):
        RandomCrop(40)(np.zeros((1, 32, 32, 3), np.uint8), training=True)


# --- calling and saving -----------------------------------------------------------------------------------------------


def test_calling_a_model_without_training_is_evaluation():
    """No augmentation, no dropout, the running statistics of batch-norm; and the same inside another model."""
    config = replace(BATCH_NORM.config, augmentations=("crop", "flip", "hue"))
    data = images_of(32, 32, 3)
    model = build_convnet(config, data)
    evaluated = np.asarray(model(data.test.x, training=False))
    for _ in range(2):
        np.testing.assert_array_equal(np.asarray(model(data.test.x)), evaluated)
    inside = keras.Sequential([keras.Input((32, 32, 3), dtype="uint8"), model])
    np.testing.assert_array_equal(np.asarray(inside(data.test.x)), evaluated)
    np.testing.assert_allclose(model.predict(data.test.x, verbose=0), evaluated, rtol=1e-4, atol=1e-5)
    trained = [np.asarray(model(data.test.x, training=True)) for _ in range(2)]
    assert not np.allclose(trained[0], evaluated) and not np.allclose(trained[0], trained[1])
    centre = np.asarray(augmentation_of(model)(data.test.x))
    np.testing.assert_array_equal(centre, data.test.x[:, 2:30, 2:30])
    assert augmentation_of(build(BASELINE.config)) is None


@pytest.mark.parametrize("load", [keras.saving.load_model, load_model])
def test_a_saved_model_takes_raw_images(tmp_path, load):
    """With PyTorch's defaults, which a saved model must keep. test_surroundings.py loads one in a new process."""
    data = images_of(32, 32, 3)
    model = build_convnet(BATCH_NORM.config, data)
    save_model(model, tmp_path / "model.keras")
    predicted = load(tmp_path / "model.keras").predict(data.test.x, verbose=0)
    np.testing.assert_allclose(predicted, model.predict(data.test.x, verbose=0), rtol=1e-5, atol=1e-6)
    assert [path.name for path in tmp_path.iterdir()] == ["model.keras"]


def test_no_code_of_the_convnet_names_a_backend():
    """But for the batches, which TensorFlow gathers itself."""
    models = (convnet, augmentation, whitening, statistics, saving)
    for module in (*models, callbacks, fit, optimizers, schedules, train_convnet):
        source = inspect.getsource(module)
        assert "import tensorflow" not in source and "import jax" not in source


# --- predictions ------------------------------------------------------------------------------------------------------


def test_worst_mistakes_are_wrong_and_worst_first():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]])
    images = np.arange(4).reshape(4, 1, 1, 1)
    wrong, captions, places = worst_mistakes(probabilities, images, np.array([1, 0, 1, 1]), ("a", "b"))
    assert wrong.ravel().tolist() == places.tolist() == [0, 1, 3]
    assert captions == ["b → a\n90 %", "a → b\n80 %", "b → a\n70 %"]


def test_confusions_have_true_classes_in_rows():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6]])
    assert confusion(probabilities, np.array([0, 0, 1])).tolist() == [[1, 1], [0, 1]]

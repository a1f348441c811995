"""The ingredients of the second ladder, each by itself: layers, initializer, optimizer, schedule and loss."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from scipy.special import log_softmax
from stored_runs import change, query, store

from rdfia_keras.commands.resume import check_length
from rdfia_keras.config import CnnConfig
from rdfia_keras.data import Split
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments import MODERN_LADDER
from rdfia_keras.experiments.registry import BATCH_NORM, MODERN_94, MODERN_FAST
from rdfia_keras.models.augmentation import AlternatingFlip, RandomCutout, RandomTranslation
from rdfia_keras.models.blocks import WhiteningConv2D
from rdfia_keras.models.convnet import build_convnet
from rdfia_keras.models.normalization import BatchNormalization
from rdfia_keras.models.pytorch_defaults import Dirac
from rdfia_keras.models.saving import load_model, save_model
from rdfia_keras.runs.store import RunStore
from rdfia_keras.training.callbacks import EpochSeeds
from rdfia_keras.training.fit import compile_model, predict_averaged, predict_logits
from rdfia_keras.training.losses import SmoothedCrossEntropy
from rdfia_keras.training.optimizers import LookaheadSGD
from rdfia_keras.training.schedules import Triangle

RNG = np.random.default_rng(0)


def test_the_whitening_convolution_gives_patches_the_identity_as_covariance():
    # Neighbouring pixels are alike, and the channels as well.
    noise = RNG.normal(size=(300, 9, 9, 1))
    images = (noise[:, :8, :8] + noise[:, 1:, 1:] + 0.3 * RNG.normal(size=(300, 8, 8, 3))).astype(np.float32)
    images -= images.mean()
    conv = WhiteningConv2D(24, 2, epsilon=1e-6)
    conv.build(images.shape)
    conv.adapt(images)
    outputs = np.asarray(conv(images)).reshape(-1, 24)
    np.testing.assert_allclose(np.cov(outputs[:, :12], rowvar=False), np.eye(12), atol=2e-3)
    np.testing.assert_allclose(outputs[:, 12:], -outputs[:, :12], atol=1e-4)
    assert [variable.name for variable in conv.trainable_variables] == ["bias"]
    wrong = WhiteningConv2D(16, 2)
    wrong.build(images.shape)
    with pytest.raises(ValueError, match="24 filters"):
        wrong.adapt(images)


@pytest.mark.parametrize("filters", [3, 5, 8])
def test_a_convolution_with_dirac_kernels_is_the_identity_on_its_first_channels(filters):
    images = RNG.normal(size=(2, 6, 6, 5)).astype(np.float32)
    conv = keras.layers.Conv2D(filters, 3, padding="same", use_bias=False, kernel_initializer=Dirac(seed=1))
    outputs, same = np.asarray(conv(images)), min(filters, 5)
    np.testing.assert_allclose(outputs[..., :same], images[..., :same], atol=1e-6)
    further = np.asarray(conv.kernel)[..., same:]
    assert (np.abs(further) <= 1 / np.sqrt(45)).all() and (filters <= 5 or further.std() > 0.05)


def test_an_alternating_flip_mirrors_each_image_in_exactly_every_other_epoch():
    images = RNG.integers(0, 256, (64, 8, 8, 3)).astype(np.float32)
    layer = AlternatingFlip(seed=3)
    model = keras.Sequential([keras.Input((8, 8, 3)), layer])
    seeds, mirrored = EpochSeeds(seed=0), []
    seeds.set_model(model)
    for epoch in range(4):
        seeds.on_epoch_begin(epoch)
        seen = np.asarray(layer(images, training=True))
        mirrored.append([np.array_equal(one, image[:, ::-1]) for one, image in zip(seen, images, strict=True)])
        kept = ~np.array(mirrored[-1])
        assert np.array_equal(seen[kept], images[kept])
    first, second, third, fourth = (np.array(flips) for flips in mirrored)
    assert (first != second).all() and (first == third).all() and (second == fourth).all()
    assert 16 < first.sum() < 48
    assert np.array_equal(layer(images), images)


def test_a_cutout_covers_one_square_with_the_images_mean_colour():
    images = np.random.default_rng(0).uniform(0, 255, (400, 16, 20, 3)).astype(np.float32)
    out = np.asarray(RandomCutout(6, seed=1)(images, training=True))
    covered = (out != images).any(axis=3)
    assert (covered.sum(axis=(1, 2)) == 36).all()
    corners = {(mask.any(axis=1).argmax(), mask.any(axis=0).argmax()) for mask in covered}
    assert {row for row, _ in corners} == set(range(11)) and {column for _, column in corners} == set(range(15))
    for image, changed, mask in zip(images[:20], out, covered, strict=False):
        np.testing.assert_allclose(changed[mask], np.tile(image.mean(axis=(0, 1)), (36, 1)), rtol=1e-5)


def test_a_translation_moves_an_image_and_mirrors_it_at_its_edge():
    images = RNG.integers(0, 256, (40, 6, 7, 3)).astype(np.float32)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="reflect")
    moved = np.asarray(RandomTranslation(pixels=2, seed=0)(images, training=True))
    places = set()
    for number, image in enumerate(moved):
        fits = {(y, x) for y in range(5) for x in range(5) if (padded[number, y : y + 6, x : x + 7] == image).all()}
        assert len(fits) == 1
        places |= fits
    assert {y for y, _ in places} == {x for _, x in places} == set(range(5))


def test_lookahead_is_that_of_a_loop_in_numpy():
    steps, rate, momentum, decay, bias_rate = 12, 0.1, 0.9, 0.8, 4.0
    gradients = RNG.normal(size=(steps, 2, 3)).astype(np.float32)
    kernel, beta = keras.Variable(np.ones(3), name="kernel"), keras.Variable(np.ones(3), name="beta")
    optimizer = LookaheadSGD(
        rate, steps=steps, every=5, decay=decay, bias_rate=bias_rate, momentum=momentum, nesterov=True, weight_decay=0.1
    )
    w, v, average = np.ones((2, 3)), np.zeros((2, 3)), np.ones((2, 3))
    rates = np.array([[rate], [rate * bias_rate]])
    for step, gradient in enumerate(gradients, start=1):
        optimizer.apply(list(map(keras.ops.convert_to_tensor, gradient)), [kernel, beta])
        w = w - 0.1 * rate * w
        v = momentum * v - rates * gradient
        w = w + momentum * v - rates * gradient
        if step % 5 == 0:
            d = decay * (step / steps) ** 3
            w = average = d * average + (1 - d) * w
        if step == steps:
            w = average
        np.testing.assert_allclose(np.stack([kernel, beta]), w, rtol=1e-5)


def test_without_its_additions_the_optimizer_is_kerass():
    gradient = [keras.ops.convert_to_tensor(RNG.normal(size=3).astype(np.float32))]
    own, keras_s = keras.Variable(np.ones(3)), keras.Variable(np.ones(3))
    for optimizer, variable in (
        (LookaheadSGD(0.1, momentum=0.9, nesterov=True), own),
        (keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True), keras_s),
    ):
        for _ in range(6):
            optimizer.apply(gradient, [variable])
        assert len(optimizer.variables) == 3
    assert np.array_equal(own, keras_s)


def test_the_triangle_rises_over_23_percent_and_falls_to_7():
    rates = [float(Triangle(0.5, 100)(step)) for step in range(101)]
    assert rates[0] == pytest.approx(0.1) and rates[23] == max(rates) == pytest.approx(0.5)
    assert rates[100] == float(Triangle(0.5, 100)(150)) == pytest.approx(0.035)
    assert np.allclose(np.diff(rates[:24]), rates[1] - rates[0]) and np.allclose(
        np.diff(rates[23:]), rates[100] - rates[99]
    )


def test_the_smoothed_loss_is_the_cross_entropy_of_smoothed_targets():
    logits, labels = RNG.normal(size=(6, 10)).astype(np.float32), np.arange(6)
    targets = 0.8 * np.eye(10)[labels] + 0.02
    expected = -(targets * log_softmax(logits, axis=1)).sum(axis=1).mean()
    for y in (labels, labels[:, None]):
        assert float(SmoothedCrossEntropy(0.2)(y, logits)) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"dirac": True}, "needs network"),
        ({"activation": "gelu"}, "needs network"),
        ({"lookahead": True, "optimizer": "adam"}, "needs optimizer"),
        ({"network": "blocks", "fast_batch_norm": True, "optimizer": "nesterov"}, "needs batch_norm"),
    ],
)
def test_a_setting_without_what_it_needs_is_refused(arguments, says):
    with pytest.raises(ConfigError, match=says):
        CnnConfig(**arguments)


def test_each_step_of_the_second_ladder_changes_its_base():
    base = BATCH_NORM
    for step in MODERN_LADDER:
        assert step.base == base.name and step.config.tta is True
        base = step


def test_a_run_whose_schedule_goes_by_its_epochs_stands_for_no_other_length(tmp_path):
    store(tmp_path, MODERN_FAST)
    runs, shorter = RunStore(tmp_path), change(MODERN_FAST, epochs=6)
    run = runs.find_finished(query(MODERN_FAST))
    assert run and runs.find_finished(query(shorter)) is None
    assert check_length(run, None) == 12
    with pytest.raises(ConfigError, match="its schedule or its average goes by all 12 epochs"):
        check_length(run, 20)


# --- the whole network ------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def modern(tiny_images):
    config = replace(MODERN_FAST.config, batch_size=16, epochs=1)
    model = build_convnet(config, tiny_images)
    compile_model(model, config, tiny_images)
    model.fit(tiny_images.train.x, tiny_images.train.y, batch_size=16, verbose=0)
    return model


def test_the_networks_stay_within_the_homeworks_weights(tiny_images):
    for experiment, weights in ((MODERN_FAST, 569_016), (MODERN_94, 1_159_736)):
        ten = replace(tiny_images, classes=tuple("0123456789"))
        model = build_convnet(experiment.config, ten)
        counted = sum(np.prod(weight.shape) for weight in model.weights if weight.path.split("/")[-1] in PARAMETERS)
        assert counted == weights < 1_191_170


PARAMETERS = ("kernel", "bias", "beta")


def test_a_saved_network_predicts_the_same_without_this_packages_batch_norm(modern, tiny_images, tmp_path):
    save_model(modern, tmp_path / "model.keras")
    loaded = load_model(tmp_path / "model.keras")
    assert not any(isinstance(layer, BatchNormalization) for layer in loaded.layers)
    np.testing.assert_allclose(
        predict_logits(loaded, tiny_images.test), predict_logits(modern, tiny_images.test), atol=1e-4
    )


def test_test_time_augmentation_sees_a_mirrored_image_as_the_image(modern, tiny_images):
    split = tiny_images.test
    mirrored = Split(np.ascontiguousarray(split.x[:, :, ::-1]), split.y)
    one, other = (predict_averaged(modern, images) for images in (split, mirrored))
    # The two moves are towards opposite corners, which a mirror exchanges for two others.
    x = np.pad(split.x, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="reflect")
    views = [split.x, split.x, x[:, :-2, :-2], x[:, 2:, 2:]]
    expected = np.mean(
        [predict_logits(modern, Split(view[:, :, ::step].copy(), split.y)) for view in views for step in (1, -1)],
        axis=0,
    )
    np.testing.assert_allclose(one, expected, atol=1e-5)
    assert one.shape == other.shape

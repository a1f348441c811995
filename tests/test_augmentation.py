"""Transformations of each image by itself, and whitening: what they do to pixels, against other computations."""

from dataclasses import replace

import keras
import numpy as np
import pytest
from keras import ops
from scipy import ndimage

from rdfia_keras.config import CnnConfig
from rdfia_keras.data import Dataset, Split
from rdfia_keras.experiments.registry import PCA, ZCA
from rdfia_keras.models import augmentation as layers
from rdfia_keras.models.augmentation import LAYERS, Augmentation
from rdfia_keras.models.convnet import augmentation_of, build_convnet
from rdfia_keras.models.saving import load_model, save_model
from rdfia_keras.models.statistics import principal_axes
from rdfia_keras.models.whitening import MATRICES, Whitening
from rdfia_keras.runs.files import to_json

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(60, 190, (32, 32, 32, 3)).astype(np.float32)
SMOOTH = np.stack([ndimage.gaussian_filter(image, (3, 3, 0)) for image in IMAGES])


def fixed(layer, value):
    """Draw this value every time instead of a random one."""
    layer.uniform = lambda shape, low, high: ops.full(shape, value, dtype="float32")
    return layer


def build(config: CnnConfig, images: np.ndarray) -> keras.Model:
    split = Split(images.astype(np.uint8), np.arange(len(images)) % 10)
    return build_convnet(config.resolve(), Dataset("made", split, split, tuple("0123456789")))


def run(layer, images, training=True) -> np.ndarray:
    return keras.ops.convert_to_numpy(layer(images, training=training))


# They have two versions of an image: as it is, and changed.
ON_OR_OFF = ("flip", "vertical-flip")
# Equal images are mirrored together, in every other epoch.
TOGETHER = ("alternating-flip",)


@pytest.mark.parametrize("name", LAYERS)
def test_images_are_changed_in_training_only_and_each_by_itself(name):
    layer = LAYERS[name](32, seed=0)
    same = np.repeat(SMOOTH[:1] + np.arange(3, dtype=np.float32), 64, axis=0)
    versions = run(layer, same)
    count, wanted = (
        len({version.tobytes() for version in versions}),
        1 if name in TOGETHER else 2 if name in ON_OR_OFF else 9,
    )
    assert count >= wanted, f"{name}: {count} versions of one image, not {wanted}: draw for each of the `count` images"
    if name != "crop":
        np.testing.assert_array_equal(run(layer, same, training=False), same)
        assert versions.shape == same.shape
    assert versions.min() >= 0 and versions.max() <= 255


@pytest.mark.parametrize("name", LAYERS)
def test_raw_pixels_are_taken_as_the_model_gives_them(name):
    pixels = SMOOTH.astype(np.uint8)
    out = run(LAYERS[name](32, seed=3), pixels).astype(np.float32)
    expected = run(LAYERS[name](32, seed=3), pixels.astype(np.float32))
    np.testing.assert_array_equal(out, expected)


@pytest.mark.parametrize("name", LAYERS)
def test_one_seed_gives_equal_versions_and_another_differs(name):
    versions = [run(LAYERS[name](32, seed=seed), SMOOTH) for seed in (3, 3, 4)]
    np.testing.assert_array_equal(versions[0], versions[1])
    assert not np.array_equal(versions[0], versions[2])


def test_flips_turn_the_right_way_round():
    for name, flipped in (("flip", IMAGES[:, :, ::-1]), ("vertical-flip", IMAGES[:, ::-1])):
        out = run(LAYERS[name](32, seed=0), IMAGES)
        turned = [np.array_equal(a, b) for a, b in zip(out, flipped, strict=True)]
        unchanged = [np.array_equal(a, b) for a, b in zip(out, IMAGES, strict=True)]
        assert all(np.logical_xor(turned, unchanged)) and 5 < sum(turned) < 27


def test_intensity_multiplies_and_contrast_keeps_the_mean():
    np.testing.assert_allclose(run(fixed(layers.RandomIntensity(), 0.5), IMAGES), IMAGES / 2, rtol=1e-6)
    out = run(fixed(layers.RandomContrast(), 1.2), SMOOTH)
    np.testing.assert_allclose(out.mean(axis=(1, 2, 3)), SMOOTH.mean(axis=(1, 2, 3)), rtol=1e-4)
    np.testing.assert_allclose(out.std(axis=(1, 2, 3)), 1.2 * SMOOTH.std(axis=(1, 2, 3)), rtol=1e-4)


def test_a_third_of_a_turn_of_hue_exchanges_the_channels_and_grey_stays():
    out = run(fixed(layers.RandomHue(), 1 / 3), IMAGES)
    np.testing.assert_allclose(out, np.roll(IMAGES, 1, axis=-1), atol=1e-3)
    grey = np.repeat(IMAGES[..., :1], 3, axis=-1)
    np.testing.assert_allclose(run(layers.RandomHue(seed=1), grey), grey, atol=1e-3)
    np.testing.assert_array_equal(run(layers.RandomHue(seed=1), IMAGES[..., :1]), IMAGES[..., :1])


def test_affine_with_nothing_to_do_does_nothing_and_shifts_by_whole_pixels():
    still = layers.RandomAffine(degrees=0, shift=0, scale=0, shear=0, seed=0)
    np.testing.assert_allclose(run(still, IMAGES), IMAGES, atol=1e-3)
    shifted = layers.RandomAffine(degrees=0, shift=1, scale=0, shear=0)
    drawn = iter([0.0, 0.0, 1.0, 3 / 32, -2 / 32])  # turn, shear, scale, to the right, down
    shifted.uniform = lambda shape, low, high: ops.full(shape, next(drawn), dtype="float32")
    out = run(shifted, IMAGES)
    np.testing.assert_allclose(out[:, 2:, :-3], IMAGES[:, :-2, 3:], atol=1e-2)
    assert (out[:, :2] == 0).all() and (out[:, :, -3:] == 0).all()


def test_a_rotation_is_scipys_about_the_centre():
    layer = layers.RandomAffine(degrees=90, shift=0, scale=0, shear=0)
    drawn = iter([20.0, 0.0, 1.0, 0.0, 0.0])
    layer.uniform = lambda shape, low, high: ops.full(shape, next(drawn), dtype="float32")
    # As a picture is looked at, ours turns clockwise and SciPy the other way round.
    expected = ndimage.rotate(SMOOTH[0], -20, reshape=False, order=1)
    inside = (slice(8, 24), slice(8, 24))
    assert np.abs(run(layer, SMOOTH[:1])[0] - expected)[inside].max() < 0.1


def test_perspective_changes_one_image_in_two_and_moves_corners_inwards():
    changed = (run(layers.RandomPerspective(seed=0), IMAGES) != IMAGES).any(axis=(1, 2, 3))
    assert 8 < changed.sum() < 24
    out = run(layers.RandomPerspective(probability=1.0, seed=0), np.full((16, 32, 32, 3), 200, np.float32))
    corners = out[:, [0, 0, -1, -1], [0, -1, 0, -1]]
    assert (corners.max(axis=-1) < 200).mean() > 0.9 and (out[:, 12:20, 12:20] > 199).all()


def test_blur_is_scipys_gaussian():
    layer = fixed(layers.RandomBlur(sigma=2.0, size=5), 1.3)
    expected = np.stack([ndimage.gaussian_filter(im, (1.3, 1.3, 0), mode="mirror", radius=(2, 2, 0)) for im in IMAGES])
    np.testing.assert_allclose(run(layer, IMAGES), expected, rtol=1e-4)


@pytest.fixture(scope="module")
def correlated() -> np.ndarray:
    """Images of 4x4x3 whose pixels depend on each other, uint8."""
    rng = np.random.default_rng(1)
    mixed = rng.normal(size=(2000, 48)) @ (rng.normal(size=(48, 48)) + 20 * np.eye(48))
    return (255 * (mixed - mixed.min()) / np.ptp(mixed)).reshape(-1, 4, 4, 3).astype(np.uint8)


def adapted(kind: str, images: np.ndarray, epsilon: float = 1e-7) -> Whitening:
    layer = Whitening(kind, epsilon)
    layer.build(images.shape)
    layer.adapt(*principal_axes(images))
    return layer


@pytest.mark.parametrize("kind", ["zca", "pca"])
def test_whitened_pixels_are_uncorrelated_with_variance_one(correlated, kind):
    out = np.asarray(adapted(kind, correlated)(correlated / np.float32(255))).reshape(len(correlated), -1)
    np.testing.assert_allclose(out.mean(axis=0), 0, atol=1e-2)
    np.testing.assert_allclose(np.cov(out.T), np.eye(48), atol=0.05)


def test_zca_is_the_inverse_root_of_the_covariance(correlated):
    from scipy.linalg import inv, sqrtm

    covariance = np.cov(correlated.reshape(len(correlated), -1).T / 255, bias=True)
    expected = inv(sqrtm(covariance + 0.01 * np.eye(48))).real
    np.testing.assert_allclose(np.asarray(adapted("zca", correlated, 0.01).matrix), expected, atol=1e-3)


def test_pca_puts_the_largest_variance_first(correlated):
    out = np.asarray(adapted("pca", correlated, 0.01)(correlated / np.float32(255))).reshape(len(correlated), -1)
    assert (np.diff(out.var(axis=0)) < 1e-3).all()


def test_whitening_of_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match="zca or pca"):
        Whitening("ica")


CONFIGS = {"zca": ZCA.config, "pca": PCA.config, "cropped": replace(ZCA.config, augmentations=("crop", "flip"))}


@pytest.mark.parametrize("name", CONFIGS)
def test_the_model_whitens_with_the_training_set_and_sees_no_normalisation(name):
    images = RNG.integers(0, 256, (40, 20, 20, 3)).astype(np.uint8)
    split = Split(images, np.arange(40) % 10)
    test = Split(images // 3, split.y)
    model = build_convnet(CONFIGS[name], Dataset("made", split, test, tuple("0123456789")))
    names = [layer.name for layer in model.layers]
    assert "whiten" in names and "normalize" not in names
    centre = images[:, 1:18, 1:18] if name == "cropped" else images
    mean = np.asarray(model.get_layer("whiten").mean)
    np.testing.assert_allclose(mean, centre.mean(axis=0).ravel() / 255, rtol=1e-4)
    assert model.get_layer("whiten").matrix.shape == (mean.size, mean.size) and mean.size == centre[0].size


# --- several in turn --------------------------------------------------------------------------------------------------


def test_transformations_are_applied_in_their_order_each_on_what_is_left_by_the_crop():
    turned = Augmentation.from_names(("crop", "affine", "blur"), size=32, seed=3)
    by_hand = [LAYERS["crop"](32, 3), LAYERS["affine"](28, 3), LAYERS["blur"](28, 3)]
    expected = SMOOTH
    for layer in by_hand:
        expected = run(layer, expected)
    np.testing.assert_array_equal(run(turned, SMOOTH), expected)
    assert [type(layer).__name__ for layer in turned.layers] == ["RandomCrop", "RandomAffine", "RandomBlur"]
    assert turned.compute_output_spec(keras.KerasTensor((None, 32, 32, 3), "uint8")).shape == (None, 28, 28, 3)
    np.testing.assert_array_equal(run(turned, SMOOTH, training=False), SMOOTH[:, 2:30, 2:30])


# --- saved ------------------------------------------------------------------------------------------------------------


def test_a_model_with_every_transformation_is_saved_and_read(tmp_path):
    images = IMAGES.astype(np.uint8)
    model = build(CnnConfig(augmentations=tuple(LAYERS), seed=4), images)
    save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(again(images)), np.asarray(model(images)), rtol=1e-5)
    saved, loaded = augmentation_of(model), augmentation_of(again)
    assert to_json(saved.get_config()) == to_json(loaded.get_config())
    classes = {f"rdfia_keras>{type(layer).__name__}" for layer in (loaded, *loaded.layers)}
    assert classes >= {f"rdfia_keras>{type(make(32, 0)).__name__}" for make in LAYERS.values()} and len(classes) > 8


@pytest.mark.parametrize("kind", MATRICES)
def test_a_model_with_whitening_is_saved_and_read(tmp_path, kind):
    images = RNG.integers(0, 256, (20, 16, 16, 3)).astype(np.uint8)
    model = build(CnnConfig(whitening=kind), images)
    save_model(model, tmp_path / "model.keras")
    again = load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(np.asarray(again(images)), np.asarray(model(images)), rtol=1e-4, atol=1e-5)

"""Every number of `rdfia explain`, against the real Keras layer or an independent computation."""

import math
from dataclasses import replace

import keras
import numpy as np
import pytest
import tensorflow as tf
from made_data import write_mnist

from rdfia_keras.analysis import network_facts, theory
from rdfia_keras.commands import explain
from rdfia_keras.config import CnnConfig, RunOptions
from rdfia_keras.data import Dataset, load_images
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments.registry import AUGMENT, BASELINE, BATCH_NORM, ZCA
from rdfia_keras.models import perceptron
from rdfia_keras.models.convnet import build_convnet
from rdfia_keras.models.model_files import SavedModel
from rdfia_keras.models.saving import save_model
from rdfia_keras.models.statistics import principal_axes
from rdfia_keras.models.whitening import Whitening


@pytest.mark.parametrize(
    ("shape", "kernel", "stride", "padding"),
    [
        ((32, 32, 3), 5, 1, 2),
        ((48, 40, 3), 11, 4, 2),
        ((9, 7, 16), 3, 2, 0),
        ((28, 28, 1), 5, 1, 0),
        ((8, 8, 4), 8, 3, 1),
    ],
)
def test_question_1_is_what_keras_layers_have(shape, kernel, stride, padding):
    facts = theory.conv_against_dense(shape, kernel, stride, padding)
    image = keras.Input(shape)
    padded = keras.layers.ZeroPadding2D(padding)(image)
    conv = keras.layers.Conv2D(1, kernel, stride)
    out = conv(padded)
    assert list(out.shape[1:]) == facts["output"]
    assert conv.count_params() == facts["filter_weights"] + facts["filter_biases"]
    dense = keras.layers.Dense(math.prod(facts["output"]))
    dense.build((None, math.prod(shape)))
    assert dense.kernel.shape == (math.prod(shape), math.prod(facts["output"]))
    assert dense.count_params() == facts["dense_weights"] + facts["dense_biases"]
    assert facts["report"] == 2 * shape[2] * facts["dense_weights"]


def measured_fields(size: int) -> dict[str, list[int]]:
    """Question 7 by trying: the rows of an image that change each neuron of a column, for the real layers.

    With all weights one, and an average for each maximum, no change can vanish on its way.
    """
    model = build_convnet(BASELINE.config, network_facts.BLANK)
    sides = {}
    x = image = keras.Input((size, size, 3))
    for stage in theory.CIFAR_STAGES:
        layer = model.get_layer(stage.name)
        if stage.name.startswith("pool"):
            x = keras.layers.AveragePooling2D(layer.pool_size, layer.strides, padding="valid")(x)
        else:
            x = keras.layers.Conv2D(1, layer.kernel_size, layer.strides, padding="same", kernel_initializer="ones")(x)
        sides[stage.name] = _sides(keras.Model(image, x), size)
    return sides


def _sides(model: keras.Model, size: int) -> list[int]:
    """For each output of the middle column, the rows of the image that change it when they change."""
    grey = np.ones((1, size, size, 3), np.float32)
    rows = np.repeat(grey, size, axis=0)
    rows[np.arange(size), np.arange(size)] += 1
    middle = model.output.shape[1] // 2
    before = model.predict(grey, verbose=0)[0, :, middle, 0]
    after = model.predict(rows, verbose=0)[:, :, middle, 0]
    return (after != before).sum(axis=0).tolist()


def test_question_7_is_what_changes_a_neuron():
    # Wide enough that the deepest field in the middle does not touch the border.
    wide = measured_fields(64)
    rows = theory.receptive_fields(theory.CIFAR_STAGES)
    assert {row["layer"]: row["side"] for row in rows} == {name: max(sides) for name, sides in wide.items()}
    two = (theory.Stage("a", 3, 1), theory.Stage("b", 3, 1))
    assert [row["side"] for row in theory.receptive_fields(two)] == [3, 5]


def test_question_7s_fields_end_at_the_border_of_the_image():
    measured = measured_fields(32)
    rows = theory.receptive_fields(theory.CIFAR_STAGES, 32)
    assert {row["layer"]: (row["least"], row["most"]) for row in rows} == {
        name: (min(sides) ** 2, max(sides) ** 2) for name, sides in measured.items()
    }
    conv3 = rows[4]
    assert (conv3["side"], conv3["most"], conv3["least"]) == (32, 900, 324)
    assert max(row["most"] for row in rows) < 32 * 32


def test_question_12_counts_scikit_learns_machines():
    from sklearn.svm import LinearSVC

    facts = theory.bow_svm(50, 10, 1_191_170)
    rng = np.random.default_rng(0)
    machine = LinearSVC().fit(rng.normal(size=(100, 50)), np.arange(100) % 10)
    assert (machine.coef_.size, machine.intercept_.size) == (facts["weights"], facts["biases"])
    assert theory.bow_svm(1000, 10, 1_191_170)["ratio"] == pytest.approx(119, abs=0.1)


def test_theory_6s_sums_are_one_and_only_softmax_is_positive():
    rows = explain.softmax().data["rows"]
    outputs = np.array([row["output"] for row in rows])
    np.testing.assert_allclose([row["softmax"] for row in rows], keras.ops.softmax(outputs), rtol=1e-6)
    for column in ("by_sum", "softmax"):
        assert sum(row[column] for row in rows) == pytest.approx(1)
    assert min(row["by_sum"] for row in rows) < 0 < min(row["softmax"] for row in rows)


def test_theory_8_and_9s_losses_are_likelihoods_with_tensorflows_gradients():
    result = explain.likelihood()
    rows = result.data["rows"]
    assert [row["difference"] < 1e-9 for row in rows] == [True] * 3 and len(result.table) == 3
    y = tf.constant([1.0, 0, 0], tf.float64)
    y_hat = tf.Variable([0.7, 0.2, 0.1], dtype=tf.float64)
    with tf.GradientTape(persistent=True) as tape:
        losses = [
            -tf.reduce_sum(y * tf.math.log(y_hat)),
            -tf.reduce_sum(y * tf.math.log(y_hat) + (1 - y) * tf.math.log(1 - y_hat)),
            tf.reduce_sum((y - y_hat) ** 2),
        ]
    for row, loss in zip(rows, losses, strict=True):
        np.testing.assert_allclose([row["at_truth"], *row["elsewhere"]], tape.gradient(loss, y_hat), rtol=1e-6)
    assert rows[0]["elsewhere"] == [0, 0] and min(rows[1]["elsewhere"] + rows[2]["elsewhere"]) > 0


def test_theory_14_is_keras_loss_and_ours_and_stays_finite():
    rng = np.random.default_rng(0)
    logits, y = 5 * rng.normal(size=(20, 6)), np.eye(6)[rng.integers(0, 6, 20)]
    simplified = theory.simplified_cross_entropy(logits, y)
    np.testing.assert_allclose(simplified, theory.naive_cross_entropy(logits, y), rtol=1e-12)
    expected = keras.losses.CategoricalCrossentropy(from_logits=True, reduction=None, dtype="float64")(y, logits)
    np.testing.assert_allclose(simplified, np.asarray(expected), rtol=1e-10)
    assert float(perceptron.cross_entropy(tf.constant(logits), tf.constant(y))) == pytest.approx(simplified.mean())
    small, large = theory.compare_losses((1, 1000))
    assert small["not_finite"] == 0 and small["difference"] < 1e-12
    assert large["not_finite"] > 0 and math.isfinite(large["simplified"])


def test_question_33_is_inverted_dropout():
    for row in theory.dropout_scaling((0.2, 0.5, 0.8)):
        assert row["dropped"] == pytest.approx(row["rate"], abs=0.01)
        assert row["kept_become"] == pytest.approx(1 / (1 - row["rate"]), rel=1e-6) == row["expected"]
        assert row["mean_training"] == pytest.approx(1, abs=0.02) and row["mean_test"] == 1


def test_theory_12_gives_tensorflows_gradients_both_ways():
    net = theory.DeepNet.draw(3, 5)
    x, y = np.random.default_rng(0).normal(size=(2, 7, 5))
    weights = [tf.Variable(w) for w in net.weights]
    with tf.GradientTape() as tape:
        h = tf.constant(x)
        for w in weights:
            h = tf.tanh(h @ w)
        loss = 0.5 * tf.reduce_sum((h - y) ** 2)
    for exact, backprop, naive in zip(tape.gradient(loss, weights), net.backprop(x, y), net.naive(x, y), strict=True):
        np.testing.assert_allclose(backprop, exact, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(naive, exact, atol=1e-6)


def test_theory_12s_naive_way_costs_two_passes_a_weight():
    """Counted in layers computed, which no other load on the machine changes."""

    class Counting(theory.DeepNet):
        layers = 0

        def loss(self, x, y):
            Counting.layers += len(self.weights)
            return super().loss(x, y)

    counts = []
    for depth in (2, 4, 8):
        Counting.layers = 0
        Counting(theory.DeepNet.draw(depth, 4).weights).naive(np.ones((1, 4)), np.ones((1, 4)))
        counts.append(Counting.layers)
    assert counts == [2 * depth * 16 * depth for depth in (2, 4, 8)]
    row = theory.backprop_cost((2,), times=1)[0]
    assert row["difference"] < 1e-6 and row["ratio"] > 1


@pytest.mark.parametrize("experiment", [BASELINE, AUGMENT, BATCH_NORM], ids=lambda e: e.name)
def test_questions_4_to_6_keep_the_logits_and_score_larger_images(experiment, tiny_images):
    model = build_convnet(experiment.config, tiny_images)
    network = network_facts.fully_convolutional(model)
    images = tiny_images.test.x
    seen = images[:, 2:30, 2:30] if experiment.config.augmentations else images
    scores = np.asarray(network(seen))
    np.testing.assert_allclose(scores[:, 0, 0], np.asarray(model(images, training=False)), rtol=1e-3, atol=1e-4)
    assert not any(isinstance(layer, keras.layers.Dense) for layer in network.layers)
    larger = np.tile(images[:1], (1, 2, 2, 1))
    assert network(larger).shape == (1, 5, 5, 3)
    for r in (0, 3, 4, 11, 12, 32):
        assert network(np.zeros((1, 32 + r, 32, 3), np.uint8)).shape[1] == (r + 4) // 8 + 1


def test_a_place_of_the_map_is_the_model_on_its_window(tiny_images):
    """Without padding there is nothing at a window's border but what the large image has there."""
    image = keras.Input((24, 24, 3), dtype="uint8")
    x = keras.layers.Rescaling(1 / 255)(image)
    x = keras.layers.MaxPooling2D(2)(keras.layers.Conv2D(4, 5, activation="relu")(x))
    x = keras.layers.Dense(7, activation="tanh")(keras.layers.Flatten()(x))
    model = keras.Model(image, keras.layers.Dense(3)(x))
    pixels = tiny_images.test.x[:1]
    scores = np.asarray(network_facts.fully_convolutional(model)(pixels))
    assert scores.shape == (1, 5, 5, 3)
    for row, column in ((0, 0), (1, 3), (4, 4)):
        window = pixels[:, 2 * row : 2 * row + 24, 2 * column : 2 * column + 24]
        np.testing.assert_allclose(scores[:, row, column], np.asarray(model(window)), rtol=1e-4, atol=1e-5)


def test_the_map_of_a_flat_image_is_flat_away_from_its_borders(tiny_images):
    model = build_convnet(CnnConfig(network="lenet").resolve(), tiny_images)
    network = network_facts.fully_convolutional(model)
    flat = np.full((1, 64, 64, 3), 80, np.uint8)
    scores = np.asarray(network(flat))
    np.testing.assert_allclose(
        scores[0, 2:-2, 2:-2], np.broadcast_to(scores[0, 3, 3], scores[0, 2:-2, 2:-2].shape), 1e-3
    )


def test_whitening_cannot_be_made_convolutional(tiny_images):
    splits = (replace(split, x=split.x[:, :16, :16]) for split in (tiny_images.train, tiny_images.test))
    small = Dataset("small", *splits, tiny_images.classes)
    with pytest.raises(RdfiaError, match="images of one size"):
        network_facts.fully_convolutional(build_convnet(ZCA.config, small))


def test_a_class_map_averages_to_one_and_agrees_on_small_images(tiny_images):
    facts, mosaic, scores = network_facts.class_map(build_convnet(BASELINE.config, tiny_images), tiny_images)
    assert facts["difference_on_small_images"] < 1e-4 and facts["shown"] == ["dark", "grey", "bright", "dark"]
    assert facts["scores"] == list(scores.shape) == [5, 5, 3] and facts["image"] == list(mosaic.shape) == [64, 64, 3]
    assert sum(facts["average"].values()) == pytest.approx(1)
    np.testing.assert_allclose(scores.sum(axis=-1), 1)


def test_dense_as_conv_draws_a_saved_model(tmp_path):
    digits = load_images("digits")
    save_model(build_convnet(BASELINE.config, digits), tmp_path / "a.keras")
    options = RunOptions(out=tmp_path / "results")
    result = explain.dense_as_conv(options, model=tmp_path / "a.keras", dataset="digits")
    assert result.paths == [tmp_path / "results" / "explain" / "dense-as-conv.png"]
    assert result.paths[0].stat().st_size > 5000
    assert result.data["difference_on_small_images"] < 1e-4 and result.data["trained"] == str(tmp_path / "a.keras")
    assert result.data["scores"] == [5, 5, 10] and sum(result.data["average"].values()) == pytest.approx(1)
    assert not any("initial" in line for line in result.intro)


def test_dense_as_conv_draws_the_packages_network_and_refuses_one_of_other_classes(tmp_path, monkeypatch):
    options = RunOptions(out=tmp_path / "results")
    result = explain.dense_as_conv(options, dataset="digits")
    assert "scores 5 x 5 x 10" in result.intro[1] and result.data["scores"] == [9, 9, 10]
    assert max(result.data["average"], key=result.data["average"].get) in result.data["shown"]
    with pytest.raises(RdfiaError, match="other images"):
        explain.dense_as_conv(options, model="cifar10", dataset="digits")
    monkeypatch.setattr(SavedModel, "recorded_classes", tuple("abcdefghij"))
    with pytest.raises(RdfiaError, match="other images"):
        explain.dense_as_conv(options, model="digits", dataset="digits")


def test_question_17_starts_at_chance(tiny_images):
    rows = network_facts.initial_scores(tiny_images, 2)
    assert [row["seed"] for row in rows] == [0, 1] and rows[0]["train_loss"] != rows[1]["train_loss"]
    for row in rows:
        assert row["train_loss"] == pytest.approx(math.log(3), rel=0.25)
        assert 0 <= row["test_accuracy"] <= 0.7


def test_whitened_pictures_are_drawn(tmp_path):
    write_mnist(tmp_path / "mnist.npz", 12)
    options = RunOptions(out=tmp_path / "results", data_dir=tmp_path)
    result = explain.whitening(options, epsilon=0.05, dataset="mnist")
    assert result.paths == [tmp_path / "results" / "explain" / "whitened.png"] and result.data["epsilon"] == 0.05
    assert result.paths[0].stat().st_size > 5000
    assert result.data["directions"] == 784 and "variance λ" in result.lines[0]
    assert result.table[0]["directions"] == f"{result.data['at_least']['0.5']:,} of 784"


def test_variances_after_whitening_are_those_of_whitened_pixels(tiny_images):
    train = tiny_images.train.x[:, :8, :8]
    axes = principal_axes(train)
    layer = Whitening("pca", 0.01)
    layer.build((None, 8, 8, 3))
    layer.adapt(*axes)
    measured = np.asarray(layer(train.astype(np.float32) / 255)).reshape(len(train), -1).var(axis=0)
    facts = theory.whitened_variances(axes[1], 0.01, reach=(0.25, 0.75))
    assert facts["mean"] == pytest.approx(measured.mean(), rel=1e-3)
    assert facts["at_least"] == {str(least): (measured >= least).sum() for least in (0.25, 0.75)}
    assert 0 < facts["at_least"]["0.75"] < facts["at_least"]["0.25"] < facts["directions"] == 192


def test_each_kind_of_whitening_has_pictures_of_its_own(tiny_images):
    images, train = tiny_images.test.x[:2, :8, :8], tiny_images.train.x[:, :8, :8]
    axes = principal_axes(train)
    versions = network_facts.whitened(images, axes, 0.01, ("zca", "pca"))
    assert versions.shape == (2, 2, 8, 8, 3) and not np.allclose(versions[:, 0], versions[:, 1])
    assert versions.min() == 0 and versions.max() == 255
    again = network_facts.whitened(images, axes, 1.0, ("zca",))
    assert not np.allclose(again[:, 0], versions[:, 0])

"""The convnet, its layers, and training: a step or two on tiny images."""

import json
import subprocess
import sys
from dataclasses import replace

import keras
import numpy as np
import pytest

from rdfia_keras import training
from rdfia_keras.cnn import build_cnn, crop_size
from rdfia_keras.experiments import BASELINE, BATCH_NORM, LADDER, CnnExperiment
from rdfia_keras.layers import RandomCrop
from rdfia_keras.sections import cnn as section

MEAN, STD = [0.5, 0.4, 0.3], [0.2, 0.3, 0.25]
FULL = replace(BATCH_NORM, name="full", epochs=2, batch_size=16, seed=5)


def build(experiment: CnnExperiment, shape=(32, 32, 3), n_y=10) -> keras.Model:
    return build_cnn(experiment, shape, n_y, MEAN[: shape[2]], STD[: shape[2]])


@pytest.mark.parametrize("experiment", LADDER, ids=lambda e: e.name)
def test_every_rung_has_the_homeworks_parameters(experiment):
    model = build(experiment)
    batch_norm = 2 * (32 + 64 + 64) if experiment.batch_norm else 0
    assert sum(int(np.prod(w.shape)) for w in model.trainable_weights) == 1_191_170 + batch_norm


def test_layers_are_question_10s_table():
    model = build(BASELINE)
    table = {layer.name: (layer.output.shape[1:], layer.count_params()) for layer in model.layers}
    assert table["conv1"] == ((32, 32, 32), 2_432)
    assert table["conv2"] == ((16, 16, 64), 51_264)
    assert table["conv3"] == ((8, 8, 64), 102_464)
    assert table["pool3"] == ((4, 4, 64), 0)
    assert table["fc4"] == ((1000,), 1_025_000)
    assert table["fc5"] == ((10,), 10_010)


def test_lenet_and_dense_are_those_of_figure_6():
    assert build(replace(BASELINE, model="lenet"), (28, 28, 1)).count_params() == 61_706
    assert build(replace(BASELINE, model="dense"), (28, 28, 1)).count_params() == 784 * 100 + 100 + 1010


def test_normalize_uses_the_given_statistics():
    model = build(replace(BASELINE, normalize=True))
    images = np.full((1, 32, 32, 3), 255, np.uint8)
    out = keras.Model(model.input, model.get_layer("normalize").output)(images)
    np.testing.assert_allclose(np.asarray(out)[0, 0, 0], (1 - np.array(MEAN)) / STD, rtol=1e-5)


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


def test_evaluation_crops_the_centre():
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3)).astype(np.uint8)
    np.testing.assert_array_equal(RandomCrop(28)(images, training=False), images[:, 2:30, 2:30])


def test_a_crop_larger_than_the_images_is_refused():
    with pytest.raises(ValueError, match="cannot cut 40x40"):
        RandomCrop(40)(np.zeros((1, 32, 32, 3), np.uint8), training=True)


def test_crop_size_is_28_of_32():
    assert [crop_size(size) for size in (32, 28, 64)] == [28, 24, 56]


def test_channel_statistics_are_exact():
    images = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3)).astype(np.uint8)
    mean, std = training.channel_statistics(images)
    np.testing.assert_allclose(mean, images.mean(axis=(0, 1, 2)) / 255, rtol=1e-12)
    np.testing.assert_allclose(std, images.std(axis=(0, 1, 2)) / 255, rtol=1e-12)
    assert training.channel_statistics(np.zeros((2, 4, 4, 1), np.uint8))[1] == [1.0]


def test_every_epoch_has_an_order_of_its_own():
    orders = [tuple(training.epoch_order(0, epoch, 50)) for epoch in range(5)]
    assert len(set(orders)) == 5
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert orders[3] == tuple(training.epoch_order(0, 3, 50))
    assert orders[3] != tuple(training.epoch_order(1, 3, 50))


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [("constant", [0.1, 0.1]), ("exponential", [0.1, 0.1 * 0.95**10]), ("step", [0.1, 0.01]), ("inverse", [0.1, 0.05])],
)
def test_schedules(schedule, expected):
    assert [training.learning_rate(schedule, 0.1, epoch) for epoch in (0, 10)] == pytest.approx(expected)


def train(experiment, dataset, state=None, stop=False, on_epoch=lambda state: None):
    state = state or training.State()
    model = section.build_model(experiment, dataset)
    training.fit(model, experiment, dataset.train, dataset.test, state, stop, on_epoch)
    return model, state


def numbers(state):
    return [{key: value for key, value in row.items() if key != "seconds"} for row in state.history]


def test_one_seed_gives_equal_runs_and_another_differs(tiny_images):
    _, first = train(FULL, tiny_images)
    _, again = train(FULL, tiny_images)
    _, other = train(replace(FULL, seed=6), tiny_images)
    assert numbers(first) == numbers(again)
    assert all((a == b).all() for a, b in zip(first.weights, again.weights, strict=True))
    assert numbers(first) != numbers(other)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_training_that_goes_on_ends_bit_equal(tiny_images, optimizer):
    """With augmentation, dropout, batch-norm and the schedule, whose streams and states must all go on."""
    experiment = replace(FULL, optimizer=optimizer, lr=0.01)
    _, whole = train(experiment, tiny_images)
    _, half = train(replace(experiment, epochs=1), tiny_images)
    restored = training.State.from_arrays(half.arrays(), half.history)
    _, resumed = train(experiment, tiny_images, restored)
    assert numbers(resumed) == numbers(whole)
    for name, array in whole.arrays().items():
        np.testing.assert_array_equal(resumed.arrays()[name], array, err_msg=name)


def test_an_accelerators_loop_does_the_same(tiny_images, monkeypatch):
    """`fit` is left to GPUs; both ways must see the same batches, streams and learning rates, but for rounding."""
    _, loop = train(FULL, tiny_images)
    monkeypatch.setattr(training, "accelerated", lambda: True)
    model = section.build_model(FULL, tiny_images)
    model.compile(model.optimizer, model.loss, metrics=["accuracy"], jit_compile=False)
    state = training.State()
    training.fit(model, FULL, tiny_images.train, tiny_images.test, state, False, lambda state: None)
    for one, other in zip(state.weights, loop.weights, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-5)
    for one, other in zip(numbers(state), numbers(loop), strict=True):
        assert one == pytest.approx(other, rel=1e-4)


def test_history_has_the_schedules_learning_rate(tiny_images):
    model, state = train(replace(FULL, schedule="exponential"), tiny_images)
    assert [row["lr"] for row in state.history] == pytest.approx([0.1, 0.095])
    assert float(model.optimizer.learning_rate) == pytest.approx(0.095)


def test_a_stop_leaves_no_half_epoch(tiny_images):
    _, state = train(FULL, tiny_images, stop=True)
    assert state.history == [] and state.weights == []


def test_divergence_is_told_and_keeps_the_last_finite_epoch(tiny_images):
    state = training.State()
    train(replace(FULL, epochs=1), tiny_images, state)
    with pytest.raises(training.Diverged, match="epoch 2, batch"):
        train(replace(BASELINE, lr=1e30, batch_size=16, epochs=3), tiny_images, training.State([*state.history]))
    assert all(np.isfinite(weight).all() for weight in state.weights)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_computes_in_half_and_answers_in_single(tiny_images, precision):
    model, state = train(replace(FULL, precision=precision, epochs=1), tiny_images)
    assert model.get_layer("conv2").compute_dtype == precision.removeprefix("mixed_")
    assert model.get_layer("conv2").kernel.dtype == "float32"
    assert model.output.dtype == "float32"
    assert np.isfinite(state.history[0]["train_loss"])


@pytest.mark.parametrize("optimizer", ["momentum", "nesterov", "rmsprop", "adam"])
def test_optimizers_take_steps(tiny_images, optimizer):
    before = section.build_model(FULL, tiny_images).get_weights()[0]
    model, _ = train(replace(FULL, optimizer=optimizer, lr=0.001, epochs=1), tiny_images)
    assert np.isfinite(model.get_weights()[0]).all() and not np.array_equal(before, model.get_weights()[0])


def test_it_learns(tiny_images):
    _, state = train(replace(BASELINE, normalize=True, lr=0.05, batch_size=8, epochs=6), tiny_images)
    assert max(row["test_accuracy"] for row in state.history) > 0.9


def test_a_saved_model_takes_raw_images_in_another_process(tiny_images, tmp_path):
    model, _ = train(replace(FULL, epochs=1), tiny_images)
    section.save_model(model, tmp_path / "model.keras")
    np.save(tmp_path / "images.npy", tiny_images.test.x)
    code = (
        "import sys, keras, numpy, rdfia_keras.layers; model = keras.saving.load_model('model.keras');"
        "numpy.save('out.npy', model.predict(numpy.load('images.npy'), verbose=0))"
    )
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, capture_output=True)
    expected = model.predict(tiny_images.test.x, verbose=0)
    np.testing.assert_allclose(np.load(tmp_path / "out.npy"), expected, rtol=1e-5, atol=1e-6)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["images.npy", "model.keras", "out.npy"]


def test_worst_mistakes_are_wrong_and_worst_first():
    probabilities = np.array([[0.9, 0.1], [0.2, 0.8], [0.4, 0.6], [0.7, 0.3]])
    images = np.arange(4).reshape(4, 1, 1, 1)
    wrong, captions = section.worst_mistakes(probabilities, images, np.array([1, 0, 1, 1]), ("a", "b"))
    assert wrong.ravel().tolist() == [0, 1, 3]
    assert captions == ["b → a\n90%", "a → b\n80%", "b → a\n70%"]


def test_no_code_of_the_convnet_names_a_backend():
    for module in (training, section, sys.modules["rdfia_keras.cnn"], sys.modules["rdfia_keras.layers"]):
        source = __import__("inspect").getsource(module)
        assert "import tensorflow" not in source and "import jax" not in source


def test_the_record_of_a_run_is_json_without_nan(tiny_images, tmp_path):
    from rdfia_keras.records import to_json

    assert json.loads(to_json({"a": float("nan"), "b": [float("inf"), 1.5]})) == {"a": None, "b": [None, 1.5]}

"""The four perceptrons: the maths against two oracles, and against each other."""

import json
from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.data import Dataset, load_vectors, one_hot
from rdfia_keras.data.initial_weights import init, init_params
from rdfia_keras.experiments.registry import CIRCLES
from rdfia_keras.models import perceptron
from rdfia_keras.training.callbacks import Diverged, epoch_order
from rdfia_keras.training.perceptron_epochs import CompiledEpochs, State, fit
from rdfia_keras.training.train_perceptron import largest_difference, train_perceptron


@pytest.fixture
def batch():
    rng = np.random.default_rng(0)
    return rng.normal(size=(7, 5)), one_hot(rng.integers(0, 3, 7), 3)


def test_gradients_by_hand_equal_the_tape_and_finite_differences(batch):
    rows = perceptron.check_gradients(init_params(5, 4, 3, 0.5, seed=1), *batch)
    assert [row["parameter"] for row in rows] == list(perceptron.PARAMETERS)
    assert [row["entries checked"] for row in rows] == [20, 4, 12, 3]
    assert max(row["tape"] for row in rows) < 1e-12
    assert max(row["finite_differences"] for row in rows) < 1e-6


def test_the_gradient_check_notices_a_wrong_gradient(batch, monkeypatch):
    right = perceptron.backward

    def wrong(params, outputs, y):
        return {**right(params, outputs, y), "b_h": right(params, outputs, y)["b_h"] * 1.001}

    monkeypatch.setattr(perceptron, "backward", wrong)
    rows = {row["parameter"]: row for row in perceptron.check_gradients(init_params(5, 4, 3, 0.5, seed=1), *batch)}
    assert rows["b_h"]["tape"] > 1e-6 < rows["b_h"]["finite_differences"]
    assert rows["W_h"]["tape"] < 1e-12


def test_the_gradient_check_of_weights_that_are_all_zero_is_zero(batch):
    """W_y = 0 lets no gradient through to the hidden layer, and tanh(0) = 0 none to W_y."""
    rows = perceptron.check_gradients(init_params(5, 4, 3, 0.0, seed=1), *batch)
    errors = {row["parameter"]: (row["tape"], row["finite_differences"]) for row in rows}
    assert errors["W_h"] == errors["b_h"] == errors["W_y"] == (0.0, 0.0)
    assert errors["b_y"][0] < 1e-12 and 0 < errors["b_y"][1] < 1e-6


def test_loss_stays_finite_where_the_naive_one_overflows():
    y_tilde, y = tf.constant([[1000.0, 0.0]], tf.float64), tf.constant([[0.0, 1.0]], tf.float64)
    assert float(perceptron.cross_entropy(y_tilde, y)) == pytest.approx(1000.0)
    params = {"W_h": np.eye(2), "b_h": np.zeros(2), "W_y": np.array([[1e4, 0], [0, 1e4]]), "b_y": np.zeros(2)}
    assert np.isfinite(perceptron.forward(params, np.array([[5.0, -5.0]]))["y_hat"]).all()


def train(name: str, config: MlpConfig, state: State | None = None, data: Dataset | None = None) -> State:
    """Train on the circles, from the initial weights or from where a training was cut off."""
    data = data or load_vectors("circles")
    state = state or State(init(config, data))
    for _ in fit(name, config, data, state, False, CompiledEpochs()):
        pass
    return state


def weights_by_numpy(config: MlpConfig) -> dict[str, np.ndarray]:
    """The weights after a training in which each example is learnt from once an epoch, the left-over ones too."""
    data = load_vectors("circles")
    p, y = init(config, data), one_hot(data.train.y, 2)
    for epoch in range(config.epochs):
        order = epoch_order(config.seed, epoch, len(data.train))
        for batch in np.split(order, range(config.batch_size, len(order), config.batch_size)):
            x, h = data.train.x[batch], np.tanh(data.train.x[batch] @ p["W_h"].T + p["b_h"])
            e = np.exp(h @ p["W_y"].T + p["b_y"])
            g_y = (e / e.sum(axis=1, keepdims=True) - y[batch]) / len(batch)
            g_h = g_y @ p["W_y"] * (1 - h**2)
            grads = {"W_h": g_h.T @ x, "b_h": g_h.sum(axis=0), "W_y": g_y.T @ h, "b_y": g_y.sum(axis=0)}
            p = {name: value - config.lr * grads[name] for name, value in p.items()}
    return p


def test_four_implementations_give_equal_curves_and_numpys_weights():
    """Of 200 examples batches of 16 leave 8 at the end of an epoch."""
    config = MlpConfig(epochs=3, batch_size=16)
    states = [train(name, config) for name in perceptron.IMPLEMENTATIONS]
    assert len(states) == 4 and largest_difference([state.history for state in states]) < 1e-12
    for name, value in weights_by_numpy(config).items():
        for state in states:
            np.testing.assert_allclose(state.weights[name], value, rtol=0, atol=1e-12)


def test_a_batch_larger_than_the_training_set_is_all_of_it():
    config = MlpConfig(epochs=2, batch_size=1000)
    for name, value in train("manual", config).weights.items():
        np.testing.assert_allclose(value, weights_by_numpy(config)[name], rtol=0, atol=1e-12)


def test_it_learns_the_circles():
    history = train("manual", CIRCLES.config).history
    assert len(history) == 150
    assert history[-1]["test_accuracy"] >= 0.93
    assert history[-1]["train_loss"] < history[0]["train_loss"] / 2


def test_a_validation_set_is_measured_after_each_epoch():
    config, data = MlpConfig(epochs=3, validation=0.2), load_vectors("circles").hold_out(0.2, seed=0)
    state, alone = (train("manual", config, data=one) for one in (data, replace(data, validation=None)))
    row, network = state.history[-1], perceptron.Manual(state.weights, eta=0.0)
    y = np.eye(2)[data.validation.y]
    p = perceptron.predict(network, data.validation.x)
    assert row["validation_loss"] == pytest.approx(-np.log(p[y == 1]).mean())
    assert row["validation_accuracy"] == (p.argmax(axis=1) == data.validation.y).mean()
    for parameter in perceptron.PARAMETERS:
        np.testing.assert_array_equal(alone.weights[parameter], state.weights[parameter])
    assert "validation_loss" not in alone.history[-1]
    assert [row["test_loss"] for row in alone.history] == [row["test_loss"] for row in state.history]


def test_divergence_is_reported_and_keeps_the_last_good_weights():
    state = train("manual", MlpConfig(epochs=1))
    before = state.weights["W_h"].copy()
    with pytest.raises(Diverged, match=r"manual: the training loss is .* after epoch 2"):
        train("manual", MlpConfig(epochs=3, lr=1e6), state)
    np.testing.assert_array_equal(state.weights["W_h"], before)
    assert len(state.history) == 1


@pytest.mark.parametrize("sizes", [(1, 1, 2), (3, 7, 5), (64, 10, 10)])
def test_any_layer_sizes(sizes):
    n_x, n_h, n_y = sizes
    params = init_params(n_x, n_h, n_y, 0.3, seed=0)
    for implementation in perceptron.IMPLEMENTATIONS.values():
        y_hat = perceptron.predict(implementation(params, 0.1), np.ones((4, n_x)))
        assert y_hat.shape == (4, n_y)
        np.testing.assert_allclose(y_hat.sum(axis=1), 1)


def test_initial_weights_follow_seed_and_std():
    first, again, other = (init_params(100, 100, 10, 0.3, seed) for seed in (0, 0, 1))
    np.testing.assert_array_equal(first["W_h"], again["W_h"])
    assert not np.array_equal(first["W_h"], other["W_h"])
    assert first["W_h"].std() == pytest.approx(0.3, rel=0.05)
    assert not first["b_h"].any()


def test_a_record_has_no_path_of_the_machine(tmp_path, unrendered):
    short = replace(CIRCLES, config=replace(CIRCLES.config, epochs=2, implementation="manual"))
    run = train_perceptron(short, load_vectors("circles"), RunOptions(out=tmp_path))
    text = (run.folder / "metrics.json").read_text()
    assert str(tmp_path) not in text and "source" not in json.loads(text)["dataset"]
    assert np.isfinite(json.loads(text)["seconds"])

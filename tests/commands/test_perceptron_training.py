"""L-BFGS, what all seeds of a configuration share, and the animated map."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image
from rdfia_keras.sections.common import prepare

from rdfia_keras import plots
from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.data import load_vectors, one_hot
from rdfia_keras.errors import ConfigError
from rdfia_keras.experiments.registry import CIRCLES
from rdfia_keras.models import perceptron
from rdfia_keras.runs.history import scores
from rdfia_keras.sections import mlp
from rdfia_keras.training.perceptron_epochs import State, Trainer, init, train, train_lbfgs, weights_by_epoch

SHORT = replace(CIRCLES.config, epochs=12)


@pytest.fixture(scope="module")
def circles():
    return load_vectors("circles")


def trained(implementation, config, data):
    state = State(init(config, data))
    train(implementation, config, data, state, False, lambda row: None)
    return state


@pytest.mark.parametrize("implementation", perceptron.IMPLEMENTATIONS)
def test_one_compiled_function_serves_every_seed_and_learning_rate(circles, implementation):
    """Nothing of one training may stay for the next."""
    configs = [replace(SHORT, seed=seed, lr=lr) for seed, lr in ((0, 0.07), (1, 0.5), (0, 0.07))]
    first, other, again = (trained(implementation, config, circles) for config in configs)
    alone = Trainer(implementation, configs[1], circles, init(configs[1], circles))
    rows = [row for start in (0, 10) for row in alone.epochs(start, 2 if start else 10)]
    np.testing.assert_array_equal([scores(row) for row in other.history], [scores(row) for row in rows])
    np.testing.assert_array_equal([scores(row) for row in again.history], [scores(row) for row in first.history])
    assert other.history[0]["lr"] == 0.5 and scores(first.history[0]) != scores(other.history[0])


def test_each_seed_is_measured_on_the_validation_set_of_its_own(circles):
    """Though one compiled function serves the seeds of data without one."""
    for seed in (0, 1):
        config = replace(SHORT, seed=seed, validation=0.2, epochs=2)
        data = circles.hold_out(0.2, seed)
        row = trained("manual", config, data).history[-1]
        (_, expected) = Trainer("manual", config, data, init(config, data)).epochs(0, 2)
        assert {**row, "seconds": 0} == {**expected, "seconds": 0} and row["validation_loss"] != row["test_loss"]


def test_each_seed_is_trained_on_the_examples_that_it_draws(circles):
    """As many of them have the same shapes, which one compiled function must not mix up."""
    for seed, count in ((0, 50), (1, 50), (1, 20)):
        config = replace(SHORT, seed=seed, train_examples=count, epochs=2)
        data = prepare(circles, config, quick=False)
        row = trained("manual", config, data).history[-1]
        (_, expected) = Trainer("manual", config, data, init(config, data)).epochs(0, 2)
        assert len(data.train) == count and {**row, "seconds": 0} == {**expected, "seconds": 0}


def test_lbfgs_is_measured_on_a_validation_set(circles):
    config, data = replace(CIRCLES.config, lbfgs=True, validation=0.2, epochs=5), circles.hold_out(0.2, 0)
    state = train_lbfgs(config, data)
    probabilities = perceptron.predict(perceptron.Manual(state.weights, eta=0.0), data.validation.x)
    of_the_right_class = probabilities[np.arange(len(data.validation)), data.validation.y]
    assert state.history[-1]["validation_loss"] == pytest.approx(-np.log(of_the_right_class).mean())


def test_weights_that_all_start_at_zero_learn_nothing(circles):
    """Every hidden unit gets the same gradient, here none: why weights are drawn."""
    history = trained("manual", replace(CIRCLES.config, init_std=0.0, epochs=30), circles).history
    assert {row["test_accuracy"] for row in history} == {0.5}


def test_lbfgs_goes_down_and_ends_where_the_gradient_is_small(circles):
    config = replace(CIRCLES.config, lbfgs=True, epochs=60)
    state = train_lbfgs(config, circles)
    rows = np.array([scores(row) for row in state.history])
    assert rows.shape == (60, 4) and (np.diff(rows[:, 0]) <= 1e-9).all()
    assert rows[-1, 0] < 0.2 and rows[-1, 1] > 0.93
    sgd = trained("manual", replace(config, lbfgs=False), circles)
    assert rows[-1, 0] < sgd.history[-1]["train_loss"]
    x, y = circles.train.x, one_hot(circles.train.y, 2)
    loss = perceptron.cross_entropy(perceptron.forward(state.weights, x)["y_tilde"], y)
    assert float(loss) == pytest.approx(rows[-1, 0], abs=1e-12), "the weights are those of the last row"


def test_lbfgs_is_a_run_of_its_own_kind(circles, tmp_path):
    result = mlp.run(MlpConfig(lbfgs=True, epochs=5), RunOptions(out=tmp_path))
    assert result.paths == [tmp_path / "mlp" / "lbfgs"] and result.data["epochs"] == 5
    assert list(result.data["details"]["implementations"]) == ["manual"]
    with pytest.raises(ConfigError, match="lbfgs \\(--lbfgs\\) needs implementation"):
        MlpConfig(lbfgs=True, implementation="tape")
    with pytest.raises(ConfigError, match="leave lbfgs"):
        mlp.run(MlpConfig(lbfgs=True), RunOptions(out=tmp_path), animate=True)


def test_a_run_keeps_the_weights_of_each_epoch(circles, tmp_path):
    folder = mlp.run(replace(SHORT, implementation="manual"), RunOptions(out=tmp_path)).paths[0]
    kept = np.load(folder / "weights.npz")
    assert kept["epochs"].tolist() == list(range(13))
    np.testing.assert_array_equal(kept["points"], circles.test.x)
    for epoch in (0, 5, 12):
        weights = trained("manual", replace(SHORT, epochs=epoch), circles).weights if epoch else init(SHORT, circles)
        for name, values in weights.items():
            np.testing.assert_array_equal(kept[name][epoch], values)


def test_of_very_many_epochs_some_weights_are_kept_and_the_last(circles, monkeypatch):
    monkeypatch.setattr("rdfia_keras.training.perceptron.MAX_KEPT", 52 * 4)
    epochs, weights = weights_by_epoch("manual", SHORT, circles, False)
    assert epochs == [0, 3, 6, 9, 12] and weights["W_h"].shape == (5, 10, 2)
    assert weights_by_epoch("manual", SHORT, circles, True)[0] == [0]


def test_the_animation_ends_with_the_map_of_the_finished_run(circles, tmp_path):
    short = replace(SHORT, implementation="manual")
    result = mlp.run(short, RunOptions(out=tmp_path), animate=True)
    with Image.open(result.paths[0] / "decision-map.gif") as picture:
        assert picture.n_frames == SHORT.epochs + 1
        assert picture.format == "GIF" and picture.info["loop"] == 0
    frames = mlp.animation_frames("manual", short, circles, stop=False)
    state = State(init(short, circles))
    train("manual", short, circles, state, False, lambda row: None)
    assert [frame["title"] for frame in (frames[0], frames[-1])] == [
        "before training",
        f"epoch 12: test {100 * state.history[-1]['test_accuracy']:.1f} %",
    ]
    axis = frames[-1]["grid_x"]
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    network = perceptron.IMPLEMENTATIONS["manual"](state.weights, short.lr)
    np.testing.assert_allclose(frames[-1]["probability"].ravel(), perceptron.predict(network, grid)[:, 1], atol=1e-9)


def test_a_stopped_animation_has_no_further_frame(circles):
    assert len(mlp.animation_frames("manual", SHORT, circles, stop=True)) == 1


def test_an_animation_of_anything_but_points_of_a_plane_is_refused_before_training(tmp_path):
    with pytest.raises(ConfigError, match="points of a plane"):
        mlp.run(replace(SHORT, dataset="digits"), RunOptions(out=tmp_path), animate=True)
    assert list(tmp_path.iterdir()) == []


def test_every_frame_is_in_the_file(circles):
    frames = [
        {
            "title": f"epoch {i}",
            "grid_x": np.linspace(-2, 2, 5),
            "grid_y": np.linspace(-2, 2, 5),
            "probability": np.full((5, 5), i / 3),
            "points": circles.test.x,
            "labels": circles.test.y,
        }
        for i in range(4)
    ]
    with Image.open(io.BytesIO(plots.decision_animation(frames, ("0", "1"), "made"))) as picture:
        assert picture.n_frames == 4
    with pytest.raises(ValueError, match="no frame"):
        plots.decision_animation([], ("0", "1"), "made")

"""Trainings of the perceptron: one for curves, weights and animation; L-BFGS; what all seeds of a sweep share."""

import os
import signal
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from rdfia_keras import plots
from rdfia_keras.analysis.tables import run_table
from rdfia_keras.config import MlpConfig, RunOptions
from rdfia_keras.data import Dataset, load_vectors, one_hot
from rdfia_keras.data.initial_weights import init
from rdfia_keras.experiments import Experiment, match_registered
from rdfia_keras.experiments.registry import CIRCLES
from rdfia_keras.models import perceptron
from rdfia_keras.runs.history import scores
from rdfia_keras.runs.run import Run
from rdfia_keras.training import perceptron_epochs
from rdfia_keras.training import train_perceptron as training
from rdfia_keras.training.job import prepare_data
from rdfia_keras.training.perceptron_epochs import CompiledEpochs, State, Trainer, fit, fit_lbfgs
from rdfia_keras.training.train_perceptron import train_perceptron

SHORT = replace(CIRCLES.config, epochs=12)
MANUAL = replace(SHORT, implementation="manual")


@pytest.fixture(scope="module")
def circles() -> Dataset:
    return load_vectors("circles")


@pytest.fixture(scope="module")
def compiled() -> CompiledEpochs:
    """What the trainings of one process share."""
    return CompiledEpochs()


@pytest.fixture
def train(compiled):
    """Return the state after a training of one implementation."""

    def train(implementation: str, config: MlpConfig, data: Dataset) -> State:
        state = State(init(config, data))
        for _ in fit(implementation, config, data, state, False, compiled):
            pass
        return state

    return train


@pytest.mark.parametrize("implementation", perceptron.IMPLEMENTATIONS)
def test_one_compiled_function_serves_every_seed_and_learning_rate(circles, train, implementation):
    """Nothing of one training may stay for the next."""
    configs = [replace(SHORT, seed=seed, lr=lr) for seed, lr in ((0, 0.07), (1, 0.5), (0, 0.07))]
    first, other, again = (train(implementation, config, circles) for config in configs)
    alone = Trainer(implementation, configs[1], circles, init(configs[1], circles))
    rows = [row for start in (0, 10) for row in alone.epochs(start, 2 if start else 10)]
    np.testing.assert_array_equal([scores(row) for row in other.history], [scores(row) for row in rows])
    np.testing.assert_array_equal([scores(row) for row in again.history], [scores(row) for row in first.history])
    assert other.history[0]["lr"] == 0.5 and scores(first.history[0]) != scores(other.history[0])


@pytest.mark.parametrize("settings", [{"validation": 0.2}, {"train_examples": 50}, {"train_examples": 20}], ids=str)
def test_each_seed_has_the_examples_that_it_draws(circles, train, settings):
    """As many of them have the same shapes, which one compiled function must not mix up."""
    for seed in (0, 1):
        config = replace(SHORT, seed=seed, epochs=2, **settings)
        data = prepare_data(circles, config, quick=False)
        row = train("manual", config, data).history[-1]
        (_, expected) = Trainer("manual", config, data, init(config, data)).epochs(0, 2)
        assert {**row, "seconds": 0} == {**expected, "seconds": 0}
        assert len(data.train) == settings.get("train_examples", 160)


def test_weights_that_all_start_at_zero_learn_nothing(circles, train):
    """Every hidden unit gets the same gradient, here none: why weights are drawn."""
    history = train("manual", replace(CIRCLES.config, init_std=0.0, epochs=30), circles).history
    assert {row["test_accuracy"] for row in history} == {0.5}


# --- L-BFGS -----------------------------------------------------------------------------------------------------------


def test_lbfgs_goes_down_and_ends_where_the_gradient_is_small(circles, train):
    config = replace(CIRCLES.config, lbfgs=True, epochs=60)
    state = fit_lbfgs(config, circles)
    rows = np.array([scores(row) for row in state.history])
    assert rows.shape == (60, 4) and (np.diff(rows[:, 0]) <= 1e-9).all()
    assert rows[-1, 0] < 0.2 and rows[-1, 1] > 0.93
    sgd = train("manual", replace(config, lbfgs=False), circles)
    assert rows[-1, 0] < sgd.history[-1]["train_loss"]
    x, y = circles.train.x, one_hot(circles.train.y, 2)
    loss = perceptron.cross_entropy(perceptron.forward(state.weights, x)["y_tilde"], y)
    assert float(loss) == pytest.approx(rows[-1, 0], abs=1e-12), "the weights are those of the last row"


def test_lbfgs_is_measured_on_a_validation_set(circles):
    config, data = replace(CIRCLES.config, lbfgs=True, validation=0.2, epochs=5), circles.hold_out(0.2, 0)
    state = fit_lbfgs(config, data)
    probabilities = perceptron.predict(perceptron.Manual(state.weights, eta=0.0), data.validation.x)
    of_the_right_class = probabilities[np.arange(len(data.validation)), data.validation.y]
    assert state.history[-1]["validation_loss"] == pytest.approx(-np.log(of_the_right_class).mean())


def test_lbfgs_is_a_run_of_its_own_kind(circles, tmp_path):
    experiment = match_registered(MlpConfig(lbfgs=True, epochs=5))
    run = train_perceptron(experiment, circles, RunOptions(out=tmp_path))
    assert run.folder == tmp_path / "mlp" / "lbfgs" and run.epochs == 5
    assert list(run.result.details["implementations"]) == ["manual"]
    assert [row["implementation"] for row in run_table(run.result)] == ["L-BFGS"]


# --- weights by epoch and their animation -----------------------------------------------------------------------------


@pytest.fixture
def trained_epochs(monkeypatch):
    """The epochs that are trained, as (implementation, epoch); while `stop_at` is one of them, Ctrl-C comes in it."""

    class Epochs(list):
        stop_at = None

    trained, epochs = Epochs(), Trainer.epochs

    def watched(trainer, first, count):
        trained.extend((trainer.implementation, first + i + 1) for i in range(count))
        if trained.stop_at in trained:
            os.kill(os.getpid(), signal.SIGINT)
        return epochs(trainer, first, count)

    monkeypatch.setattr(Trainer, "epochs", watched)
    return trained


def animate(circles, out, config=SHORT) -> Run:
    return train_perceptron(Experiment(name="x", config=config), circles, RunOptions(out=out), animate=True)


def weights_of(run: Run) -> dict[str, np.ndarray]:
    return dict(np.load(run.folder / "weights.npz"))


def test_one_training_gives_curves_weights_and_animation(circles, tmp_path, train, trained_epochs):
    run = animate(circles, tmp_path)
    assert sorted(trained_epochs) == sorted((name, e + 1) for name in perceptron.IMPLEMENTATIONS for e in range(12))
    kept = weights_of(run)
    assert kept["epochs"].tolist() == list(range(13))
    np.testing.assert_array_equal(kept["points"], circles.test.x)
    for epoch in (0, 5, 12):
        weights = train("manual", replace(SHORT, epochs=epoch), circles).weights if epoch else init(SHORT, circles)
        for name, values in weights.items():
            np.testing.assert_array_equal(kept[name][epoch], values)
    with Image.open(run.folder / "decision-map.gif") as picture:
        assert (picture.format, picture.n_frames, picture.info["loop"]) == ("GIF", 13, 0)
        picture.seek(12)
        assert picture.info["duration"] >= 1000


def test_the_animation_begins_before_training_and_ends_with_the_finished_run(circles, tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(plots, "decision_animation", lambda frames, *_, **__: drawn.extend(frames) or b"")
    monkeypatch.setattr(training, "MAX_FRAMES", 5)
    run = animate(circles, tmp_path, MANUAL)
    final = f"epoch 12: test {100 * run.result.final['test_accuracy']:.1f} %"
    assert [frame["title"].partition(":")[0] for frame in drawn] == [
        "before training",
        *(f"epoch {epoch}" for epoch in (3, 6, 9, 12)),
    ]
    assert drawn[-1]["title"] == final
    axis = drawn[-1]["grid_x"]
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    last = {name: weights_of(run)[name][-1] for name in perceptron.PARAMETERS}
    probability = perceptron.predict(perceptron.Manual(last, eta=0.0), grid)[:, 1]
    np.testing.assert_allclose(drawn[-1]["probability"].ravel(), probability, atol=1e-9)


@pytest.mark.parametrize("stop_at", [("manual", 5), ("tape", 12)], ids=str)
def test_an_interrupted_animation_ends_like_an_uninterrupted_one(
    circles, tmp_path, rdfia_here, trained_epochs, stop_at
):
    whole = animate(circles, tmp_path / "whole", MANUAL if stop_at[0] == "manual" else SHORT)
    trained_epochs.clear()
    trained_epochs.stop_at = stop_at
    run = animate(circles, tmp_path / "cut", whole.config)
    assert (run.status, run.exit_code) == ("interrupted", 130)
    # The first implementation's weights are complete once it is trained.
    files = {"weights.npz", "decision-map.gif"}
    assert files & {path.name for path in run.folder.iterdir()} == (files if stop_at[0] == "tape" else set())
    trained_epochs.stop_at = None
    done = rdfia_here("resume", run.folder)
    assert done.returncode == 0, done.stderr
    assert len(trained_epochs) == len(set(trained_epochs)) == 12 * len(whole.config.implementations)
    assert Run(run.folder).result.details["weights_digest"] == whole.result.details["weights_digest"]
    kept = weights_of(run)
    for name, values in weights_of(whole).items():
        np.testing.assert_array_equal(kept[name], values, err_msg=name)
    assert (run.folder / "decision-map.gif").read_bytes() == (whole.folder / "decision-map.gif").read_bytes()


def test_the_weights_of_a_run_that_is_made_longer_are_those_of_a_long_run(circles, tmp_path, rdfia_here, monkeypatch):
    """Of very many epochs some are kept, and the last one."""
    monkeypatch.setattr(perceptron_epochs, "MAX_KEPT", 52 * 4)
    long = animate(circles, tmp_path / "long", replace(MANUAL, epochs=13))
    run = animate(circles, tmp_path / "short", replace(MANUAL, epochs=5))
    assert weights_of(run)["epochs"].tolist() == [0, 2, 4, 5]
    assert rdfia_here("resume", run.folder, "--epochs", 13).returncode == 0
    assert weights_of(run)["epochs"].tolist() == weights_of(long)["epochs"].tolist() == [0, 4, 8, 12, 13]
    np.testing.assert_array_equal(weights_of(run)["W_h"], weights_of(long)["W_h"])


def test_weights_are_kept_of_points_of_a_plane_and_where_pictures_are_drawn(circles, tmp_path):
    options, digits = RunOptions(out=tmp_path, quick=True), load_vectors("digits")
    runs = [
        train_perceptron(Experiment(name="brief", config=MANUAL), circles, options, draw=False),
        train_perceptron(Experiment(name="digits", config=replace(MANUAL, dataset="digits")), digits, options),
    ]
    assert [run.status for run in runs] == ["ok", "ok"]
    assert not any((run.folder / "weights.npz").exists() for run in runs)
    assert [(run.folder / "confusion.png").exists() for run in runs] == [False, True]

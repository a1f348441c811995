"""Studies over seeds, L-BFGS, and the animated map."""

import csv
import io
import json
import signal
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from rdfia_keras import plots
from rdfia_keras.config import RunOptions
from rdfia_keras.data import load_vectors, one_hot
from rdfia_keras.errors import ConfigError, RdfiaError
from rdfia_keras.experiments import STUDIES, Study
from rdfia_keras.experiments.perceptron import CIRCLES
from rdfia_keras.models import perceptron
from rdfia_keras.runs.records import scores
from rdfia_keras.runs.store import RunStore
from rdfia_keras.sections import mlp, study
from rdfia_keras.training.perceptron import State, init, train

SHORT = replace(CIRCLES.config, epochs=12)


@pytest.fixture(scope="module")
def circles():
    return load_vectors("circles")


def test_every_seed_of_a_study_is_the_run_of_that_seed(circles):
    """One compiled function serves all seeds: nothing of one may stay for the next."""
    curves = study.train_seeds(SHORT, 3, circles, stop=False)
    for seed in range(3):
        config = replace(SHORT, seed=seed)
        state = State(init(config, circles))
        train("manual", config, circles, state, False, lambda row: None)
        np.testing.assert_array_equal(curves[seed], [scores(row) for row in state.history])
    assert not np.array_equal(curves[0], curves[1])


def test_a_summary_is_over_the_seeds():
    curves = np.zeros((2, 3, 4))
    curves[..., 3] = [[0.5, 0.92, 0.8], [0.6, 0.7, 0.9]]
    row = study.summary(0.1, curves)
    assert row["last_mean"] == pytest.approx(0.85) and row["last_std"] == pytest.approx(0.05)
    assert row["best_mean"] == pytest.approx(0.91) and row["epochs_to_90"] == 2
    curves[..., 3] = 0.5
    assert study.summary(0.1, curves)["epochs_to_90"] is None


def test_a_study_writes_its_record_table_and_picture(circles, tmp_path):
    short = Study("learning-rate", "lr", (0.01, 1.0), "T11", "learning rate η")
    result = study.train(short, circles, 20, RunOptions(out=tmp_path, quick=True))
    (folder,) = result.paths
    record = json.loads((folder / "metrics.json").read_text())
    assert folder == tmp_path / "mlp" / "study-learning-rate" and result.quick and result.exit_code == 0
    assert (record["status"], record["quick"], record["seeds"], record["epochs"]) == ("ok", True, 3, 20)
    assert [row["value"] for row in record["rows"]] == [0.01, 1.0]
    assert result.data["rows"] == record["rows"] and (record["section"], record["question"]) == ("study", "T11")
    with (folder / "history.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 2 * 20
    assert float(rows[-1]["test_accuracy_mean"]) == pytest.approx(record["rows"][1]["last_mean"], abs=1e-6)
    assert 5000 < (folder / "study.png").stat().st_size < 150_000


def test_a_stopped_study_keeps_only_whole_values(circles, tmp_path, monkeypatch):
    short = Study("learning-rate", "lr", (0.01, 0.1, 1.0), "T11", "learning rate η")
    finished = study.train_seeds

    def interrupted_in_the_second(config, seeds, data, stop):
        if config.lr == 0.1:
            stop.signum = signal.SIGINT
        return finished(config, seeds, data, stop)

    monkeypatch.setattr(study, "train_seeds", interrupted_in_the_second)
    result = study.train(short, circles, 2, RunOptions(out=tmp_path, quick=True))
    record = json.loads((result.paths[0] / "metrics.json").read_text())
    assert result.exit_code == 130 and record["status"] == result.data["status"] == "interrupted"
    assert [row["value"] for row in record["rows"]] == [0.01]
    assert "1 of 3 values are done" in result.hint


def test_a_study_of_other_data_has_its_own_name_and_settings(tmp_path):
    short = Study("hidden", "hidden_units", (2, 3), "T4", "hidden units")
    result = study.run(short, "digits", 2, RunOptions(out=tmp_path, quick=True))
    assert result.paths == [tmp_path / "mlp" / "digits-study-hidden"]
    assert result.data["config"]["dataset"] == "digits" and result.data["dataset"]["name"] == "digits"


def test_mlp_does_not_take_a_study_for_an_unfinished_run_of_its_own(circles, tmp_path):
    short = Study("hidden", "hidden_units", (2, 3), "T4", "hidden units")
    study.train(short, circles, 2, RunOptions(out=tmp_path, quick=True))
    with pytest.raises(RdfiaError, match="no unfinished run"):
        RunStore(tmp_path).latest_unfinished("mlp")
    with pytest.raises(RdfiaError, match="no unfinished run"):
        RunStore(tmp_path).latest_unfinished()


def test_weights_that_all_start_at_zero_learn_nothing(circles):
    """Every hidden unit gets the same gradient, here none: why weights are drawn."""
    curves = study.train_seeds(replace(CIRCLES.config, init_std=0.0, epochs=30), 2, circles, stop=False)
    assert (curves[:, :, 3] == 0.5).all()
    assert STUDIES["init"].values[0] == 0.0


def test_lbfgs_goes_down_and_ends_where_the_gradient_is_small(circles):
    data = (circles.train.x, one_hot(circles.train.y, 2), circles.test.x, one_hot(circles.test.y, 2))
    params = perceptron.init_params(2, 10, 2, 0.3, seed=0)
    rows = perceptron.lbfgs(params, *data, iterations=60)
    assert rows.shape == (60, 4) and (np.diff(rows[:, 0]) <= 1e-9).all()
    assert rows[-1, 0] < 0.2 and rows[-1, 1] > 0.93
    sgd = study.train_seeds(replace(CIRCLES.config, epochs=60), 1, circles, stop=False)[0]
    assert rows[-1, 0] < sgd[-1, 0]


def test_the_study_of_methods_trains_both(circles, tmp_path):
    result = study.train(STUDIES["lbfgs"], circles, 2, RunOptions(out=tmp_path, quick=True))
    assert [row["value"] for row in result.data["rows"]] == ["SGD", "L-BFGS"]
    assert result.data["rows"][1]["last_mean"] > result.data["rows"][0]["last_mean"] > 0.4


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

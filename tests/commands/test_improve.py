"""The ladder: what is missing is trained, and everything is compared with what was published."""

import json
import shutil

import pytest
from stored_runs import change, no_data, query, store

from rdfia_keras.analysis.published import compare_with_published
from rdfia_keras.config import RunOptions
from rdfia_keras.experiments import LADDER, on_dataset
from rdfia_keras.experiments.registry import BASELINE, BATCH_NORM, DROPOUT, NORMALIZE
from rdfia_keras.runs.files import to_json
from rdfia_keras.runs.store import RunStore
from rdfia_keras.sections import improve


def small(experiment, **settings):
    """With the network that is trained fastest."""
    return change(experiment, **{"network": "dense", "batch_size": 16, "epochs": 1, "lr": 0.01, **settings})


def quick_query(experiment):
    return query(experiment, quick=True)


def test_what_is_missing_is_trained_and_what_is_there_stays(tmp_path, tiny_images):
    rungs = (small(BASELINE), small(NORMALIZE), small(BATCH_NORM, network="cifar"))
    options = RunOptions(out=tmp_path)
    first = improve.run(rungs, "ladder", query, options, load=lambda config: tiny_images)
    rows = first.data["rows"]
    assert [row["experiment"] for row in rows] == ["baseline", "normalize", "batch-norm"]
    assert first.exit_code == 0 and (tmp_path / "improve" / "ladder.png").stat().st_size > 5000
    assert json.loads((tmp_path / "improve" / "ladder.json").read_text())["rows"][0]["best"] == rows[0]["best"]
    again = improve.run(rungs, "ladder", query, options, load=no_data)
    assert again.data == first.data
    shutil.rmtree(tmp_path / "cnn" / "normalize")
    loaded = []
    third = improve.run(rungs, "ladder", query, options, load=lambda config: loaded.append(config) or tiny_images)
    assert [config.normalize for config in loaded] == [True]
    assert [row["best"] for row in third.data["rows"]] == [row["best"] for row in rows]


def test_a_run_that_was_killed_is_resumed(tmp_path, tiny_images):
    """It has a checkpoint and no record: only the epochs that it lacks are trained."""
    load = lambda config: tiny_images  # noqa: E731
    whole, shorter = (small(DROPOUT, augmentations=(), epochs=epochs) for epochs in (3, 2))
    improve.run((whole,), "one", query, RunOptions(out=tmp_path / "whole"), load=load)
    improve.run((shorter,), "one", query, RunOptions(out=tmp_path / "cut"), load=load)
    folder = tmp_path / "cut" / "cnn" / "dropout"
    (folder / "metrics.json").unlink()
    before = (folder / "history.csv").read_text().splitlines()
    improve.run((whole,), "one", query, RunOptions(out=tmp_path / "cut"), load=load)
    after = (folder / "history.csv").read_text().splitlines()
    assert after[:3] == before and len(after) == 4
    digests = [
        json.loads((tmp_path / name / "cnn" / "dropout" / "metrics.json").read_text())["details"]["weights_digest"]
        for name in ("whole", "cut")
    ]
    assert digests[0] == digests[1]
    assert [path.name for path in (tmp_path / "cut" / "cnn").iterdir() if path.is_dir()] == ["dropout"]


def test_a_smoke_test_leaves_the_pictures_of_real_runs_alone(tmp_path, tiny_images):
    load = lambda config: tiny_images  # noqa: E731
    rung = small(BASELINE)
    improve.run((rung,), "ladder", query, RunOptions(out=tmp_path), load=load)
    before = [(tmp_path / "improve" / name).read_bytes() for name in ("ladder.png", "ladder.json")]
    result = improve.run((rung,), "ladder", quick_query, RunOptions(out=tmp_path, quick=True), load=load)
    assert before == [(tmp_path / "improve" / name).read_bytes() for name in ("ladder.png", "ladder.json")]
    assert (tmp_path / "improve" / "ladder-quick.png").exists() and result.quick
    assert json.loads((tmp_path / "improve" / "ladder-quick.json").read_text())["rows"][0]["quick"] is True


def test_the_comparison_has_the_experiment_below_over_as_many_epochs(tmp_path):
    store(tmp_path, BASELINE, best=0.7)
    rung = change(NORMALIZE, epochs=29)
    store(tmp_path, rung, best=0.75)
    found = RunStore(tmp_path).find_finished(query(rung))
    row = compare_with_published(NORMALIZE, found, RunStore(tmp_path), query)
    assert (row["best"], row["base_best"], row["published"]) == (pytest.approx(0.75), pytest.approx(0.7), 0.758)
    assert (row["base"], row["epochs"], row["question"]) == ("baseline", 29, "19")
    assert 0.7 < row["reference"] < 0.8
    shorter = change(NORMALIZE, epochs=10)
    store(tmp_path, shorter, best=0.75, name="shorter", epochs=10)
    shutil.rmtree(tmp_path / "cnn" / "normalize")
    found = RunStore(tmp_path).find_finished(query(shorter))
    assert compare_with_published(NORMALIZE, found, RunStore(tmp_path), query)["base_best"] == pytest.approx(0.7 - 0.19)


def test_a_base_that_diverged_at_once_has_no_accuracy_to_compare_with(tmp_path):
    folder = store(tmp_path, BASELINE, status="failed", epochs=1)
    (folder / "history.csv").write_text("epoch,lr,train_loss,train_accuracy,test_loss,test_accuracy,seconds\n")
    record = json.loads((folder / "metrics.json").read_text()) | {"best": None, "final": None, "epochs": 0}
    (folder / "metrics.json").write_text(to_json(record))
    store(tmp_path, NORMALIZE)
    found = RunStore(tmp_path).find_finished(query(NORMALIZE))
    row = compare_with_published(NORMALIZE, found, RunStore(tmp_path), query)
    assert row["base_best"] is None and row["best"] == pytest.approx(0.7)


def test_other_images_have_nothing_published():
    moved = [on_dataset(rung, "digits") for rung in LADDER]
    assert all(one.reference.published is None and one.base is None for one in moved)
    assert all(one.config.dataset == "digits" for one in moved)
    assert len({one.name for one in moved}) == len(LADDER)
    assert on_dataset(BASELINE, "cifar10") is BASELINE

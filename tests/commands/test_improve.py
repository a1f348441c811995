"""The ladder: what is missing is trained, and everything is compared with what was published."""

import json
import shutil

import pytest
from stored_runs import change, diverged_at_once, store

from rdfia_keras.analysis.published import compare_with_published
from rdfia_keras.config import RunOptions
from rdfia_keras.experiments import LADDER, MODERN_LADDER, bonus_experiments, on_dataset
from rdfia_keras.experiments.registry import BASELINE, NORMALIZE
from rdfia_keras.runs.run import Run
from rdfia_keras.runs.store import RunStore
from rdfia_keras.training.get_or_train import Resources

NAMES = ("my-pictures-dense-keras", "my-pictures-lenet-keras")


def test_what_is_missing_is_trained_and_what_is_there_stays(rdfia_here, image_folder, tmp_path):
    args = ("improve", "mnist-dense", "mnist-lenet", "--dataset", image_folder, "--epochs", "1", "--json")
    args += ("--precision", "mixed_bfloat16")
    first = rdfia_here(*args)
    assert first.returncode == 0, first.stderr
    rows = json.loads(first.stdout)["rows"]
    assert [row["experiment"] for row in rows] == list(NAMES) and rows[0]["published"] is None
    title = tmp_path / "results" / "improve" / "chosen-my pictures"
    assert title.with_suffix(".png").stat().st_size > 5000
    assert json.loads(title.with_suffix(".json").read_text())["rows"][0]["best"] == rows[0]["best"]
    again = rdfia_here(*args)
    assert again.stdout == first.stdout and "epoch" not in again.stderr
    for number, name in enumerate(NAMES, start=1):
        assert f"[{number}/2] {name}: finished earlier, in results/cnn/{name}" in again.stderr.splitlines()
    shutil.rmtree(tmp_path / "results" / "cnn" / NAMES[1])
    third = rdfia_here(*args)
    assert f"{NAMES[0]}: finished earlier" in third.stderr and f"{NAMES[1]}: finished earlier" not in third.stderr
    assert [row["best"] for row in json.loads(third.stdout)["rows"]] == [row["best"] for row in rows]
    # A smoke test leaves the pictures of real runs alone.
    before = {path: path.read_bytes() for path in title.parent.iterdir()}
    assert rdfia_here(*args, "--quick").returncode == 0
    assert all(path.read_bytes() == content for path, content in before.items())
    quick = title.with_name(f"{title.name}-quick.json")
    assert json.loads(quick.read_text())["rows"][0]["quick"] is True and quick.with_suffix(".png").exists()


@pytest.mark.parametrize(
    ("options", "group", "name"),
    [((), LADDER, "ladder"), (("--bonus",), bonus_experiments(), "bonus"), (("--modern",), MODERN_LADDER, "modern")],
    ids=["ladder", "bonus", "modern"],
)
def test_the_ladder_and_the_bonus_beside_it_have_every_experiment(rdfia_here, tmp_path, options, group, name):
    """Their records are there, so that nothing is trained: tests/xla trains a network with each part of them."""
    resources = Resources(RunOptions())
    experiments = [on_dataset(one, "digits") for one in group]
    for experiment in experiments:
        store(tmp_path / "results", experiment, digest=resources.prepared(experiment.config).digest)
    done = rdfia_here("improve", *options, "--dataset", "digits", "--json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["rows"]
    assert [row["experiment"] for row in rows] == [experiment.name for experiment in experiments]
    assert list((tmp_path / "results" / "improve").glob(f"{name}*.png"))


def test_a_step_of_the_second_ladder_trains_on_other_data(rdfia_here):
    done = rdfia_here("improve", "modern-fast", "--dataset", "digits", "--quick", "--json")
    assert done.returncode == 0, done.stderr
    (row,) = json.loads(done.stdout)["rows"]
    assert row["experiment"] == "digits-modern-fast" and row["best"] > 0


def row_of(out, experiment=NORMALIZE, folder="normalize"):
    return compare_with_published(experiment, Run(out / "cnn" / folder), RunStore(out))


def test_the_comparison_has_the_experiment_below_over_as_many_epochs(tmp_path):
    store(tmp_path, BASELINE, best=0.7)
    store(tmp_path, change(NORMALIZE, epochs=29), best=0.75)
    row = row_of(tmp_path)
    assert (row["best"], row["base_best"], row["published"]) == (pytest.approx(0.75), pytest.approx(0.7), 0.758)
    assert (row["base"], row["epochs"], row["question"]) == ("baseline", 29, "19")
    assert 0.7 < row["reference"] < 0.8
    store(tmp_path, NORMALIZE, best=0.75, name="shorter", epochs=10)
    assert row_of(tmp_path, folder="shorter")["base_best"] == pytest.approx(0.7 - 0.19)


def test_a_base_that_diverged_at_once_has_no_accuracy_to_compare_with(tmp_path):
    diverged_at_once(tmp_path, BASELINE)
    store(tmp_path, NORMALIZE)
    row = row_of(tmp_path)
    assert row["base_best"] is None and row["best"] == pytest.approx(0.7)


def test_an_ablation_trains_what_is_missing_and_shows_each_effect(rdfia_here, tmp_path):
    args = ("ablate", "normalize", "--dataset", "digits", "--quick", "--seeds", "2")
    first = rdfia_here(*args)
    assert first.returncode == 0, first.stderr
    assert "in the whole" in first.stdout and first.stdout.count("n = 2") == 2
    assert (tmp_path / "results/sweeps/ablate-digits-normalize-quick/sweep.png").stat().st_size > 5000
    again = rdfia_here(*args, "--json")
    assert "epoch" not in again.stderr
    (ingredient,) = json.loads(again.stdout)["ingredients"]
    # Two steps: the whole is the first step with the only ingredient.
    assert ingredient["in_the_whole"] == ingredient["added_alone"]

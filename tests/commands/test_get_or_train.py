"""What `get_or_train` takes, resumes and trains anew."""

import shutil
from dataclasses import replace

import pytest
from stored_runs import change, data_gone, store

from rdfia_keras.config import RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import Experiment
from rdfia_keras.experiments.registry import BASELINE
from rdfia_keras.runs.locks import lock_wanted
from rdfia_keras.runs.run import Run, RunLocked
from rdfia_keras.runs.store import Query
from rdfia_keras.training.get_or_train import Resources, get_or_train


def small(**settings) -> Experiment:
    """The baseline with the network that is trained fastest."""
    return change(BASELINE, **{"network": "dense", "batch_size": 16, "epochs": 1, "lr": 0.01, **settings})


SMALL = small()


def get(out, experiment, load, quick=False, overwrite=False, **query) -> Run:
    """Get or train the run of an experiment.

    Args:
        load: A data set, or a function that returns it.
    """
    options = RunOptions(out=out, quick=quick, overwrite=overwrite)
    resources = Resources(options, load if callable(load) else lambda config: load)
    return get_or_train(experiment, Query(config=experiment.config, quick=quick, **query), resources)


@pytest.fixture(scope="module")
def trained(tiny_images, tmp_path_factory):
    """A results folder with a finished run of `SMALL`."""
    out = tmp_path_factory.mktemp("trained")
    assert get(out, SMALL, tiny_images).exit_code == 0
    return out


@pytest.fixture
def results(trained, tmp_path):
    """A copy of it for one test."""
    return shutil.copytree(trained, tmp_path / "results")


def runs_in(out) -> list[str]:
    return sorted(path.name for path in (out / "cnn").iterdir() if path.is_dir())


def test_a_finished_run_is_taken_for_the_data_that_it_was_trained_on(results, tiny_images):
    run = get(results, SMALL, tiny_images)
    assert (run.folder, run.exit_code) == (results / "cnn" / "baseline", None)
    other = tiny_images.take(10)
    assert get(results, SMALL, other).folder.name == "baseline-2"
    # Each is found again.
    assert [get(results, SMALL, data).folder.name for data in (tiny_images, other)] == ["baseline", "baseline-2"]


def test_a_finished_run_is_taken_with_a_warning_where_the_data_are_missing(results, tmp_path, capsys):
    run = get(results, SMALL, data_gone)
    assert (run.folder, run.exit_code) == (results / "cnn" / "baseline", None)
    assert "warning: cifar10 is gone. " in capsys.readouterr().err
    with pytest.raises(RdfiaError, match="cifar10 is gone"):
        get(tmp_path / "empty", SMALL, data_gone)


def test_a_shorter_run_is_made_longer_if_it_has_a_checkpoint(results, tiny_images):
    assert get(results, small(epochs=2), tiny_images).epochs == 2 and runs_in(results) == ["baseline"]
    shutil.rmtree(results / "cnn" / "baseline" / "checkpoints")
    before = (results / "cnn" / "baseline" / "metrics.json").read_bytes()
    assert get(results, small(epochs=3), tiny_images).folder.name == "baseline-2"
    assert (results / "cnn" / "baseline" / "metrics.json").read_bytes() == before


def test_overwrite_trains_again_and_deletes_no_other_run(results, tiny_images):
    store(results, change(SMALL, seed=2), name="other")
    record = results / "cnn" / "baseline" / "metrics.json"
    before = record.stat().st_mtime_ns
    get(results, SMALL, tiny_images, overwrite=True)
    assert record.stat().st_mtime_ns > before
    get(results, SMALL, tiny_images, quick=True, overwrite=True)
    assert runs_in(results) == ["baseline", "baseline-2", "other"]
    with pytest.raises(RdfiaError, match="cifar10 is gone"):
        get(results, SMALL, data_gone, overwrite=True)
    assert record.exists(), "a run that cannot be trained again must stay"


def test_a_run_that_another_process_trains_is_left_alone(results, tiny_images):
    query = Query(config=replace(SMALL.config, seed=9), data=tiny_images.digest)
    with lock_wanted(results, query), pytest.raises(RunLocked):
        get_or_train(SMALL, query, Resources(RunOptions(out=results)), wait=False)
    assert runs_in(results) == ["baseline"]

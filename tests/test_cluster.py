"""A sweep on a cluster, as far as no Ray is needed: options, and what a worker returns to its driver."""

import sys
import tempfile
from dataclasses import replace
from types import SimpleNamespace

import pytest

import rdfia_keras
from rdfia_keras.config import RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import declare_sweep
from rdfia_keras.runs.run import Run
from rdfia_keras.training.cluster import Cluster, SweepFacts, keep, work
from rdfia_keras.training.get_or_train import Resources
from rdfia_keras.training.trials import lock_trial, plan


def test_without_ray_there_is_one_sentence(rdfia_here, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = rdfia_here("sweep", "circles", "--ray")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: Ray is not installed: run pip install '.[cluster]' in a checkout\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (["--num-cpus", "2"], "need --ray or --address"),
        (["--num-gpus", "0"], "need --ray or --address"),
        (["--ray", "--num-cpus", "0"], "must be at least 1"),
        (["--ray", "--num-gpus", "1.5"], "must be between 0 and 1"),
        (["--ray", "--num-gpus", "0.5", "--device", "cpu"], "exclude each other"),
        (["--address", "auto", "--device", "gpu"], "--device gpu needs --num-gpus"),
        (["--address", "there"], "must be HOST:PORT, or auto"),
        (["--address", ""], "must be HOST:PORT, or auto"),
    ],
)
def test_options_of_a_cluster_are_checked(rdfia_here, tmp_path, typed, said):
    done = rdfia_here("sweep", "circles", *typed)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr and done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_cluster_has_room_where_one_node_has_all_that_a_trial_takes():
    def node(alive=True, **resources):
        return {"Alive": alive, "Resources": resources}

    nodes = [node(CPU=5.0), node(CPU=4.0, GPU=1.0), node(), node(CPU=64.0, GPU=8.0, alive=False)]
    assert Cluster(num_cpus=1).room(nodes) == 9 and Cluster(num_cpus=2).room(nodes) == 4
    assert Cluster(num_cpus=1, num_gpus=0.5).room(nodes) == 2 and Cluster(num_cpus=3, num_gpus=0.5).room(nodes) == 1
    assert Cluster(num_cpus=6).room(nodes) == 0


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A function that trains a trial as a node does, which has `tmp_path/node` for temporary files."""
    (tmp_path / "node").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))
    monkeypatch.setattr(sys, "argv", sys.argv)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "1")
    (trial,) = plan(declare_sweep(["circles"], ["epochs=3"], 1), quick=False)
    trial = replace(trial, query=replace(trial.query, data=Resources(RunOptions()).prepared(trial.query.config).digest))

    def train(is_shared, version=rdfia_keras.__version__):
        out = tmp_path / "results"
        out.mkdir(exist_ok=True)
        (out / "marker").touch()
        marker = out / ("marker" if is_shared else "a marker that this node does not see")
        options = RunOptions(out=out)
        with lock_trial(trial, options, wait=False):  # As the driver does.
            return work(trial, SweepFacts(options, marker, "scratch", 1, ("rdfia", "sweep", "circles"), version))

    return train


def test_a_node_that_shares_the_results_folder_returns_the_record(node, tmp_path):
    trained, files = node(is_shared=True)
    assert sorted(files) == ["config.json", "history.csv", "metrics.json"]
    run = keep(trained, files, tmp_path / "results")
    assert run.folder == tmp_path / "results" / "mlp" / "circles" and run.record.epochs == 3
    assert '"argv": [\n    "sweep",' in (run.folder / "config.json").read_text()
    assert node(is_shared=True) == (trained, files), "found, not trained again"
    assert not (tmp_path / "node" / "scratch").exists()


def test_a_driver_that_does_not_see_the_files_of_a_shared_folder_yet_writes_them(node, tmp_path):
    folder, files = node(is_shared=True)
    (folder / "metrics.json").unlink()
    assert keep(folder, files, tmp_path / "results").folder == folder
    assert Run(folder).result.epochs == 3


def test_a_node_without_the_results_folder_returns_everything_and_keeps_nothing(node, tmp_path):
    out = tmp_path / "results"
    folder, files = node(is_shared=False)
    assert "checkpoints/last.ckpt" in files and not list(out.glob("mlp/*/*"))
    assert not list((tmp_path / "node").rglob("metrics.json"))
    first, second = keep(folder, files, out), keep(folder, files, out)
    assert [copy.folder.name for copy in (first, second)] == ["circles", "circles-2"], "nothing is written over"
    assert {path.name: path.read_bytes() for path in first.folder.glob("*.*")} == {
        name: content for name, content in files.items() if "/" not in name
    }
    shared = keep(*node(is_shared=True), out)
    assert shared.folder == first.folder and Run(first.folder).result.details["weights_digest"]


def test_other_data_on_a_node_are_one_sentence_with_the_trial(node, monkeypatch):
    monkeypatch.setattr(Resources, "prepared", lambda resources, config: SimpleNamespace(digest="0123"))
    with pytest.raises(RdfiaError, match=r"circles, on the node .*: the data set circles is another one here"):
        node(is_shared=True)


def test_another_version_on_a_node_is_one_sentence_with_the_trial(node):
    with pytest.raises(RdfiaError, match=r"circles, on the node .*: rdfia-keras is .* there and 0 here"):
        node(is_shared=True, version="0")

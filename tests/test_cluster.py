"""A sweep on a cluster, as far as no Ray is needed: options, claims, and what a worker gives back to its driver."""

import sys
import tempfile
from types import SimpleNamespace

import pytest
from rdfia_keras.runs.claims import DRIVER, WORKER, claimed
from rdfia_keras.runs.records import read_record

import rdfia_keras
from rdfia_keras.config import RunOptions
from rdfia_keras.errors import RdfiaError
from rdfia_keras.experiments import declare_sweep
from rdfia_keras.sections import sweep
from rdfia_keras.sections.cluster import Board, Cluster, Job, keep, table, work


def test_without_ray_there_is_one_sentence(rdfia_here, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "ray", None)
    done = rdfia_here("sweep", "circles", "--ray")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "error: Ray is not installed: run pip install 'rdfia-keras[cluster]'\n"
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


def test_a_worker_may_train_what_its_driver_has_claimed_and_nobody_else_may(tmp_path):
    (trial,) = sweep.plan(declare_sweep(["circles"], [], 1), quick=False)
    with claimed(tmp_path, trial.query, roles=(DRIVER,)):
        with claimed(tmp_path, trial.query, wait=False, roles=(WORKER,)):
            pass
        with pytest.raises(Busy), claimed(tmp_path, trial.query, wait=False):
            pass
    # The driver has died, and its worker has not noticed yet.
    with (
        claimed(tmp_path, trial.query, roles=(WORKER,)),
        pytest.raises(Busy),
        claimed(tmp_path, trial.query, wait=False),
    ):
        pass
    with claimed(tmp_path, trial.query, wait=False):
        pass


class Here:
    """A board in this process, written to in the way of one that Ray holds."""

    def __init__(self, board):
        for name in ("started", "epoch"):
            setattr(self, name, SimpleNamespace(remote=getattr(board, name)))


@pytest.fixture
def node(tmp_path, monkeypatch):
    """A function that trains a trial as a node does, which has `tmp_path/node` for temporary files."""
    (tmp_path / "node").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "node"))
    monkeypatch.setattr(sys, "argv", sys.argv)
    for name in ("TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"):
        monkeypatch.setenv(name, "1")
    (trial,) = sweep.plan(declare_sweep(["circles"], ["epochs=3"], 1), quick=False)

    def train(is_shared, board=None, version=rdfia_keras.__version__):
        out = tmp_path / "results"
        out.mkdir(exist_ok=True)
        (out / "marker").touch()
        marker = "marker" if is_shared else "a marker that this node does not see"
        job = Job(RunOptions(out=out), marker, "scratch", 1, ("rdfia", "sweep", "circles"), version)
        return work(0, trial, job, Here(board or Board()))

    return train


def test_a_node_that_shares_the_results_folder_gives_back_the_record(node, tmp_path):
    returned = node(is_shared=True)
    assert sorted(returned.files) == ["config.json", "history.csv", "metrics.json"]
    run = keep(tmp_path / "results", returned)
    assert run.folder == tmp_path / "results" / "mlp" / "circles" and run.record.epochs == 3
    assert '"argv": [\n    "sweep",' in (run.folder / "config.json").read_text()
    assert node(is_shared=True) == returned, "found, not trained again"
    assert not (tmp_path / "node" / "scratch").exists()


def test_a_node_without_the_results_folder_gives_back_everything_and_keeps_nothing(node, tmp_path):
    board, out = Board(), tmp_path / "results"
    returned = node(is_shared=False, board=board)
    assert "checkpoints/last.ckpt" in returned.files and not list(out.glob("mlp/*/*"))
    assert not list((tmp_path / "node").rglob("metrics.json"))
    first, second = keep(out, returned), keep(out, returned)
    assert [run.folder.name for run in (first, second)] == ["circles", "circles-2"], "nothing is written over"
    assert {path.name: path.read_bytes() for path in first.folder.glob("*.*")} == {
        name: content for name, content in returned.files.items() if "/" not in name
    }
    shared = keep(out, node(is_shared=True))
    assert shared.folder == first.folder and read_record(first.folder).record.details["weights_digest"]


def test_another_version_on_a_node_is_one_sentence_with_the_trial(node):
    with pytest.raises(RdfiaError, match=r"circles, on the node .*: rdfia-keras is .* there and 0 here"):
        node(is_shared=True, version="0")


def test_a_board_counts_how_often_a_trial_was_started():
    board = Board()
    for name in ("one", "other"):
        board.started(7, name)
        board.epoch(7, 2, 10, 0.5)
    board.started(8, "one")
    assert board.read([7, 9]) == {
        7: {"node": "other", "attempt": 2, "done": 2, "epochs": 10, "test_accuracy": 0.5},
    }
    rows = [{"trial": f"trial-{number}", **row} for number, row in board.read([7, 8]).items()]
    shown = table(rows, waiting=3)
    assert shown.title == "training 2, waiting 3"
    assert [list(column.cells) for column in shown.columns] == [
        ["trial-7", "trial-8"],
        ["other", "one"],
        ["2/10", "-"],
        ["50.00%", "-"],
    ]

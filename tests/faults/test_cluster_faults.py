"""A sweep on a Ray cluster of two nodes that loses a worker, a node, its driver: every trial is trained once."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from processes import ENV, digest, ends, ends_here, kill, numbers, runs, start, wait_until

os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
ray_cluster = pytest.importorskip("ray.cluster_utils")

RAY_DIED = "Ray has died on this machine; the same command again resumes the sweep"
# Some seconds each, one checkpoint a second.
SWEEP = ("sweep", "circles", "--set", "batch_size=1", "--set", "epochs=6000", "--seeds", 3)
TRIALS = ["batch-1", "batch-1-seed-1", "batch-1-seed-2"]
# Convnets with augmentation and dropout, 12 trials.
CONVNETS = ("sweep", "cnn", "--set", "dataset=digits", "--set", "augmentations=none,crop+flip")
CONVNETS += ("--set", "dropout_rate=0,0.5", "--set", "epochs=8", "--seeds", 3)
# What a trial of one core has: the bits of a convnet depend on the number of threads.
ONE_THREAD = {"TF_NUM_INTRAOP_THREADS": "1", "TF_NUM_INTEROP_THREADS": "1", "OMP_NUM_THREADS": "1"}
KILLS = int(os.environ.get("RDFIA_KILLS", 0))


@pytest.fixture(scope="module")
def cluster():
    """A head node and a second one, of one core each."""
    made = ray_cluster.Cluster(initialize_head=True, head_node_args={"num_cpus": 1, "include_dashboard": False})
    try:
        # Of another address, so that no driver takes it for the node of its own machine.
        made.add_node(num_cpus=1, node_ip_address="127.0.0.2")
        yield made
    finally:
        made.shutdown()


@pytest.fixture(scope="module")
def in_sequence(tmp_path_factory) -> dict[str, str]:
    """Digests of the trials as one process trains them, one after the other."""
    folder = tmp_path_factory.mktemp("sequence")
    ends_here(*SWEEP, cwd=folder, code=0)
    return digests(folder)


def digests(folder: Path, section: str = "mlp") -> dict[str, str]:
    """By run; every run's folder in the results counts, so that no trial was trained twice."""
    return {run.name: digest(run) for run in runs(folder / "results" / section)}


def processes() -> Iterator[tuple[int, str, int]]:
    """Of each process its id, its title, and the id of its parent."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # It has ended.
            title = (process / "cmdline").read_bytes().split(b"\0")[0].decode()
            yield int(process.name), title, int((process / "stat").read_text().rpartition(")")[2].split()[1])


def workers(node=None, names=TRIALS) -> dict[str, int]:
    """Processes that train one of some trials, by its name; of a node, or of both."""
    raylet = node and node.all_processes["raylet"][0].process.pid
    titles = {f"ray::{name}": name for name in names}
    return {titles[title]: pid for pid, title, parent in processes() if title in titles and raylet in (None, parent)}


def rows(folder: Path, trial: str) -> list[str]:
    """What the history of a trial holds by now."""
    path = folder / "results" / "mlp" / trial / "history.csv"
    return path.read_text().splitlines()[1:] if path.exists() else []


def trains(folder: Path, node=None) -> str | None:
    """A trial that a node trains and that has a checkpoint."""
    return next((trial for trial in workers(node) if rows(folder, trial)), None)


def test_a_killed_worker_and_a_lost_node_cost_no_trial(cluster, in_sequence, tmp_path):
    head, (other,) = cluster.head_node, cluster.worker_nodes
    driver = start(*SWEEP, "--address", cluster.address, cwd=tmp_path)
    before = {}
    wait_until(lambda: trains(tmp_path, head), driver)
    before |= {(killed := trains(tmp_path, head)): rows(tmp_path, killed)}
    os.kill(workers(head)[killed], 9)
    wait_until(lambda: trains(tmp_path, other), driver)
    before |= {(lost := trains(tmp_path, other)): rows(tmp_path, lost)}
    cluster.remove_node(other, allow_graceful=False)
    out, err = driver.communicate(timeout=150)
    assert driver.returncode == 0, err
    assert digests(tmp_path) == in_sequence and sorted(in_sequence) == TRIALS
    for trial, first_rows in before.items():
        # Times included: these epochs were not trained again.
        assert rows(tmp_path, trial)[: len(first_rows)] == first_rows
    assert out.splitlines()[0].startswith("experiment") and out.splitlines()[1].startswith("batch-1     3")


def test_a_killed_driver_leaves_what_the_same_command_completes(cluster, in_sequence, tmp_path):
    args = (*SWEEP, "--address", cluster.address)
    driver = start(*args, cwd=tmp_path)
    wait_until(lambda: trains(tmp_path), driver)
    first = trains(tmp_path)
    first_rows = rows(tmp_path, first)
    kill(driver)
    ends(*args, cwd=tmp_path, code=0)
    assert digests(tmp_path) == in_sequence
    assert rows(tmp_path, first)[: len(first_rows)] == first_rows


def test_a_cluster_that_is_not_there_is_one_sentence(tmp_path):
    done = ends(*SWEEP, "--address", "127.0.0.1:1", cwd=tmp_path, code=1)
    assert done.stderr.count("error: ") == 1 and "cannot join a Ray cluster at 127.0.0.1:1" in done.stderr


def test_ray_that_dies_on_this_machine_is_one_sentence(tmp_path):
    """One trial at a time, so that another one needs Ray when the first has ended."""
    driver = start(*SWEEP, "--ray", "--num-cpus", os.cpu_count(), cwd=tmp_path)
    wait_until(lambda: rows(tmp_path, TRIALS[0]), driver)
    (raylet,) = (pid for pid, name, parent in processes() if name.endswith("/raylet") and parent == driver.pid)
    os.kill(raylet, 9)
    _, err = driver.communicate(timeout=150)
    assert driver.returncode == 1 and err.endswith(f"error: {RAY_DIED}\n"), err


@pytest.mark.skipif(not KILLS, reason="set RDFIA_KILLS=20 for a quarter of an hour of kills")
def test_random_kills_of_workers_and_nodes(cluster, tmp_path):
    """At random moments, those in which a worker starts, compiles or writes included."""
    whole, cut, chance = tmp_path / "whole", tmp_path / "cut", random.Random(19)
    for folder in (whole, cut):
        folder.mkdir()
    in_sequence = start(*CONVNETS, cwd=whole, env=ENV | ONE_THREAD)
    _, err = in_sequence.communicate()
    assert in_sequence.returncode == 0, err
    names = sorted(digests(whole, "cnn"))
    driver = start(*CONVNETS, "--address", cluster.address, cwd=cut)
    for number in range(KILLS):
        time.sleep(chance.uniform(0, 25))
        wait_until(lambda: workers(names=names), driver)
        if number % 3:
            os.kill(chance.choice(list(workers(names=names).values())), 9)
        else:
            (node,) = cluster.worker_nodes
            cluster.remove_node(node, allow_graceful=False)
            cluster.add_node(num_cpus=1, node_ip_address=f"127.0.0.{number + 3}")
    _, err = driver.communicate()
    assert driver.returncode == 0, err
    print(err)
    assert len(names) == 12 and digests(cut, "cnn") == digests(whole, "cnn")
    for name in names:
        assert numbers(cut / "results" / "cnn" / name) == numbers(whole / "results" / "cnn" / name)

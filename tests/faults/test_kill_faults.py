"""`kill -9` at any moment: what resumes ends with the bits of a run that nothing interrupted."""

import random
import time
from pathlib import Path

import pytest
from processes import (
    DENSE,
    GPU_PATH,
    PATIENCE,
    TRAIN,
    VALIDATED,
    digest,
    ends,
    ends_here,
    folder_of,
    fork,
    kill,
    numbers,
    record,
    runs,
    start,
    wait_for_epochs,
    wait_for_line,
)


@pytest.fixture(scope="session")
def whole(pictures, shared) -> Path:
    """The folder of a run that nothing interrupted."""

    def fill(folder: Path) -> None:
        done = ends_here("cnn", "--dataset", pictures, *TRAIN, "--epochs", 6, cwd=folder, code=0)
        folder_of(done, folder).rename(folder / "run")

    return shared("whole", fill) / "run"


@pytest.mark.parametrize(("kills", "begin"), [(1, start), (2, fork)], ids=["once", "twice"])
def test_kill_9_in_mid_epoch_then_resume_ends_bit_equal(pictures, whole, tmp_path, kills, begin):
    args = ("cnn", "--dataset", pictures, *TRAIN, "--epochs", 6)
    for epochs in range(2, 2 + kills):
        process = begin(*args, cwd=tmp_path)
        folder = wait_for_epochs(process, tmp_path / "results" / "cnn", epochs)
        time.sleep(0.1)
        kill(process)
        assert not (folder / "metrics.json").exists()
        assert epochs <= len(numbers(folder)) < 6
        args = ("resume",)
    done = (ends if begin is start else ends_here)("resume", cwd=tmp_path, code=0)
    assert "resuming after epoch" in done.stderr
    assert runs(tmp_path / "results" / "cnn") == [folder] == [folder_of(done, tmp_path)]
    assert digest(folder) == digest(whole)
    assert numbers(folder) == numbers(whole)
    assert [row["epoch"] for row in numbers(folder)] == ["1", "2", "3", "4", "5", "6"]
    assert record(folder)["best"] == record(whole)["best"]


def test_improve_killed_in_its_second_run_resumes_there_when_it_is_called_again(pictures, tmp_path):
    args = ("improve", "mnist-dense", "mnist-lenet", "--dataset", pictures, "--epochs", 12)
    undisturbed = ends_here(*args, "--out", "whole", cwd=tmp_path, code=0)
    process = fork(*args, "--out", "cut", cwd=tmp_path)
    wait_for_epochs(process, tmp_path / "cut" / "cnn", 2, "*lenet*")
    kill(process)
    done = ends_here(*args, "--out", "cut", cwd=tmp_path, code=0)
    assert "finished earlier, in" in done.stderr and "resuming after epoch" in done.stderr
    assert done.stdout.splitlines()[:-1] == undisturbed.stdout.splitlines()[:-1]
    names = [path.name for path in runs(tmp_path / "whole" / "cnn")]
    assert [path.name for path in runs(tmp_path / "cut" / "cnn")] == names and len(names) == 2
    for name in names:
        assert digest(tmp_path / "whole" / "cnn" / name) == digest(tmp_path / "cut" / "cnn" / name)


@pytest.mark.parametrize(
    ("kills", "network"), [(5, TRAIN), (11, (*DENSE, *VALIDATED)), (4, GPU_PATH)], ids=["convnet", "dense", "gpu-path"]
)
def test_kill_9_at_random_moments_always_resumes(pictures, tmp_path, kills, network):
    """The moments count from the first epoch of each process, so that most fall into training and saving."""
    chance = random.Random(20)
    args = ("cnn", "--dataset", pictures, *network)
    process = fork(*args, "--epochs", 5000, cwd=tmp_path)
    folder = wait_for_epochs(process, tmp_path / "results" / "cnn", 1)
    done = 0
    for _ in range(kills):
        time.sleep(chance.uniform(0, 0.2))
        kill(process)
        before, done = done, len(numbers(folder))
        assert done > before
        process = fork("resume", folder, cwd=tmp_path)
        line = wait_for_line(process, "resuming after epoch")
        # The history follows the checkpoint: the kill may have come between the two.
        resumed_after = int(line.split("resuming after epoch ")[1].split()[0])
        assert resumed_after - done in (0, 1)
        wait_for_epochs(process, folder.parent, resumed_after + 1)
    process.terminate()
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 143
    rows = [int(row["epoch"]) for row in numbers(folder)]
    assert rows == list(range(1, len(rows) + 1)) and len(rows) > kills
    assert not list(folder.rglob(".*.part*"))
    undisturbed = ends_here(*args, "--epochs", len(rows), "--out", "whole", cwd=tmp_path, code=0)
    assert numbers(folder) == numbers(folder_of(undisturbed, tmp_path))
    assert digest(folder) == digest(folder_of(undisturbed, tmp_path))
    assert record(folder)["selected"] == record(folder_of(undisturbed, tmp_path))["selected"]


def test_mlp_resumes_bit_equal_after_kill_9(tmp_path):
    args = ("mlp", "--dataset", "digits", "--batch-size", 1, "--epochs", 40, *VALIDATED)
    reference = ends_here(*args, "--out", "whole", cwd=tmp_path, code=0)
    process = fork(*args, "--out", "killed", cwd=tmp_path)
    folder = wait_for_epochs(process, tmp_path / "killed" / "mlp", 41)
    kill(process)
    # The first of the four implementations was finished.
    assert 40 < len(numbers(folder)) < 160 and not (folder / "metrics.json").exists()
    done = ends_here("resume", "--out", "killed", cwd=tmp_path, code=0)
    whole, resumed = folder_of(reference, tmp_path), folder_of(done, tmp_path)
    assert digest(whole) == digest(resumed) and len(digest(whole)) == 4
    assert numbers(whole) == numbers(resumed)

"""`kill -9` at any moment: what resumes ends with the bits of a run that nothing interrupted."""

import random
import time

import pytest
from processes import (
    DENSE,
    GPU_PATH,
    PATIENCE,
    TRAIN,
    VALIDATED,
    digest,
    ends_here,
    folder_of,
    fork,
    kill,
    numbers,
    record,
    start,
    wait_for_epochs,
    wait_for_line,
)


@pytest.mark.parametrize(
    ("kills", "network", "begin"),
    [(3, TRAIN, start), (8, (*DENSE, *VALIDATED), fork), (3, GPU_PATH, fork)],
    ids=["convnet", "dense", "gpu-path"],
)
def test_kill_9_at_random_moments_always_resumes(pictures, tmp_path, kills, network, begin):
    """The moments count from the first epoch of each process, so that most fall into training and saving."""
    chance = random.Random(20)
    args = ("cnn", "--dataset", pictures, *network)
    process = begin(*args, "--epochs", 5000, cwd=tmp_path)
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
    for chosen in ("best", "selected"):
        assert record(folder)[chosen] == record(folder_of(undisturbed, tmp_path))[chosen]


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

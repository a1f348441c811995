"""Full and read-only disks, and two processes that write at once."""

import subprocess
from pathlib import Path

import pytest
from processes import (
    PATIENCE,
    PLAIN,
    assert_one_sentence,
    ends_here,
    fork,
    kill,
    numbers,
    record,
    runs,
    wait_for_epochs,
)


def grow(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)


# A checkpoint of this network (fc 100) and this optimizer takes about 2.5 MB; three of them are there while one is
# written, and at the end two of them, two models of 1.2 MB and the pictures.
@pytest.mark.parametrize(("kilobytes", "where"), [(4, "config"), (6_300, "checkpoint"), (7_560, "picture")])
def test_a_full_disk_keeps_the_last_good_files(pictures, small_disk, tmp_path, kilobytes, where):
    disk = small_disk(kilobytes)
    if where == "config":
        (disk / "other").write_bytes(bytes(1024 * kilobytes))
    args = ("cnn", "--dataset", pictures, "--network", "dense", "--epochs", 5, "--out", disk / "out")
    done = ends_here(*args, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "No space left" in done.stderr, done.stderr
    if where == "config":
        assert "config.json" in done.stderr  # before any training
        return
    (folder,) = runs(disk / "out" / "cnn")
    assert not list(folder.rglob(".*.part*"))
    assert ("checkpoint" in done.stderr) == (where == "checkpoint")
    grow(disk)
    again = ends_here("resume", "--out", disk / "out", cwd=tmp_path, code=0)
    assert "resuming after epoch" in again.stderr
    assert record(folder)["status"] == "ok" and len(numbers(folder)) == 5


def test_a_full_disk_at_the_history_of_mlp(small_disk, tmp_path):
    disk = small_disk(60)
    done = ends_here("mlp", "--epochs", 600, "--out", disk / "out", cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "history.csv" in done.stderr or "checkpoint" in done.stderr
    grow(disk)
    ends_here("resume", "--out", disk / "out", cwd=tmp_path, code=0)


def test_a_read_only_folder_is_refused_before_training(small_disk, tmp_path):
    disk = small_disk(1000)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    done = ends_here("mlp", "--out", disk / "out", cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "Read-only file system" in done.stderr and "epoch" not in done.stderr


def test_two_runs_at_once_get_two_folders(tmp_path):
    both = [fork("mlp", "--quick", "--implementation", "manual", cwd=tmp_path) for _ in range(2)]
    folders = {process.communicate(timeout=PATIENCE)[0].splitlines()[-1] for process in both}
    assert folders == {"results/mlp/circles", "results/mlp/circles-2"}
    assert numbers(tmp_path / "results/mlp/circles") == numbers(tmp_path / "results/mlp/circles-2")


def test_a_run_that_is_being_written_is_not_resumed(pictures, tmp_path):
    process = fork("cnn", "--dataset", pictures, *PLAIN, "--epochs", 5000, cwd=tmp_path)
    folder = wait_for_epochs(process, tmp_path / "results" / "cnn", 1)
    done = ends_here("resume", folder, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "another process" in done.stderr
    # Without its name it is not even looked for.
    assert "there is no unfinished run in" in ends_here("resume", cwd=tmp_path, code=1).stderr
    kill(process)

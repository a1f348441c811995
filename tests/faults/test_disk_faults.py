"""Full and read-only disks."""

import subprocess
from pathlib import Path

import pytest
from processes import assert_one_sentence, ends_here, numbers, record, runs


def grow(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)


# A checkpoint of this network (fc 100) and this optimizer takes about 2.5 MB; three of them are there while one is
# written, and at the end two of them, two models of 1.2 MB and the pictures.
@pytest.mark.parametrize(("kilobytes", "where"), [(6_300, "checkpoint"), (7_560, "picture")])
def test_a_full_disk_keeps_the_last_good_files(pictures, small_disk, tmp_path, kilobytes, where):
    disk = small_disk(kilobytes)
    args = ("cnn", "--dataset", pictures, "--network", "dense", "--epochs", 5, "--out", disk / "out")
    done = ends_here(*args, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "No space left" in done.stderr, done.stderr
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

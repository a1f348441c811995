"""Faults, with the real command in processes of its own: what is killed, cut off, full or damaged.

`make faults` runs these; they take minutes, since each starts TensorFlow anew.
"""

import csv
import json
import os
import pickle
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pytest

TRAIN = ("--augment", "--dropout", "--batch-norm", "--optimizer", "momentum", "--lr", "0.01", "--batch-size", "8")
ENV = {key: value for key, value in os.environ.items() if key != "RDFIA_DATA"}


def start(*args, cwd: Path, **kwargs) -> subprocess.Popen:
    command = [sys.executable, "-m", "rdfia_keras", *map(str, args)]
    pipes = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=cwd, text=True, **{**pipes, "env": ENV, **kwargs})


def wait_for_epoch(process: subprocess.Popen, number: int) -> str | None:
    """Read the process's stderr until it reports the epoch; None when it ended before."""
    for line in process.stderr:
        if f"epoch {number}/" in line:
            return line
    return None


def numbers(folder: Path) -> list[dict]:
    with (folder / "history.csv").open() as file:
        return [{key: value for key, value in row.items() if key != "seconds"} for row in csv.DictReader(file)]


def record(folder: Path) -> dict:
    return json.loads((folder / "metrics.json").read_text())


def assert_one_sentence(text: str) -> None:
    lines = [line for line in text.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1 and "Traceback" not in text, text


def ends(*args, cwd: Path, code: int, **kwargs) -> subprocess.CompletedProcess:
    process = start(*args, cwd=cwd, **kwargs)
    out, err = process.communicate(timeout=150)
    assert process.returncode == code, err
    return subprocess.CompletedProcess(args, code, out, err)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory) -> Path:
    """60 training and 20 test images of two classes: an epoch takes a fraction of a second."""
    from PIL import Image

    base = tmp_path_factory.mktemp("pictures") / "own"
    rng = np.random.default_rng(2)
    for split, count in (("train", 30), ("test", 10)):
        for level, name in ((40, "night"), (120, "day")):
            (base / split / name).mkdir(parents=True)
            for i in range(count):
                pixels = rng.integers(0, 100, (32, 32, 3)) + level
                Image.fromarray(pixels.astype(np.uint8)).save(base / split / name / f"{i:02}.png")
    return base


@pytest.fixture(scope="module")
def whole(pictures, tmp_path_factory) -> Path:
    """The folder of a run that nothing interrupted."""
    folder = tmp_path_factory.mktemp("whole")
    done = ends("cnn", "--dataset", pictures, *TRAIN, "--epochs", 6, cwd=folder, code=0)
    return folder / done.stdout.splitlines()[-1]


def test_kill_9_in_mid_epoch_then_resume_ends_bit_equal(pictures, whole, tmp_path):
    process = start("cnn", "--dataset", pictures, *TRAIN, "--epochs", 6, cwd=tmp_path)
    assert wait_for_epoch(process, 2)
    time.sleep(0.1)
    process.kill()
    process.communicate()
    folder = next((tmp_path / "results" / "cnn").iterdir())
    assert not (folder / "metrics.json").exists()
    assert 2 <= len(numbers(folder)) < 6
    done = ends("cnn", "--resume", cwd=tmp_path, code=0)
    assert "going on after epoch" in done.stderr
    assert record(folder)["weights_digest"] == record(whole)["weights_digest"]
    assert numbers(folder) == numbers(whole)
    assert [row["epoch"] for row in numbers(folder)] == ["1", "2", "3", "4", "5", "6"]
    assert record(folder)["best"] == record(whole)["best"]


def test_improve_killed_in_its_second_run_goes_on_there_when_it_is_called_again(pictures, tmp_path):
    args = ("improve", "baseline", "batch-norm", "--dataset", pictures, "--epochs", 4)
    undisturbed = ends(*args, "--out", "whole", cwd=tmp_path, code=0)
    process = start(*args, "--out", "cut", cwd=tmp_path)
    for line in process.stderr:
        if "batch-norm" in line and "epoch 2/" in line:
            break
    process.kill()
    process.communicate()
    done = ends(*args, "--out", "cut", cwd=tmp_path, code=0)
    assert "kept in" in done.stderr and "going on after epoch" in done.stderr
    assert done.stdout.splitlines()[:-1] == undisturbed.stdout.splitlines()[:-1]
    names = sorted(path.name for path in (tmp_path / "whole" / "cnn").iterdir())
    assert sorted(path.name for path in (tmp_path / "cut" / "cnn").iterdir()) == names and len(names) == 2
    for name in names:
        digests = [record(tmp_path / out / "cnn" / name)["weights_digest"] for out in ("whole", "cut")]
        assert digests[0] == digests[1]


def test_ctrl_c_ends_improve_with_what_is_finished(pictures, tmp_path):
    args = ("improve", "baseline", "normalize", "--dataset", pictures, "--epochs", 20)
    process = start(*args, cwd=tmp_path)
    for line in process.stderr:
        if "normalize" in line and "epoch 2/" in line:
            break
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "the same command goes on from here" in err
    assert len(out.splitlines()) == 3, out  # the heading, the finished run, the folder
    again = ends(*args, cwd=tmp_path, code=0)
    assert "kept in" in again.stderr and "going on after epoch" in again.stderr
    assert len(again.stdout.splitlines()) == 4


def test_kill_9_at_20_random_moments_always_resumes(pictures, tmp_path):
    """The moments count from the first epoch of each process, so that most fall into training and saving."""
    chance = random.Random(20)
    args = ("cnn", "--dataset", pictures, *TRAIN, "--epochs", 400)
    process = start(*args, cwd=tmp_path)
    wait_for_epoch(process, 1)
    folder = next((tmp_path / "results" / "cnn").iterdir())
    done = 0
    for _ in range(20):
        time.sleep(chance.uniform(0, 0.5))
        process.kill()
        process.communicate()
        before, done = done, len(numbers(folder))
        assert done >= before
        process = start("cnn", "--resume", folder, cwd=tmp_path)
        for line in process.stderr:
            if "going on after epoch" in line:
                # The history follows the checkpoint: the kill may have come between the two.
                assert int(line.split("going on after epoch ")[1].split()[0]) - done in (0, 1)
            if "  epoch " in line:
                break
        assert process.poll() is None, "the resumed run ended by itself"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    rows = [int(row["epoch"]) for row in numbers(folder)]
    assert rows == list(range(1, len(rows) + 1)) and len(rows) >= 20
    assert not list(folder.rglob(".*.part*"))


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_the_first_signal_saves_and_draws_and_names_the_resume_command(pictures, tmp_path, signum, code):
    process = start("cnn", "--dataset", pictures, *TRAIN, "--epochs", 300, cwd=tmp_path)
    wait_for_epoch(process, 2)
    process.send_signal(signum)
    out, err = process.communicate(timeout=60)
    assert process.returncode == code
    folder = tmp_path / out.splitlines()[-1]
    assert f"rdfia cnn --resume {out.splitlines()[-1]}" in err
    assert record(folder)["status"] == "interrupted"
    assert {"curves.png", "model.keras", "best.keras", "history.csv"} <= {path.name for path in folder.iterdir()}


def test_the_second_signal_ends_at_once(tmp_path):
    process = start("cnn", "--dataset", "digits", "--epochs", 50, cwd=tmp_path)
    wait_for_epoch(process, 1)
    process.send_signal(signal.SIGINT)
    # Two signals before Python gets to the first would count as one.
    for line in process.stderr:
        if "once more to stop at once" in line:
            break
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=30)
    assert process.returncode == 130
    folder = next((tmp_path / "results" / "cnn").iterdir())
    # What the first signal would have saved and drawn is not there: nothing was waited for.
    assert len(numbers(folder)) >= 1 and not (folder / "metrics.json").exists()


def test_mlp_goes_on_bit_equal_after_kill_9(tmp_path):
    args = ("mlp", "--dataset", "digits", "--batch-size", 1, "--epochs", 60)
    reference = ends(*args, "--out", "whole", cwd=tmp_path, code=0)
    process = start(*args, "--out", "killed", cwd=tmp_path)
    for line in process.stderr:
        if line.startswith("tape  epoch 20/"):
            break
    process.kill()
    process.communicate()
    done = ends("mlp", "--resume", "--out", "killed", cwd=tmp_path, code=0)
    one, other = (tmp_path / run.stdout.splitlines()[-1] for run in (reference, done))
    assert record(one)["weights_digest"] == record(other)["weights_digest"]
    assert numbers(one) == numbers(other)


@pytest.mark.parametrize("damage", ["truncated", "emptied", "flipped"])
def test_a_damaged_checkpoint_falls_back_and_two_are_told(whole, tmp_path, damage):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    for count in (1, 2):
        for name in ("last.ckpt", "previous.ckpt")[:count]:
            path = folder / "checkpoints" / name
            content = path.read_bytes()
            half = len(content) // 2
            flipped = content[:half] + bytes([byte ^ 1 for byte in content[half : half + 1]]) + content[half + 1 :]
            path.write_bytes({"truncated": content[:1000], "emptied": b"", "flipped": flipped}[damage])
        if count == 1 and damage != "flipped":
            continue  # The fallback is tried once for real.
        done = ends("cnn", "--resume", folder, "--epochs", 6 + count, cwd=tmp_path, code=0 if count == 1 else 1)
        if count == 1:
            assert "going on after epoch 5" in done.stderr
            assert numbers(folder)[:6] == numbers(whole)
        else:
            assert_one_sentence(done.stderr)
            assert "damaged" in done.stderr and "start a new run" in done.stderr


@pytest.mark.parametrize("name", ["config.json", "metrics.json", "history.csv"])
def test_a_damaged_text_file_is_told_or_made_anew(whole, tmp_path, name):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    (folder / name).write_bytes(b"\x00{")
    if name == "config.json":
        done = ends("cnn", "--resume", folder, cwd=tmp_path, code=1)
        assert_one_sentence(done.stderr)
        assert "config.json is missing or damaged" in done.stderr
    else:
        ends("cnn", "--resume", folder, "--epochs", 6 if name == "metrics.json" else 7, cwd=tmp_path, code=0)
        assert numbers(folder)[:6] == numbers(whole)
        assert record(folder)["status"] == "ok"


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (("--lr", "0.5"), "lr was 0.01 and is now 0.5"),
        (("--seed", "3"), "seed was 0 and is now 3"),
        (("--model", "lenet"), "model was cifar and is now lenet"),
        (("--dataset", "mnist"), "dataset was"),
        (("--epochs", "2"), "can only grow"),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
def test_resume_refuses_what_differs(whole, options, word):
    done = ends("cnn", "--resume", whole, *options, cwd=whole, code=1)
    assert_one_sentence(done.stderr)
    assert word in done.stderr


def test_resume_refuses_other_data_and_another_section(pictures, whole, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(whole, folder)
    config = json.loads((folder / "config.json").read_text())
    config["dataset"]["digest"] = "0" * 16
    (folder / "config.json").write_text(json.dumps(config))
    done = ends("cnn", "--resume", folder, "--epochs", 7, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "is another one now" in done.stderr
    assert "not of rdfia mlp" in ends("mlp", "--resume", whole, cwd=tmp_path, code=1).stderr
    assert "no unfinished run" in ends("cnn", "--resume", cwd=tmp_path, code=1).stderr


def test_a_quick_run_can_be_made_longer_and_a_refused_resume_changes_nothing(tmp_path):
    done = ends("cnn", "--dataset", "digits", "--model", "dense", "--quick", cwd=tmp_path, code=0)
    folder = tmp_path / done.stdout.splitlines()[-1]
    before = (folder / "config.json").read_bytes()
    env = {**ENV, "CUDA_VISIBLE_DEVICES": "-1"}
    done = ends("cnn", "--resume", folder, "--epochs", 4, "--device", "gpu", cwd=tmp_path, code=1, env=env)
    assert "--device gpu" in done.stderr and (folder / "config.json").read_bytes() == before
    ends("cnn", "--resume", folder, "--epochs", 4, cwd=tmp_path, code=0)
    assert len(numbers(folder)) == 4 and record(folder)["quick"] is True


def test_resuming_a_finished_run_rewrites_nothing(whole, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in whole.rglob("*")}
    done = ends("cnn", "--resume", whole, cwd=tmp_path, code=0)
    assert "finished already" in done.stderr and done.stdout.splitlines()[-1] == str(whole)
    assert {path: path.stat().st_mtime_ns for path in whole.rglob("*")} == before


@pytest.mark.parametrize("command", ["mlp", "cnn"])
def test_divergence_fails_with_its_epoch(pictures, tmp_path, command):
    args = ("cnn", "--dataset", pictures) if command == "cnn" else ("mlp",)
    done = ends(*args, "--lr", "1000000", cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "diverged" in done.stderr and "epoch 1" in done.stderr and "smaller --lr" in done.stderr
    assert record(tmp_path / done.stdout.splitlines()[-1])["status"] == "failed"


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a file system of so many kB."""
    mounted = []

    def mount(kilobytes: int, options: str = "") -> Path:
        folder = tmp_path / "disk"
        folder.mkdir(exist_ok=True)
        command = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k{options}", "tmpfs", str(folder)]
        if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode:
            pytest.skip("only root can mount a small disk")
        mounted.append(folder)
        return folder

    yield mount
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def grow(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)


# A checkpoint of this network (fc 100) and this optimizer takes about 2.5 MB; three of them are there while one is
# written, and at the end two of them, two models of 1.2 MB and the pictures.
@pytest.mark.parametrize(("kilobytes", "where"), [(40, "config"), (6_300, "checkpoint"), (7_560, "picture")])
def test_a_full_disk_keeps_the_last_good_files(pictures, small_disk, tmp_path, kilobytes, where):
    disk = small_disk(kilobytes if where != "config" else 4)
    args = ("cnn", "--dataset", pictures, "--model", "dense", "--epochs", 5, "--out", disk / "out")
    done = ends(*args, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "No space left" in done.stderr, done.stderr
    if where == "config":
        assert "epoch" not in done.stderr  # before any training
        return
    folder = next((disk / "out" / "cnn").iterdir())
    assert not list(folder.rglob(".*.part*"))
    assert ("checkpoint" in done.stderr) == (where == "checkpoint")
    grow(disk)
    again = ends("cnn", "--resume", "--out", disk / "out", cwd=tmp_path, code=0)
    assert "going on after epoch" in again.stderr
    assert record(folder)["status"] == "ok" and len(numbers(folder)) == 5


def test_a_full_disk_at_the_history_of_mlp(small_disk, tmp_path):
    disk = small_disk(60)
    done = ends("mlp", "--epochs", 600, "--out", disk / "out", cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "history.csv" in done.stderr or "checkpoint" in done.stderr
    grow(disk)
    ends("mlp", "--resume", "--out", disk / "out", cwd=tmp_path, code=0)


def test_a_read_only_folder_is_told_before_training(small_disk, tmp_path):
    disk = small_disk(1000)
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    done = ends("mlp", "--out", disk / "out", cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "Read-only file system" in done.stderr and "epoch" not in done.stderr


def test_two_runs_at_once_get_two_folders(tmp_path):
    both = [start("mlp", "--quick", cwd=tmp_path) for _ in range(2)]
    folders = {process.communicate(timeout=90)[0].splitlines()[-1] for process in both}
    assert folders == {"results/mlp/circles", "results/mlp/circles-2"}
    assert numbers(tmp_path / "results/mlp/circles") == numbers(tmp_path / "results/mlp/circles-2")


def test_a_run_that_is_being_written_is_not_resumed(pictures, tmp_path):
    process = start("cnn", "--dataset", pictures, *TRAIN, "--epochs", 500, cwd=tmp_path)
    wait_for_epoch(process, 1)
    folder = next((tmp_path / "results" / "cnn").iterdir())
    done = ends("cnn", "--resume", folder, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "another process" in done.stderr
    process.kill()
    process.communicate()


def test_damaged_pictures_are_listed_up_front(pictures, tmp_path):
    own = tmp_path / "own"
    shutil.copytree(pictures, own)
    target = own / "train" / "day"
    (target / "empty.png").write_bytes(b"")
    (target / "page.jpg").write_text("<html>not an image</html>")
    whole_png = (target / "00.png").read_bytes()
    (target / "cut.png").write_bytes(whole_png[: len(whole_png) // 2])
    done = ends("cnn", "--dataset", own, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    for word in ("3", "empty.png", "page.jpg", "cut.png"):
        assert word in done.stderr


def test_pictures_of_every_colour_mode_are_read(pictures, tmp_path):
    from PIL import Image

    own = tmp_path / "own"
    shutil.copytree(pictures, own)
    target = own / "train" / "day"
    Image.new("CMYK", (40, 30), (0, 50, 90, 10)).save(target / "cmyk.jpg")
    Image.new("L", (20, 50), 130).save(target / "grey.png")
    Image.fromarray(np.full((33, 33), 40_000, np.uint16)).save(target / "16bit.png")
    Image.new("RGB", (3000, 2000), (200, 150, 90)).save(target / "huge.jpg")
    done = ends("cnn", "--dataset", own, "--model", "dense", "--epochs", 1, cwd=tmp_path, code=0)
    assert record(tmp_path / done.stdout.splitlines()[-1])["dataset"]["counts"]["train"] == 64


class Canary:
    """Unpickled without care, this makes a file."""

    def __init__(self, path: Path):
        self.path = path

    def __reduce__(self):
        return (os.system, (f"touch '{self.path}'",))


@pytest.mark.parametrize("layout", ["folder", "archive", "npz"])
def test_a_malicious_pickle_is_not_executed(tmp_path, layout):
    canary = tmp_path / "canary"
    data = tmp_path / "data"
    batches = data / "cifar-10-batches-py"
    batches.mkdir(parents=True)
    for name in [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]:
        (batches / name).write_bytes(pickle.dumps({b"data": Canary(canary), b"labels": [0]}, protocol=2))
    if layout == "archive":
        with tarfile.open(data / "cifar-10-python.tar.gz", "w:gz") as archive:
            archive.add(batches, batches.name)
        shutil.rmtree(batches)
    if layout == "npz":
        evil = np.array([Canary(canary)], dtype=object)
        np.savez(data / "mnist.npz", x_train=evil, y_train=evil, x_test=evil, y_test=evil)
    dataset = "mnist" if layout == "npz" else "cifar10"
    done = ends("cnn", "--dataset", dataset, "--data-dir", data, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert not canary.exists()


@pytest.mark.parametrize("content", [b"", b"<html>404 Not Found</html>", b"\x1f\x8b\x08\x00cut off"])
def test_an_archive_that_is_none_is_named(tmp_path, content):
    (tmp_path / "cifar-10-python.tar.gz").write_bytes(content)
    done = ends("cnn", "--data-dir", tmp_path, cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "cifar-10-python.tar.gz" in done.stderr


def test_a_bare_environment_and_odd_paths(tmp_path):
    """No HOME, no DISPLAY, the C locale, and a folder with spaces and letters that ASCII has not."""
    env = {"PATH": os.environ["PATH"], "LANG": "C", "LC_ALL": "C"}
    odd = tmp_path / "Ünï côde" / "a b"
    odd.mkdir(parents=True)
    done = ends("mlp", "--quick", "--out", "rés ults", cwd=odd, env=env, code=0)
    assert "Traceback" not in done.stderr
    assert (odd / "rés ults" / "mlp" / "circles" / "curves.png").stat().st_size > 1000


def test_a_closed_pipe_loses_nothing(tmp_path):
    process = start("svm", cwd=tmp_path)
    process.stdout.close()
    err = process.stderr.read()
    process.wait(timeout=60)
    assert "Traceback" not in err
    assert record(tmp_path / "results" / "svm" / "kernels")["status"] == "ok"


def test_ctrl_c_before_training_exits_130(tmp_path):
    process = start("mlp", "--epochs", 100_000, cwd=tmp_path)
    time.sleep(2.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130 and "Traceback" not in err

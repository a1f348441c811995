"""Ctrl-C, SIGTERM and readers that go away."""

import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from processes import (
    GPU_PATH,
    PATIENCE,
    TRAIN,
    VALIDATED,
    assert_one_sentence,
    ends_here,
    folder_of,
    fork,
    numbers,
    record,
    runs,
    start,
    wait_for_epochs,
    wait_for_line,
    wait_until,
)


@pytest.mark.parametrize(
    ("signum", "code", "network", "begin"),
    [
        (signal.SIGINT, 130, (*TRAIN, *VALIDATED), start),
        (signal.SIGTERM, 143, TRAIN, fork),
        (signal.SIGINT, 130, GPU_PATH, fork),
    ],
    ids=["ctrl-c", "sigterm", "ctrl-c-gpu-path"],
)
def test_the_first_signal_saves_and_draws_and_names_the_resume_command(
    pictures, tmp_path, signum, code, network, begin
):
    process = begin("cnn", "--dataset", pictures, *network, "--epochs", 3000, cwd=tmp_path)
    wait_for_epochs(process, tmp_path / "results" / "cnn", 2)
    process.send_signal(signum)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    folder = tmp_path / out.splitlines()[-1]
    assert f"interrupted; resume it with: rdfia resume {out.splitlines()[-1]}" in err.splitlines()
    assert record(folder)["status"] == "interrupted"
    assert {"curves.png", "model.keras", "best.keras", "history.csv"} <= {path.name for path in folder.iterdir()}
    chosen, by = ("selected", "validation") if "--validation" in network else ("best", "test")
    line = f"best.keras holds epoch {record(folder)[chosen]['epoch']}, which has the highest {by} accuracy"
    assert line in out.splitlines()


def test_the_second_signal_ends_at_once(tmp_path):
    # One batch an epoch, so long that the second signal comes before its end, after which the record is written.
    process = fork("cnn", "--dataset", "digits", "--batch-size", 1347, "--epochs", 50, cwd=tmp_path)
    folder = wait_for_epochs(process, tmp_path / "results" / "cnn", 1)
    process.send_signal(signal.SIGINT)
    # Two signals before Python gets to the first would count as one.
    wait_for_line(process, "press Ctrl-C again to stop at once")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    # What the first signal would have saved and drawn is not there: nothing was waited for.
    assert len(numbers(folder)) >= 1 and not (folder / "metrics.json").exists()


def test_ctrl_c_ends_improve_with_what_is_finished(pictures, tmp_path):
    args = ("improve", "mnist-dense", "mnist-lenet", "--dataset", pictures, "--epochs", 50)
    process = fork(*args, cwd=tmp_path)
    wait_for_epochs(process, tmp_path / "results" / "cnn", 2, "*lenet*")
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "the same command resumes from here" in err
    assert len(out.splitlines()) == 3, out  # the heading, the finished run, the folder
    again = ends_here(*args, cwd=tmp_path, code=0)
    assert "finished earlier, in" in again.stderr and "resuming after epoch" in again.stderr
    assert len(again.stdout.splitlines()) == 4


def test_ctrl_c_in_the_first_run_of_improve_does_not_start_the_second(pictures, tmp_path):
    args = ("improve", "mnist-dense", "mnist-lenet", "--dataset", pictures, "--epochs", 3000)
    process = fork(*args, cwd=tmp_path)
    folder = wait_for_epochs(process, tmp_path / "results" / "cnn", 2)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "the same command resumes from here" in err
    assert out.splitlines() == [str(Path("results") / "improve")]
    assert runs(tmp_path / "results" / "cnn") == [folder] and record(folder)["status"] == "interrupted"
    assert not list((tmp_path / "results" / "improve").iterdir())


def test_ctrl_c_before_training_exits_130(tmp_path):
    process = start("mlp", "--epochs", 100_000, cwd=tmp_path)
    # TensorFlow's library is there some seconds before training begins.
    wait_until(lambda: "libtensorflow" in Path(f"/proc/{process.pid}/maps").read_text(), process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130 and "Traceback" not in err and "epoch" not in err


def test_a_closed_pipe_loses_nothing(tmp_path):
    process = start("svm", "--kernel", "rbf", "--quick", cwd=tmp_path)
    process.stdout.close()
    err = process.stderr.read()
    process.wait(timeout=PATIENCE)
    assert "Traceback" not in err
    assert record(tmp_path / "results" / "svm" / "rbf")["status"] == "ok"


def test_closed_streams_lose_nothing(tmp_path):
    command = shlex.join([sys.executable, "-m", "rdfia_keras", "svm", "--kernel", "rbf", "--quick"])
    done = subprocess.run(["sh", "-c", f"{command} >&- 2>&-"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert record(tmp_path / "results" / "svm" / "rbf")["status"] == "ok"


@pytest.mark.parametrize("command", ["mlp", "cnn"])
def test_divergence_fails_with_its_epoch(pictures, tmp_path, command):
    args = ("cnn", "--dataset", pictures) if command == "cnn" else ("mlp",)
    done = ends_here(*args, "--lr", "1000000", cwd=tmp_path, code=1)
    assert_one_sentence(done.stderr)
    assert "diverged" in done.stderr and "epoch 1" in done.stderr and "smaller --lr" in done.stderr
    assert record(folder_of(done, tmp_path))["status"] == "failed"

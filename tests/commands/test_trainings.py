"""Whole trainings from the command line: what is shown, and what is in the run's folder."""

import json
import os
import pty
import re
import subprocess
import sys
import time

from made_data import write_pictures


def test_mlp_quick_end_to_end_on_a_terminal(tmp_path):
    """In a process of its own, whose stderr is a terminal: it gets a bar with the time left.

    There is no HOME and no DISPLAY, the locale is C, and the folders have spaces and letters that ASCII has not.
    """
    odd = tmp_path / "Ünï côde" / "a b"
    odd.mkdir(parents=True)
    env = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rdfia_keras", "mlp", "--quick", "--out", "with space/é"],
        cwd=odd,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=child,
        text=True,
        env=env | {"LANG": "C", "LC_ALL": "C", "TERM": "xterm", "COLUMNS": "160"},
    )
    os.close(child)
    shown = b""
    try:
        while chunk := os.read(parent, 4096):
            shown += chunk
    except OSError:  # Linux's way of saying that the other end is closed.
        pass
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 0, shown
    assert re.search(rb"0:00:\d\d", shown) and b"epoch 20/20" in shown
    lines = out.splitlines()
    assert lines[0].startswith("QUICK")
    assert [line.split()[0] for line in lines[2:6]] == ["manual", "tape", "layers", "optimizer"]
    folder = odd / lines[-1]
    assert folder == odd / "with space" / "é" / "mlp" / "circles"
    names = {path.name for path in folder.iterdir()}
    assert names == {
        *("config.json", "metrics.json", "history.csv", "weights.npz", "curves.png", "decision-map.png"),
        "checkpoints",
    }
    record = json.loads((folder / "metrics.json").read_text())
    assert record["quick"] is True and record["status"] == "ok"
    assert record["details"]["largest_difference"] < 1e-6
    assert len((folder / "history.csv").read_text().splitlines()) == 1 + 4 * 20


def assert_progress(lines: list[str], epochs: int, seconds: float) -> None:
    """The first and the last epoch of each implementation, and at most about a line a second between them."""
    line_of_an_epoch = rf"(manual|tape|layers|optimizer)  epoch (\d+)/{epochs}  test .*%(  .* s an epoch, .* left)?$"
    shown = [re.match(line_of_an_epoch, line) for line in lines]
    assert all(shown), lines
    # All that there was before the first epoch's end is a compilation, which tells nothing of the time left.
    assert all((match[3] is None) == (match[2] == "1") for match in shown), lines
    epochs_of: dict[str, list[int]] = {}
    for match in shown:
        epochs_of.setdefault(match[1], []).append(int(match[2]))
    assert list(epochs_of) == ["manual", "tape", "layers", "optimizer"]
    for numbers in epochs_of.values():
        assert (numbers[0], numbers[-1]) == (1, epochs) and numbers == sorted(set(numbers))
    assert len(lines) <= 2 * len(epochs_of) + seconds


def test_a_log_file_does_not_fill_with_progress(rdfia_here):
    """Neither TensorFlow's log nor Keras's progress reaches the user: a line now and then is all."""
    begin = time.monotonic()
    done = rdfia_here("mlp")
    assert done.returncode == 0, done.stderr
    assert_progress(done.stderr.splitlines(), 150, time.monotonic() - begin)
    assert len(done.stderr.splitlines()) < 100


def test_cnn_quick_with_json(rdfia_here, tmp_path, monkeypatch):
    levels = {f"class {number}": 0 for number in range(10)}
    write_pictures(tmp_path / "ten", levels, {"train": 1, "test": 1}, (32, 32), noise=256)
    args = ("cnn", "--dataset", "ten", "--augment", "--dropout", "--quick", "--json", "--batch-size", "5")
    monkeypatch.setattr(sys, "argv", ["rdfia", *args])
    done = rdfia_here(*args)
    assert done.returncode == 0, done.stderr
    record = json.loads(done.stdout)
    assert record["details"]["parameters"] == 1_191_170 and record["details"]["tf32"] is None
    assert record["epochs"] == 2 and record["dataset"]["name"] == "ten"
    folder = tmp_path / "results" / "cnn" / record["experiment"]
    names = {path.name for path in folder.iterdir()}
    assert names >= {"model.keras", "best.keras", "curves.png", "confusion.png", "mistakes.png", "augmented.png"}
    assert all((folder / name).stat().st_size < 150_000 for name in names if name.endswith(".png"))
    config = json.loads((folder / "config.json").read_text())
    assert config["argv"] == [*args]
    assert config["config"]["augmentations"] == ["crop", "flip"] and config["versions"]["keras"]
    assert config["config"] == record["config"]


WITHOUT_FCNTL = "import sys; sys.modules['fcntl'] = None\n"


def test_without_fcntl_the_package_works_and_a_second_writer_is_kept_out(tmp_path):
    def python(code: str, *args: str) -> subprocess.CompletedProcess:
        return subprocess.run(
            [sys.executable, "-W", "ignore:only soft file lock", "-c", WITHOUT_FCNTL + code, *args],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=60,
        )

    done = python(
        "sys.argv[0] = 'rdfia'\nfrom rdfia_keras.commands._app import main\nmain()\n",
        "svm",
        "--kernel",
        "rbf",
        "--quick",
    )
    assert done.returncode == 0 and done.stderr == ""
    folder = tmp_path / "results" / "svm" / "rbf"
    assert json.loads((folder / "metrics.json").read_text())["status"] == "ok"
    second = (
        "from pathlib import Path\nfrom rdfia_keras.runs.run import Run\n"
        "print(Run(Path(sys.argv[1])).is_locked(), flush=True)\nRun.open(Path(sys.argv[1]))\n"
    )
    first = (
        "import subprocess\nfrom pathlib import Path\nfrom rdfia_keras.runs.run import Run\n"
        "with Run.open(Path(sys.argv[1])):\n"
        "    subprocess.run([sys.executable, '-c', sys.argv[2], sys.argv[1]], stderr=sys.stdout)\n"
    )
    shown = python(first, str(folder), WITHOUT_FCNTL + second).stdout
    assert "True" in shown.splitlines() and "is being written by another process" in shown.splitlines()[-1], shown
    assert python(second, str(folder)).stdout == "False\n"

"""The real command in a process of its own: exit codes, what goes where, and what is not imported."""

import json
import os
import pty
import re
import subprocess
import sys
import time

import numpy as np
import pytest
from PIL import Image

from rdfia_keras import __version__
from rdfia_keras.config import CnnConfig

BACK_ENDS = ("tensorflow", "keras", "jax")
HEAVY = (*BACK_ENDS, "numpy", "matplotlib", "sklearn", "scipy")
LIGHT = [
    (["--help"], HEAVY),
    (["--version"], HEAVY),
    (["mlp", "--help"], HEAVY),
    (["cnn", "--lr", "nonsense"], HEAVY),
    (["cnn", "--dropout", "--dropout-rate", "7"], HEAVY),
    (["svm", "--kernel", "rbf", "--quick"], BACK_ENDS),
    (["runs", "--reference"], (*BACK_ENDS, "matplotlib", "sklearn", "scipy")),
]


@pytest.mark.parametrize(
    ("args", "absent"), LIGHT, ids=lambda value: " ".join(value) if isinstance(value, list) else ""
)
def test_what_a_light_command_does_not_need_is_not_imported(args, absent, tmp_path):
    code = (
        "import sys, atexit\n"
        f"atexit.register(lambda: print('HEAVY', [m for m in {absent!r} if m in sys.modules]))\n"
        f"sys.argv = ['rdfia', *{args!r}]\n"
        "from rdfia_keras.cli import main\nmain()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines()[-1] == "HEAVY []", done.stdout + done.stderr


def test_version(rdfia):
    done = rdfia("--version")
    assert (done.returncode, done.stdout) == (0, f"rdfia {__version__}\n")


@pytest.mark.parametrize(
    ("args", "word"),
    [
        (["nonsense"], "nonsense"),
        (["mlp", "--nonsense"], "--nonsense"),
        (["mlp", "--epochs", "0"], "--epochs"),
        (["mlp", "--epochs", "three"], "valid integer"),
        (["mlp", "--lr", "0"], "--lr"),
        (["mlp", "--lr", "nan"], "--lr"),
        (["mlp", "--lr", "inf"], "--lr"),
        (["mlp", "--batch-size", "-1"], "--batch-size"),
        (["mlp", "--hidden", "0"], "--hidden"),
        (["mlp", "--seed", "-1"], "--seed"),
        (["cnn", "--seed", "4294967296"], "--seed"),
        (["mlp", "--resume", "--check-gradients"], "--check-gradients cannot go with --resume"),
        (["mlp", "--resume", "--deterministic"], "--deterministic cannot go with --resume"),
        (["cnn", "--resume", "--quick"], "--quick cannot go with --resume"),
        (["cnn", "--resume", "RUN", "--overwrite"], "--overwrite cannot go with --resume"),
        (["mlp", "--dataset", "cifar10"], "cifar10"),
        (["mlp", "--device", "tpu"], "tpu"),
        (["svm", "--C", "1"], "--kernel"),
        (["svm", "--kernel", "rbf", "--C", "0"], "--C"),
        (["svm", "--kernel", "rbf", "--degree", "2"], "--degree"),
        (["cnn", "--dropout-rate", "0.3"], "--dropout"),
        (["cnn", "--dropout", "--dropout-rate", "1"], "between 0 and 1"),
        (["cnn", "--model", "lenet", "--batch-norm"], "--batch-norm"),
        (["cnn", "--schedule", "cosine"], "cosine"),
        (["cnn", "--precision", "float64"], "float64"),
        (["cnn", "--dataset", "digits", "--xla", "on", "--deterministic"], "exclude each other"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_wrong_option_is_named_and_exits_2(rdfia_here, monkeypatch, args, word):
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("TERM", "dumb")
    done = rdfia_here(*args)
    assert done.returncode == 2
    assert word in done.stderr and done.stdout == ""
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["cnn", "--dataset", "nonsense"], ["nonsense", "cifar10", "folder"]),
        (["cnn", "--dataset", "no/such/folder"], ["no/such/folder"]),
        (["mlp", "--data-dir", "missing"], ["missing", "does not exist"]),
        (["cnn", "--resume", ""], ["--resume", "empty"]),
        (["cnn", "--resume"], ["no unfinished run"]),
        (["mlp", "--resume", "broken"], ["broken", "is not a run's folder"]),
        (["mlp", "--out", "a-file"], ["a-file", "is a file"]),
        (["mlp", "--out", "a-file/below"], ["a-file"]),
        (["mlp", "--data-dir", "broken"], ["circles.mat"]),
        (["cnn", "--data-dir", "broken", "--dataset", "mnist"], ["mnist.npz"]),
        (["cnn", "--data-dir", "broken"], ["data_batch_1"]),
        (
            ["cnn", "--dataset", "digits", "--quick", "--validation", "0.001"],
            ["0 of the", "of class 0", "--validation"],
        ),
        (["mlp", "--train-examples", "201"], ["circles has 200 training examples", "--train-examples", "leave it out"]),
        (["mlp", "--validation", "0.999"], ["100 of the 100", "choose another fraction"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_a_bad_input_gets_one_sentence_and_exits_1(rdfia_here, tmp_path, args, words):
    (tmp_path / "a-file").write_text("x")
    (tmp_path / "broken" / "cifar-10-batches-py").mkdir(parents=True)
    for name in ("circles.mat", "mnist.npz", "cifar-10-batches-py/data_batch_2"):
        (tmp_path / "broken" / name).write_text("<html>404</html>")
    done = rdfia_here(*args)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr


def test_no_network_and_no_file_names_three_ways_out(rdfia, tmp_path):
    proxy = "http://127.0.0.1:9"
    env = {"https_proxy": proxy, "http_proxy": proxy, "KERAS_HOME": str(tmp_path / "cache")}
    done = rdfia("cnn", env=env)
    assert done.returncode == 1
    for word in ("cifar-10-python.tar.gz", "--data-dir", "--dataset digits"):
        assert word in done.stderr
    assert done.stderr.count("\n") == 1


def test_debug_shows_the_traceback(rdfia):
    done = rdfia("mlp", "--data-dir", "missing", "--debug")
    assert done.returncode == 1 and "Traceback" in done.stderr and "error: " in done.stderr


def test_mlp_quick_end_to_end_on_a_terminal(tmp_path):
    """In a process of its own, whose stderr is a terminal: it gets a bar with the time left."""
    parent, child = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "rdfia_keras", "mlp", "--quick", "--out", "with space/é"],
        cwd=tmp_path,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=child,
        text=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "160"},
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
    folder = tmp_path / lines[-1]
    assert folder == tmp_path / "with space" / "é" / "mlp" / "circles"
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
    line_of_an_epoch = rf"(manual|tape|layers|optimizer)  epoch (\d+)/{epochs}  loss .*%(  .* s an epoch, .* left)?$"
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


def test_check_gradients_prints_a_table(rdfia_here):
    done = rdfia_here("mlp", "--check-gradients")
    assert done.returncode == 0
    lines = done.stdout.splitlines()
    assert [line.split()[0] for line in lines[1:5]] == ["W_h", "b_h", "W_y", "b_y"]
    assert float(lines[-1].split()[-1]) < 1e-6


def test_cnn_quick_with_json(rdfia_here, tmp_path, monkeypatch):
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for number in range(10):
            folder = tmp_path / "ten" / split / f"class {number}"
            folder.mkdir(parents=True)
            Image.fromarray(rng.integers(0, 256, (32, 32, 3)).astype(np.uint8)).save(folder / "1.png")
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


def test_an_image_folder_of_ones_own(rdfia_here, tmp_path, image_folder):
    args = ("cnn", "--dataset", image_folder, "--epochs", "1", "--model", "dense", "--optimizer", "adam")
    done = rdfia_here(*args, "--out", tmp_path / "out")
    assert done.returncode == 0, done.stderr
    folder = done.stdout.splitlines()[-1]
    assert folder == str(tmp_path / "out" / "cnn" / "my-pictures-dense-adam")
    record = json.loads((tmp_path / folder / "metrics.json").read_text())
    assert record["dataset"]["counts"] == {"train": 16, "test": 8}
    # Adam from Python is Adam from the command line.
    config = CnnConfig(dataset=str(image_folder), network="dense", optimizer="adam", epochs=1).resolve()
    assert record["config"] == config.to_dict() and config.lr == 0.001


def test_mlp_refuses_another_back_end(rdfia):
    done = rdfia("mlp", env={"KERAS_BACKEND": "jax"})
    assert done.returncode == 1 and done.stderr.startswith("error: rdfia mlp is written with TensorFlow")


def test_svm_prints_the_homeworks_panels(rdfia_here):
    done = rdfia_here("svm")
    assert done.returncode == 0, done.stderr
    rows = done.stdout.splitlines()
    assert [row.split()[0] for row in rows[1:5]] == ["linear", "sigmoid", "rbf", "poly"]
    assert rows[-1].endswith("results/svm/kernels")


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
        "sys.argv[0] = 'rdfia'\nfrom rdfia_keras.cli import main\nmain()\n", "svm", "--kernel", "rbf", "--quick"
    )
    assert done.returncode == 0 and done.stderr == ""
    folder = tmp_path / "results" / "svm" / "rbf"
    assert json.loads((folder / "metrics.json").read_text())["status"] == "ok"
    second = (
        "from pathlib import Path\nfrom rdfia_keras.runs.folder import Run\n"
        "print(Run(Path(sys.argv[1])).is_free(), flush=True)\nRun.open(Path(sys.argv[1]))\n"
    )
    first = (
        "import subprocess\nfrom pathlib import Path\nfrom rdfia_keras.runs.folder import Run\n"
        "with Run.open(Path(sys.argv[1])):\n"
        "    subprocess.run([sys.executable, '-c', sys.argv[2], sys.argv[1]], stderr=sys.stdout)\n"
    )
    shown = python(first, str(folder), WITHOUT_FCNTL + second).stdout
    assert "False" in shown.splitlines() and "is being written by another process" in shown.splitlines()[-1], shown
    assert python(second, str(folder)).stdout == "True\n"
